//! The limits of a manifest: more than these is refused.

/// The most bytes of a manifest. One for 1 TiB, a hundred times what EC2 accepts, has 16 MB.
pub const MAX_SIZE: usize = 16 << 20;

/// The most bytes of a file: the largest `off_t`.
pub(crate) const MAX_BYTES: u64 = i64::MAX as u64;

/// The most elements within each other; the format has five.
pub(crate) const MAX_DEPTH: usize = 16;

/// The most attributes of an element; the format has one.
pub(crate) const MAX_ATTRIBUTES: usize = 16;
