//! Salvaging: the rest of a damaged bundle becomes an image with holes.
//!
//! The parts are read three times: to check them, to find the stream's blocks after the damage, and to write. That is
//! slow, but simple, and needs the memory of a part or two.

mod front;
mod place;
mod scan;
mod survey;

use std::ops::Range;

use baler_image::{Extent, ImageSink};
use baler_manifest::{Contents, Sha1Digest};

use crate::parts::PartSource;
use crate::read::archive::{MAX_PADDING, Member, Stream, padding};
use crate::read::inflate::Inflater;
use crate::stage::gzip::BLOCK;
use crate::stage::tar::{self, RECORD};
use crate::{Error, Event, UnpackOptions};

use front::Front;
use place::{ImageData, Lost, Placer, place};
use scan::{Gap, Partial, REACH, Scan};
use survey::{Plain, Survey};

/// The result of salvaging a damaged bundle.
#[derive(Debug)]
#[non_exhaustive]
pub struct Salvage {
    /// An error for each part that is missing or differs from the manifest.
    pub parts: Vec<Error>,
    /// The other faults: of the sum of the lengths, the padding, the gzip stream.
    pub stream: Vec<Error>,
    /// The check of the archive's digest; `None` if not all of the archive could be read.
    pub image: Option<Result<(), Error>>,
    /// The bytes of the image that should be data and are zeros now: ascending, not touching.
    pub lost: Vec<Range<u64>>,
    /// The bytes of the image that were written but may be wrong, because they, or the values that placed them, come
    /// from a part that differs from the manifest: ascending, not touching, none of them lost.
    pub suspect: Vec<Range<u64>>,
}

impl Salvage {
    /// Says whether the image that was written is the one that was bundled, to the last byte, by its digest.
    pub fn is_whole(&self) -> bool {
        self.lost.is_empty() && matches!(self.image, Some(Ok(())))
    }
}

/// Writes to `sink` the rest of the image that a damaged bundle still holds, and commits it.
///
/// `contents` is trusted: check the manifest's signature first. Bytes that the result does not report as lost or
/// suspect are those that were bundled. There is one exception: the digest in [`image`](Salvage::image) is wrong and
/// all parts are right. Then the bundle never held the image of its manifest.
///
/// In a bundle that Baler made, each MiB of the archive can be read without the others
/// ([format](baler_manifest::format#the-gzip-stream)): a wrong byte costs one or two of them, a missing part those of
/// which it holds a share. Data between two missing parts can often not be placed, and then counts as lost. In other
/// tools' bundles all data after the first damage is lost or suspect.
///
/// Events report the parts as they are read for the first time, and the image as it is written.
///
/// # Errors
///
/// [`Error::Nothing`] if no byte can be placed; [`Error::Archive`] if the image has another length; [`Error::Sink`];
/// the error of a part that was right at first and is wrong when it is read again. `sink` is then dropped without a
/// commit.
pub fn salvage(
    contents: &Contents,
    options: &UnpackOptions<'_>,
    source: &dyn PartSource,
    mut sink: Box<dyn ImageSink + '_>,
    on_event: &(dyn Fn(Event) + Sync),
) -> Result<Salvage, Error> {
    let survey = Survey::new(contents, source, on_event);
    let bundle = Bundle { contents, options, source, survey };
    let layout = match bundle.layout() {
        Ok(layout) => layout,
        Err(error) => return Err(bundle.blame(error)),
    };
    let scan = bundle.scan()?;

    let all = [Extent { offset: 0, len: contents.size }];
    let extents = layout.map.as_deref().unwrap_or(&all);
    sink.begin(contents.size, layout.map.as_deref()).map_err(Error::Sink)?;
    let image = ImageData { len: contents.size, extents, begin: layout.begin };
    let mut placer = Placer::new(&mut *sink, on_event, image);
    let written = match scan {
        Some(scan) => bundle.write_segments(&scan, &layout, &mut placer)?,
        None => bundle.write_front(&layout, &mut placer)?,
    };
    let Placer { has_written, lost, suspect, .. } = placer;
    if !has_written && lost.next(0).is_some() {
        let reason = written.stream.into_iter().next();
        let reason = reason.unwrap_or_else(|| Error::Archive("it ends in the middle".into()));
        return Err(bundle.blame(Error::Nothing(Box::new(reason))));
    }
    sink.commit().map_err(Error::Sink)?;

    let Survey { errors: parts, size, .. } = bundle.survey;
    let image = match written.digest {
        Some(actual) if actual == contents.digest => Some(Ok(())),
        Some(actual) if written.is_end => {
            Some(Err(Error::ImageDigest { expected: contents.digest, actual }))
        }
        _ => None,
    };
    // The digest covers everything: if it is right, nothing is wrong, whatever part it came from.
    let suspect = if matches!(image, Some(Ok(()))) { Vec::new() } else { suspect.into_vec() };
    let stream = size.into_iter().chain(written.stream).collect();
    Ok(Salvage { parts, stream, image, lost: lost.into_vec(), suspect })
}

/// A bundle whose parts were checked.
struct Bundle<'a> {
    contents: &'a Contents,
    options: &'a UnpackOptions<'a>,
    source: &'a dyn PartSource,
    survey: Survey,
}

/// The values of the start of the archive.
struct Layout {
    map: Option<Vec<Extent>>,
    /// The start of the data in the archive, and its end.
    begin: u64,
    end: u64,
    /// True if these values may be wrong, and with them every place that depends on them.
    is_suspect: bool,
}

/// The result of writing.
struct Written {
    stream: Vec<Error>,
    /// The digest of the archive, if nothing of it is missing up to the place where reading stopped.
    digest: Option<Sha1Digest>,
    /// True if the stream was read to its end.
    is_end: bool,
}

/// A range of the gzip stream to inflate and to write.
struct Task {
    range: Range<u64>,
    /// The place in the archive.
    at: u64,
    is_segment: bool,
    is_suspect: bool,
}

impl Bundle<'_> {
    fn plain(&self) -> Plain<'_> {
        Plain::new(&self.survey, self.contents, self.source, self.options)
    }

    /// Chooses the reason for which nothing can be salvaged: a bad part rather than its consequences.
    fn blame(self, error: Error) -> Error {
        match (error, self.survey.errors.into_iter().next()) {
            (Error::Nothing(_), Some(bad)) => Error::Nothing(Box::new(bad)),
            (error, _) => error,
        }
    }

    /// Reads the archive's header and map.
    fn layout(&self) -> Result<Layout, Error> {
        let mut front = Front::new(&self.survey, self.plain());
        let mut next = || front.next().transpose();
        let mut stream = Stream::new(&mut next);
        let member = Member::read(&mut stream, self.contents.size);
        let begin = stream.position();
        let member = match member {
            Ok(member) => member,
            Err(error) if front.has_ended() || front.is_suspect => {
                return Err(Error::Nothing(Box::new(front.error.unwrap_or(error))));
            }
            Err(error) => return Err(error),
        };
        let stored = match &member.map {
            Some(map) => map.iter().map(|extent| extent.len).sum(),
            None => member.len,
        };
        // A single header has a checksum; further ones, and a map, have none.
        let is_suspect = front.is_suspect && begin > tar::BLOCK as u64;
        Ok(Layout { map: member.map, begin, end: begin + stored + padding(stored), is_suspect })
    }

    /// Finds the segments of a damaged stream, if Baler made it.
    fn scan(&self) -> Result<Option<Scan<'_>>, Error> {
        if self.survey.damaged.next(0).is_none() {
            return Ok(None);
        }
        let (mut plain, mut scan) = (self.plain(), Scan::new(&self.survey));
        while !scan.is_foreign
            && let Some((at, piece)) = plain.next()?
        {
            scan.push(at, piece);
        }
        scan.finish();
        Ok((!scan.is_foreign && !scan.segments.is_empty()).then_some(scan))
    }

    /// Writes the data that can be read from the start without a gap.
    fn write_front(&self, layout: &Layout, placer: &mut Placer<'_>) -> Result<Written, Error> {
        let mut front = Front::new(&self.survey, self.plain());
        let (mut at, mut stream) = (0, Vec::new());
        while let Some(data) = front.next()? {
            placer.put(at, &data, front.is_suspect || layout.is_suspect)?;
            at += data.len() as u64;
            if at > layout.end + MAX_PADDING {
                stream.push(Error::Archive("too many zeros follow the image".into()));
                break;
            }
        }
        let digest = placer.finish(at).map(|(digest, _)| digest);
        stream.extend(front.error);
        Ok(Written { stream, digest, is_end: front.is_whole })
    }

    /// Writes the segments that can be placed.
    fn write_segments(
        &self,
        scan: &Scan<'_>,
        layout: &Layout,
        placer: &mut Placer<'_>,
    ) -> Result<Written, Error> {
        let archive_len = archive_len(scan, layout);
        let tasks = self.tasks(scan, layout, archive_len.unwrap_or(0).div_ceil(BLOCK as u64));
        let mut tasks = tasks.into_iter().peekable();
        let (mut inflater, mut partial) = (Inflater::new(), Partial::new());
        let (mut plain, mut window, mut window_at) = (self.plain(), Vec::new(), 0);
        while let Some((at, piece)) = plain.next()? {
            if at != window_at + window.len() as u64 {
                (window, window_at) = (Vec::new(), at);
            }
            window.extend(piece);
            let end = window_at + window.len() as u64;
            while let Some(task) = tasks.next_if(|task| task.range.end <= end) {
                // A bad part may be different each time it is read.
                let Some(from) = task.range.start.checked_sub(window_at) else { continue };
                let bytes = &window[from as usize..(task.range.end - window_at) as usize];
                let inflated = if task.is_segment {
                    inflater.inflate(&mut bytes.to_vec(), 0).filter(|data| data.len() == BLOCK)
                } else {
                    partial.inflate(bytes);
                    Some(std::mem::take(&mut partial.out))
                };
                if let Some(data) = inflated {
                    placer.put(task.at, &data, task.is_suspect)?;
                }
            }
            let used = tasks.peek().map_or(end, |task| task.range.start.clamp(window_at, end));
            window.drain(..(used - window_at) as usize);
            window_at = used;
        }
        let found = placer.finish(archive_len.unwrap_or(layout.end));
        let mut stream: Vec<_> = plain.padding.into_iter().collect();
        if let (Some((_, crc)), Some(end)) = (found, scan.end)
            && crc != end.crc
        {
            let what = "its CRC-32 is not what its end says";
            stream.push(Error::Gzip { at: self.survey.len, what });
        }
        let digest = found.map(|(digest, _)| digest);
        Ok(Written { stream, digest, is_end: scan.end.is_some() })
    }

    /// Lists each segment that can be placed, and the undamaged start of the one after each run.
    fn tasks(&self, scan: &Scan<'_>, layout: &Layout, total: u64) -> Vec<Task> {
        let (missing, damaged) = (&self.survey.missing, &self.survey.damaged);
        let ends: Vec<_> =
            scan.gaps.iter().map(|gap| gap.after).chain([scan.segments.len()]).collect();
        let runs: Vec<_> = (0..ends.len())
            .map(|run| if run == 0 { 0 } else { ends[run - 1] }..ends[run])
            .collect();
        let lens: Vec<_> = runs.iter().map(|run| run.len() as u64).collect();
        let lost = |gap: &Gap| {
            let is_missing = missing.overlaps(&gap.range);
            let len = gap.range.end - gap.range.start;
            let len = if is_missing && !self.survey.is_regular { 0 } else { len };
            Lost::new(len, (!is_missing).then_some(gap.markers))
        };
        let lost: Vec<_> = scan.gaps.iter().map(lost).collect();
        let mut tasks = Vec::with_capacity(scan.segments.len() + scan.gaps.len());
        for (run, placed) in place(&lens, &lost, total).into_iter().enumerate() {
            let Some(placed) = placed else { continue };
            let mut at = placed.index * BLOCK as u64;
            for index in runs[run].clone() {
                let range = scan.segments[index].clone();
                let is_segment = index + 1 < scan.segments.len() || scan.end.is_none();
                let is_suspect =
                    layout.is_suspect || !placed.is_certain || self.survey.suspect.overlaps(&range);
                tasks.push(Task { range, at, is_segment, is_suspect });
                at += BLOCK as u64;
            }
            if let Some(gap) = scan.gaps.get(run) {
                let start = gap.range.start;
                let whole = damaged.next(start).map_or(gap.range.end, |bad| bad.min(gap.range.end));
                let range = start..whole.min(start + REACH as u64);
                let is_suspect = layout.is_suspect || !placed.is_certain;
                tasks.push(Task { range, at, is_segment: false, is_suspect });
            }
        }
        tasks
    }
}

/// Finds the length of the archive, from the known values of its start and of its end.
fn archive_len(scan: &Scan<'_>, layout: &Layout) -> Option<u64> {
    let usual = (layout.end + 2 * tar::BLOCK as u64).next_multiple_of(RECORD);
    let Some(end) = scan.end else { return Some(usual) };
    // The stream's trailer has it modulo 2^32.
    let known = layout.end + u64::from(end.stream_len.wrapping_sub(layout.end as u32));
    let fits = |len: &u64| {
        *len <= layout.end + MAX_PADDING
            && len - (len.div_ceil(BLOCK as u64) - 1) * BLOCK as u64 == end.len
    };
    [known, usual].into_iter().find(fits)
}
