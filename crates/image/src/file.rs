use std::{
    fs::{self, File},
    io::{self, Seek, SeekFrom},
    num::NonZeroU64,
    os::unix::fs::{FileExt, FileTypeExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Advice, Mode, OFlags, SeekFrom as Whence, fadvise, open, seek},
    io::Errno,
};

use crate::{
    Error, Extent, Image,
    error::{failed, kind_of},
    extent::{ALIGN, Runs, SMALLEST_HOLE, is_zero},
    image::check_inside,
};

/// The bytes between two reports of a long search or pass: 1 MiB.
pub(crate) const REPORT: u64 = 1024 * 1024;

/// The distance, in bytes, that the kernel is asked to read ahead of the search: 64 first pages of blocks at once.
///
/// One after the other, on a disk that was not cached, they took as long as reading everything (2.4 s per GiB; 64 at
/// once take 0.2 to 0.5 s).
const AHEAD: u64 = 64 * SMALLEST_HOLE;

/// An image that is a regular file or a block device.
#[derive(Debug)]
pub struct FileImage {
    file: File,
    path: PathBuf,
    len: u64,
    device: bool,
    extents: Vec<Extent>,
}

impl FileImage {
    /// Opens the image at `path` and finds its data; see [`from_file_with`](Self::from_file_with).
    ///
    /// # Errors
    ///
    /// Those of [`open_file`] and of [`from_file_with`](Self::from_file_with).
    pub fn open(path: &Path) -> Result<FileImage, Error> {
        FileImage::from_file(open_file(path)?, path)
    }

    /// Takes a file that is open for reading. `path` is its name in messages and for [`is_in_use`](Self::is_in_use).
    ///
    /// # Errors
    ///
    /// Those of [`from_file_with`](Self::from_file_with).
    pub fn from_file(file: File, path: &Path) -> Result<FileImage, Error> {
        FileImage::from_file_with(file, path, &mut |_| Ok(()))
    }

    /// Takes a file that is open for reading, and reports the progress of the search for its data.
    ///
    /// Holes that the file system knows cost nothing. In stored ranges the search reads one page in 16: some 40 ms per
    /// GiB from a warm cache, 0.2 to 0.5 s per GiB from a cold solid-state disk, longer from a slow disk. `progress` is
    /// called with the offset that was reached, in bytes, about once per MiB of data; an error that it returns stops
    /// the search. An image may have 0 bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Kind`] if the file is neither a regular file nor a block device, [`Error::Length`] if its length cannot
    /// be found, [`Error::Scan`] if it cannot be read or `progress` stopped the search.
    pub fn from_file_with(
        mut file: File,
        path: &Path,
        progress: &mut dyn FnMut(u64) -> io::Result<()>,
    ) -> Result<FileImage, Error> {
        let metadata =
            file.metadata().map_err(|source| Error::Length { path: path.to_owned(), source })?;
        let device = is_device(&metadata, path)?;
        let len = if device {
            // The metadata of a device has no length; the offset of its end is the length.
            file.seek(SeekFrom::End(0))
                .map_err(|source| Error::Length { path: path.to_owned(), source })?
        } else {
            metadata.len()
        };
        let stored = stored(len, |whence| seek(&file, whence));
        let extents = stored
            .map_err(io::Error::from)
            .and_then(|stored| scan(&file, len, &stored, progress))
            .map_err(|source| Error::Scan { path: path.to_owned(), source })?;
        // From here on the image is read once, from start to end. This is only a hint to the kernel: failure is
        // harmless.
        let _ = fadvise(&file, 0, None, Advice::Sequential);
        Ok(FileImage { file, path: path.to_owned(), len, device, extents })
    }

    /// Says whether it is a block device.
    pub fn is_device(&self) -> bool {
        self.device
    }

    /// Says whether it is a block device that is mounted, or claimed by the kernel or another program (swap, LVM,
    /// RAID), as a whole or in one of its partitions. Its data may then change while it is read.
    ///
    /// The kernel decides: the device is opened once more, by its path, with `O_EXCL`. For a regular file the answer is
    /// always `false`.
    ///
    /// # Errors
    ///
    /// If the device cannot be opened.
    pub fn is_in_use(&self) -> io::Result<bool> {
        if !self.device {
            return Ok(false);
        }
        match open(&self.path, OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC, Mode::empty()) {
            Ok(_) => Ok(false),
            Err(Errno::BUSY) => Ok(true),
            Err(errno) => {
                Err(failed(format!("cannot open `{}`", self.path.display()), errno.into()))
            }
        }
    }
}

impl Image for FileImage {
    fn len(&self) -> u64 {
        self.len
    }

    fn extents(&self) -> &[Extent] {
        &self.extents
    }

    fn read_at(&mut self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        check_inside(buf, offset, self.len)?;
        self.file.read_exact_at(buf, offset).map_err(|source| {
            let path = self.path.display();
            if source.kind() == io::ErrorKind::UnexpectedEof {
                let len = self.len;
                io::Error::new(
                    source.kind(),
                    format!("`{path}` was cut while it was read: it had {len} bytes"),
                )
            } else {
                failed(format!("cannot read `{path}` at byte {offset}"), source)
            }
        })
    }
}

/// Opens a regular file or a block device that holds an image, compressed or not.
///
/// Anything else is refused before it is opened, because opening can have effects: a pipe waits for its writer, a
/// watchdog starts its timer.
///
/// # Errors
///
/// [`Error::Kind`] for anything else, [`Error::Open`] if it does not exist or may not be read.
pub fn open_file(path: &Path) -> Result<File, Error> {
    let opening = |source| Error::Open { path: path.to_owned(), source };
    is_device(&fs::metadata(path).map_err(opening)?, path)?;
    File::open(path).map_err(opening)
}

/// Says whether it is a block device and not a regular file; refuses everything else.
fn is_device(metadata: &fs::Metadata, path: &Path) -> Result<bool, Error> {
    let file_type = metadata.file_type();
    if file_type.is_block_device() || file_type.is_file() {
        return Ok(file_type.is_block_device());
    }
    Err(Error::Kind {
        path: path.to_owned(),
        found: kind_of(file_type),
        wanted: "a file or a block device",
    })
}

/// Asks the file system which ranges are stored, and widens them to multiples of [`ALIGN`]. Holes that are smaller than
/// [`SMALLEST_HOLE`] count as stored.
///
/// `seek` is lseek(2) with `SEEK_DATA` and `SEEK_HOLE`. On a file system without them the whole file is stored. A block
/// device answers that all of it is data.
fn stored(len: u64, seek: impl Fn(Whence) -> Result<u64, Errno>) -> Result<Vec<Extent>, Errno> {
    let mut runs = Runs::new(SMALLEST_HOLE);
    let mut at = 0;
    while at < len {
        let start = match seek(Whence::Data(at)) {
            Ok(start) if start < len => start.max(at),
            // The file grew: bytes after its first length are not part of the image.
            Ok(_) => break,
            // No data after `at`.
            Err(Errno::NXIO) => break,
            Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => {
                return Ok(vec![Extent { offset: 0, len }]);
            }
            Err(errno) => return Err(errno),
        };
        let end = match seek(Whence::Hole(start)) {
            Ok(end) => end,
            // The file was cut in between; reading it will fail.
            Err(Errno::NXIO) => len,
            Err(errno) => return Err(errno),
        };
        let start = start - start % ALIGN;
        // At least one unit further, even if someone punched a hole at `start` in between.
        let end = end.max(start + 1).next_multiple_of(ALIGN).min(len);
        runs.push(start, end);
        at = end;
    }
    Ok(runs.into_extents())
}

/// Removes aligned blocks of zeros from the `stored` extents. The last block of the image may be shorter.
///
/// Reading everything to find zeros would read the image twice. Data rarely begins with a page of zeros, and a block of
/// zeros always does: so the first page of each block decides whether the other 15 are read. Of data, one page in 16 is
/// read, at the speed of memory if it is cached.
fn scan(
    file: &File,
    len: u64,
    stored: &[Extent],
    progress: &mut dyn FnMut(u64) -> io::Result<()>,
) -> io::Result<Vec<Extent>> {
    // Single pages are read: with read-ahead the kernel would read everything.
    let _ = fadvise(file, 0, None, Advice::Random);
    let mut runs = Runs::new(1);
    let mut buf = vec![0; SMALLEST_HOLE as usize];
    let mut reported = 0;
    for extent in stored {
        let mut at = extent.offset;
        let mut asked = at;
        while at < extent.end() {
            while asked < extent.end().min(at + AHEAD) {
                let _ = fadvise(file, asked, NonZeroU64::new(ALIGN), Advice::WillNeed);
                asked = asked - asked % SMALLEST_HOLE + SMALLEST_HOLE;
            }
            let block_end = (at - at % SMALLEST_HOLE).saturating_add(SMALLEST_HOLE).min(len);
            let end = block_end.min(extent.end());
            let whole = at % SMALLEST_HOLE == 0 && end == block_end;
            if !(whole && is_zero_block(file, at, &mut buf[..(end - at) as usize])?) {
                runs.push(at, end);
            }
            at = end;
            if at / REPORT > reported {
                reported = at / REPORT;
                progress(at)?;
            }
        }
    }
    Ok(runs.into_extents())
}

/// Says whether the block at `offset` is all zeros; `buf` has the length of the block.
fn is_zero_block(file: &File, offset: u64, buf: &mut [u8]) -> io::Result<bool> {
    let (first, rest) = buf.split_at_mut(buf.len().min(ALIGN as usize));
    file.read_exact_at(first, offset)?;
    if !is_zero(first) {
        return Ok(false);
    }
    file.read_exact_at(rest, offset + first.len() as u64)?;
    Ok(is_zero(rest))
}

#[cfg(test)]
mod tests;
