/// A run of bytes of an image that holds data. Bytes that no extent covers read as zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Extent {
    /// The start, in bytes from the start of the image.
    pub offset: u64,
    /// The length in bytes, never 0.
    pub len: u64,
}

impl Extent {
    /// Returns the offset of the first byte after it.
    pub fn end(&self) -> u64 {
        self.offset + self.len
    }
}

/// The smallest hole that is searched for, and the size and alignment of the blocks in which stored zeros are found:
/// 64 KiB.
///
/// A smaller value finds more zeros and costs more extents: 16 bytes of memory each, an entry in the header of the
/// archive, a system call to read. 64 KiB bounds them at 16,384 per GiB. Zeros that are missed are compressed.
pub const SMALLEST_HOLE: u64 = 64 * 1024;

/// The alignment of extents, 4 KiB: the block of nearly every file system and the page of nearly every machine.
pub const ALIGN: u64 = 4096;

/// Says whether every byte is 0.
///
/// A comparison with an array of zeros would call `memcmp`, which compares byte by byte in musl and so in the static
/// binary. The fold over a fixed-size array has no early exit and becomes vector instructions.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<256>();
    blocks.iter().all(|block| block.iter().fold(0, |all, byte| all | byte) == 0)
        && rest.iter().all(|&byte| byte == 0)
}

/// A collector of extents: takes ascending ranges and merges them if the hole between them is too small.
#[derive(Debug)]
pub struct Runs {
    extents: Vec<Extent>,
    smallest_hole: u64,
}

impl Runs {
    /// Makes a collector that keeps holes of at least `smallest_hole` bytes, and of at least 1.
    pub fn new(smallest_hole: u64) -> Runs {
        Runs { extents: Vec::new(), smallest_hole }
    }

    /// Adds the range from `start` to `end`, which must not be empty, nor begin before the range that was added last.
    pub fn push(&mut self, start: u64, end: u64) {
        debug_assert!(start < end);
        if let Some(last) = self.extents.last_mut()
            && start.saturating_sub(last.end()) < self.smallest_hole
        {
            last.len = last.end().max(end) - last.offset;
        } else {
            self.extents.push(Extent { offset: start, len: end - start });
        }
    }

    /// Returns the extents.
    pub fn into_extents(self) -> Vec<Extent> {
        self.extents
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_merge_what_touches_overlaps_or_nearly_does() {
        let check = |smallest_hole, ranges: &[(u64, u64)], expected: &[(u64, u64)]| {
            let mut runs = Runs::new(smallest_hole);
            ranges.iter().for_each(|&(start, end)| runs.push(start, end));
            let found: Vec<_> = runs.into_extents().iter().map(|e| (e.offset, e.end())).collect();
            assert_eq!(found, expected);
        };
        check(1, &[], &[]);
        check(1, &[(0, 4), (4, 8)], &[(0, 8)]);
        check(1, &[(0, 4), (5, 8)], &[(0, 4), (5, 8)]);
        check(1, &[(0, 8), (4, 6)], &[(0, 8)]);
        check(4, &[(0, 4), (7, 8), (12, 13)], &[(0, 8), (12, 13)]);
    }

    #[test]
    fn one_byte_anywhere_is_not_zero() {
        for len in [0, 1, 255, 256, 257, 1000] {
            let mut bytes = vec![0; len];
            assert!(is_zero(&bytes));
            for at in 0..len {
                bytes[at] = 0x10;
                assert!(!is_zero(&bytes), "byte {at} of {len}");
                bytes[at] = 0;
            }
        }
    }
}
