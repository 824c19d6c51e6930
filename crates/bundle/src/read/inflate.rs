//! Inflating the gzip stream: on every core if its blocks are independent, else on one.
//!
//! A bundle made by Baler has a marker after every MiB of data (`stage::gzip`), and nothing refers back across it. The
//! cutter cuts the stream at everything that looks like a marker, workers inflate the segments as if each were a stream
//! of its own, and the collector takes the results in order. It accepts a segment only if it decodes from a known start
//! of a block to exactly its own end, which makes that end the next known start. If that fails (another tool's stream,
//! marker bytes that are data), the collector continues alone, from the last known start, with the last 32 KiB as its
//! window.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use flate2::{Decompress, FlushDecompress, Status};
use memchr::memmem;

use super::Piece;
use crate::Error;
use crate::stage::gzip::{BLOCK, HEADER, MARKER, bound};

/// The bytes that are inflated before they are passed on, in a stream without markers.
const OUTPUT: usize = 512 << 10;
/// The greatest distance of a reference in DEFLATE (RFC 1951, section 2).
const WINDOW: usize = 32 << 10;
/// The greatest length of a gzip header, names and comments included.
const MAX_HEADER: usize = 8 << 10;
/// The most segments that are joined to one, because the markers between them are data. Text has no such markers; data
/// that was compressed before may have several in a MiB.
const MOST_JOINED: usize = 32;
/// A final stored block of eight bytes. Appended to a segment it ends the segment's stream; if its bytes come out at
/// the right place, nothing ended the stream before. (A stream can be made to end with these very bytes; then the
/// image's digest is wrong.)
const SEAL: [u8; 13] = [1, 8, 0, 0xf7, 0xff, 0x3c, 0xa9, 0x51, 0xe6, 0x07, 0xd2, 0x8f, 0x74];

/// Inflates `input` into `output`, on `jobs` threads if that is possible.
pub(crate) fn spawn<'scope>(
    scope: &'scope Scope<'scope, '_>,
    jobs: usize,
    alone: &'scope AtomicBool,
    input: Receiver<Piece>,
    output: SyncSender<Piece>,
) {
    let (workers, results): (Vec<_>, Vec<_>) = (0..jobs.max(1))
        .map(|_| {
            let (to_worker, segments) = sync_channel(1);
            let (to_collector, results) = sync_channel(1);
            scope.spawn(move || work(&segments, &to_collector, alone));
            (to_worker, results)
        })
        .unzip();
    scope.spawn(move || cut(&input, &workers, alone));
    scope.spawn(move || {
        let serial = Serial::new(|data| output.send(Ok(data)).is_ok());
        let mut collector = Collector { results: results.iter().cycle(), serial, alone };
        if let Err(Stop::Failed(error)) = collector.run() {
            // If the receiver is gone, it has had an error before.
            let _ = output.send(Err(error));
        }
    });
}

/// A run of the compressed stream.
enum Segment {
    /// From one marker to the next; `header` bytes of gzip header come first.
    Cut {
        bytes: Vec<u8>,
        header: usize,
    },
    /// Bytes without a known end.
    Loose(Vec<u8>),
    Failed(Error),
}

struct Outcome {
    bytes: Vec<u8>,
    inflated: Option<Vec<u8>>,
}

fn cut(input: &Receiver<Piece>, workers: &[SyncSender<Segment>], alone: &AtomicBool) {
    let mut workers = workers.iter().cycle();
    let mut send = |segment| workers.next().is_some_and(|worker| worker.send(segment).is_ok());
    let marker = memmem::Finder::new(&MARKER);
    let (mut pending, mut header) = (Vec::new(), HEADER.len());
    for piece in input {
        match piece {
            Err(error) => {
                send(Segment::Failed(error));
                return;
            }
            Ok(bytes) if alone.load(Relaxed) && pending.is_empty() => {
                if !send(Segment::Loose(bytes)) {
                    return;
                }
                continue;
            }
            Ok(bytes) => pending.extend_from_slice(&bytes),
        }
        let (mut start, mut from) = (0, 0);
        // A header with optional fields is not ours; nor is a stream that has no marker for so long.
        let mut ours = pending.starts_with(&HEADER[..4]) || header == 0;
        while ours && !alone.load(Relaxed) {
            let Some(found) = marker.find(&pending[from..]) else {
                ours = pending.len() - start <= bound(BLOCK as u64) as usize;
                break;
            };
            let at = from + found;
            let end = at + MARKER.len();
            from = at + 1;
            // The head of an empty block is three zero bits, and zeros fill the byte: its highest bits are zero.
            if at == start || pending[at - 1] & 0xe0 != 0 {
                continue;
            }
            let mut bytes = Vec::with_capacity(end - start + SEAL.len());
            bytes.extend_from_slice(&pending[start..end]);
            if !send(Segment::Cut { bytes, header }) {
                return;
            }
            (start, from, header) = (end, end, 0);
        }
        pending.drain(..start);
        if !ours {
            alone.store(true, Relaxed);
        }
        if alone.load(Relaxed) && !send(Segment::Loose(std::mem::take(&mut pending))) {
            return;
        }
    }
    send(Segment::Loose(pending));
}

fn work(
    segments: &Receiver<Segment>,
    results: &SyncSender<Result<Outcome, Error>>,
    alone: &AtomicBool,
) {
    let mut inflater = Inflater::new();
    for segment in segments {
        let outcome = match segment {
            Segment::Cut { mut bytes, header } => {
                let inflated =
                    (!alone.load(Relaxed)).then(|| inflater.inflate(&mut bytes, header)).flatten();
                Ok(Outcome { bytes, inflated })
            }
            Segment::Loose(bytes) => Ok(Outcome { bytes, inflated: None }),
            Segment::Failed(error) => Err(error),
        };
        if results.send(outcome).is_err() {
            return;
        }
    }
}

/// Inflates segments, each as a stream of its own.
pub(crate) struct Inflater(libdeflater::Decompressor);

impl Inflater {
    pub(crate) fn new() -> Inflater {
        Inflater(libdeflater::Decompressor::new())
    }

    /// Inflates `bytes` after the first `header` ones, if they are whole blocks of at most a MiB that refer to nothing
    /// before.
    pub(crate) fn inflate(&mut self, bytes: &mut Vec<u8>, header: usize) -> Option<Vec<u8>> {
        let (len, seal) = (bytes.len(), &SEAL[5..]);
        bytes.extend_from_slice(&SEAL);
        let mut inflated = vec![0; BLOCK + seal.len()];
        let end = self.0.deflate_decompress(&bytes[header..], &mut inflated);
        bytes.truncate(len);
        inflated.truncate(end.ok()?);
        inflated.ends_with(seal).then(|| {
            inflated.truncate(inflated.len() - seal.len());
            inflated
        })
    }
}

/// The reason for which the stream is not inflated to its end.
pub(crate) enum Stop {
    Failed(Error),
    ReceiverGone,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Failed(error)
    }
}

struct Collector<'a> {
    results: std::iter::Cycle<std::slice::Iter<'a, Receiver<Result<Outcome, Error>>>>,
    serial: Serial<'a>,
    alone: &'a AtomicBool,
}

impl Collector<'_> {
    fn next(&mut self) -> Result<Option<Outcome>, Error> {
        match self.results.next().map(Receiver::recv) {
            Some(Ok(outcome)) => outcome.map(Some),
            _ => Ok(None),
        }
    }

    fn run(&mut self) -> Result<(), Stop> {
        let mut inflater = Inflater::new();
        while let Some(outcome) = self.next()? {
            if let Some(inflated) = outcome.inflated {
                self.serial.accept(outcome.bytes.len(), inflated)?;
                continue;
            }
            let mut bytes = outcome.bytes;
            if let Some(inflated) = self.join(&mut bytes, &mut inflater)? {
                self.serial.accept(bytes.len(), inflated)?;
                continue;
            }
            self.alone.store(true, Relaxed);
            self.serial.feed(&bytes)?;
            break;
        }
        while let Some(outcome) = self.next()? {
            self.serial.feed(&outcome.bytes)?;
        }
        self.serial.finish()
    }

    /// Adds the segments that follow to `bytes` until they can be inflated together: the markers between them are data.
    fn join(
        &mut self,
        bytes: &mut Vec<u8>,
        inflater: &mut Inflater,
    ) -> Result<Option<Vec<u8>>, Error> {
        let header = if self.serial.at == 0 { HEADER.len() } else { 0 };
        for _ in 0..MOST_JOINED {
            if !bytes.ends_with(&MARKER) || bytes.len() as u64 > bound(BLOCK as u64) {
                break;
            }
            let Some(next) = self.next()? else { break };
            bytes.extend_from_slice(&next.bytes);
            if let Some(inflated) = inflater.inflate(bytes, header) {
                return Ok(Some(inflated));
            }
        }
        Ok(None)
    }
}

/// The position in the gzip format.
enum State {
    Header(Vec<u8>),
    Body(Box<Decompress>),
    Trailer(Vec<u8>),
    Between,
}

/// Inflates a whole stream in order.
pub(crate) struct Serial<'a> {
    /// Takes the inflated data, until it returns `false`.
    output: Box<dyn FnMut(Vec<u8>) -> bool + 'a>,
    state: State,
    /// The data that workers inflated last, if the stream is to be continued after it.
    window: Option<Vec<u8>>,
    inflated: Vec<u8>,
    filled: usize,
    /// The CRC-32 of the member so far.
    crc: crc32fast::Hasher,
    /// The length of the member so far, modulo 2^32, as its trailer has it.
    len: u32,
    /// The number of compressed bytes so far.
    at: u64,
}

impl<'a> Serial<'a> {
    pub(crate) fn new(output: impl FnMut(Vec<u8>) -> bool + 'a) -> Serial<'a> {
        let (output, state) = (Box::new(output), State::Header(Vec::new()));
        Serial {
            output,
            state,
            window: None,
            inflated: Vec::new(),
            filled: 0,
            crc: crc32fast::Hasher::new(),
            len: 0,
            at: 0,
        }
    }

    fn wrong(&self, what: &'static str) -> Stop {
        Stop::Failed(Error::Gzip { at: self.at, what })
    }

    fn pass_on(&mut self, data: Vec<u8>) -> Result<(), Stop> {
        self.crc.update(&data);
        self.len = self.len.wrapping_add(data.len() as u32);
        if (self.output)(data) { Ok(()) } else { Err(Stop::ReceiverGone) }
    }

    /// Passes on the data that is inflated so far.
    pub(crate) fn drain(&mut self) -> Result<(), Stop> {
        let mut data = std::mem::take(&mut self.inflated);
        data.truncate(std::mem::take(&mut self.filled));
        if data.is_empty() { Ok(()) } else { self.pass_on(data) }
    }

    /// Takes the data that a worker inflated from the next `len` compressed bytes.
    fn accept(&mut self, len: usize, inflated: Vec<u8>) -> Result<(), Stop> {
        self.at += len as u64;
        // If the next segment fails, it is inflated from here, with this window.
        let window = self.window.get_or_insert_default();
        window.extend_from_slice(&inflated[inflated.len().saturating_sub(WINDOW)..]);
        window.drain(..window.len().saturating_sub(WINDOW));
        self.pass_on(inflated)
    }

    /// Inflates the next compressed bytes.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        if let Some(window) = self.window.take() {
            let mut body = Decompress::new(false);
            body.set_dictionary(&window)
                .map_err(|_| self.wrong("it cannot be continued in its middle"))?;
            self.state = State::Body(Box::new(body));
        }
        while !bytes.is_empty() {
            let taken = self.step(bytes)?;
            self.at += taken as u64;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// Takes some of `bytes`; returns how many.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        match &mut self.state {
            State::Between if bytes[0] == HEADER[0] => {
                self.state = State::Header(Vec::new());
                Ok(0)
            }
            State::Between => Err(self.wrong("there is something after its end")),
            State::Header(header) => {
                header.push(bytes[0]);
                match header_end(header) {
                    Some(true) => self.state = State::Body(Box::new(Decompress::new(false))),
                    Some(false) => return Err(self.wrong("this is not a gzip header")),
                    None => {}
                }
                Ok(1)
            }
            State::Body(body) => {
                self.inflated.resize(OUTPUT, 0);
                let (before_in, before_out) = (body.total_in(), body.total_out());
                let status = body.decompress(
                    bytes,
                    &mut self.inflated[self.filled..],
                    FlushDecompress::None,
                );
                let taken = (body.total_in() - before_in) as usize;
                let made = (body.total_out() - before_out) as usize;
                let Ok(status) = status else {
                    return Err(self.wrong("the compressed data is damaged"));
                };
                if status == Status::BufError && taken == 0 && made == 0 {
                    return Err(self.wrong("the compressed data makes no progress"));
                }
                self.filled += made;
                if self.filled == OUTPUT || status == Status::StreamEnd {
                    self.drain()?;
                }
                if status == Status::StreamEnd {
                    self.state = State::Trailer(Vec::new());
                }
                Ok(taken)
            }
            State::Trailer(trailer) => {
                let taken = bytes.len().min(8 - trailer.len());
                trailer.extend_from_slice(&bytes[..taken]);
                if let Ok(trailer) = <[u8; 8]>::try_from(trailer.as_slice()) {
                    self.end_member(u64::from_le_bytes(trailer))?;
                }
                Ok(taken)
            }
        }
    }

    /// Checks a member against its trailer: the CRC-32, then the length (RFC 1952, section 2.3.1).
    fn end_member(&mut self, trailer: u64) -> Result<(), Stop> {
        let (crc, len) = (trailer as u32, (trailer >> 32) as u32);
        let hash = std::mem::take(&mut self.crc);
        if std::mem::take(&mut self.len) != len {
            return Err(self.wrong("its length is not what its end says"));
        }
        if hash.finalize() != crc {
            return Err(self.wrong("its CRC-32 is not what its end says"));
        }
        self.state = State::Between;
        Ok(())
    }

    pub(crate) fn finish(&mut self) -> Result<(), Stop> {
        match self.state {
            State::Between => Ok(()),
            _ => Err(self.wrong("it ends in the middle")),
        }
    }
}

/// Says whether `header` is a complete gzip header (RFC 1952, section 2.3); `false` if it cannot be the start of one,
/// `None` if it needs more bytes.
fn header_end(header: &[u8]) -> Option<bool> {
    const FHCRC: u8 = 2;
    const FEXTRA: u8 = 4;
    const FNAME: u8 = 8;
    const FCOMMENT: u8 = 16;
    const RESERVED: u8 = 0xe0;
    let fixed = header.len().min(3);
    if header[..fixed] != HEADER[..fixed] || header.len() > MAX_HEADER {
        return Some(false);
    }
    let flags = *header.get(3)?;
    if flags & RESERVED != 0 {
        return Some(false);
    }
    let mut rest = header.get(10..)?;
    if flags & FEXTRA != 0 {
        let (len, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_le_bytes(*len))..)?;
    }
    for text in [FNAME, FCOMMENT] {
        if flags & text != 0 {
            rest = &rest[rest.iter().position(|&byte| byte == 0)? + 1..];
        }
    }
    if flags & FHCRC != 0 {
        rest = rest.get(2..)?;
    }
    // Bytes are added one by one, so that there is never one too many.
    rest.is_empty().then_some(true)
}
