//! A manifest as it was read: the exact text, what in it is signed, and what it says.

use std::ops::Range;

use crate::parse::{self, ParseError};
use crate::{Contents, PublicKey, Sha1Digest, Signature, SignatureCheck, Version};

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
        if key.verify(&Sha1Digest::of(self.signed()), signature) {
            SignatureCheck::Valid
        } else {
            SignatureCheck::Mismatch
        }
    }
}
