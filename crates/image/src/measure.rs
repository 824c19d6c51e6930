use std::io::{self, Read};

use crate::{
    Extent,
    extent::{Runs, SMALLEST_HOLE, is_zero},
    file::REPORT,
};

/// The length and the extents of an image that was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Measured {
    /// The length in bytes, holes included.
    pub len: u64,
    /// The extents that hold the data, as [`Image::extents`](crate::Image::extents) promises.
    pub extents: Vec<Extent>,
}

/// Finds the length and the extents of an image that comes as a stream, in one pass over it.
///
/// A hole is an aligned block of 64 KiB, or the shorter last one, that is all zeros, as in a
/// [`FileImage`](crate::FileImage). A [`StreamImage`](crate::StreamImage) then reads the same bytes in a second pass.
///
/// `progress` is called after each MiB with the number of bytes that were read so far.
///
/// # Errors
///
/// The first error of `reader` or of `progress`, which ends the pass.
pub fn measure(
    mut reader: impl Read,
    progress: &mut dyn FnMut(u64) -> io::Result<()>,
) -> io::Result<Measured> {
    let mut runs = Runs::new(1);
    let mut len = 0;
    let mut buf = Vec::with_capacity(REPORT as usize);
    loop {
        buf.clear();
        // Short only at the end of the stream, so that each buffer but the last holds whole blocks.
        reader.by_ref().take(REPORT).read_to_end(&mut buf)?;
        for block in buf.chunks(SMALLEST_HOLE as usize) {
            let end = len + block.len() as u64;
            if !is_zero(block) {
                runs.push(len, end);
            }
            len = end;
        }
        if (buf.len() as u64) < REPORT {
            return Ok(Measured { len, extents: runs.into_extents() });
        }
        progress(len)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns its bytes in short reads of odd lengths, as a decoder does.
    struct Dribble<'a>(&'a [u8]);

    impl Read for Dribble<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let len = buf.len().min(4097);
            self.0.read(&mut buf[..len])
        }
    }

    #[test]
    fn finds_blocks_of_zeros_and_the_length() {
        let mut bytes = vec![0; 3 * SMALLEST_HOLE as usize + 5];
        bytes[SMALLEST_HOLE as usize + 7] = 1;
        let Measured { len, extents } = measure(Dribble(&bytes), &mut |_| Ok(())).unwrap();
        assert_eq!(len, 3 * SMALLEST_HOLE + 5);
        assert_eq!(extents, [Extent { offset: SMALLEST_HOLE, len: SMALLEST_HOLE }]);
        *bytes.last_mut().unwrap() = 1;
        let Measured { extents, .. } = measure(Dribble(&bytes), &mut |_| Ok(())).unwrap();
        assert_eq!(extents[1..], [Extent { offset: 3 * SMALLEST_HOLE, len: 5 }]);
        let empty = measure(io::empty(), &mut |_| Ok(())).unwrap();
        assert_eq!(empty, Measured { len: 0, extents: vec![] });
    }

    #[test]
    fn reports_each_mebibyte_and_stops_when_told() {
        let mut reports = vec![];
        let stream = io::repeat(1).take(5 * REPORT / 2);
        let Measured { len, .. } = measure(stream, &mut |at| {
            reports.push(at);
            Ok(())
        })
        .unwrap();
        assert_eq!(len, 5 * REPORT / 2);
        assert_eq!(reports, [REPORT, 2 * REPORT]);
        let stop = measure(io::repeat(1), &mut |at| {
            if at < 4 * REPORT { Ok(()) } else { Err(io::ErrorKind::Interrupted.into()) }
        });
        assert_eq!(stop.unwrap_err().kind(), io::ErrorKind::Interrupted);
    }
}
