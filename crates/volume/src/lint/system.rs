//! Needs of a system once its kernel runs: mount points, init, `/etc/fstab`, labels, host keys.

use baler_tree::resolve;

use super::entries::BootEntry;
use super::look::Lint;
use crate::advice::Advice;
use crate::fstab;

const READ_ONLY: &str = "the root will stay read-only";

impl Lint<'_, '_> {
    /// Looks for the directories that a kernel needs to start the system.
    pub(super) fn directories(&mut self) {
        for directory in ["/proc", "/sys", "/dev"] {
            if !self.has(directory) {
                self.error(
                    format!("`{directory}` is not there, and nothing can be mounted on it"),
                    "do not leave it out: an empty directory is enough",
                );
            }
        }
    }

    /// Looks for the program that the kernel starts.
    pub(super) fn init(&mut self, entry: Option<&BootEntry>) {
        const HINT: &str = "name the root of a whole system, with an init system in it";
        let named = entry.and_then(|entry| entry.value("init")).unwrap_or("/sbin/init");
        let is_there = [named, "/sbin/init", "/etc/init", "/bin/init"].map(|path| self.has(path));
        if is_there.contains(&true) {
            return;
        }
        if self.has("/bin/sh") {
            self.warn("there is no `/sbin/init`: the image starts nothing but a shell", HINT);
        } else {
            self.error("there is no `/sbin/init`", HINT);
        }
    }

    pub(super) fn fstab(&mut self) {
        let Some(text) = self.text("/etc/fstab") else {
            return self.warn(format!("there is no `/etc/fstab`: {READ_ONLY}"), Advice::FixFstab);
        };
        let root = self.subject.root;
        match fstab::finds_root(&text, root) {
            None => {
                self.warn(
                    format!("`/etc/fstab` does not name the root: {READ_ONLY}"),
                    Advice::FixFstab,
                );
            }
            Some(false) => {
                let text =
                    format!("`/etc/fstab` names another root, not {}: {READ_ONLY}", root.name);
                self.warn(text, Advice::FixFstab);
            }
            Some(true) => {}
        }
        for (entry, fault) in fstab::faults(&text, root) {
            let text =
                format!("`/etc/fstab` mounts `{}` on `{}`: {fault}", entry.device, entry.point);
            if entry.is_waited_for() {
                self.error(text, Advice::FixFstab);
            } else {
                self.warn(text, Advice::FixFstab);
            }
        }
    }

    /// Host keys are left out of images, and not every system makes new ones.
    pub(super) fn host_keys(&mut self) {
        const MAKERS: [&str; 5] = [
            "/usr/bin/cloud-init",
            "/usr/lib/systemd/system/sshd-keygen@.service",
            "/usr/lib/systemd/system/sshd-keygen.service",
            "/usr/libexec/openssh/sshd-keygen",
            "/usr/sbin/sshd-keygen",
        ];
        let is_key = |name: &String| name.starts_with("ssh_host_") && name.ends_with("_key");
        let has_keys = self.names("/etc/ssh").iter().any(is_key);
        if self.has("/usr/sbin/sshd") && !has_keys && !MAKERS.iter().any(|maker| self.has(maker)) {
            self.warn(
                "there are no SSH host keys, and nothing makes them at the first boot: sshd will not start",
                Advice::KeepHostKeys,
            );
        }
    }

    pub(super) fn selinux(&mut self) {
        let Some(config) = self.text("/etc/selinux/config") else { return };
        let tree = self.subject.tree;
        let is_labelled = resolve(tree, b"/etc/passwd").is_some_and(|node| {
            tree.meta(node).xattrs.iter().any(|xattr| *xattr.name == *b"security.selinux")
        });
        let is_enforcing = config.lines().any(|line| line.trim() == "SELINUX=enforcing");
        if is_enforcing && !is_labelled && !self.has("/.autorelabel") {
            self.warn(
                "SELinux is enforcing, and files have no labels",
                "make an empty file `/.autorelabel` in the tree, or read it as root",
            );
        }
    }
}
