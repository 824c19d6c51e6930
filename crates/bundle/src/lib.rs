//! An image becomes the encrypted parts of a bundle, and becomes itself again.

mod directory;
mod error;
mod pack;
mod parts;
mod read;
mod stage;
mod unpack;

pub use directory::{DirectorySink, DirectorySource, manifest_filename};
pub use error::Error;
pub use pack::{Event, PackOptions, Packed, bundled_size_bound, estimate_bundled_size, pack};
pub use parts::{MAX_PART_LEN, PART_LEN, PartSink, PartSource, SealedPart};
pub use stage::gzip::Level;
pub use stage::tar::MAX_NAME_LEN;
pub use unpack::{UnpackOptions, Verification, unpack, verify};
