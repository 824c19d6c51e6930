//! The signature of a manifest, and the outcome of checking it.

use std::fmt;

use crate::hex;

/// The text of the `signature` element of a manifest that nobody signed.
pub(crate) const UNSIGNED: &str = "UNSIGNED";

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
