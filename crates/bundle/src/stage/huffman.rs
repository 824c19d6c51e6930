//! The codes of DEFLATE's blocks, read but not decompressed (RFC 1951, sections 3.2.1 to 3.2.7).

/// Codes up to these lengths are looked up in tables. Longer ones are rare by construction (a symbol in 2^11).
const LITLEN_BITS: u32 = 11;
const DIST_BITS: u32 = 9;
/// The order in which the lengths of the code-length code are stored (section 3.2.7).
pub(crate) const PRECODE_ORDER: [usize; 19] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The meaning of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Literal(u8),
    /// A copy of the `len` bytes that start `distance` bytes before.
    Copy {
        len: usize,
        distance: usize,
    },
}

impl Token {
    /// Returns the number of bytes that it stands for.
    pub(crate) fn len(self) -> usize {
        match self {
            Token::Literal(_) => 1,
            Token::Copy { len, .. } => len,
        }
    }
}

/// An entry of a table: the bits of a code, the extra bits after it, and the value to which those are added.
#[derive(Clone, Copy, Default)]
struct Meaning {
    base: u16,
    kind: Kind,
    /// 0 if the code is longer than the index of the table.
    code_bits: u8,
    extra_bits: u8,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    Literal,
    Length,
    Distance,
    End,
    #[default]
    None,
}

/// The two codes of a block: one for literals and lengths, one for distances.
pub(crate) struct Codes {
    litlen: Code<{ 1 << LITLEN_BITS }>,
    dist: Code<{ 1 << DIST_BITS }>,
}

impl Codes {
    pub(crate) fn new() -> Codes {
        Codes { litlen: Code::new(), dist: Code::new() }
    }

    /// Sets the codes of all blocks of type 1 (section 3.2.6).
    pub(crate) fn fix(&mut self) {
        let mut lengths = [8u8; 288];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        self.litlen.build(&lengths, litlen);
        self.dist.build(&[5; 30], dist);
    }

    /// Reads the codes at the head of a block of type 2; `false` if there are too many lengths, `None` if other bits
    /// are wrong.
    pub(crate) fn read(&mut self, bits: &mut Bits<'_>) -> Option<bool> {
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
            let Some(run) = lengths[..wanted].get_mut(have..have + times) else {
                return Some(false);
            };
            run.fill(value);
            have += times;
        }
        let (litlens, dists) = lengths[..wanted].split_at(litlens);
        self.litlen.build(litlens, litlen);
        self.dist.build(dists, dist);
        Some(true)
    }

    /// Says whether all sequences of bits are codes of some symbol. A single distance is an exception (section 3.2.7).
    pub(crate) fn are_complete(&self) -> bool {
        let (litlen, dist) = (&self.litlen.canonical, &self.dist.canonical);
        litlen.space() == 1 << 15 && (dist.space() == 1 << 15 || dist.symbols.len() <= 1)
    }

    /// Calls `each` with every token of a block, up to and including the end-of-block code.
    ///
    /// Returns `None` if `each` returns `false`, and if the bits are not such a block.
    pub(crate) fn each(
        &self,
        bits: &mut Bits<'_>,
        mut each: impl FnMut(Token) -> bool,
    ) -> Option<()> {
        loop {
            // One refill provides at least 56 bits; a length needs at most 15 + 5 of them and a distance 15 + 13.
            bits.refill();
            let entry = self.litlen.take(LITLEN_BITS, bits)?;
            let token = match entry.kind {
                Kind::Literal => Token::Literal(entry.base as u8),
                Kind::Length => {
                    let len = bits.extra(entry);
                    let entry = self.dist.take(DIST_BITS, bits)?;
                    if entry.kind != Kind::Distance {
                        return None;
                    }
                    Token::Copy { len, distance: bits.extra(entry) }
                }
                Kind::End => return (!bits.is_empty()).then_some(()),
                Kind::Distance | Kind::None => return None,
            };
            if bits.is_empty() || !each(token) {
                return None;
            }
        }
    }
}

/// Returns the meaning of a symbol of the code for literals and lengths (section 3.2.5).
fn litlen(symbol: usize) -> Meaning {
    let (kind, base, extra_bits) = match symbol {
        0..=255 => (Kind::Literal, symbol, 0),
        256 => (Kind::End, 0, 0),
        257..=264 => (Kind::Length, symbol - 254, 0),
        265..=284 => {
            let extra = (symbol - 261) / 4;
            (Kind::Length, 3 + ((4 + (symbol - 261) % 4) << extra), extra)
        }
        285 => (Kind::Length, 258, 0),
        _ => (Kind::None, 0, 0),
    };
    Meaning { base: base as u16, kind, code_bits: 0, extra_bits: extra_bits as u8 }
}

/// Returns the meaning of a symbol of the code for distances (section 3.2.5).
fn dist(symbol: usize) -> Meaning {
    let (kind, base, extra_bits) = match symbol {
        0..=3 => (Kind::Distance, symbol + 1, 0),
        4..=29 => {
            let extra = symbol / 2 - 1;
            (Kind::Distance, 1 + ((2 + symbol % 2) << extra), extra)
        }
        _ => (Kind::None, 0, 0),
    };
    Meaning { base: base as u16, kind, code_bits: 0, extra_bits: extra_bits as u8 }
}

/// A code, with a table for its short words.
struct Code<const N: usize> {
    table: Box<[Meaning; N]>,
    canonical: Canonical,
    meaning: fn(usize) -> Meaning,
}

impl<const N: usize> Code<N> {
    fn new() -> Code<N> {
        Code {
            table: Box::new([Meaning::default(); N]),
            canonical: Canonical::new(&[]),
            meaning: litlen,
        }
    }

    fn build(&mut self, lengths: &[u8], meaning: fn(usize) -> Meaning) {
        self.meaning = meaning;
        self.canonical = Canonical::new(lengths);
        self.table.fill(Meaning::default());
        self.canonical.each_short(N.ilog2(), |index, symbol, code_bits| {
            self.table[index] = Meaning { code_bits: code_bits as u8, ..meaning(symbol) };
        });
    }

    /// Takes a code from `bits`, without its extra bits.
    #[inline(always)]
    fn take(&self, index_bits: u32, bits: &mut Bits<'_>) -> Option<Meaning> {
        let entry = self.table[bits.peek(index_bits)];
        if entry.code_bits == 0 {
            return self.canonical.decode(bits).map(self.meaning);
        }
        bits.consume(u32::from(entry.code_bits));
        Some(entry)
    }
}

/// A canonical Huffman code (section 3.2.2): the number of codes of each length, and the symbols in the order of their
/// codes.
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

    /// Returns the share of the code space that is in use, of 2^15.
    fn space(&self) -> u32 {
        self.counts
            .iter()
            .enumerate()
            .map(|(length, &count)| u32::from(count) << (15 - length))
            .sum()
    }

    /// Calls `put` with every index of a table of `bits` bits whose low bits are a complete code.
    fn each_short(&self, bits: u32, mut put: impl FnMut(usize, usize, u32)) {
        let (mut code, mut symbols) = (0usize, self.symbols.iter());
        for length in 1..=bits {
            code <<= 1;
            for &symbol in symbols.by_ref().take(usize::from(self.counts[length as usize])) {
                // Codes are packed with their first bit lowest. Invalid data may have too many codes; they wrap.
                let first = (code as u32).reverse_bits() >> (32 - length);
                for index in (first as usize..1 << bits).step_by(1 << length) {
                    put(index, usize::from(symbol), length);
                }
                code += 1;
            }
        }
    }

    /// Takes a code from `bits`, which must hold 15 bits unless the stream ends; `None` if it is not a code.
    fn decode(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let (mut code, mut first, mut index) = (0usize, 0usize, 0usize);
        for (length, &count) in self.counts.iter().enumerate().skip(1) {
            code = code << 1 | bits.bit(length as u32 - 1);
            first <<= 1;
            if code < first + usize::from(count) {
                bits.consume(length as u32);
                let symbol = self.symbols.get(index + code.checked_sub(first)?)?;
                return Some(usize::from(*symbol));
            }
            first += usize::from(count);
            index += usize::from(count);
        }
        None
    }
}

/// A stream as bits, the lowest of each byte first. Zeros follow its end.
#[derive(Clone)]
pub(crate) struct Bits<'a> {
    stream: &'a [u8],
    /// The first byte that is not completely in `held`.
    next: usize,
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    /// Starts at the bit `position` of `stream`.
    #[inline(always)]
    pub(crate) fn at(stream: &'a [u8], position: usize) -> Bits<'a> {
        let mut bits = Bits { stream, next: position / 8, held: 0, count: 0 };
        bits.refill();
        bits.consume((position % 8) as u32);
        bits
    }

    /// Returns the next bits, of which at least 49 are valid directly after [`at`](Bits::at).
    #[inline(always)]
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    /// Fills `held` up to at least 56 bits.
    #[inline(always)]
    pub(crate) fn refill(&mut self) {
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

    /// Takes the extra bits of a code; returns its value.
    #[inline(always)]
    fn extra(&mut self, entry: Meaning) -> usize {
        let extra = self.peek(u32::from(entry.extra_bits));
        self.consume(u32::from(entry.extra_bits));
        usize::from(entry.base) + extra
    }

    pub(crate) fn take(&mut self, bits: u32) -> Option<u32> {
        self.refill();
        let value = self.peek(bits) as u32;
        self.consume(bits);
        (!self.is_empty()).then_some(value)
    }

    pub(crate) fn position(&self) -> usize {
        self.next * 8 - self.count as usize
    }

    /// Says whether more bits were taken than the stream has.
    #[inline(always)]
    fn is_empty(&self) -> bool {
        self.position() > self.stream.len() * 8
    }

    /// Skips a stored block after its type: padding, the length twice, the bytes.
    pub(crate) fn skip_stored(&mut self) -> Option<()> {
        let at = self.position().div_ceil(8);
        let header = self.stream.get(at..at + 4)?;
        let length = usize::from(u16::from_le_bytes([header[0], header[1]]));
        *self = Bits { stream: self.stream, next: at + 4 + length, held: 0, count: 0 };
        Some(())
    }
}
