//! Finds the last block of a DEFLATE stream.
//!
//! libdeflate compresses each piece of an image into a stream of its own, whose last block is marked final. To
//! concatenate such streams in a single gzip member, that mark must be cleared, and nothing in DEFLATE (RFC 1951,
//! section 3.2.3) says where the last block starts.
//!
//! Walking there from the front costs a seventh of the time of compressing. So the block is first searched from the
//! back: few places look like the head of a final block, and the right one is proved by replaying it, from its head to
//! the end of the stream, against the data that was compressed. If that finds nothing, the stream is walked.

use super::huffman::{Bits, Codes, PRECODE_ORDER, Token};

/// The place of the last block of a DEFLATE stream, in bits from the stream's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastBlock {
    /// The first bit of the block: its final mark.
    pub(crate) start: usize,
    /// The first bit after its end-of-block code.
    pub(crate) end: usize,
}

/// The bytes at the end of a stream that are searched: more than a libdeflate block of text has.
const SEARCHED: usize = 160 << 10;
/// The first bits of a final block with codes of its own: the mark, and type 2 with its low bit first.
const FINAL_DYNAMIC: u64 = 0b101;
/// The sum of the lengths of a complete code, each counted as `CODE_SPACE >> length`.
const CODE_SPACE: u16 = 128;

/// Finds last blocks, one after another.
pub(crate) struct Walker {
    codes: Codes,
    /// The share of the code space that each combination of four lengths of a code-length code takes.
    space: Box<[u16; 1 << 12]>,
}

impl Walker {
    pub(crate) fn new() -> Walker {
        let mut space = Box::new([0; 1 << 12]);
        for (index, sum) in space.iter_mut().enumerate() {
            let lengths = (0..4).map(|place| index >> (3 * place) & 7);
            *sum = lengths.filter(|&length| length > 0).map(|length| CODE_SPACE >> length).sum();
        }
        Walker { codes: Codes::new(), space }
    }

    /// Finds the last block of `stream`, which holds `data`; `None` if it does not.
    pub(crate) fn last_block(&mut self, stream: &[u8], data: &[u8]) -> Option<LastBlock> {
        // Incompressible data is stored, and walking stored blocks is fast.
        let stored = stream.len() >= data.len();
        let found = if stored { None } else { self.search(stream, data) };
        found.or_else(|| self.walk(stream))
    }

    fn search(&mut self, stream: &[u8], data: &[u8]) -> Option<LastBlock> {
        let from = stream.len().saturating_sub(SEARCHED);
        for byte in (from..stream.len()).rev() {
            let head = Bits::at(stream, byte * 8).held();
            let mut heads = head & !(head >> 1) & head >> 2 & 0xff;
            while heads > 0 {
                let bit = heads.ilog2() as usize;
                heads ^= 1 << bit;
                let start = byte * 8 + bit;
                if self.may_be_head(stream, start)
                    && let Some(end) = self.replay(stream, start, data)
                {
                    return Some(LastBlock { start, end });
                }
            }
        }
        None
    }

    /// Says whether the code-length code of a block that starts here is complete, which is so in one place in a
    /// thousand.
    fn may_be_head(&self, stream: &[u8], start: usize) -> bool {
        let head = Bits::at(stream, start).held();
        let (litlens, dists, lengths) = (head >> 3 & 31, head >> 8 & 31, (head >> 13 & 15) + 4);
        let lengths = Bits::at(stream, start + 17).held() & ((1 << (3 * lengths)) - 1);
        let taken = (0..PRECODE_ORDER.len().div_ceil(4))
            .map(|four| self.space[(lengths >> (12 * four) & 0xfff) as usize]);
        head & 7 == FINAL_DYNAMIC && litlens < 30 && dists < 30 && taken.sum::<u16>() == CODE_SPACE
    }

    /// Returns the end of a block that starts here, if it is the last one and holds the end of `data`.
    fn replay(&mut self, stream: &[u8], start: usize, data: &[u8]) -> Option<usize> {
        let mut head = Bits::at(stream, start + 3);
        if !self.codes.read(&mut head)? || !self.codes.are_complete() {
            return None;
        }
        let (mut bits, mut len) = (head.clone(), 0);
        self.codes.each(&mut bits, |token| {
            len += token.len();
            len <= data.len()
        })?;
        let end = bits.position();
        let mut at = data.len().checked_sub(len).filter(|_| end.div_ceil(8) == stream.len())?;
        self.codes.each(&mut head, |token| {
            let here = at;
            at += token.len();
            match token {
                Token::Literal(byte) => data[here] == byte,
                Token::Copy { len, distance } => {
                    here >= distance
                        && data[here..here + len] == data[here - distance..here - distance + len]
                }
            }
        })?;
        Some(end)
    }

    /// Walks the stream from its front.
    fn walk(&mut self, stream: &[u8]) -> Option<LastBlock> {
        let mut bits = Bits::at(stream, 0);
        loop {
            let start = bits.position();
            let last = bits.take(1)? == 1;
            match bits.take(2)? {
                0 => bits.skip_stored()?,
                1 => {
                    self.codes.fix();
                    self.codes.each(&mut bits, |_| true)?;
                }
                2 if self.codes.read(&mut bits)? => self.codes.each(&mut bits, |_| true)?,
                _ => return None,
            }
            let end = bits.position();
            if end > stream.len() * 8 {
                return None;
            }
            if last {
                return Some(LastBlock { start, end });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libdeflater::{CompressionLvl, Compressor};
    use proptest::prelude::*;

    fn deflate(data: &[u8], level: i32) -> Vec<u8> {
        let mut compressor = Compressor::new(CompressionLvl::new(level).unwrap());
        let mut out = vec![0; compressor.deflate_compress_bound(data.len())];
        let len = compressor.deflate_compress(data, &mut out).unwrap();
        out.truncate(len);
        out
    }

    /// Words of a small language, with runs of noise and of zeros: dynamic, stored and fixed blocks.
    fn text(seed: u64, len: usize) -> Vec<u8> {
        let mut state = seed | 1;
        let mut out = Vec::new();
        while out.len() < len {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let word = (state >> 33) as usize;
            match word % 97 {
                0 => out.extend(std::iter::repeat_n(0, word % 5000)),
                1 => (0..word % 9000).for_each(|i| out.push((state >> (i % 50)) as u8 ^ i as u8)),
                _ => out.extend_from_slice(format!("{:x} ", word % (1 << (word % 20))).as_bytes()),
            }
        }
        out.truncate(len);
        out
    }

    /// Clears the final mark that was found, closes the stream with an empty block, and inflates the result.
    fn check(data: &[u8], level: i32) {
        let mut stream = deflate(data, level);
        let mut walker = Walker::new();
        let last = walker.last_block(&stream, data).expect("a whole stream");
        assert_eq!(walker.walk(&stream), Some(last), "the walk finds what the search does");
        assert_eq!(last.end.div_ceil(8), stream.len(), "the last block ends where the stream does");
        assert_eq!(
            stream[last.start / 8] >> (last.start % 8) & 1,
            1,
            "the mark is where it was found"
        );
        crate::stage::gzip::open_end(&mut stream, last);
        assert!(stream.ends_with(&[0, 0, 0xff, 0xff]));
        stream.extend_from_slice(&[3, 0]);
        let mut out = vec![0; data.len()];
        let len = libdeflater::Decompressor::new()
            .deflate_decompress(&stream, &mut out)
            .expect("still a stream");
        assert!(len == data.len() && out == data);
    }

    #[test]
    fn every_level_and_kind_of_block() {
        for level in 0..=12 {
            for len in [0, 1, 100, 5_000, 70_000, 1 << 20] {
                check(&text(len as u64 + level as u64, len), level);
                check(&vec![0; len], level);
            }
        }
        let noise: Vec<u8> =
            text(7, 1 << 20).iter().enumerate().map(|(i, b)| b ^ ((i * i) >> 3) as u8).collect();
        check(&noise, 6);
    }

    #[test]
    fn a_text_is_found_from_the_back() {
        for level in [1, 6, 9, 12] {
            let data = text(3, 1 << 20);
            let stream = deflate(&data, level);
            let mut walker = Walker::new();
            assert_eq!(walker.search(&stream, &data), walker.walk(&stream), "level {level}");
            let mut other = data.clone();
            let at = other.len() - 100;
            other[at] ^= 1;
            assert_eq!(
                walker.search(&stream, &other),
                None,
                "what was not compressed is not found"
            );
        }
    }

    proptest! {
        #[test]
        fn any_data(seed: u64, len in 0usize..200_000, level in 1i32..=9) {
            check(&text(seed, len), level);
        }

        #[test]
        fn garbage_neither_panics_nor_loops(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut walker = Walker::new();
            let _ = (walker.walk(&bytes), walker.search(&bytes, &[0; 4000]));
        }

        #[test]
        fn a_cut_stream_is_none(len in 1usize..60_000, cut in 1usize..60_000) {
            let data = text(len as u64, len);
            let stream = deflate(&data, 6);
            let cut = cut % stream.len();
            prop_assert_eq!(Walker::new().last_block(&stream[..cut], &data), None);
        }
    }
}
