//! From one file system into another.

use baler_tree::{NodeId, Tree};
use rustix::fs::FileType;

use super::entry::{Child, Here, Walker};
use super::{Follow, Reason};
use crate::mounts::{Holds, Mount};
use crate::stat::{InodeId, Stat};

impl Walker<'_> {
    /// Why what is mounted at an entry is not followed; `None` if it is, or if nothing is mounted there.
    pub(super) fn crossing(
        &self,
        here: &Here<'_>,
        entry: Child<'_>,
        stat: &Stat,
    ) -> Option<Reason> {
        let is_same = stat.id.device == here.device;
        let device = stat.id.device_number();
        // A mount that is over or hidden is not what is seen here. On btrfs the numbers in the list are not those
        // that files have.
        let is_seen = |mount: &&&Mount| {
            mount.device == device || (mount.device.major == 0 && device.major == 0 && !is_same)
        };
        let Some(mount) = here.mounts.get(entry.name.to_bytes()).filter(is_seen) else {
            // Only file systems without a device of their own have several numbers.
            let is_new = stat.file_type() == FileType::Directory
                && !is_same
                && rustix::fs::major(here.device) != 0;
            return (is_new && !self.options.mounts.is_empty()).then_some(Reason::MountedMeanwhile);
        };
        let is_followed = match (self.options.follow, mount.holds()) {
            (Follow::OneFileSystem, _) | (_, Holds::Kernel) => false,
            (Follow::All, _) | (_, Holds::Disk) => true,
            (Follow::Local, Holds::Other) => is_same,
        };
        if !is_followed {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let (fs_type, source) = (text(&mount.fs_type), text(&mount.source));
            return Some(Reason::Mount { fs_type, source });
        }
        self.is_above(here.node, stat.id).then_some(Reason::Loop)
    }

    /// Returns whether a directory or one above it is this inode.
    fn is_above(&self, mut node: NodeId, id: InodeId) -> bool {
        loop {
            if self.sightings.of(node).is_some_and(|(seen, _)| seen == id) {
                return true;
            }
            if node == Tree::ROOT {
                return false;
            }
            node = self.tree.parent(node);
        }
    }
}
