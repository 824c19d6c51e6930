//! The parts that can be read, and their places in the ciphertext.

use std::ops::Range;

use baler_manifest::{CipherIv, CipherKey, Contents};

use crate::parts::{PART_LEN, PartSource};
use crate::read::parts::{Decipher, fetch_part, unpad};
use crate::{Error, Event, UnpackOptions};

/// The cipher's block.
const BLOCK: u64 = 16;

/// Ascending ranges that neither overlap nor touch.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranges(Vec<Range<u64>>);

impl Ranges {
    /// Adds a range, which must not begin before those that were added earlier.
    pub(super) fn push(&mut self, range: Range<u64>) {
        match self.0.last_mut() {
            _ if range.is_empty() => {}
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => self.0.push(range),
        }
    }

    pub(super) fn overlaps(&self, range: &Range<u64>) -> bool {
        self.first_after(range.start).is_some_and(|first| first.start < range.end)
    }

    /// Returns the first byte from `at` on that is in one of the ranges.
    pub(super) fn next(&self, at: u64) -> Option<u64> {
        self.first_after(at).map(|first| first.start.max(at))
    }

    /// Returns the first range that ends after `at`.
    fn first_after(&self, at: u64) -> Option<&Range<u64>> {
        self.0.get(self.0.partition_point(|range| range.end <= at))
    }

    pub(super) fn into_vec(self) -> Vec<Range<u64>> {
        self.0
    }
}

/// A part's place in the ciphertext.
#[derive(Clone, Copy, Debug)]
struct PartPlace {
    start: u64,
    /// The length that the part should have.
    len: u64,
    /// The number of its bytes that can be read, from its start.
    found: u64,
    is_good: bool,
}

/// A part that was read.
#[derive(Clone, Copy, Debug)]
struct Found {
    len: u64,
    /// True if its digest is right.
    is_good: bool,
}

/// The result of reading all parts once.
#[derive(Debug)]
pub(super) struct Survey {
    places: Vec<PartPlace>,
    /// The ciphertext's length.
    pub(super) len: u64,
    /// An error for each bad part.
    pub(super) errors: Vec<Error>,
    /// An error if the lengths of the parts do not add up.
    pub(super) size: Option<Error>,
    /// True if the place of each part is known.
    pub(super) is_regular: bool,
    /// Plaintext that is lost.
    pub(super) missing: Ranges,
    /// Plaintext of parts that differ from the manifest.
    pub(super) suspect: Ranges,
    /// Plaintext of either kind.
    pub(super) damaged: Ranges,
}

impl Survey {
    /// Reads every part once.
    pub(super) fn new(
        contents: &Contents,
        source: &dyn PartSource,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Survey {
        let (mut found, mut errors) = (Vec::with_capacity(contents.parts.len()), Vec::new());
        for (index, part) in contents.parts.iter().enumerate() {
            found.push(match fetch_part(source, index, part) {
                Ok(data) => Some(Found { len: data.len() as u64, is_good: true }),
                Err(error) => {
                    errors.push(error);
                    let data = source.get(&part.filename).ok();
                    data.map(|data| Found { len: data.len() as u64, is_good: false })
                }
            });
            let len = found.last().copied().flatten().map_or(0, |found| found.len);
            on_event(Event::Part(len));
        }
        let (lens, is_regular) = lengths(&found, contents.bundled_size);
        let len = lens.iter().sum();
        let size = (len != contents.bundled_size)
            .then_some(Error::BundledSize { expected: contents.bundled_size, actual: len });
        let mut start = 0;
        let places: Vec<_> = std::iter::zip(lens, found)
            .map(|(len, found)| {
                let found = found.unwrap_or(Found { len: 0, is_good: false });
                let is_good = found.is_good;
                let place = PartPlace { start, len, found: found.len.min(len), is_good };
                start += len;
                place
            })
            .collect();
        let (missing, suspect, damaged) = Default::default();
        let mut survey =
            Survey { places, len, errors, size, is_regular, missing, suspect, damaged };
        survey.mark();
        survey
    }

    /// Marks the plaintext of bad parts. A block of it depends on its own block of the ciphertext and on the one
    /// before.
    fn mark(&mut self) {
        for &PartPlace { start, len, found, is_good } in &self.places {
            let (middle, end) = (start + found, start + len);
            let spoilt = |start: u64, end: u64| {
                let last = (end.next_multiple_of(BLOCK) + BLOCK).min(self.len);
                start / BLOCK * BLOCK..last.max(start)
            };
            if !is_good && found > 0 {
                self.suspect.push(spoilt(start, middle));
                self.damaged.push(spoilt(start, middle));
            }
            if middle < end {
                self.missing.push(spoilt(middle, end));
                self.damaged.push(spoilt(middle, end));
            }
        }
    }
}

/// Finds the length that each part should have, and says whether all of them are known.
///
/// All but the last have the same length. If that is impossible (another tool's bundle, or a part that is longer than
/// it should be), the length of each part is the one that it has, and the first missing one gets the rest of the whole.
fn lengths(found: &[Option<Found>], whole: u64) -> (Vec<u64>, bool) {
    let Some(last) = found.len().checked_sub(1) else { return (Vec::new(), true) };
    let all = |len: u64| {
        let rest = whole.checked_sub(len.checked_mul(last as u64)?)?;
        let lens: Vec<_> = (0..=last).map(|index| if index < last { len } else { rest }).collect();
        let agrees = |(&len, found): (&u64, &Option<Found>)| {
            found.is_none_or(|found| !found.is_good || found.len == len)
        };
        let fits = (1..=len.max(rest * u64::from(last == 0))).contains(&rest);
        (fits && std::iter::zip(&lens, found).all(agrees)).then_some(lens)
    };
    let of = |good: bool| {
        let found = found[..last].iter().flatten();
        found.filter(move |found| found.is_good == good).map(|found| found.len)
    };
    let from_last = found[last].filter(|found| last > 0 && found.is_good).and_then(|found| {
        let rest = whole.checked_sub(found.len).filter(|rest| rest % last as u64 == 0)?;
        Some(rest / last as u64)
    });
    let likely = of(true).take(1).chain(from_last).chain([PART_LEN as u64]).chain(of(false));
    if let Some(lens) = likely.filter_map(all).next() {
        return (lens, true);
    }
    let sum: u64 = found.iter().flatten().map(|found| found.len).sum();
    let mut rest = whole.saturating_sub(sum);
    let missing = found.iter().filter(|found| found.is_none()).count();
    let lens = found.iter().map(|found| match found {
        Some(found) => found.len,
        None => std::mem::take(&mut rest),
    });
    (lens.collect(), missing <= 1)
}

/// The plaintext of the parts that can be read, in pieces, each with its place.
pub(super) struct Plain<'a> {
    survey: &'a Survey,
    contents: &'a Contents,
    source: &'a dyn PartSource,
    key: &'a CipherKey,
    next: usize,
    /// The end of the ciphertext that was read.
    end: u64,
    /// The bytes after a gap that were read, up to a whole block.
    held: Vec<u8>,
    cipher: Option<Decipher>,
    /// The place of the next plaintext, or of `held`.
    at: u64,
    /// The error of the padding at the end, if it was read and was wrong.
    pub(super) padding: Option<Error>,
}

impl<'a> Plain<'a> {
    pub(super) fn new(
        survey: &'a Survey,
        contents: &'a Contents,
        source: &'a dyn PartSource,
        options: &UnpackOptions<'a>,
    ) -> Plain<'a> {
        Plain {
            survey,
            contents,
            source,
            key: options.key,
            next: 0,
            end: 0,
            held: Vec::new(),
            cipher: Some(Decipher::new(options.key, options.iv)),
            at: 0,
            padding: None,
        }
    }

    /// Returns the next piece and its place. The bytes between the end of the piece before and that place are missing.
    ///
    /// # Errors
    ///
    /// If a part was right in the survey and is wrong now.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, Error> {
        loop {
            let Some(&place) = self.survey.places.get(self.next) else { return Ok(None) };
            let (index, part) = (self.next, &self.contents.parts[self.next]);
            self.next += 1;
            let mut data = match place {
                PartPlace { found: 0, .. } => Vec::new(),
                PartPlace { is_good: true, .. } => fetch_part(self.source, index, part)?,
                _ => self.source.get(&part.filename).unwrap_or_default(),
            };
            data.truncate(place.found as usize);
            let is_last = place.start + data.len() as u64 == self.survey.len;
            if let Some((at, mut plain)) = self.decrypt(place.start, data) {
                if is_last && at + plain.len() as u64 == self.survey.len {
                    self.padding = unpad(&mut plain).err();
                }
                return Ok(Some((at, plain)));
            }
        }
    }

    fn decrypt(&mut self, start: u64, mut data: Vec<u8>) -> Option<(u64, Vec<u8>)> {
        if start != self.end {
            (self.held, self.cipher, self.at) = (Vec::new(), None, start);
        }
        self.end = start + data.len() as u64;
        if self.cipher.is_none() {
            // The first whole block after a gap cannot be decrypted, but is needed to decrypt the next one.
            self.held.append(&mut data);
            let skip = (self.at.next_multiple_of(BLOCK) - self.at) as usize;
            let block = *self.held.get(skip..)?.first_chunk()?;
            data = self.held.split_off(skip + BLOCK as usize);
            self.at += self.held.len() as u64;
            self.cipher = Some(Decipher::new(self.key, &CipherIv::new(block)));
        }
        let plain = self.cipher.as_mut()?.decrypt(data);
        let at = self.at;
        self.at += plain.len() as u64;
        (!plain.is_empty()).then_some((at, plain))
    }
}
