//! Public keys: from a certificate, from a file of their own, or built in.

use std::fmt;

use pkcs8::der::{Decode as _, Encode as _};
use pkcs8::{EncodePublicKey as _, SubjectPublicKeyInfoRef};
use rsa::BoxedUint;
use rsa::pkcs1;
use rsa::rand_core::TryCryptoRng;
use rsa::traits::PublicKeyParts as _;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use x509_cert::certificate::{CertificateInner, Raw};

use super::KeyError;
use super::bits::{MAX_KEY_BITS, MIN_KEY_BITS};
use super::container::{self, Item};
use super::error::failure;
use crate::{Sha1Digest, hex};

/// The fingerprint of a public key, by which keys are compared: the SHA-256 of its DER form in a certificate
/// (SubjectPublicKeyInfo).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Returns the 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An RSA public key of 1,024 to 8,192 bits. Two are equal if their numbers are, whatever files they come from.
#[derive(Clone)]
pub struct PublicKey {
    key: rsa::PublicKey,
    fingerprint: Fingerprint,
}

impl PublicKey {
    /// Reads an X.509 certificate, or a public key without one, in PEM or DER.
    ///
    /// Only the key of a certificate is used: EC2's own certificates have long expired and are signed with SHA-1, and
    /// many users' have odd serial numbers ([format](crate::format#ec2s-public-keys)). Text around the PEM blocks, and
    /// private keys in the same file, are skipped. The first of several certificates is used.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotACertificate`], [`KeyError::PrivateKeyAsCertificate`] if the file only holds a private key,
    /// [`KeyError::NotRsa`], [`KeyError::Damaged`], [`KeyError::Inconsistent`], and [`KeyError::TooSmall`] or
    /// [`KeyError::TooLarge`] for a key outside of the limits.
    pub fn from_bytes(file: &[u8]) -> Result<Self, KeyError> {
        match container::open(file, false)?.ok_or(KeyError::NotACertificate)? {
            Item::Certificate(der) => {
                // A `TRUSTED CERTIFICATE` has more data after the certificate.
                let (certificate, _) = CertificateInner::<Raw>::from_der_partial(&der)
                    .map_err(|_| KeyError::Damaged("certificate"))?;
                let spki = certificate.tbs_certificate().subject_public_key_info().to_der();
                Self::from_spki(&spki.map_err(|_| KeyError::Damaged("certificate"))?)
            }
            Item::Spki(der) => Self::from_spki(&der),
            Item::Pkcs1Public(der) => Self::from_pkcs1(&der),
            Item::OtherPublicKey => Err(KeyError::NotACertificate),
            item if item.is_private() => Err(KeyError::PrivateKeyAsCertificate),
            _ => Err(KeyError::NotACertificate),
        }
    }

    /// Makes the key of a modulus, big-endian, with the exponent 65,537.
    pub(crate) fn from_modulus(modulus: &[u8]) -> Result<Self, KeyError> {
        check_bits(modulus)?;
        let key = rsa::PublicKey::new(
            BoxedUint::from_be_slice_vartime(modulus),
            BoxedUint::from(65_537_u64),
        );
        Self::new(key.map_err(|_| KeyError::Inconsistent)?)
    }

    pub(super) fn new(key: rsa::PublicKey) -> Result<Self, KeyError> {
        let der = key.to_public_key_der().map_err(|_| KeyError::Inconsistent)?;
        Ok(Self { key, fingerprint: Fingerprint(Sha256::digest(der.as_bytes()).into()) })
    }

    fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let spki =
            SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyError::Damaged("public key"))?;
        if spki.algorithm.oid != pkcs1::ALGORITHM_OID {
            return Err(KeyError::NotRsa(container::algorithm(spki.algorithm.oid)));
        }
        Self::from_pkcs1(spki.subject_public_key.as_bytes().ok_or(KeyError::Damaged("public key"))?)
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let key =
            pkcs1::RsaPublicKeyRef::from_der(der).map_err(|_| KeyError::Damaged("public key"))?;
        check_bits(key.modulus.as_bytes())?;
        Self::new(key.try_into().map_err(|_| KeyError::Inconsistent)?)
    }

    /// Returns the length of the modulus in bits.
    pub fn bits(&self) -> usize {
        self.key.n().bit_width_vartime() as usize
    }

    /// Returns the fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Encrypts a cipher key or an initialisation vector: its 32 hexadecimal digits, with RSA PKCS#1 v1.5
    /// ([format](crate::format#key-wrapping)). Each call returns other bytes, as many as the key has.
    ///
    /// # Errors
    ///
    /// [`KeyError::Random`] if `rng` fails.
    pub fn wrap<R: TryCryptoRng + ?Sized>(
        &self,
        secret: &[u8; 16],
        rng: &mut R,
    ) -> Result<Vec<u8>, KeyError> {
        self.key
            .pkcs1v15_encrypt_with_rng(rng, hex::encode_secret(secret).as_slice())
            .map_err(|error| failure(&error, "encrypt"))
    }

    /// Says whether the holder of the private key made `signature` of `digest`: RSA PKCS#1 v1.5 with SHA-1.
    pub fn verify(&self, digest: &Sha1Digest, signature: &[u8]) -> bool {
        self.key.pkcs1v15_verify_prehash::<Sha1>(digest.bytes(), signature).is_ok()
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} bits, {})", self.bits(), self.fingerprint)
    }
}

/// Refuses a modulus (big-endian, without its sign byte) that is not within the limits.
pub(super) fn check_bits(modulus: &[u8]) -> Result<(), KeyError> {
    let bits = modulus
        .iter()
        .position(|&byte| byte != 0)
        .map_or(0, |zeros| (modulus.len() - zeros) * 8 - modulus[zeros].leading_zeros() as usize);
    match bits {
        ..MIN_KEY_BITS => Err(KeyError::TooSmall { bits }),
        MIN_KEY_BITS..=MAX_KEY_BITS => Ok(()),
        _ => Err(KeyError::TooLarge { bits }),
    }
}
