//! The way back, stage by stage: parts, gzip stream, archive.
//!
//! Between two stages there is a bounded channel of byte vectors; an error travels the same way, in its place in the
//! stream, and ends it. A stage that nobody listens to any more ends too.

pub(crate) mod archive;
pub(crate) mod inflate;
pub(crate) mod parts;

use crate::Error;

/// What passes between two stages.
pub(crate) type Piece = Result<Vec<u8>, Error>;
