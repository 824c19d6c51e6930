use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;
use crate::table::{DiskId, Partition, PartitionKind};

const UUID: &str = "cf781dbc-a308-48b0-b9ad-aa6d1489a660";

/// A machine's `/sys`, `/dev` and `/run/udev/data`, made up.
struct Machine {
    directory: TempDir,
    places: SystemPaths,
}

impl Machine {
    fn new() -> Machine {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let places = SystemPaths { sys: at("sys"), dev: at("dev"), udev: at("udev") };
        for path in [&places.sys.join("dev/block"), &places.dev, &places.udev] {
            fs::create_dir_all(path).unwrap();
        }
        Machine { directory, places }
    }

    /// A device in `/sys`, in the directory of its disk if it is a partition.
    fn device(&self, number: &str, path: &str, attributes: &[(&str, &str)]) {
        let entry = self.places.sys.join("devices").join(path);
        fs::create_dir_all(&entry).unwrap();
        for (name, text) in attributes {
            fs::create_dir_all(entry.join(name).parent().unwrap()).unwrap();
            fs::write(entry.join(name), text).unwrap();
        }
        symlink(&entry, self.places.sys.join("dev/block").join(number)).unwrap();
    }

    /// A disk with an MBR whose second partition has a file system, and that partition's node.
    fn nodes(&self, disk: &str, partition: &str) {
        let kind = PartitionKind::Mbr { code: 0x83, active: true };
        let partitions = vec![Partition { number: 2, start: 2048, len: 64, kind }];
        let table = Table { id: DiskId::Mbr(7), partitions };
        let mut bytes = vec![0; 4096 * 512];
        bytes[..512].copy_from_slice(&table.write(4096).unwrap()[0].1);
        bytes[2048 * 512..][..2048].copy_from_slice(&superblock());
        fs::write(self.places.dev.join(disk), &bytes).unwrap();
        fs::write(self.places.dev.join(partition), &bytes[2048 * 512..]).unwrap();
    }

    fn find(&self, mount: &str) -> RootDevice {
        let line = format!("1 0 {mount}");
        let mounts = Mounts::parse(line.as_bytes(), |path| {
            (path == Path::new("/dev/nvme0n1p2"))
                .then_some(baler_tree::Device { major: 259, minor: 2 })
        });
        RootDevice::find(Path::new("/"), &mounts, &self.places)
    }
}

/// The start of a file system, up to where what is looked at ends.
fn superblock() -> Vec<u8> {
    let mut bytes = vec![0; 2048];
    let put = |bytes: &mut [u8], at: usize, value: &[u8]| {
        bytes[1024 + at..][..value.len()].copy_from_slice(value);
    };
    put(&mut bytes, 0x38, &[0x53, 0xef]);
    put(&mut bytes, 0x4c, &[1]);
    put(&mut bytes, 0x60, &[0x40]);
    put(&mut bytes, 0x68, UUID.parse::<Uuid>().unwrap().as_bytes());
    put(&mut bytes, 0x78, b"root");
    bytes
}

#[test]
fn a_partition_leads_to_its_disk_whatever_they_are_called() {
    for (disk, partition, told) in [
        ("nvme0n1", "nvme0n1p2", "DEVNAME=nvme0n1p2\n"),
        ("xvda", "xvda2", "MAJOR=202\nDEVNAME=xvda2\n"),
        ("sda", "odd", "DEVNAME=odd\n"),
        // Kernels that tell no name.
        ("vda", "vda2", ""),
    ] {
        let machine = Machine::new();
        machine.nodes(disk, partition);
        machine.device("259:1", disk, &[("size", "4096\n")]);
        let path = format!("{disk}/{partition}");
        let attributes = [("partition", "2\n"), ("size", "64\n"), ("uevent", told)];
        machine.device("259:2", &path, &attributes);
        let source = machine.find("259:2 / / rw - ext4 /dev/root rw");
        assert_eq!(source.unknown, [""; 0], "{disk}");
        assert_eq!((source.fs_type.as_str(), source.len), ("ext4", Some(64 * SECTOR)));
        assert_eq!(source.names, [partition]);
        assert_eq!(source.uuid.map(|uuid| uuid.to_string()).as_deref(), Some(UUID));
        assert_eq!(source.label.as_deref(), Some(&b"root"[..]));
        assert_eq!(source.partition, Some(2));
        let disk = source.disk.expect("a disk");
        assert_eq!((disk.root, disk.len), (2, 4096 * SECTOR));
        assert_eq!(disk.probe_root().unwrap(), source.probe);
    }
}

#[test]
fn a_file_system_on_several_devices_is_found_by_what_was_mounted() {
    let machine = Machine::new();
    machine.nodes("nvme0n1", "nvme0n1p2");
    machine.device("259:2", "nvme0n1/nvme0n1p2", &[("partition", "2")]);
    let source = machine.find("0:31 /@ / rw - btrfs /dev/nvme0n1p2 rw,subvol=/@");
    assert_eq!((source.fs_type.as_str(), source.partition), ("btrfs", Some(2)));
    assert!(source.disk.is_some());
}

#[test]
fn a_file_system_can_be_its_disk() {
    // Also what looks like a partition, but is none: Xen's `xvda1` without an `xvda`.
    for name in ["vda", "xvda1"] {
        let machine = Machine::new();
        fs::write(machine.places.dev.join(name), superblock()).unwrap();
        machine.device("202:1", name, &[("size", "4")]);
        let source = machine.find("202:1 / / rw - ext4 /dev/root rw");
        assert_eq!((source.partition, source.unknown.len()), (Some(0), 0));
        let disk = source.disk.expect("a disk");
        assert_eq!((disk.root, disk.table.is_none()), (0, true));
    }
}

#[test]
fn what_cannot_be_read_is_told_once() {
    let machine = Machine::new();
    machine.device("202:1", "vda", &[("size", "4")]);
    let source = machine.find("202:1 / / rw - ext4 /dev/root rw");
    assert_eq!((source.partition, source.unknown.len()), (Some(0), 1));
}

#[test]
fn what_is_put_together_has_no_disk() {
    let machine = Machine::new();
    fs::write(machine.places.dev.join("dm-0"), superblock()).unwrap();
    machine.device("254:0", "dm-0", &[("slaves/sda2/partition", "2")]);
    let source = machine.find("254:0 / / rw - ext4 /dev/mapper/vg-root rw");
    assert_eq!(source.names, ["dm-0", "mapper/vg-root"]);
    assert!(source.uuid.is_some() && source.disk.is_none() && source.partition.is_none());
    assert!(source.unknown[0].contains("LVM"), "{:?}", source.unknown);
}

#[test]
fn without_the_device_others_are_asked() {
    let machine = Machine::new();
    machine.device("8:1", "sda/sda1", &[("partition", "1"), ("size", "2048")]);
    let find = || machine.find("8:1 / / rw - ext4 /dev/sda1 rw");
    let source = find();
    assert_eq!((source.uuid, source.label.as_ref()), (None, None));
    assert_eq!((source.partition, source.len), (Some(1), Some(1 << 20)));
    // One for the partition, one for the disk.
    assert_eq!(source.unknown.len(), 2, "{:?}", source.unknown);

    let text = format!("I:1\nE:ID_FS_UUID={UUID}\nE:ID_FS_LABEL_ENC=a\\x20b\\\n");
    fs::write(machine.places.udev.join("b8:1"), text).unwrap();
    let source = find();
    assert_eq!(source.uuid.map(|uuid| uuid.to_string()).as_deref(), Some(UUID));
    assert_eq!(source.label.as_deref(), Some(&b"a b\\"[..]));
}

#[test]
fn links_tell_the_names_of_a_device_that_cannot_be_read() {
    let machine = Machine::new();
    let node = machine.places.dev.join("sda1");
    // What can be opened and not read.
    fs::create_dir(&node).unwrap();
    for (directory, name) in [("by-uuid", UUID), ("by-label", "a\\x2fb")] {
        let directory = machine.places.dev.join("disk").join(directory);
        fs::create_dir_all(&directory).unwrap();
        symlink("../../sda1", directory.join(name)).unwrap();
        symlink("../../sda2", directory.join("other")).unwrap();
    }
    machine.device("8:1", "sda/sda1", &[("partition", "1")]);
    let source = machine.find("8:1 / / rw - ext4 /dev/sda1 rw");
    assert_eq!(source.uuid.map(|uuid| uuid.to_string()).as_deref(), Some(UUID));
    assert_eq!(source.label.as_deref(), Some(&b"a/b"[..]));
}

#[test]
fn a_tree_lies_nowhere_and_an_overlay_on_no_device() {
    let machine = Machine::new();
    let source = machine.find("8:1 / /elsewhere rw - ext4 /dev/sda1 rw");
    assert!(source.fs_type.is_empty() && source.unknown.is_empty());
    let source = machine.find("0:40 / / rw - overlay overlay rw");
    assert_eq!((source.fs_type.as_str(), source.unknown.len()), ("overlay", 1));
}

#[test]
fn the_root_of_a_named_disk_is_found() {
    let machine = Machine::new();
    let path = machine.directory.path().join("disk");
    let kind = PartitionKind::Mbr { code: 0x83, active: false };
    let partition = |number, start, len| Partition { number, start, len, kind: kind.clone() };
    // The second is the largest, the third has another file system, the first has none.
    let partitions =
        vec![partition(1, 2048, 900), partition(2, 3000, 600), partition(3, 3600, 400)];
    let table = Table { id: DiskId::Mbr(7), partitions };
    let mut bytes = vec![0; 4096 * 512];
    bytes[..512].copy_from_slice(&table.write(4096).unwrap()[0].1);
    fs::write(&path, &bytes).unwrap();
    assert!(Disk::open(&path, None).is_err(), "no file system at all");
    bytes[3000 * 512..][..2048].copy_from_slice(&superblock());
    let mut other = superblock();
    other[1024 + 0x68] ^= 1;
    bytes[3600 * 512..][..2048].copy_from_slice(&other);
    fs::write(&path, &bytes).unwrap();
    let uuid: Uuid = UUID.parse().unwrap();
    let other = Uuid::from_u128(uuid.as_u128() ^ 1 << 120);
    for (wanted, number) in [(None, 2), (Some(uuid), 2), (Some(other), 3)] {
        assert_eq!(Disk::open(&path, wanted).unwrap().root, number);
    }
}
