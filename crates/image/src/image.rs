use std::io;

use crate::Extent;

/// A disk or file-system image that can be read once, from its start to its end.
pub trait Image: Send {
    /// Returns the length in bytes, holes included.
    fn len(&self) -> u64;

    /// Says whether its length is 0.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the extents that hold the data: ascending, not overlapping, not touching, inside the image; each
    /// boundary is a multiple of 4,096 bytes, except the end of the image.
    fn extents(&self) -> &[Extent];

    /// Fills `buf` with the bytes at `offset`.
    ///
    /// Offsets ascend from call to call, because an image may be a stream. A hole may be read; it gives zeros.
    ///
    /// # Errors
    ///
    /// Of kind `InvalidInput` for a range that is not inside the image, and of kind `UnexpectedEof` for an image that
    /// ends early because it was cut while it was read; else the error of the file, device or stream.
    fn read_at(&mut self, buf: &mut [u8], offset: u64) -> io::Result<()>;
}

/// Checks that a read is inside an image of `len` bytes. Every implementation of [`Image::read_at`] begins with it.
///
/// # Errors
///
/// Of kind `InvalidInput` if the read is not inside.
pub fn check_inside(buf: &[u8], offset: u64, len: u64) -> io::Result<()> {
    match offset.checked_add(buf.len() as u64) {
        Some(end) if end <= len => Ok(()),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{} bytes at byte {offset} are not inside an image of {len} bytes", buf.len()),
        )),
    }
}
