//! What a walk finds, and why there is less in the image than in the source.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use baler_secrets::Secret;
use baler_tree::{Tree, TreeError};

use crate::reader::TreeFiles;

/// What a walk found.
#[derive(Debug)]
pub struct Walk {
    /// What will be in the image.
    pub tree: Tree,
    /// The data of its files.
    pub files: TreeFiles,
    /// Everything that will not be in it as it is in the source, and why, in the order in which it was found.
    pub changes: Vec<Change>,
}

impl Walk {
    /// What is left out because it could not be read. Unless that was said to be tolerable, there should be no image.
    pub fn unreadable(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| matches!(change.reason, Reason::Unreadable(_)))
    }

    /// What is left out because it vanished while it was looked at.
    pub fn vanished(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| matches!(change.reason, Reason::Vanished))
    }
}

/// Something that will not be in the image as it is in the source.
#[derive(Debug)]
pub struct Change {
    /// From the root, without a `/` before it; the root's is empty.
    pub path: Vec<u8>,
    /// What happens to it.
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

/// What was decided for a path, told when it is; a directory that turns out to be unreadable is told once more.
#[derive(Debug)]
pub struct WalkEvent<'a> {
    /// From the root, without a `/` before it; the root's is empty.
    pub path: &'a [u8],
    /// What happens to it.
    pub action: Action,
    /// Why, unless it is kept.
    pub reason: Option<&'a Reason>,
}

/// What happens to an entry of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It is in the image as it is.
    Kept,
    /// It is not in the image, with all that is in it.
    Dropped,
    /// It is a file without data in the image.
    Emptied,
    /// It is a directory in the image, without what is in it.
    EmptyDirectory,
    /// It is in the image only.
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
    /// It is one of [`WalkOptions::never`].
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
        /// What is mounted.
        source: String,
    },
    /// Something was mounted there after [`WalkOptions::mounts`] was read.
    MountedMeanwhile,
    /// What is mounted there is a directory in which it lies.
    Loop,
    /// It vanished, or something else came to its place, while it was looked at.
    Vanished,
    /// It cannot be read.
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
