use std::io;
use std::path::PathBuf;
use std::string::FromUtf8Error;

use baler_tree::TreeError;

use crate::advice::Advice;
use crate::filter::PatternError;
use crate::layout::LayoutError;
use crate::walk::WalkError;

/// Why a recipe gives no image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// A UUID of zeros was asked for.
    #[error("a UUID of zeros names nothing")]
    NilUuid,
    /// A label was asked for that is too long.
    #[error("a label has at most 16 bytes, `{label}` has {}", .label.len())]
    Label {
        /// As it was given.
        label: String,
    },
    /// Inodes were asked for that are larger than the blocks.
    #[error(
        "an inode has at most the size of a block, and {inode_size} bytes do not fit into {block_size}"
    )]
    InodeSize {
        /// Bytes of an inode.
        inode_size: u16,
        /// Bytes of a block.
        block_size: u32,
    },
    /// A pattern that cannot be used.
    #[error("reading the patterns")]
    Patterns(#[from] PatternError),
    /// A boot loader was asked for where there is no partition table.
    #[error("a bare file system has no place for a boot loader")]
    NoPlaceForBootLoader,
    /// The table of mounts cannot be read.
    #[error("reading what is mounted")]
    Mounts(#[source] io::Error),
    /// The disk that was named cannot be used.
    #[error("reading the boot disk `{}`", path.display())]
    BootDisk {
        /// As it was given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file system on the disk that was named cannot be read.
    #[error("reading `{}`", path.display())]
    Probe {
        /// The disk, as it was given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system gives no random numbers.
    #[error("making a UUID")]
    Random(#[source] getrandom::Error),
    /// The root cannot be opened.
    #[error("walking the tree")]
    Root(#[source] WalkError),
    /// The tree cannot be walked.
    #[error(transparent)]
    Walk(WalkError),
    /// Something in the tree cannot be read.
    #[error("`{}` is {reason}{}", path.display(), and_others(*.others))]
    Unreadable {
        /// The first such path, the root's included.
        path: PathBuf,
        /// Why.
        reason: String,
        /// The number of others.
        others: usize,
    },
    /// No boot loader can be cloned or built.
    #[error("there is no boot loader for the image; {}", reasons.join("; "))]
    NoBootLoader {
        /// Why, for each way.
        reasons: Vec<String>,
    },
    /// `/etc/fstab` has to be repaired, and is no text.
    #[error("repairing /etc/fstab, which is not UTF-8")]
    FstabText(#[source] FromUtf8Error),
    /// A file cannot be replaced, because something else is in its place.
    #[error("`/{}` in the tree is no file, and leads to none", String::from_utf8_lossy(.path))]
    NotAFile {
        /// From the root, without a `/` before it.
        path: Vec<u8>,
    },
    /// A file cannot be added.
    #[error("adding `/{}` to the image", String::from_utf8_lossy(.path))]
    Add {
        /// From the root, without a `/` before it.
        path: Vec<u8>,
        /// Why, if it is not that a directory above it is none.
        source: Option<TreeError>,
    },
    /// The disk cannot be divided so.
    #[error("dividing the disk")]
    Layout(#[source] LayoutError),
    /// The file system of the root would become another one, with which the machine does not boot.
    #[error("the root is {old} and would be ext4 in the image, which would not boot: {finding}")]
    WouldNotBoot {
        /// The type of the old file system.
        old: String,
        /// The first thing that would keep it from booting.
        finding: String,
    },
    /// The file system cannot be planned.
    #[error("planning the file system")]
    Plan {
        /// Why.
        source: baler_ext4::Error,
        /// Bytes of the disk that do not belong to the file system.
        around: u64,
    },
    /// The caller's function for events returned this error.
    #[error("stopped")]
    Stopped(#[source] io::Error),
}

/// Kind of a [`RecipeError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecipeErrorKind {
    /// The recipe makes no sense.
    Usage,
    /// The recipe could not be followed.
    Failed,
    /// The caller stopped it.
    Stopped,
}

fn and_others(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => ", and 1 other".to_owned(),
        count => format!(", and {count} others"),
    }
}

impl RecipeError {
    /// The kind of the failure.
    pub fn kind(&self) -> RecipeErrorKind {
        match self {
            RecipeError::NilUuid
            | RecipeError::Label { .. }
            | RecipeError::InodeSize { .. }
            | RecipeError::Patterns(_)
            | RecipeError::NoPlaceForBootLoader => RecipeErrorKind::Usage,
            RecipeError::Stopped(_) => RecipeErrorKind::Stopped,
            _ => RecipeErrorKind::Failed,
        }
    }

    /// Something that can be done about it.
    pub fn advice(&self) -> Option<Advice> {
        Some(match self {
            RecipeError::NilUuid => Advice::OmitUuid,
            RecipeError::InodeSize { inode_size, block_size } => Advice::SmallerInodes {
                most: *block_size,
                block_size: u32::from(*inode_size).max(1024),
            },
            RecipeError::Patterns(_) => {
                "patterns are the shell's: `*`, `**`, `?`, `[a-z]`, `{a,b}`; a backslash takes a character as it is".into()
            }
            RecipeError::NoPlaceForBootLoader => Advice::Partition,
            RecipeError::BootDisk { .. } => "name a disk, or an image of one, that boots".into(),
            RecipeError::Root(WalkError::Root { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                "become root, or name a tree that is yours".into()
            }
            RecipeError::Root(_) => {
                "name the directory that holds the root tree, / for this machine".into()
            }
            RecipeError::Unreadable { .. } => Advice::Tolerate,
            RecipeError::NoBootLoader { .. } => Advice::FindBootLoader,
            RecipeError::NotAFile { .. } => {
                "repair it in the tree, or do not have it replaced".into()
            }
            RecipeError::WouldNotBoot { .. } => Advice::RepairOrNoBootLoader,
            RecipeError::Plan { source, around } => return plan_advice(source, *around),
            _ => return None,
        })
    }
}

/// Advice about a tree that the file system has no room for.
fn plan_advice(error: &baler_ext4::Error, around: u64) -> Option<Advice> {
    use baler_ext4::Error::{FileTooLong, TargetTooLong, TooSmall, Xattrs};
    match error {
        TooSmall { needed, .. } => {
            Some(Advice::ChooseLength { needed: (needed + around).div_ceil(1 << 20) })
        }
        Xattrs { .. } => Some(Advice::ExcludeOrLargerInodes),
        FileTooLong { block_size: ..4096, .. } | TargetTooLong { block_size: ..4096, .. } => {
            Some(Advice::ExcludeOrLargerBlocks)
        }
        FileTooLong { .. } => Some(Advice::Exclude),
        _ => None,
    }
}
