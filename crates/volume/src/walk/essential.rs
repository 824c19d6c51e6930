//! Entries that every image has, whatever the source.

use baler_tree::{Device, Kind, Meta, NodeId, Tree};

use super::entry::Walker;
use super::{Action, Reason, WalkError};

/// Directories without which a system does not boot, and their modes.
const DIRECTORIES: [(&[u8], u16); 6] = [
    (b"dev", 0o755),
    (b"mnt", 0o755),
    (b"proc", 0o555),
    (b"run", 0o755),
    (b"sys", 0o555),
    (b"tmp", 0o1777),
];

/// What `init` and its scripts open before anything is mounted on `/dev`: without a console there is no output, and
/// kernels without devtmpfs have nothing else. Numbers from the kernel's `admin-guide/devices.txt`.
const NODES: [(&[u8], u32, u32, u16); 7] = [
    (b"console", 5, 1, 0o600),
    (b"full", 1, 7, 0o666),
    (b"null", 1, 3, 0o666),
    (b"random", 1, 8, 0o666),
    (b"tty", 5, 0, 0o666),
    (b"urandom", 1, 9, 0o666),
    (b"zero", 1, 5, 0o666),
];

impl Walker<'_> {
    /// Gives the mount point at one of these paths the look it has on a disk: that of what is mounted there says
    /// little, a proc of a moment ago or a tmpfs's owner. Labels stay.
    pub(super) fn settle(&self, path: &[u8], meta: &mut Meta) {
        if let Some((_, mode)) = DIRECTORIES.iter().find(|(name, _)| *name == path) {
            *meta = self.made(*mode).with_xattrs(std::mem::take(&mut meta.xattrs));
        }
    }

    /// Adds what the source lacks. What has one of the names there is kept, whatever it is.
    pub(super) fn add_essential(&mut self) -> Result<(), WalkError> {
        for (name, mode) in DIRECTORIES {
            if self.tree.child(Tree::ROOT, name).is_none() {
                self.add_made(Tree::ROOT, name, mode, Kind::Directory)?;
            }
        }
        let dev = self.tree.child(Tree::ROOT, b"dev");
        let Some(dev) = dev.filter(|&dev| *self.tree.kind(dev) == Kind::Directory) else {
            return Ok(());
        };
        for (name, major, minor, mode) in NODES {
            if self.tree.child(dev, name).is_none() {
                self.add_made(dev, name, mode, Kind::CharDevice(Device { major, minor }))?;
            }
        }
        Ok(())
    }

    fn add_made(
        &mut self,
        parent: NodeId,
        name: &[u8],
        mode: u16,
        kind: Kind,
    ) -> Result<(), WalkError> {
        let added = self.tree.add(parent, name, self.made(mode), kind);
        match added {
            Ok(node) => {
                let path = self.tree.path(node);
                self.tell(&path, Action::Added, Some(Reason::Essential))
            }
            Err(source) => Err(WalkError::Tree { path: name.to_vec(), source }),
        }
    }

    fn made(&self, mode: u16) -> Meta {
        Meta::new(mode).at(self.options.now)
    }
}
