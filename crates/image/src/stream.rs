use std::{
    fmt,
    io::{self, Read},
};

use crate::{Extent, Image, image::check_inside};

/// An image that comes as a stream of known length: standard input, or a compressed file that was measured.
pub struct StreamImage {
    reader: Box<dyn Read + Send>,
    len: u64,
    extents: Vec<Extent>,
    at: u64,
    /// True if the end of the stream at `len` was seen.
    ended: bool,
}

impl StreamImage {
    /// Makes an image of the next `len` bytes of `reader`, which must end there.
    ///
    /// Without `extents` all of it is data. The extents are those that [`measure`](crate::measure) found in an earlier
    /// pass over the same bytes; bytes outside of them are skipped and not checked.
    ///
    /// If the stream ends early, the read that reaches its end fails with kind `UnexpectedEof`. If the stream is longer
    /// than `len`, the read that reaches `len` fails with kind `InvalidData`, so that a wrong length is noticed. This
    /// is not noticed if the image ends in a hole that is not read; such an image was measured, and its length is
    /// right.
    pub fn new(
        reader: impl Read + Send + 'static,
        len: u64,
        extents: Option<Vec<Extent>>,
    ) -> StreamImage {
        let all = || if len == 0 { vec![] } else { vec![Extent { offset: 0, len }] };
        let extents = extents.unwrap_or_else(all);
        debug_assert!(extents.iter().all(|extent| extent.len > 0 && extent.end() <= len));
        debug_assert!(extents.windows(2).all(|pair| pair[0].end() < pair[1].offset));
        StreamImage { reader: Box::new(reader), len, extents, at: 0, ended: false }
    }

    /// Reads and drops the bytes before `offset`.
    fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        let wanted = offset - self.at;
        let skipped = io::copy(&mut self.reader.by_ref().take(wanted), &mut io::sink());
        self.at += skipped?;
        if self.at < offset { Err(self.ended_early()) } else { Ok(()) }
    }

    fn ended_early(&self) -> io::Error {
        let message =
            format!("the stream ended after {} bytes, {} were expected", self.at, self.len);
        io::Error::new(io::ErrorKind::UnexpectedEof, message)
    }

    /// Reads once, and again if a signal interrupted the read.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.reader.read(buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

impl fmt::Debug for StreamImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamImage")
            .field("len", &self.len)
            .field("at", &self.at)
            .field("extents", &self.extents)
            .finish_non_exhaustive()
    }
}

impl Image for StreamImage {
    fn len(&self) -> u64 {
        self.len
    }

    fn extents(&self) -> &[Extent] {
        &self.extents
    }

    fn read_at(&mut self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        check_inside(buf, offset, self.len)?;
        if offset < self.at {
            let message = format!("a stream cannot go back from byte {} to {offset}", self.at);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        self.skip_to(offset)?;
        let mut filled = 0;
        while filled < buf.len() {
            let count = self.read(&mut buf[filled..])?;
            if count == 0 {
                return Err(self.ended_early());
            }
            filled += count;
            self.at += count as u64;
        }
        if self.at == self.len && !self.ended {
            if self.read(&mut [0])? > 0 {
                let message = format!("the stream is longer than the {} bytes expected", self.len);
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            self.ended = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(bytes: &'static [u8], len: u64) -> StreamImage {
        StreamImage::new(bytes, len, None)
    }

    #[test]
    fn reads_forward_and_skips_but_never_goes_back() {
        let mut image = image(b"0123456789", 10);
        let mut buf = [0; 2];
        image.read_at(&mut buf, 1).unwrap();
        assert_eq!(&buf, b"12");
        image.read_at(&mut buf, 5).unwrap();
        assert_eq!(&buf, b"56");
        let error = image.read_at(&mut buf, 6).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), "a stream cannot go back from byte 7 to 6");
        image.read_at(&mut buf, 8).unwrap();
        assert_eq!(&buf, b"89");
        image.read_at(&mut [], 10).unwrap();
        assert_eq!(image.read_at(&mut [0], 10).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_stream_that_ends_early_says_how_far_it_came() {
        let mut buf = [0; 4];
        for offset in [2, 8] {
            let error = image(b"01234", 12).read_at(&mut buf, offset).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            assert_eq!(error.to_string(), "the stream ended after 5 bytes, 12 were expected");
        }
    }

    #[test]
    fn a_stream_that_goes_on_is_refused_where_it_should_end() {
        let mut image = image(b"01234", 4);
        image.read_at(&mut [0; 3], 0).unwrap();
        let error = image.read_at(&mut [0], 3).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(error.to_string(), "the stream is longer than the 4 bytes expected");
    }

    #[test]
    fn without_extents_all_is_data() {
        assert_eq!(image(b"", 0).extents(), []);
        assert_eq!(image(b"01", 2).extents(), [Extent { offset: 0, len: 2 }]);
        assert!(image(b"", 0).is_empty());
    }

    #[test]
    fn with_extents_the_holes_between_them_are_skipped() {
        let extents = vec![Extent { offset: 1, len: 1 }, Extent { offset: 3, len: 1 }];
        let mut image = StreamImage::new(&b"_1_3_"[..], 5, Some(extents.clone()));
        assert_eq!(image.extents(), extents);
        for (extent, byte) in extents.iter().zip(*b"13") {
            let mut buf = [0];
            image.read_at(&mut buf, extent.offset).unwrap();
            assert_eq!(buf, [byte]);
        }
    }
}
