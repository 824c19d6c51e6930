//! Properties of a file system.

use baler_tree::Time;
use uuid::Uuid;

use crate::hash::HashVersion;
use crate::tuning::{MountOptions, Share};

/// Properties of a file system, but for its length.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// 1,024, 2,048 or 4,096 bytes.
    pub block_size: u32,
    /// A power of two from 128 bytes, which have no room for nanoseconds nor years after 2038, to the block size.
    pub inode_size: u16,
    /// One inode for so many bytes; the tree gets what it needs in any case.
    pub bytes_per_inode: u32,
    /// Share of the blocks that only root may fill.
    pub reserved: Share,
    /// Readers that the file system is for.
    pub profile: Profile,
    /// Block numbers of 64 bits, which only file systems of 16 TiB need; not with [`Profile::GrubLegacy`].
    pub is_64bit: bool,
    /// Extents, rather than the block numbers of ext3; only [`Profile::GrubLegacy`] can do without.
    pub has_extents: bool,
    /// At most 16 bytes.
    pub label: Vec<u8>,
    /// The identifier by which the file system is mounted.
    pub uuid: Uuid,
    /// Seed of the hashes of names in large directories.
    pub hash_seed: Uuid,
    /// Hash that large directories use.
    pub hash_version: HashVersion,
    /// The superblock's `s_default_mount_opts`.
    pub default_mount_options: MountOptions,
    /// Reaction of the kernel to errors, the superblock's `s_errors`: 1 continue, 2 remount read-only, 3 panic.
    pub on_error: u16,
    /// When the file system was made.
    pub created: Time,
}

/// Readers that a file system is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Linux since 3.6 and GRUB 2: checksums of all metadata, groups packed together.
    #[default]
    Modern,
    /// GRUB 0.97 and PV-GRUB: nothing that ext3 lacks but extents, which distributions taught their GRUB to read, and
    /// without them ext3 itself.
    GrubLegacy,
}

impl Profile {
    /// The inode size where nothing else decides: GRUB 0.97 as it was released knows only the small ones.
    pub fn inode_size(self) -> u16 {
        match self {
            Profile::Modern => 256,
            Profile::GrubLegacy => 128,
        }
    }
}

impl Options {
    /// The defaults of `mke2fs`, without a label.
    pub fn new(profile: Profile, uuid: Uuid, hash_seed: Uuid, created: Time) -> Options {
        let acl = MountOptions::ACL.0 | MountOptions::USER_XATTR.0;
        Options {
            block_size: 4096,
            inode_size: profile.inode_size(),
            bytes_per_inode: 16384,
            reserved: Share::DEFAULT,
            profile,
            is_64bit: false,
            has_extents: true,
            label: Vec::new(),
            uuid,
            hash_seed,
            hash_version: HashVersion::default(),
            default_mount_options: MountOptions(acl),
            on_error: 1,
            created,
        }
    }
}

/// Bits of the superblock's three words of features.
pub(crate) mod features {
    pub(crate) const HAS_JOURNAL: u32 = 0x4;
    pub(crate) const EXT_ATTR: u32 = 0x8;
    pub(crate) const RESIZE_INODE: u32 = 0x10;
    pub(crate) const DIR_INDEX: u32 = 0x20;

    pub(crate) const FILETYPE: u32 = 0x2;
    pub(crate) const EXTENTS: u32 = 0x40;
    pub(crate) const BIT64: u32 = 0x80;
    pub(crate) const FLEX_BG: u32 = 0x200;

    pub(crate) const SPARSE_SUPER: u32 = 0x1;
    pub(crate) const LARGE_FILE: u32 = 0x2;
    pub(crate) const HUGE_FILE: u32 = 0x8;
    pub(crate) const DIR_NLINK: u32 = 0x20;
    pub(crate) const EXTRA_ISIZE: u32 = 0x40;
    pub(crate) const METADATA_CSUM: u32 = 0x400;
}
