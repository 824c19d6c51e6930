//! Results of a walk, and reasons why there is less in the image than in the source.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use baler_secrets::Secret;
use baler_tree::{Tree, TreeError};

use crate::reader::TreeFiles;

/// Result of a walk.
#[derive(Debug)]
#[non_exhaustive]
pub struct Walk {
    /// The tree of the image.
    pub tree: Tree,
    /// The data of its files.
    pub files: TreeFiles,
    /// Everything that will not be in it as it is in the source, and why, in the order in which it was found.
    pub changes: Vec<Change>,
}

impl Walk {
    /// The entries that are left out because they could not be read. Unless that is tolerable, there should be no
    /// image.
    pub fn unreadable(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| matches!(change.reason, Reason::Unreadable(_)))
    }

    /// The entries that are left out because they vanished while they were looked at.
    pub fn vanished(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| matches!(change.reason, Reason::Vanished))
    }
}

/// Something that will not be in the image as it is in the source.
#[derive(Debug)]
#[non_exhaustive]
pub struct Change {
    /// From the root, without a `/` before it; the root's is empty.
    pub path: Vec<u8>,
    /// The treatment of the entry.
    pub action: Action,
    /// Why.
    pub reason: Reason,
}

impl Change {
    /// The path, from the root, without a `/` before it.
    pub fn relative_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path))
    }
}

/// The decision for a path, told when it is made; a directory that turns out to be unreadable is told once more.
#[derive(Debug)]
#[non_exhaustive]
pub struct WalkEvent<'a> {
    /// From the root, without a `/` before it; the root's is empty.
    pub path: &'a [u8],
    /// The treatment of the entry.
    pub action: Action,
    /// Why, unless it is kept.
    pub reason: Option<&'a Reason>,
}

/// Treatment of an entry of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// The entry is in the image as it is.
    Kept,
    /// The entry is not in the image, with all that is in it.
    Dropped,
    /// The entry is a file without data in the image.
    Emptied,
    /// The entry is a directory in the image, without what is in it.
    EmptyDirectory,
    /// The entry is in the image only.
    Added,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Kept => "kept",
            Action::Dropped => "dropped",
            Action::Emptied => "emptied",
            Action::EmptyDirectory => "empty directory",
            Action::Added => "added",
        })
    }
}

/// Why an entry is not in the image as it is in the source.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reason {
    /// The entry is one of [`WalkOptions::never`](crate::walk::WalkOptions::never).
    Never,
    /// This pattern matches it.
    Excluded(String),
    /// This is what it is.
    Secret(Secret),
    /// This pattern of the classic tool matches it.
    Classic(&'static str),
    /// Something is mounted there that is not followed.
    Mount {
        /// The file system's type.
        fs_type: String,
        /// The source of the mount.
        source: String,
    },
    /// Something was mounted there after [`WalkOptions::mounts`](crate::walk::WalkOptions::mounts) was read.
    MountedMeanwhile,
    /// A directory is mounted there in which it lies.
    Loop,
    /// The entry vanished, or something else came to its place, while it was looked at.
    Vanished,
    /// The entry cannot be read.
    Unreadable(io::Error),
    /// The image's file system has no room for such a thing.
    Unfit(TreeError),
    /// Every image has one.
    Essential,
}

impl Reason {
    /// The kind of the reason in one word, for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Reason::Never => "never",
            Reason::Excluded(_) => "excluded",
            Reason::Secret(_) => "secret",
            Reason::Classic(_) => "classic",
            Reason::Mount { .. } | Reason::MountedMeanwhile | Reason::Loop => "mount",
            Reason::Vanished => "vanished",
            Reason::Unreadable(_) => "unreadable",
            Reason::Unfit(_) => "unfit",
            Reason::Essential => "essential",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Never => f.write_str("never in an image"),
            Reason::Excluded(pattern) => write!(f, "excluded by `{pattern}`"),
            Reason::Secret(secret) => secret.fmt(f),
            Reason::Classic(pattern) => write!(f, "the classic filter's `{pattern}`"),
            Reason::Mount { fs_type, source } if source.is_empty() => {
                write!(f, "mount of {fs_type}")
            }
            Reason::Mount { fs_type, source } => write!(f, "mount of {fs_type}, `{source}`"),
            Reason::MountedMeanwhile => f.write_str("mounted while the tree was walked"),
            Reason::Loop => f.write_str("mount of a directory that it lies in"),
            Reason::Vanished => f.write_str("vanished"),
            Reason::Unreadable(error) => write!(f, "unreadable: {error}"),
            Reason::Unfit(error) => error.fmt(f),
            Reason::Essential => f.write_str("needed in every image"),
        }
    }
}
