//! Finds the last block of a DEFLATE stream without inflating it.
//!
//! libdeflate compresses each piece of an image into a stream of its own, whose last block is marked final. To put
//! such streams behind one another in a single gzip member, that mark has to go, and nothing in DEFLATE (RFC 1951,
//! section 3.2.3) tells where the last block starts: one has to walk there. Walking needs the lengths of the codes
//! and of their extra bits, never what they stand for, so it costs less than half of what inflating does.

/// Where the last block of a DEFLATE stream is, in bits from the stream's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastBlock {
    /// The block's first bit: its final mark.
    pub(crate) start: usize,
    /// The first bit behind its end-of-block code.
    pub(crate) end: usize,
}

/// Codes up to these lengths are looked up; longer ones are rare by construction (a symbol in 2^11).
const LITLEN_BITS: u32 = 11;
const DIST_BITS: u32 = 9;
/// The order in which the lengths of the code-length code are stored (RFC 1951, section 3.2.7).
const PRECODE_ORDER: [usize; 19] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// What a lookup tells: the bits to skip in the low six, and what follows them.
type Entry = u16;
const SKIP: Entry = 0x3f;
/// A distance code follows.
const MATCH: Entry = 0x40;
/// The end-of-block code was among what is skipped.
const END: Entry = 0x80;
/// The code is longer than the table's index, or there is no such code.
const LONG: Entry = 0x100;

/// The tables, kept from block to block and from stream to stream.
pub(crate) struct Walker {
    /// For each 11 bits: as many symbols as have their whole code in them, up to the first that is no literal.
    runs: Box<[Entry; 1 << LITLEN_BITS]>,
    dists: Box<[Entry; 1 << DIST_BITS]>,
    litlen: Canonical,
    dist: Canonical,
}

impl Walker {
    pub(crate) fn new() -> Walker {
        Walker {
            runs: Box::new([LONG; 1 << LITLEN_BITS]),
            dists: Box::new([LONG; 1 << DIST_BITS]),
            litlen: Canonical::new(&[]),
            dist: Canonical::new(&[]),
        }
    }

    /// The last block of `stream`, or `None` where the bytes do not begin with a whole DEFLATE stream.
    pub(crate) fn last_block(&mut self, stream: &[u8]) -> Option<LastBlock> {
        let mut bits = Bits::new(stream);
        loop {
            let start = bits.position();
            let last = bits.take(1)? == 1;
            match bits.take(2)? {
                0 => bits.skip_stored()?,
                1 => {
                    self.fixed_codes();
                    self.skip_symbols(&mut bits)?;
                }
                2 => {
                    self.dynamic_codes(&mut bits)?;
                    self.skip_symbols(&mut bits)?;
                }
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

    fn fixed_codes(&mut self) {
        let mut lengths = [8u8; 288];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        self.build(&lengths, &[5; 30]);
    }

    fn dynamic_codes(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        let litlens = bits.take(5)? as usize + 257;
        let dists = bits.take(5)? as usize + 1;
        let precodes = bits.take(4)? as usize + 4;
        let mut precode = [0u8; 19];
        for &symbol in &PRECODE_ORDER[..precodes] {
            precode[symbol] = bits.take(3)? as u8;
        }
        let precode = Canonical::new(&precode);
        let mut lengths = [0u8; 288 + 32];
        let wanted = litlens + dists;
        let mut have = 0;
        while have < wanted {
            bits.refill();
            let symbol = precode.decode(bits)?;
            let (value, times) = match symbol {
                0..=15 => (symbol as u8, 1),
                16 => (*lengths[..have].last()?, 3 + bits.take(2)? as usize),
                17 => (0, 3 + bits.take(3)? as usize),
                _ => (0, 11 + bits.take(7)? as usize),
            };
            lengths[..wanted].get_mut(have..have + times)?.fill(value);
            have += times;
        }
        let (litlen, dist) = lengths[..wanted].split_at(litlens);
        self.build(litlen, dist);
        Some(())
    }

    fn build(&mut self, litlen: &[u8], dist: &[u8]) {
        self.litlen = Canonical::new(litlen);
        self.dist = Canonical::new(dist);
        self.dists.fill(LONG);
        self.dist.each_short(DIST_BITS, |index, symbol, code_bits| {
            self.dists[index] = entry(code_bits, dist_extra(symbol));
        });
        let mut singles = [(LONG, 0u32); 1 << LITLEN_BITS];
        self.litlen.each_short(LITLEN_BITS, |index, symbol, code_bits| {
            singles[index] = (entry(code_bits, litlen_extra(symbol)), code_bits);
        });
        for (index, run) in self.runs.iter_mut().enumerate() {
            *run = singles[index].0;
            while *run & (MATCH | END | LONG) == 0 {
                let used = u32::from(*run);
                let (next, code_bits) = singles[index >> used];
                if next & LONG != 0 || used + code_bits > LITLEN_BITS {
                    break;
                }
                *run += next;
            }
        }
    }

    /// Skips the symbols of a block, its end-of-block code included.
    fn skip_symbols(&self, bits: &mut Bits<'_>) -> Option<()> {
        loop {
            // One refill holds at least 56 bits; a length takes at most 15 + 5 of them and a distance 15 + 13.
            bits.refill();
            let mut run = self.runs[bits.peek(LITLEN_BITS)];
            if run & LONG != 0 {
                run = entry(0, litlen_extra(self.litlen.decode(bits)?));
            }
            bits.consume(u32::from(run & SKIP));
            if run & (END | LONG) != 0 {
                return (run & LONG == 0).then_some(());
            }
            // Whether a distance follows is a coin toss, and a masked lookup is cheaper than a branch that guesses wrong.
            let wanted = ((run & MATCH) >> 6).wrapping_neg();
            let mut dist = self.dists[bits.peek(DIST_BITS)] & wanted;
            if dist & LONG != 0 {
                dist = entry(0, dist_extra(self.dist.decode(bits)?));
                if dist & LONG != 0 {
                    return None;
                }
            }
            bits.consume(u32::from(dist & SKIP));
            if bits.is_empty() {
                return None;
            }
        }
    }
}

/// The entry of a symbol of which `code_bits` are still ahead; see [`litlen_extra`] for the rest of it.
fn entry(code_bits: u32, extra: Entry) -> Entry {
    code_bits as Entry + extra
}

/// How many extra bits a literal or length has, and what follows it (RFC 1951, section 3.2.5).
fn litlen_extra(symbol: usize) -> Entry {
    match symbol {
        0..=255 => 0,
        256 => END,
        257..=264 | 285 => MATCH,
        265..=284 => MATCH | ((symbol - 261) / 4) as Entry,
        _ => LONG,
    }
}

fn dist_extra(symbol: usize) -> Entry {
    match symbol {
        0..=3 => 0,
        4..=29 => (symbol / 2 - 1) as Entry,
        _ => LONG,
    }
}

/// A canonical Huffman code (RFC 1951, section 3.2.2): how many codes there are of each length, and the symbols in
/// the order of their codes.
struct Canonical {
    counts: [u16; 16],
    symbols: Vec<u16>,
}

impl Canonical {
    fn new(lengths: &[u8]) -> Canonical {
        let mut counts = [0u16; 16];
        for &length in lengths {
            counts[usize::from(length)] += 1;
        }
        counts[0] = 0;
        let mut next = [0usize; 17];
        for length in 1..16 {
            next[length + 1] = next[length] + usize::from(counts[length]);
        }
        let mut symbols = vec![0u16; next[16]];
        for (symbol, &length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            symbols[next[usize::from(length)]] = symbol as u16;
            next[usize::from(length)] += 1;
        }
        Canonical { counts, symbols }
    }

    /// Calls `put` with every index of a table of `bits` bits whose low bits are a whole code.
    fn each_short(&self, bits: u32, mut put: impl FnMut(usize, usize, u32)) {
        let (mut code, mut symbols) = (0usize, self.symbols.iter());
        for length in 1..=bits {
            code <<= 1;
            for &symbol in symbols.by_ref().take(usize::from(self.counts[length as usize])) {
                // Codes are packed with their first bit lowest. An oversubscribed set wraps; it is refused later, as garbage.
                let first = (code as u32).reverse_bits() >> (32 - length);
                for index in (first as usize & ((1 << length) - 1)..1 << bits).step_by(1 << length)
                {
                    put(index, usize::from(symbol), length);
                }
                code += 1;
            }
        }
    }

    /// Takes one code off `bits`, which must hold 15 bits unless the stream ends; `None` where it is no code.
    fn decode(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let (mut code, mut first, mut index) = (0usize, 0usize, 0usize);
        for (length, &count) in self.counts.iter().enumerate().skip(1) {
            code = code << 1 | bits.bit(length as u32 - 1);
            first <<= 1;
            if code < first + usize::from(count) {
                bits.consume(length as u32);
                return self
                    .symbols
                    .get(index + code.checked_sub(first)?)
                    .map(|&symbol| usize::from(symbol));
            }
            first += usize::from(count);
            index += usize::from(count);
        }
        None
    }
}

/// A stream as bits, the lowest of each byte first; behind its end there are zeros.
struct Bits<'a> {
    stream: &'a [u8],
    /// The first byte that is not yet wholly in `held`.
    next: usize,
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    fn new(stream: &'a [u8]) -> Bits<'a> {
        Bits { stream, next: 0, held: 0, count: 0 }
    }

    /// Makes `held` at least 56 bits.
    #[inline(always)]
    fn refill(&mut self) {
        let ahead = match self.stream.get(self.next..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(eight) => u64::from_le_bytes(*eight),
            None => self.tail(),
        };
        self.held |= ahead << self.count;
        self.next += ((63 - self.count) >> 3) as usize;
        self.count |= 56;
    }

    #[cold]
    fn tail(&self) -> u64 {
        let rest = self.stream.get(self.next..).unwrap_or_default();
        let mut eight = [0; 8];
        eight[..rest.len()].copy_from_slice(rest);
        u64::from_le_bytes(eight)
    }

    #[inline(always)]
    fn peek(&self, bits: u32) -> usize {
        self.held as usize & ((1 << bits) - 1)
    }

    fn bit(&self, index: u32) -> usize {
        (self.held >> index & 1) as usize
    }

    #[inline(always)]
    fn consume(&mut self, bits: u32) {
        self.held >>= bits;
        self.count -= bits;
    }

    fn take(&mut self, bits: u32) -> Option<u32> {
        self.refill();
        let value = self.peek(bits) as u32;
        self.consume(bits);
        (!self.is_empty()).then_some(value)
    }

    fn position(&self) -> usize {
        self.next * 8 - self.count as usize
    }

    /// Whether more was taken than there is.
    fn is_empty(&self) -> bool {
        self.position() > self.stream.len() * 8
    }

    /// Skips what is behind a stored block's type: padding, its length twice, its bytes.
    fn skip_stored(&mut self) -> Option<()> {
        let at = self.position().div_ceil(8);
        let header = self.stream.get(at..at + 4)?;
        let length = usize::from(u16::from_le_bytes([header[0], header[1]]));
        *self = Bits { stream: self.stream, next: at + 4 + length, held: 0, count: 0 };
        Some(())
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
        let last = Walker::new().last_block(&stream).expect("a whole stream");
        assert_eq!(last.end.div_ceil(8), stream.len(), "the walk ends where the stream does");
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
            text(7, 1 << 20).iter().enumerate().map(|(i, b)| b ^ (i * i >> 3) as u8).collect();
        check(&noise, 6);
    }

    proptest! {
        #[test]
        fn any_data(seed: u64, len in 0usize..200_000, level in 1i32..=9) {
            check(&text(seed, len), level);
        }

        #[test]
        fn garbage_neither_panics_nor_loops(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Walker::new().last_block(&bytes);
        }

        #[test]
        fn a_cut_stream_is_none(len in 1usize..60_000, cut in 1usize..60_000) {
            let stream = deflate(&text(len as u64, len), 6);
            let cut = cut % stream.len();
            prop_assert_eq!(Walker::new().last_block(&stream[..cut]), None);
        }
    }
}
