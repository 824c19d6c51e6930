//! What can be said of a root tree on the command line.

use std::path::PathBuf;

use clap::ValueEnum;
use uuid::Uuid;

use super::format::{self, MountOptions, Share};
use crate::exit::Trouble;

/// How a root tree becomes an image; refused where there is an image already.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Root tree")]
pub(crate) struct VolumeArgs {
    /// Leave out what the pattern matches: `/var/cache/*`, `*.tmp`; of a directory the empty directory stays. May be
    /// given several times, as those that follow
    #[arg(long, short, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,

    /// Leave out what the pattern matches, and the directory too
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude_tree: Vec<String>,

    /// Keep what the pattern matches, whatever the filter and other patterns say
    #[arg(long, short, value_name = "GLOB")]
    pub(crate) include: Vec<String>,

    /// What to leave out by itself: private keys, credentials and histories, by what is in the files; what the old tool
    /// left out, by fourteen patterns; or nothing
    #[arg(long, default_value = "content")]
    pub(crate) filter: FilterArg,

    /// Stay on the file system of the root: leave other ones as empty directories
    #[arg(long, conflicts_with = "all")]
    pub(crate) one_file_system: bool,

    /// Follow every file system that holds files: network ones, FUSE, tmpfs, mounted images
    #[arg(long)]
    pub(crate) all: bool,

    /// Leave out what cannot be read, instead of failing
    #[arg(long)]
    pub(crate) tolerate: bool,

    /// Print what would happen to each path, and why, and do nothing
    #[arg(long)]
    pub(crate) list: bool,

    /// Write what is left out or changed, and why, and which files changed while they were read, to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,

    /// Replace /etc/fstab in the image with this file
    #[arg(long, value_name = "FILE", help_heading = "Disk", conflicts_with_all = ["generate_fstab", "fix_fstab"])]
    pub(crate) fstab: Option<PathBuf>,

    /// Replace /etc/fstab in the image with one that mounts the root and nothing else
    #[arg(long, help_heading = "Disk", conflicts_with = "fix_fstab")]
    pub(crate) generate_fstab: bool,

    /// Repair /etc/fstab in the image: mount the new root, drop what would not be there
    #[arg(long, help_heading = "Disk")]
    pub(crate) fix_fstab: bool,

    /// How the disk is divided: not at all (paravirtual), by MBR, by GPT, or as the disk of the source
    #[arg(long, short = 'P', default_value = "auto", help_heading = "Disk")]
    pub(crate) partition: PartitionArg,

    /// Where the boot loader comes from: the source's disk, else the tree's GRUB 2; only one of them; or nowhere
    #[arg(long, default_value = "auto", help_heading = "Disk")]
    pub(crate) bootloader: BootloaderArg,

    /// The disk, or the image of one, whose boot loader is cloned [default: the one that the source lies on]
    #[arg(long, value_name = "PATH", help_heading = "Disk")]
    pub(crate) boot_disk: Option<PathBuf>,

    /// Who has to read the file system: Linux and GRUB 2, or GRUB 0.97 too [default: by the boot loader that is found]
    #[arg(long, help_heading = "Disk")]
    pub(crate) fs_profile: Option<ProfileArg>,

    /// The file system's UUID [default: the source's, so that what names it goes on working]
    #[arg(long, help_heading = "Disk")]
    pub(crate) uuid: Option<Uuid>,

    /// The file system's label, at most 16 bytes [default: the source's]
    #[arg(long, help_heading = "Disk")]
    pub(crate) label: Option<String>,

    /// What the hashes of names in large directories begin with, a UUID [default: the source's]
    #[arg(long, value_name = "UUID", help_heading = "Disk")]
    pub(crate) hash_seed: Option<Uuid>,

    /// Bytes of a block of the file system: 1024, 2048 or 4096 [default: the source's, else 4096]
    #[arg(long, value_name = "BYTES", value_parser = format::block_size, help_heading = "Disk")]
    pub(crate) block_size: Option<u32>,

    /// Bytes of an inode: a power of two from 128, in which times end in 2038, to the size of a block
    /// [default: the source's, else 256, or 128 for GRUB 0.97]
    #[arg(long, value_name = "BYTES", value_parser = format::inode_size, help_heading = "Disk")]
    pub(crate) inode_size: Option<u16>,

    /// The share of the file system that only root may fill, in percent: 0 to 50 [default: the source's, else 5]
    #[arg(long, value_name = "PERCENT", help_heading = "Disk")]
    pub(crate) reserved_percent: Option<Share>,

    /// The mount options that the file system brings, as tune2fs -o names them, all of them or none: acl,user_xattr
    /// [default: the source's, else acl,user_xattr]
    #[arg(long, value_name = "NAMES", help_heading = "Disk")]
    pub(crate) mount_options: Option<MountOptions>,

    #[arg(skip)]
    pub(crate) classic: Classic,
}

/// What only the classic `ec2-bundle-vol` can say of a root tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Classic {
    /// Replace `/etc/fstab` with the one that it wrote, for i386 or for other machines.
    pub(crate) fstab: Option<ClassicFstab>,
    /// Keep the `/etc/fstab` that is replaced as `/etc/fstab.old`.
    pub(crate) keeps_old_fstab: bool,
    /// Replace GRUB 0.97's menu with this file.
    pub(crate) menu: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClassicFstab {
    I386,
    Default,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum FilterArg {
    #[default]
    Content,
    Classic,
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PartitionArg {
    None,
    Mbr,
    Gpt,
    #[default]
    Auto,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum BootloaderArg {
    #[default]
    Auto,
    Clone,
    Build,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileArg {
    Modern,
    GrubLegacy,
}

impl VolumeArgs {
    /// # Errors
    /// An option that says nothing of an image that is there already.
    pub(crate) fn check_unused(&self) -> anyhow::Result<()> {
        let given = [
            ("--exclude", !self.exclude.is_empty()),
            ("--exclude-tree", !self.exclude_tree.is_empty()),
            ("--include", !self.include.is_empty()),
            ("--filter", self.filter != FilterArg::default()),
            ("--one-file-system", self.one_file_system),
            ("--all", self.all),
            ("--tolerate", self.tolerate),
            ("--list", self.list),
            ("--report", self.report.is_some()),
            ("--fstab", self.fstab.is_some()),
            ("--generate-fstab", self.generate_fstab),
            ("--fix-fstab", self.fix_fstab),
            ("--partition", self.partition != PartitionArg::default()),
            ("--bootloader", self.bootloader != BootloaderArg::default()),
            ("--boot-disk", self.boot_disk.is_some()),
            ("--fs-profile", self.fs_profile.is_some()),
            ("--uuid", self.uuid.is_some()),
            ("--label", self.label.is_some()),
            ("--hash-seed", self.hash_seed.is_some()),
            ("--block-size", self.block_size.is_some()),
            ("--inode-size", self.inode_size.is_some()),
            ("--reserved-percent", self.reserved_percent.is_some()),
            ("--mount-options", self.mount_options.is_some()),
        ];
        match given.iter().find(|(_, is_given)| *is_given) {
            Some((name, _)) => Err(Trouble::usage(format!(
                "{name} says how a root tree becomes an image, and the source is an image already"
            ))
            .hint("leave it away, or name a directory")
            .into()),
            None => Ok(()),
        }
    }
}
