//! Properties of an inode that are not in `stat`: extended attributes, flags, holes.

use std::ffi::{CStr, CString};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use baler_tree::{DataRange, Xattr};
use rustix::fs::{
    AtFlags, CWD, SeekFrom, fgetxattr, flistxattr, ioctl_getflags, lgetxattr, llistxattr, seek,
    statat,
};
use rustix::io::Errno;

/// The kernel's `XATTR_LIST_MAX` and `XATTR_SIZE_MAX`.
const MAX: usize = 64 << 10;

/// Reads extended attributes.
pub(crate) struct Xattrs {
    list: Vec<u8>,
    value: Vec<u8>,
    /// True if names below `/proc/self/fd` lead to what is open.
    has_proc: bool,
}

/// What extended attributes are read of.
#[derive(Clone, Copy)]
pub(crate) enum Of<'a> {
    Open(BorrowedFd<'a>),
    Path(&'a CStr),
}

impl Xattrs {
    pub(crate) fn new(root: BorrowedFd<'_>) -> Xattrs {
        let path = format!("/proc/self/fd/{}", root.as_raw_fd());
        let has_proc = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).is_ok();
        Xattrs { list: vec![0; MAX], value: vec![0; MAX], has_proc }
    }

    /// Those of what is open.
    pub(crate) fn of(&mut self, file: BorrowedFd<'_>) -> Result<Vec<Xattr>, Errno> {
        self.read(Of::Open(file))
    }

    /// Those of a name in a directory, without opening it: links cannot be opened, and devices and pipes must not be.
    ///
    /// No call takes a directory and a name; the directory's name below `/proc` serves. Where there is no `/proc`,
    /// links, devices and pipes have no attributes.
    pub(crate) fn at(&mut self, directory: impl AsFd, name: &CStr) -> Result<Vec<Xattr>, Errno> {
        if !self.has_proc {
            return Ok(Vec::new());
        }
        let mut path = Vec::with_capacity(32 + name.count_bytes());
        // Writing to a vector cannot fail.
        let _ = write!(path, "/proc/self/fd/{}/", directory.as_fd().as_raw_fd());
        path.extend_from_slice(name.to_bytes());
        let path = CString::new(path).map_err(|_| Errno::INVAL)?;
        self.read(Of::Path(&path))
    }

    fn read(&mut self, of: Of<'_>) -> Result<Vec<Xattr>, Errno> {
        let listed = match of {
            Of::Open(file) => flistxattr(file, &mut self.list[..]),
            Of::Path(path) => llistxattr(path, &mut self.list[..]),
        };
        let listed = match listed {
            Ok(listed) => listed,
            Err(Errno::NOTSUP | Errno::NOSYS | Errno::BADF) => 0,
            Err(error) => return Err(error),
        };
        let mut xattrs = Vec::new();
        for name in self.list[..listed].split_inclusive(|&byte| byte == 0) {
            let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
            if !is_kept(name.to_bytes()) {
                continue;
            }
            let len = match of {
                Of::Open(file) => fgetxattr(file, name, &mut self.value[..]),
                Of::Path(path) => lgetxattr(path, name, &mut self.value[..]),
            };
            match len {
                Ok(len) => xattrs
                    .push(Xattr { name: name.to_bytes().into(), value: self.value[..len].into() }),
                // It was removed meanwhile, or is listed but not there, as some network file systems have it.
                Err(Errno::NODATA | Errno::NOTSUP) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(xattrs)
    }
}

/// Others, `system.nfs4_acl` and the like, are their file system's own affair.
fn is_kept(name: &[u8]) -> bool {
    [&b"user."[..], b"trusted.", b"security."].iter().any(|prefix| name.starts_with(prefix))
        || matches!(name, b"system.posix_acl_access" | b"system.posix_acl_default")
}

/// The flags that `lsattr` shows; none where the file system has none.
pub(crate) fn flags(file: BorrowedFd<'_>) -> u32 {
    ioctl_getflags(file).map_or(0, |flags| flags.bits())
}

/// Where the data of a file is; `None` if there is no hole, or if that cannot be told.
pub(crate) fn data_ranges(file: BorrowedFd<'_>, size: u64) -> Option<Box<[DataRange]>> {
    let mut ranges = Vec::new();
    let mut position = 0;
    while position < size {
        let offset = match seek(file, SeekFrom::Data(position)) {
            Ok(offset) if offset < size => offset,
            Ok(_) | Err(Errno::NXIO) => break,
            Err(_) => return None,
        };
        let end = seek(file, SeekFrom::Hole(offset)).ok()?.min(size);
        if end <= offset {
            return None;
        }
        ranges.push(DataRange { offset, len: end - offset });
        position = end;
    }
    let is_dense = ranges == [DataRange { offset: 0, len: size }];
    (!is_dense).then(|| ranges.into_boxed_slice())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn holes_are_found_without_reading() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(60 << 30).unwrap();
        file.write_all_at(&[1; 4096], 8 << 20).unwrap();
        file.write_all_at(&[1; 4096], (60 << 30) - 4096).unwrap();
        let ranges = data_ranges(file.as_fd(), 60 << 30).expect("holes");
        let expected = [8 << 20, (60 << 30) - 4096].map(|offset| DataRange { offset, len: 4096 });
        assert_eq!(ranges[..], expected);
        file.set_len(0).unwrap();
        file.set_len(1 << 20).unwrap();
        assert_eq!(data_ranges(file.as_fd(), 1 << 20).as_deref(), Some(&[][..]));
        file.write_all_at(&[1; 5000], 0).unwrap();
        file.set_len(5000).unwrap();
        assert_eq!(data_ranges(file.as_fd(), 5000), None);
    }

    #[test]
    fn attributes_are_the_same_by_handle_and_by_name() {
        let root = tempfile::tempdir().unwrap();
        let file = File::create(root.path().join("a b")).unwrap();
        if rustix::fs::fsetxattr(&file, "user.x", b"\0\xff", rustix::fs::XattrFlags::empty())
            .is_err()
        {
            println!("SKIPPED: this file system has no extended attributes");
            return;
        }
        let directory = File::open(root.path()).unwrap();
        let mut xattrs = Xattrs::new(directory.as_fd());
        let expected = Xattr { name: b"user.x"[..].into(), value: b"\0\xff"[..].into() };
        assert!(xattrs.of(file.as_fd()).unwrap().contains(&expected));
        assert!(xattrs.at(&directory, c"a b").unwrap().contains(&expected));
        assert_eq!(xattrs.at(&directory, c"b").unwrap_err(), Errno::NOENT);
    }
}
