//! Errors of keys and certificates.

use super::bits::{MAX_KEY_BITS, MIN_KEY_BITS};
use crate::Advice;

/// An error of a key or a certificate, or of what was to be done with one.
///
/// It holds nothing of a key, a passphrase or a decrypted text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Nothing in the file is a private key.
    #[error("not a private key: a PEM or DER file in PKCS#8 or PKCS#1 form was expected")]
    NotAPrivateKey,
    /// Nothing in the file is a certificate or a public key.
    #[error(
        "not a certificate: an X.509 certificate or a public key in a PEM or DER file was expected"
    )]
    NotACertificate,
    /// A certificate was given instead of the private key.
    #[error("this is a certificate, not a private key")]
    CertificateAsPrivateKey,
    /// A public key was given instead of the private key.
    #[error("this is a public key, not a private key")]
    PublicKeyAsPrivateKey,
    /// A private key was given instead of the certificate.
    #[error("this is a private key, not a certificate")]
    PrivateKeyAsCertificate,
    /// The key is for another algorithm; its name.
    #[error("this key is for {0}; the bundle format has RSA only")]
    NotRsa(String),
    /// The key has fewer bits than [`MIN_KEY_BITS`].
    #[error("the RSA key has {bits} bits, at least {MIN_KEY_BITS} are needed")]
    TooSmall {
        /// The bits of the modulus.
        bits: usize,
    },
    /// The key has more bits than [`MAX_KEY_BITS`].
    #[error("the RSA key has {bits} bits, at most {MAX_KEY_BITS} are supported")]
    TooLarge {
        /// The bits of the modulus.
        bits: usize,
    },
    /// An RSA key of three or more primes.
    #[error("the RSA key has more than two primes, which is not supported")]
    MultiPrime,
    /// The numbers of the key do not belong together.
    #[error("the RSA key is damaged: its numbers do not belong together")]
    Inconsistent,
    /// The PEM or DER form of a key or certificate is damaged; what it should be.
    #[error("the {0} is damaged: it was cut short or changed")]
    Damaged(&'static str),
    /// The key is encrypted, and no passphrase was given.
    #[error("the private key is encrypted and no passphrase was given")]
    PassphraseNeeded,
    /// The passphrase does not open the encrypted key.
    #[error("the passphrase does not open the private key")]
    PassphraseWrong,
    /// The encryption of the key is not supported; its name.
    #[error("the private key is encrypted with {0}, which is not supported")]
    UnsupportedEncryption(String),
    /// The key is in the form of OpenSSH.
    #[error("this private key is in the form of OpenSSH, which is not supported")]
    OpenSsh,
    /// A certificate cannot be made for this name.
    #[error("a certificate's name has 1 to 64 characters, none of them a control character")]
    CommonName,
    /// A certificate cannot be made for these years.
    #[error("a certificate cannot be valid then: the years 1970 to 9999 can be written")]
    Validity,
    /// The generator of random numbers failed.
    #[error("the generator of random numbers failed")]
    Random,
    /// The RSA operation itself failed; what it was.
    #[error("the RSA key could not be used to {0}")]
    Operation(&'static str),
    /// A wrapped secret has another length than the key.
    #[error("this was encrypted for an RSA key of {wrapped} bits, not for this one of {key}")]
    OtherLength {
        /// The bits of the key that it was encrypted for.
        wrapped: usize,
        /// The bits of this key.
        key: usize,
    },
    /// The manifest's secrets were not encrypted for this key.
    #[error("the bundle was not encrypted for this private key")]
    NotForThisKey,
    /// The manifest has no secrets for its user, and EC2's were not encrypted for this key.
    #[error("the bundle was made without a user's key: only EC2 can open it")]
    NoUserKey,
}

impl KeyError {
    /// Returns what the user can do about it, if there is something to do.
    pub fn advice(&self) -> Option<Advice> {
        let sentence = match self {
            Self::CertificateAsPrivateKey => {
                "the private key is the file that begins with `-----BEGIN PRIVATE KEY-----` or `-----BEGIN RSA PRIVATE KEY-----`"
            }
            Self::PublicKeyAsPrivateKey => "the private key is the other file of the pair",
            Self::PrivateKeyAsCertificate => {
                "the certificate is the file that begins with `-----BEGIN CERTIFICATE-----`; keep this one secret"
            }
            Self::UnsupportedEncryption(_) => {
                "`openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW` converts it (add `-provider legacy -provider default` if it refuses)"
            }
            Self::OpenSsh => "`ssh-keygen -p -m PEM -f COPY` converts a copy of it",
            Self::NotForThisKey => {
                "use the private key of the certificate that the image was bundled with"
            }
            _ => return None,
        };
        Some(Advice::say(sentence))
    }
}

/// Converts an error of the RSA crate; `what` names the operation.
pub(super) fn failure(error: &rsa::Error, what: &'static str) -> KeyError {
    match error {
        rsa::Error::Rng => KeyError::Random,
        _ => KeyError::Operation(what),
    }
}
