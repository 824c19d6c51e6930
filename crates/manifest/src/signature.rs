//! The signature of a manifest, and the outcome of checking it.

use std::fmt;

use crate::hex;

/// The text of the `signature` element of a manifest that nobody signed.
pub(crate) const UNSIGNED: &str = "UNSIGNED";

/// The `signature` of a manifest.
#[derive(Clone, PartialEq, Eq)]
pub enum Signature {
    /// Nobody signed: the text is `UNSIGNED` or empty, or the element is missing. EC2 refuses the last two.
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

/// The outcome of checking a signature. None is an error: the caller decides whether a signature is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum SignatureCheck {
    /// The holder of the key signed these bytes.
    Valid,
    /// Nobody signed them.
    Unsigned,
    /// The bytes were changed after they were signed, or were signed with another key.
    Mismatch,
}
