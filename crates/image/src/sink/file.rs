use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use rustix::fs::{fstatfs, fstatvfs};
use tempfile::NamedTempFile;

use super::{ImageSink, Order};
use crate::{
    Error, Extent,
    error::{failed, kind_of},
    extent::{ALIGN, is_zero},
    size::Size,
};

/// A sink that makes a sparse file, which has its final name only when it is complete.
///
/// Until the commit the image is in `.NAME.RANDOM.partial` beside its final place; a drop without commit removes that.
/// Aligned blocks of 4 KiB that are all zeros are not written, so that the file is sparse even if the image came from
/// one that was not.
///
/// A complete image is not synced to the disk on local file systems: that would take longer than everything else, and
/// the image can be made again. If it must survive a power failure, sync the file system afterwards.
///
/// The file has mode 0600, whatever the umask is: the image of a machine holds its password hashes and host keys, which
/// only root may read on the machine itself.
#[derive(Debug)]
pub struct FileSink {
    temporary: NamedTempFile,
    path: PathBuf,
    overwrite: bool,
    order: Order,
}

impl FileSink {
    /// Creates the temporary file for the image `path`.
    ///
    /// With `overwrite` the commit replaces an existing file. If that is a symbolic link, the file that it points to is
    /// replaced, or the link itself if that file does not exist. Without `overwrite`, the commit fails if the file
    /// exists by then.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if the file exists and `overwrite` is not set, [`Error::Kind`] for a directory, a device or
    /// the like, which are never replaced, [`Error::Open`] if `path` cannot be examined, [`Error::Create`] if the
    /// temporary file cannot be made.
    pub fn create(path: &Path, overwrite: bool) -> Result<FileSink, Error> {
        let opening = |source| Error::Open { path: path.to_owned(), source };
        let mut path = path.to_owned();
        match fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => {
                let found = kind_of(metadata.file_type());
                return Err(Error::Kind { path, found, wanted: "a file" });
            }
            Ok(_) if overwrite => path = fs::canonicalize(&path).map_err(opening)?,
            Ok(_) => return Err(Error::Exists { path }),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(opening(error)),
            // A symbolic link to a file that does not exist.
            Err(_) if !overwrite && path.is_symlink() => return Err(Error::Exists { path }),
            Err(_) => {}
        }
        let Some(name) = path.file_name() else {
            return Err(Error::Kind { path, found: "a directory", wanted: "a file" });
        };
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        let dir = directory_of(&path);
        let temporary = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(".partial")
            .tempfile_in(dir)
            .map_err(|source| Error::Create { dir: dir.to_owned(), source })?;
        Ok(FileSink { temporary, path, overwrite, order: Order::default() })
    }

    /// Refuses extents that the file system has no room for, before hours are spent on writing them.
    ///
    /// The file system may still fill up while the image is written.
    fn check_room(&self, extents: &[Extent]) -> io::Result<()> {
        let dir = directory_of(&self.path).display();
        let free = fstatvfs(self.temporary.as_file())
            .map_err(|e| failed(format!("cannot find the free space in `{dir}`"), e.into()))?;
        let needed = extents.iter().fold(0_u64, |sum, extent| sum.saturating_add(extent.len));
        let available = free.f_bavail.saturating_mul(free.f_frsize);
        // Some network and user-space file systems do not know, and report 0 of 0.
        if free.f_blocks > 0 && needed > available {
            let (needed, available) = (Size(needed), Size(available));
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!("`{dir}` has {available} of free space, the image needs {needed}"),
            ));
        }
        Ok(())
    }
}

impl ImageSink for FileSink {
    fn begin(&mut self, len: u64, extents: Option<&[Extent]>) -> io::Result<()> {
        self.check_room(extents.unwrap_or_default())?;
        // Now rather than in the commit, so that a length that the file system does not support is refused at once.
        self.temporary.as_file().set_len(len).map_err(|source| {
            let (path, len) = (self.path.display(), Size(len));
            failed(format!("cannot make `{path}` {len} long"), source)
        })?;
        self.order.begin(len)
    }

    fn write_at(&mut self, data: &[u8], offset: u64) -> io::Result<()> {
        // Nothing to do for the gap: the file is new, and ranges that are not written are holes.
        self.order.check(data.len(), offset)?;
        write_sparse(self.temporary.as_file(), data, offset)
            .map_err(|source| failed(format!("cannot write `{}`", self.path.display()), source))?;
        self.order.wrote(data.len(), offset);
        Ok(())
    }

    fn commit(self: Box<Self>) -> io::Result<()> {
        self.order.end()?;
        let FileSink { temporary, path, overwrite, .. } = *self;
        let finishing = |source| failed(format!("cannot complete `{}`", path.display()), source);
        if !reports_at_once(temporary.as_file()) {
            temporary.as_file().sync_all().map_err(finishing)?;
        }
        // If it fails, the error holds the temporary file, and dropping the error removes it.
        let renamed =
            if overwrite { temporary.persist(&path) } else { temporary.persist_noclobber(&path) };
        renamed.map(drop).map_err(|error| finishing(error.error))
    }
}

/// Says whether the file system reports a failed write with the write itself. Those of disks do; one of a network may
/// report it only with a sync.
fn reports_at_once(file: &File) -> bool {
    // <linux/magic.h>: ext2 to ext4, XFS, Btrfs, F2FS, tmpfs, overlayfs.
    const OF_DISKS: [u64; 6] =
        [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x0102_1994, 0x794c_7630];
    // The type is an integer of another width on other machines.
    fstatfs(file).is_ok_and(|stat| OF_DISKS.contains(&(stat.f_type as u64 & 0xffff_ffff)))
}

/// Returns the directory that `path` is in.
fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Writes the aligned blocks of [`ALIGN`] bytes that are not all zeros, the shorter ones at both ends included;
/// adjacent ones in one call.
fn write_sparse(file: &File, data: &[u8], offset: u64) -> io::Result<()> {
    let mut run = None;
    let mut at = 0;
    while at < data.len() {
        let to_boundary = (ALIGN - (offset + at as u64) % ALIGN) as usize;
        let end = data.len().min(at + to_boundary);
        if !is_zero(&data[at..end]) {
            run.get_or_insert(at);
        } else if let Some(start) = run.take() {
            file.write_all_at(&data[start..at], offset + start as u64)?;
        }
        at = end;
    }
    match run {
        Some(start) => file.write_all_at(&data[start..], offset + start as u64),
        None => Ok(()),
    }
}
