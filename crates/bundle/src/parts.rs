//! Parts, where they go to and where they come from.

use std::io;

use baler_manifest::Sha1Digest;

/// 10 MiB: what the classic tools write; readers in the field expect it (`docs/format.md`, "Parts").
pub const PART_LEN: usize = 10 << 20;

/// A part that is longer is refused: it has to be held in memory whole, to be checked before it is used.
pub const MAX_PART_LEN: usize = 64 << 20;

/// A finished part.
#[derive(Debug)]
pub struct SealedPart {
    /// Its bare file name.
    pub filename: String,
    /// The SHA-1 of `data`.
    pub digest: Sha1Digest,
    /// The ciphertext.
    pub data: Vec<u8>,
}

/// Where the parts of a new bundle go, in their order.
pub trait PartSink: Send {
    /// Keeps one part.
    fn put(&mut self, part: SealedPart) -> io::Result<()>;
}

/// Where the parts of a bundle are. Parts are asked for by name, in any order, from several threads.
pub trait PartSource: Sync {
    /// The whole part of that bare file name; an error if it is longer than [`MAX_PART_LEN`].
    fn get(&self, filename: &str) -> io::Result<Vec<u8>>;
}

/// The names of a bundle's parts: `<name>.part.<index>`, the index padded to a width that is known before the count is.
#[derive(Clone, Debug)]
pub(crate) struct PartNames {
    prefix: String,
    width: usize,
}

impl PartNames {
    /// Names for a bundle of at most `bundled_len` bytes.
    pub(crate) fn new(name: &str, bundled_len: u64) -> PartNames {
        PartNames::of_count(name, bundled_len.div_ceil(PART_LEN as u64).max(1) as usize)
    }

    /// Names for a bundle of so many parts.
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
