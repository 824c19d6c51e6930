//! The SHA-1 of the archive.

use std::io::{self, Write};

use baler_manifest::Sha1Digest;
use sha1::{Digest as _, Sha1};

/// Passes everything on to `W` and computes its SHA-1.
pub(crate) struct Digest<W> {
    hash: Sha1,
    inner: W,
}

impl<W: Write> Digest<W> {
    pub(crate) fn new(inner: W) -> Digest<W> {
        Digest { hash: Sha1::new(), inner }
    }

    /// Returns the digest of everything that was written, and the next stage.
    pub(crate) fn finish(self) -> (Sha1Digest, W) {
        (Sha1Digest::new(self.hash.finalize().into()), self.inner)
    }
}

impl<W: Write> Write for Digest<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let taken = self.inner.write(data)?;
        self.hash.update(&data[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
