use std::io;

use super::{ImageSink, Order};
use crate::{Extent, Memory, size::Size};

/// A sink that replaces a [`Memory`] once the image is complete.
///
/// Before the commit, and after a drop without one, the [`Memory`] is what it was before.
///
/// ```
/// use baler_image::{ImageSink, Memory, MemorySink};
///
/// let mut image = Memory::default();
/// let mut sink = Box::new(MemorySink::new(&mut image));
/// sink.begin(10, None)?;
/// sink.write_at(b"data", 3)?;
/// sink.commit()?;
/// assert_eq!(image.bytes(), b"\0\0\0data\0\0\0");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct MemorySink<'a> {
    target: &'a mut Memory,
    bytes: Vec<u8>,
    order: Order,
}

impl<'a> MemorySink<'a> {
    /// Makes a sink whose commit replaces `target`.
    pub fn new(target: &'a mut Memory) -> MemorySink<'a> {
        MemorySink { target, bytes: Vec::new(), order: Order::default() }
    }
}

impl ImageSink for MemorySink<'_> {
    fn begin(&mut self, len: u64, _extents: Option<&[Extent]>) -> io::Result<()> {
        // The length may come from a stranger: without this, a length that is too large would end the program.
        let room = usize::try_from(len).ok().map(|len| self.bytes.try_reserve_exact(len));
        if !matches!(room, Some(Ok(()))) {
            let message = format!("an image of {} does not fit in memory", Size(len));
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, message));
        }
        self.order.begin(len)
    }

    fn write_at(&mut self, data: &[u8], offset: u64) -> io::Result<()> {
        let gap = self.order.check(data.len(), offset)?;
        self.bytes.resize(gap.end as usize, 0);
        self.bytes.extend_from_slice(data);
        self.order.wrote(data.len(), offset);
        Ok(())
    }

    fn commit(self: Box<Self>) -> io::Result<()> {
        let tail = self.order.end()?;
        let MemorySink { target, mut bytes, .. } = *self;
        bytes.resize(tail.end as usize, 0);
        *target = Memory::new(bytes);
        Ok(())
    }
}
