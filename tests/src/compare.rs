//! Whether two trees are the same, as the kernel shows them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{CStr, CString};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, RawMode, SeekFrom, Stat, ioctl_getflags, lgetxattr,
    llistxattr, major, minor, openat, readlinkat, seek, statat,
};
use rustix::io::Errno;

/// Flags of inodes that `chattr` sets: `suSiadAjtDT`. The others say how a file is stored, not what it is.
const FLAGS: u32 = 0x0003_c0fb;

/// What a file may take on the disk beyond its data: a block of attributes, and blocks of a map.
const OVERHEAD: u64 = 16 << 10;

/// In what two trees are not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where, from the roots of the trees on.
    pub path: Vec<u8>,
    /// In what: the attribute, how it is in the one tree, how in the other.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}: {}", self.path.escape_ascii(), self.what)
    }
}

/// Compares two trees in everything that a file system keeps: names, types, modes, owners, times of change in
/// nanoseconds, lengths, data, holes, links, extended attributes, flags, device numbers.
///
/// What is at a path of `except`, and below it, is not looked at. Other times are not compared: they differ as soon as
/// somebody looks. Goes by directory handles, so that no path is too long; what cannot be read is a difference.
pub fn compare(one: &Path, other: &Path, except: &[&Path]) -> Vec<Difference> {
    let bytes = |path: &&Path| path.strip_prefix("/").unwrap_or(path).as_os_str().as_bytes().into();
    let mut comparison = Comparison {
        except: except.iter().map(bytes).collect(),
        path: Vec::new(),
        pairs: [HashMap::new(), HashMap::new()],
        found: Vec::new(),
    };
    let open = |path: &Path| openat(CWD, path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    if let Some([one, other]) = comparison.both("opened", [open(one), open(other)]) {
        comparison.entry([one.as_fd(), other.as_fd()], c".");
    }
    comparison.found
}

type Inode = (u64, u64);

struct Comparison {
    except: BTreeSet<Vec<u8>>,
    path: Vec<u8>,
    /// Which file of the one tree is which of the other, and the other way round: what is linked there must be here.
    pairs: [HashMap<Inode, Inode>; 2],
    found: Vec<Difference>,
}

impl Comparison {
    fn differ(&mut self, what: String) {
        self.found.push(Difference { path: self.path.clone(), what });
    }

    fn same<T: PartialEq + fmt::Display>(&mut self, what: &str, [one, other]: [T; 2]) {
        if one != other {
            self.differ(format!("{what}: {one} and {other}"));
        }
    }

    /// What could be done on both sides.
    fn both<T>(&mut self, done: &str, [one, other]: [Result<T, Errno>; 2]) -> Option<[T; 2]> {
        for (side, error) in [("one", one.as_ref().err()), ("other", other.as_ref().err())] {
            if let Some(error) = error {
                self.differ(format!("cannot be {done} in the {side} tree: {error}"));
            }
        }
        Some([one.ok()?, other.ok()?])
    }

    fn entry(&mut self, directories: [BorrowedFd<'_>; 2], name: &CStr) {
        let stats = directories.map(|directory| statat(directory, name, AtFlags::SYMLINK_NOFOLLOW));
        let Some([one, other]) = self.both("seen", stats) else { return };
        let types = [&one, &other].map(|stat| FileType::from_raw_mode(stat.st_mode as RawMode));
        if types[0] != types[1] {
            return self.differ(format!("type: {:?} and {:?}", types[0], types[1]));
        }
        self.attributes([&one, &other]);
        let xattrs = directories.map(|directory| xattrs(directory, name));
        if let Some(xattrs) = self.both("asked for attributes", xattrs) {
            self.xattrs(xattrs);
        }
        let open = |flags: OFlags| {
            let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            directories.map(|directory| openat(directory, name, flags, Mode::empty()))
        };
        match types[0] {
            FileType::Directory => {
                if let Some(opened) = self.both("opened", open(OFlags::DIRECTORY)) {
                    self.flags(&opened);
                    self.directory(opened);
                }
            }
            FileType::RegularFile => {
                self.links([&one, &other]);
                if let Some(opened) = self.both("opened", open(OFlags::RDONLY)) {
                    self.flags(&opened);
                    self.file([&one, &other], opened.map(File::from));
                }
            }
            FileType::Symlink => {
                self.links([&one, &other]);
                let read = |directory| readlinkat(directory, name, Vec::new());
                if let Some(targets) = self.both("read", directories.map(read)) {
                    let text = |target: CString| target.to_bytes().escape_ascii().to_string();
                    self.same("target", targets.map(text));
                }
            }
            FileType::CharacterDevice | FileType::BlockDevice => {
                self.links([&one, &other]);
                let number =
                    |stat: &Stat| format!("{}:{}", major(stat.st_rdev), minor(stat.st_rdev));
                self.same("device", [&one, &other].map(number));
            }
            _ => self.links([&one, &other]),
        }
    }

    fn attributes(&mut self, stats: [&Stat; 2]) {
        self.same("mode", stats.map(|stat| format!("{:04o}", stat.st_mode & 0o7777)));
        self.same("owner", stats.map(|stat| stat.st_uid));
        self.same("group", stats.map(|stat| stat.st_gid));
        let mtime = |stat: &Stat| format!("{}.{:09}", stat.st_mtime, stat.st_mtime_nsec);
        self.same("time", stats.map(mtime));
    }
}

impl Comparison {
    /// Links to one file in the one tree are links to one file in the other.
    fn links(&mut self, [one, other]: [&Stat; 2]) {
        let inode = |stat: &Stat| (stat.st_dev, stat.st_ino);
        for (side, (here, there)) in [(one, other), (other, one)].into_iter().enumerate() {
            let known = *self.pairs[side].entry(inode(here)).or_insert(inode(there));
            if known != inode(there) {
                let side = ["one", "other"][side];
                self.differ(format!("a link to an earlier file in the {side} tree only"));
            }
        }
    }

    fn xattrs(&mut self, [one, other]: [BTreeMap<CString, Vec<u8>>; 2]) {
        let names: BTreeSet<_> = one.keys().chain(other.keys()).collect();
        for name in names {
            let value = |xattrs: &BTreeMap<CString, Vec<u8>>| match xattrs.get(name) {
                None => "nothing".to_owned(),
                Some(value) if value.len() > 64 => {
                    let head = value[..64].escape_ascii();
                    format!("{} bytes, `{head}`…, hash {:016x}", value.len(), hash(value))
                }
                Some(value) => format!("`{}`", value.escape_ascii()),
            };
            self.same(&format!("attribute {}", name.to_string_lossy()), [&one, &other].map(value));
        }
    }

    fn flags(&mut self, opened: &[OwnedFd; 2]) {
        // A file system that has none says so, which is as good as none.
        let flags = |file| ioctl_getflags(file).map_or(0, |flags| flags.bits() & FLAGS);
        self.same("flags", opened.each_ref().map(|file| format!("{:#x}", flags(file))));
    }

    fn directory(&mut self, opened: [OwnedFd; 2]) {
        let Some([one, other]) = self.both("listed", opened.each_ref().map(names)) else { return };
        for name in one.union(&other) {
            let length = self.path.len();
            if length > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name.to_bytes());
            if !self.except.contains(&self.path) {
                match (one.contains(name), other.contains(name)) {
                    (true, true) => self.entry(opened.each_ref().map(|fd| fd.as_fd()), name),
                    (true, false) => self.differ("only in the one tree".to_owned()),
                    _ => self.differ("only in the other tree".to_owned()),
                }
            }
            self.path.truncate(length);
        }
    }

    fn file(&mut self, stats: [&Stat; 2], files: [File; 2]) {
        let lengths = stats.map(|stat| stat.st_size as u64);
        if lengths[0] != lengths[1] {
            return self.same("length", lengths);
        }
        match first_difference(&files, lengths[0]) {
            Ok(None) => {}
            Ok(Some(at)) => self.differ(format!("data, from byte {at} on")),
            Err(error) => self.differ(format!("cannot be read: {error}")),
        }
        let [one, other] = stats.map(|stat| stat.st_blocks as u64 * 512);
        // What the one has may be compressed, or not be on the disk yet: then its data counts.
        if other > one + one / 64 + OVERHEAD {
            let data = data_length(&files[0], lengths[0]);
            if other > data + data / 64 + OVERHEAD {
                self.differ(format!("holes: {data} bytes of data and {other} on the disk"));
            }
        }
    }
}

fn hash(bytes: &[u8]) -> u64 {
    // FNV-1a
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn names(directory: &OwnedFd) -> Result<BTreeSet<CString>, Errno> {
    let mut names = BTreeSet::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.insert(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

/// All extended attributes of a name in a directory. No call takes both, but the directory has a name below `/proc`.
fn xattrs(directory: BorrowedFd<'_>, name: &CStr) -> Result<BTreeMap<CString, Vec<u8>>, Errno> {
    let start = format!("/proc/self/fd/{}/", directory.as_raw_fd());
    let path = [start.as_bytes(), name.to_bytes()].concat();
    let mut buffer = vec![0; 64 << 10];
    let listed = match llistxattr(&*path, &mut buffer) {
        Err(Errno::NOTSUP) => 0,
        listed => listed?,
    };
    let listed = buffer[..listed].to_vec();
    let mut found = BTreeMap::new();
    for name in listed.split_inclusive(|&byte| byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        let len = lgetxattr(&*path, name, &mut buffer)?;
        found.insert(name.to_owned(), buffer[..len].to_vec());
    }
    Ok(found)
}

/// Where the next data is at or after a position; the length if there is none.
fn next_data(file: &File, at: u64, len: u64) -> u64 {
    match seek(file, SeekFrom::Data(at)) {
        Ok(data) => data.min(len),
        Err(Errno::NXIO) => len,
        // Where holes are not told everything is data.
        Err(_) => at,
    }
}

fn data_length(file: &File, len: u64) -> u64 {
    let (mut at, mut sum) = (0, 0);
    while at < len {
        let data = next_data(file, at, len);
        let hole = seek(file, SeekFrom::Hole(data)).unwrap_or(len).clamp(data, len);
        sum += (hole - data).next_multiple_of(4096);
        at = hole.max(data + 1);
    }
    sum
}

fn first_difference([one, other]: &[File; 2], len: u64) -> io::Result<Option<u64>> {
    let (mut a, mut b) = (vec![0; 256 << 10], vec![0; 256 << 10]);
    let mut at = 0;
    loop {
        // What is a hole in both is not read.
        at = next_data(one, at, len).min(next_data(other, at, len));
        if at >= len {
            return Ok(None);
        }
        let count = (len - at).min(a.len() as u64) as usize;
        one.read_exact_at(&mut a[..count], at)?;
        other.read_exact_at(&mut b[..count], at)?;
        let (a, b) = (&a[..count], &b[..count]);
        // Compared as a whole first: byte by byte takes minutes for a gigabyte, unoptimised.
        if a != b {
            let place = a.iter().zip(b).take_while(|(a, b)| a == b).count();
            return Ok(Some(at + place as u64));
        }
        at += count as u64;
    }
}

#[cfg(test)]
mod tests;
