//! Directories and files are reached by handles, from the root, name after name.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use baler_tree::{NodeId, Time, Tree};
use rustix::fs::{Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use crate::stat::{InodeId, Stat};

/// What was seen of the directories and the files of a tree, so that they are known again.
#[derive(Debug, Default)]
pub(crate) struct Sightings {
    /// In the order of the nodes.
    seen: Vec<Sighting>,
    devices: Vec<u64>,
}

/// There is one for each file: 32 bytes.
#[derive(Debug)]
struct Sighting {
    node: NodeId,
    device: u32,
    inode: u64,
    mtime: i64,
    ctime: i64,
}

/// When a file was last changed, as far as that has to be known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    mtime: i64,
    ctime: i64,
}

impl Version {
    pub(crate) fn of(stat: &Stat) -> Version {
        Version { mtime: nanos(stat.mtime), ctime: nanos(stat.ctime) }
    }
}

/// Nanoseconds; what is beyond the year 2262 comes round again, which does not matter in a comparison.
fn nanos(time: Time) -> i64 {
    time.seconds.wrapping_mul(1_000_000_000).wrapping_add(i64::from(time.nanos))
}

impl Sightings {
    /// Nodes come in ascending order.
    pub(crate) fn add(&mut self, node: NodeId, stat: &Stat) {
        let known = self.devices.iter().position(|&device| device == stat.id.device);
        let device = known.unwrap_or_else(|| {
            self.devices.push(stat.id.device);
            self.devices.len() - 1
        });
        let Version { mtime, ctime } = Version::of(stat);
        let inode = stat.id.inode;
        self.seen.push(Sighting { node, device: device as u32, inode, mtime, ctime });
    }

    pub(crate) fn of(&self, node: NodeId) -> Option<(InodeId, Version)> {
        let at = self.seen.binary_search_by_key(&node, |sighting| sighting.node).ok()?;
        let sighting = &self.seen[at];
        let id = InodeId { device: self.devices[sighting.device as usize], inode: sighting.inode };
        Some((id, Version { mtime: sighting.mtime, ctime: sighting.ctime }))
    }
}

/// The root, and the directories that were used last.
#[derive(Debug)]
pub(crate) struct Handles {
    root: Arc<OwnedFd>,
    /// The last one at the end.
    open: Vec<(NodeId, Arc<OwnedFd>)>,
}

/// A process may have 1,024 files open, and is not the only user of them.
const MAX_OPEN: usize = 64;

impl Handles {
    pub(crate) fn new(root: OwnedFd) -> Handles {
        Handles { root: Arc::new(root), open: Vec::new() }
    }

    /// Opens the directory of a node, however deep it is.
    ///
    /// # Errors
    /// [`Errno::STALE`] if another directory is at its place.
    pub(crate) fn directory(
        &mut self,
        tree: &Tree,
        sightings: &Sightings,
        node: NodeId,
    ) -> Result<Arc<OwnedFd>, Errno> {
        let mut missing = Vec::new();
        let mut above = node;
        let mut handle = loop {
            if above == Tree::ROOT {
                break Arc::clone(&self.root);
            }
            if let Some(at) = self.open.iter().rposition(|(open, _)| *open == above) {
                let entry = self.open.remove(at);
                let handle = Arc::clone(&entry.1);
                self.open.push(entry);
                break handle;
            }
            missing.push(above);
            above = tree.parent(above);
        };
        for &node in missing.iter().rev() {
            handle = Arc::new(open(handle.as_fd(), tree.name(node), OFlags::DIRECTORY)?);
            let stat = fstat(&handle)?;
            let id = InodeId { device: stat.st_dev, inode: stat.st_ino };
            if sightings.of(node).is_none_or(|(seen, _)| seen != id) {
                return Err(Errno::STALE);
            }
            if self.open.len() == MAX_OPEN {
                self.open.remove(0);
            }
            self.open.push((node, Arc::clone(&handle)));
        }
        Ok(handle)
    }
}

/// Opens a name in a directory for reading, without following it, and without that being noted as its last use where
/// that is allowed.
pub(crate) fn open(
    directory: BorrowedFd<'_>,
    name: impl rustix::path::Arg + Copy,
    kind: OFlags,
) -> Result<OwnedFd, Errno> {
    // What was a file may be a pipe now, which must not be waited for.
    let flags = kind | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    match openat(directory, name, flags | OFlags::NOATIME, Mode::empty()) {
        // Only the owner and root may ask for that.
        Err(Errno::PERM) => openat(directory, name, flags, Mode::empty()),
        // Someone has a lease on it, and is asked to give it up.
        Err(Errno::WOULDBLOCK) => openat(directory, name, flags - OFlags::NONBLOCK, Mode::empty()),
        result => result,
    }
}

/// Opens a name as it was read from a directory.
pub(crate) fn open_file(directory: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    open(directory, name, OFlags::empty())
}

/// Returns whether an error says that something is no longer there, or something else is at its place.
pub(crate) fn is_gone(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::STALE | Errno::NXIO)
}
