//! The armour of key files (PEM): written strictly, and read as leniently as twenty years of key files require.
//!
//! Readers that follow RFC 7468 refuse files of 2008: lines of 76 columns or no line breaks, blanks at the ends of
//! lines, text before the armour, headers, `X509 CERTIFICATE`. Buffers that may hold a private key are zeroed after
//! use.

use base64ct::{Base64, Encoding as _};
use zeroize::Zeroizing;

use super::KeyError;

const BEGIN: &[u8] = b"-----BEGIN ";
const DASHES: &[u8] = b"-----";

/// A block of a file. It is decoded only when it is needed.
pub(super) struct Block<'a> {
    pub(super) label: &'a str,
    body: &'a [u8],
}

/// Returns the blocks of a file, in order. Text outside of the blocks is skipped.
pub(super) fn blocks(file: &[u8]) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut rest = file;
    while let Some(start) = find(rest, BEGIN) {
        rest = &rest[start + BEGIN.len()..];
        let Some(label) = find(rest, DASHES).and_then(|end| str::from_utf8(&rest[..end]).ok())
        else {
            continue;
        };
        let body = &rest[label.len() + DASHES.len()..];
        // A block without its end is kept: the file was cut short, and the error should say so.
        let end = find(body, format!("-----END {label}-----").as_bytes());
        blocks.push(Block { label, body: &body[..end.unwrap_or(0)] });
        rest = &body[end.unwrap_or(0)..];
    }
    blocks
}

impl<'a> Block<'a> {
    /// Returns the value of a header (RFC 1421). Headers are before the first blank line.
    pub(super) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers().find_map(|(key, value)| (key == name).then_some(value))
    }

    fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.body
            .split(|&byte| byte == b'\n')
            .skip_while(|line| line.trim_ascii().is_empty())
            .map_while(|line| str::from_utf8(line).ok()?.split_once(':'))
            .map(|(key, value)| (key.trim(), value.trim()))
    }

    /// Decodes the block.
    pub(super) fn der(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        // Base64 has no colons, so the last one is in a header.
        let data = match self.body.iter().rposition(|&byte| byte == b':') {
            Some(colon) => {
                let line = &self.body[colon..];
                &line[line.iter().position(|&byte| byte == b'\n').unwrap_or(line.len())..]
            }
            None => self.body,
        };
        let mut base64 = Zeroizing::new(Vec::with_capacity(data.len()));
        base64.extend(data.iter().filter(|byte| !byte.is_ascii_whitespace()));
        let mut der = Zeroizing::new(vec![0; base64.len()]);
        let length = match Base64::decode(base64.as_slice(), &mut der) {
            Ok(decoded) if !decoded.is_empty() => decoded.len(),
            _ => return Err(KeyError::Damaged("PEM block")),
        };
        der.truncate(length);
        Ok(der)
    }
}

/// Puts armour around `der`, in lines of 64 columns (RFC 7468, section 2).
pub(super) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    const COLUMNS: usize = 64;
    let base64 = Zeroizing::new(Base64::encode_string(der));
    // Exactly the length of the result: a buffer that grows leaves copies of the key behind.
    let frame = "-----BEGIN -----\n-----END -----\n".len() + 2 * label.len();
    let mut pem = Zeroizing::new(String::with_capacity(
        frame + base64.len() + base64.len().div_ceil(COLUMNS),
    ));
    for part in ["-----BEGIN ", label, "-----\n"] {
        pem.push_str(part);
    }
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(COLUMNS));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    for part in ["-----END ", label, "-----\n"] {
        pem.push_str(part);
    }
    pem
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_field_holds() {
        for (file, label) in [
            ("-----BEGIN X-----\nAAEC\n-----END X-----\n", "X"),
            ("-----BEGIN X-----\r\nAAEC\r\n-----END X-----\r\n", "X"),
            ("-----BEGIN X-----AAEC-----END X-----", "X"),
            (
                "some text: here\n-----BEGIN X Y-----  \nA A\tE\n\nC  \n-----END X Y-----   \nmore",
                "X Y",
            ),
            ("-----BEGIN X-----\nA: b\nC: d: e\n\nAAEC\n-----END X-----", "X"),
        ] {
            let blocks = blocks(file.as_bytes());
            assert_eq!(blocks.len(), 1, "{file}");
            assert_eq!(blocks[0].label, label);
            assert_eq!(blocks[0].der().unwrap().as_slice(), [0, 1, 2], "{file}");
        }
    }

    #[test]
    fn finds_headers_and_several_blocks() {
        let file = b"-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: X,00\n\nAAEC\n-----END A-----\n-----BEGIN B-----\nAAEC\n-----END B-----";
        let blocks = blocks(file);
        assert_eq!(blocks.iter().map(|block| block.label).collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!(blocks[0].header("DEK-Info"), Some("X,00"));
        assert_eq!(blocks[1].header("DEK-Info"), None);
    }

    #[test]
    fn refuses_damage() {
        for file in [
            "-----BEGIN X-----\nAAEC\n",
            "-----BEGIN X-----\nAAEC\n-----END Y-----",
            "-----BEGIN X-----\n-----END X-----",
            "-----BEGIN X-----\nAAE\n-----END X-----",
            "-----BEGIN X-----\nA!EC\n-----END X-----",
        ] {
            let error = blocks(file.as_bytes())[0].der().err();
            assert_eq!(error, Some(KeyError::Damaged("PEM block")), "{file}");
        }
        assert!(blocks(b"-----BEGIN ").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn there_and_back(der in proptest::collection::vec(proptest::num::u8::ANY, 1..200)) {
            let pem = encode("PRIVATE KEY", &der);
            assert_eq!(pem.len(), pem.capacity());
            let blocks = blocks(pem.as_bytes());
            assert_eq!(blocks[0].label, "PRIVATE KEY");
            assert_eq!(blocks[0].der().unwrap().as_slice(), der);
        }

        #[test]
        fn any_bytes_are_survived(file: Vec<u8>) {
            for block in blocks(&file) {
                let _ = block.der();
            }
        }
    }
}
