//! A certificate for the user's key. EC2 ignores it; other tools, and their users, expect one beside the key.

use std::time::{Duration, SystemTime};

use pkcs8::der::Encode as _;
use pkcs8::der::asn1::{Any, BitString, SetOfVec, Utf8StringRef};
use rsa::pkcs1v15::SigningKey;
use rsa::rand_core::TryCryptoRng;
use sha2::Sha256;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{self, Builder as _, CertificateBuilder};
use x509_cert::certificate::TbsCertificate;
use x509_cert::ext::pkix::{BasicConstraints, SubjectKeyIdentifier};
use x509_cert::ext::{Extension, ToExtension as _};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{ObjectIdentifier, SubjectPublicKeyInfo, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

use super::error::failure;
use super::{KeyError, PrivateKey, pem};

/// `id-at-commonName`, and the most characters of one (RFC 5280, appendix A.1).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const MAX_COMMON_NAME: usize = 64;

/// A year of the Gregorian calendar, on average.
const YEAR: Duration = Duration::from_secs(31_556_952);

/// Makes a self-signed certificate of `key`: X.509 v3, SHA-256, a random serial number, valid from `now` for `years`
/// years. The result is the text of a PEM file.
///
/// # Errors
///
/// [`KeyError::CommonName`] if `common_name` has not 1 to 64 characters or a control character in it,
/// [`KeyError::Validity`] if the end is past the year 9999, [`KeyError::Random`] if `rng` fails.
pub fn self_signed_certificate<R: TryCryptoRng + ?Sized>(
    key: &PrivateKey,
    common_name: &str,
    now: SystemTime,
    years: u32,
    rng: &mut R,
) -> Result<String, KeyError> {
    let name = name(common_name)?;
    let end = YEAR
        .checked_mul(years)
        .and_then(|duration| now.checked_add(duration))
        .ok_or(KeyError::Validity)?;
    let time = |time: SystemTime| Time::try_from(time).map_err(|_| KeyError::Validity);
    let signer = SigningKey::<Sha256>::new(key.inner().clone());
    let spki = SubjectPublicKeyInfo::from_key(key.inner().as_public_key()).map_err(unwritable)?;
    let mut certificate = CertificateBuilder::new(
        SelfSigned(name),
        serial(rng)?,
        Validity::new(time(now)?, time(end)?),
        spki,
    )
    .map_err(unwritable)?;
    let signed = certificate.finalize(&signer).map_err(unwritable)?;
    let signature = key
        .inner()
        .pkcs1v15_sign_with_rng::<Sha256, _>(rng, &signed)
        .map_err(|error| failure(&error, "sign a certificate"))?;
    let signature = BitString::from_bytes(&signature).map_err(unwritable)?;
    let der = certificate
        .assemble(signature, &signer)
        .map_err(unwritable)?
        .to_der()
        .map_err(unwritable)?;
    Ok(pem::encode("CERTIFICATE", &der).to_string())
}

fn unwritable<E>(_: E) -> KeyError {
    KeyError::Operation("write a certificate")
}

/// Draws a serial number: 126 random bits after a one, so that it is positive and always of the same length (RFC 5280,
/// section 4.1.2.2: at most 20 bytes).
fn serial<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<SerialNumber, KeyError> {
    let mut bytes = [0; 16];
    rng.try_fill_bytes(&mut bytes).map_err(|_| KeyError::Random)?;
    bytes[0] = bytes[0] & 0x3f | 0x40;
    SerialNumber::new(&bytes).map_err(unwritable)
}

fn name(common_name: &str) -> Result<Name, KeyError> {
    let length = common_name.chars().count();
    if !(1..=MAX_COMMON_NAME).contains(&length) || common_name.chars().any(char::is_control) {
        return Err(KeyError::CommonName);
    }
    let value = Utf8StringRef::new(common_name).map(Any::from).map_err(unwritable)?;
    let attribute = AttributeTypeAndValue { oid: COMMON_NAME, value };
    let set = SetOfVec::try_from(vec![attribute]).map_err(unwritable)?;
    let mut names = RdnSequence::default();
    names.push(RelativeDistinguishedName::from(set));
    Ok(Name::hazmat_from_rdn_sequence(names))
}

/// The content of the certificate besides the key: it is its own issuer, and no authority for others.
struct SelfSigned(Name);

impl BuilderProfile for SelfSigned {
    fn get_issuer(&self, subject: &Name) -> Name {
        subject.clone()
    }

    fn get_subject(&self) -> Name {
        self.0.clone()
    }

    fn build_extensions(
        &self,
        key: SubjectPublicKeyInfoRef<'_>,
        _issuer_key: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        let identifier = SubjectKeyIdentifier::try_from(key)?;
        let constraints = BasicConstraints { ca: false, path_len_constraint: None };
        Ok(vec![
            identifier.to_extension(tbs.subject(), &[])?,
            constraints.to_extension(tbs.subject(), &[])?,
        ])
    }
}
