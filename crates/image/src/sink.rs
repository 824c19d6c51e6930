use std::{io, ops::Range};

use crate::Extent;

mod file;

mod device;

mod stream;

mod discard;

pub use self::{device::DeviceSink, discard::Discard, file::FileSink, stream::StreamSink};

/// Where an image is written to.
///
/// Nothing is visible under its final name before [`commit`](ImageSink::commit); a sink that is dropped without
/// it leaves nothing behind where the target allows that (a file does; a device and standard output cannot).
///
/// A call out of its order is an error of kind `InvalidInput`: a second `begin`, a write before it, a write behind the
/// end of the image or not behind the last write, a `commit` before `begin` or after a write that failed.
pub trait ImageSink: Send {
    /// Says how long the image is, and where its data is if that is known; called once, before any write.
    ///
    /// Fails if the target cannot hold that.
    fn begin(&mut self, len: u64, extents: Option<&[Extent]>) -> io::Result<()>;

    /// Writes `data` at `offset`. Offsets ascend and never overlap; what is skipped reads as zeros afterwards.
    fn write_at(&mut self, data: &[u8], offset: u64) -> io::Result<()>;

    /// Completes the image and gives it its final name; a device is flushed.
    fn commit(self: Box<Self>) -> io::Result<()>;
}

/// The order of calls that every sink insists on, and how far the image is written.
#[derive(Debug, Default)]
struct Order {
    /// The length of the image, after `begin`.
    len: Option<u64>,
    /// The first byte that is not written.
    next: u64,
    /// That a write was begun and did not succeed, or that the order was not kept.
    broken: bool,
}

impl Order {
    /// Allows the writes; called when the target has shown that it can hold `len` bytes.
    fn begin(&mut self, len: u64) -> io::Result<()> {
        if self.len.replace(len).is_some() {
            self.broken = true;
            return Err(refused("the image was begun twice".into()));
        }
        Ok(())
    }

    /// Allows a write of `count` bytes at `offset` and answers the gap before it, which may be empty.
    ///
    /// Until [`wrote`](Self::wrote) follows, the image cannot be committed.
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

    /// The write of `count` bytes at `offset`, and the zeros before it, are done.
    fn wrote(&mut self, count: usize, offset: u64) {
        self.next = offset + count as u64;
        self.broken = false;
    }

    /// Allows the commit and answers the gap behind the last write, which may be empty.
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
