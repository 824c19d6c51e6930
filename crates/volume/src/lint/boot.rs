//! The boot loader's configuration: which kernels it starts, and what it tells them of the root.

use baler_ext4::Profile;

use super::entries::{self, BootEntry, GrubConfig};
use super::finding::Severity;
use super::look::Lint;
use super::machine;
use crate::advice::Advice;
use crate::chain::Loader;
use crate::fstab;
use crate::layout::Boot;
use crate::table::Division;

const MAKE_AGAIN: &str =
    "make the boot loader's configuration again on the machine, with root=UUID=";

impl Lint<'_, '_> {
    /// Looks at the entries of the boot loader; returns the one that it starts first.
    pub(super) fn boot_loader(&mut self) -> Option<BootEntry> {
        let is_bare = self.subject.layout.division() == Division::None;
        let boot = self.subject.layout.boot.clone();
        if matches!(boot, Boot::Cloned { loader: Loader::GrubLegacy, .. }) || is_bare {
            return self.menu(is_bare);
        }
        if boot == Boot::None {
            self.warn(
                "there is no boot loader on the disk, which does not start by itself",
                Advice::KeepBootLoader,
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
        let mut entries: Vec<(String, BootEntry)> = Vec::new();
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
    fn bls(&mut self, saved: Option<&String>) -> Vec<BootEntry> {
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
    fn menu(&mut self, is_bare: bool) -> Option<BootEntry> {
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
            self.error(format!("{reader} cannot read the file system"), Advice::GrubLegacyProfile);
        }
        if is_bare {
            self.note("the image is a file system: it starts as a paravirtual one, with PV-GRUB");
        }
        let entries = entries::parse_menu(&text).into_iter();
        let entries: Vec<_> = entries.map(|entry| (path.to_owned(), entry)).collect();
        self.entries(&entries, true)
    }

    /// Looks at all; the first is what boots, if that `is_certain`, and others may be of kernels that are gone.
    fn entries(&mut self, entries: &[(String, BootEntry)], is_certain: bool) -> Option<BootEntry> {
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
            let advice = format!("add console={console} to the kernel's arguments");
            self.warn(
                format!("the kernel in `{path}` writes to no serial console: an instance's console output will be empty"),
                Advice::Say(advice.into()),
            );
        }
        Some(first.clone())
    }

    fn entry(&mut self, path: &str, entry: &BootEntry, severity: Severity) {
        for file in [&entry.kernel].into_iter().chain(&entry.initrds) {
            // The boot loader may name the device before it: `(hd0,0)/boot/vmlinuz`.
            let inside = file.split_once(')').map_or(&**file, |(_, inside)| inside);
            if inside.contains('$') || self.has(inside) {
                continue;
            }
            let advice = if self.has(&format!("/boot/{inside}")) {
                "`/boot` was a file system by itself: make the configuration again, for one file system"
            } else {
                MAKE_AGAIN
            };
            let text = format!("`{path}` starts `{file}`, which is not in the tree");
            self.find(severity, text, advice);
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
                self.find(severity, text, "take it out of the kernel's arguments");
            }
        }
    }

    /// Looks at the root that a kernel is told.
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
            return self.find(severity, text, MAKE_AGAIN);
        }
        let Some((place, number)) = machine::device(root) else {
            let text = format!("{what}, which the image has not");
            return self.find(severity, text, MAKE_AGAIN);
        };
        let own = self.subject.layout.root;
        if number == own || own == 0 && number == 1 {
            self.warn(format!("{what}, which it is called only {place}"), MAKE_AGAIN);
        } else {
            let text = format!("{what}, but the root is partition {own}");
            self.find(severity, text, MAKE_AGAIN);
        }
    }
}
