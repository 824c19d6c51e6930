//! The tree of extents by which an inode finds its blocks.
//!
//! Source: the kernel's `Documentation/filesystems/ext4/ifork.rst`.

use crate::checksum::Checksum;
use crate::little_endian::{put16, put32};

/// Blocks of an inode that are contiguous in both ways; at most [`MAX_RUN`] of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The first block in the file system.
    pub(crate) start: u32,
    /// The first block in the inode.
    pub(crate) logical: u32,
    pub(crate) len: u32,
    /// Whose it is: a node's number, or that of something without one.
    pub(crate) owner: u32,
}

/// What one extent can describe.
pub(crate) const MAX_RUN: u32 = 32768;

const MAGIC: u16 = 0xf30a;
const HEADER: usize = 12;
const ENTRY: usize = 12;
/// The entries that an inode has room for.
const IN_INODE: usize = 4;

/// The shape of a tree over so many extents: how many blocks each level has, the leaves first.
#[derive(Debug)]
pub(crate) struct Shape {
    levels: Vec<usize>,
    extents: usize,
    per_block: usize,
}

impl Shape {
    pub(crate) fn new(extents: usize, block_size: u32) -> Shape {
        // Four bytes for the checksum, which e2fsprogs leaves room for even without one.
        let per_block = (block_size as usize - HEADER - 4) / ENTRY;
        let (mut levels, mut count) = (Vec::new(), extents);
        while count > IN_INODE {
            count = count.div_ceil(per_block);
            levels.push(count);
        }
        Shape { levels, extents, per_block }
    }

    /// How many blocks the tree has outside the inode.
    pub(crate) fn blocks(&self) -> usize {
        self.levels.iter().sum()
    }

    /// The level of a block, and its place in it.
    fn place(&self, block: usize) -> (usize, usize) {
        let mut index = block;
        for (level, &count) in self.levels.iter().enumerate() {
            if index < count {
                return (level, index);
            }
            index -= count;
        }
        (self.levels.len(), index)
    }

    /// The first extent below a block of a level.
    fn first_extent(&self, level: usize, index: usize) -> usize {
        index * self.per_block.pow(level as u32 + 1)
    }

    /// The number, from 0, of the first block of a level.
    fn level_start(&self, level: usize) -> usize {
        self.levels[..level].iter().sum()
    }

    /// Fills a node: `count` entries from the `first` one of the level below it.
    fn fill(
        &self,
        bytes: &mut [u8],
        level: usize,
        first: usize,
        most: usize,
        runs: &[Run],
        block_at: &dyn Fn(usize) -> u32,
    ) {
        let below = if level == 0 { self.extents } else { self.levels[level - 1] };
        let count = (below - first).min(most);
        put16(bytes, 0, MAGIC);
        put16(bytes, 2, count as u16);
        put16(bytes, 4, most as u16);
        put16(bytes, 6, level as u16);
        for index in 0..count {
            let at = HEADER + index * ENTRY;
            if level == 0 {
                let run = runs[first + index];
                put32(bytes, at, run.logical);
                put16(bytes, at + 4, run.len as u16);
                put32(bytes, at + 8, run.start);
            } else {
                let child = first + index;
                put32(bytes, at, runs[self.first_extent(level - 1, child)].logical);
                put32(bytes, at + 4, block_at(self.level_start(level - 1) + child));
            }
        }
    }

    /// What the inode holds of the tree; `block_at` tells where a block of the tree lies.
    pub(crate) fn root(&self, runs: &[Run], block_at: &dyn Fn(usize) -> u32) -> [u8; 60] {
        let mut bytes = [0; 60];
        self.fill(&mut bytes, self.levels.len(), 0, IN_INODE, runs, block_at);
        bytes
    }

    /// Fills a block of the tree, which is zeros; `seed` is the inode's checksum, if there are checksums.
    pub(crate) fn block(
        &self,
        bytes: &mut [u8],
        block: usize,
        runs: &[Run],
        block_at: &dyn Fn(usize) -> u32,
        seed: Option<Checksum>,
    ) {
        let (level, index) = self.place(block);
        self.fill(bytes, level, index * self.per_block, self.per_block, runs, block_at);
        if let Some(seed) = seed {
            let tail = HEADER + self.per_block * ENTRY;
            let sum = seed.add(&bytes[..tail]).value();
            put32(bytes, tail, sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_of_any_size_have_a_root_that_fits() {
        let check = |extents, blocks| {
            assert_eq!(Shape::new(extents, 4096).blocks(), blocks, "{extents} extents");
        };
        check(0, 0);
        check(4, 0);
        check(5, 1);
        check(340, 1);
        check(341, 2);
        check(4 * 340, 4);
        check(4 * 340 + 1, 5 + 1);
        check(4 * 340 * 340, 4 * 340 + 4);
        check(4 * 340 * 340 + 1, 4 * 340 + 1 + 5 + 1);
    }
}
