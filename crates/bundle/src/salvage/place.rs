//! The place of each segment in the archive, and of its bytes in the image.

use std::ops::Range;

use baler_image::{Extent, ImageSink};
use baler_manifest::Sha1Digest;
use sha1::{Digest as _, Sha1};

use super::survey::Ranges;
use crate::stage::gzip::{BLOCK, bound};
use crate::{Error, Event};

/// The place of a run of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// The number of segments of the stream before it.
    pub(super) index: u64,
    /// True if that is certain; else markers in bad parts were counted.
    pub(super) is_certain: bool,
}

/// The segments in a gap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lost {
    /// Their least number.
    pub(super) least: u64,
    /// Their number by the markers, if the whole gap could be read.
    pub(super) counted: Option<u64>,
}

impl Lost {
    /// Takes the length of a gap in bytes, and the number of markers in it.
    pub(super) fn new(len: u64, counted: Option<u64>) -> Lost {
        let least = len.div_ceil(bound(BLOCK as u64)).max(1);
        // Fewer markers than segments: the bytes are not those of the stream.
        Lost { least, counted: counted.filter(|&counted| counted >= least) }
    }
}

/// Places runs of segments, given by their lengths, in a stream of `total` segments. `gaps` are between the runs, one
/// fewer than there are runs. The first run begins the stream and the last one ends it; these two may be empty.
pub(super) fn place(runs: &[u64], gaps: &[Lost], total: u64) -> Vec<Option<Placed>> {
    let mut placed = vec![None; runs.len()];
    let certain = |index| Some(Placed { index, is_certain: true });
    placed[0] = certain(0);
    let found: u64 = runs.iter().sum();
    let least: u64 = gaps.iter().map(|gap| gap.least).sum();
    let (Some(last), Some(lost)) = (gaps.len().checked_sub(1), total.checked_sub(found)) else {
        return placed;
    };
    let ends = runs[0].checked_add(gaps[0].least.max(gaps[last].least) + runs[last + 1]);
    if ends.is_none_or(|ends| ends > total) {
        return placed;
    }
    placed[last + 1] = certain(total - runs[last + 1]);
    if last == 0 || lost < least {
        return placed;
    }
    let counted: Option<Vec<u64>> = gaps.iter().map(|gap| gap.counted).collect();
    let lens = match counted {
        // As many are lost as must be at least.
        _ if lost == least => gaps.iter().map(|gap| gap.least).collect(),
        Some(counted) if counted.iter().sum::<u64>() == lost => counted,
        // One of the counts is wrong; which one is not known.
        Some(_) => return placed,
        None => {
            believe(runs, gaps, total, &mut placed);
            return placed;
        }
    };
    let mut index = 0;
    for (run, len) in lens.iter().enumerate() {
        index += runs[run] + len;
        placed[run + 1] = certain(index);
    }
    placed
}

/// Places the runs that only counted gaps separate from the start, or from the end.
fn believe(runs: &[u64], gaps: &[Lost], total: u64, placed: &mut [Option<Placed>]) {
    let believed = |index| Some(Placed { index, is_certain: false });
    let (mut front, mut first) = (runs[0], 0);
    while let Some(counted) = gaps[first].counted {
        front += counted;
        first += 1;
        placed[first] = believed(front);
        front += runs[first];
    }
    let (mut back, mut last) = (total.checked_sub(runs[gaps.len()]), gaps.len() - 1);
    while let Some(counted) = gaps[last].counted {
        back = back.and_then(|back| back.checked_sub(counted + runs[last]));
        placed[last] = back.and_then(believed);
        last -= 1;
    }
    // The runs and gaps between the two must have room, or the counts were wrong.
    let between: u64 = gaps[first..=last].iter().map(|gap| gap.least).sum::<u64>()
        + runs[first + 1..=last].iter().sum::<u64>();
    if back.is_none_or(|back| front + between > back) {
        placed[1..gaps.len()].fill(None);
    }
}

/// The data of an image in an archive.
pub(super) struct ImageData<'a> {
    /// The length of the image.
    pub(super) len: u64,
    /// The places of the data, which follow one another in the archive.
    pub(super) extents: &'a [Extent],
    /// The start of the data in the archive.
    pub(super) begin: u64,
}

/// Writes the data of the image in the archive, and records the missing bytes.
pub(super) struct Placer<'a> {
    sink: &'a mut dyn ImageSink,
    on_event: &'a (dyn Fn(Event) + Sync),
    extents: &'a [Extent],
    len: u64,
    /// The extent that is being written, and its start in the archive.
    current: usize,
    begin: u64,
    /// The end of the part of the archive that was taken.
    at: u64,
    /// The end of the part of the image that was reported.
    reported: u64,
    /// The digests, as long as nothing of the archive is missing.
    hash: Option<(Sha1, crc32fast::Hasher)>,
    pub(super) has_written: bool,
    pub(super) lost: Ranges,
    pub(super) suspect: Ranges,
}

impl<'a> Placer<'a> {
    /// Starts to write `image` to `sink`, whose image was begun.
    pub(super) fn new(
        sink: &'a mut dyn ImageSink,
        on_event: &'a (dyn Fn(Event) + Sync),
        image: ImageData<'a>,
    ) -> Placer<'a> {
        Placer {
            sink,
            on_event,
            extents: image.extents,
            len: image.len,
            current: 0,
            begin: image.begin,
            at: 0,
            reported: 0,
            hash: Some((Sha1::new(), crc32fast::Hasher::new())),
            has_written: false,
            lost: Ranges::default(),
            suspect: Ranges::default(),
        }
    }

    /// Writes the data at a place of the archive, which is at or after the end of the data before.
    pub(super) fn put(&mut self, at: u64, data: &[u8], is_suspect: bool) -> Result<(), Error> {
        self.skip(at);
        if let Some((sha1, crc)) = &mut self.hash {
            sha1.update(data);
            crc.update(data);
        }
        let end = at + data.len() as u64;
        while let Some((range, place)) = self.step(end) {
            let from = (place - at) as usize;
            let some = &data[from..from + (range.end - range.start) as usize];
            self.sink.write_at(some, range.start).map_err(Error::Sink)?;
            self.has_written = true;
            if is_suspect {
                self.suspect.push(range);
            }
        }
        Ok(())
    }

    /// Records the data up to a place of the archive as lost.
    pub(super) fn skip(&mut self, to: u64) {
        if to > self.at {
            self.hash = None;
        }
        while let Some((range, _)) = self.step(to) {
            self.lost.push(range);
        }
    }

    /// Returns the next run of image bytes before the place `to` of the archive, and its own place there.
    fn step(&mut self, to: u64) -> Option<(Range<u64>, u64)> {
        while let Some(extent) = self.extents.get(self.current) {
            let place = self.at.max(self.begin);
            let end = to.min(self.begin + extent.len);
            if place < end {
                let start = extent.offset + (place - self.begin);
                let range = start..start + (end - place);
                self.at = end;
                (self.on_event)(Event::Image(range.end - self.reported));
                self.reported = range.end;
                return Some((range, place));
            }
            if to < self.begin + extent.len {
                break;
            }
            self.begin += extent.len;
            self.current += 1;
        }
        self.at = self.at.max(to);
        None
    }

    /// Ends the archive; returns its digest and its CRC-32 if nothing is missing.
    pub(super) fn finish(&mut self, archive_len: u64) -> Option<(Sha1Digest, u32)> {
        self.skip(archive_len);
        let whole = self.hash.take();
        self.skip(u64::MAX);
        (self.on_event)(Event::Image(self.len - self.reported));
        whole.map(|(sha1, crc)| (Sha1Digest::new(sha1.finalize().into()), crc.finalize()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `None` for a run that cannot be placed, `Err` for one that is not certain.
    type Expected = Option<Result<u64, u64>>;

    fn check(runs: &[u64], gaps: &[(u64, Option<u64>)], total: u64, expected: &[Expected]) {
        let gaps: Vec<_> = gaps.iter().map(|&(least, counted)| Lost { least, counted }).collect();
        let placed = place(runs, &gaps, total);
        let answer =
            |placed: Placed| if placed.is_certain { Ok(placed.index) } else { Err(placed.index) };
        let answers: Vec<_> = placed.into_iter().map(|placed| placed.map(answer)).collect();
        assert_eq!(answers, expected, "{runs:?} {gaps:?} {total}");
    }

    #[test]
    fn runs_are_placed_from_both_ends() {
        check(&[5], &[], 5, &[Some(Ok(0))]);
        check(&[2, 3], &[(1, None)], 9, &[Some(Ok(0)), Some(Ok(6))]);
        check(&[0, 3], &[(1, Some(7))], 9, &[Some(Ok(0)), Some(Ok(6))]);
        // More than there is room for: the last run is not at the end.
        check(&[4, 5], &[(1, None)], 9, &[Some(Ok(0)), None]);
        check(&[4, 6], &[], 9, &[Some(Ok(0)), None]);
    }

    #[test]
    fn runs_between_are_placed_where_there_is_one_way() {
        // As few lost as there can be.
        check(&[2, 3, 1], &[(2, None), (4, None)], 12, &[Some(Ok(0)), Some(Ok(4)), Some(Ok(11))]);
        // Counts that add up, and counts that do not.
        check(
            &[2, 3, 1],
            &[(1, Some(2)), (1, Some(5))],
            13,
            &[Some(Ok(0)), Some(Ok(4)), Some(Ok(12))],
        );
        check(&[2, 3, 1], &[(1, Some(2)), (1, Some(5))], 14, &[Some(Ok(0)), None, Some(Ok(13))]);
        // Counts up to what cannot be counted.
        let gaps = [(1, Some(1)), (1, None), (1, None), (1, Some(2))];
        let placed = [Some(Ok(0)), Some(Err(3)), None, Some(Err(16)), Some(Ok(19))];
        check(&[2, 3, 4, 1, 1], &gaps, 20, &placed);
        let gaps = [(1, Some(1)), (1, None), (1, None), (1, Some(5))];
        check(&[2, 3, 4, 1, 1], &gaps, 16, &[Some(Ok(0)), None, None, None, Some(Ok(15))]);
        check(&[2, 3, 1], &[(1, None), (1, None)], 20, &[Some(Ok(0)), None, Some(Ok(19))]);
    }

    #[test]
    fn garbage_tells_nothing() {
        assert_eq!(Lost::new(100, Some(1)).counted, Some(1));
        assert_eq!(Lost::new(10 << 20, Some(1)).counted, None);
        assert_eq!(Lost::new(10 << 20, None).least, 10);
    }
}
