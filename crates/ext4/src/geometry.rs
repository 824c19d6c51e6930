//! The division of a file system into groups, and the places of each group's own blocks.

use crate::Error;
use crate::options::{Options, Profile};

/// The division of a file system; blocks are numbered with 32 bits, which is 16 TiB of 4 KiB.
#[derive(Clone, Debug)]
pub(crate) struct Geometry {
    /// The length in bytes; what does not fill a block is left over at the end.
    pub(crate) len: u64,
    pub(crate) block_size: u32,
    /// The first block of group 0: 1 where the boot sector and the superblock have a block each.
    pub(crate) first_block: u32,
    pub(crate) blocks: u32,
    pub(crate) blocks_per_group: u32,
    pub(crate) groups: u32,
    pub(crate) inode_size: u32,
    pub(crate) inodes_per_group: u32,
    pub(crate) table_blocks: u32,
    pub(crate) descriptor_size: u32,
    pub(crate) descriptor_blocks: u32,
    /// What is kept free for the descriptors of a larger file system.
    pub(crate) reserved_descriptor_blocks: u32,
    /// What only root may fill.
    pub(crate) reserved_blocks: u64,
    /// How many groups keep their bitmaps and tables together, a power of two; 1 for each its own.
    pub(crate) flex: u32,
}

/// Groups that keep their bitmaps and tables together, and one of them.
struct Kept {
    /// Their first block.
    start: u32,
    /// The number of groups.
    count: u32,
    /// The group's place among them.
    index: u32,
}

/// A last group with less than this beside its own blocks is omitted.
const SMALLEST_LAST: u32 = 50;

impl Geometry {
    /// Divides a file system of `len` bytes so that it has at least `inodes` inodes.
    pub(crate) fn new(options: &Options, len: u64, inodes: u64) -> Result<Geometry, Error> {
        let block_size = options.block_size;
        let too_large = Error::TooLarge { len, block_size };
        let blocks = len / u64::from(block_size);
        let mut blocks =
            u32::try_from(blocks).ok().filter(|&n| n < u32::MAX - 8).ok_or(too_large)?;
        loop {
            let geometry = Geometry::divide(options, len, blocks, inodes)?;
            let last = geometry.groups - 1;
            let own = geometry.base_len(last) + 2 + geometry.table_blocks;
            let in_last = geometry.group_len(last);
            if last == 0 || in_last >= own + SMALLEST_LAST {
                return Ok(geometry);
            }
            blocks -= in_last;
        }
    }

    fn divide(options: &Options, len: u64, blocks: u32, inodes: u64) -> Result<Geometry, Error> {
        let block_size = options.block_size;
        let first_block = u32::from(block_size == 1024);
        let blocks_per_group = 8 * block_size;
        let groups = blocks.saturating_sub(first_block).div_ceil(blocks_per_group).max(1);
        let inode_size = u32::from(options.inode_size);
        let inodes_per_block = block_size / inode_size;
        let wanted = inodes.max(len / u64::from(options.bytes_per_inode.max(1024)));
        // A whole number of blocks of the table and of bytes of the bitmap.
        let step = u64::from(inodes_per_block.max(8));
        let most = u64::from((8 * block_size).min(65536 - inodes_per_block)) / step * step;
        let inodes_per_group = wanted.div_ceil(u64::from(groups)).next_multiple_of(step).min(most);
        if inodes_per_group * u64::from(groups) < inodes {
            let group = u64::from(blocks_per_group) * u64::from(block_size);
            let needed = inodes.div_ceil(most) * group;
            return Err(Error::TooSmall { needed, len });
        }
        let inodes_per_group = inodes_per_group as u32;
        let table_blocks = (inodes_per_group * inode_size).div_ceil(block_size);
        let descriptor_size = if options.is_64bit { 64 } else { 32 };
        let descriptor_blocks = (groups * descriptor_size).div_ceil(block_size);
        // Room to grow by a factor of 1,024, as far as one block of pointers reaches.
        let largest = u64::from(blocks).saturating_mul(1024).min(u64::from(u32::MAX));
        let largest = (largest - u64::from(first_block)).div_ceil(u64::from(blocks_per_group));
        let largest = (largest * u64::from(descriptor_size)).div_ceil(u64::from(block_size)) as u32;
        let reserved_descriptor_blocks =
            largest.saturating_sub(descriptor_blocks).min(block_size / 4);
        let mut flex = if options.profile == Profile::Modern { 16 } else { 1 };
        while flex > 1 && flex * (2 + table_blocks) > blocks_per_group / 2 {
            flex /= 2;
        }
        Ok(Geometry {
            len,
            block_size,
            first_block,
            blocks,
            blocks_per_group,
            groups,
            inode_size,
            inodes_per_group,
            table_blocks,
            descriptor_size,
            descriptor_blocks,
            reserved_descriptor_blocks,
            reserved_blocks: options.reserved.of(len / u64::from(block_size)),
            flex,
        })
    }

    pub(crate) fn inodes(&self) -> u32 {
        self.groups * self.inodes_per_group
    }

    pub(crate) fn group_start(&self, group: u32) -> u32 {
        self.first_block + group * self.blocks_per_group
    }

    pub(crate) fn group_len(&self, group: u32) -> u32 {
        self.blocks_per_group.min(self.blocks - self.group_start(group))
    }

    /// Returns whether a group has a copy of the superblock and the descriptors.
    pub(crate) fn has_super(&self, group: u32) -> bool {
        let is_power = |base: u32| {
            let mut power = base;
            while power < group {
                power = power.saturating_mul(base);
            }
            power == group
        };
        group <= 1 || is_power(3) || is_power(5) || is_power(7)
    }

    /// The blocks at the start of a group: superblock, descriptors and what is reserved for them.
    pub(crate) fn base_len(&self, group: u32) -> u32 {
        if !self.has_super(group) {
            return 0;
        }
        1 + self.descriptor_blocks + self.reserved_descriptor_blocks
    }

    /// The place of a group's bitmaps and table: several groups may keep theirs together, in the first of them.
    fn kept(&self, group: u32) -> Kept {
        let first = group - group % self.flex;
        Kept {
            start: self.group_start(first) + self.base_len(first),
            count: self.flex.min(self.groups - first),
            index: group - first,
        }
    }

    pub(crate) fn block_bitmap(&self, group: u32) -> u32 {
        let kept = self.kept(group);
        kept.start + kept.index
    }

    pub(crate) fn inode_bitmap(&self, group: u32) -> u32 {
        let kept = self.kept(group);
        kept.start + kept.count + kept.index
    }

    pub(crate) fn inode_table(&self, group: u32) -> u32 {
        let kept = self.kept(group);
        kept.start + 2 * kept.count + kept.index * self.table_blocks
    }

    /// The blocks that all groups keep for themselves.
    pub(crate) fn own_blocks(&self) -> u64 {
        let bases: u64 = (0..self.groups).map(|group| u64::from(self.base_len(group))).sum();
        bases + u64::from(self.groups) * u64::from(2 + self.table_blocks)
    }

    /// The journal's length in blocks, as `mke2fs` chooses it; 0 where one would be more than the rest.
    pub(crate) fn journal_blocks(&self) -> u32 {
        const STEPS: [(u32, u32); 8] = [
            (2048, 0),
            (32768, 1024),
            (256 << 10, 4096),
            (512 << 10, 8192),
            (4096 << 10, 16384),
            (8192 << 10, 32768),
            (16384 << 10, 65536),
            (32768 << 10, 131_072),
        ];
        let step = STEPS.iter().find(|(below, _)| self.blocks < *below);
        step.map_or(262_144, |(_, len)| *len)
    }

    /// A length in bytes that has room for so many blocks and inodes.
    pub(crate) fn enough(options: &Options, content: u64, inodes: u64) -> u64 {
        let block_size = u64::from(options.block_size);
        let mut len = (content + 64) * block_size;
        loop {
            match Geometry::new(options, len, inodes) {
                Ok(geometry) => {
                    let own = geometry.own_blocks() + u64::from(geometry.journal_blocks()) + 1;
                    let missing = (content + own).saturating_sub(u64::from(geometry.blocks));
                    if missing == 0 {
                        return len.next_multiple_of(1 << 20);
                    }
                    len += (missing + 16) * block_size;
                }
                Err(Error::TooSmall { needed, .. }) => len = needed.max(len + block_size),
                Err(_) => return len,
            }
        }
    }
}
