use std::{cell::Cell, time::Instant};

use proptest::prelude::*;
use tempfile::NamedTempFile;

use super::*;

const MIB: u64 = 1024 * 1024;

fn extents(ranges: &[(u64, u64)]) -> Vec<Extent> {
    ranges.iter().map(|&(start, end)| Extent { offset: start, len: end - start }).collect()
}

/// lseek(2) on a file whose stored ranges are these.
fn seek_in(ranges: &[(u64, u64)], len: u64) -> impl Fn(Whence) -> Result<u64, Errno> {
    move |whence| match whence {
        Whence::Data(at) if at < len => match ranges.iter().find(|range| at < range.1) {
            Some(range) => Ok(at.max(range.0)),
            None => Err(Errno::NXIO),
        },
        Whence::Hole(at) if at < len => {
            Ok(ranges.iter().find(|range| (range.0..range.1).contains(&at)).map_or(at, |r| r.1))
        }
        _ => Err(Errno::NXIO),
    }
}

#[test]
fn what_the_file_system_says_is_aligned_and_small_holes_are_data() {
    let check = |len, ranges: &[(u64, u64)], expected: &[(u64, u64)]| {
        assert_eq!(stored(len, seek_in(ranges, len)).unwrap(), extents(expected), "{ranges:?}");
    };
    check(0, &[], &[]);
    check(MIB, &[], &[]);
    check(MIB, &[(0, MIB)], &[(0, MIB)]);
    check(MIB, &[(1000, 5000)], &[(0, 8192)]);
    check(MIB, &[(4096, 8192), (65536, 65537)], &[(4096, 69632)]);
    check(MIB, &[(0, 4096), (69632, 73728)], &[(0, 4096), (69632, 73728)]);
    check(MIB, &[(0, 4096), (69631, 73728)], &[(0, 73728)]);
    check(5000, &[(4096, 5000)], &[(4096, 5000)]);
    check(100, &[(0, 100)], &[(0, 100)]);
}

#[test]
fn a_file_system_without_holes_stores_all() {
    for errno in [Errno::INVAL, Errno::OPNOTSUPP, Errno::NOSYS] {
        assert_eq!(stored(MIB, |_| Err(errno)).unwrap(), extents(&[(0, MIB)]));
        assert_eq!(stored(0, |_| Err(errno)).unwrap(), []);
    }
    assert_eq!(stored(MIB, |_| Err(Errno::IO)), Err(Errno::IO));
}

#[test]
fn a_file_that_changes_underneath_does_not_hang_the_search() {
    // Each SEEK_DATA finds data, and each SEEK_HOLE that it has gone.
    let calls = Cell::new(0);
    let seek = |whence| {
        calls.set(calls.get() + 1);
        match whence {
            Whence::Data(at) | Whence::Hole(at) => Ok(at),
            _ => Err(Errno::INVAL),
        }
    };
    assert_eq!(stored(MIB, seek).unwrap(), extents(&[(0, MIB)]));
    assert_eq!(calls.get(), 2 * MIB / ALIGN);
    // It shrinks before SEEK_HOLE, or grows before SEEK_DATA.
    let shrinks = |whence| match whence {
        Whence::Data(at) => Ok(at),
        _ => Err(Errno::NXIO),
    };
    assert_eq!(stored(MIB, shrinks).unwrap(), extents(&[(0, MIB)]));
    assert_eq!(stored(MIB, |_| Ok(2 * MIB)).unwrap(), []);
}

/// An image in the making: runs of bytes, and whether they are written or left out, and of zeros or not.
#[derive(Clone, Debug)]
struct Run {
    len: u64,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Hole,
    StoredZeros,
    /// One byte that is not zero, at this fraction of the run, in stored zeros.
    OneByte(f64),
    Data,
}

fn run() -> impl Strategy<Value = Run> {
    let what = prop_oneof![
        Just(What::Hole),
        Just(What::StoredZeros),
        (0.0..1.0).prop_map(What::OneByte),
        Just(What::Data),
    ];
    let unit = prop_oneof![Just(1u64), Just(512), Just(4096), Just(65536)];
    (1..7u64, unit, what).prop_map(|(count, unit, what)| Run { len: count * unit, what })
}

fn build(runs: &[Run]) -> (NamedTempFile, Vec<u8>) {
    let file = NamedTempFile::new().unwrap();
    let mut bytes = vec![];
    for run in runs {
        let start = bytes.len();
        bytes.resize(start + run.len as usize, 0);
        match run.what {
            What::Hole => continue,
            What::StoredZeros => {}
            What::OneByte(at) => bytes[start + (at * run.len as f64) as usize] = 1,
            What::Data => bytes[start..].fill(0xa5),
        }
        file.as_file().write_all_at(&bytes[start..], start as u64).unwrap();
    }
    file.as_file().set_len(bytes.len() as u64).unwrap();
    (file, bytes)
}

/// The promises of `Image::extents`, each by brute force.
fn check_extents(extents: &[Extent], bytes: &[u8]) {
    let len = bytes.len() as u64;
    for extent in extents {
        assert!(extent.len > 0 && extent.end() <= len, "{extent:?} in {len}");
        assert_eq!(extent.offset % ALIGN, 0);
        assert!(extent.end() % ALIGN == 0 || extent.end() == len, "{extent:?} in {len}");
    }
    assert!(extents.windows(2).all(|pair| pair[0].end() < pair[1].offset), "{extents:?}");
    assert!(extents.len() as u64 <= len / SMALLEST_HOLE + 1);
    let mut covered = vec![false; bytes.len()];
    for extent in extents {
        covered[extent.offset as usize..extent.end() as usize].fill(true);
    }
    assert!(bytes.iter().zip(&covered).all(|(&byte, &covered)| byte == 0 || covered));
    for (block, covered) in
        bytes.chunks(SMALLEST_HOLE as usize).zip(covered.chunks(SMALLEST_HOLE as usize))
    {
        assert!(
            block.iter().any(|&byte| byte != 0) || !covered.iter().all(|&c| c),
            "a block of zeros is inside {extents:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn extents_of_a_sparse_file_keep_their_promises(runs in prop::collection::vec(run(), 0..12)) {
        let (file, bytes) = build(&runs);
        let mut image = FileImage::open(file.path()).unwrap();
        prop_assert_eq!(image.len(), bytes.len() as u64);
        check_extents(image.extents(), &bytes);
        for extent in image.extents().to_vec() {
            let mut read = vec![0; extent.len as usize];
            image.read_at(&mut read, extent.offset).unwrap();
            prop_assert!(read == bytes[extent.offset as usize..extent.end() as usize]);
        }
    }

    #[test]
    fn extents_of_a_dense_file_are_its_blocks_that_are_not_zero(
        runs in prop::collection::vec(run(), 0..12),
    ) {
        let (_, bytes) = build(&runs);
        let file = NamedTempFile::new().unwrap();
        fs::write(file.path(), &bytes).unwrap();
        let image = FileImage::open(file.path()).unwrap();
        check_extents(image.extents(), &bytes);
        let mut expected = Runs::new(1);
        for (index, block) in bytes.chunks(SMALLEST_HOLE as usize).enumerate() {
            if block.iter().any(|&byte| byte != 0) {
                let start = index as u64 * SMALLEST_HOLE;
                expected.push(start, start + block.len() as u64);
            }
        }
        let expected = expected.into_extents();
        prop_assert_eq!(image.extents(), &expected[..]);
        // A stream of the same bytes has the same holes.
        let measured = crate::measure(&bytes[..], &mut |_| Ok(())).unwrap();
        let expected = crate::Measured { len: bytes.len() as u64, extents: expected };
        prop_assert_eq!(measured, expected);
    }

    #[test]
    fn whatever_the_file_system_calls_a_hole_the_extents_cover_the_data(
        runs in prop::collection::vec(run(), 0..12),
    ) {
        // The same, on a file system that stores ranges of any alignment.
        let (file, bytes) = build(&runs);
        let (mut ranges, mut at) = (Runs::new(1), 0);
        for run in &runs {
            if run.what != What::Hole {
                ranges.push(at, at + run.len);
            }
            at += run.len;
        }
        let ranges: Vec<_> = ranges.into_extents().iter().map(|e| (e.offset, e.end())).collect();
        let len = bytes.len() as u64;
        let stored = stored(len, seek_in(&ranges, len)).unwrap();
        let found = scan(file.as_file(), len, &stored, &mut |_| Ok(())).unwrap();
        check_extents(&found, &bytes);
    }
}

#[test]
fn an_empty_image_is_an_image() {
    let file = NamedTempFile::new().unwrap();
    let mut image = FileImage::open(file.path()).unwrap();
    assert!(image.is_empty() && !image.is_device() && !image.is_in_use().unwrap());
    assert_eq!(image.extents(), []);
    image.read_at(&mut [], 0).unwrap();
    assert_eq!(image.read_at(&mut [0], 0).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_hole_of_100_gib_costs_nothing() {
    let file = NamedTempFile::new().unwrap();
    file.as_file().set_len(100 << 30).unwrap();
    file.as_file().write_all_at(b"end", (100 << 30) - 3).unwrap();
    let start = Instant::now();
    let image = FileImage::open(file.path()).unwrap();
    let took = start.elapsed();
    assert_eq!(image.extents(), extents(&[((100 << 30) - 4096, 100 << 30)]));
    assert!(took.as_millis() < 100, "{took:?}");
}

#[test]
fn an_image_that_is_cut_while_it_is_read_is_an_error() {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), vec![1; 10_000]).unwrap();
    let mut image = FileImage::open(file.path()).unwrap();
    file.as_file().set_len(6000).unwrap();
    let mut buf = [0; 5000];
    image.read_at(&mut buf, 0).unwrap();
    let error = image.read_at(&mut buf, 5000).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    let path = file.path().display();
    assert_eq!(
        error.to_string(),
        format!("`{path}` was cut while it was read: it had 10000 bytes")
    );
}

#[test]
fn what_is_neither_a_file_nor_a_block_device_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let message = |path: &Path| FileImage::open(path).unwrap_err().to_string();
    let path = dir.path().display();
    assert_eq!(
        message(dir.path()),
        format!("`{path}` is a directory, not a file or a block device")
    );
    assert_eq!(
        message(Path::new("/dev/null")),
        "`/dev/null` is a character device, not a file or a block device"
    );
    assert_eq!(message(&dir.path().join("none")), format!("cannot open `{path}/none`"));
    // A pipe without a writer: opening it would never return.
    let pipe = dir.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
    assert!(message(&pipe).contains("is a pipe"));
    // An open one is refused too.
    let error = FileImage::from_file(File::open("/dev/null").unwrap(), Path::new("x")).unwrap_err();
    assert!(matches!(error, Error::Kind { found: "a character device", .. }));
}

#[test]
fn the_search_reports_and_can_be_stopped() {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), vec![1; 5 * MIB as usize]).unwrap();
    let open = || File::open(file.path()).unwrap();
    let mut reports = vec![];
    FileImage::from_file_with(open(), file.path(), &mut |at| {
        reports.push(at);
        Ok(())
    })
    .unwrap();
    assert_eq!(reports, [MIB, 2 * MIB, 3 * MIB, 4 * MIB, 5 * MIB]);
    let error = FileImage::from_file_with(open(), file.path(), &mut |_| {
        Err(io::ErrorKind::Interrupted.into())
    })
    .unwrap_err();
    assert!(
        matches!(error, Error::Scan { source, .. } if source.kind() == io::ErrorKind::Interrupted)
    );
}
