//! Whether an image will boot, and why not: said before anything is read but a few small files.
//!
//! An error is what certainly does not boot. A warning is what boots in some places, or boots and then does not work.

use std::collections::BTreeSet;

use baler_ext4::{Kind, NodeId, Profile, Tree};

use crate::chain::Loader;
use crate::fstab::{self, NewRoot};
use crate::layout::{Boot, Layout};
use crate::table::Division;
use entries::{Entry, GrubConfig};

mod entries;

mod initramfs;

mod machine;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// It may not boot everywhere, or not work as it should.
    Warning,
    /// It does not boot.
    Error,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub text: String,
    /// What to do.
    pub hint: Option<&'static str>,
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The tree as it will be in the image.
    pub tree: &'a Tree,
    /// The disk.
    pub layout: &'a Layout,
    /// What the root will be called.
    pub root: &'a NewRoot,
    /// What can read the file system.
    pub profile: Profile,
    /// The type of the file system that the tree comes from, if that is known.
    pub old_fs: Option<&'a str>,
}

/// Looks for what keeps an image from booting; `read` gives a file's contents, or `None` if it cannot be read.
///
/// What is wrong in the same way in several entries is told once.
pub fn lint(
    subject: &Subject<'_>,
    read: &mut dyn FnMut(NodeId) -> Option<Vec<u8>>,
) -> Vec<Finding> {
    let mut lint = Lint { subject, read, findings: Vec::new() };
    let entry = lint.boot_loader();
    lint.directories();
    lint.init(entry.as_ref());
    lint.fstab();
    lint.machine(entry.as_ref());
    lint.selinux();
    lint.host_keys();
    let mut seen = BTreeSet::new();
    lint.findings.retain(|finding| seen.insert(finding.text.clone()));
    lint.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    lint.findings
}

/// Whether nothing was found that keeps the image from booting.
pub fn will_boot(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.severity != Severity::Error)
}

/// Follows a path in a tree, links too: all of it stays in the tree.
pub fn resolve(tree: &Tree, path: &[u8]) -> Option<NodeId> {
    /// As many as Linux follows.
    const MAX_LINKS: u32 = 40;
    let names = |path: &[u8]| -> Vec<Vec<u8>> {
        path.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec).collect()
    };
    let (mut left, mut at, mut links) = (names(path), Tree::ROOT, 0);
    while let Some(name) = left.pop() {
        match &*name {
            b"" | b"." => continue,
            b".." => {
                at = tree.parent(at);
                continue;
            }
            _ => {}
        }
        let found = tree.child(at, &name)?;
        let Kind::Symlink(target) = tree.kind(found) else {
            at = found;
            continue;
        };
        links += 1;
        if links > MAX_LINKS {
            return None;
        }
        if target.starts_with(b"/") {
            at = Tree::ROOT;
        }
        left.extend(names(target));
    }
    Some(at)
}

const FIX_FSTAB: &str = "pass --fix-fstab";
const MAKE_AGAIN: &str =
    "make the boot loader's configuration again on the machine, with root=UUID=";
const READ_ONLY: &str = "the root will stay read-only";

struct Lint<'a, 'b> {
    subject: &'a Subject<'a>,
    read: &'b mut dyn FnMut(NodeId) -> Option<Vec<u8>>,
    findings: Vec<Finding>,
}

impl Lint<'_, '_> {
    fn find(&mut self, severity: Severity, text: String, hint: Option<&'static str>) {
        self.findings.push(Finding { severity, text, hint });
    }

    fn error(&mut self, text: impl Into<String>, hint: &'static str) {
        self.find(Severity::Error, text.into(), Some(hint));
    }

    fn warn(&mut self, text: impl Into<String>, hint: &'static str) {
        self.find(Severity::Warning, text.into(), Some(hint));
    }

    fn note(&mut self, text: impl Into<String>) {
        self.find(Severity::Note, text.into(), None);
    }

    fn has(&self, path: &str) -> bool {
        resolve(self.subject.tree, path.as_bytes()).is_some()
    }

    fn bytes(&mut self, path: &str) -> Option<Vec<u8>> {
        (self.read)(resolve(self.subject.tree, path.as_bytes())?)
    }

    fn text(&mut self, path: &str) -> Option<String> {
        self.bytes(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn first_text(&mut self, paths: &[&'static str]) -> Option<(&'static str, String)> {
        paths.iter().find_map(|path| Some((*path, self.text(path)?)))
    }

    /// The names in a directory.
    fn names(&self, path: &str) -> Vec<String> {
        let tree = self.subject.tree;
        let directory = resolve(tree, path.as_bytes());
        let directory = directory.filter(|node| matches!(tree.kind(*node), Kind::Directory));
        let names = directory.into_iter().flat_map(|node| tree.entries(node));
        names.map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
    }

    /// What the boot loader starts; returns what it starts first.
    fn boot_loader(&mut self) -> Option<Entry> {
        let is_bare = self.subject.layout.division() == Division::None;
        let boot = self.subject.layout.boot.clone();
        if matches!(boot, Boot::Cloned { loader: Loader::GrubLegacy, .. }) || is_bare {
            return self.menu(is_bare);
        }
        if boot == Boot::None {
            self.warn(
                "there is no boot loader on the disk, which does not start by itself",
                "leave --bootloader none away",
            );
        }
        let paths = ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"];
        let Some((path, text)) = self.first_text(&paths) else {
            let text = "GRUB has no configuration: there is no `/boot/grub/grub.cfg`";
            if boot == Boot::None {
                self.note(text);
            } else {
                self.error(text, "make one on the machine, with grub-mkconfig");
            }
            return None;
        };
        let mut config = GrubConfig::parse(&text);
        for grubenv in ["/boot/grub/grubenv", "/boot/grub2/grubenv"] {
            if let Some(text) = self.text(grubenv) {
                config.load(&text);
            }
        }
        let is_first = config.has_bls || config.starts_first();
        let mut found = vec![(path.to_owned(), std::mem::take(&mut config.entries))];
        if config.has_bls {
            let saved = config.variables.get("saved_entry");
            found.insert(0, ("/boot/loader/entries".to_owned(), self.bls(saved)));
        }
        let mut entries: Vec<(String, Entry)> = Vec::new();
        for (path, mut listed) in found {
            listed.iter_mut().for_each(|entry| config.expand(entry));
            entries.extend(listed.into_iter().map(|entry| (path.clone(), entry)));
        }
        if entries.is_empty() {
            self.warn(
                format!("no kernel is started by `{path}`, as far as can be told"),
                MAKE_AGAIN,
            );
        }
        self.entries(&entries, is_first)
    }

    /// The entries in files of their own: the one that was saved, then the newest first, which is how GRUB has them.
    fn bls(&mut self, saved: Option<&String>) -> Vec<Entry> {
        let directory = "/boot/loader/entries";
        let mut names = self.names(directory);
        names.retain(|name| name.ends_with(".conf"));
        names.sort_by_key(|name| {
            let is_saved = name.strip_suffix(".conf") == saved.map(String::as_str);
            std::cmp::Reverse((is_saved, crate::grub::sortable(name)))
        });
        let texts = names.iter().filter_map(|name| self.text(&format!("{directory}/{name}")));
        texts.filter_map(|text| entries::parse_bls(&text)).collect()
    }

    /// The menu of GRUB 0.97 or PV-GRUB.
    fn menu(&mut self, is_bare: bool) -> Option<Entry> {
        let paths = ["/boot/grub/menu.lst", "/boot/grub/grub.conf"];
        let Some((path, text)) = self.first_text(&paths) else {
            if is_bare {
                self.note(
                    "the image is a file system without a `/boot/grub/menu.lst`: it starts as a paravirtual one, with a kernel that is named when it is registered",
                );
            } else {
                self.error("GRUB has no `/boot/grub/menu.lst`", "make one on the machine");
            }
            return None;
        };
        if self.subject.profile != Profile::GrubLegacy {
            let reader = if is_bare { "PV-GRUB" } else { "GRUB 0.97" };
            self.error(
                format!("{reader} cannot read the file system"),
                "pass --fs-profile grub-legacy",
            );
        }
        if is_bare {
            self.note("the image is a file system: it starts as a paravirtual one, with PV-GRUB");
        }
        let entries = entries::parse_menu(&text).into_iter();
        let entries: Vec<_> = entries.map(|entry| (path.to_owned(), entry)).collect();
        self.entries(&entries, true)
    }

    /// Looks at all; the first is what boots, if that `is_certain`, and others may be of kernels that are gone.
    fn entries(&mut self, entries: &[(String, Entry)], is_certain: bool) -> Option<Entry> {
        for (number, (path, entry)) in entries.iter().enumerate() {
            let boots = number == 0 && is_certain;
            let severity = if boots { Severity::Error } else { Severity::Warning };
            self.entry(path, entry, severity);
        }
        let (path, first) = entries.first()?;
        let is_bare = self.subject.layout.division() == Division::None;
        let console = if is_bare { "hvc0" } else { "ttyS0" };
        let has_console = first.arguments.iter().any(|argument| {
            let name = argument.strip_prefix("console=").unwrap_or_default();
            name == console || name.strip_prefix(console).is_some_and(|rest| rest.starts_with(','))
        });
        if !has_console && !first.has_unknown() {
            let hint = match is_bare {
                true => "add console=hvc0 to the kernel's arguments",
                false => "add console=ttyS0 to the kernel's arguments",
            };
            self.warn(
                format!("the kernel in `{path}` writes to no serial console: an instance's console output will be empty"),
                hint,
            );
        }
        Some(first.clone())
    }

    fn entry(&mut self, path: &str, entry: &Entry, severity: Severity) {
        for file in [&entry.kernel].into_iter().chain(&entry.initrds) {
            // The boot loader may name the device before it: `(hd0,0)/boot/vmlinuz`.
            let inside = file.split_once(')').map_or(&**file, |(_, inside)| inside);
            if inside.contains('$') || self.has(inside) {
                continue;
            }
            let hint = match self.has(&format!("/boot/{inside}")) {
                true => {
                    "`/boot` was a file system by itself: make the configuration again, for one file system"
                }
                false => MAKE_AGAIN,
            };
            let text = format!("`{path}` starts `{file}`, which is not in the tree");
            self.find(severity, text, Some(hint));
        }
        let is_new = |searched: &&String| self.subject.root.is_called(&format!("UUID={searched}"));
        if let Some(searched) = entry.searched.as_ref().filter(|searched| !is_new(searched)) {
            let name = &self.subject.root.name;
            let text = format!(
                "`{path}` looks for the file system `{searched}`, and the new one is {name}"
            );
            self.warn(text, MAKE_AGAIN);
        }
        match entry.value("root") {
            Some(root) => self.kernel_root(path, root, severity),
            // A test of the memory has no root.
            None if entry.has_unknown() || entry.kernel.contains("memtest") => {}
            None => self.warn(format!("`{path}` starts a kernel without root="), MAKE_AGAIN),
        }
        // A root that was xfs or btrfs is ext4 now, and is not mounted as what it was, or with what only that knows.
        let fs_type = entry.value("rootfstype").filter(|types| {
            !types.contains('$')
                && !types.split(',').any(|one| one.starts_with("ext") || one == "auto")
        });
        let flags = entry.value("rootflags").filter(|flags| flags.contains("subvol"));
        for (name, value) in [("rootfstype", fs_type), ("rootflags", flags)] {
            if let Some(value) = value {
                let new = self.subject.root.fs_type;
                let text = format!("`{path}` says {name}={value}, but the root is {new} now");
                self.find(severity, text, Some("take it out of the kernel's arguments"));
            }
        }
    }

    /// What a kernel is told that its root is.
    fn kernel_root(&mut self, path: &str, root: &str, severity: Severity) {
        let what = format!("`{path}` says root={root}");
        if root.contains('$') || self.subject.root.is_called(root) {
            return;
        }
        if let Some((tag, _)) = fstab::tag(root) {
            let name = &self.subject.root.name;
            let text = format!("{what}, which the new root is not: it is {name}");
            // Labels of partitions are not known here, nor which partition an offset leads to.
            let is_unknown = tag == "PARTLABEL" || root.contains("/PARTNROFF=");
            let severity = if is_unknown { Severity::Warning } else { severity };
            return self.find(severity, text, Some(MAKE_AGAIN));
        }
        let Some((place, number)) = machine::device(root) else {
            let text = format!("{what}, which the image has not");
            return self.find(severity, text, Some(MAKE_AGAIN));
        };
        let own = self.subject.layout.root;
        if number == own || own == 0 && number == 1 {
            self.warn(format!("{what}, which it is called only {place}"), MAKE_AGAIN);
        } else {
            let text = format!("{what}, but the root is partition {own}");
            self.find(severity, text, Some(MAKE_AGAIN));
        }
    }

    /// What must be there for a kernel to start the system.
    fn directories(&mut self) {
        for directory in ["/proc", "/sys", "/dev"] {
            if !self.has(directory) {
                self.error(
                    format!("`{directory}` is not there, and nothing can be mounted on it"),
                    "do not leave it out: an empty directory is enough",
                );
            }
        }
    }

    /// What the kernel starts.
    fn init(&mut self, entry: Option<&Entry>) {
        const HINT: &str = "name the root of a whole system, with an init system in it";
        let named = entry.and_then(|entry| entry.value("init")).unwrap_or("/sbin/init");
        let is_there = [named, "/sbin/init", "/etc/init", "/bin/init"].map(|path| self.has(path));
        match is_there.contains(&true) {
            true => {}
            false if self.has("/bin/sh") => {
                self.warn("there is no `/sbin/init`: the image starts nothing but a shell", HINT);
            }
            false => self.error("there is no `/sbin/init`", HINT),
        }
    }

    fn fstab(&mut self) {
        let Some(text) = self.text("/etc/fstab") else {
            return self.warn(format!("there is no `/etc/fstab`: {READ_ONLY}"), FIX_FSTAB);
        };
        let root = self.subject.root;
        match fstab::finds_root(&text, root) {
            None => {
                self.warn(format!("`/etc/fstab` does not name the root: {READ_ONLY}"), FIX_FSTAB);
            }
            Some(false) => {
                let text =
                    format!("`/etc/fstab` names another root, not {}: {READ_ONLY}", root.name);
                self.warn(text, FIX_FSTAB);
            }
            Some(true) => {}
        }
        for (entry, fault) in fstab::faults(&text, root) {
            let text =
                format!("`/etc/fstab` mounts `{}` on `{}`: {fault}", entry.device, entry.point);
            match entry.is_waited_for() {
                true => self.error(text, FIX_FSTAB),
                false => self.warn(text, FIX_FSTAB),
            }
        }
    }

    /// Host keys are left out of images, and not every system makes new ones.
    fn host_keys(&mut self) {
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
                "let the machine run `ssh-keygen -A` when it boots, or keep its keys with --include '/etc/ssh/ssh_host_*'",
            );
        }
    }

    fn selinux(&mut self) {
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

#[cfg(test)]
mod tests;
