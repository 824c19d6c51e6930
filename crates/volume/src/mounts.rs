//! The table of mounts, from `/proc/self/mountinfo`.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use baler_tree::Device;

/// The table of mounts, in the order in which they were mounted.
#[derive(Clone, Debug, Default)]
pub struct Mounts {
    mounts: Vec<Mount>,
}

/// One line of `mountinfo` (the kernel's `Documentation/filesystems/proc.rst`, section 3.5).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mount {
    /// The device number of the file system; its major is 0 where it lies on no block device, or on several.
    pub device: Device,
    /// The directory or file of the file system that is mounted: `/` unless it is a bind mount or a subvolume.
    pub root: Vec<u8>,
    /// The mount point, seen from the root of the process.
    pub point: Vec<u8>,
    /// The file system's type.
    pub fs_type: Vec<u8>,
    /// The source, as it was given to `mount`: a device, a server's directory, any word.
    pub source: Vec<u8>,
    /// The device number of `source`, where that is a device.
    pub source_device: Option<Device>,
}

/// Contents of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Holds {
    /// Files on a disk of this machine.
    Disk,
    /// No files, but an interface of the kernel's: proc, sysfs, cgroup.
    Kernel,
    /// Files that are elsewhere or nowhere: network, FUSE, tmpfs, overlay, mounted images.
    Other,
}

/// What gives an interface the shape of files. Walking through it would make no image, and may never end.
const KERNEL: [&str; 29] = [
    "anon_inodefs",
    "autofs",
    "bdev",
    "binder",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "cpuset",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nfsd",
    "nsfs",
    "openpromfs",
    "pipefs",
    "proc",
    "pstore",
    "resctrl",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tracefs",
];

/// What lies on disks. Not iso9660, squashfs and the like: they are images, of things that came from elsewhere.
const DISK: [&str; 24] = [
    "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "ext4dev", "f2fs", "hfs", "hfsplus",
    "jfs", "minix", "msdos", "nilfs2", "ntfs", "ntfs3", "reiser4", "reiserfs", "sysv", "ufs",
    "umsdos", "vfat", "xfs", "zfs",
];

/// The major number of loop devices (the kernel's `admin-guide/devices.txt`).
const LOOP_MAJOR: u32 = 7;

impl Mounts {
    /// Reads the table of this process.
    ///
    /// # Errors
    /// `/proc` is not mounted.
    pub fn of_this_process() -> io::Result<Mounts> {
        let text = fs::read("/proc/self/mountinfo")?;
        Ok(Mounts::parse(&text, |source| {
            let rdev = fs::metadata(source).ok()?.rdev();
            Some(Device { major: rustix::fs::major(rdev), minor: rustix::fs::minor(rdev) })
        }))
    }

    /// Reads the text of `mountinfo`; what is not a line of it is passed over.
    ///
    /// `device_of` is asked for the device number of a source below `/dev`, where the file system has none itself.
    pub fn parse(text: &[u8], device_of: impl Fn(&Path) -> Option<Device>) -> Mounts {
        let lines = text.split(|&byte| byte == b'\n');
        let mut mounts: Vec<_> = lines.filter_map(Mount::parse).collect();
        for mount in &mut mounts {
            if mount.device.major == 0 && mount.source.starts_with(b"/dev/") {
                mount.source_device = device_of(Path::new(OsStr::from_bytes(&mount.source)));
            }
        }
        Mounts { mounts }
    }

    /// Returns whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.mounts.is_empty()
    }

    /// All of them, in the order in which they were mounted.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Mount> {
        self.mounts.iter()
    }

    /// The mount that a path lies on: the last one on it, or on the nearest directory above it.
    pub fn holding(&self, path: &Path) -> Option<&Mount> {
        let is_above = |mount: &&Mount| path.starts_with(OsStr::from_bytes(&mount.point));
        self.iter().filter(is_above).max_by_key(|mount| mount.point.len())
    }

    /// What is mounted below a directory: for the path of a directory from there, the names in it and what is on them.
    pub(crate) fn below(&self, root: &Path) -> HashMap<Vec<u8>, HashMap<Vec<u8>, &Mount>> {
        let mut found: HashMap<_, HashMap<_, _>> = HashMap::new();
        for mount in &self.mounts {
            let point = Path::new(OsStr::from_bytes(&mount.point));
            let Ok(relative) = point.strip_prefix(root) else { continue };
            if let (Some(parent), Some(name)) = (relative.parent(), relative.file_name()) {
                let directory = found.entry(parent.as_os_str().as_bytes().to_vec()).or_default();
                directory.insert(name.as_bytes().to_vec(), mount);
            }
        }
        found
    }
}

impl Mount {
    fn parse(line: &[u8]) -> Option<Mount> {
        let mut fields = line.split(|&byte| byte == b' ').skip(2);
        let device = str::from_utf8(fields.next()?).ok()?;
        let (major, minor) = device.split_once(':')?;
        let device = Device { major: major.parse().ok()?, minor: minor.parse().ok()? };
        let (root, point) = (unescaped(fields.next()?), unescaped(fields.next()?));
        // Mount options, then any number of optional fields up to the separator.
        let mut fields = fields.skip_while(|&field| field != b"-").skip(1);
        let (fs_type, source) = (unescaped(fields.next()?), unescaped(fields.next()?));
        Some(Mount { device, root, point, fs_type, source, source_device: None })
    }

    /// The block device that it lies on.
    pub(crate) fn block_device(&self) -> Option<Device> {
        match self.device.major {
            0 => self.source_device,
            _ => Some(self.device),
        }
    }

    /// The contents of the file system, by its type and its device.
    pub fn holds(&self) -> Holds {
        let is_one_of = |types: &[&str]| types.iter().any(|known| known.as_bytes() == self.fs_type);
        if is_one_of(&KERNEL) {
            Holds::Kernel
        } else if is_one_of(&DISK) && (self.fs_type == b"zfs" || self.is_on_disk()) {
            Holds::Disk
        } else {
            Holds::Other
        }
    }

    /// Returns whether it lies on a block device that is not a loop device: those are known by number, not by name.
    fn is_on_disk(&self) -> bool {
        match (self.device.major, self.source_device) {
            // btrfs and others that may lie on several devices.
            (0, Some(source)) => !matches!(source.major, 0 | LOOP_MAJOR),
            // Their device has no node here: its name is all there is.
            (0, None) => {
                self.source.starts_with(b"/dev/") && !self.source.starts_with(b"/dev/loop")
            }
            (major, _) => major != LOOP_MAJOR,
        }
    }
}

/// The kernel writes blanks, tabs, newlines and backslashes as `\` and three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match after {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] if first == b'\\' => {
                bytes.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
                rest = after;
            }
            _ => bytes.push(first),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Mounts {
        Mounts::parse(text.as_bytes(), |path| match path.to_str() {
            Some("/dev/nvme0n1p2") => Some(Device { major: 259, minor: 2 }),
            Some("/dev/image") => Some(Device { major: 7, minor: 0 }),
            _ => None,
        })
    }

    #[test]
    fn fields_are_read_whatever_stands_between_them() {
        let mounts = parse(concat!(
            "22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n",
            "garbage\n",
            "36 22 0:32 /sub\\040vol /data\\011x\\134y\\777 rw master:3 propagate_from:2 - btrfs /dev/nvme0n1p2 rw,subvol=/x\n",
            "37 22 0:33 / /a rw - tmpfs  rw\n",
        ));
        let all: Vec<_> = mounts.iter().collect();
        assert_eq!(all.len(), 3);
        assert_eq!(all[0].device, Device { major: 259, minor: 1 });
        assert_eq!(
            (&all[1].root[..], &all[1].point[..]),
            (&b"/sub vol"[..], &b"/data\tx\\y\\777"[..])
        );
        assert_eq!(all[1].source_device, Some(Device { major: 259, minor: 2 }));
        assert_eq!((&all[2].fs_type[..], &all[2].source[..]), (&b"tmpfs"[..], &b""[..]));
    }

    proptest! {
        #[test]
        fn any_path_is_read_as_it_was(point in proptest::collection::vec(1u8.., 1..40)) {
            let escape = |byte: &u8| match byte {
                b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
                byte => vec![*byte],
            };
            let escaped: Vec<u8> = point.iter().flat_map(escape).collect();
            let line = [&b"1 0 8:1 / "[..], &escaped, b" rw - ext4 /dev/sda1 rw\n"].concat();
            let mounts = Mounts::parse(&line, |_| None);
            prop_assert_eq!(&mounts.iter().next().expect("a mount").point, &point);
        }

        #[test]
        fn any_text_is_read(text in proptest::collection::vec(0u8.., 0..200)) {
            Mounts::parse(&text, |_| None);
        }
    }

    #[test]
    fn type_and_source_tell_what_a_file_system_holds() {
        for (line, holds) in [
            ("1 0 254:1 / / rw - ext4 /dev/root rw", Holds::Disk),
            ("1 0 259:128 / /boot/efi rw - vfat /dev/nvme0n1p128 rw", Holds::Disk),
            ("1 0 0:31 / / rw - btrfs /dev/nvme0n1p2 rw", Holds::Disk),
            ("1 0 0:31 / / rw - btrfs /dev/image rw", Holds::Other),
            ("1 0 0:31 / / rw - btrfs /dev/loop3 rw", Holds::Other),
            ("1 0 0:31 / / rw - btrfs /dev/gone rw", Holds::Disk),
            ("1 0 0:40 / /home rw - zfs rpool/home rw", Holds::Disk),
            ("1 0 7:3 / /snap/x ro - squashfs /dev/loop3 ro", Holds::Other),
            // A loop device by another name.
            ("1 0 7:3 / /x rw - ext4 /dev/mapper/x rw", Holds::Other),
            ("1 0 11:0 / /media/cd ro - iso9660 /dev/sr0 ro", Holds::Other),
            ("1 0 0:50 / /n rw - nfs4 server:/x rw", Holds::Other),
            ("1 0 0:51 / /f rw - fuse.sshfs h:/x rw", Holds::Other),
            ("1 0 8:1 / /f rw - fuseblk /dev/sda1 rw", Holds::Other),
            ("1 0 0:52 / /t rw - tmpfs tmpfs rw", Holds::Other),
            ("1 0 0:53 / /o rw - overlay overlay rw", Holds::Other),
            ("1 0 0:21 / /proc rw - proc proc rw", Holds::Kernel),
            ("1 0 0:6 / /dev rw - devtmpfs udev rw", Holds::Kernel),
        ] {
            assert_eq!(parse(line).iter().next().expect("a mount").holds(), holds, "{line}");
        }
    }

    #[test]
    fn a_mount_is_found_by_its_directory_and_name() {
        let mounts = parse(concat!(
            "1 0 254:1 / / rw - ext4 /dev/root rw\n",
            "2 1 254:2 / /srv rw - ext4 /dev/vdb rw\n",
            "3 2 0:9 / /srv/tree/proc rw - proc proc rw\n",
            "4 2 0:10 / /srv/tree/a\\040b/c rw - tmpfs one rw\n",
            "5 2 0:11 / /srv/tree/a\\040b/c rw - tmpfs two rw\n",
        ));
        let below = mounts.below(Path::new("/srv/tree"));
        assert_eq!(below.len(), 2);
        assert_eq!(below[&b""[..]][&b"proc"[..]].fs_type, b"proc");
        assert_eq!(below[&b"a b"[..]][&b"c"[..]].source, b"two");
        assert!(mounts.below(Path::new("/"))[&b""[..]].contains_key(&b"srv"[..]));
        for (path, device) in
            [("/srv/tree/x", (254, 2)), ("/srvx", (254, 1)), ("/srv/tree/a b/c", (0, 11))]
        {
            let found = mounts.holding(Path::new(path)).expect("a mount").device;
            assert_eq!((found.major, found.minor), device, "{path}");
        }
    }
}
