use std::io;

use crate::Extent;

/// A disk or file-system image that can be read once from its start to its end.
pub trait Image: Send {
    /// The length in bytes, holes counted.
    fn len(&self) -> u64;

    /// Whether there is not one byte in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The data: ascending, not overlapping, not touching, inside the image, each boundary a multiple of 4,096
    /// bytes but for the end of the image.
    fn extents(&self) -> &[Extent];

    /// Fills `buf` with the bytes at `offset`.
    ///
    /// Offsets ascend from call to call: an image may be a stream. A hole may be read; it gives zeros. An image that
    /// ends early (it was cut while it was read) is an error of kind `UnexpectedEof`; a range that is not inside
    /// the image is one of kind `InvalidInput`.
    fn read_at(&mut self, buf: &mut [u8], offset: u64) -> io::Result<()>;
}

/// Refuses a read that is not inside an image of `len` bytes; every implementation begins with it.
pub fn check_inside(buf: &[u8], offset: u64, len: u64) -> io::Result<()> {
    match offset.checked_add(buf.len() as u64) {
        Some(end) if end <= len => Ok(()),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{} bytes at byte {offset} are not inside an image of {len} bytes", buf.len()),
        )),
    }
}
