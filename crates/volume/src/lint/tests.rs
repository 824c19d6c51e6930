use std::collections::HashMap;
use std::path::PathBuf;

use baler_ext4::Profile;
use baler_tree::{FileData, Kind, Meta, Tree, Xattr};
use uuid::Uuid;

use super::*;
use crate::advice::Advice;
use crate::chain::Loader;
use crate::fstab::NewRoot;
use crate::layout::{Boot, Layout, Length};
use crate::table::{Division, Partition, PartitionKind, Table};

mod certain;

const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";
const OTHER: &str = "0badf00d-0000-4000-8000-000000000001";
const VERSION: &str = "6.1.0-9-amd64";

/// A system of files with contents; `->` before a text makes a link of it.
struct System {
    files: Vec<(String, Vec<u8>)>,
    division: Division,
    boot: Boot,
    profile: Profile,
    is_labelled: bool,
    has_efi_system: bool,
}

impl System {
    /// One that boots.
    fn new() -> System {
        let mut system = System {
            files: Vec::new(),
            division: Division::Mbr,
            boot: Boot::Built { modules: PathBuf::new() },
            profile: Profile::Modern,
            is_labelled: false,
            has_efi_system: false,
        };
        for directory in ["proc", "sys", "dev"] {
            system.put(&format!("{directory}/"), "");
        }
        system.put("bin", "->usr/bin");
        system.put("sbin", "->/usr/sbin");
        system.put("usr/sbin/init", "->../lib/systemd/systemd");
        system.put("usr/lib/systemd/systemd", "x");
        system.put("lib", "->usr/lib");
        system.put(&format!("boot/vmlinuz-{VERSION}"), "x");
        system
            .put_bytes(&format!("boot/initrd.img-{VERSION}"), initramfs(&["nvme", "xen-blkfront"]));
        let modules = format!("usr/lib/modules/{VERSION}");
        system.put(&format!("{modules}/modules.builtin"), "kernel/fs/ext4/ext4.ko\n");
        let ena = "kernel/drivers/net/ena/ena.ko.xz: kernel/other.ko\n";
        system.put(&format!("{modules}/modules.dep"), ena);
        system.grub(&format!("root=UUID={UUID} ro console=ttyS0,115200"));
        system.put("etc/fstab", &format!("UUID={UUID} / ext4 defaults 0 1\n"));
        system
    }

    fn put(&mut self, path: &str, text: &str) {
        self.put_bytes(path, text.as_bytes().to_vec());
    }

    fn put_bytes(&mut self, path: &str, bytes: Vec<u8>) {
        self.remove(path);
        self.files.push((path.to_owned(), bytes));
    }

    fn remove(&mut self, path: &str) {
        self.files.retain(|(known, _)| known != path);
    }

    fn grub(&mut self, arguments: &str) {
        self.put(
            "boot/grub/grub.cfg",
            &format!(
                "menuentry 'x' {{\n\tsearch --no-floppy --fs-uuid --set=root {UUID}\n\
                 \tlinux\t/boot/vmlinuz-{VERSION} {arguments}\n\
                 \tinitrd\t/boot/initrd.img-{VERSION}\n}}\n"
            ),
        );
    }

    fn lint(&self) -> Vec<Finding> {
        let mut tree = Tree::new(Meta::default());
        let mut contents = HashMap::new();
        for (path, bytes) in &self.files {
            let mut names: Vec<_> = path.split('/').collect();
            let name = names.pop().unwrap();
            let mut at = Tree::ROOT;
            for part in names {
                let found = tree.child(at, part.as_bytes());
                at = found.unwrap_or_else(|| {
                    tree.add(at, part.as_bytes(), Meta::default(), Kind::Directory).unwrap()
                });
            }
            if name.is_empty() {
                continue;
            }
            let kind = match bytes.strip_prefix(b"->") {
                Some(target) => Kind::Symlink(target.into()),
                None => Kind::File(FileData::dense(bytes.len() as u64)),
            };
            let mut meta = Meta::default();
            if self.is_labelled {
                let (name, value) = (b"security.selinux"[..].into(), b"x"[..].into());
                meta.xattrs.push(Xattr { name, value });
            }
            let node = tree.add(at, name.as_bytes(), meta, kind).unwrap();
            contents.insert(node, bytes.clone());
        }
        let uuid: Uuid = UUID.parse().unwrap();
        let length = Length::FileSystem(1 << 20);
        let mut layout = Layout::built(self.division, length, uuid, None).unwrap();
        layout.boot = self.boot.clone();
        if let Some(table) = layout.table.as_mut().filter(|_| self.has_efi_system) {
            let kind = PartitionKind::Mbr { code: 0xef, active: false };
            table.partitions.push(Partition { number: 2, start: 9999, len: 1, kind });
        }
        let part_uuid = layout.part_uuid().map(|name| format!("PARTUUID={name}"));
        let mut names = vec![format!("UUID={UUID}"), "LABEL=root".to_owned()];
        names.extend(part_uuid);
        let root = NewRoot {
            name: format!("UUID={UUID}"),
            names,
            fs_type: "ext4",
            keeps_efi: self.has_efi_system,
        };
        let subject = Subject {
            tree: &tree,
            layout: &layout,
            root: &root,
            profile: self.profile,
            old_fs: Some("xfs"),
        };
        assert_eq!(
            layout.table.as_ref().map(Table::division).is_some(),
            self.division != Division::None
        );
        lint(&subject, &mut |node| contents.get(&node).cloned())
    }

    /// The findings, in one line each.
    fn lines(&self) -> Vec<String> {
        let line = |finding: Finding| format!("{:?}: {}", finding.severity, finding.text);
        self.lint().into_iter().map(line).collect()
    }
}

/// An archive with modules of these names, and one without before it, as microcode has.
fn initramfs(modules: &[&str]) -> Vec<u8> {
    let mut bytes = cpio(&["kernel/x86/microcode/x.bin"]);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    let paths: Vec<_> =
        modules.iter().map(|name| format!("usr/lib/modules/k/{name}.ko.xz")).collect();
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    let archive = cpio(&paths);
    bytes.extend(gzipped(&archive));
    bytes
}

/// One stored block (RFC 1951, RFC 1952).
fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap();
    let mut gzipped = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1];
    gzipped.extend(len.to_le_bytes());
    gzipped.extend((!len).to_le_bytes());
    gzipped.extend(bytes);
    gzipped.extend(crc32fast::hash(bytes).to_le_bytes());
    gzipped.extend(u32::from(len).to_le_bytes());
    gzipped
}

fn cpio(paths: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for path in paths.iter().chain(&["TRAILER!!!"]) {
        let size = if path.starts_with('T') { 0 } else { 5 };
        let mut numbers = [0; 13];
        (numbers[6], numbers[11]) = (size, path.len() + 1);
        bytes.extend(b"070701");
        numbers.iter().for_each(|number| bytes.extend(format!("{number:08X}").as_bytes()));
        bytes.extend(path.as_bytes());
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(&b"data!"[..size]);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

#[track_caller]
fn check(change: impl FnOnce(&mut System), expected: &[&str]) {
    let mut system = System::new();
    change(&mut system);
    let lines = system.lines();
    let is_as_expected = lines.len() == expected.len()
        && lines.iter().zip(expected).all(|(line, wanted)| {
            let (severity, text) = wanted.split_once(": ").unwrap();
            line.starts_with(severity) && line.contains(text)
        });
    assert!(is_as_expected, "{lines:#?}");
    let has_error = expected.iter().any(|line| line.starts_with("Error"));
    assert_eq!(will_boot(&system.lint()), !has_error);
}

#[test]
fn a_system_that_boots_has_nothing_to_find() {
    check(|_| {}, &[]);
    check(|system| system.grub("root=LABEL=root console=ttyS0"), &[]);
    check(|system| system.grub("root=PARTUUID=ccddeeff-01 console=tty0 console=ttyS0"), &[]);
    check(|system| system.grub(&format!("root=/dev/disk/by-uuid/{UUID} console=ttyS0")), &[]);
    check(
        |system| {
            system.put_bytes(
                &format!("boot/initrd.img-{VERSION}"),
                cpio(&["nvme.ko", "xen-blkfront.ko"]),
            )
        },
        &[],
    );
}

#[test]
fn a_root_is_named_by_what_it_is() {
    let grub = |root: &str, expected: &[&str]| {
        check(|system| system.grub(&format!("root={root} console=ttyS0")), expected);
    };
    grub(&format!("UUID={OTHER}"), &["Error: the new root is not"]);
    grub("LABEL=else", &["Error: the new root is not"]);
    grub("PARTUUID=ccddeeff-02", &["Error: the new root is not"]);
    grub("/dev/mapper/vg-root", &["Error: which the image has not"]);
    grub("/dev/xvda2", &["Error: but the root is partition 1"]);
    grub("/dev/xvda1", &["Warning: only on Xen"]);
    grub("/dev/nvme0n1p1", &["Warning: only on Nitro"]);
    check(|system| system.grub("ro console=ttyS0"), &["Warning: without root="]);
    check(|system| system.grub("root=LABEL=root console=tty0"), &["Warning: no serial console"]);
    // Nobody knows what a variable holds.
    check(|system| system.grub("$kernelopts console=ttyS0"), &[]);
    grub("$x", &[]);
}

#[test]
fn what_is_started_is_there() {
    let kernel = format!("boot/vmlinuz-{VERSION}");
    check(|system| system.remove(&kernel), &["Error: which is not in the tree"]);
    check(|system| system.remove("boot/grub/grub.cfg"), &["Error: GRUB has no configuration"]);
    check(|system| system.remove("usr/lib/systemd/systemd"), &["Error: no `/sbin/init`"]);
    check(|system| system.remove("proc/"), &["Error: `/proc` is not there"]);
    check(
        |system| system.put("boot/grub/grub.cfg", "# nothing\n"),
        &["Warning: no kernel is started"],
    );
    // Only what is first boots.
    check(
        |system| {
            let (_, mut text) =
                system.files.iter().find(|(path, _)| path.ends_with("grub.cfg")).cloned().unwrap();
            text.extend(
                b"linux /boot/vmlinuz-old root=UUID=x\nlinux /boot/vmlinuz-old root=UUID=x\n",
            );
            system.put_bytes("boot/grub/grub.cfg", text);
        },
        &["Warning: `/boot/vmlinuz-old`, which is not", "Warning: root=UUID=x"],
    );
    // A `/boot` that was a file system.
    check(
        |system| {
            system.put("boot/grub/grub.cfg", &format!("search.fs_uuid {OTHER} root\nlinux /vmlinuz-{VERSION} root=LABEL=root console=ttyS0\n"));
            let is_said = |finding: &Finding| matches!(&finding.advice, Some(Advice::Say(text)) if text.contains("file system by itself"));
            assert!(system.lint().iter().any(is_said));
        },
        &["Error: which is not in the tree", "Warning: looks for the file system"],
    );
}

#[test]
fn entries_of_their_own_are_read() {
    let bls = |system: &mut System, version: &str, options: &str| {
        let text = format!(
            "title x\nversion {version}\nlinux /boot/vmlinuz-{version}\ninitrd /boot/initrd.img-{version} $tuned_initrd\noptions {options}\n"
        );
        system.put(&format!("boot/loader/entries/id-{version}.conf"), &text);
        system.put("boot/grub/grub.cfg", "set kernelopts=\"root=UUID=old\"\nblscfg\n");
    };
    let grubenv =
        |root: &str| format!("# GRUB Environment Block\nkernelopts=root={root} console=ttyS0\n###");
    check(
        |system| {
            bls(system, VERSION, "$kernelopts $tuned_params");
            system.put("boot/grub2/grubenv", &grubenv("LABEL=root"));
        },
        &[],
    );
    check(
        |system| {
            bls(system, VERSION, "${kernelopts}");
            system.put("boot/grub/grubenv", &grubenv("LABEL=old"));
        },
        &["Error: LABEL=old"],
    );
    // The newest is first, and 10 is newer than 9.
    check(
        |system| {
            bls(system, "6.1.0-10-amd64", "root=LABEL=root console=ttyS0");
            bls(system, VERSION, "root=LABEL=old console=ttyS0");
            system.put("boot/vmlinuz-6.1.0-10-amd64", "x");
            system.put("boot/initrd.img-6.1.0-10-amd64", "x");
        },
        &["Warning: LABEL=old"],
    );
}

#[test]
fn menus_of_old_are_read() {
    let menu = |system: &mut System, arguments: &str| {
        let text = format!(
            "default=1\ntimeout 3\ntitle a\n\troot (hd0,0)\n\tkernel /boot/gone root=/dev/sda9\n\
             title b\n\troot (hd0)\n\tkernel --no-mem-option (hd0)/boot/vmlinuz-{VERSION} {arguments}\n\
             \tinitrd /boot/initrd.img-{VERSION}\n"
        );
        system.put("boot/grub/menu.lst", &text);
        system.profile = Profile::GrubLegacy;
    };
    let rest = ["Warning: `/boot/gone`", "Warning: root=/dev/sda9"];
    let expected = |first: &[&'static str], last: &[&'static str]| [first, &rest, last].concat();
    let legacy = || Boot::Cloned { disk: PathBuf::new(), loader: Loader::GrubLegacy };
    check(
        |system| {
            menu(system, "root=LABEL=root console=ttyS0");
            system.boot = legacy();
        },
        &rest,
    );
    check(
        |system| {
            menu(system, "root=LABEL=old console=ttyS0");
            system.boot = legacy();
        },
        &expected(&["Error: LABEL=old"], &[]),
    );
    check(
        |system| {
            menu(system, "root=LABEL=root console=ttyS0");
            (system.boot, system.profile) = (legacy(), Profile::Modern);
        },
        &expected(&["Error: GRUB 0.97 cannot read"], &[]),
    );
    check(
        |system| {
            menu(system, "root=/dev/xvda1 console=hvc0");
            (system.boot, system.division) = (Boot::None, Division::None);
        },
        &[
            "Warning: only on Xen",
            "Warning: `/boot/gone`",
            "Warning: root=/dev/sda9",
            "Note: paravirtual",
        ],
    );
    check(|system| system.boot = legacy(), &["Error: GRUB has no `/boot/grub/menu.lst`"]);
    check(
        |system| (system.boot, system.division) = (Boot::None, Division::None),
        &["Note: named when it is registered"],
    );
    check(|system| system.boot = Boot::None, &["Warning: no boot loader"]);
}

#[test]
fn what_the_kernel_cannot_do_is_told() {
    let initrd = format!("boot/initrd.img-{VERSION}");
    let modules = format!("usr/lib/modules/{VERSION}");
    check(
        |system| system.put_bytes(&initrd, initramfs(&[])),
        &["Warning: `xen_blkfront`", "Warning: `nvme`"],
    );
    check(
        |system| system.put(&format!("{modules}/modules.builtin"), "kernel/fs/xfs/xfs.ko\n"),
        &["Error: no driver for ext4"],
    );
    check(
        |system| {
            system.put(&format!("{modules}/modules.builtin"), "");
            system.put_bytes(&initrd, initramfs(&["nvme", "xen-blkfront", "ext4"]));
        },
        &[],
    );
    check(|system| system.put(&format!("{modules}/modules.dep"), ""), &["Note: `ena`"]);
    check(|system| system.put(&initrd, "not an archive"), &["Note: cannot be looked into"]);
    check(|system| system.put_bytes(&initrd, cpio(&["x"])[..100].to_vec()), &["Note: cannot"]);
    check(|system| system.remove(&format!("{modules}/modules.builtin")), &[]);
    // Ubuntu 12.04 has GRUB 2, and a kernel that mounts such a root, and cannot write to it.
    check(
        |system| {
            system.put("boot/vmlinuz-3.2.0-23-virtual", "x");
            system.put(
                "boot/grub/grub.cfg",
                "linux /boot/vmlinuz-3.2.0-23-virtual root=LABEL=root console=ttyS0",
            );
        },
        &["Error: since 3.6"],
    );
}

#[test]
fn fstab_and_labels_are_looked_at() {
    let fstab =
        |text: &str, expected: &[&str]| check(|system| system.put("etc/fstab", text), expected);
    let root = format!("UUID={UUID} / ext4\n");
    check(|system| system.remove("etc/fstab"), &["Warning: no `/etc/fstab`"]);
    fstab("", &["Warning: stay read-only"]);
    fstab(&format!("UUID={OTHER} / ext4"), &["Warning: stay read-only"]);
    fstab(&format!("{root}UUID={OTHER} /data xfs defaults 0 2"), &["Error: on `/data`"]);
    fstab(&format!("{root}UUID={OTHER} /data xfs nofail 0 2"), &[]);
    fstab(&format!("{root}UUID={OTHER} none swap sw"), &["Warning: swap"]);
    let selinux =
        |system: &mut System| system.put("etc/selinux/config", "# x\nSELINUX=enforcing\n");
    check(selinux, &["Warning: SELinux"]);
    check(
        |system| {
            selinux(system);
            system.put(".autorelabel", "");
        },
        &[],
    );
    check(
        |system| {
            selinux(system);
            system.put("etc/passwd", "x");
            system.is_labelled = true;
        },
        &[],
    );
}

#[test]
fn what_is_damaged_is_not_believed() {
    let whole = initramfs(&["nvme"]);
    assert_eq!(initramfs::modules(whole.clone()).unwrap().len(), 1);
    for len in 0..whole.len() {
        // Whatever is cut off, it ends.
        let found = initramfs::modules(whole[..len].to_vec());
        assert!(found.is_none_or(|found| found.len() <= 1));
    }
    let mut huge = cpio(&["a.ko"]);
    huge[54..62].copy_from_slice(b"FFFFFFFF");
    assert!(initramfs::modules(huge).is_none());
    assert!(initramfs::modules(gzipped(b"")).is_none());
    assert!(initramfs::modules(Vec::new()).is_none());
}
