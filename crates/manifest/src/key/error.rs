//! What can be wrong with a key.

use super::bits::{MAX_KEY_BITS, MIN_KEY_BITS};

/// What is wrong with a key, a certificate, or what was to be done with one.
///
/// Nothing of a key, a passphrase or a decrypted text is in it.
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
    /// A certificate where the private key belongs.
    #[error(
        "this is a certificate, not a private key\nhint: the private key is the file that begins with `-----BEGIN PRIVATE KEY-----` or `-----BEGIN RSA PRIVATE KEY-----`"
    )]
    CertificateAsPrivateKey,
    /// A public key where the private key belongs.
    #[error(
        "this is a public key, not a private key\nhint: the private key is the other file of the pair"
    )]
    PublicKeyAsPrivateKey,
    /// A private key where the certificate belongs.
    #[error(
        "this is a private key, not a certificate\nhint: the certificate is the file that begins with `-----BEGIN CERTIFICATE-----`; keep this one to yourself"
    )]
    PrivateKeyAsCertificate,
    /// A key of another algorithm.
    #[error("this key is for {0}; the bundle format has RSA only")]
    NotRsa(String),
    /// Fewer bits than [`MIN_KEY_BITS`].
    #[error("the RSA key has {bits} bits, at least {MIN_KEY_BITS} are needed")]
    TooSmall {
        /// How many it has.
        bits: usize,
    },
    /// More bits than [`MAX_KEY_BITS`].
    #[error("the RSA key has {bits} bits, at most {MAX_KEY_BITS} are supported")]
    TooLarge {
        /// How many it has.
        bits: usize,
    },
    /// An RSA key of three or more primes.
    #[error("the RSA key has more than two primes, which is not supported")]
    MultiPrime,
    /// The numbers of the key do not belong together.
    #[error("the RSA key is damaged: its numbers do not belong together")]
    Inconsistent,
    /// The PEM or DER around a key or certificate is damaged.
    #[error("the {0} is damaged: it was cut short or changed")]
    Damaged(&'static str),
    /// An encrypted key, and no passphrase was given.
    #[error("the private key is encrypted and no passphrase was given")]
    PassphraseNeeded,
    /// An encrypted key that the passphrase does not open.
    #[error("the passphrase does not open the private key")]
    PassphraseWrong,
    /// An encrypted key whose encryption is not supported.
    #[error(
        "the private key is encrypted with {0}, which is not supported\nhint: `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW` converts it (add `-provider legacy -provider default` if it refuses)"
    )]
    UnsupportedEncryption(String),
    /// A key in the form of OpenSSH.
    #[error(
        "this private key is in the form of OpenSSH, which is not supported\nhint: `ssh-keygen -p -m PEM -f COPY` converts a copy of it"
    )]
    OpenSsh,
    /// A certificate cannot be made for this name.
    #[error("a certificate's name has 1 to 64 characters, none of them a control character")]
    CommonName,
    /// A certificate cannot be made for these years.
    #[error("a certificate cannot be valid then: the years 1970 to 9999 can be written")]
    Validity,
    /// The generator of random numbers failed.
    #[error("no random numbers could be had")]
    Random,
    /// The RSA operation failed within.
    #[error("the RSA key could not be used to {0}")]
    Operation(&'static str),
    /// A wrapped secret that has another length than the key.
    #[error("this was encrypted for an RSA key of {wrapped} bits, not for this one of {key}")]
    OtherLength {
        /// The bits of the key that it was encrypted for.
        wrapped: usize,
        /// The bits of this key.
        key: usize,
    },
    /// The manifest's secrets were not encrypted for this key.
    #[error(
        "the bundle was not encrypted for this private key\nhint: it takes the private key of the certificate that the image was bundled with"
    )]
    NotForThisKey,
    /// The manifest has no secrets for its user, and EC2's were not encrypted for this key.
    #[error("the bundle was made without a user's key: only EC2 can open it")]
    NoUserKey,
}

/// An error of the RSA crate; `what` is what was being done.
pub(super) fn failure(error: &rsa::Error, what: &'static str) -> KeyError {
    match error {
        rsa::Error::Rng => KeyError::Random,
        _ => KeyError::Operation(what),
    }
}
