//! The archive from its start up to the first place that cannot be read.

use std::sync::mpsc::{Receiver, channel};

use super::survey::{Plain, Survey};
use crate::Error;
use crate::read::inflate::{Serial, Stop};

/// The bytes that are inflated at a time. At most a thousand times as many come out.
const STEP: usize = 16 << 10;

/// Inflates the stream from its start, whatever tool made it.
pub(super) struct Front<'a> {
    survey: &'a Survey,
    plain: Plain<'a>,
    serial: Serial<'a>,
    inflated: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    /// The number of bytes of the piece that were used, and the place of the rest in the stream.
    used: usize,
    at: u64,
    has_ended: bool,
    /// True if anything from a bad part has been inflated.
    pub(super) is_suspect: bool,
    /// True if the stream was read to its end and was right.
    pub(super) is_whole: bool,
    /// The reason for which reading stopped, or the fault at the end.
    pub(super) error: Option<Error>,
}

impl<'a> Front<'a> {
    pub(super) fn new(survey: &'a Survey, plain: Plain<'a>) -> Front<'a> {
        let (output, inflated) = channel();
        Front {
            survey,
            plain,
            serial: Serial::new(move |data| output.send(data).is_ok()),
            inflated,
            piece: Vec::new(),
            used: 0,
            at: 0,
            has_ended: false,
            is_suspect: false,
            is_whole: false,
            error: None,
        }
    }

    /// Says whether there is nothing more to read.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Returns the next bytes of the archive; `is_suspect` applies to them.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        loop {
            if let Ok(data) = self.inflated.try_recv() {
                return Ok(Some(data));
            }
            if self.has_ended {
                return Ok(None);
            }
            if self.used == self.piece.len() {
                match self.plain.next()? {
                    Some((at, piece)) if at == self.at => (self.piece, self.used) = (piece, 0),
                    // The next piece is after a gap, or there is none.
                    next => {
                        self.end(next.is_none() && self.at + 16 >= self.survey.len);
                        continue;
                    }
                }
            }
            self.step();
        }
    }

    fn step(&mut self) {
        let mut len = (self.piece.len() - self.used).min(STEP);
        if !self.is_suspect {
            match self.survey.damaged.next(self.at) {
                Some(bad) if bad <= self.at => {
                    self.is_suspect = true;
                }
                Some(bad) => len = len.min((bad - self.at) as usize),
                None => {}
            }
        }
        let fed = self.serial.feed(&self.piece[self.used..self.used + len]);
        self.used += len;
        self.at += len as u64;
        // Data that was inflated before the fault, and before the first suspect byte, counts.
        let drained = self.serial.drain();
        if let Err(Stop::Failed(error)) = fed.and(drained) {
            self.error = Some(error);
            self.has_ended = true;
        }
    }

    /// Ends the input; `whole` says whether the stream should be complete.
    fn end(&mut self, whole: bool) {
        self.has_ended = true;
        if whole {
            match self.serial.finish() {
                Err(Stop::Failed(error)) => self.error = Some(error),
                _ => self.is_whole = true,
            }
        }
        self.error = self.error.take().or(self.plain.padding.take());
    }
}
