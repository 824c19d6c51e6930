//! The tar archive, and the one image in it.
//!
//! All known forms of sparse members are read (`docs/format.md`, "The archive"). Everything that is not one regular
//! member of the length that was signed is refused. The member's name is ignored.

use baler_image::{Extent, ImageSink};
use baler_manifest::Sha1Digest;
use sha1::{Digest as _, Sha1};

use super::Piece;
use crate::stage::tar::{BLOCK, MAP_IN_EXTENSION, MAP_IN_HEADER};
use crate::{Error, Event};

/// The most headers before the image's own. Writers have one or two, for values that do not fit its fields.
const MAX_HEADERS: usize = 16;
/// The most bytes of pax records, of a long name, or of a map in text: a map of a million extents fits.
const MAX_TEXT: u64 = 48 << 20;
/// The most extents of a map: 40 GiB of image with every other 4 KiB a hole.
const MAX_EXTENTS: usize = 5_000_000;
/// The most zeros after the member, to the end of a record. Records have usually 10 KiB and at most 1 MiB.
pub(crate) const MAX_PADDING: u64 = 1 << 20;

fn wrong(what: impl Into<String>) -> Error {
    Error::Archive(what.into())
}

/// The archive that comes from the gzip stream, with its SHA-1.
pub(crate) struct Stream<'a> {
    next: &'a mut dyn FnMut() -> Option<Piece>,
    piece: Vec<u8>,
    at: usize,
    /// The bytes before this piece.
    passed: u64,
    hash: Sha1,
}

impl<'a> Stream<'a> {
    pub(crate) fn new(next: &'a mut dyn FnMut() -> Option<Piece>) -> Stream<'a> {
        Stream { next, piece: Vec::new(), at: 0, passed: 0, hash: Sha1::new() }
    }

    /// Returns the number of bytes that were taken.
    pub(crate) fn position(&self) -> u64 {
        self.passed + self.at as u64
    }

    /// Takes up to `most` bytes; none only at the end.
    fn some(&mut self, most: u64) -> Result<&[u8], Error> {
        while self.at == self.piece.len() {
            let Some(piece) = (self.next)() else { return Ok(&[]) };
            self.passed += self.piece.len() as u64;
            (self.piece, self.at) = (Vec::new(), 0);
            self.piece = piece?;
            self.hash.update(&self.piece);
        }
        let len = (self.piece.len() - self.at).min(usize::try_from(most).unwrap_or(usize::MAX));
        self.at += len;
        Ok(&self.piece[self.at - len..self.at])
    }

    /// Takes the next `len` bytes, piece by piece.
    fn each(
        &mut self,
        mut len: u64,
        mut take: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        while len > 0 {
            let some = self.some(len)?;
            if some.is_empty() {
                return Err(wrong("it ends in the middle"));
            }
            len -= some.len() as u64;
            take(some)?;
        }
        Ok(())
    }

    fn block(&mut self) -> Result<[u8; BLOCK], Error> {
        let (mut block, mut at) = ([0; BLOCK], 0);
        self.each(BLOCK as u64, |some| {
            block[at..at + some.len()].copy_from_slice(some);
            at += some.len();
            Ok(())
        })?;
        Ok(block)
    }

    /// Takes the contents of a member that describes the next one.
    fn text(&mut self, len: u64) -> Result<Vec<u8>, Error> {
        if len > MAX_TEXT {
            return Err(wrong(format!("a header of {len} bytes is more than {MAX_TEXT}")));
        }
        let mut text = Vec::new();
        self.each(len, |some| {
            text.extend_from_slice(some);
            Ok(())
        })?;
        self.each(padding(len), |_| Ok(()))?;
        Ok(text)
    }

    /// Checks that only zeros follow the member; returns the digest of the whole archive.
    fn finish(mut self) -> Result<Sha1Digest, Error> {
        let mut len = 0;
        loop {
            let some = self.some(u64::MAX)?;
            if some.is_empty() {
                return Ok(Sha1Digest::new(self.hash.finalize().into()));
            }
            len += some.len() as u64;
            if some.iter().any(|&byte| byte != 0) {
                return Err(wrong(
                    "there is something after the image: a second member, or garbage",
                ));
            }
            if len > MAX_PADDING {
                return Err(wrong("too many zeros follow the image"));
            }
        }
    }
}

/// Returns the number of bytes from `len` to the end of a block.
pub(crate) fn padding(len: u64) -> u64 {
    len.next_multiple_of(BLOCK as u64) - len
}

/// The member that holds the image.
pub(crate) struct Member {
    /// The image's length, holes included.
    pub(crate) len: u64,
    /// The places of the data that follows; `None` if there is no map because the whole image follows.
    pub(crate) map: Option<Vec<Extent>>,
}

/// Reads an archive whose image has `len` bytes into `sink`, without committing it; returns the archive's digest.
pub(crate) fn read(
    mut stream: Stream<'_>,
    len: u64,
    sink: &mut dyn ImageSink,
    on_event: &(dyn Fn(Event) + Sync),
) -> Result<Sha1Digest, Error> {
    let member = Member::read(&mut stream, len)?;
    sink.begin(len, member.map.as_deref()).map_err(Error::Sink)?;
    let all = [Extent { offset: 0, len }];
    let map = member.map.as_deref().unwrap_or(&all);
    let mut at = 0;
    for extent in map {
        on_event(Event::Image(extent.offset - at));
        at = extent.offset;
        stream.each(extent.len, |some| {
            sink.write_at(some, at).map_err(Error::Sink)?;
            at += some.len() as u64;
            on_event(Event::Image(some.len() as u64));
            Ok(())
        })?;
    }
    on_event(Event::Image(len - at));
    stream.each(padding(map.iter().map(|extent| extent.len).sum()), |_| Ok(()))?;
    stream.finish()
}

impl Member {
    /// Reads everything before the data of an image of `len` bytes.
    pub(crate) fn read(stream: &mut Stream<'_>, len: u64) -> Result<Member, Error> {
        let member = Member::any(stream)?;
        if member.len != len {
            return Err(wrong(format!(
                "the image has {} bytes, the manifest says {len}",
                member.len
            )));
        }
        Ok(member)
    }

    fn any(stream: &mut Stream<'_>) -> Result<Member, Error> {
        let mut pax = Pax::default();
        for _ in 0..MAX_HEADERS {
            let header = stream.block()?;
            check_sum(&header)?;
            let mut stored = number(&header[124..136], "size")?;
            match header[156] {
                b'x' => pax.read(&stream.text(stored)?)?,
                // Names, which are ignored, and records for all members.
                b'g' | b'L' | b'K' => drop(stream.text(stored)?),
                b'S' => {
                    let map = old_gnu_map(&header, stream)?;
                    return Member::sparse(number(&header[483..495], "real size")?, stored, map);
                }
                0 | b'0' | b'7' => {
                    stored = pax.size.unwrap_or(stored);
                    return match pax.sparse(&mut stored, stream)? {
                        Some((len, map)) => Member::sparse(len, stored, map),
                        None => Ok(Member { len: stored, map: None }),
                    };
                }
                other => return Err(wrong(format!("its member is {}, not a file", kind(other)))),
            }
        }
        Err(wrong(format!("{MAX_HEADERS} headers, and no member after them")))
    }

    fn sparse(len: u64, stored: u64, map: Vec<Extent>) -> Result<Member, Error> {
        let (mut end, mut sum) = (0, 0);
        for (index, extent) in map.iter().enumerate() {
            let fits = extent
                .offset
                .checked_add(extent.len)
                .filter(|&last| extent.offset >= end && last <= len);
            end = fits.ok_or_else(|| {
                wrong(format!("entry {index} of the sparse map does not fit the image"))
            })?;
            sum += extent.len;
        }
        if sum != stored {
            return Err(wrong(format!("the sparse map has {sum} bytes, the member {stored}")));
        }
        Ok(Member { len, map: Some(map.into_iter().filter(|extent| extent.len > 0).collect()) })
    }
}

fn kind(flag: u8) -> String {
    match flag {
        b'1' => "a hard link".into(),
        b'2' => "a symbolic link".into(),
        b'3' | b'4' => "a device".into(),
        b'5' | b'D' => "a directory".into(),
        b'6' => "a named pipe".into(),
        flag => format!("of type `{}`", flag.escape_ascii()),
    }
}

fn check_sum(header: &[u8; BLOCK]) -> Result<(), Error> {
    if header.iter().all(|&byte| byte == 0) {
        return Err(wrong("it has no member"));
    }
    let field = 148..156;
    let byte = |(index, &byte): (usize, &u8)| if field.contains(&index) { b' ' } else { byte };
    let sum: u64 = header.iter().enumerate().map(|pair| u64::from(byte(pair))).sum();
    // Some old writers summed signed bytes.
    let signed: i64 = header.iter().enumerate().map(|pair| i64::from(byte(pair) as i8)).sum();
    let stated = number(&header[field.clone()], "checksum")?;
    if stated != sum && i64::try_from(stated) != Ok(signed) {
        return Err(wrong("a header's checksum is wrong"));
    }
    Ok(())
}

/// Reads a number: octal between blanks, or base-256 if the first bit is set.
fn number(field: &[u8], name: &str) -> Result<u64, Error> {
    let bad = || wrong(format!("a header's {name} is not a number: `{}`", field.escape_ascii()));
    if field[0] & 0x80 != 0 {
        let (high, low) = field.split_at(field.len() - 8);
        let positive =
            high.iter().enumerate().all(|(index, &byte)| byte == if index == 0 { 0x80 } else { 0 });
        let value = low.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        return if positive { Ok(value) } else { Err(bad()) };
    }
    let text = field.split(|&byte| byte == 0).next().unwrap_or_default().trim_ascii();
    text.iter()
        .try_fold(0u64, |value, &byte| match byte {
            b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(byte - b'0')),
            _ => None,
        })
        .ok_or_else(bad)
}

fn old_gnu_map(header: &[u8; BLOCK], stream: &mut Stream<'_>) -> Result<Vec<Extent>, Error> {
    let mut map = Vec::new();
    let mut pairs = |field: &[u8]| {
        for pair in field.chunks_exact(24) {
            // An empty field ends the map early.
            if pair[0] == 0 && pair[12] == 0 {
                break;
            }
            push(&mut map, number(&pair[..12], "offset")?, number(&pair[12..], "length")?)?;
        }
        Ok(())
    };
    pairs(&header[386..386 + MAP_IN_HEADER * 24])?;
    let mut more = header[482] != 0;
    while more {
        let block = stream.block()?;
        more = block[504] != 0;
        if more && block[..24].iter().all(|&byte| byte == 0) {
            return Err(wrong("the sparse map continues after its end"));
        }
        pairs(&block[..MAP_IN_EXTENSION * 24])?;
    }
    Ok(map)
}

fn push(map: &mut Vec<Extent>, offset: u64, len: u64) -> Result<(), Error> {
    if map.len() == MAX_EXTENTS {
        return Err(wrong(format!("the sparse map has more than {MAX_EXTENTS} entries")));
    }
    map.push(Extent { offset, len });
    Ok(())
}

/// The values of pax records, which describe the member that follows them.
#[derive(Default)]
struct Pax {
    size: Option<u64>,
    real_size: Option<u64>,
    /// The map itself, as numbers: versions 0.0 and 0.1.
    numbers: Option<Vec<u64>>,
    /// True if the map is before the data: version 1.0.
    map_in_data: bool,
}

impl Pax {
    fn read(&mut self, mut text: &[u8]) -> Result<(), Error> {
        let bad = || wrong("a pax record is damaged");
        while !text.is_empty() {
            let blank = text.iter().position(|&byte| byte == b' ').ok_or_else(bad)?;
            let len = decimal(&text[..blank])
                .and_then(|len| usize::try_from(len).ok())
                .ok_or_else(bad)?;
            let record = text
                .get(blank + 1..len)
                .and_then(|record| record.strip_suffix(b"\n"))
                .ok_or_else(bad)?;
            let equals = record.iter().position(|&byte| byte == b'=').ok_or_else(bad)?;
            self.record(&record[..equals], &record[equals + 1..])?;
            text = &text[len..];
        }
        Ok(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let number = || {
            decimal(value).ok_or_else(|| {
                wrong(format!("pax record `{}` is not a number", key.escape_ascii()))
            })
        };
        match key {
            b"size" => self.size = Some(number()?),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.real_size = Some(number()?),
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => self.add(number()?)?,
            b"GNU.sparse.map" => {
                for value in value.split(|&byte| byte == b',').filter(|value| !value.is_empty()) {
                    self.add(decimal(value).ok_or_else(|| wrong("the sparse map is damaged"))?)?;
                }
            }
            b"GNU.sparse.major" => match number()? {
                0 => {}
                1 => self.map_in_data = true,
                other => return Err(wrong(format!("sparse format {other} is not known"))),
            },
            b"GNU.sparse.numblocks" => drop(self.numbers.get_or_insert_default()),
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, number: u64) -> Result<(), Error> {
        let numbers = self.numbers.get_or_insert_default();
        if numbers.len() == 2 * MAX_EXTENTS {
            return Err(wrong(format!("the sparse map has more than {MAX_EXTENTS} entries")));
        }
        numbers.push(number);
        Ok(())
    }

    /// Returns the image's length and map, if it is sparse. A map before the data is read.
    fn sparse(
        self,
        stored: &mut u64,
        stream: &mut Stream<'_>,
    ) -> Result<Option<(u64, Vec<Extent>)>, Error> {
        let numbers = match (self.map_in_data, self.numbers) {
            (true, _) => map_in_data(stored, stream)?,
            (false, Some(numbers)) => numbers,
            (false, None) => return Ok(None),
        };
        let len = self
            .real_size
            .ok_or_else(|| wrong("it has a sparse map, but not the image's length"))?;
        let (pairs, odd) = numbers.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(wrong("the sparse map has half an entry"));
        }
        Ok(Some((len, pairs.iter().map(|&[offset, len]| Extent { offset, len }).collect())))
    }
}

/// Reads the map of sparse format 1.0: decimal numbers, each with a line feed, the first the count of pairs; padded to
/// a block.
fn map_in_data(stored: &mut u64, stream: &mut Stream<'_>) -> Result<Vec<u64>, Error> {
    let (mut numbers, mut digits, mut wanted) = (Vec::new(), Vec::new(), None);
    while wanted.is_none_or(|wanted| numbers.len() < wanted) {
        *stored = stored
            .checked_sub(BLOCK as u64)
            .ok_or_else(|| wrong("the sparse map is longer than the member"))?;
        for byte in stream.block()? {
            if wanted.is_some_and(|wanted| numbers.len() >= wanted) {
                break;
            }
            if byte != b'\n' {
                digits.push(byte);
                continue;
            }
            let number = decimal(&digits).ok_or_else(|| wrong("the sparse map is damaged"))?;
            digits.clear();
            match wanted {
                None if number > MAX_EXTENTS as u64 => {
                    return Err(wrong(format!(
                        "the sparse map has more than {MAX_EXTENTS} entries"
                    )));
                }
                None => wanted = Some(2 * number as usize),
                Some(_) => numbers.push(number),
            }
        }
        if digits.len() > 20 {
            return Err(wrong("the sparse map is damaged"));
        }
    }
    Ok(numbers)
}

fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
