//! Keys that are not text: PKCS #12, Java keystores, DER, OpenPGP.

use memchr::memmem;

/// Object identifiers of the bags of PKCS #12 that hold a key, plain and encrypted (RFC 7292, appendix D).
pub(super) const KEY_BAGS: [&[u8]; 2] = [
    b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x01",
    b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x02",
];

/// Returns whether these are the first bytes of what may hold a key far behind its head.
pub(super) fn is_container(head: &[u8]) -> bool {
    is_pkcs12(head) || head.starts_with(&JKS) || head.starts_with(&JCEKS)
}

/// Recognises the start of a PKCS #12: a sequence, and in it the version 3 and another sequence.
fn is_pkcs12(head: &[u8]) -> bool {
    match head {
        [0x30, 0x82, _, _, rest @ ..]
        | [0x30, 0x83, _, _, _, rest @ ..]
        | [0x30, 0x80, rest @ ..] => rest.starts_with(&[2, 1, 3, 0x30]),
        _ => false,
    }
}

pub(super) const JKS: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
pub(super) const JCEKS: [u8; 4] = [0xce, 0xce, 0xce, 0xce];

/// The form of a key that is not text.
pub(super) fn binary_key(path: &[u8], size: u64, bytes: &[u8]) -> Option<&'static str> {
    if is_pkcs12(bytes) && KEY_BAGS.iter().any(|bag| memmem::find(bytes, bag).is_some()) {
        return Some("PKCS #12");
    }
    if (bytes.starts_with(&JKS) || bytes.starts_with(&JCEKS)) && has_java_key(bytes).is_some() {
        return Some("Java keystore");
    }
    if let Some(form) = der_key(size, bytes) {
        return Some(form);
    }
    // RFC 9580, sections 4.2 and 5.5: packet 5 in the old format or the new one, then its length and the version.
    let is_openpgp = path.ends_with(b".gpg") || path.ends_with(b".pgp");
    match bytes {
        [0x94, _, 3..=6, ..] | [0x95 | 0xc5, _, _, 3..=6, ..] if is_openpgp => Some("OpenPGP"),
        [0xc5, _, 3..=6, ..] if is_openpgp => Some("OpenPGP"),
        _ => None,
    }
}

/// The form of a key in DER that is the whole file (RFC 5208, 5915, 8017).
pub(super) fn der_key(size: u64, bytes: &[u8]) -> Option<&'static str> {
    const SEQUENCE: u8 = 0x30;
    const INTEGER: u8 = 2;
    const OCTETS: u8 = 4;
    /// Of all ways to encrypt by a passphrase, 1.2.840.113549.1.5.
    const BY_PASSPHRASE: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05";
    let (outer, header) = der(bytes)?;
    if outer.tag != SEQUENCE || (header + outer.len) as u64 != size {
        return None;
    }
    let (first, begin) = der(&bytes[header..])?;
    let content = bytes.get(header + begin..)?;
    let (second, _) = der(content.get(first.len..)?)?;
    match (first.tag, content.first(), second.tag) {
        (INTEGER, Some(0 | 1), INTEGER) if first.len == 1 && second.len >= 64 => Some("PKCS #1"),
        (INTEGER, Some(0 | 1), SEQUENCE) if first.len == 1 => Some("PKCS #8"),
        (INTEGER, Some(1), OCTETS) if first.len == 1 && second.len >= 16 => Some("EC"),
        (SEQUENCE, _, OCTETS) if content.starts_with(BY_PASSPHRASE) => Some("encrypted"),
        _ => None,
    }
}

/// A value in DER: what it is, and how long.
struct Der {
    tag: u8,
    len: usize,
}

/// The value that begins here, and the length of its header.
fn der(bytes: &[u8]) -> Option<(Der, usize)> {
    let (&tag, &len) = (bytes.first()?, bytes.get(1)?);
    let count = usize::from(len & 0x7f);
    match len {
        0..=0x7f => Some((Der { tag, len: usize::from(len) }, 2)),
        0x81..=0x83 => {
            let len =
                bytes.get(2..2 + count)?.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
            Some((Der { tag, len }, 2 + count))
        }
        _ => None,
    }
}

/// Walks through the entries of a Java keystore: aliases with a certificate (2) or with a key (1, 3).
fn has_java_key(bytes: &[u8]) -> Option<()> {
    fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = bytes.split_at_checked(len)?;
        *bytes = rest;
        Some(taken)
    }
    fn number(bytes: &mut &[u8], len: usize) -> Option<usize> {
        Some(take(bytes, len)?.iter().fold(0, |value, &byte| value << 8 | usize::from(byte)))
    }
    let mut rest = bytes.get(8..)?;
    for _ in 0..number(&mut rest, 4)? {
        let kind = number(&mut rest, 4)?;
        if kind != 2 {
            return Some(());
        }
        let alias = number(&mut rest, 2)?;
        take(&mut rest, alias + 8)?;
        let certificate_type = number(&mut rest, 2)?;
        take(&mut rest, certificate_type)?;
        let certificate = number(&mut rest, 4)?;
        take(&mut rest, certificate)?;
    }
    None
}
