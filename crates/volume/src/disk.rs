//! The disk as an image: a table, a boot chain, and a file system.

use std::io;
use std::sync::Arc;

use baler_image::{ALIGN, Extent, Image, Runs, SMALLEST_HOLE, check_inside};

use crate::root_device::Disk;

/// Bytes that lie somewhere on the disk that is made.
#[derive(Debug)]
#[non_exhaustive]
pub struct Region {
    /// Offset of the first byte.
    pub offset: u64,
    /// The bytes.
    pub bytes: Bytes,
}

/// Bytes that are known, or those of another disk.
#[derive(Debug)]
#[non_exhaustive]
pub enum Bytes {
    /// Known.
    Known(Vec<u8>),
    /// Read when they are asked for.
    Of {
        /// The other disk.
        disk: Arc<Disk>,
        /// Offset of the first byte there.
        offset: u64,
        /// Their length.
        len: u64,
    },
}

impl Region {
    /// Its length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> u64 {
        match &self.bytes {
            Bytes::Known(bytes) => bytes.len() as u64,
            Bytes::Of { len, .. } => *len,
        }
    }

    pub(crate) fn known(offset: u64, bytes: Vec<u8>) -> Region {
        Region { offset, bytes: Bytes::Known(bytes) }
    }

    /// Copies what of it lies in `buf`, whose first byte is that at `offset` on the disk.
    fn put(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let start = self.offset.max(offset);
        let end = (self.offset + self.len()).min(offset + buf.len() as u64);
        if start >= end {
            return Ok(());
        }
        let target = &mut buf[(start - offset) as usize..(end - offset) as usize];
        let skipped = start - self.offset;
        match &self.bytes {
            Bytes::Known(bytes) => {
                target.copy_from_slice(&bytes[skipped as usize..][..target.len()]);
                Ok(())
            }
            Bytes::Of { disk, offset, .. } => disk.read_at(target, offset + skipped),
        }
    }
}

/// A whole disk: regions, and a file system among them.
#[derive(Debug)]
pub struct DiskImage<I> {
    len: u64,
    regions: Vec<Region>,
    file_system: I,
    start: u64,
    extents: Vec<Extent>,
}

impl<I: Image> DiskImage<I> {
    /// Puts a file system at `start` on a disk of `len` bytes; nothing overlaps it, and later regions hide earlier ones.
    pub fn new(len: u64, regions: Vec<Region>, file_system: I, start: u64) -> DiskImage<I> {
        let mut ranges: Vec<_> =
            regions.iter().map(|region| (region.offset, region.offset + region.len())).collect();
        ranges.extend(
            file_system
                .extents()
                .iter()
                .map(|extent| (start + extent.offset, start + extent.end())),
        );
        ranges.sort_unstable();
        let mut runs = Runs::new(SMALLEST_HOLE);
        for (from, to) in ranges {
            if from < to {
                runs.push(from / ALIGN * ALIGN, to.next_multiple_of(ALIGN).min(len));
            }
        }
        DiskImage { len, regions, file_system, start, extents: runs.into_extents() }
    }
}

impl<I: Image> Image for DiskImage<I> {
    fn len(&self) -> u64 {
        self.len
    }

    fn extents(&self) -> &[Extent] {
        &self.extents
    }

    fn read_at(&mut self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        check_inside(buf, offset, self.len)?;
        let end = offset + buf.len() as u64;
        let (from, to) = (offset.max(self.start), end.min(self.start + self.file_system.len()));
        let is_inside = from < to && from == offset && to == end;
        if !is_inside {
            buf.fill(0);
        }
        if from < to {
            let target = &mut buf[(from - offset) as usize..(to - offset) as usize];
            self.file_system.read_at(target, from - self.start)?;
        }
        if !is_inside {
            for region in &self.regions {
                region.put(buf, offset)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
