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

/// A sink that makes a sparse file, under its own name only when it is complete.
///
/// Until the commit the image grows in `.NAME.RANDOM.partial` beside its final place, which a drop without commit
/// removes. Zeros in aligned blocks of 4 KiB are not written, so that the file is sparse even where the image it
/// comes from was not.
///
/// A complete image is not forced to the disk, since it can be made again: that would take longer than all the rest.
/// Where a power cut must not take it, sync the file system afterwards.
///
/// The file has mode 0600, whatever the umask: an image of a machine holds its password hashes and host keys, which on
/// the machine itself only root may read.
#[derive(Debug)]
pub struct FileSink {
    temporary: NamedTempFile,
    path: PathBuf,
    overwrite: bool,
    order: Order,
}

impl FileSink {
    /// Prepares to write the image `path`, and creates the temporary file.
    ///
    /// With `overwrite` the commit replaces a file that is there; if it is a symbolic link, the file that it names,
    /// or the link itself if it leads nowhere.
    /// Without, a file that is there is [`Error::Exists`] now, and an error of the commit if it comes to be there
    /// meanwhile. A directory, a device or the like is never replaced: [`Error::Kind`].
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
            // A symbolic link that leads nowhere.
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

    /// Refuses extents that the file system has no room for.
    ///
    /// It may still fill up while the image is written; this is for the user who would wait an hour to hear it.
    fn check_room(&self, extents: &[Extent]) -> io::Result<()> {
        let dir = directory_of(&self.path).display();
        let free = fstatvfs(self.temporary.as_file())
            .map_err(|e| failed(format!("cannot find the free space in `{dir}`"), e.into()))?;
        let needed = extents.iter().fold(0_u64, |sum, extent| sum.saturating_add(extent.len));
        let available = free.f_bavail.saturating_mul(free.f_frsize);
        // Some network and user-space file systems have no idea, and say 0 of 0.
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
        // Now rather than in the commit: a length that the file system cannot have is refused before any data comes.
        self.temporary.as_file().set_len(len).map_err(|source| {
            let (path, len) = (self.path.display(), Size(len));
            failed(format!("cannot make `{path}` {len} long"), source)
        })?;
        self.order.begin(len)
    }

    fn write_at(&mut self, data: &[u8], offset: u64) -> io::Result<()> {
        // The gap needs nothing: the file is new, and what is not written in it is a hole.
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
        if !tells_at_once(temporary.as_file()) {
            temporary.as_file().sync_all().map_err(finishing)?;
        }
        // Where it fails, the error holds the temporary file, and dropping it removes that.
        let renamed =
            if overwrite { temporary.persist(&path) } else { temporary.persist_noclobber(&path) };
        renamed.map(drop).map_err(|error| finishing(error.error))
    }
}

/// Whether the file system tells when it writes that it cannot keep what is written. Those of disks do; a network's may
/// tell when it is asked to sync, and not before.
fn tells_at_once(file: &File) -> bool {
    // <linux/magic.h>: ext2 to ext4, XFS, Btrfs, F2FS, tmpfs, overlayfs.
    const OF_DISKS: [u64; 6] =
        [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x0102_1994, 0x794c_7630];
    // The type is an integer of another width on other machines.
    fstatfs(file).is_ok_and(|stat| OF_DISKS.contains(&(stat.f_type as u64 & 0xffff_ffff)))
}

/// The directory that `path` is in.
fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Writes the aligned blocks of [`ALIGN`] bytes that are not zero, and the incomplete ones at either end alike;
/// neighbours in one call.
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
