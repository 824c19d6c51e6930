//! What is asked for.

use std::path::PathBuf;

use baler_ext4::{MountOptions, Profile, Share};
use uuid::Uuid;

use crate::filter::Filter;
use crate::table::Division;
use crate::walk::Follow;

/// What is to be made of which root tree: plain data.
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
    /// Whether the times of reading are replaced by the times of change, so that the same tree gives the same image.
    pub forget_access_times: bool,
    /// A directory for temporary files: `grub-mkimage` reads and writes some [default: `/tmp`].
    pub temporary: PathBuf,

    /// What is left out by itself [default: secrets, by their content].
    pub filter: Filter,
    /// Which file systems below the root are followed [default: those on local disks].
    pub follow: Follow,
    /// Patterns of what is left out; of a directory an empty one stays. See [`Patterns`](crate::filter::Patterns).
    pub exclude: Vec<String>,
    /// Patterns of what is left out, with the directory.
    pub exclude_tree: Vec<String>,
    /// Patterns of what is kept in any case.
    pub include: Vec<String>,
    /// Whether what cannot be read is left out, instead of being an error.
    pub tolerate: bool,

    /// What becomes of `/etc/fstab`.
    pub fstab: Fstab,
    /// Whether the `/etc/fstab` that is replaced stays as `/etc/fstab.old`.
    pub keep_old_fstab: bool,
    /// A menu for GRUB 0.97 that replaces the one of the tree.
    pub menu: Option<String>,

    /// How the disk is divided [default: as the disk of the source].
    pub division: Option<Division>,
    /// Where the boot loader comes from.
    pub boot_loader: BootLoader,
    /// The disk, or the image of one, whose boot loader is cloned [default: the one that the root lies on].
    pub boot_disk: Option<PathBuf>,

    /// Which readers the file system is for [default: by the boot loader].
    pub profile: Option<Profile>,
    /// The file system's UUID, not zero [default: the source's, or a random one].
    pub uuid: Option<Uuid>,
    /// The file system's label, at most 16 bytes [default: the source's].
    pub label: Option<String>,
    /// What the hashes of names in large directories depend on [default: the source's, or a random one].
    pub hash_seed: Option<Uuid>,
    /// Bytes of a block: 1,024, 2,048 or 4,096 [default: the source's, or 4,096].
    pub block_size: Option<u32>,
    /// Bytes of an inode: a power of two from 128 to the size of a block [default: the source's, or the profile's].
    pub inode_size: Option<u16>,
    /// What only root may fill [default: the source's share, or 5 %].
    pub reserved: Option<Share>,
    /// The mount options that the file system brings [default: the source's, or `acl,user_xattr`].
    pub mount_options: Option<MountOptions>,
}

/// What becomes of `/etc/fstab`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fstab {
    /// It stays; but if the source is not ext2, ext3 or ext4, it is repaired as [`Fstab::Fix`] does.
    #[default]
    Keep,
    /// It is repaired: it mounts the new root, and not what is not in the image.
    Fix,
    /// It is replaced by one that mounts the root and nothing else.
    Generate,
    /// It is replaced by this text.
    Replace(String),
    /// It is replaced by the one that the classic `ec2-bundle-vol` wrote, with the name of the new root.
    Classic(ClassicFstab),
}

/// Which `/etc/fstab` the classic `ec2-bundle-vol` wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassicFstab {
    /// The one for i386, with a swap device.
    I386,
    /// The one for other machines.
    Default,
}

/// Where the boot loader comes from.
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
