//! The content of a key file, whatever kind of file was expected.

use pkcs8::der::asn1::{ObjectIdentifier, OctetStringRef};
use pkcs8::der::{Decode as _, Reader as _, SliceReader};
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{PrivateKeyInfoRef, SubjectPublicKeyInfoRef};
use rsa::pkcs1;
use x509_cert::certificate::{CertificateInner, Raw};
use zeroize::Zeroizing;

use super::legacy::Encryption;
use super::{KeyError, pem};

/// An item that a key file may hold, in DER.
pub(super) enum Item {
    /// A private key, PKCS#8 (RFC 5208).
    Pkcs8(Zeroizing<Vec<u8>>),
    /// A private key, PKCS#8, encrypted.
    EncryptedPkcs8(Zeroizing<Vec<u8>>),
    /// An RSA private key, PKCS#1 (RFC 8017, appendix A.1.2).
    Pkcs1(Zeroizing<Vec<u8>>),
    /// An RSA private key, PKCS#1, encrypted in the old form of OpenSSL.
    EncryptedPkcs1(Zeroizing<Vec<u8>>, Encryption),
    /// A private key of another algorithm.
    OtherPrivateKey(&'static str),
    /// A private key in OpenSSH's own form.
    OpenSshPrivateKey,
    /// An X.509 certificate.
    Certificate(Zeroizing<Vec<u8>>),
    /// A public key, as in a certificate.
    Spki(Zeroizing<Vec<u8>>),
    /// An RSA public key, PKCS#1.
    Pkcs1Public(Zeroizing<Vec<u8>>),
    /// A public key in a form that is not supported, such as OpenSSH's.
    OtherPublicKey,
}

impl Item {
    /// Says whether it is a private key of any kind.
    pub(super) fn is_private(&self) -> bool {
        matches!(
            self,
            Self::Pkcs8(_)
                | Self::EncryptedPkcs8(_)
                | Self::Pkcs1(_)
                | Self::EncryptedPkcs1(..)
                | Self::OtherPrivateKey(_)
                | Self::OpenSshPrivateKey
        )
    }
}

/// Returns the first item in `file` that is a private key (`private`) or is none; if there is no such item, the first
/// of any kind.
pub(super) fn open(file: &[u8], private: bool) -> Result<Option<Item>, KeyError> {
    let blocks = pem::blocks(file);
    if blocks.is_empty() {
        return Ok(from_der(file));
    }
    let private_label = |label: &str| label.ends_with("PRIVATE KEY");
    let known = |block: &&pem::Block<'_>| {
        private_label(block.label)
            || block.label.ends_with("PUBLIC KEY")
            || is_certificate(block.label)
    };
    let wanted = blocks.iter().filter(known).find(|block| private_label(block.label) == private);
    wanted.or_else(|| blocks.iter().find(known)).map(from_block).transpose()
}

fn is_certificate(label: &str) -> bool {
    // OpenSSL wrote `X509` before 0.9.7; `TRUSTED` has data after the certificate.
    matches!(label, "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE")
}

fn from_block(block: &pem::Block<'_>) -> Result<Item, KeyError> {
    Ok(match block.label {
        "PRIVATE KEY" => Item::Pkcs8(block.der()?),
        "ENCRYPTED PRIVATE KEY" => Item::EncryptedPkcs8(block.der()?),
        "RSA PRIVATE KEY" => match block.header("DEK-Info") {
            Some(encryption) => {
                Item::EncryptedPkcs1(block.der()?, Encryption::from_header(encryption)?)
            }
            None => Item::Pkcs1(block.der()?),
        },
        "EC PRIVATE KEY" => Item::OtherPrivateKey("elliptic curves"),
        "DSA PRIVATE KEY" => Item::OtherPrivateKey("DSA"),
        "OPENSSH PRIVATE KEY" => Item::OpenSshPrivateKey,
        "PUBLIC KEY" => Item::Spki(block.der()?),
        "RSA PUBLIC KEY" => Item::Pkcs1Public(block.der()?),
        label if is_certificate(label) => Item::Certificate(block.der()?),
        label if label.ends_with("PRIVATE KEY") => Item::OtherPrivateKey("another algorithm"),
        _ => Item::OtherPublicKey,
    })
}

fn from_der(file: &[u8]) -> Option<Item> {
    let der = || Zeroizing::new(file.to_vec());
    if PrivateKeyInfoRef::from_der(file).is_ok() {
        Some(Item::Pkcs8(der()))
    } else if is_pkcs1(file) {
        Some(Item::Pkcs1(der()))
    } else if encryption(file).is_some() {
        Some(Item::EncryptedPkcs8(der()))
    } else if CertificateInner::<Raw>::from_der(file).is_ok() {
        Some(Item::Certificate(der()))
    } else if SubjectPublicKeyInfoRef::from_der(file).is_ok() {
        Some(Item::Spki(der()))
    } else if pkcs1::RsaPublicKeyRef::from_der(file).is_ok() {
        Some(Item::Pkcs1Public(der()))
    } else if file.starts_with(b"ssh-") || file.starts_with(b"ecdsa-sha2-") {
        Some(Item::OtherPublicKey)
    } else {
        None
    }
}

fn is_pkcs1(der: &[u8]) -> bool {
    pkcs1::RsaPrivateKeyRef::from_der(der).is_ok()
}

/// Returns the encryption of an encrypted PKCS#8 key, if `der` has the form of one.
pub(super) fn encryption(der: &[u8]) -> Option<AlgorithmIdentifierRef<'_>> {
    let mut reader = SliceReader::new(der).ok()?;
    let algorithm = reader.sequence(|reader| {
        let algorithm = AlgorithmIdentifierRef::decode(reader)?;
        <&OctetStringRef>::decode(reader)?;
        Ok::<_, pkcs8::der::Error>(algorithm)
    });
    algorithm.ok().filter(|_| reader.is_finished())
}

/// Returns the name of an algorithm, for messages.
pub(super) fn algorithm(oid: ObjectIdentifier) -> String {
    let name = match oid.to_string().as_str() {
        "1.2.840.10045.2.1" => "elliptic curves",
        "1.2.840.10040.4.1" => "DSA",
        "1.2.840.113549.1.1.10" => "RSA-PSS",
        "1.3.101.110" => "X25519",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        "1.2.840.113549.1.5.3" => "PBES1 (MD5 and DES)",
        "1.2.840.113549.1.5.10" => "PBES1 (SHA-1 and DES)",
        "1.2.840.113549.1.12.1.3" => "PBES1 (SHA-1 and triple DES)",
        oid => return format!("the algorithm {oid}"),
    };
    name.to_owned()
}
