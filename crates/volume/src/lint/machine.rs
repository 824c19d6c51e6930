//! Abilities of the kernel of an image: mount its root, see the disks and the network of instances.

use std::collections::BTreeSet;

use baler_ext4::Profile;

use super::entries::BootEntry;
use super::initramfs;
use super::look::Lint;
use crate::advice::Advice;
use crate::grub::sortable;
use crate::table::Division;

const REBUILD: &str = "make the initramfs again on the machine, with all drivers";

/// Where a disk is called so, and the number of the partition; `None` for what is no partition of a first disk.
pub(super) fn device(root: &str) -> Option<(&'static str, u32)> {
    const NAMES: [(&str, &str); 6] = [
        ("nvme0n1p", "on Nitro"),
        ("xvda", "on Xen"),
        ("xvde", "on Xen with kernels of Red Hat 6"),
        ("sda", "on Xen with kernels of long ago"),
        ("vda", "in virtual machines of other kinds"),
        ("hda", "with kernels of long ago"),
    ];
    let name = root.strip_prefix("/dev/")?;
    NAMES.iter().find_map(|(prefix, place)| {
        let number = name.strip_prefix(prefix)?;
        let number = if number.is_empty() { 0 } else { number.parse().ok()? };
        Some((*place, number))
    })
}

/// The version in the name of a kernel: `6.1.0-9-amd64` of `vmlinuz-6.1.0-9-amd64`.
fn version(kernel: &str) -> Option<&str> {
    let name = kernel.rsplit('/').next()?;
    ["vmlinuz-", "vmlinux-"].iter().find_map(|prefix| name.strip_prefix(prefix))
}

/// Returns whether a kernel of this version writes to file systems whose metadata all has checksums.
fn knows_checksums(version: &str) -> bool {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (3_u32, 6_u32),
        _ => true,
    }
}

impl Lint<'_, '_> {
    /// Looks at the kernel that is started first, or at the newest.
    pub(super) fn machine(&mut self, entry: Option<&BootEntry>) {
        let kernels = self.names("/boot");
        let newest = kernels.iter().filter_map(|name| version(name)).max_by_key(|v| sortable(v));
        if newest.is_none()
            && entry.is_none()
            && !self.has("/vmlinuz")
            && !self.has("/boot/vmlinuz")
        {
            match self.subject.layout.division() {
                Division::None => self.note("there is no kernel in `/boot`"),
                _ => self.error("there is no kernel in `/boot`", "install one"),
            }
            return;
        }
        let of_entry = entry.and_then(|entry| version(&entry.kernel));
        let Some(version) = of_entry.or(newest).map(str::to_owned) else { return };
        if self.subject.profile == Profile::Modern && !knows_checksums(&version) {
            self.error(
                format!("kernel {version} cannot write to a file system with checksums of all metadata, which are known since 3.6"),
                Advice::GrubLegacyProfile,
            );
        }
        self.drivers(&version, entry);
    }

    fn drivers(&mut self, version: &str, entry: Option<&BootEntry>) {
        let directory = format!("/lib/modules/{version}");
        // Without the list of what is built in, nothing can be said to be missing.
        let Some(builtin) = self.text(&format!("{directory}/modules.builtin")) else { return };
        let names = |text: &str| -> BTreeSet<String> {
            let paths = text.lines().filter_map(|line| line.split(':').next());
            paths.filter_map(|path| initramfs::module_name(path.as_bytes())).collect()
        };
        let mut known = names(&builtin);
        let installed = self.text(&format!("{directory}/modules.dep"));
        let installed = installed.map(|text| names(&text)).unwrap_or_default();
        let initramfs = self.initramfs(version, entry);
        match &initramfs {
            Some(path) => {
                let Some(modules) = self.bytes(path).and_then(initramfs::modules) else {
                    return self.note(format!("`{path}` cannot be looked into"));
                };
                known.extend(modules);
            }
            None => self.warn(format!("kernel {version} has no initramfs in `/boot`"), REBUILD),
        }
        let place = initramfs.as_deref().unwrap_or("the kernel").to_owned();
        let can_mount = match self.subject.root.fs_type {
            "ext3" => known.contains("ext3") || known.contains("ext4"),
            _ => known.contains("ext4"),
        };
        // A kernel that mounted a root of this family does so again, whatever was found out here.
        let was_ext = self.subject.old_fs.is_some_and(|was| was.starts_with("ext"));
        if !can_mount && !was_ext {
            let was = self.subject.old_fs.unwrap_or("another file system");
            self.error(
                format!(
                    "`{place}` has no driver for ext4, and the root, which was {was}, will be that"
                ),
                REBUILD,
            );
        }
        for (module, machines) in [("xen_blkfront", "on Xen"), ("nvme", "on Nitro")] {
            if !known.contains(module) {
                let text = format!(
                    "`{place}` has no driver `{module}`: instances {machines} will not find their root"
                );
                self.warn(text, REBUILD);
            }
        }
        if !known.contains("ena") && !installed.contains("ena") {
            self.note(format!(
                "kernel {version} has no driver `ena`: instances that have such a network card will have no network"
            ));
        }
    }

    /// The path of the initramfs that goes with a kernel.
    fn initramfs(&self, version: &str, entry: Option<&BootEntry>) -> Option<String> {
        let listed = entry.into_iter().flat_map(|entry| entry.initrds.iter().rev());
        let listed = listed.map(|path| path.split_once(')').map_or(&**path, |(_, inside)| inside));
        let usual = [
            format!("/boot/initrd.img-{version}"),
            format!("/boot/initramfs-{version}.img"),
            format!("/boot/initrd-{version}"),
            format!("/boot/initrd-{version}.img"),
        ];
        let mut paths = listed.map(str::to_owned).chain(usual);
        paths.find(|path| self.has(path))
    }
}
