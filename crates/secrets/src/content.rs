//! Secrets that are recognised by their content.

use std::io::{self, Read};

use memchr::memmem::{self, Finder};

use crate::names;
use crate::secret::Secret;
use binary::{binary_key, is_container};

mod binary;

/// Files longer than this are not looked into: 256 KiB. Keys and credentials are small.
pub const MAX_SIZE: u64 = 256 << 10;

/// Bytes of a file that decide whether it is text.
const HEAD: usize = 4096;

/// Looks for secrets in the content of files. Made once for many files: it keeps its buffer and its search tables.
#[derive(Debug)]
pub struct Searcher {
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
    /// Recognises the file at a path, which has `size` bytes and is read from its start.
    ///
    /// A file that is empty or longer than [`MAX_SIZE`] is not looked into. Of a file that is not text, only the first
    /// 4 KiB are read, unless it can hold a key behind them.
    ///
    /// # Errors
    /// Errors of `file`.
    pub fn look_into(
        &mut self,
        path: &[u8],
        size: u64,
        file: &mut dyn Read,
    ) -> io::Result<Option<Secret>> {
        if !(1..=MAX_SIZE).contains(&size) {
            return Ok(None);
        }
        let wanted = size as usize;
        self.buffer.resize(MAX_SIZE as usize, 0);
        let mut filled = fill(file, &mut self.buffer[..wanted.min(HEAD)])?;
        let is_text = memchr::memchr(0, &self.buffer[..filled]).is_none();
        if filled == HEAD && wanted > HEAD && (is_text || is_container(&self.buffer[..filled])) {
            filled += fill(file, &mut self.buffer[HEAD..wanted])?;
        }
        Ok(self.search(path, size, &self.buffer[..filled]))
    }

    /// Recognises the file at a path, which has `size` bytes and begins with `bytes`.
    pub fn search(&self, path: &[u8], size: u64, bytes: &[u8]) -> Option<Secret> {
        if let Some(form) = binary_key(path, size, bytes) {
            return Some(Secret::PrivateKey(form));
        }
        if bytes[..bytes.len().min(HEAD)].contains(&0) {
            return None;
        }
        let armored = self.private_key.find_iter(bytes).find_map(|at| armored_key(bytes, at));
        if let Some(form) = armored {
            let is_google = memmem::find(bytes, b"\"service_account\"").is_some();
            let google = Secret::CloudCredentials("Google service account");
            return Some(if is_google { google } else { Secret::PrivateKey(form) });
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

/// Returns whether there is a word of 40 characters of base64 which is not a hexadecimal digest.
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

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests;
