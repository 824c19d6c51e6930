//! A root tree with one of everything that a file system can hold.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, IFlags, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags,
    chownat, ioctl_getflags, ioctl_setflags, lsetxattr, makedev, mkdirat, mknodat, openat,
    utimensat,
};
use tempfile::TempDir;

use crate::{image, is_root, skip, temporary_directory};

/// The tree; it is removed with the value, also what cannot be removed because of its flags.
#[derive(Debug)]
pub struct FixtureRoot {
    directory: TempDir,
    flagged: Vec<PathBuf>,
    is_root: bool,
}

impl Default for FixtureRoot {
    fn default() -> FixtureRoot {
        FixtureRoot::new()
    }
}

impl FixtureRoot {
    /// One of everything that the one who runs the tests may make.
    pub fn new() -> FixtureRoot {
        FixtureRoot::with(is_root())
    }

    /// One of everything that an ordinary user may make.
    pub fn of_a_user() -> FixtureRoot {
        FixtureRoot::with(false)
    }

    fn with(is_root: bool) -> FixtureRoot {
        let mut root =
            FixtureRoot { directory: temporary_directory(), flagged: Vec::new(), is_root };
        // A temporary directory is nobody else's; a root is everybody's.
        root.mode("", 0o755);
        root.names();
        root.files();
        root.links();
        root.sparse_files();
        root.wide_and_deep();
        root.xattrs();
        if is_root {
            root.owners_and_devices();
        }
        root.flags();
        root.times();
        root
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.path().join(path)
    }

    fn directory(&self, path: &str) {
        fs::create_dir_all(self.at(path)).expect("a directory");
    }

    fn file(&self, path: impl AsRef<Path>, data: &[u8]) {
        let path = self.at(path);
        fs::write(&path, data).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.at(path), Permissions::from_mode(mode)).expect("a mode");
    }

    fn link(&self, path: &str, target: &[u8]) {
        symlink(OsStr::from_bytes(target), self.at(path)).expect("a symbolic link");
    }

    fn linked(&self, path: &str, to: &str) {
        fs::hard_link(self.at(path), self.at(to)).expect("a hard link");
    }

    fn node(&self, path: &str, file_type: FileType, device: u64) {
        mknodat(CWD, self.at(path), file_type, Mode::from_raw_mode(0o640), device).expect("a node");
    }

    fn xattr(&self, path: &str, name: &str, value: &[u8]) {
        lsetxattr(self.at(path), name, value, XattrFlags::empty())
            .unwrap_or_else(|error| panic!("{name} of {path}: {error}"));
    }

    fn names(&self) {
        self.directory("names/bytes");
        for byte in (1..=255).filter(|byte| !b"./".contains(byte)) {
            self.file(Path::new("names/bytes").join(OsStr::from_bytes(&[byte])), &[byte]);
        }
        let long = [b'n'; 255];
        for name in
            [&long[..], b"new\nline", b"-rf", b"...", b"a b", b"\xc3\xbc", b"*?[a]", b"\xff\xfe"]
        {
            self.file(Path::new("names").join(OsStr::from_bytes(name)), name);
        }
    }

    fn files(&self) {
        self.directory("files");
        for len in [0, 1, 4095, 4096, 4097, 100_000, 3 << 20] {
            self.file(format!("files/{len}"), &image::noise(len, len as u64));
        }
        for mode in [0o400, 0o777, 0o4755, 0o2711, 0o6755, 0o1644] {
            let path = format!("files/mode-{mode:o}");
            self.file(&path, b"mode");
            self.mode(&path, mode);
        }
        for mode in [0o700, 0o1777, 0o2775] {
            let path = format!("files/directory-{mode:o}");
            self.directory(&path);
            self.mode(&path, mode);
        }
    }

    fn links(&self) {
        self.directory("links/below");
        self.file("links/file", b"linked");
        self.linked("links/file", "links/below/file");
        self.linked("links/file", "linked");
        self.node("links/socket", FileType::Socket, 0);
        self.node("links/fifo", FileType::Fifo, 0);
        self.linked("links/fifo", "links/below/fifo");
        self.link("links/symlink", b"below/file");
        self.linked("links/symlink", "links/below/symlink");
        // Up to 59 bytes are in the inode, 4095 are as much as a path has.
        for len in [1, 59, 60, 61, 1000, 4094, 4095] {
            let target =
                image::noise(len, 1).iter().map(|byte| b'a' + byte % 26).collect::<Vec<_>>();
            self.link(&format!("links/symlink-{len}"), &target);
        }
        self.link("links/odd", b"\xff/\n");
    }
}

impl FixtureRoot {
    fn sparse_files(&self) {
        self.directory("sparse");
        let sparse = |name: &str, len: u64, data: &[u64]| {
            let file = File::create(self.at("sparse").join(name)).expect("a file");
            file.set_len(len).expect("a length");
            for &offset in data {
                let bytes = image::noise(4096.min(len - offset) as usize, offset);
                file.write_all_at(&bytes, offset).expect("room");
            }
        };
        sparse("nothing", 1 << 20, &[]);
        sparse("begins", 1 << 20, &[0]);
        sparse("ends", (1 << 20) + 17, &[(1 << 20) + 7]);
        sparse("between", 1 << 20, &[0, 1 << 19, (1 << 20) - 4096]);
        sparse("large", (6 << 30) + 1, &[0, 5 << 30, 6 << 30]);
        // More runs than one block of a map names.
        sparse("comb", 8 << 20, &(0..1024).map(|tooth| tooth * 8192).collect::<Vec<_>>());
    }

    fn wide_and_deep(&self) {
        self.directory("wide");
        for entry in 0..5000 {
            self.file(format!("wide/{entry:x}-{}", "w".repeat(entry % 40)), b"");
        }
        // 20 names of 255 bytes: more than any path may have, so by handles.
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut below: OwnedFd = openat(CWD, self.path(), flags, Mode::empty()).expect("the root");
        let name = "d".repeat(255);
        for _ in 0..20 {
            mkdirat(&below, &*name, Mode::from_raw_mode(0o755)).expect("a directory");
            below = openat(&below, &*name, flags, Mode::empty()).expect("a directory");
        }
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
        let bottom = openat(&below, "bottom", flags, Mode::from_raw_mode(0o644)).expect("a file");
        File::from(bottom).write_all_at(b"deep", 0).expect("room");
    }

    fn xattrs(&self) {
        self.directory("xattrs/directory");
        if lsetxattr(self.at("xattrs"), "user.x", b"", XattrFlags::empty()).is_err() {
            skip("extended attributes in the fixture root: the file system has none");
            return;
        }
        for name in ["small", "many", "large", "both", "acl"] {
            self.file(format!("xattrs/{name}"), name.as_bytes());
        }
        self.xattr("xattrs/small", "user.x", b"\0\xff");
        self.xattr("xattrs/small", "user.empty", b"");
        (0..20).for_each(|n| self.xattr("xattrs/many", &format!("user.n{n}"), &[n; 40]));
        self.xattr("xattrs/large", "user.large", &image::noise(3900, 1));
        self.xattr("xattrs/both", "user.small", b"in the inode");
        self.xattr("xattrs/both", "user.large", &image::noise(3000, 2));
        self.xattr("xattrs/directory", "user.x", b"of a directory");
        self.xattr("xattrs/acl", "system.posix_acl_access", &acl());
        self.xattr("xattrs/directory", "system.posix_acl_access", &acl());
        self.xattr("xattrs/directory", "system.posix_acl_default", &acl());
        if self.is_root {
            // cap_net_raw=ep
            let capability = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            self.xattr("xattrs/small", "security.capability", &capability);
            self.node("xattrs/fifo", FileType::Fifo, 0);
            self.link("xattrs/symlink", b"small");
            self.link("xattrs/long-symlink", &[b'l'; 200]);
            for name in ["small", "fifo", "symlink", "long-symlink", "directory"] {
                self.xattr(&format!("xattrs/{name}"), "trusted.x", name.as_bytes());
            }
        }
    }

    fn owners_and_devices(&self) {
        self.directory("root/closed");
        self.file("root/closed/file", b"closed");
        self.mode("root/closed/file", 0);
        self.mode("root/closed", 0);
        for id in [1, 65_534, 65_536, u32::MAX - 1] {
            let path = format!("root/owner-{id}");
            self.file(&path, b"owned");
            self.link(&format!("{path}-link"), b"owned");
            for path in [self.at(&path), self.at(format!("{path}-link"))] {
                let (owner, group) = (Uid::from_raw(id), Gid::from_raw(id - 1));
                chownat(CWD, path, Some(owner), Some(group), AtFlags::SYMLINK_NOFOLLOW)
                    .expect("an owner");
            }
        }
        for (name, file_type, major, minor) in [
            ("console", FileType::CharacterDevice, 5, 1),
            ("old", FileType::BlockDevice, 255, 255),
            ("new", FileType::BlockDevice, 259, 70_000),
            ("last", FileType::CharacterDevice, 4095, (1 << 20) - 1),
        ] {
            let path = format!("root/{name}");
            self.node(&path, file_type, makedev(major, minor));
            self.linked(&path, &format!("{path}-linked"));
        }
    }

    fn flags(&mut self) {
        self.directory("flags/directory");
        let mut wanted = vec![
            ("flags/nodump", IFlags::NODUMP),
            ("flags/noatime", IFlags::NOATIME),
            ("flags/sync", IFlags::SYNC),
            ("flags/directory", IFlags::DIRSYNC | IFlags::TOPDIR),
        ];
        if self.is_root {
            wanted.extend([("flags/fixed", IFlags::IMMUTABLE), ("flags/grows", IFlags::APPEND)]);
        }
        for (path, flags) in wanted {
            if path != "flags/directory" {
                self.file(path, b"flagged");
            }
            // These are set at last, so that they hinder nothing.
            set_time(&self.at(path), -1, 999_999_999);
            match add_flags(&self.at(path), flags) {
                Ok(()) => self.flagged.push(self.at(path)),
                Err(error) => return skip(&format!("flags in the fixture root: {error}")),
            }
        }
    }

    fn times(&self) {
        self.directory("times");
        // The first and the last second of ext4, and those where more bits are needed.
        let last = (1_i64 << 31) - 1 + (3 << 32);
        for seconds in [-(1 << 31), -1, 0, 1 << 30, (1 << 31) - 1, 1 << 31, 1 << 32, 1 << 33, last]
        {
            for nanos in [0, 1, 999_999_999] {
                let path = format!("times/{seconds}.{nanos}");
                self.file(&path, b"time");
                set_time(&self.at(&path), seconds, nanos);
            }
        }
        self.link("times/link", b"nowhere");
        set_time(&self.at("times/link"), 5_000_000_000, 5);
        set_time(&self.at("times"), -5, 5);
        set_time(self.path(), 1_234_567_890, 987_654_321);
    }
}

impl Drop for FixtureRoot {
    fn drop(&mut self) {
        for path in &self.flagged {
            // What is left then is a temporary directory.
            let clear = |file: File| ioctl_setflags(&file, IFlags::empty());
            let _ = File::open(path).map(clear);
        }
    }
}

fn add_flags(path: &Path, flags: IFlags) -> rustix::io::Result<()> {
    let file = File::open(path).expect("what was just made");
    ioctl_setflags(&file, ioctl_getflags(file.as_fd())? | flags)
}

fn set_time(path: &Path, seconds: i64, nanos: i64) {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanos };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("a time");
}

/// `u::rw-,u:7:r--,g::r--,g:9:rwx,m::rwx,o::r--` as the kernel takes it: a version, then a tag, permissions and an id.
fn acl() -> Vec<u8> {
    let none = u32::MAX;
    let entries = [(1, 6, none), (2, 4, 7), (4, 4, none), (8, 7, 9), (16, 7, none), (32, 4, none)];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(u16::to_le_bytes(tag));
        bytes.extend(u16::to_le_bytes(permissions));
        bytes.extend(u32::to_le_bytes(id));
    }
    bytes
}
