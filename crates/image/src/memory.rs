use std::io;

use crate::{
    Extent, Image,
    extent::{ALIGN, Runs, SMALLEST_HOLE, is_zero},
    image::check_inside,
};

/// An image that is held in memory, holes included: for tests and examples, and for images that are small.
///
/// [`MemorySink`](crate::MemorySink) writes one.
///
/// ```
/// use baler_image::{Extent, Image, Memory};
///
/// let mut bytes = vec![0; 300 * 1024];
/// bytes[128 * 1024..][..4].copy_from_slice(b"boot");
/// let mut image = Memory::new(bytes);
/// assert_eq!(image.extents(), [Extent { offset: 128 * 1024, len: 64 * 1024 }]);
///
/// let mut start = [0; 4];
/// image.read_at(&mut start, 128 * 1024)?;
/// assert_eq!(&start, b"boot");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    bytes: Vec<u8>,
    extents: Vec<Extent>,
}

impl Memory {
    /// Takes the bytes of an image. Aligned blocks of 64 KiB that are all zeros are its holes, as in a
    /// [`FileImage`](crate::FileImage).
    pub fn new(bytes: impl Into<Vec<u8>>) -> Memory {
        let bytes = bytes.into();
        let mut runs = Runs::new(1);
        let mut start = 0;
        for block in bytes.chunks(SMALLEST_HOLE as usize) {
            let end = start + block.len() as u64;
            if !is_zero(block) {
                runs.push(start, end);
            }
            start = end;
        }
        Memory { bytes, extents: runs.into_extents() }
    }

    /// Takes the bytes of an image without holes, even if they are zeros.
    pub fn dense(bytes: impl Into<Vec<u8>>) -> Memory {
        let bytes = bytes.into();
        let len = bytes.len() as u64;
        let extents = if len == 0 { vec![] } else { vec![Extent { offset: 0, len }] };
        Memory { bytes, extents }
    }

    /// Takes the bytes of an image, and the extents that hold its data. All other bytes are set to zero.
    ///
    /// # Panics
    ///
    /// If the extents are not as [`Image::extents`] promises.
    pub fn with_extents(bytes: impl Into<Vec<u8>>, extents: Vec<Extent>) -> Memory {
        let mut bytes = bytes.into();
        let len = bytes.len() as u64;
        let mut at = None;
        for extent in &extents {
            let Extent { offset, .. } = *extent;
            let end = offset.checked_add(extent.len).filter(|&end| offset < end && end <= len);
            let end = end.unwrap_or_else(|| panic!("{extent:?} is not inside {len} bytes"));
            assert!(at.is_none_or(|at| at < offset), "{extent:?} touches the one before");
            let is_aligned = offset % ALIGN == 0 && (end % ALIGN == 0 || end == len);
            assert!(is_aligned, "{extent:?} is not aligned");
            bytes[at.unwrap_or(0) as usize..offset as usize].fill(0);
            at = Some(end);
        }
        bytes[at.unwrap_or(0) as usize..].fill(0);
        Memory { bytes, extents }
    }

    /// Returns the bytes of the image, zeros for its holes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the bytes of the image by value, zeros for its holes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Image for Memory {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn extents(&self) -> &[Extent] {
        &self.extents
    }

    fn read_at(&mut self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        check_inside(buf, offset, self.len())?;
        buf.copy_from_slice(&self.bytes[offset as usize..][..buf.len()]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u64 = SMALLEST_HOLE;

    #[test]
    fn blocks_of_zeros_are_holes_unless_it_is_dense() {
        let mut bytes = vec![0; 3 * BLOCK as usize + 5];
        bytes[BLOCK as usize + 7] = 1;
        let extent = |offset, len| Extent { offset, len };
        assert_eq!(Memory::new(bytes.clone()).extents(), [extent(BLOCK, BLOCK)]);
        assert_eq!(Memory::dense(bytes.clone()).extents(), [extent(0, 3 * BLOCK + 5)]);
        *bytes.last_mut().unwrap() = 1;
        let image = Memory::new(bytes.clone());
        assert_eq!(image.extents(), [extent(BLOCK, BLOCK), extent(3 * BLOCK, 5)]);
        assert_eq!(image.into_bytes(), bytes);
        for empty in [Memory::new([]), Memory::dense([]), Memory::default()] {
            assert!(empty.is_empty() && empty.extents().is_empty());
        }
    }

    #[test]
    fn what_no_extent_covers_is_zeros() {
        let extents = [(4096, 4096), (12_288, 712)].map(|(offset, len)| Extent { offset, len });
        let mut image = Memory::with_extents([7; 13_000], extents.to_vec());
        assert_eq!(image.extents(), extents);
        let mut all = [1; 13_000];
        image.read_at(&mut all, 0).unwrap();
        for (at, byte) in all.iter().enumerate() {
            let is_data = (4096..8192).contains(&at) || at >= 12_288;
            assert_eq!(*byte, if is_data { 7 } else { 0 }, "byte {at}");
        }
        assert_eq!(Memory::with_extents([7; 10], vec![]).bytes(), [0; 10]);
    }

    #[test]
    fn extents_that_break_a_promise_are_refused() {
        for wrong in [
            [(0, 4096), (4096, 4096)],
            [(8192, 4096), (0, 4096)],
            [(0, 4096), (12_288, 4096)],
            [(0, 4096), (8192, 0)],
            [(0, 4000), (8192, 4096)],
            [(100, 3996), (8192, 4096)],
            [(0, 4096), (u64::MAX, 4096)],
        ] {
            let extents = wrong.map(|(offset, len)| Extent { offset, len }).to_vec();
            let made = std::panic::catch_unwind(|| Memory::with_extents([1; 13_000], extents));
            assert!(made.is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_read_that_is_not_inside_is_refused() {
        let mut image = Memory::dense(*b"image");
        let mut buf = [0; 3];
        image.read_at(&mut buf, 2).unwrap();
        assert_eq!(&buf, b"age");
        let error = image.read_at(&mut buf, 3).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
