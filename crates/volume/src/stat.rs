//! Properties of an inode, from the kernel.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use baler_tree::{Device, Meta, Time};
use rustix::fs::{
    AtFlags, FileType, RawMode, Statx, StatxFlags, StatxTimestamp, fstat, major, minor, statat,
    statx,
};
use rustix::io::Errno;

/// What `statx` tells, or on kernels before 4.11 `fstatat`.
#[derive(Clone, Debug)]
pub(crate) struct Stat {
    mode: u32,
    pub(crate) links: u32,
    pub(crate) size: u64,
    /// What it takes on the disk, in 512 bytes.
    pub(crate) blocks: u64,
    pub(crate) id: InodeId,
    /// The number of the device that it is a node of.
    pub(crate) device: Device,
    uid: u32,
    gid: u32,
    atime: Time,
    pub(crate) mtime: Time,
    pub(crate) ctime: Time,
    crtime: Time,
}

/// Which inode: its file system's device number and its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct InodeId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl InodeId {
    pub(crate) fn device_number(self) -> Device {
        Device { major: major(self.device), minor: minor(self.device) }
    }
}

impl Stat {
    /// What is open.
    pub(crate) fn of(file: BorrowedFd<'_>, has_statx: bool) -> Result<Stat, Errno> {
        if has_statx {
            return statx(file, c"", AtFlags::EMPTY_PATH, fields()).map(Stat::from);
        }
        fstat(file).map(Stat::from)
    }

    /// What a name in a directory is; a link is not followed, and nothing is mounted for it.
    pub(crate) fn at(
        directory: BorrowedFd<'_>,
        name: &CStr,
        has_statx: bool,
    ) -> Result<Stat, Errno> {
        if has_statx {
            let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
            return statx(directory, name, flags, fields()).map(Stat::from);
        }
        statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map(Stat::from)
    }

    pub(crate) fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.mode as RawMode)
    }

    /// All but the flags and the extended attributes.
    pub(crate) fn meta(&self) -> Meta {
        let mut meta = Meta::new((self.mode & 0o7777) as u16).owned_by(self.uid, self.gid);
        (meta.atime, meta.mtime) = (self.atime, self.mtime);
        (meta.ctime, meta.crtime) = (self.ctime, self.crtime);
        meta
    }
}

/// Returns whether the kernel has `statx`, and nothing forbids it.
pub(crate) fn has_statx(file: BorrowedFd<'_>) -> bool {
    statx(file, c"", AtFlags::EMPTY_PATH, fields()).is_ok()
}

fn fields() -> StatxFlags {
    StatxFlags::BASIC_STATS | StatxFlags::BTIME
}

impl From<Statx> for Stat {
    fn from(stat: Statx) -> Stat {
        let time = |time: StatxTimestamp| Time { seconds: time.tv_sec, nanos: time.tv_nsec };
        let ctime = time(stat.stx_ctime);
        let has_crtime = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
        Stat {
            mode: u32::from(stat.stx_mode),
            links: stat.stx_nlink,
            size: stat.stx_size,
            blocks: stat.stx_blocks,
            id: InodeId {
                device: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
                inode: stat.stx_ino,
            },
            device: Device { major: stat.stx_rdev_major, minor: stat.stx_rdev_minor },
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            atime: time(stat.stx_atime),
            mtime: time(stat.stx_mtime),
            ctime,
            crtime: if has_crtime { time(stat.stx_btime) } else { ctime },
        }
    }
}

#[expect(
    clippy::unnecessary_cast,
    reason = "the types of `stat` are not the same on all architectures"
)]
impl From<rustix::fs::Stat> for Stat {
    fn from(stat: rustix::fs::Stat) -> Stat {
        let time = |seconds: i64, nanos: u64| Time { seconds, nanos: nanos as u32 };
        let ctime = time(stat.st_ctime as i64, stat.st_ctime_nsec as u64);
        Stat {
            mode: stat.st_mode,
            links: stat.st_nlink as u32,
            size: stat.st_size as u64,
            blocks: stat.st_blocks as u64,
            id: InodeId { device: stat.st_dev as u64, inode: stat.st_ino as u64 },
            device: Device { major: major(stat.st_rdev), minor: minor(stat.st_rdev) },
            uid: stat.st_uid,
            gid: stat.st_gid,
            atime: time(stat.st_atime as i64, stat.st_atime_nsec as u64),
            mtime: time(stat.st_mtime as i64, stat.st_mtime_nsec as u64),
            ctime,
            // The kernel does not tell when it was made; this is when it was last made what it is.
            crtime: ctime,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn old_and_new_calls_tell_the_same() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a"), "12345").unwrap();
        let directory = File::open(root.path()).unwrap();
        let file = File::open(root.path().join("a")).unwrap();
        if !has_statx(file.as_fd()) {
            println!("SKIPPED: this kernel has no statx");
            return;
        }
        let told = |has_statx| {
            let at = Stat::at(directory.as_fd(), c"a", has_statx).unwrap();
            let of = Stat::of(file.as_fd(), has_statx).unwrap();
            assert_eq!(at.id, of.id);
            assert_eq!(
                (at.file_type(), of.file_type()),
                (FileType::RegularFile, FileType::RegularFile)
            );
            let (mut meta, mut other) = (at.meta(), of.meta());
            (meta.crtime, other.crtime) = (meta.ctime, meta.ctime);
            assert_eq!(meta, other);
            (meta, at.id, at.size, at.links)
        };
        assert_eq!(told(true), told(false));
        assert_eq!(told(false).2, 5);
    }
}
