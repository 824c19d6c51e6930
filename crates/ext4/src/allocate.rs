//! The contents of each block.

use baler_tree::NodeId;

use crate::extents::{MAX_RUN, Run};
use crate::geometry::Geometry;

/// Blocks that are contiguous and hold one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) start: u32,
    pub(crate) len: u32,
    pub(crate) what: What,
}

/// What blocks hold, if it is not the data of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The superblock or a copy, of this group.
    Superblock(u32),
    /// The descriptors or a copy.
    Descriptors,
    /// What is reserved for more descriptors; in group 0 it says where the other groups have theirs.
    Reserved {
        group: u32,
    },
    BlockBitmap(u32),
    InodeBitmap(u32),
    InodeTable(u32),
    /// Blocks of a directory or of a long symbolic link, from this one on.
    Node {
        node: NodeId,
        first: u32,
    },
    /// Blocks by which a node, or the journal, finds its others.
    Map {
        owner: u32,
        first: u32,
    },
    /// The extended attributes of this set, for so many inodes.
    Xattrs {
        set: u32,
        shared: u32,
    },
    /// The journal, from this block of it on.
    Journal {
        first: u32,
    },
    /// Where the inode that keeps room for descriptors finds them.
    ResizeMap,
}

/// The blocks that the groups keep for themselves, in order.
pub(crate) fn own_regions(geometry: &Geometry) -> Vec<Region> {
    let mut regions = Vec::new();
    let mut push = |start, len, what| {
        if len > 0 {
            regions.push(Region { start, len, what });
        }
    };
    for group in 0..geometry.groups {
        if geometry.has_super(group) {
            let start = geometry.group_start(group);
            push(start, 1, What::Superblock(group));
            push(start + 1, geometry.descriptor_blocks, What::Descriptors);
            let reserved = start + 1 + geometry.descriptor_blocks;
            push(reserved, geometry.reserved_descriptor_blocks, What::Reserved { group });
        }
        push(geometry.block_bitmap(group), 1, What::BlockBitmap(group));
        push(geometry.inode_bitmap(group), 1, What::InodeBitmap(group));
        push(geometry.inode_table(group), geometry.table_blocks, What::InodeTable(group));
    }
    regions.sort_unstable_by_key(|region| region.start);
    regions
}

/// Gives out free blocks in ascending order.
pub(crate) struct Allocator {
    /// Free blocks: from, up to.
    free: Vec<(u32, u32)>,
    at: usize,
}

/// There are no more blocks.
#[derive(Debug)]
pub(crate) struct Full;

impl Allocator {
    pub(crate) fn new(geometry: &Geometry, own: &[Region]) -> Allocator {
        let (mut free, mut next) = (Vec::new(), geometry.first_block);
        for region in own {
            if region.start > next {
                free.push((next, region.start));
            }
            next = region.start + region.len;
        }
        if next < geometry.blocks {
            free.push((next, geometry.blocks));
        }
        Allocator { free, at: 0 }
    }

    /// The next `len` blocks, in as few runs as there can be.
    pub(crate) fn take(
        &mut self,
        owner: u32,
        mut logical: u32,
        mut len: u32,
        mut run: impl FnMut(Run),
    ) -> Result<(), Full> {
        while len > 0 {
            let (start, end) = self.free.get_mut(self.at).ok_or(Full)?;
            let taken = len.min(*end - *start).min(MAX_RUN);
            run(Run { start: *start, logical, len: taken, owner });
            *start += taken;
            if start == end {
                self.at += 1;
            }
            logical += taken;
            len -= taken;
        }
        Ok(())
    }

    /// How many are left.
    pub(crate) fn free_blocks(&self) -> u32 {
        self.free.iter().skip(self.at).map(|(start, end)| end - start).sum()
    }
}

/// The region that holds a block, or where the next one begins.
pub(crate) fn find(regions: &[Region], block: u32) -> Result<Region, u32> {
    let next = regions.partition_point(|region| region.start <= block);
    match next.checked_sub(1).map(|before| regions[before]) {
        Some(region) if block - region.start < region.len => Ok(region),
        _ => Err(regions.get(next).map_or(u32::MAX, |region| region.start)),
    }
}

/// The run that holds a block, or where the next one begins.
pub(crate) fn find_run(runs: &[Run], block: u32) -> Result<Run, u32> {
    let next = runs.partition_point(|run| run.start <= block);
    match next.checked_sub(1).map(|before| runs[before]) {
        Some(run) if block - run.start < run.len => Ok(run),
        _ => Err(runs.get(next).map_or(u32::MAX, |run| run.start)),
    }
}

/// Of runs that are sorted by their owners, those of one.
pub(crate) fn runs_of(runs: &[Run], owner: u32) -> &[Run] {
    let start = runs.partition_point(|run| run.owner < owner);
    let len = runs[start..].partition_point(|run| run.owner == owner);
    &runs[start..start + len]
}
