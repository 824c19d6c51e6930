//! The stages of unpacking: parts, gzip stream, archive.
//!
//! Between two stages there is a bounded channel of byte vectors. An error takes the same way, in its place in the
//! stream, and ends it. A stage also ends when its receiver is gone.

pub(crate) mod archive;
pub(crate) mod inflate;
pub(crate) mod parts;

use crate::Error;

/// A message from one stage to the next.
pub(crate) type Piece = Result<Vec<u8>, Error>;
