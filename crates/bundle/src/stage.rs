//! The stages of packing, in the order in which the data passes them.
//!
//! Each is a `Write` over the next, and its `finish(self)` returns the next. If a stage is dropped without `finish`,
//! its output has no end, and every reader refuses it.

pub(crate) mod cipher;
pub(crate) mod digest;
pub(crate) mod gzip;
mod huffman;
pub(crate) mod split;
pub(crate) mod tar;
mod walk;
