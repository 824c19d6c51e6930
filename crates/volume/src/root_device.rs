//! The device that a root lies on: its file system, the partition, the disk that the machine booted from.
//!
//! Nothing is guessed from names. The device number of the root leads through `/sys/dev/block` to what the kernel
//! knows: which partition it is, where that begins, and of which disk.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::mounts::{Mount, Mounts};
use crate::probe::{Probe, probe};
use crate::table::{SECTOR, Table};

/// The device that a root lies on, as far as it is known.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct RootDevice {
    /// The type of the file system, as it is mounted; empty if the root is no mount point.
    pub fs_type: String,
    /// Its superblock, if that could be read.
    pub probe: Option<Probe>,
    /// Its UUID and label, from the superblock or from what the system noted of it.
    pub uuid: Option<Uuid>,
    /// See `uuid`.
    pub label: Option<Vec<u8>>,
    /// The length of the device that it lies on, in bytes.
    pub len: Option<u64>,
    /// The names of that device, without `/dev/`.
    pub names: Vec<String>,
    /// The number of the partition that the device is on its disk; 0 if it is the disk.
    pub partition: Option<u32>,
    /// The disk that it is a partition of, or that is it.
    pub disk: Option<Disk>,
    /// Things that could not be found out, and why.
    pub unknown: Vec<String>,
}

/// A disk to take a boot chain from.
#[derive(Debug)]
#[non_exhaustive]
pub struct Disk {
    /// Its node, or the file that is its image.
    pub path: PathBuf,
    /// Its length in bytes.
    pub len: u64,
    /// `None` if it is one file system.
    pub table: Option<Table>,
    /// The number of the partition that is the root's; 0 if the disk is not divided.
    pub root: u32,
    file: File,
}

impl Disk {
    /// Opens a disk or the image of one, and finds the root on it.
    ///
    /// # Errors
    /// The disk cannot be read, or has partitions of which none holds a file system for a root.
    pub fn open(path: &Path, root_uuid: Option<Uuid>) -> io::Result<Disk> {
        let mut disk = Disk::read(path)?;
        let Some(table) = &disk.table else { return Ok(disk) };
        let mut found = Vec::new();
        for partition in &table.partitions {
            let start = partition.start * SECTOR;
            if let Ok(Some(probe)) = probe(&mut |buf| read_some(&disk.file, buf, start)) {
                found.push((partition.number, partition.len, probe));
            }
        }
        let named = found.iter().find(|(_, _, probe)| Some(probe.uuid) == root_uuid);
        let largest = found.iter().max_by_key(|(_, len, _)| *len);
        let root = named.or(largest).map(|(number, _, _)| *number);
        disk.root = root.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "no partition holds a file system for a root",
            )
        })?;
        Ok(disk)
    }

    /// Opens one without looking for the root.
    pub(crate) fn read(path: &Path) -> io::Result<Disk> {
        // Before it is opened: a pipe would wait for someone to write into it.
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() && !metadata.file_type().is_block_device() {
            let what = "it is neither a disk nor the image of one";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let file = File::open(path)?;
        let len = if metadata.file_type().is_block_device() {
            io::Seek::seek(&mut &file, io::SeekFrom::End(0))?
        } else {
            metadata.len()
        };
        let table = Table::read(len, &mut |buf, offset| file.read_exact_at(buf, offset))?;
        Ok(Disk { path: path.to_owned(), len, table, root: 0, file })
    }

    /// Reads bytes of the disk.
    pub(crate) fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }

    /// The file system in the root's partition; `None` for one that is not known here.
    ///
    /// # Errors
    /// The disk cannot be read.
    pub fn probe_root(&self) -> io::Result<Option<Probe>> {
        let partition = self.table.as_ref().and_then(|table| table.partition(self.root));
        let start = partition.map_or(0, |partition| partition.start * SECTOR);
        probe(&mut |buf| read_some(&self.file, buf, start))
    }
}

/// Reads up to the end.
fn read_some(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match file.read_at(&mut buf[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The directories in which the kernel and the system tell of devices; other ones in tests.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SystemPaths {
    /// `/sys`
    pub sys: PathBuf,
    /// `/dev`
    pub dev: PathBuf,
    /// `/run/udev/data`
    pub udev: PathBuf,
}

impl Default for SystemPaths {
    fn default() -> SystemPaths {
        SystemPaths { sys: "/sys".into(), dev: "/dev".into(), udev: "/run/udev/data".into() }
    }
}

impl RootDevice {
    /// Finds out where `root` lies. A directory that is no mount point is a tree by itself, and lies nowhere.
    pub fn find(root: &Path, mounts: &Mounts, paths: &SystemPaths) -> RootDevice {
        let mut found = RootDevice::default();
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let mount = mounts.holding(&root).filter(|mount| is_at(mount, &root));
        let Some(mount) = mount else { return found };
        found.fs_type = String::from_utf8_lossy(&mount.fs_type).into_owned();
        let Some(device) = mount.block_device() else {
            found.unknown.push(format!("{} lies on no block device", found.fs_type));
            return found;
        };
        let number = format!("{}:{}", device.major, device.minor);
        let entry = paths.sys.join("dev/block").join(&number);
        let Ok(entry) = entry.canonicalize() else {
            found.unknown.push(format!("the kernel tells nothing of the device {number}"));
            return found;
        };
        found.look_at(&entry, &number, paths);
        // What it was mounted by, such as `mapper/vg-root`. `root` is what the kernel calls any.
        let mounted_by = mount.source.strip_prefix(b"/dev/").map(String::from_utf8_lossy);
        found.names.extend(mounted_by.map(String::from).filter(|name| name != "root"));
        found.names.dedup();
        found
    }

    fn look_at(&mut self, entry: &Path, number: &str, paths: &SystemPaths) {
        let node_name = device_name(entry);
        let node = paths.dev.join(&node_name);
        self.names.push(node_name);
        self.len = number_in(&entry.join("size")).map(|sectors| sectors * SECTOR);
        let probed = File::open(&node).and_then(|file| probe(&mut |buf| read_some(&file, buf, 0)));
        match probed {
            Ok(probe) => {
                self.uuid = probe.as_ref().map(|probe| probe.uuid);
                self.label = probe.as_ref().map(|probe| probe.label.clone());
                self.probe = probe;
            }
            Err(error) => {
                self.unknown.push(format!("`{}` cannot be read: {error}", node.display()));
                self.ask_udev(&paths.udev.join(format!("b{number}")));
                self.ask_links(&paths.dev.join("disk"), &node);
            }
        }
        let has_slaves = |entry: &Path| {
            fs::read_dir(entry.join("slaves")).is_ok_and(|mut slaves| slaves.next().is_some())
        };
        let (disk, partition) = match number_in(&entry.join("partition")) {
            Some(partition) => (entry.parent().unwrap_or(entry), partition as u32),
            None if has_slaves(entry) => {
                self.unknown.push(format!(
                    "`{}` is put together from other devices (LVM, RAID, encryption), which a disk image has not",
                    node.display()
                ));
                return;
            }
            None => (entry, 0),
        };
        self.partition = Some(partition);
        let path = paths.dev.join(device_name(disk));
        match Disk::read(&path) {
            Ok(disk) if partition == 0 || disk.partition_is_known(partition) => {
                self.disk = Some(Disk { root: partition, ..disk });
            }
            Ok(_) => self
                .unknown
                .push(format!("the table of `{}` has no partition {partition}", path.display())),
            // Said already, of the same device.
            Err(_) if path == node => {}
            Err(error) => {
                self.unknown.push(format!("the disk `{}` cannot be read: {error}", path.display()));
            }
        }
    }

    /// What udev noted when it saw the device: lines `E:ID_FS_UUID=…`.
    fn ask_udev(&mut self, path: &Path) {
        let Ok(text) = fs::read_to_string(path) else { return };
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
        self.uuid = value("E:ID_FS_UUID=").and_then(|uuid| uuid.parse().ok());
        // Not `ID_FS_LABEL`, which has `_` for what is no word.
        self.label = value("E:ID_FS_LABEL_ENC=").map(|label| unescaped(label.as_bytes()));
    }

    /// Who else keeps devices by their names has links in `/dev/disk`.
    fn ask_links(&mut self, disk: &Path, node: &Path) {
        let Ok(node) = node.canonicalize() else { return };
        let name_in = |directory: &str| {
            let mut links = fs::read_dir(disk.join(directory)).ok()?.flatten();
            let link = links.find(|link| link.path().canonicalize().is_ok_and(|to| to == node))?;
            Some(link.file_name().as_bytes().to_vec())
        };
        self.uuid = self.uuid.or_else(|| Uuid::try_parse_ascii(&name_in("by-uuid")?).ok());
        self.label = self.label.take().or_else(|| Some(unescaped(&name_in("by-label")?)));
    }
}

/// Undoes udev's `\x20` for bytes that a name cannot have.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let hex = |digit: u8| (digit as char).to_digit(16).map(|value| value as u8);
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        bytes.push(first);
        if let (b'\\', [b'x', high, low, after @ ..]) = (first, after)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            bytes.pop();
            bytes.push(high << 4 | low);
            rest = after;
        }
    }
    bytes
}

impl Disk {
    fn partition_is_known(&self, number: u32) -> bool {
        self.table.as_ref().is_some_and(|table| table.partition(number).is_some())
    }
}

fn is_at(mount: &Mount, root: &Path) -> bool {
    root.as_os_str().as_bytes() == mount.point
}

/// The name of a device's node below `/dev`: the kernel tells it, and old ones write `!` for `/` in their own names.
fn device_name(entry: &Path) -> String {
    let text = fs::read_to_string(entry.join("uevent")).unwrap_or_default();
    let told = text.lines().find_map(|line| line.strip_prefix("DEVNAME="));
    let own = || entry.file_name().unwrap_or_default().to_string_lossy().replace('!', "/");
    told.map_or_else(own, str::to_owned)
}

fn number_in(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
