//! The treatment of each directory and each entry.

use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use baler_secrets::Secret;
use baler_tree::{FileData, Kind, Meta, NodeId, Tree, TreeError};
use rustix::fs::{FileType, readlinkat};
use rustix::io::Errno;

use super::attributes::{self, Xattrs};
use super::names::Names;
use super::{Action, Change, Reason, Walk, WalkError, WalkEvent, WalkOptions};
use crate::filter::{Scope, Sieve};
use crate::handles::{self, Handles, Sightings};
use crate::mounts::Mount;
use crate::reader::TreeFiles;
use crate::stat::{InodeId, Stat, has_statx};

/// A walk that is under way.
pub(super) struct Walker<'a> {
    pub(super) options: &'a WalkOptions,
    on_event: &'a mut dyn FnMut(WalkEvent<'_>) -> io::Result<()>,
    pub(super) tree: Tree,
    handles: Handles,
    pub(super) sightings: Sightings,
    changes: Vec<Change>,
    /// The directories whose entries are still to be read, the next one last.
    pending: Vec<Pending>,
    /// What has more than one name, by its first.
    linked: HashMap<InodeId, NodeId>,
    /// By directory and name, until the directory is visited.
    mounts: HashMap<Vec<u8>, HashMap<Vec<u8>, &'a Mount>>,
    never: HashSet<InodeId>,
    sieve: Sieve,
    xattrs: Xattrs,
    has_statx: bool,
    listing: Vec<u8>,
}

/// A directory that is in the tree, and what is said of what is in it.
struct Pending {
    node: NodeId,
    device: u64,
    /// `None` if nothing in it is kept.
    scope: Option<Scope>,
}

/// A directory that is being visited.
pub(super) struct Here<'a> {
    pub(super) node: NodeId,
    handle: Arc<OwnedFd>,
    pub(super) device: u64,
    scope: Scope,
    pub(super) mounts: HashMap<Vec<u8>, &'a Mount>,
}

/// An entry of it.
#[derive(Clone, Copy)]
pub(super) struct Child<'a> {
    pub(super) name: &'a CStr,
    path: &'a [u8],
}

enum Outcome {
    Kept,
    Otherwise(Action, Reason),
}

pub(super) enum Failure {
    /// With this entry.
    Errno(Errno),
    /// With the walk.
    Walk(WalkError),
}

impl From<Errno> for Failure {
    fn from(error: Errno) -> Failure {
        Failure::Errno(error)
    }
}

impl From<WalkError> for Failure {
    fn from(error: WalkError) -> Failure {
        Failure::Walk(error)
    }
}

impl<'a> Walker<'a> {
    pub(super) fn new(
        root: OwnedFd,
        path: &Path,
        options: &'a WalkOptions,
        on_event: &'a mut dyn FnMut(WalkEvent<'_>) -> io::Result<()>,
    ) -> Result<Walker<'a>, Failure> {
        let mut never = HashSet::new();
        for path in &options.never {
            match fs::metadata(path) {
                Ok(metadata) => {
                    never.insert(InodeId { device: metadata.dev(), inode: metadata.ino() });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => {
                    return Err(WalkError::Never { path: path.clone(), source }.into());
                }
            }
        }
        let has_statx = has_statx(root.as_fd());
        let stat = Stat::of(root.as_fd(), has_statx)?;
        let mut sightings = Sightings::default();
        sightings.add(Tree::ROOT, &stat);
        Ok(Walker {
            options,
            on_event,
            tree: Tree::new(stat.meta()),
            sightings,
            changes: Vec::new(),
            pending: vec![Pending {
                node: Tree::ROOT,
                device: stat.id.device,
                scope: Some(Scope::Ordinary),
            }],
            linked: HashMap::new(),
            mounts: options.mounts.below(path),
            never,
            sieve: Sieve::new(options.filter, root.as_fd()),
            xattrs: Xattrs::new(root.as_fd()),
            has_statx,
            listing: Vec::with_capacity(64 << 10),
            handles: Handles::new(root),
        })
    }

    pub(super) fn visit_all(&mut self) -> Result<(), WalkError> {
        self.report(b"", Outcome::Kept)?;
        while let Some(directory) = self.pending.pop() {
            let path = self.tree.path(directory.node);
            let first = self.pending.len();
            match self.visit(directory, &path) {
                Ok(()) => self.pending[first..].reverse(),
                Err(Failure::Walk(error)) => return Err(error),
                Err(Failure::Errno(error)) => {
                    let reason = lost(error);
                    self.report(&path, Outcome::Otherwise(Action::EmptyDirectory, reason))?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Walk {
        let files =
            TreeFiles::new(self.handles, self.sightings, self.has_statx, self.options.tolerate);
        Walk { tree: self.tree, files, changes: self.changes }
    }

    /// Reads a directory, and adds what is in it.
    fn visit(&mut self, directory: Pending, path: &[u8]) -> Result<(), Failure> {
        let node = directory.node;
        let handle = self.handles.directory(&self.tree, &self.sightings, node)?;
        let mut meta = self.tree.meta(node);
        meta.flags = attributes::flags(handle.as_fd());
        meta.xattrs = self.xattrs.of(handle.as_fd())?;
        self.tree.set_meta(node, meta);
        let Some(scope) = directory.scope else { return Ok(()) };

        let names = Names::of(handle.as_fd(), &mut self.listing)?;
        let mounts = self.mounts.remove(path).unwrap_or_default();
        let here = Here { node, handle, device: directory.device, scope, mounts };
        let mut entry_path = path.to_vec();
        for (name, kind) in names.iter() {
            entry_path.truncate(path.len());
            if !path.is_empty() {
                entry_path.push(b'/');
            }
            entry_path.extend_from_slice(name.to_bytes());
            let entry = Child { name, path: &entry_path };
            let outcome = match self.add_entry(&here, entry, kind) {
                Ok(outcome) => outcome,
                Err(Failure::Errno(error)) => Outcome::Otherwise(Action::Dropped, lost(error)),
                Err(Failure::Walk(error)) => return Err(error.into()),
            };
            self.report(&entry_path, outcome)?;
        }
        Ok(())
    }

    fn add_entry(
        &mut self,
        here: &Here<'_>,
        entry: Child<'_>,
        kind: FileType,
    ) -> Result<Outcome, Failure> {
        let scope = self.options.patterns.scope(entry.path, &here.scope);
        if scope != Scope::Included
            && let Some(pattern) = self.sieve.classic(entry.path)
        {
            return Ok(Outcome::Otherwise(Action::Dropped, Reason::Classic(pattern)));
        }
        let kind = match kind {
            FileType::Unknown => self.stat(here, entry)?.file_type(),
            kind => kind,
        };
        match (kind, scope) {
            (_, Scope::Dropped(pattern)) => {
                Ok(Outcome::Otherwise(Action::Dropped, Reason::Excluded(pattern)))
            }
            (FileType::Directory, scope) => self.add_directory(here, entry, scope),
            (_, Scope::Excluded(pattern) | Scope::Leading(pattern)) => {
                Ok(Outcome::Otherwise(Action::Dropped, Reason::Excluded(pattern)))
            }
            (FileType::RegularFile, scope) => self.add_file(here, entry, scope == Scope::Included),
            _ => self.add_other(here, entry),
        }
    }

    fn add_directory(
        &mut self,
        here: &Here<'_>,
        entry: Child<'_>,
        scope: Scope,
    ) -> Result<Outcome, Failure> {
        let stat = self.stat(here, entry)?;
        if stat.file_type() != FileType::Directory {
            return Err(Errno::STALE.into());
        }
        let left = self.crossing(here, entry, &stat);
        let mut meta = stat.meta();
        if left.is_some() {
            // It is not opened: that may wake an automounter, or a server that is gone.
            meta.xattrs = self.xattrs.at(&here.handle, entry.name)?;
            self.settle(entry.path, &mut meta);
        }
        let node = self.add(here, entry, meta, Kind::Directory)?;
        self.sightings.add(node, &stat);
        if let Some(reason) = left {
            return Ok(Outcome::Otherwise(Action::EmptyDirectory, reason));
        }
        let (reason, scope) = match scope {
            _ if self.never.contains(&stat.id) => (Some(Reason::Never), None),
            Scope::Excluded(pattern) => (Some(Reason::Excluded(pattern)), None),
            scope => (None, Some(scope)),
        };
        self.pending.push(Pending { node, device: stat.id.device, scope });
        Ok(match reason {
            Some(reason) => Outcome::Otherwise(Action::EmptyDirectory, reason),
            None => Outcome::Kept,
        })
    }

    fn add_file(
        &mut self,
        here: &Here<'_>,
        entry: Child<'_>,
        is_included: bool,
    ) -> Result<Outcome, Failure> {
        let secret = if is_included { None } else { self.sieve.file_by_path(entry.path) };
        let dropped = |reason| Ok(Outcome::Otherwise(Action::Dropped, reason));
        let file = match (handles::open_file(here.handle.as_fd(), entry.name), secret) {
            (Ok(file), _) => file,
            (Err(Errno::ACCESS), Some(secret)) => return dropped(Reason::Secret(secret)),
            (Err(error), _) => return Err(error.into()),
        };
        let stat = Stat::of(file.as_fd(), self.has_statx)?;
        if stat.file_type() != FileType::RegularFile {
            return Err(Errno::STALE.into());
        }
        if self.never.contains(&stat.id) {
            return dropped(Reason::Never);
        }
        let mount = self.crossing(here, entry, &stat);
        let emptied = match (mount, secret.filter(|_| stat.size > 0)) {
            (Some(reason), _) => Some(reason),
            // An empty file says that there is to be one: systemd fills it at the first boot.
            (None, Some(Secret::MachineId)) if entry.path == b"etc/machine-id" => {
                Some(Reason::Secret(Secret::MachineId))
            }
            (None, Some(secret)) => return dropped(Reason::Secret(secret)),
            (None, None) => None,
        };
        if emptied.is_none()
            && !is_included
            && let Some(secret) = self.sieve.file_by_content(entry.path, stat.size, file.as_fd())?
        {
            return dropped(Reason::Secret(secret));
        }
        if emptied.is_none() && self.link(here, entry, &stat)? {
            return Ok(Outcome::Kept);
        }

        let mut meta = stat.meta();
        meta.flags = attributes::flags(file.as_fd());
        meta.xattrs = self.xattrs.of(file.as_fd())?;
        if let Some(reason) = emptied {
            self.add(here, entry, meta, Kind::File(FileData::dense(0)))?;
            return Ok(Outcome::Otherwise(Action::Emptied, reason));
        }
        let has_holes = stat.blocks.saturating_mul(512) < stat.size;
        let ranges = has_holes.then(|| attributes::data_ranges(file.as_fd(), stat.size)).flatten();
        let data = match ranges {
            Some(ranges) => FileData::sparse(stat.size, ranges),
            None => FileData::dense(stat.size),
        };
        let kind = Kind::File(data);
        let node = self.add(here, entry, meta, kind)?;
        self.sightings.add(node, &stat);
        self.remember(&stat, node);
        Ok(Outcome::Kept)
    }

    /// Adds what is neither a directory nor a file, without opening it.
    fn add_other(&mut self, here: &Here<'_>, entry: Child<'_>) -> Result<Outcome, Failure> {
        let stat = self.stat(here, entry)?;
        if self.never.contains(&stat.id) {
            return Ok(Outcome::Otherwise(Action::Dropped, Reason::Never));
        }
        if let Some(reason) = self.crossing(here, entry, &stat) {
            return Ok(Outcome::Otherwise(Action::Dropped, reason));
        }
        let kind = match stat.file_type() {
            FileType::Symlink => {
                let target = readlinkat(&here.handle, entry.name, Vec::new())?;
                Kind::Symlink(target.into_bytes().into())
            }
            FileType::CharacterDevice => Kind::CharDevice(stat.device),
            FileType::BlockDevice => Kind::BlockDevice(stat.device),
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            _ => return Err(Errno::STALE.into()),
        };
        if self.link(here, entry, &stat)? {
            return Ok(Outcome::Kept);
        }
        let mut meta = stat.meta();
        meta.xattrs = self.xattrs.at(&here.handle, entry.name)?;
        match self.tree.add(here.node, entry.name.to_bytes(), meta, kind) {
            Ok(node) => self.remember(&stat, node),
            Err(error @ (TreeError::Device | TreeError::Target)) => {
                return Ok(Outcome::Otherwise(Action::Dropped, Reason::Unfit(error)));
            }
            Err(error) => return Err(unfit(entry, error)),
        }
        Ok(Outcome::Kept)
    }

    fn stat(&self, here: &Here<'_>, entry: Child<'_>) -> Result<Stat, Errno> {
        Stat::at(here.handle.as_fd(), entry.name, self.has_statx)
    }

    /// Adds a name to what is in the tree already.
    fn link(&mut self, here: &Here<'_>, entry: Child<'_>, stat: &Stat) -> Result<bool, Failure> {
        let first = self.linked.get(&stat.id).filter(|_| stat.links > 1);
        let Some(&first) = first else { return Ok(false) };
        let linked = self.tree.link(here.node, entry.name.to_bytes(), first);
        linked.map(|()| true).map_err(|error| unfit(entry, error))
    }

    fn remember(&mut self, stat: &Stat, node: NodeId) {
        if stat.links > 1 {
            self.linked.insert(stat.id, node);
        }
    }

    fn add(
        &mut self,
        here: &Here<'_>,
        entry: Child<'_>,
        meta: Meta,
        kind: Kind,
    ) -> Result<NodeId, Failure> {
        let node = self.tree.add(here.node, entry.name.to_bytes(), meta, kind);
        node.map_err(|error| unfit(entry, error))
    }

    /// Tells what happens to a path, and keeps what is not as it was.
    pub(super) fn tell(
        &mut self,
        path: &[u8],
        action: Action,
        reason: Option<Reason>,
    ) -> Result<(), WalkError> {
        let event = WalkEvent { path, action, reason: reason.as_ref() };
        (self.on_event)(event).map_err(WalkError::Stopped)?;
        self.changes.extend(reason.map(|reason| Change { path: path.to_vec(), action, reason }));
        Ok(())
    }

    fn report(&mut self, path: &[u8], outcome: Outcome) -> Result<(), WalkError> {
        match outcome {
            Outcome::Kept => self.tell(path, Action::Kept, None),
            Outcome::Otherwise(action, reason) => self.tell(path, action, Some(reason)),
        }
    }
}

fn lost(error: Errno) -> Reason {
    if handles::is_gone(error) { Reason::Vanished } else { Reason::Unreadable(error.into()) }
}

fn unfit(entry: Child<'_>, source: TreeError) -> Failure {
    WalkError::Tree { path: entry.path.to_vec(), source }.into()
}
