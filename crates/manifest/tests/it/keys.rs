//! Key files and certificates of every kind, and what they are good for.

use std::time::{Duration, SystemTime};

use baler_manifest::{
    CipherIv, CipherKey, KeyError, Passphrase, PrivateKey, PublicKey, self_signed_certificate,
};
use getrandom::SysRng;
use proptest::prelude::*;

use super::{fixture, key_file, no_passphrase, private, public};

const PASSPHRASE: &str = "open sesame";

fn read(file: &[u8], passphrase: Option<&str>) -> Result<PrivateKey, KeyError> {
    PrivateKey::from_bytes(file, || passphrase.map(Passphrase::from))
}

#[test]
fn private_keys_in_the_clear() {
    let expected = public("user1024-cert.pem");
    let pem = String::from_utf8(key_file("pkcs1.pem")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let unwrapped =
        format!("-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----");
    let certificate = String::from_utf8(fixture("user1024-cert.pem")).unwrap();
    for file in [
        fixture("user1024-key.pkcs8.der"),
        key_file("pkcs1.der"),
        key_file("pkcs1.pem"),
        key_file("pkcs1-text.pem"),
        pem.replace('\n', "\r\n").into_bytes(),
        pem.replace('\n', "  \n").into_bytes(),
        format!("\u{feff}{pem}").into_bytes(),
        unwrapped.into_bytes(),
        format!("{certificate}{pem}").into_bytes(),
    ] {
        let key = PrivateKey::from_bytes(&file, no_passphrase).unwrap();
        assert_eq!(key.public(), &expected, "{}", String::from_utf8_lossy(&file));
    }
    let key = private("user1024-key.pkcs8.der");
    let pem = key.to_pkcs8_pem().unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert_eq!(PrivateKey::from_bytes(pem.as_bytes(), no_passphrase).unwrap().public(), &expected);
    assert_ne!(private("user-key.pkcs8.der").public(), &expected);
}

#[test]
fn encrypted_private_keys() {
    let expected = public("user1024-cert.pem");
    for name in [
        "pkcs8-aes256-sha256.pem",
        "pkcs8-aes128-sha1.pem",
        "pkcs8-des3-sha1.pem",
        "pkcs8-scrypt.pem",
        "pkcs8-aes256.der",
        "pkcs1-aes128.pem",
        "pkcs1-aes192.pem",
        "pkcs1-aes256.pem",
        "pkcs1-des3.pem",
    ] {
        let file = key_file(name);
        let mut asked = 0;
        let key = PrivateKey::from_bytes(&file, || {
            asked += 1;
            Some(PASSPHRASE.into())
        });
        assert_eq!(key.unwrap().public(), &expected, "{name}");
        assert_eq!(asked, 1, "{name}");
        assert_eq!(read(&file, None).unwrap_err(), KeyError::PassphraseNeeded, "{name}");
        assert_eq!(
            read(&file, Some("open barley")).unwrap_err(),
            KeyError::PassphraseWrong,
            "{name}"
        );
    }
}

#[test]
fn a_wrong_passphrase_is_one_even_if_the_padding_happens_to_fit() {
    let file = key_file("pkcs1-aes128.pem");
    for number in 0..2000 {
        assert_eq!(
            read(&file, Some(&number.to_string())).unwrap_err(),
            KeyError::PassphraseWrong,
            "{number}"
        );
    }
}

#[test]
fn what_is_not_a_private_key() {
    let cut = |name: &str| {
        let mut file = key_file(name);
        file.truncate(file.len() / 2);
        file
    };
    let mut inconsistent = key_file("pkcs1.der");
    // Within the modulus.
    inconsistent[40] ^= 1;
    for (file, expected) in [
        (Vec::new(), KeyError::NotAPrivateKey),
        (b"hello".to_vec(), KeyError::NotAPrivateKey),
        (
            b"-----BEGIN NOTHING-----\nAAEC\n-----END NOTHING-----".to_vec(),
            KeyError::NotAPrivateKey,
        ),
        (fixture("user-cert.pem"), KeyError::CertificateAsPrivateKey),
        (key_file("cert.der"), KeyError::CertificateAsPrivateKey),
        (key_file("cert-trusted.pem"), KeyError::CertificateAsPrivateKey),
        (key_file("spki.pem"), KeyError::PublicKeyAsPrivateKey),
        (key_file("spki.der"), KeyError::PublicKeyAsPrivateKey),
        (key_file("pkcs1-public.pem"), KeyError::PublicKeyAsPrivateKey),
        (b"ssh-rsa AAAA me@here".to_vec(), KeyError::PublicKeyAsPrivateKey),
        (key_file("ec-sec1.pem"), KeyError::NotRsa("elliptic curves".into())),
        (key_file("ec-pkcs8.pem"), KeyError::NotRsa("elliptic curves".into())),
        (key_file("ed25519.der"), KeyError::NotRsa("Ed25519".into())),
        (key_file("openssh.pem"), KeyError::OpenSsh),
        (key_file("three-primes.pem"), KeyError::MultiPrime),
        (key_file("bits-512.pem"), KeyError::TooSmall { bits: 512 }),
        (cut("pkcs1.pem"), KeyError::Damaged("PEM block")),
        (cut("pkcs1.der"), KeyError::NotAPrivateKey),
        (inconsistent, KeyError::Inconsistent),
        (
            key_file("pkcs8-pbes1.pem"),
            KeyError::UnsupportedEncryption("PBES1 (SHA-1 and triple DES)".into()),
        ),
        (key_file("pkcs1-des.pem"), KeyError::UnsupportedEncryption("DES-CBC".into())),
        (
            key_file("pkcs8-camellia.pem"),
            KeyError::UnsupportedEncryption(
                "the algorithm 1.2.392.200011.61.1.1.1.4 of PBES2".into(),
            ),
        ),
    ] {
        let error = PrivateKey::from_bytes(&file, no_passphrase).unwrap_err();
        assert_eq!(error, expected, "{}", String::from_utf8_lossy(&file));
    }
}

/// An encrypted PKCS#8 key: PBES2, PBKDF2 with one round, triple DES with an initialisation vector of that length.
fn encrypted_with_iv(length: usize) -> Vec<u8> {
    fn tlv(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
        let value = parts.concat();
        [vec![tag, u8::try_from(value.len()).unwrap()], value].concat()
    }
    let oid = |digits: &str| tlv(6, &[hex::decode(digits).unwrap()]);
    let octets = |length: usize| tlv(4, &[vec![0; length]]);
    let pbkdf2 =
        tlv(0x30, &[oid("2a864886f70d01050c"), tlv(0x30, &[octets(8), tlv(2, &[vec![1]])])]);
    let cipher = tlv(0x30, &[oid("2a864886f70d0307"), octets(length)]);
    let algorithm = tlv(0x30, &[oid("2a864886f70d01050d"), tlv(0x30, &[pbkdf2, cipher])]);
    tlv(0x30, &[algorithm, octets(16)])
}

#[test]
fn a_short_initialisation_vector_is_survived() {
    assert_eq!(
        read(&encrypted_with_iv(8), Some(PASSPHRASE)).unwrap_err(),
        KeyError::PassphraseWrong
    );
    for length in [0, 1, 7, 9, 16] {
        let error = read(&encrypted_with_iv(length), Some(PASSPHRASE)).unwrap_err();
        assert_eq!(error, KeyError::Damaged("private key"), "{length}");
    }
}

#[test]
fn certificates_and_public_keys() {
    let expected = private("user1024-key.pkcs8.der").public().clone();
    let pem = String::from_utf8(fixture("user1024-cert.pem")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let wide: Vec<&str> =
        (0..body.len()).step_by(76).map(|at| &body[at..body.len().min(at + 76)]).collect();
    let wide = format!(
        "-----BEGIN X509 CERTIFICATE-----\n{} \n-----END X509 CERTIFICATE-----",
        wide.join(" \n")
    );
    let key = String::from_utf8(key_file("pkcs1.pem")).unwrap();
    for file in [
        pem.clone().into_bytes(),
        pem.replace('\n', "\r\n").into_bytes(),
        wide.into_bytes(),
        format!("{key}Bag Attributes: none\n{pem}").into_bytes(),
        key_file("cert.der"),
        key_file("cert-trusted.pem"),
        key_file("cert-serial.pem"),
        key_file("spki.pem"),
        key_file("spki.der"),
        key_file("pkcs1-public.pem"),
    ] {
        let key = PublicKey::from_bytes(&file).unwrap_or_else(|error| panic!("{error}: {file:?}"));
        assert_eq!(key, expected);
        assert_eq!(key.bits(), 1024);
        assert_eq!(key.fingerprint(), expected.fingerprint());
    }
}

#[test]
fn what_is_not_a_certificate() {
    for (file, expected) in [
        (Vec::new(), KeyError::NotACertificate),
        (b"\0\0".to_vec(), KeyError::NotACertificate),
        (b"ssh-rsa AAAA me@here".to_vec(), KeyError::NotACertificate),
        (fixture("user-key.pkcs8.der"), KeyError::PrivateKeyAsCertificate),
        (key_file("pkcs1.pem"), KeyError::PrivateKeyAsCertificate),
        (key_file("pkcs8-scrypt.pem"), KeyError::PrivateKeyAsCertificate),
        (key_file("pkcs1-des3.pem"), KeyError::PrivateKeyAsCertificate),
        (key_file("openssh.pem"), KeyError::PrivateKeyAsCertificate),
        (key_file("ec-cert.pem"), KeyError::NotRsa("elliptic curves".into())),
        (key_file("bits-512-cert.pem"), KeyError::TooSmall { bits: 512 }),
        (fixture("user-cert.pem")[..400].to_vec(), KeyError::Damaged("PEM block")),
    ] {
        assert_eq!(
            PublicKey::from_bytes(&file).unwrap_err(),
            expected,
            "{}",
            String::from_utf8_lossy(&file)
        );
    }
}

#[test]
fn secrets_are_wrapped_and_unwrapped_with_keys_of_every_length() {
    let made = [2048, 3072].map(|bits| PrivateKey::generate(bits, &mut SysRng).unwrap());
    let keys = [private("user1024-key.pkcs8.der"), private("user-key.pkcs8.der")];
    let large = PrivateKey::from_bytes(&key_file("bits-4096.pem"), no_passphrase).unwrap();
    for key in made.iter().chain(&keys).chain([&large]) {
        let secret = CipherKey::generate(&mut SysRng).unwrap();
        let wrapped = key.public().wrap(secret.bytes(), &mut SysRng).unwrap();
        assert_eq!(wrapped.len() * 8, key.bits());
        assert_ne!(wrapped, key.public().wrap(secret.bytes(), &mut SysRng).unwrap());
        assert_eq!(&*key.unwrap(&wrapped, &mut SysRng).unwrap(), secret.bytes());

        let mut damaged = wrapped.clone();
        damaged[10] ^= 1;
        assert_eq!(key.unwrap(&damaged, &mut SysRng).unwrap_err(), KeyError::NotForThisKey);
        let too_large = vec![0xff; wrapped.len()];
        assert_eq!(key.unwrap(&too_large, &mut SysRng).unwrap_err(), KeyError::NotForThisKey);
        let expected = KeyError::OtherLength { wrapped: key.bits() - 8, key: key.bits() };
        assert_eq!(key.unwrap(&wrapped[1..], &mut SysRng).unwrap_err(), expected);
    }
}

#[test]
fn limits_of_generated_keys() {
    assert_eq!(
        PrivateKey::generate(512, &mut SysRng).unwrap_err(),
        KeyError::TooSmall { bits: 512 }
    );
    assert_eq!(
        PrivateKey::generate(8193, &mut SysRng).unwrap_err(),
        KeyError::TooLarge { bits: 8193 }
    );
}

#[test]
fn certificates_are_made_and_read() {
    let key = private("user-key.pkcs8.der");
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let make = |name: &str, years| self_signed_certificate(&key, name, now, years, &mut SysRng);
    let certificate = make("baler, of 123456789012 = ü", 10).unwrap();
    assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----\n"));
    assert!(certificate.ends_with("\n-----END CERTIFICATE-----\n"));
    assert_eq!(&PublicKey::from_bytes(certificate.as_bytes()).unwrap(), key.public());
    assert_ne!(certificate, make("baler, of 123456789012 = ü", 10).unwrap());
    // Past 2049 the form of the date changes.
    assert_eq!(&PublicKey::from_bytes(make("x", 100).unwrap().as_bytes()).unwrap(), key.public());
    for name in ["", "a\nb", &"x".repeat(65)] {
        assert_eq!(make(name, 1).unwrap_err(), KeyError::CommonName);
    }
    assert_eq!(make("x", 9000).unwrap_err(), KeyError::Validity);
    assert_eq!(make("x", u32::MAX).unwrap_err(), KeyError::Validity);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "OpenSSL is the judge, where there is one")]
fn openssl_accepts_the_key_and_the_certificate() {
    let key = private("user-key.pkcs8.der");
    let certificate =
        self_signed_certificate(&key, "baler", SystemTime::now(), 10, &mut SysRng).unwrap();
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("self-signed.pem");
    std::fs::write(&file, certificate).unwrap();
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["verify", "-check_ss_sig", "-x509_strict", "-CAfile"]).args([&file, &file]);
    let Ok(output) = openssl.output() else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::write(&file, key.to_pkcs8_pem().unwrap()).unwrap();
    let mut openssl = std::process::Command::new("openssl");
    let output = openssl.args(["pkey", "-noout", "-check", "-in"]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn nothing_secret_is_shown() {
    let secret = [0xab; 16];
    let key = private("user1024-key.pkcs8.der");
    assert_eq!(
        format!("{:?} {:?}", CipherKey::new(secret), CipherIv::new(secret)),
        "CipherKey(..) CipherIv(..)"
    );
    assert_eq!(format!("{:?}", Passphrase::from(PASSPHRASE)), "Passphrase(..)");
    let shown = format!("{key:?} {:#?}", key);
    assert!(shown.starts_with("PrivateKey(.. of PublicKey(1024 bits, "), "{shown}");
    // Any eight digits of the private exponent or of the primes.
    let der = hex::encode(key_file("pkcs1.der"));
    let secrets = &der[2 * 145..];
    for at in (0..secrets.len() - 8).step_by(2) {
        assert!(!shown.contains(&secrets[at..at + 8]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_file_is_survived(file: Vec<u8>) {
        let _ = read(&file, Some(PASSPHRASE));
        let _ = PublicKey::from_bytes(&file);
    }

    #[test]
    fn any_change_of_a_file_is_survived(
        name in prop::sample::select(vec!["pkcs1.der", "pkcs8-aes256-sha256.pem", "pkcs1-des3.pem", "cert.der", "spki.pem", "cert-trusted.pem"]),
        at: prop::sample::Index, byte: u8,
    ) {
        let mut file = key_file(name);
        let at = at.index(file.len());
        file[at] = byte;
        // A changed number of rounds could take for ever; the rest of the file is what is tested.
        if name != "pkcs8-aes256-sha256.pem" {
            let _ = read(&file, Some(PASSPHRASE));
        }
        let _ = PublicKey::from_bytes(&file);
    }
}
