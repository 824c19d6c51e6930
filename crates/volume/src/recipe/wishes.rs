//! The wishes of a caller.

use std::path::PathBuf;

use baler_ext4::{MountOptions, Profile, Share};
use uuid::Uuid;

use crate::filter::Filter;
use crate::table::Division;
use crate::walk::Follow;

/// A wish for an image of a root tree: plain data.
///
/// Made by [`Recipe::new`] with everything at its default; then fields are set. Where a field says *the source*, that
/// is the file system that the root is, if it is mounted from a disk; or the one on [`Recipe::boot_disk`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recipe {
    /// The directory that holds the root tree.
    pub root: PathBuf,
    /// The length of the image in bytes [default: as long as the source, or what the tree needs and a quarter more].
    pub length: Option<u64>,
    /// The most bytes that an image is given if no length is asked for and the tree fits [default: any].
    pub longest: u64,
    /// Files and directories that must not be in the image, under any name: the image itself, keys. What is not there
    /// is ignored.
    pub never: Vec<PathBuf>,
    /// The time of what is added to the tree, and of the file system: seconds since 1970 [default: 0].
    pub now: u64,
    /// Replace the times of reading by the times of change, so that the same tree gives the same image.
    pub forget_access_times: bool,
    /// A directory for temporary files: `grub-mkimage` reads and writes some [default: `/tmp`].
    pub temporary: PathBuf,

    /// Files that are left out although no pattern names them [default: secrets, by their content].
    pub filter: Filter,
    /// File systems below the root that are followed [default: those on local disks].
    pub follow: Follow,
    /// Patterns of what is left out; of a directory an empty one stays. See [`Patterns`](crate::filter::Patterns).
    pub exclude: Vec<String>,
    /// Patterns of what is left out, with the directory.
    pub exclude_tree: Vec<String>,
    /// Patterns of what is kept in any case.
    pub include: Vec<String>,
    /// Leave out what cannot be read, instead of failing.
    pub tolerate: bool,

    /// Treatment of `/etc/fstab`.
    pub fstab: Fstab,
    /// Keep the `/etc/fstab` that is replaced as `/etc/fstab.old`.
    pub keep_old_fstab: bool,
    /// A menu for GRUB 0.97 that replaces the one of the tree.
    pub menu: Option<String>,

    /// Division of the disk [default: as the disk of the source].
    pub division: Option<Division>,
    /// Origin of the boot loader.
    pub boot_loader: BootLoader,
    /// The disk, or the image of one, whose boot loader is cloned [default: the one that the root lies on].
    pub boot_disk: Option<PathBuf>,

    /// Readers that the file system is for [default: by the boot loader].
    pub profile: Option<Profile>,
    /// The file system's UUID, not zero [default: the source's, or a random one].
    pub uuid: Option<Uuid>,
    /// The file system's label, at most 16 bytes [default: the source's].
    pub label: Option<String>,
    /// Seed of the hashes of names in large directories [default: the source's, or a random one].
    pub hash_seed: Option<Uuid>,
    /// Bytes of a block: 1,024, 2,048 or 4,096 [default: the source's, or 4,096].
    pub block_size: Option<u32>,
    /// Bytes of an inode: a power of two from 128 to the size of a block [default: the source's, or the profile's].
    pub inode_size: Option<u16>,
    /// Share of the blocks that only root may fill [default: the source's share, or 5 %].
    pub reserved: Option<Share>,
    /// The mount options that the file system brings [default: the source's, or `acl,user_xattr`].
    pub mount_options: Option<MountOptions>,
}

/// Treatment of `/etc/fstab`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fstab {
    /// Keep it; but if the source is not ext2, ext3 or ext4, repair it as [`Fstab::Fix`] does.
    #[default]
    Keep,
    /// Repair it: mount the new root, and not what is not in the image.
    Fix,
    /// Replace it by one that mounts the root and nothing else.
    Generate,
    /// Replace it by this text.
    Replace(String),
    /// Replace it by the one that the classic `ec2-bundle-vol` wrote, with the name of the new root.
    Classic(ClassicFstab),
}

/// The `/etc/fstab` that the classic `ec2-bundle-vol` wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassicFstab {
    /// The one for i386, with a swap device.
    I386,
    /// The one for other machines.
    Default,
}

/// Origin of the boot loader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BootLoader {
    /// The source's disk; if it cannot be cloned, the GRUB 2 in the tree.
    #[default]
    Auto,
    /// The source's disk.
    Clone,
    /// The GRUB 2 in the tree.
    Build,
    /// Nowhere: the disk does not start by itself.
    None,
}

impl Recipe {
    /// An image of the tree at `root`, with everything at its default.
    pub fn new(root: impl Into<PathBuf>) -> Recipe {
        Recipe {
            root: root.into(),
            length: None,
            longest: u64::MAX,
            never: Vec::new(),
            now: 0,
            forget_access_times: false,
            temporary: PathBuf::from("/tmp"),
            filter: Filter::default(),
            follow: Follow::default(),
            exclude: Vec::new(),
            exclude_tree: Vec::new(),
            include: Vec::new(),
            tolerate: false,
            fstab: Fstab::default(),
            keep_old_fstab: false,
            menu: None,
            division: None,
            boot_loader: BootLoader::default(),
            boot_disk: None,
            profile: None,
            uuid: None,
            label: None,
            hash_seed: None,
            block_size: None,
            inode_size: None,
            reserved: None,
            mount_options: None,
        }
    }
}
