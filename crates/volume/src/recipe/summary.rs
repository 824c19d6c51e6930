use std::path::{Path, PathBuf};

use baler_ext4::{Options, Plan, Profile, Usage};

use crate::layout::{Boot, Layout};
use crate::lint::{Finding, will_boot};
use crate::table::Division;

/// Everything that was decided for an image, before a file's data is read.
#[derive(Clone, Debug)]
pub struct Summary {
    root: PathBuf,
    entries: usize,
    left_out: usize,
    len: u64,
    division: Division,
    boot: Boot,
    start: u64,
    root_len: u64,
    options: Options,
    usage: Usage,
    data: u64,
    findings: Vec<Finding>,
}

/// Counts of a tree before its file system is planned.
pub(super) struct Counted {
    pub(super) root: PathBuf,
    pub(super) entries: usize,
    pub(super) left_out: usize,
    pub(super) findings: Vec<Finding>,
}

impl Summary {
    pub(super) fn new(counted: Counted, layout: &Layout, plan: &Plan) -> Summary {
        let Counted { root, entries, left_out, findings } = counted;
        Summary {
            root,
            entries,
            left_out,
            len: layout.len,
            division: layout.division(),
            boot: layout.boot.clone(),
            start: layout.start,
            root_len: plan.len(),
            options: plan.options().clone(),
            usage: plan.usage(),
            data: plan.extents().iter().map(|extent| extent.len).sum(),
            findings,
        }
    }

    /// The root tree, as it was given.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The number of files, directories and others that are in the image.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// The number of entries that are left out or emptied.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// The image's length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "no image is empty")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The division of the disk.
    pub fn division(&self) -> Division {
        self.division
    }

    /// The origin of the boot loader.
    pub fn boot(&self) -> &Boot {
        &self.boot
    }

    /// Offset of the file system in the image, in bytes.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The file system's length in bytes.
    pub fn root_len(&self) -> u64 {
        self.root_len
    }

    /// Properties of the file system: UUID, label, sizes, mount options.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Numbers of used and free blocks and inodes.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Free bytes of the file system.
    pub fn free(&self) -> u64 {
        self.usage.free_blocks * u64::from(self.usage.block_size)
    }

    /// Bytes that only root may fill.
    pub fn reserved(&self) -> u64 {
        self.usage.reserved_blocks * u64::from(self.usage.block_size)
    }

    /// Bytes of the file system that are not zeros, its own structures included.
    pub fn data(&self) -> u64 {
        self.data
    }

    /// Findings that keep the image from booting, or may.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Returns whether nothing was found that keeps the image from booting.
    pub fn will_boot(&self) -> bool {
        will_boot(&self.findings)
    }

    /// The format of the file system, for people: `ext4`, `ext4 for GRUB 0.97` or `ext3`.
    pub fn file_system(&self) -> &'static str {
        match (self.options.profile, self.options.has_extents) {
            (Profile::Modern, _) => "ext4",
            (Profile::GrubLegacy, true) => "ext4 for GRUB 0.97",
            (Profile::GrubLegacy, false) => "ext3",
        }
    }
}
