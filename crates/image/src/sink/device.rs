use std::{
    fs::{self, File},
    io::{self, Seek, SeekFrom},
    ops::Range,
    os::unix::fs::{FileExt, FileTypeExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FallocateFlags, Mode, OFlags, fallocate, open},
    io::Errno,
};

use super::{ImageSink, Order, zeros};
use crate::{
    Error, Extent,
    error::{failed, kind_of},
    extent::{ALIGN, SMALLEST_HOLE},
    size::Size,
};

/// A sink that writes over a block device that is not in use.
///
/// The device may have held anything before: holes are made to read as zeros, by discarding if the device guarantees
/// zeros then, else by writing them. Bytes after the end of the image are not changed. After an error, or a drop
/// without commit, the device holds a part of the image.
#[derive(Debug)]
pub struct DeviceSink {
    file: File,
    path: PathBuf,
    size: u64,
    zeroing: Zeroing,
    order: Order,
}

/// The ways of making zeros, the cheapest first. A way that the device does not support is not tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zeroing {
    /// `FALLOC_FL_PUNCH_HOLE`: on a block device, since Linux 4.9, discards the range if it reads as zeros then, and is
    /// refused otherwise.
    Punch,
    /// `FALLOC_FL_ZERO_RANGE`: since Linux 4.9, lets the device or else the kernel write the zeros.
    ZeroRange,
    /// pwrite(2).
    Write,
}

impl DeviceSink {
    /// Opens the block device `path` for writing, and claims it until the sink is dropped.
    ///
    /// The kernel makes the claim (`O_EXCL`). It refuses to mount a device that is claimed.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] while the device or a partition of it is mounted or claimed by swap, LVM, RAID or another
    /// program, [`Error::Kind`] if `path` is not a block device, [`Error::Open`] and [`Error::Length`].
    pub fn open(path: &Path) -> Result<DeviceSink, Error> {
        let opening = |source| Error::Open { path: path.to_owned(), source };
        // Before opening, because O_EXCL has no effect on a file; after it, because the name may belong to another file
        // now.
        require_device(&fs::metadata(path).map_err(opening)?, path)?;
        let flags = OFlags::WRONLY | OFlags::EXCL | OFlags::CLOEXEC;
        let mut file = match open(path, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::BUSY) => return Err(Error::InUse { path: path.to_owned() }),
            Err(errno) => return Err(opening(errno.into())),
        };
        require_device(&file.metadata().map_err(opening)?, path)?;
        let size = file
            .seek(SeekFrom::End(0))
            .map_err(|source| Error::Length { path: path.to_owned(), source })?;
        Ok(DeviceSink::over(file, path, size, Zeroing::Punch))
    }

    fn over(file: File, path: &Path, size: u64, zeroing: Zeroing) -> DeviceSink {
        DeviceSink { file, path: path.to_owned(), size, zeroing, order: Order::default() }
    }

    /// Makes `range` read as zeros.
    fn zero(&mut self, range: Range<u64>) -> io::Result<()> {
        // The kernel wants whole sectors, and whole pages spare it from reading the rest of one. Below 64 KiB a call
        // into the device costs more than the bytes do.
        let whole = range.start.next_multiple_of(ALIGN)..range.end - range.end % ALIGN;
        if whole.end.saturating_sub(whole.start) < SMALLEST_HOLE {
            return self.write_zeros(range);
        }
        self.write_zeros(range.start..whole.start)?;
        // A call cannot be interrupted, and a slow device can take minutes over a terabyte.
        let most = 1 << 30;
        let mut at = whole.start;
        while at < whole.end {
            let end = whole.end.min(at + most);
            self.zero_whole(at..end)?;
            at = end;
        }
        self.write_zeros(whole.end..range.end)
    }

    /// Makes `range` read as zeros; its ends are multiples of [`ALIGN`].
    fn zero_whole(&mut self, range: Range<u64>) -> io::Result<()> {
        loop {
            let (flag, next) = match self.zeroing {
                Zeroing::Punch => (FallocateFlags::PUNCH_HOLE, Zeroing::ZeroRange),
                Zeroing::ZeroRange => (FallocateFlags::ZERO_RANGE, Zeroing::Write),
                Zeroing::Write => return self.write_zeros(range),
            };
            let flags = flag | FallocateFlags::KEEP_SIZE;
            match fallocate(&self.file, flags, range.start, range.end - range.start) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                // ENODEV is the answer of a kernel before 4.9, EINVAL that of a device with sectors above 4 KiB.
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NODEV | Errno::INVAL) => {
                    self.zeroing = next;
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn write_zeros(&self, range: Range<u64>) -> io::Result<()> {
        zeros(range, |zeros, at| self.file.write_all_at(zeros, at))
    }

    fn failed(&self, source: io::Error) -> io::Error {
        failed(format!("cannot write `{}`", self.path.display()), source)
    }
}

impl ImageSink for DeviceSink {
    fn begin(&mut self, len: u64, _extents: Option<&[Extent]>) -> io::Result<()> {
        if len > self.size {
            let (path, size, len) = (self.path.display(), Size(self.size), Size(len));
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!("`{path}` has {size}, the image needs {len}"),
            ));
        }
        self.order.begin(len)
    }

    fn write_at(&mut self, data: &[u8], offset: u64) -> io::Result<()> {
        let gap = self.order.check(data.len(), offset)?;
        self.zero(gap).map_err(|source| self.failed(source))?;
        self.file.write_all_at(data, offset).map_err(|source| self.failed(source))?;
        self.order.wrote(data.len(), offset);
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> io::Result<()> {
        let tail = self.order.end()?;
        self.zero(tail).map_err(|source| self.failed(source))?;
        // The kernel reports failed writes here.
        self.file.sync_all().map_err(|source| self.failed(source))
    }
}

fn require_device(metadata: &fs::Metadata, path: &Path) -> Result<(), Error> {
    let file_type = metadata.file_type();
    if file_type.is_block_device() {
        return Ok(());
    }
    Err(Error::Kind { path: path.to_owned(), found: kind_of(file_type), wanted: "a block device" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file full of garbage stands for the device; fallocate(2) means the same on it.
    fn check_zeroing(zeroing: Zeroing, len: u64, writes: &[Range<u64>]) -> Zeroing {
        let size = len + 3 * SMALLEST_HOLE;
        let device = tempfile::NamedTempFile::new().unwrap();
        fs::write(device.path(), vec![0xaa; size as usize]).unwrap();
        let file = device.reopen().unwrap();
        let mut sink = DeviceSink::over(file, device.path(), size, zeroing);
        sink.begin(len, None).unwrap();
        let mut expected = vec![0; len as usize];
        expected.resize(size as usize, 0xaa);
        for range in writes {
            let data = vec![0x55; (range.end - range.start) as usize];
            sink.write_at(&data, range.start).unwrap();
            expected[range.start as usize..range.end as usize].fill(0x55);
        }
        let used = sink.zeroing;
        Box::new(sink).commit().unwrap();
        assert!(fs::read(device.path()).unwrap() == expected, "{zeroing:?} {len} {writes:?}");
        used
    }

    #[test]
    fn each_way_of_zeroing_leaves_zeros_in_the_gaps_and_garbage_behind_the_end() {
        for zeroing in [Zeroing::Punch, Zeroing::ZeroRange, Zeroing::Write] {
            check_zeroing(zeroing, 0, &[]);
            check_zeroing(zeroing, 1, &[]);
            check_zeroing(zeroing, 4 * SMALLEST_HOLE, &[]);
            check_zeroing(
                zeroing,
                4 * SMALLEST_HOLE + 513,
                &[0..1, 2 * SMALLEST_HOLE + 7..2 * SMALLEST_HOLE + 9],
            );
            check_zeroing(
                zeroing,
                4 * SMALLEST_HOLE,
                &[SMALLEST_HOLE..2 * SMALLEST_HOLE, 2 * SMALLEST_HOLE + 100..4 * SMALLEST_HOLE],
            );
            check_zeroing(zeroing, 3 << 20, &[1..2, (2 << 20) + 1..(2 << 20) + 2]);
        }
    }

    #[test]
    fn what_is_not_supported_falls_back_to_writing_once() {
        // /dev/full takes neither kind of fallocate(2), and no write.
        let file = File::options().write(true).open("/dev/full").unwrap();
        let mut sink = DeviceSink::over(file, Path::new("/dev/full"), 1 << 20, Zeroing::Punch);
        sink.begin(1 << 20, None).unwrap();
        let error = sink.write_at(b"x", 1 << 19).unwrap_err();
        assert_eq!(error.to_string(), "cannot write `/dev/full`");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(sink.zeroing, Zeroing::Write);
        let error = Box::new(sink).commit().unwrap_err();
        assert_eq!(error.to_string(), "the image was committed after it had failed");
    }
}
