//! The user's private key: signs manifests and unwraps the secrets of bundles.

use std::fmt;

use pkcs8::der::Decode as _;
use pkcs8::der::asn1::{ObjectIdentifier, OctetStringRef};
use pkcs8::pkcs5::pbes2;
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{EncodePrivateKey as _, EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use rsa::pkcs1;
use rsa::rand_core::TryCryptoRng;
use rsa::traits::PublicKeyParts as _;
use sha1::Sha1;
use zeroize::Zeroizing;

use super::bits::{MAX_KEY_BITS, MIN_KEY_BITS};
use super::container::{self, Item};
use super::error::failure;
use super::public::check_bits;
use super::{KeyError, Passphrase, PublicKey, pem};
use crate::{Sha1Digest, hex};

/// An RSA private key of 1,024 to 8,192 bits.
///
/// It is zeroed when dropped, and `Debug` prints its length and its public fingerprint. Each operation takes a
/// generator of random numbers, which blind the computation, so that its duration reveals nothing about the key. They
/// do not change the result.
#[derive(Clone)]
pub struct PrivateKey {
    key: rsa::PrivateKey,
    public: PublicKey,
}

impl PrivateKey {
    /// Reads a key file: PEM or DER; PKCS#8 or PKCS#1 (`BEGIN RSA PRIVATE KEY`); in the clear, encrypted with PBES2
    /// (AES or triple DES, PBKDF2 or scrypt), or encrypted by PEM headers (`Proc-Type: 4,ENCRYPTED`).
    ///
    /// `passphrase` is called once, and only if the key is encrypted. Text around the PEM blocks, and certificates in
    /// the same file, are skipped.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotAPrivateKey`], or the variant for the known mistake: a certificate or a public key instead of the
    /// private key, another algorithm, a form or an encryption that is not supported, a missing
    /// ([`KeyError::PassphraseNeeded`]) or wrong passphrase, a damaged key, one outside of the limits of length.
    pub fn from_bytes(
        file: &[u8],
        passphrase: impl FnMut() -> Option<Passphrase>,
    ) -> Result<Self, KeyError> {
        let mut passphrase = passphrase;
        let mut ask = || passphrase().ok_or(KeyError::PassphraseNeeded);
        match container::open(file, true)?.ok_or(KeyError::NotAPrivateKey)? {
            Item::Pkcs8(der) => Self::from_pkcs8(&der),
            Item::Pkcs1(der) => Self::from_pkcs1(&der),
            Item::EncryptedPkcs8(der) => {
                let key = decryptable(&der)?;
                let der = key.decrypt(ask()?.bytes()).map_err(|_| KeyError::PassphraseWrong)?;
                Self::from_pkcs8(der.as_bytes()).map_err(wrong_if_damaged)
            }
            Item::EncryptedPkcs1(data, encryption) => {
                let der = encryption.decrypt(&ask()?, &data)?;
                Self::from_pkcs1(&der).map_err(wrong_if_damaged)
            }
            Item::OtherPrivateKey(algorithm) => Err(KeyError::NotRsa(algorithm.to_owned())),
            Item::OpenSshPrivateKey => Err(KeyError::OpenSsh),
            Item::Certificate(_) => Err(KeyError::CertificateAsPrivateKey),
            Item::Spki(_) | Item::Pkcs1Public(_) | Item::OtherPublicKey => {
                Err(KeyError::PublicKeyAsPrivateKey)
            }
        }
    }

    /// Makes a key of `bits` bits, with the public exponent 65,537.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooSmall`], [`KeyError::TooLarge`], or [`KeyError::Random`] if `rng` fails.
    pub fn generate<R: TryCryptoRng + ?Sized>(bits: usize, rng: &mut R) -> Result<Self, KeyError> {
        match bits {
            ..MIN_KEY_BITS => Err(KeyError::TooSmall { bits }),
            MIN_KEY_BITS..=MAX_KEY_BITS => {
                let key = rsa::PrivateKey::new(rng, bits)
                    .map_err(|error| failure(&error, "make a key"))?;
                Self::new(key)
            }
            _ => Err(KeyError::TooLarge { bits }),
        }
    }

    fn new(key: rsa::PrivateKey) -> Result<Self, KeyError> {
        let public = PublicKey::new(key.to_public_key())?;
        Ok(Self { key, public })
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let info =
            PrivateKeyInfoRef::from_der(der).map_err(|_| KeyError::Damaged("private key"))?;
        // The parameters after the identifier should be NULL, and are missing in many files.
        if info.algorithm.oid != pkcs1::ALGORITHM_OID {
            return Err(KeyError::NotRsa(container::algorithm(info.algorithm.oid)));
        }
        Self::from_pkcs1(info.private_key.as_bytes())
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let key =
            pkcs1::RsaPrivateKeyRef::from_der(der).map_err(|_| KeyError::Damaged("private key"))?;
        if key.version() != pkcs1::Version::TwoPrime {
            return Err(KeyError::MultiPrime);
        }
        // Before anything is computed with it.
        check_bits(key.modulus.as_bytes())?;
        Self::new(key.try_into().map_err(|_| KeyError::Inconsistent)?)
    }

    /// Returns the public key that belongs to it. It equals the one in its certificate.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Returns the length of the modulus in bits.
    pub fn bits(&self) -> usize {
        self.public.bits()
    }

    /// Signs a digest with RSA PKCS#1 v1.5 and SHA-1 ([format](crate::format#signature)). The same digest gives the
    /// same bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError::Random`] if `rng` fails.
    pub fn sign<R: TryCryptoRng + ?Sized>(
        &self,
        digest: &Sha1Digest,
        rng: &mut R,
    ) -> Result<Vec<u8>, KeyError> {
        self.key
            .pkcs1v15_sign_prehash_with_rng::<Sha1, _>(rng, digest.bytes())
            .map_err(|error| failure(&error, "sign"))
    }

    /// Decrypts a cipher key or an initialisation vector ([format](crate::format#key-wrapping)).
    ///
    /// # Errors
    ///
    /// [`KeyError::OtherLength`] or [`KeyError::NotForThisKey`] if it was encrypted for another key or damaged;
    /// [`KeyError::Random`] if `rng` fails.
    pub fn unwrap<R: TryCryptoRng + ?Sized>(
        &self,
        wrapped: &[u8],
        rng: &mut R,
    ) -> Result<Zeroizing<[u8; 16]>, KeyError> {
        if wrapped.len() != self.key.size() {
            return Err(KeyError::OtherLength { wrapped: wrapped.len() * 8, key: self.bits() });
        }
        let text = match self.key.pkcs1v15_decrypt_with_rng(rng, wrapped) {
            Ok(text) => Zeroizing::new(text),
            // Not a number below the modulus.
            Err(rsa::Error::Decryption) => return Err(KeyError::NotForThisKey),
            Err(error) => return Err(failure(&error, "decrypt")),
        };
        // A wrong key gives random bytes of a random length (implicit rejection), not an error.
        let mut secret = Zeroizing::new([0; 16]);
        hex::decode_into(&text, secret.as_mut()).map_err(|_| KeyError::NotForThisKey)?;
        Ok(secret)
    }

    /// Returns the text of a PKCS#8 PEM file, which is not encrypted: write it to a file that others cannot read.
    ///
    /// # Errors
    ///
    /// [`KeyError::Operation`] if it cannot be encoded, which does not happen to a key of two primes.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let der = self.key.to_pkcs8_der().map_err(|_| KeyError::Operation("write it"))?;
        Ok(pem::encode("PRIVATE KEY", der.as_bytes()))
    }

    /// Returns the key of the RSA crate, for the certificate.
    pub(super) fn inner(&self) -> &rsa::PrivateKey {
        &self.key
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(.. of {:?})", self.public)
    }
}

/// Reads an encrypted PKCS#8 key, and refuses encryptions that are not supported.
fn decryptable(der: &[u8]) -> Result<EncryptedPrivateKeyInfoRef<'_>, KeyError> {
    let scheme = container::encryption(der).ok_or(KeyError::Damaged("private key"))?;
    if scheme.oid != pbes2::PBES2_OID {
        return Err(KeyError::UnsupportedEncryption(container::algorithm(scheme.oid)));
    }
    // `pkcs5` slices the initialisation vector of triple DES without looking at its length.
    let parameters = scheme.parameters.ok_or(KeyError::Damaged("private key"))?;
    let cipher = parameters.sequence(|reader| {
        AlgorithmIdentifierRef::decode(reader)?;
        AlgorithmIdentifierRef::decode(reader)
    });
    let cipher = cipher.map_err(|_: pkcs8::der::Error| KeyError::Damaged("private key"))?;
    let iv = cipher.parameters.and_then(|iv| iv.decode_as::<&OctetStringRef>().ok());
    if cipher.oid == TRIPLE_DES && iv.is_none_or(|iv| iv.as_bytes().len() != 8) {
        return Err(KeyError::Damaged("private key"));
    }
    EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| {
        KeyError::UnsupportedEncryption(format!("{} of PBES2", container::algorithm(cipher.oid)))
    })
}

/// `des-EDE3-CBC` (RFC 8018, appendix B.2.2).
const TRIPLE_DES: ObjectIdentifier = pbes2::DES_EDE3_CBC_OID;

/// Converts an error of reading a decrypted key: a wrong passphrase gives well-padded text once in 256 times, which is
/// not a key.
fn wrong_if_damaged(error: KeyError) -> KeyError {
    match error {
        KeyError::Damaged(_) => KeyError::PassphraseWrong,
        error => error,
    }
}
