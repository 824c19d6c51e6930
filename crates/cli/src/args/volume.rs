//! What can be said of a root tree on the command line.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use baler::{MAX_IMAGE, Stop};
use baler_ext4::{MountOptions, Profile, Share, parse_block_size, parse_inode_size};
use baler_volume::filter::Filter;
use baler_volume::recipe::{BootLoader, Fstab, Recipe};
use baler_volume::table::Division;
use baler_volume::walk::Follow;
use clap::ValueEnum;
use uuid::Uuid;

use crate::exit::Trouble;
use crate::face::Face;

/// How a root tree becomes an image; refused where there is an image already.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Root tree")]
pub(crate) struct VolumeArgs {
    /// Leave out what the pattern matches: `/var/cache/*`, `*.tmp`; a directory stays, but empty. May be repeated, like
    /// the next two options
    #[arg(long, short, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,

    /// Leave out what the pattern matches, and the directory too
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude_tree: Vec<String>,

    /// Keep what the pattern matches, whatever the filter and other patterns say
    #[arg(long, short, value_name = "GLOB")]
    pub(crate) include: Vec<String>,

    /// The filter: content leaves out private keys, credentials and histories, by what is in the files; classic leaves
    /// out what matches the old tool's fourteen patterns; none leaves out nothing
    #[arg(long, default_value = "content")]
    pub(crate) filter: FilterArg,

    /// Stay on the root's file system: other mount points become empty directories
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

    /// Write a report as JSON: what is left out or changed, and why, and files that changed while they were read
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

    /// The partition table: none (paravirtual), mbr, gpt, or auto, the same as on the source's disk
    #[arg(long, short = 'P', default_value = "auto", help_heading = "Disk")]
    pub(crate) partition: PartitionArg,

    /// The boot loader: clone the one of the source's disk, build one from the tree's GRUB 2, auto (clone, else build),
    /// or none
    #[arg(long, default_value = "auto", help_heading = "Disk")]
    pub(crate) bootloader: BootloaderArg,

    /// The disk or disk image whose boot loader is cloned [default: the source's disk]
    #[arg(long, value_name = "PATH", help_heading = "Disk")]
    pub(crate) boot_disk: Option<PathBuf>,

    /// The file system's features: for Linux and GRUB 2 (modern), or for GRUB 0.97 too [default: by the boot loader]
    #[arg(long, help_heading = "Disk")]
    pub(crate) fs_profile: Option<ProfileArg>,

    /// The file system's UUID [default: the source's, so that references to it stay valid]
    #[arg(long, help_heading = "Disk")]
    pub(crate) uuid: Option<Uuid>,

    /// The file system's label, at most 16 bytes [default: the source's]
    #[arg(long, help_heading = "Disk")]
    pub(crate) label: Option<String>,

    /// The seed of the hashes of names in large directories, a UUID [default: the source's]
    #[arg(long, value_name = "UUID", help_heading = "Disk")]
    pub(crate) hash_seed: Option<Uuid>,

    /// The block size in bytes: 1024, 2048 or 4096 [default: the source's, else 4096]
    #[arg(long, value_name = "BYTES", value_parser = parse_block_size, help_heading = "Disk")]
    pub(crate) block_size: Option<u32>,

    /// The inode size in bytes: a power of two from 128 (times end in 2038) to the block size
    /// [default: the source's, else 256, or 128 for GRUB 0.97]
    #[arg(long, value_name = "BYTES", value_parser = parse_inode_size, help_heading = "Disk")]
    pub(crate) inode_size: Option<u16>,

    /// Space that is reserved for root, in percent: 0 to 50 [default: the source's, else 5]
    #[arg(long, value_name = "PERCENT", help_heading = "Disk")]
    pub(crate) reserved_percent: Option<Share>,

    /// The file system's default mount options: the whole list, with the names of tune2fs -o, or none
    /// [default: the source's, else acl,user_xattr]
    #[arg(long, value_name = "NAMES", help_heading = "Disk")]
    pub(crate) mount_options: Option<MountOptions>,
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

impl PartitionArg {
    fn division(self) -> Option<Division> {
        match self {
            PartitionArg::None => Some(Division::None),
            PartitionArg::Mbr => Some(Division::Mbr),
            PartitionArg::Gpt => Some(Division::Gpt),
            PartitionArg::Auto => None,
        }
    }
}

impl From<FilterArg> for Filter {
    fn from(arg: FilterArg) -> Filter {
        match arg {
            FilterArg::Content => Filter::Content,
            FilterArg::Classic => Filter::Classic,
            FilterArg::None => Filter::None,
        }
    }
}

impl From<BootloaderArg> for BootLoader {
    fn from(arg: BootloaderArg) -> BootLoader {
        match arg {
            BootloaderArg::Auto => BootLoader::Auto,
            BootloaderArg::Clone => BootLoader::Clone,
            BootloaderArg::Build => BootLoader::Build,
            BootloaderArg::None => BootLoader::None,
        }
    }
}

impl From<ProfileArg> for Profile {
    fn from(arg: ProfileArg) -> Profile {
        match arg {
            ProfileArg::Modern => Profile::Modern,
            ProfileArg::GrubLegacy => Profile::GrubLegacy,
        }
    }
}

/// The largest size of a configuration file.
const MAX_TEXT: u64 = 1 << 20;

/// Reads a whole configuration file.
pub(crate) fn read_text(path: &Path, what: &str, stop: &Stop) -> anyhow::Result<String> {
    let doing = || Trouble::failed(format!("reading the {what} `{}`", path.display()));
    let mut text = String::new();
    let file = stop.open(path).with_context(doing)?;
    file.take(MAX_TEXT).read_to_string(&mut text).with_context(doing)?;
    Ok(text)
}

impl VolumeArgs {
    /// What is to be made of the tree at `root`, of `length` bytes if that was given. The files that were named are read here.
    pub(crate) fn recipe(
        &self,
        root: &Path,
        length: Option<u64>,
        face: &Face,
    ) -> anyhow::Result<Recipe> {
        let mut recipe = Recipe::new(root);
        (recipe.length, recipe.longest) = (length, MAX_IMAGE);
        let environment = &face.environment;
        recipe.now = environment.now()?;
        recipe.forget_access_times = environment.is_clock_stopped();
        recipe.temporary = environment.temporary.clone();

        recipe.filter = self.filter.into();
        recipe.follow = match (self.one_file_system, self.all) {
            (true, _) => Follow::OneFileSystem,
            (false, true) => Follow::All,
            (false, false) => Follow::Local,
        };
        recipe.exclude.clone_from(&self.exclude);
        recipe.exclude_tree.clone_from(&self.exclude_tree);
        recipe.include.clone_from(&self.include);
        recipe.tolerate = self.tolerate;

        // For a list no file but the tree's is read.
        if !self.list {
            recipe.fstab = self.new_fstab(face)?;
        }

        recipe.division = self.partition.division();
        recipe.boot_loader = self.bootloader.into();
        recipe.boot_disk.clone_from(&self.boot_disk);

        recipe.profile = self.fs_profile.map(Profile::from);
        (recipe.uuid, recipe.hash_seed) = (self.uuid, self.hash_seed);
        recipe.label.clone_from(&self.label);
        (recipe.block_size, recipe.inode_size) = (self.block_size, self.inode_size);
        (recipe.reserved, recipe.mount_options) = (self.reserved_percent, self.mount_options);
        Ok(recipe)
    }

    fn new_fstab(&self, face: &Face) -> anyhow::Result<Fstab> {
        Ok(match &self.fstab {
            Some(path) => Fstab::Replace(read_text(path, "fstab", &face.stop)?),
            None if self.generate_fstab => Fstab::Generate,
            None if self.fix_fstab => Fstab::Fix,
            None => Fstab::Keep,
        })
    }

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
            Some((name, _)) => {
                Err(Trouble::usage(format!("{name} is for root trees, and the source is an image"))
                    .hint("omit it, or name a directory")
                    .into())
            }
            None => Ok(()),
        }
    }
}
