//! A manifest as it was read: the exact text, the signed ranges of it, and its contents.

use std::ops::Range;

use crate::parse::{self, ParseError};
use crate::{Contents, PublicKey, Sha1Digest, Signature, SignatureCheck, Version};

/// A manifest that was read.
///
/// The text is kept byte for byte, because it is what was signed: verification never writes it anew. All that
/// [`contents`](Self::contents) returns was taken from the signed bytes, except the bundler. The version is not signed
/// either, but a changed version does no harm: the manifest is refused, fails its signature, or means the same.
#[derive(Clone, Debug)]
pub struct Manifest {
    text: String,
    signed: Vec<Range<usize>>,
    version: Version,
    contents: Contents,
    signature: Signature,
}

impl Manifest {
    /// Reads a manifest of version 3, 2007-08-29 or 2007-10-10 ([format](crate::format#the-manifest)).
    ///
    /// White space between elements, unknown elements, either kind of quotes and a byte order mark are accepted. The
    /// signature is not checked: [`check_signature`](Self::check_signature) does that.
    ///
    /// # Errors
    ///
    /// [`ParseError`] if the document is not such a manifest, could be read in two ways, or names a file that could be
    /// outside of the bundle's directory.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let parse::Parsed { text, version, signed, contents, signature } = parse::parse(bytes)?;
        Ok(Self { text: text.to_owned(), signed, version, contents, signature })
    }

    /// Returns the version of the format.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns the contents.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Returns the contents by value.
    pub fn into_contents(self) -> Contents {
        self.contents
    }

    /// Returns the document, exactly as it was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the bytes that are signed, one run after the other: `machine_configuration`, unless the version is 3,
    /// and `image`, each from its start tag to its end tag.
    pub fn signed(&self) -> impl Iterator<Item = &[u8]> {
        self.signed.iter().map(|range| &self.text.as_bytes()[range.clone()])
    }

    /// Returns the signature.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Checks whether the holder of `key` signed this manifest ([format](crate::format#signature)).
    pub fn check_signature(&self, key: &PublicKey) -> SignatureCheck {
        let Signature::Rsa(signature) = &self.signature else { return SignatureCheck::Unsigned };
        if key.verify(&Sha1Digest::of(self.signed()), signature) {
            SignatureCheck::Valid
        } else {
            SignatureCheck::Mismatch
        }
    }
}
