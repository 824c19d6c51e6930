use proptest::prelude::*;

use super::*;

/// A file system with data in some blocks, each byte made from its place.
struct Blocks {
    len: u64,
    extents: Vec<Extent>,
}

fn byte(at: u64) -> u8 {
    (at % 251) as u8 + 1
}

impl Image for Blocks {
    fn len(&self) -> u64 {
        self.len
    }

    fn extents(&self) -> &[Extent] {
        &self.extents
    }

    fn read_at(&mut self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        check_inside(buf, offset, self.len)?;
        for (target, at) in buf.iter_mut().zip(offset..) {
            let is_data = self.extents.iter().any(|e| (e.offset..e.end()).contains(&at));
            *target = if is_data { byte(at) } else { 0 };
        }
        Ok(())
    }
}

const LEN: u64 = 512 * 1024;

proptest! {
    #[test]
    fn every_byte_is_where_it_belongs(
        start in 64u64..200,
        blocks in proptest::collection::btree_set(0u64..60, 0..12),
        gap in 1usize..30_000,
        tail in 1usize..10_000,
        step in 1usize..100_000,
    ) {
        let start = start * 512;
        let mut runs = Runs::new(1);
        blocks.iter().for_each(|block| runs.push(block * 4096, block * 4096 + 4096));
        let file_system = Blocks { len: 61 * 4096, extents: runs.into_extents() };
        let end = LEN - tail as u64;
        let regions = vec![
            Region::known(0, vec![0xaa; 512]),
            Region::known(512, vec![0xbb; gap]),
            Region::known(end, vec![0xcc; tail]),
        ];
        let mut image = DiskImage::new(LEN, regions, file_system, start);
        let expected = |at: u64| match at {
            0..512 => 0xaa,
            at if at < 512 + gap as u64 => 0xbb,
            at if at >= end => 0xcc,
            at if at < start || !blocks.contains(&((at - start) / 4096)) => 0,
            at => byte(at - start),
        };
        let extents = image.extents().to_vec();
        let mut last = None;
        for extent in &extents {
            prop_assert!(extent.offset % ALIGN == 0 && extent.end() % ALIGN == 0);
            prop_assert!(last.is_none_or(|last| last < extent.offset));
            last = Some(extent.end());
        }
        prop_assert!(last <= Some(LEN));
        let mut bytes = vec![0x55; LEN as usize];
        for (number, part) in bytes.chunks_mut(step).enumerate() {
            image.read_at(part, (number * step) as u64).unwrap();
        }
        for (at, found) in (0..).zip(bytes) {
            prop_assert_eq!(found, expected(at), "byte {}", at);
            let is_inside = extents.iter().any(|extent| (extent.offset..extent.end()).contains(&at));
            prop_assert!(found == 0 || is_inside, "byte {} is in no extent", at);
        }
    }
}

#[test]
fn what_is_not_inside_is_refused() {
    let file_system = Blocks { len: 4096, extents: Vec::new() };
    let mut image = DiskImage::new(LEN, Vec::new(), file_system, 4096);
    assert!(image.extents().is_empty());
    let error = image.read_at(&mut [0; 2], LEN - 1).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}
