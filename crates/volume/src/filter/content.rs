//! What is told by what is in it.

use std::os::fd::BorrowedFd;

use memchr::memmem::{self, Finder};
use rustix::io::{Errno, pread};

use super::{Secret, names};

/// Files longer than this many bytes are not looked into.
pub(super) const LIMIT: u64 = 256 << 10;

/// How much of a file tells whether it is text.
const HEAD: usize = 4096;

/// Looks for secrets in files, with what it needs for that.
pub(super) struct Searcher {
    buffer: Vec<u8>,
    private_key: Finder<'static>,
    access_keys: [Finder<'static>; 2],
    exact: [(Finder<'static>, Secret); 3],
}

impl Default for Searcher {
    fn default() -> Searcher {
        Searcher {
            buffer: Vec::new(),
            private_key: Finder::new("PRIVATE KEY"),
            access_keys: [Finder::new("AKIA"), Finder::new("ASIA")],
            exact: [
                (Finder::new("AGE-SECRET-KEY-1"), Secret::PrivateKey("age")),
                // `LS0tLS1CRUdJTi` is `-----BEGIN` in base64.
                (
                    Finder::new("client-key-data: LS0tLS1CRUdJTi"),
                    Secret::CloudCredentials("Kubernetes"),
                ),
                (Finder::new("Private-key-format: v1."), Secret::PrivateKey("DNSSEC")),
            ],
        }
    }
}

impl Searcher {
    /// What the file of this size is. Of a file that is not text only the head is read.
    pub(super) fn look_into(
        &mut self,
        path: &[u8],
        size: u64,
        file: BorrowedFd<'_>,
    ) -> Result<Option<Secret>, Errno> {
        let size = usize::try_from(size.min(LIMIT)).unwrap_or(HEAD);
        self.buffer.resize(LIMIT as usize, 0);
        let mut filled = fill(file, &mut self.buffer[..size.min(HEAD)], 0)?;
        let is_text = memchr::memchr(0, &self.buffer[..filled]).is_none();
        if filled == HEAD && size > HEAD && (is_text || is_container(&self.buffer[..filled])) {
            filled += fill(file, &mut self.buffer[HEAD..size], HEAD as u64)?;
        }
        Ok(self.search(path, size, &self.buffer[..filled]))
    }

    fn search(&self, path: &[u8], size: usize, bytes: &[u8]) -> Option<Secret> {
        if let Some(form) = binary_key(path, size, bytes) {
            return Some(Secret::PrivateKey(form));
        }
        if bytes[..bytes.len().min(HEAD)].contains(&0) {
            return None;
        }
        let armored = self.private_key.find_iter(bytes).find_map(|at| armored_key(bytes, at));
        if let Some(form) = armored {
            let is_google = memmem::find(bytes, b"\"service_account\"").is_some();
            return Some(match is_google {
                true => Secret::CloudCredentials("Google service account"),
                false => Secret::PrivateKey(form),
            });
        }
        if bytes.starts_with(b"PuTTY-User-Key-File-") {
            return Some(Secret::PrivateKey("PuTTY"));
        }
        if let Some((_, secret)) =
            self.exact.iter().find(|(finder, _)| finder.find(bytes).is_some())
        {
            return Some(*secret);
        }
        if self.has_access_key(bytes) {
            return Some(Secret::CloudCredentials("AWS"));
        }
        by_name(path, bytes)
    }

    /// An AWS access key id with its secret near it. Each alone is harmless, and so is the one of Amazon's own
    /// documents, which many programs come with.
    fn has_access_key(&self, bytes: &[u8]) -> bool {
        let ids = self.access_keys.iter().flat_map(|finder| finder.find_iter(bytes));
        ids.filter(|&at| {
            let before = bytes[..at].last().copied().unwrap_or(b' ');
            let id = bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
            let id = &bytes[at..at + id];
            let is_id = id.len() == 20 && !id.iter().any(u8::is_ascii_lowercase);
            !before.is_ascii_alphanumeric() && is_id && !id.ends_with(b"EXAMPLE")
        })
        .any(|at| {
            has_secret_access_key(&bytes[at.saturating_sub(1024)..bytes.len().min(at + 1024)])
        })
    }
}

/// Whether there is a word of 40 characters of base64 which is not a hexadecimal digest.
fn has_secret_access_key(bytes: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    bytes.split(|byte| !is_base64(byte)).any(|word| {
        let has = |kind: fn(&u8) -> bool| word.iter().any(kind);
        word.len() == 40 && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)
    })
}

/// The form of an armored key, if the words `PRIVATE KEY` at this place begin one: programs that read keys have those
/// words in them too, but no key after them.
fn armored_key(bytes: &[u8], at: usize) -> Option<&'static str> {
    let before = &bytes[at.saturating_sub(40)..at];
    let begin =
        memmem::rfind(before, b"-- BEGIN ").or_else(|| memmem::rfind(before, b"--BEGIN "))?;
    let kind = &before[begin..];
    let after = &bytes[at + b"PRIVATE KEY".len()..];
    let after = after.strip_prefix(b" BLOCK").unwrap_or(after);
    let after = after.strip_prefix(b" ").unwrap_or(after).strip_prefix(b"----")?;
    let body = between(after);
    const HEADERS: [&[u8]; 6] =
        [b"Proc-Type:", b"DEK-Info:", b"Version:", b"Comment:", b"Charset:", b"Subject:"];
    let is_base64 = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let is_key = HEADERS.iter().any(|header| body.starts_with(header))
        || body.iter().take_while(is_base64).count() >= 40;
    let has = |word: &str| memmem::find(kind, word.as_bytes()).is_some();
    let forms = ["OPENSSH", "ENCRYPTED", "RSA", "DSA", "EC", "PGP", "SSH2"]
        .into_iter()
        .find(|word| has(word));
    is_key.then_some(match forms {
        Some("OPENSSH") => "OpenSSH",
        Some("ENCRYPTED") => "encrypted",
        Some(form) => form,
        None => "PKCS #8",
    })
}

/// Passes over what stands between a key and its first line in a string of a program or in JSON: quotes, blanks,
/// escaped newlines.
fn between(mut bytes: &[u8]) -> &[u8] {
    loop {
        bytes = match bytes {
            [b'\\', b'n' | b'r' | b't', rest @ ..] => rest,
            [
                b'-' | b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b'\\' | b'+' | b',',
                rest @ ..,
            ] => rest,
            _ => return bytes,
        }
    }
}

/// A key as it stands in a configuration file of this name.
fn by_name(path: &[u8], bytes: &[u8]) -> Option<Secret> {
    let (above, name) = names::split(path);
    let (_, directory) = names::split(above);
    let has = |word: &str| memmem::find(bytes, word.as_bytes()).is_some();
    match (directory, name) {
        (b".docker", b"config.json") | (_, b".dockercfg" | b".dockerconfigjson")
            if has("\"auth\":") || has("\"identitytoken\":") =>
        {
            Some(Secret::CloudCredentials("container registry"))
        }
        (b".kube", b"config") if has("token:") || has("password:") => {
            Some(Secret::CloudCredentials("Kubernetes"))
        }
        (b"wireguard", _) | (_, b"wg0.conf") if has("PrivateKey") => {
            Some(Secret::PrivateKey("WireGuard"))
        }
        _ => None,
    }
}

/// Object identifiers of the bags of PKCS #12 that hold a key, plain and encrypted (RFC 7292, appendix D).
const KEY_BAGS: [&[u8]; 2] = [
    b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x01",
    b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x02",
];

/// Whether these are the first bytes of what may hold a key far behind its head.
fn is_container(head: &[u8]) -> bool {
    is_pkcs12(head) || head.starts_with(&JKS) || head.starts_with(&JCEKS)
}

/// What every PKCS #12 begins with: a sequence, and in it the version 3 and another sequence.
fn is_pkcs12(head: &[u8]) -> bool {
    match head {
        [0x30, 0x82, _, _, rest @ ..]
        | [0x30, 0x83, _, _, _, rest @ ..]
        | [0x30, 0x80, rest @ ..] => rest.starts_with(&[2, 1, 3, 0x30]),
        _ => false,
    }
}

const JKS: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
const JCEKS: [u8; 4] = [0xce, 0xce, 0xce, 0xce];

/// The form of a key that is not text.
fn binary_key(path: &[u8], size: usize, bytes: &[u8]) -> Option<&'static str> {
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
fn der_key(size: usize, bytes: &[u8]) -> Option<&'static str> {
    const SEQUENCE: u8 = 0x30;
    const INTEGER: u8 = 2;
    const OCTETS: u8 = 4;
    /// Of all ways to encrypt by a passphrase, 1.2.840.113549.1.5.
    const BY_PASSPHRASE: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05";
    let (outer, header) = der(bytes)?;
    if outer.tag != SEQUENCE || header + outer.len != size {
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

fn fill(file: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
    let mut filled = 0;
    while filled < buffer.len() {
        match pread(file, &mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests;
