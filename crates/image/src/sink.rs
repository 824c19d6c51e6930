use std::{io, ops::Range};

use crate::Extent;

mod file;

mod device;

mod stream;

mod memory;

mod discard;

pub use self::{
    device::DeviceSink, discard::Discard, file::FileSink, memory::MemorySink, stream::StreamSink,
};

/// The destination of an image.
///
/// Nothing is visible under its final name before [`commit`](ImageSink::commit). A sink that is dropped without a
/// commit leaves nothing behind if its destination allows that (a file does; a device and standard output cannot).
///
/// A call out of order is an error of kind `InvalidInput`: a second `begin`, a write before it, a write past the end of
/// the image or before the end of the last write, a `commit` before `begin` or after a write that failed.
pub trait ImageSink: Send {
    /// Takes the length of the image and, if they are known, its extents. Called once, before any write.
    ///
    /// # Errors
    ///
    /// Of kind `StorageFull` if the destination is too small for the image, and of kind `InvalidInput` if the image was
    /// begun before; else the error of the destination.
    fn begin(&mut self, len: u64, extents: Option<&[Extent]>) -> io::Result<()>;

    /// Writes `data` at `offset`. Offsets ascend, and writes never overlap; bytes that are skipped read as zeros
    /// afterwards.
    ///
    /// # Errors
    ///
    /// Of kind `InvalidInput` for a write out of order or past the end; else the error of the destination. After an
    /// error the image cannot be committed.
    fn write_at(&mut self, data: &[u8], offset: u64) -> io::Result<()>;

    /// Completes the image and gives it its final name. A device is flushed.
    ///
    /// # Errors
    ///
    /// Of kind `InvalidInput` if nothing was begun or a write failed; else the error of the destination.
    fn commit(self: Box<Self>) -> io::Result<()>;
}

/// The order of calls, which every sink checks, and the progress of the writes.
#[derive(Debug, Default)]
struct Order {
    /// The length of the image, once it was begun.
    len: Option<u64>,
    /// The first byte that is not written.
    next: u64,
    /// True if a write failed, or a call was out of order.
    broken: bool,
}

impl Order {
    /// Allows writes. Called once the destination is known to hold `len` bytes.
    fn begin(&mut self, len: u64) -> io::Result<()> {
        if self.len.replace(len).is_some() {
            self.broken = true;
            return Err(refused("the image was begun twice".into()));
        }
        Ok(())
    }

    /// Allows a write of `count` bytes at `offset` and returns the gap before it, which may be empty.
    ///
    /// The image cannot be committed until [`wrote`](Self::wrote) follows.
    fn check(&mut self, count: usize, offset: u64) -> io::Result<Range<u64>> {
        self.broken = true;
        let Some(len) = self.len else {
            return Err(refused("the image was written to before it was begun".into()));
        };
        if offset < self.next {
            let next = self.next;
            return Err(refused(format!("byte {offset} of the image comes after byte {next}")));
        }
        if offset.checked_add(count as u64).is_none_or(|end| end > len) {
            return Err(refused(format!(
                "{count} bytes at byte {offset} are not inside an image of {len} bytes"
            )));
        }
        Ok(self.next..offset)
    }

    /// Records that `count` bytes at `offset`, and the zeros before them, were written.
    fn wrote(&mut self, count: usize, offset: u64) {
        self.next = offset + count as u64;
        self.broken = false;
    }

    /// Allows the commit and returns the gap after the last write, which may be empty.
    fn end(&self) -> io::Result<Range<u64>> {
        match self.len {
            None => Err(refused("the image was committed before it was begun".into())),
            Some(_) if self.broken => {
                Err(refused("the image was committed after it had failed".into()))
            }
            Some(len) => Ok(self.next..len),
        }
    }
}

fn refused(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// Calls `write` with zeros and their offsets, at most 1 MiB at a time, until `range` is filled.
fn zeros(range: Range<u64>, mut write: impl FnMut(&[u8], u64) -> io::Result<()>) -> io::Result<()> {
    let most = 1024 * 1024;
    let zeros = vec![0; (range.end - range.start).min(most) as usize];
    let mut at = range.start;
    while at < range.end {
        let count = (range.end - at).min(most);
        write(&zeros[..count as usize], at)?;
        at += count;
    }
    Ok(())
}
