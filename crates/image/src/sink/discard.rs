use std::io;

use super::{ImageSink, Order};
use crate::Extent;

/// A sink that insists on the order of the calls and keeps nothing: for reading a bundle only to verify it.
#[derive(Debug, Default)]
pub struct Discard {
    order: Order,
}

impl Discard {
    /// A sink for one image.
    pub fn new() -> Discard {
        Discard::default()
    }
}

impl ImageSink for Discard {
    fn begin(&mut self, len: u64, _extents: Option<&[Extent]>) -> io::Result<()> {
        self.order.begin(len)
    }

    fn write_at(&mut self, data: &[u8], offset: u64) -> io::Result<()> {
        self.order.check(data.len(), offset)?;
        self.order.wrote(data.len(), offset);
        Ok(())
    }

    fn commit(self: Box<Self>) -> io::Result<()> {
        self.order.end().map(drop)
    }
}
