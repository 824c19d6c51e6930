//! What is there of the parts, and where in the ciphertext it belongs.

use std::ops::Range;

use baler_manifest::{CipherIv, CipherKey, Contents};

use crate::parts::{PART_LEN, PartSource};
use crate::read::parts::{Decipher, fetch, unpad};
use crate::{Error, Event};

/// The cipher's block.
const BLOCK: u64 = 16;

/// Ascending ranges that neither overlap nor touch.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranges(Vec<Range<u64>>);

impl Ranges {
    /// Adds a range that does not begin before those that were added earlier.
    pub(super) fn push(&mut self, range: Range<u64>) {
        match self.0.last_mut() {
            _ if range.is_empty() => {}
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => self.0.push(range),
        }
    }

    pub(super) fn overlaps(&self, range: &Range<u64>) -> bool {
        self.behind(range.start).is_some_and(|first| first.start < range.end)
    }

    /// Where the first byte from `at` on that is in one of the ranges is.
    pub(super) fn next(&self, at: u64) -> Option<u64> {
        self.behind(at).map(|first| first.start.max(at))
    }

    /// The first range that ends behind `at`.
    fn behind(&self, at: u64) -> Option<&Range<u64>> {
        self.0.get(self.0.partition_point(|range| range.end <= at))
    }

    pub(super) fn into_vec(self) -> Vec<Range<u64>> {
        self.0
    }
}

/// A part's place in the ciphertext.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u64,
    /// How long the part should be.
    len: u64,
    /// How much of it is there: its first bytes.
    found: u64,
    is_good: bool,
}

/// All parts, looked at once.
#[derive(Debug)]
pub(super) struct Survey {
    places: Vec<Place>,
    /// The ciphertext's length.
    pub(super) len: u64,
    /// Each bad part.
    pub(super) errors: Vec<Error>,
    /// If the lengths of the parts do not add up.
    pub(super) size: Option<Error>,
    /// Whether it is known where each part belongs.
    pub(super) is_regular: bool,
    /// Plaintext that cannot be had.
    pub(super) missing: Ranges,
    /// Plaintext that can be had from parts that are not what the manifest says.
    pub(super) suspect: Ranges,
    /// Both of these.
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
            found.push(match fetch(source, index, part) {
                Ok(data) => Some((data.len() as u64, true)),
                Err(error) => {
                    errors.push(error);
                    source.get(&part.filename).ok().map(|data| (data.len() as u64, false))
                }
            });
            let len = found.last().copied().flatten().map_or(0, |(len, _)| len);
            on_event(Event::Part(len));
        }
        let (lens, is_regular) = lengths(&found, contents.bundled_size);
        let len = lens.iter().sum();
        let size = (len != contents.bundled_size)
            .then_some(Error::BundledSize { expected: contents.bundled_size, actual: len });
        let mut start = 0;
        let places: Vec<_> = std::iter::zip(lens, found)
            .map(|(len, found)| {
                let (found, is_good) = found.unwrap_or((0, false));
                let place = Place { start, len, found: found.min(len), is_good };
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

    /// What the bad parts mean for the plaintext: a block of it takes its own block of the ciphertext and the one before.
    fn mark(&mut self) {
        for &Place { start, len, found, is_good } in &self.places {
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

/// The length of each part, and whether that is known of all.
///
/// All but the last are of one length. Where that cannot be (another tool's bundle, or a part that is longer than it
/// should be) each part is taken for as long as it is, and the missing ones share what is left of the whole.
fn lengths(found: &[Option<(u64, bool)>], whole: u64) -> (Vec<u64>, bool) {
    let Some(last) = found.len().checked_sub(1) else { return (Vec::new(), true) };
    let all = |len: u64| {
        let rest = whole.checked_sub(len.checked_mul(last as u64)?)?;
        let lens: Vec<_> = (0..=last).map(|index| if index < last { len } else { rest }).collect();
        let agrees = |(&len, found): (&u64, &Option<(u64, bool)>)| {
            found.is_none_or(|(found, is_good)| !is_good || found == len)
        };
        let fits = (1..=len.max(rest * u64::from(last == 0))).contains(&rest);
        (fits && std::iter::zip(&lens, found).all(agrees)).then_some(lens)
    };
    let of = |good: bool| {
        let found = found[..last].iter().flatten();
        found.filter(move |(_, is_good)| *is_good == good).map(|(len, _)| *len)
    };
    let from_last = found[last].filter(|_| last > 0).and_then(|(len, is_good)| {
        let rest = whole.checked_sub(len).filter(|rest| is_good && rest % last as u64 == 0)?;
        Some(rest / last as u64)
    });
    let likely = of(true).take(1).chain(from_last).chain([PART_LEN as u64]).chain(of(false));
    if let Some(lens) = likely.filter_map(all).next() {
        return (lens, true);
    }
    let sum: u64 = found.iter().flatten().map(|(len, _)| *len).sum();
    let mut rest = whole.saturating_sub(sum);
    let missing = found.iter().filter(|found| found.is_none()).count();
    let lens = found.iter().map(|found| match found {
        Some((len, _)) => *len,
        None => std::mem::take(&mut rest),
    });
    (lens.collect(), missing <= 1)
}

/// The plaintext of what is there, piece by piece, each with its place.
pub(super) struct Plain<'a> {
    survey: &'a Survey,
    contents: &'a Contents,
    source: &'a dyn PartSource,
    key: &'a CipherKey,
    next: usize,
    /// How far the ciphertext has been read.
    end: u64,
    /// Behind a gap: what has been read, up to a whole block.
    held: Vec<u8>,
    cipher: Option<Decipher>,
    /// Where the next plaintext belongs, or `held`.
    at: u64,
    /// The padding at the end, if it was seen and was wrong.
    pub(super) padding: Option<Error>,
}

impl<'a> Plain<'a> {
    pub(super) fn new(
        survey: &'a Survey,
        contents: &'a Contents,
        source: &'a dyn PartSource,
        (key, iv): (&'a CipherKey, &CipherIv),
    ) -> Plain<'a> {
        let cipher = Some(Decipher::new(key, iv));
        let (held, next, end, at, padding) = (Vec::new(), 0, 0, 0, None);
        Plain { survey, contents, source, key, next, end, held, cipher, at, padding }
    }

    /// The next piece and its place; where that is not the end of the one before, what is between is missing.
    ///
    /// # Errors
    /// A part that was right in the survey is not any more.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, Error> {
        loop {
            let Some(&place) = self.survey.places.get(self.next) else { return Ok(None) };
            let (index, part) = (self.next, &self.contents.parts[self.next]);
            self.next += 1;
            let mut data = match place {
                Place { found: 0, .. } => Vec::new(),
                Place { is_good: true, .. } => fetch(self.source, index, part)?,
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
            // Behind a gap the first whole block only serves the next one.
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
