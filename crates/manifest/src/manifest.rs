//! A manifest as it was read: the exact text, what in it is signed, and what it says.

use std::fmt;
use std::ops::Range;

use sha1::{Digest as _, Sha1};

use crate::parse::{self, ParseError};
use crate::{Contents, PublicKey, Sha1Digest, Version, hex};

/// The `signature` of a manifest.
#[derive(Clone, PartialEq, Eq)]
pub enum Signature {
    /// There is none: the text is `UNSIGNED`, or empty, or the element is not there. EC2 refuses the last two.
    Unsigned,
    /// RSA PKCS#1 v1.5 with SHA-1, as many bytes as the key of the signer has.
    Rsa(Vec<u8>),
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned => f.write_str("Unsigned"),
            Self::Rsa(bytes) => write!(f, "Rsa({})", hex::encode(bytes)),
        }
    }
}

/// What came of checking a signature. None of these is an error: the caller knows whether it needs one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum SignatureCheck {
    /// The holder of the key signed these bytes.
    Valid,
    /// Nobody signed them.
    Unsigned,
    /// They were changed after they were signed, or signed with another key.
    Mismatch,
}

/// A manifest that was read.
///
/// It keeps the text, byte for byte, because that is what was signed: verifying never writes it anew. All that
/// [`contents`](Self::contents) says was taken from the signed bytes, except for the bundler. The version is not
/// signed either, but says little: taken for one of another version, a manifest is refused, fails its signature, or
/// means the same.
#[derive(Clone, Debug)]
pub struct Manifest {
    text: String,
    signed: Vec<Range<usize>>,
    version: Version,
    contents: Contents,
    signature: Signature,
}

impl Manifest {
    /// Reads a manifest of version 3, 2007-08-29 or 2007-10-10 (`docs/format.md`, "The manifest").
    ///
    /// Pretty-printed documents, elements that have no meaning, either kind of quotes and a byte order mark are fine.
    /// The signature is not checked here: [`check_signature`](Self::check_signature) does that.
    ///
    /// # Errors
    ///
    /// Whatever could mean two things, or lead out of the bundle's directory, is refused: see [`ParseError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let parse::Parsed { text, version, signed, contents, signature } = parse::parse(bytes)?;
        Ok(Self { text: text.to_owned(), signed, version, contents, signature })
    }

    /// The version of the format that it is in.
    pub fn version(&self) -> Version {
        self.version
    }

    /// What it says.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// What it says, by value.
    pub fn into_contents(self) -> Contents {
        self.contents
    }

    /// The document, exactly as it was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The bytes that are signed, one run after the other: `machine_configuration`, unless the version is 3, and
    /// `image`, each from its start tag to its end tag.
    pub fn signed(&self) -> impl Iterator<Item = &[u8]> {
        self.signed.iter().map(|range| &self.text.as_bytes()[range.clone()])
    }

    /// Its signature.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Checks that the holder of `key` signed this manifest (`docs/format.md`, "Signature").
    pub fn check_signature(&self, key: &PublicKey) -> SignatureCheck {
        let Signature::Rsa(signature) = &self.signature else { return SignatureCheck::Unsigned };
        match key.verify(&digest(self.signed()), signature) {
            true => SignatureCheck::Valid,
            false => SignatureCheck::Mismatch,
        }
    }
}

/// The SHA-1 of runs of bytes, one after the other.
pub(crate) fn digest<'a>(runs: impl Iterator<Item = &'a [u8]>) -> Sha1Digest {
    let mut sha1 = Sha1::new();
    runs.for_each(|run| sha1.update(run));
    Sha1Digest::new(sha1.finalize().into())
}
