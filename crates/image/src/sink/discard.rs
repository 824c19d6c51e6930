use std::io;

use super::{ImageSink, Order};
use crate::Extent;

/// A sink that checks the order of the calls and drops the data: for verifying a bundle.
#[derive(Debug, Default)]
pub struct Discard {
    order: Order,
}

impl Discard {
    /// Makes a sink for one image.
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
