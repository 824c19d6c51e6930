//! Cutting of the ciphertext into parts.

use std::io::{self, Write};

use baler_manifest::{Part, Sha1Digest};
use sha1::{Digest as _, Sha1};

use crate::parts::{PART_LEN, PartNames, PartSink, SealedPart};

/// Cuts its input every 10 MiB and hands each part, with its name and digest, to a [`PartSink`].
pub(crate) struct Split<'a> {
    sink: &'a mut dyn PartSink,
    names: PartNames,
    on_part: &'a (dyn Fn(u64) + Sync),
    buffer: Vec<u8>,
    hash: Sha1,
    parts: Vec<Part>,
    bundled_len: u64,
}

impl<'a> Split<'a> {
    pub(crate) fn new(
        sink: &'a mut dyn PartSink,
        names: PartNames,
        on_part: &'a (dyn Fn(u64) + Sync),
    ) -> Split<'a> {
        let buffer = Vec::with_capacity(PART_LEN);
        Split { sink, names, on_part, buffer, hash: Sha1::new(), parts: Vec::new(), bundled_len: 0 }
    }

    /// Hands over the last part; returns all of them and the sum of their lengths.
    pub(crate) fn finish(mut self) -> io::Result<(Vec<Part>, u64)> {
        if !self.buffer.is_empty() {
            self.seal()?;
        }
        Ok((self.parts, self.bundled_len))
    }

    fn seal(&mut self) -> io::Result<()> {
        let data = std::mem::replace(&mut self.buffer, Vec::with_capacity(PART_LEN));
        let digest = Sha1Digest::new(self.hash.finalize_reset().into());
        let filename = self.names.name(self.parts.len());
        let len = data.len() as u64;
        self.sink.put(SealedPart::new(filename.clone(), digest, data))?;
        self.parts.push(Part { filename, digest });
        self.bundled_len += len;
        (self.on_part)(len);
        Ok(())
    }
}

impl Write for Split<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let taken = data.len().min(PART_LEN - self.buffer.len());
        self.hash.update(&data[..taken]);
        self.buffer.extend_from_slice(&data[..taken]);
        if self.buffer.len() == PART_LEN {
            self.seal()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
