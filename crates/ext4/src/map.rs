//! The map by which an inode finds its blocks: extents, or the map of ext3.

use crate::blockmap::BlockMap;
use crate::checksum::Checksum;
use crate::extents::{Run, Shape};

/// One of the two ways.
#[derive(Debug)]
pub(crate) enum Map {
    Extents(Shape),
    Blocks(BlockMap),
}

impl Map {
    pub(crate) fn new(runs: &[Run], block_size: u32, has_extents: bool) -> Map {
        if has_extents {
            Map::Extents(Shape::new(runs.len(), block_size))
        } else {
            Map::Blocks(BlockMap::new(runs, block_size))
        }
    }

    /// How many blocks it has outside the inode.
    pub(crate) fn blocks(&self) -> usize {
        match self {
            Map::Extents(shape) => shape.blocks(),
            Map::Blocks(map) => map.blocks(),
        }
    }

    /// What the inode holds; `block_at` tells where a block outside lies.
    pub(crate) fn root(&self, runs: &[Run], block_at: &dyn Fn(usize) -> u32) -> [u8; 60] {
        match self {
            Map::Extents(shape) => shape.root(runs, block_at),
            Map::Blocks(map) => map.root(runs, block_at),
        }
    }

    /// Fills a block outside, which is zeros; `seed` is the inode's checksum, if there are checksums.
    pub(crate) fn block(
        &self,
        bytes: &mut [u8],
        block: usize,
        runs: &[Run],
        block_at: &dyn Fn(usize) -> u32,
        seed: Option<Checksum>,
    ) {
        match self {
            Map::Extents(shape) => shape.block(bytes, block, runs, block_at, seed),
            Map::Blocks(map) => map.block(bytes, block, runs, block_at),
        }
    }
}
