//! Limits of a walk.

use std::path::PathBuf;

use baler_tree::Time;

use crate::filter::{Filter, Patterns};
use crate::mounts::Mounts;

/// Limits of a walk: what is in the image, and what is not.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WalkOptions {
    /// The table of mounts. Without any, every file system is taken for a part of the root's.
    pub mounts: Mounts,
    /// Mounts that are followed.
    pub follow: Follow,
    /// Patterns of what is left out or kept.
    pub patterns: Patterns,
    /// Files that are left out although no pattern names them.
    pub filter: Filter,
    /// Paths that are never in the image, under any name: the bundle that is being written, keys. A directory stays as
    /// an empty one. What is not there is ignored.
    pub never: Vec<PathBuf>,
    /// True if files that cannot be read are zeros in the image, instead of errors, when their data is read.
    pub tolerate: bool,
    /// The time of what is added.
    pub now: Time,
}

/// Mounts that are followed. What gives an interface of the kernel's the shape of files never is, and file systems
/// that have more than one device number (btrfs with subvolumes) are one.
///
/// Of a mount that is not followed an empty directory stays, with what is seen of its owner, mode and labels, or an
/// empty file: who mounted something there expects something to be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Follow {
    /// Mounts of file systems on local disks, and bind mounts of the file system that they are mounted on.
    #[default]
    Local,
    /// None.
    OneFileSystem,
    /// All that hold files: network, FUSE, tmpfs, overlay and mounted images too.
    All,
}
