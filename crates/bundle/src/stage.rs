//! The stages of a bundle on its way out, in the order in which the data passes them.
//!
//! Each is a `Write` over the next, with `finish(self)` giving back what it wrote to. A stage that is dropped without
//! `finish` leaves its output without an end, which no reader takes for a whole one.

pub(crate) mod cipher;
pub(crate) mod digest;
pub(crate) mod gzip;
mod huffman;
pub(crate) mod split;
pub(crate) mod tar;
mod walk;
