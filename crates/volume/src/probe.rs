//! Superblocks of file systems.
//!
//! Sources: the kernel's `Documentation/filesystems/ext4/super.rst`, `fs/xfs/libxfs/xfs_format.h`,
//! `include/uapi/linux/btrfs_tree.h`.

use std::io;

use baler_ext4::HashVersion;
use uuid::Uuid;

use crate::little_endian::{u16_at, u32_at};

/// A file system's names, and of ext2, ext3 and ext4 more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probe {
    /// `ext4`, `xfs`, `btrfs`; ext2 and ext3 are told apart by what they have.
    pub fs_type: &'static str,
    /// The UUID by which it is mounted.
    pub uuid: Uuid,
    /// Without the zeros behind it.
    pub label: Vec<u8>,
    /// For ext2, ext3 and ext4.
    pub ext: Option<ExtProbe>,
}

/// Properties of an ext file system that are worth keeping.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExtProbe {
    /// Bytes of a block.
    pub block_size: u32,
    /// All blocks.
    pub blocks: u64,
    /// Blocks that only root may fill.
    pub reserved_blocks: u64,
    /// All inodes.
    pub inodes: u32,
    /// Bytes of an inode.
    pub inode_size: u16,
    /// Seed of the hashes of names.
    pub hash_seed: Uuid,
    /// Hash of names; `None` for one that is not known here.
    pub hash_version: Option<HashVersion>,
    /// The bits of the mount options that it brings.
    pub default_mount_options: u32,
    /// Reaction of the kernel to errors.
    pub on_error: u16,
    /// Compatible, incompatible and read-only compatible features.
    pub features: [u32; 3],
}

impl ExtProbe {
    /// Returns whether it has extents.
    pub fn has_extents(&self) -> bool {
        self.features[1] & 0x40 != 0
    }

    /// Returns whether its block numbers have 64 bits.
    pub fn is_64bit(&self) -> bool {
        self.features[1] & 0x80 != 0
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.blocks.saturating_mul(self.block_size.into())
    }

    /// Returns whether it has no block.
    pub fn is_empty(&self) -> bool {
        self.blocks == 0
    }
}

/// How much of the start of a file system has to be read.
const HEAD: usize = 0x1_1000;

/// Looks at the start of a file system; `read` gives as many bytes from its start as there are.
pub(crate) fn probe(
    read: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>,
) -> io::Result<Option<Probe>> {
    let mut head = vec![0; HEAD];
    // What is shorter has zeros behind it.
    read(&mut head)?;
    Ok(ext(&head).or_else(|| xfs(&head)).or_else(|| btrfs(&head)))
}

fn uuid_at(bytes: &[u8], at: usize) -> Uuid {
    Uuid::from_slice(&bytes[at..at + 16]).unwrap_or_default()
}

fn label_at(bytes: &[u8], at: usize, len: usize) -> Vec<u8> {
    bytes[at..at + len].split(|&byte| byte == 0).next().unwrap_or_default().to_vec()
}

fn ext(head: &[u8]) -> Option<Probe> {
    let block = &head[1024..2048];
    if u16_at(block, 0x38) != 0xef53 {
        return None;
    }
    let features = [0x5c, 0x60, 0x64].map(|at| u32_at(block, at));
    let is_dynamic = u32_at(block, 0x4c) > 0;
    let high = |at| if features[1] & 0x80 != 0 { u64::from(u32_at(block, at)) << 32 } else { 0 };
    // What ext3 has not: anything incompatible but the type in directories, recovery, a journal device, meta_bg.
    let is_ext4 = features[1] & !0x1e != 0 || features[2] & !0x7 != 0;
    let fs_type = match (is_ext4, features[0] & 0x4 != 0) {
        (true, _) => "ext4",
        (false, true) => "ext3",
        (false, false) => "ext2",
    };
    let ext = ExtProbe {
        block_size: 1024 << u32_at(block, 0x18).min(6),
        blocks: u64::from(u32_at(block, 0x04)) | high(0x150),
        reserved_blocks: u64::from(u32_at(block, 0x08)) | high(0x154),
        inodes: u32_at(block, 0x00),
        inode_size: if is_dynamic { u16_at(block, 0x58) } else { 128 },
        hash_seed: uuid_at(block, 0xec),
        hash_version: HashVersion::from_superblock(block[0xfc]),
        default_mount_options: u32_at(block, 0x100),
        on_error: u16_at(block, 0x3c),
        features,
    };
    let (uuid, label) = (uuid_at(block, 0x68), label_at(block, 0x78, 16));
    Some(Probe { fs_type, uuid, label, ext: Some(ext) })
}

fn xfs(head: &[u8]) -> Option<Probe> {
    let (uuid, label) = (uuid_at(head, 32), label_at(head, 108, 12));
    (head[..4] == *b"XFSB").then_some(Probe { fs_type: "xfs", uuid, label, ext: None })
}

fn btrfs(head: &[u8]) -> Option<Probe> {
    let block = &head[0x1_0000..];
    let (uuid, label) = (uuid_at(block, 0x20), label_at(block, 0x12b, 256));
    (block[0x40..0x48] == *b"_BHRfS_M").then_some(Probe {
        fs_type: "btrfs",
        uuid,
        label,
        ext: None,
    })
}
