//! The tree below a root as it is to be in the image.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use baler_ext4::{Time, Tree, TreeError};

use crate::filter::{Filter, Patterns, Secret};
use crate::mounts::Mounts;
use crate::reader::TreeFiles;

mod attributes;

mod crossing;

mod entry;

mod essential;

pub(crate) mod handles;

mod names;

pub(crate) mod stat;

#[cfg(test)]
mod tests;

/// What is to be in the image, and what is not.
#[derive(Clone, Debug, Default)]
pub struct WalkOptions {
    /// What is mounted. Without any, every file system is taken for a part of the root's.
    pub mounts: Mounts,
    /// Which mounts are followed.
    pub follow: Follow,
    /// What was said to be left out or kept.
    pub patterns: Patterns,
    /// What is left out without being told.
    pub filter: Filter,
    /// What is never in the image, under whatever name: the bundle that is being written, keys. A directory stays as
    /// an empty one. What is not there is ignored.
    pub never: Vec<PathBuf>,
    /// Whether files that cannot be read are zeros in the image, instead of errors, when their data is read.
    pub tolerate: bool,
    /// The time of what is added.
    pub now: Time,
}

/// Which mounts are followed. What gives an interface of the kernel's the shape of files never is, and file systems
/// that have more than one device number (btrfs with subvolumes) are one.
///
/// Of a mount that is not followed an empty directory stays, with what is seen of its owner, mode and labels, or an
/// empty file: who mounted something there expects something to be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// Those of file systems on local disks, and bind mounts of the file system that they are mounted on.
    #[default]
    Local,
    /// None.
    OneFileSystem,
    /// All that hold files: network, FUSE, tmpfs, overlay and mounted images too.
    All,
}

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

/// Why there is no tree at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalkError {
    /// The root cannot be opened.
    #[error("cannot open the root tree `{}`", path.display())]
    Root {
        /// As it was given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be told which of the tree's entries one of [`WalkOptions::never`] is.
    #[error("cannot find `{}`, which must not be in the image", path.display())]
    Never {
        /// As it was given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is more than a tree can have.
    #[error("`{}` cannot be added to the image", path.escape_ascii())]
    Tree {
        /// From the root.
        path: Vec<u8>,
        /// Why.
        source: TreeError,
    },
    /// Who was told of an entry did not want to hear of more.
    #[error("the walk was stopped")]
    Stopped(#[source] io::Error),
}

/// Walks through the tree below `root`, and tells what happens to each entry.
///
/// No link is followed, no file is changed, and what changes meanwhile does no harm. Entries are found in the order of
/// their names, so that the same tree gives the same [`Tree`]. Files' data is not read, but for what the filter looks
/// into.
///
/// What cannot be read is left out and is in [`Walk::changes`]; what to think of that is for the caller to say.
///
/// # Errors
/// The root cannot be opened, or `on_event` returned an error.
pub fn walk(
    root: &Path,
    options: &WalkOptions,
    on_event: &mut dyn FnMut(WalkEvent<'_>) -> io::Result<()>,
) -> Result<Walk, WalkError> {
    let error = |source: io::Error| WalkError::Root { path: root.to_owned(), source };
    let handle: OwnedFd = open_root(root).map_err(error)?;
    // Mounts are named by paths without links in them.
    let path = root.canonicalize().map_err(error)?;
    let mut walker =
        entry::Walker::new(handle, &path, options, on_event).map_err(|failure| match failure {
            entry::Failure::Errno(errno) => error(errno.into()),
            entry::Failure::Walk(error) => error,
        })?;
    walker.visit_all()?;
    walker.add_essential()?;
    Ok(walker.finish())
}

fn open_root(root: &Path) -> io::Result<OwnedFd> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    match open(root, flags | OFlags::NOATIME, Mode::empty()) {
        Err(rustix::io::Errno::PERM) => Ok(open(root, flags, Mode::empty())?),
        result => Ok(result?),
    }
}
