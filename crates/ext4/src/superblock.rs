//! The superblock, the group descriptors and the journal's first block.
//!
//! Source: the kernel's `Documentation/filesystems/ext4/{super,group_descr,journal}.rst`.

use crate::checksum::Checksum;
use crate::geometry::Geometry;
use crate::little_endian::{put16, put32};
use crate::options::{Options, Profile, features};

/// The superblock's length, and where it lies in the file system.
pub(crate) const LEN: usize = 1024;

/// What is counted when everything has its place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) free_blocks: u32,
    pub(crate) free_inodes: u32,
}

/// Compatible, incompatible and read-only compatible features.
fn feature_words(options: &Options, geometry: &Geometry) -> [u32; 3] {
    use features::*;
    let mut compatible = EXT_ATTR | DIR_INDEX;
    compatible |= if geometry.reserved_descriptor_blocks > 0 { RESIZE_INODE } else { 0 };
    let has_journal = geometry.journal_blocks() > 0;
    compatible |= if has_journal { HAS_JOURNAL } else { 0 };
    let mut incompatible = FILETYPE;
    let mut read_only = SPARSE_SUPER | LARGE_FILE;
    if options.has_extents {
        incompatible |= EXTENTS;
        read_only |= HUGE_FILE | DIR_NLINK;
        read_only |= if options.inode_size > 128 { EXTRA_ISIZE } else { 0 };
    }
    if options.profile == Profile::Modern {
        incompatible |= FLEX_BG | if options.is_64bit { BIT64 } else { 0 };
        read_only |= METADATA_CSUM;
    }
    [compatible, incompatible, read_only]
}

/// The superblock of a group: 0 has the one that is used, others have copies.
pub(crate) fn superblock(
    options: &Options,
    geometry: &Geometry,
    counts: Counts,
    journal: Option<&[u8; 68]>,
    group: u32,
) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    let b = &mut bytes;
    let block_bits = geometry.block_size.trailing_zeros() - 10;
    let has_checksums = options.profile == Profile::Modern;
    let created = options.created.seconds.clamp(0, i64::from(u32::MAX)) as u32;
    let most_reserved = u64::from(geometry.blocks / 2);
    put32(b, 0x00, geometry.inodes());
    put32(b, 0x04, geometry.blocks);
    put32(b, 0x08, geometry.reserved_blocks.min(most_reserved) as u32);
    put32(b, 0x0c, counts.free_blocks);
    put32(b, 0x10, counts.free_inodes);
    put32(b, 0x14, geometry.first_block);
    put32(b, 0x18, block_bits);
    put32(b, 0x1c, block_bits);
    put32(b, 0x20, geometry.blocks_per_group);
    put32(b, 0x24, geometry.blocks_per_group);
    put32(b, 0x28, geometry.inodes_per_group);
    put32(b, 0x30, created); // written
    put16(b, 0x36, 0xffff); // no check after so many mounts
    put16(b, 0x38, 0xef53);
    put16(b, 0x3a, 1); // unmounted cleanly
    put16(b, 0x3c, options.on_error.clamp(1, 3));
    put32(b, 0x40, created); // checked
    put32(b, 0x4c, 1); // the revision with features
    put32(b, 0x54, 11); // the first inode that is not reserved
    put16(b, 0x58, options.inode_size);
    put16(b, 0x5a, group as u16);
    for (word, value) in feature_words(options, geometry).into_iter().enumerate() {
        put32(b, 0x5c + 4 * word, value);
    }
    b[0x68..0x78].copy_from_slice(options.uuid.as_bytes());
    b[0x78..0x78 + options.label.len()].copy_from_slice(&options.label);
    put16(b, 0xce, geometry.reserved_descriptor_blocks as u16);
    put32(b, 0xe0, if journal.is_some() { crate::inode::JOURNAL } else { 0 });
    b[0xec..0xfc].copy_from_slice(options.hash_seed.as_bytes());
    b[0xfc] = options.hash_version as u8;
    if let Some(map) = journal {
        b[0xfd] = 1; // the copy of the journal's inode that follows is one
        b[0x10c..0x10c + 68].copy_from_slice(map);
    }
    put16(b, 0xfe, if options.is_64bit { 64 } else { 0 });
    put32(b, 0x100, options.default_mount_options.0);
    put32(b, 0x108, created); // made
    if options.inode_size > 128 {
        put16(b, 0x15c, 32);
        put16(b, 0x15e, 32);
    }
    put32(b, 0x160, 1); // names are hashed as signed bytes
    b[0x174] = if has_checksums { geometry.flex.trailing_zeros() as u8 } else { 0 };
    if has_checksums {
        b[0x175] = 1; // CRC-32C
        let sum = Checksum::START.add(&b[..0x3fc]).value();
        put32(b, 0x3fc, sum);
    }
    bytes
}

/// What is known of a group.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Group {
    pub(crate) free_blocks: u32,
    pub(crate) free_inodes: u32,
    pub(crate) directories: u32,
    /// Inodes at the end of the table that were never used.
    pub(crate) unused_inodes: u32,
    pub(crate) block_bitmap_sum: u32,
    pub(crate) inode_bitmap_sum: u32,
    /// The bitmaps are not written: who needs them makes them.
    pub(crate) has_no_block_bitmap: bool,
    pub(crate) has_no_inode_bitmap: bool,
}

/// Fills a descriptor; `seed` is the file system's checksum, if there are checksums.
pub(crate) fn put_descriptor(
    bytes: &mut [u8],
    geometry: &Geometry,
    number: u32,
    group: &Group,
    seed: Option<Checksum>,
) {
    const NO_INODE_BITMAP: u16 = 1;
    const NO_BLOCK_BITMAP: u16 = 2;
    const TABLE_IS_ZEROED: u16 = 4;
    put32(bytes, 0x00, geometry.block_bitmap(number));
    put32(bytes, 0x04, geometry.inode_bitmap(number));
    put32(bytes, 0x08, geometry.inode_table(number));
    put16(bytes, 0x0c, group.free_blocks as u16);
    put16(bytes, 0x0e, group.free_inodes as u16);
    put16(bytes, 0x10, group.directories as u16);
    let Some(seed) = seed else { return };
    let flags = TABLE_IS_ZEROED
        | if group.has_no_inode_bitmap { NO_INODE_BITMAP } else { 0 }
        | if group.has_no_block_bitmap { NO_BLOCK_BITMAP } else { 0 };
    put16(bytes, 0x12, flags);
    put16(bytes, 0x18, group.block_bitmap_sum as u16);
    put16(bytes, 0x1a, group.inode_bitmap_sum as u16);
    put16(bytes, 0x1c, group.unused_inodes as u16);
    if bytes.len() >= 64 {
        put16(bytes, 0x38, (group.block_bitmap_sum >> 16) as u16);
        put16(bytes, 0x3a, (group.inode_bitmap_sum >> 16) as u16);
    }
    let sum = seed.add(&number.to_le_bytes()).add(bytes).value();
    put16(bytes, 0x1e, sum as u16);
}

/// Fills the first block of a journal of so many blocks that has nothing to be replayed; its numbers are big-endian.
pub(crate) fn put_journal(bytes: &mut [u8], blocks: u32, block_size: u32, uuid: &[u8; 16]) {
    let words = [
        (0x00, 0xc03b_3998), // this is a journal's
        (0x04, 4),           // superblock, second version
        (0x0c, block_size),
        (0x10, blocks),
        (0x14, 1), // the first block of the log
        (0x18, 1), // the first number of a transaction
        (0x40, 1), // used by one file system
    ];
    for (at, word) in words {
        bytes[at..at + 4].copy_from_slice(&u32::to_be_bytes(word));
    }
    bytes[0x30..0x40].copy_from_slice(uuid);
}
