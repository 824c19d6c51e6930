//! The data of the files that a walk found.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use baler_tree::{Files, Kind, NodeId, Tree};
use rustix::fs::{Advice, FileType, OFlags, fadvise};
use rustix::io::{Errno, pread};

use crate::handles::{self, Handles, Sightings, Version};
use crate::stat::Stat;

/// Reads the files of a tree where a walk found them.
///
/// A file whose data will not be what it was when the tree was walked is a [`FileTrouble`], not an error: it is on a
/// machine that runs. What is no longer there is zeros.
#[derive(Debug)]
pub struct TreeFiles {
    handles: Handles,
    sightings: Sightings,
    has_statx: bool,
    tolerate: bool,
    contents: HashMap<NodeId, Vec<u8>>,
    current: Option<Current>,
    troubles: Troubles,
}

/// The file that is being read.
#[derive(Debug)]
struct Current {
    node: NodeId,
    /// `None` if it is not there or cannot be read.
    file: Option<OwnedFd>,
    size: u64,
    /// Where its data ends; what is after that is a hole.
    end: u64,
}

/// List of what happened to files while they were read; clones show the same, wherever the [`TreeFiles`] is.
#[derive(Clone, Debug, Default)]
pub struct Troubles {
    files: Arc<Mutex<BTreeMap<NodeId, FileTrouble>>>,
}

/// A file whose data in the image is not what it was when the tree was walked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileTrouble {
    /// From the root, without a `/` before it.
    pub path: Vec<u8>,
    /// The kind.
    pub kind: TroubleKind,
}

/// Kind of a [`FileTrouble`]; the later ones are worse.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TroubleKind {
    /// The file was written to, or replaced by another one: parts of it may be old, others new.
    Changed,
    /// The file is longer than it was; the rest is missing.
    Grew,
    /// The file is shorter than it was; the rest is zeros.
    Shrank,
    /// The file is gone; all of it is zeros.
    Vanished,
    /// The file cannot be read, for this reason; what was not read is zeros.
    Unreadable(String),
}

impl fmt::Display for TroubleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TroubleKind::Changed => f.write_str("changed while it was read"),
            TroubleKind::Grew => f.write_str("grew while it was read: its new end is missing"),
            TroubleKind::Shrank => f.write_str("shrank while it was read: its old end is zeros"),
            TroubleKind::Vanished => f.write_str("vanished before it was read: it is zeros"),
            TroubleKind::Unreadable(reason) => write!(f, "unreadable, so it is zeros: {reason}"),
        }
    }
}

/// Why the data of a file cannot be had; inside of the [`io::Error`] that reading returns.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}` in the root tree", path.escape_ascii())]
#[non_exhaustive]
pub struct UnreadableFile {
    /// From the root, without a `/` before it.
    pub path: Vec<u8>,
    source: io::Error,
}

impl Troubles {
    /// The list up to now, in the order of the tree.
    pub fn list(&self) -> Vec<FileTrouble> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Keeps the worst that happened to a file.
    fn add(&self, tree: &Tree, node: NodeId, kind: TroubleKind) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let trouble = files
            .entry(node)
            .or_insert_with(|| FileTrouble { path: tree.path(node), kind: kind.clone() });
        if trouble.kind < kind {
            trouble.kind = kind;
        }
    }
}

impl TreeFiles {
    pub(crate) fn new(
        handles: Handles,
        sightings: Sightings,
        has_statx: bool,
        tolerate: bool,
    ) -> TreeFiles {
        TreeFiles {
            handles,
            sightings,
            has_statx,
            tolerate,
            contents: HashMap::new(),
            current: None,
            troubles: Troubles::default(),
        }
    }

    /// Gives a file other data than the source has; its length in the tree has to be that of `contents`.
    pub fn set_contents(&mut self, file: NodeId, contents: Vec<u8>) {
        self.contents.insert(file, contents);
    }

    /// The list of what happens to files while they are read: to be kept, and asked when all is read.
    pub fn troubles(&self) -> Troubles {
        self.troubles.clone()
    }

    fn open(&mut self, tree: &Tree, node: NodeId) -> io::Result<()> {
        let data = match tree.kind(node) {
            Kind::File(data) => data,
            _ => return Err(self.unreadable(tree, node, Errno::INVAL)),
        };
        let end = data.ranges().last().map_or(0, |range| range.offset + range.len);
        let mut current = Current { node, file: None, size: data.size, end };
        match self.open_file(tree, node) {
            Ok((file, stat)) => {
                self.compare(tree, &current, &stat);
                if current.size >= LARGE {
                    // Only a hint; not all file systems take it.
                    let _ = fadvise(&file, 0, None, Advice::Sequential);
                }
                current.file = Some(file);
            }
            Err(error) if handles::is_gone(error) => {
                self.troubles.add(tree, node, TroubleKind::Vanished);
            }
            Err(error) => self.give_up(tree, node, error)?,
        }
        self.current = Some(current);
        Ok(())
    }

    fn open_file(&mut self, tree: &Tree, node: NodeId) -> Result<(OwnedFd, Stat), Errno> {
        let parent = tree.parent(node);
        let directory = self.handles.directory(tree, &self.sightings, parent)?;
        let file = handles::open(directory.as_fd(), tree.name(node), OFlags::empty())?;
        let stat = Stat::of(file.as_fd(), self.has_statx)?;
        match stat.file_type() {
            FileType::RegularFile => Ok((file, stat)),
            _ => Err(Errno::STALE),
        }
    }

    /// Notes whether a file is not what it was.
    ///
    /// One that was replaced is read: what programs write anew and rename is better there in its new state, or a part
    /// of that, than as zeros.
    fn compare(&self, tree: &Tree, current: &Current, stat: &Stat) {
        let is_as_seen = self
            .sightings
            .of(current.node)
            .is_some_and(|(id, version)| id == stat.id && version == Version::of(stat));
        let kind = match stat.size.cmp(&current.size) {
            std::cmp::Ordering::Greater => TroubleKind::Grew,
            std::cmp::Ordering::Less => TroubleKind::Shrank,
            std::cmp::Ordering::Equal if is_as_seen => return,
            std::cmp::Ordering::Equal => TroubleKind::Changed,
        };
        self.troubles.add(tree, current.node, kind);
    }

    /// A failure, or if that is tolerable, a trouble.
    fn give_up(&self, tree: &Tree, node: NodeId, error: Errno) -> io::Result<()> {
        if !self.tolerate {
            return Err(self.unreadable(tree, node, error));
        }
        let reason = io::Error::from(error).to_string();
        self.troubles.add(tree, node, TroubleKind::Unreadable(reason));
        Ok(())
    }

    fn unreadable(&self, tree: &Tree, node: NodeId, error: Errno) -> io::Error {
        let source = io::Error::from(error);
        io::Error::new(source.kind(), UnreadableFile { path: tree.path(node), source })
    }

    /// Fills as much as there is, and notes how it ends.
    fn fill(&mut self, tree: &Tree, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let Some(Current { node, file: Some(file), .. }) = &self.current else { return Ok(0) };
        let mut filled = 0;
        while filled < buf.len() {
            match pread(file, &mut buf[filled..], offset + filled as u64) {
                Ok(0) => {
                    self.troubles.add(tree, *node, TroubleKind::Shrank);
                    break;
                }
                Ok(read) => filled += read,
                Err(Errno::INTR) => {}
                Err(error) => {
                    self.give_up(tree, *node, error)?;
                    break;
                }
            }
        }
        Ok(filled)
    }

    /// Looks at a file once more when the last of its data was read.
    fn close_at_end(&mut self, tree: &Tree, end: u64) {
        let Some(current) = self.current.take_if(|current| end >= current.end) else { return };
        if let Some(file) = &current.file
            && let Ok(stat) = Stat::of(file.as_fd(), self.has_statx)
        {
            self.compare(tree, &current, &stat);
        }
    }
}

/// Files of at least so many bytes are worth a hint to the kernel.
const LARGE: u64 = 1 << 20;

impl Files for TreeFiles {
    fn read_at(
        &mut self,
        tree: &Tree,
        node: NodeId,
        buf: &mut [u8],
        offset: u64,
    ) -> io::Result<()> {
        if let Some(contents) = self.contents.get(&node) {
            let start = contents.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
            let len = buf.len().min(contents.len() - start);
            buf[..len].copy_from_slice(&contents[start..start + len]);
            buf[len..].fill(0);
            return Ok(());
        }
        if self.current.as_ref().is_none_or(|current| current.node != node) {
            self.open(tree, node)?;
        }
        let filled = self.fill(tree, buf, offset)?;
        buf[filled..].fill(0);
        self.close_at_end(tree, offset + buf.len() as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
