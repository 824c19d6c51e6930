//! Progress.

/// The progress of making or opening a bundle: a number of bytes since the last event of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Bytes of the image that were read or written, or found to be a hole.
    Image(u64),
    /// The length of a part that was made, or read and checked.
    Part(u64),
}
