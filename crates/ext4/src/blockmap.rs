//! The map by which an inode finds its blocks where nobody knows extents: twelve numbers, then blocks of numbers.
//!
//! Source: the kernel's `Documentation/filesystems/ext4/blockmap.rst`.

use crate::extents::Run;
use crate::little_endian::put32;

/// The blocks that an inode names itself.
const DIRECT: u64 = 12;

/// Which blocks of numbers there are; holes have none.
///
/// A block of level 0 names data; number 0 is named by the inode, the next ones by the first of level 1, the others by
/// further ones. A block of level 1 names blocks of level 0, the one of level 2 names blocks of level 1.
#[derive(Debug)]
pub(crate) struct BlockMap {
    slots: u64,
    levels: [Vec<u64>; 3],
}

/// How many blocks a file can have with blocks of this size.
pub(crate) fn most_blocks(block_size: u32) -> u64 {
    let slots = u64::from(block_size / 4);
    DIRECT + slots + slots * slots + slots * slots * slots
}

impl BlockMap {
    pub(crate) fn new(runs: &[Run], block_size: u32) -> BlockMap {
        let slots = u64::from(block_size / 4);
        let mut singles = Vec::new();
        for run in runs {
            let end = u64::from(run.logical) + u64::from(run.len);
            let start = u64::from(run.logical).max(DIRECT);
            if start < end {
                let (first, last) = ((start - DIRECT) / slots, (end - 1 - DIRECT) / slots);
                singles.extend(first..=last);
            }
        }
        singles.dedup();
        let above = |numbers: &[u64]| {
            let parents = numbers.iter().filter(|number| **number > 0);
            let mut parents: Vec<_> = parents.map(|number| (number - 1) / slots).collect();
            parents.dedup();
            parents
        };
        let doubles = above(&singles);
        let triples = above(&doubles);
        BlockMap { slots, levels: [singles, doubles, triples] }
    }

    /// How many blocks there are outside the inode.
    pub(crate) fn blocks(&self) -> usize {
        self.levels.iter().map(Vec::len).sum()
    }

    /// Which of them is the one of this level with this number.
    fn index(&self, level: usize, number: u64) -> Option<usize> {
        let before: usize = self.levels[..level].iter().map(Vec::len).sum();
        self.levels[level].binary_search(&number).ok().map(|index| before + index)
    }

    /// What the inode holds; `block_at` tells where a block of numbers lies.
    pub(crate) fn root(&self, runs: &[Run], block_at: &dyn Fn(usize) -> u32) -> [u8; 60] {
        let mut bytes = [0; 60];
        put_data(&mut bytes[..48], runs, 0);
        for level in 0..3 {
            if let Some(index) = self.index(level, 0) {
                put32(&mut bytes, 48 + 4 * level, block_at(index));
            }
        }
        bytes
    }

    /// Fills a block of numbers, which is zeros.
    pub(crate) fn block(
        &self,
        bytes: &mut [u8],
        block: usize,
        runs: &[Run],
        block_at: &dyn Fn(usize) -> u32,
    ) {
        let (mut level, mut index) = (0, block);
        while index >= self.levels[level].len() {
            index -= self.levels[level].len();
            level += 1;
        }
        let number = self.levels[level][index];
        if level == 0 {
            return put_data(bytes, runs, DIRECT + number * self.slots);
        }
        for slot in 0..self.slots {
            if let Some(child) = self.index(level - 1, 1 + number * self.slots + slot) {
                put32(bytes, 4 * slot as usize, block_at(child));
            }
        }
    }
}

/// Writes the numbers of the blocks from `first` on, as many as there is room for.
fn put_data(bytes: &mut [u8], runs: &[Run], first: u64) {
    let end = first + bytes.len() as u64 / 4;
    let begin = runs.partition_point(|run| u64::from(run.logical) + u64::from(run.len) <= first);
    for run in runs[begin..].iter().take_while(|run| u64::from(run.logical) < end) {
        let start = u64::from(run.logical);
        for logical in start.max(first)..(start + u64::from(run.len)).min(end) {
            let at = 4 * (logical - first) as usize;
            put32(bytes, at, run.start + (logical - start) as u32);
        }
    }
}
