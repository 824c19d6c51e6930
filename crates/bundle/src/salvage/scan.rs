//! The search for the segments of a stream that Baler made, after damage.
//!
//! Such a stream is a sequence of *segments*: each is a MiB of archive, inflates without the data before it, and ends
//! with a marker (`stage::gzip`). Bytes between two markers that inflate to exactly a MiB are a segment; others do not
//! by chance.

use std::ops::Range;

use flate2::{Decompress, FlushDecompress, Status};
use memchr::memmem::Finder;

use super::survey::Survey;
use crate::read::inflate::Inflater;
use crate::stage::gzip::{BLOCK, HEADER, MARKER};

/// The greatest length of a segment, with a gzip trailer and the cipher's padding.
pub(super) const REACH: usize = BLOCK + BLOCK / 500;
const TRAILER: usize = 8;
const MAX_PADDING: usize = 16;

/// Damage between two runs of segments.
#[derive(Debug)]
pub(super) struct Gap {
    /// The range in the gzip stream.
    pub(super) range: Range<u64>,
    /// The number of segments before it.
    pub(super) after: usize,
    /// The number of markers in it; the one that ends it is included.
    pub(super) markers: u64,
}

/// The end of the stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// The length of the last segment, inflated.
    pub(super) len: u64,
    /// The stream's trailer: CRC-32 and length.
    pub(super) crc: u32,
    pub(super) stream_len: u32,
}

/// Looks for segments in pieces of the gzip stream.
pub(super) struct Scan<'a> {
    survey: &'a Survey,
    buffer: Vec<u8>,
    /// The place of the buffer in the stream.
    at: u64,
    /// True if a segment begins or should begin there.
    is_start: bool,
    markers: u64,
    inflater: Inflater,
    partial: Partial,
    /// The segments in their order.
    pub(super) segments: Vec<Range<u64>>,
    pub(super) gaps: Vec<Gap>,
    /// The end of the stream, if the last segment is the stream's last.
    pub(super) end: Option<End>,
    /// True if another tool made the stream.
    pub(super) is_foreign: bool,
}

enum Found {
    /// A segment of this length.
    Segment(usize),
    /// The last segment, of this length.
    Last(usize, End),
    Nothing,
}

impl<'a> Scan<'a> {
    pub(super) fn new(survey: &'a Survey) -> Scan<'a> {
        Scan {
            survey,
            buffer: Vec::new(),
            at: 0,
            is_start: true,
            markers: 0,
            inflater: Inflater::new(),
            partial: Partial::new(),
            segments: Vec::new(),
            gaps: Vec::new(),
            end: None,
            is_foreign: false,
        }
    }

    /// Takes the next piece and its place.
    pub(super) fn push(&mut self, at: u64, bytes: Vec<u8>) {
        if at != self.at + self.buffer.len() as u64 {
            self.run(true);
            self.buffer.clear();
            (self.at, self.is_start) = (at, false);
        }
        if at == 0 {
            self.is_foreign = !bytes.starts_with(&HEADER[..4]);
        }
        self.buffer.extend(bytes);
        if self.at == 0 && self.buffer.len() >= HEADER.len() {
            self.buffer.drain(..HEADER.len());
            self.at = HEADER.len() as u64;
        }
        self.run(false);
    }

    /// Ends the search: there are no more pieces.
    pub(super) fn finish(&mut self) {
        self.run(true);
        let end = self.known_end();
        if self.end.is_none() {
            self.gap(end..self.survey.len, 1);
        }
    }

    /// Returns the place at which the next segment should begin.
    fn known_end(&self) -> u64 {
        self.segments.last().map_or(HEADER.len() as u64, |last| last.end)
    }

    fn gap(&mut self, range: Range<u64>, more: u64) {
        let (after, markers) = (self.segments.len(), self.markers + more);
        self.gaps.push(Gap { range, after, markers });
    }

    /// Searches the buffer, as far as a whole segment would fit into it, or to the end.
    fn run(&mut self, to_the_end: bool) {
        let mut from = 0;
        while !self.is_foreign && self.end.is_none() {
            let rest = self.buffer.len() - from;
            if rest == 0 || rest < REACH && !to_the_end {
                break;
            }
            let start = self.at + from as u64;
            let is_last = to_the_end && start + rest as u64 + MAX_PADDING as u64 >= self.survey.len;
            match self.look(from, is_last) {
                Found::Segment(len) => {
                    self.found(start..start + len as u64);
                    from += len;
                }
                Found::Last(len, end) => {
                    self.found(start..start + len as u64);
                    self.end = Some(end);
                }
                Found::Nothing => {
                    let reach = start..start + REACH as u64;
                    // Nothing is damaged here, and yet there is no segment.
                    self.is_foreign |= self.is_start && !self.survey.damaged.overlaps(&reach);
                    self.is_start = false;
                    let found = Finder::new(&MARKER).find(&self.buffer[from..]);
                    self.markers += u64::from(found.is_some());
                    from += found.map_or(rest.saturating_sub(MARKER.len() - 1).max(1), |found| {
                        found + MARKER.len()
                    });
                }
            }
        }
        self.buffer.drain(..from);
        self.at += from as u64;
    }

    fn found(&mut self, range: Range<u64>) {
        let end = self.known_end();
        if range.start != end {
            self.gap(end..range.start, 0);
        }
        self.segments.push(range);
        (self.markers, self.is_start) = (0, true);
    }

    /// Examines the buffer from a place on.
    fn look(&mut self, from: usize, is_last: bool) -> Found {
        let rest = &self.buffer[from..];
        let rest = &rest[..rest.len().min(REACH)];
        let finder = Finder::new(&MARKER);
        if let Some(found) = finder.find(rest) {
            let len = found + MARKER.len();
            match self.inflater.inflate(&mut rest[..len].to_vec(), 0) {
                Some(inflated) if inflated.len() == BLOCK => return Found::Segment(len),
                // Complete, but too short: Baler makes no such segments.
                Some(_) => {
                    self.is_foreign |= self.segments.is_empty();
                    return Found::Nothing;
                }
                None => {}
            }
        }
        // The marker may be data, or there is none because this is the end: inflating decides.
        let (taken, is_end) = self.partial.inflate(rest);
        let made = self.partial.out.len();
        if is_end {
            let Some((trailer, padding)) = rest[taken..].split_first_chunk::<TRAILER>() else {
                return Found::Nothing;
            };
            let word = |at: usize| {
                u32::from_le_bytes([trailer[at], trailer[at + 1], trailer[at + 2], trailer[at + 3]])
            };
            let end = End { len: made as u64, crc: word(0), stream_len: word(4) };
            let fits = is_last && padding.len() <= MAX_PADDING;
            return if fits { Found::Last(taken, end) } else { Found::Nothing };
        }
        if made < BLOCK {
            return Found::Nothing;
        }
        // The marker is a few bytes after the last one that gave data. The header of the next block may have been taken
        // already.
        let around = taken.saturating_sub(1024)..rest.len().min(taken + 16);
        for found in finder.find_iter(&rest[around.clone()]) {
            let len = around.start + found + MARKER.len();
            let inflated = self.inflater.inflate(&mut rest[..len].to_vec(), 0);
            if inflated.is_some_and(|inflated| inflated.len() == BLOCK) {
                return Found::Segment(len);
            }
        }
        Found::Nothing
    }
}

/// Inflates segments that may not be complete.
pub(super) struct Partial {
    inflate: Decompress,
    /// The data that was inflated last, at most a block.
    pub(super) out: Vec<u8>,
}

impl Partial {
    pub(super) fn new() -> Partial {
        Partial { inflate: Decompress::new(false), out: Vec::with_capacity(BLOCK) }
    }

    /// Inflates as much of `bytes` as possible, up to a block; returns the number of bytes taken, and whether a stream
    /// ended there.
    pub(super) fn inflate(&mut self, bytes: &[u8]) -> (usize, bool) {
        self.inflate.reset(false);
        self.out.clear();
        // One more than a block, to find the end after a whole one.
        let mut out = vec![0; BLOCK + 1];
        let mut taken = 0;
        let mut made = 0;
        let is_end = loop {
            let room = if made < BLOCK { made..BLOCK } else { made..BLOCK + 1 };
            let status =
                self.inflate.decompress(&bytes[taken..], &mut out[room], FlushDecompress::None);
            let (now_taken, now_made) =
                (self.inflate.total_in() as usize, self.inflate.total_out() as usize);
            let is_stuck = (now_taken, now_made) == (taken, made);
            match status {
                Ok(Status::StreamEnd) => {
                    (taken, made) = (now_taken, now_made);
                    break true;
                }
                _ if now_made > BLOCK => break false,
                Ok(_) if !is_stuck => (taken, made) = (now_taken, now_made),
                _ => break false,
            }
        };
        out.truncate(made.min(BLOCK));
        self.out = out;
        (taken, is_end)
    }
}
