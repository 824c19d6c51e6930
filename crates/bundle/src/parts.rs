//! Parts, their destination and their source.

use std::io;

use baler_manifest::Sha1Digest;

/// The length of every part but the last, in bytes: 10 MiB, as the classic tools write and other readers expect
/// ([format](baler_manifest::format#parts)).
pub const PART_LEN: usize = 10 << 20;

/// The greatest length of a part that is read, in bytes. Longer ones are refused, because a part is held in memory to
/// be checked before it is used.
pub const MAX_PART_LEN: usize = 64 << 20;

/// A finished part.
#[derive(Debug)]
#[non_exhaustive]
pub struct SealedPart {
    /// The bare file name.
    pub filename: String,
    /// The SHA-1 of `data`.
    pub digest: Sha1Digest,
    /// The ciphertext.
    pub data: Vec<u8>,
}

impl SealedPart {
    /// Makes a part of `data`, whose SHA-1 has to be `digest`.
    pub fn new(filename: impl Into<String>, digest: Sha1Digest, data: Vec<u8>) -> SealedPart {
        SealedPart { filename: filename.into(), digest, data }
    }
}

/// The destination of the parts of a new bundle.
pub trait PartSink: Send {
    /// Keeps one part. Called for each part, in their order.
    ///
    /// # Errors
    ///
    /// Those of the destination. They end the packing, and [`pack`](crate::pack) returns them unchanged.
    fn put(&mut self, part: SealedPart) -> io::Result<()>;
}

/// The source of the parts of a bundle. Parts are read by name, in any order, from several threads.
pub trait PartSource: Sync {
    /// Returns the whole part of that bare file name.
    ///
    /// # Errors
    ///
    /// Of kind `NotFound` if there is no such part, of kind `FileTooLarge` if it is longer than [`MAX_PART_LEN`], and
    /// of kind `InvalidInput` if the name is not a bare file name or not that of a file: these count as faults of the
    /// bundle ([`Error::is_mismatch`](crate::Error::is_mismatch)). Any other kind is a failure to read.
    fn get(&self, filename: &str) -> io::Result<Vec<u8>>;
}

/// The names of a bundle's parts: `<name>.part.<index>`, the index padded with zeros to a fixed width.
#[derive(Clone, Debug)]
pub(crate) struct PartNames {
    prefix: String,
    width: usize,
}

impl PartNames {
    /// Makes names for a bundle of at most `bundled_len` bytes: the width is known before the count is.
    pub(crate) fn new(name: &str, bundled_len: u64) -> PartNames {
        PartNames::of_count(name, bundled_len.div_ceil(PART_LEN as u64).max(1) as usize)
    }

    /// Makes names for a bundle of `count` parts.
    pub(crate) fn of_count(name: &str, count: usize) -> PartNames {
        PartNames { prefix: format!("{name}.part."), width: count.to_string().len() }
    }

    pub(crate) fn name(&self, index: usize) -> String {
        format!("{}{index:0width$}", self.prefix, width = self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn width_comes_from_the_greatest_count() {
        let part = PART_LEN as u64;
        for (len, index, name) in [
            (1, 0, "i.part.0"),
            (9 * part, 8, "i.part.8"),
            (9 * part + 1, 8, "i.part.08"),
            (99 * part + 1, 0, "i.part.000"),
            (1024 * part, 1023, "i.part.1023"),
        ] {
            assert_eq!(PartNames::new("i", len).name(index), name);
        }
    }
}
