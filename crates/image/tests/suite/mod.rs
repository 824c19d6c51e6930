//! The suite that every sink passes, whatever it writes to: the same calls leave the same image.

use baler_image::{Extent, ImageSink};
use std::io;

/// A step of the suite: uses up a sink, and says whether it committed the image.
pub(crate) type Step<'a> = &'a mut dyn FnMut(Box<dyn ImageSink + '_>) -> bool;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// The largest image that the suite writes, in bytes.
pub(crate) const LARGEST: u64 = 4 * MIB;

/// A write of `len` bytes at `offset`.
struct Write {
    offset: u64,
    len: u64,
    /// The byte at an offset of the image.
    byte: fn(u64) -> u8,
}

/// No byte is 0.
fn data(offset: u64, len: u64) -> Write {
    Write { offset, len, byte: |at| (at % 251) as u8 + 1 }
}

fn zeros(offset: u64, len: u64) -> Write {
    Write { offset, len, byte: |_| 0 }
}

/// A page of data, two of zeros, and so on.
fn mixed(offset: u64, len: u64) -> Write {
    Write { offset, len, byte: |at| if at / 4096 % 3 == 0 { (at % 251) as u8 + 1 } else { 0 } }
}

impl Write {
    fn bytes(&self) -> Vec<u8> {
        (self.offset..self.offset + self.len).map(self.byte).collect()
    }
}

/// Runs the suite.
///
/// `with` makes a new destination with room for [`LARGEST`] bytes, whose earlier content, if it can have any, is not
/// zeros. It runs the step on a sink for it, and returns the whole content if that was committed; `None` if the
/// destination keeps none.
pub(crate) fn run(mut with: impl FnMut(Step<'_>) -> Option<Vec<u8>>) {
    let mut check = |name: &str, len: u64, writes: &[Write]| {
        let mut expected = vec![0; len as usize];
        let mut extents = vec![];
        for write in writes {
            expected[write.offset as usize..][..write.len as usize].copy_from_slice(&write.bytes());
            extents.push(Extent { offset: write.offset, len: write.len });
        }
        let content = with(&mut |mut sink| {
            let fail = |error| panic!("{name}: {error}");
            sink.begin(len, Some(&extents)).unwrap_or_else(fail);
            for write in writes {
                sink.write_at(&write.bytes(), write.offset).unwrap_or_else(fail);
            }
            sink.commit().unwrap_or_else(fail);
            true
        });
        if let Some(content) = content {
            assert!(content.len() as u64 >= len, "{name}: {} of {len} bytes", content.len());
            let wrong = expected.iter().zip(&content).position(|(a, b)| a != b);
            assert_eq!(wrong, None, "{name}: the first wrong byte");
        }
    };
    check("nothing", 0, &[]);
    check("one byte", 1, &[data(0, 1)]);
    check("all a hole", LARGEST, &[]);
    check("all data", MIB, &[data(0, MIB)]);
    check("neighbours", MIB, &[data(0, 4096), data(4096, 5), data(4101, MIB - 4101)]);
    check("holes at both ends", LARGEST, &[data(MIB, MIB)]);
    check("a hole in the middle", LARGEST, &[data(0, MIB), data(3 * MIB, MIB)]);
    check("small holes", 64 * KIB, &[data(0, 1), data(100, 1), data(5000, 5000)]);
    check("odd edges", 3 * MIB + 77, &[data(3, 70_001), data(MIB + 511, 2), data(3 * MIB, 77)]);
    check("a tail below a page", MIB + 5, &[data(0, MIB)]);
    check("zeros as data", LARGEST, &[zeros(0, MIB), data(MIB, 10), zeros(MIB + 10, MIB + 1)]);
    check("only zeros as data", MIB + 1, &[zeros(0, MIB + 1)]);
    check("pages of data and zeros", MIB, &[mixed(0, MIB)]);
    check("pages at odd offsets", MIB, &[mixed(7, 300_000), mixed(400_001, 400_000)]);
    let pages: Vec<_> = (0..32).map(|page| mixed(page * 4096, 4096)).collect();
    check("page by page", 128 * KIB, &pages);
    check("an empty write", MIB, &[data(0, 4096), data(4096, 0), data(8192, 1)]);

    let mut refuse = |expected: &str, call: &dyn Fn(&mut dyn ImageSink) -> io::Result<()>| {
        with(&mut |mut sink| {
            let error = call(&mut *sink).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
            assert_eq!(error.to_string(), expected);
            // A caller that ignores the error cannot commit a wrong image.
            assert_eq!(sink.commit().unwrap_err().kind(), io::ErrorKind::InvalidInput);
            false
        });
    };
    refuse("the image was written to before it was begun", &|sink| sink.write_at(b"x", 0));
    refuse("byte 3 of the image comes after byte 4", &|sink| {
        sink.begin(10, None)?;
        sink.write_at(b"0123", 0)?;
        sink.write_at(b"3", 3)
    });
    refuse("2 bytes at byte 9 are not inside an image of 10 bytes", &|sink| {
        sink.begin(10, None)?;
        sink.write_at(b"xx", 9)
    });
    refuse("1 bytes at byte 18446744073709551615 are not inside an image of 10 bytes", &|sink| {
        sink.begin(10, None)?;
        sink.write_at(b"x", u64::MAX)
    });
    refuse("the image was begun twice", &|sink| {
        sink.begin(10, None)?;
        sink.begin(10, None)
    });
    with(&mut |sink| {
        let error = sink.commit().unwrap_err();
        assert_eq!(error.to_string(), "the image was committed before it was begun");
        false
    });
}
