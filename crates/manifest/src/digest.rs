//! SHA-1 digests, of the image and of each part.

use std::fmt;
use std::str::FromStr;

use sha1::{Digest as _, Sha1};

use crate::hex::{self, HexError};

/// A SHA-1 digest: 20 bytes, shown as 40 lower-case hexadecimal digits and read from digits in any case.
///
/// Digests are compared as bytes: tools that compared the text, or dropped a leading zero, failed on one image in
/// sixteen ([format](crate::format#what-a-reader-must-not-trust)).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha1Digest([u8; 20]);

impl Sha1Digest {
    /// Makes the digest with these bytes.
    pub fn new(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Computes the digest of runs of bytes, one after the other.
    pub(crate) fn of<'a>(runs: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut sha1 = Sha1::new();
        runs.for_each(|run| sha1.update(run));
        Self(sha1.finalize().into())
    }

    /// Returns the 20 bytes.
    pub fn bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl FromStr for Sha1Digest {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        let mut bytes = [0; 20];
        hex::decode_into(text.as_bytes(), &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Sha1Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Sha1Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<[u8; 20]> for Sha1Digest {
    fn from(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }
}
