use std::io::{self, Write};

use super::{ImageSink, Order, zeros};
use crate::Extent;

/// A sink that writes the whole image, zeros for its holes, to a writer: standard output, for example.
///
/// Bytes that were written before an error, or before a drop without commit, stay written. Errors of the writer are
/// returned unchanged.
#[derive(Debug)]
pub struct StreamSink<W> {
    writer: W,
    order: Order,
}

impl<W: Write + Send> StreamSink<W> {
    /// Makes a sink that writes to `writer`, which needs no buffer.
    pub fn new(writer: W) -> StreamSink<W> {
        StreamSink { writer, order: Order::default() }
    }
}

impl<W: Write + Send> ImageSink for StreamSink<W> {
    fn begin(&mut self, len: u64, _extents: Option<&[Extent]>) -> io::Result<()> {
        self.order.begin(len)
    }

    fn write_at(&mut self, data: &[u8], offset: u64) -> io::Result<()> {
        let gap = self.order.check(data.len(), offset)?;
        zeros(gap, |zeros, _| self.writer.write_all(zeros))?;
        self.writer.write_all(data)?;
        self.order.wrote(data.len(), offset);
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> io::Result<()> {
        let tail = self.order.end()?;
        zeros(tail, |zeros, _| self.writer.write_all(zeros))?;
        self.writer.flush()
    }
}
