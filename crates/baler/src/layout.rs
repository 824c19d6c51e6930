//! How a machine starts from an image, by the image's first bytes.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use baler_ec2::Virtualization;
use baler_image::{Extent, Image, ImageSink};

/// How many bytes of an image are looked at.
const HEAD: usize = 4096;

/// A disk with a partition table starts from itself; a bare file system needs a kernel from outside.
pub(crate) fn layout(image: &mut dyn Image) -> io::Result<Option<Virtualization>> {
    let mut head = vec![0; (image.len().min(HEAD as u64)) as usize];
    image.read_at(&mut head, 0)?;
    Ok(layout_of(&head))
}

fn layout_of(head: &[u8]) -> Option<Virtualization> {
    // The magic of ext2, 3 and 4, and of XFS.
    let is_file_system = head.get(1080..1082) == Some(&[0x53, 0xef]) || head.starts_with(b"XFSB");
    let has_table = head.get(510..512) == Some(&[0x55, 0xaa])
        && head.get(446..510).is_some_and(|table| {
            table.chunks(16).any(|entry| entry[4] != 0 && entry[0] & 0x7f == 0)
        });
    match (has_table, is_file_system) {
        (true, false) => Some(Virtualization::Hvm),
        (_, true) => Some(Virtualization::Paravirtual),
        _ => None,
    }
}

/// A sink that takes the first bytes of an image, and then has enough.
#[derive(Clone, Default)]
pub(crate) struct Head {
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Head {
    /// What the bytes that were taken say.
    pub(crate) fn layout(&self) -> Option<Virtualization> {
        layout_of(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ImageSink for Head {
    fn begin(&mut self, len: u64, _: Option<&[Extent]>) -> io::Result<()> {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.resize(len.min(HEAD as u64) as usize, 0);
        Ok(())
    }

    fn write_at(&mut self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = offset.min(bytes.len() as u64) as usize;
        let len = data.len().min(bytes.len() - offset);
        bytes[offset..offset + len].copy_from_slice(&data[..len]);
        if offset + len == bytes.len() { Err(io::Error::other("that is enough")) } else { Ok(()) }
    }

    fn commit(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_how_a_machine_starts() {
        let mut disk = vec![0; HEAD];
        assert_eq!(layout_of(&disk), None);
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(layout_of(&disk), None);
        disk[450] = 0x83;
        assert_eq!(layout_of(&disk), Some(Virtualization::Hvm));
        let mut bare = vec![0; HEAD];
        bare[1080..1082].copy_from_slice(&[0x53, 0xef]);
        assert_eq!(layout_of(&bare), Some(Virtualization::Paravirtual));
        assert_eq!(layout_of(b"XFSB"), Some(Virtualization::Paravirtual));
        assert_eq!(layout_of(&[]), None);
    }

    #[test]
    fn a_head_takes_what_it_needs_and_no_more() {
        let mut head = Head::default();
        let seen = head.clone();
        head.begin(1 << 20, None).unwrap();
        let mut first = vec![0; 1000];
        first[450] = 0xee;
        first[510..512].copy_from_slice(&[0x55, 0xaa]);
        head.write_at(&first, 0).unwrap();
        assert!(head.write_at(&[1; 5000], 2000).is_err());
        assert_eq!(seen.layout(), Some(Virtualization::Hvm));
    }
}
