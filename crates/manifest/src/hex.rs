//! Hexadecimal text as in the manifest: written in lower case, read in any case.

use zeroize::Zeroizing;

/// An error of reading hexadecimal text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HexError {
    /// The number of digits is odd; that number.
    #[error("an odd number of hexadecimal digits ({0})")]
    OddLength(usize),
    /// A character is not a hexadecimal digit; its offset in bytes.
    #[error("not a hexadecimal digit at offset {0}")]
    BadDigit(usize),
    /// The text is well-formed, but has not as many bytes as the value.
    #[error("{found} bytes where there should be {expected}")]
    WrongLength {
        /// The number of bytes of the value.
        expected: usize,
        /// The number of bytes of the text.
        found: usize,
    },
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Returns the two digits of a byte, lower case.
fn digits(byte: u8) -> [u8; 2] {
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// Encodes `bytes` in lower case.
pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|&byte| digits(byte)).map(char::from).collect()
}

/// Returns the 32 digits of a key or an IV: the text that is encrypted with RSA (`docs/format.md`, "Key wrapping").
pub(crate) fn encode_secret(bytes: &[u8; 16]) -> Zeroizing<[u8; 32]> {
    let mut text = Zeroizing::new([0; 32]);
    for (pair, &byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&digits(byte));
    }
    text
}

/// Decodes `text`, in any case.
pub(crate) fn decode(text: &[u8]) -> Result<Vec<u8>, HexError> {
    let mut bytes = vec![0; text.len() / 2];
    decode_into(text, &mut bytes)?;
    Ok(bytes)
}

/// Decodes `text` into `bytes`; the text must have exactly that length.
pub(crate) fn decode_into(text: &[u8], bytes: &mut [u8]) -> Result<(), HexError> {
    if let Some(at) = text.iter().position(|digit| !digit.is_ascii_hexdigit()) {
        return Err(HexError::BadDigit(at));
    }
    if !text.len().is_multiple_of(2) {
        return Err(HexError::OddLength(text.len()));
    }
    if text.len() / 2 != bytes.len() {
        return Err(HexError::WrongLength { expected: bytes.len(), found: text.len() / 2 });
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = value(pair[0]) << 4 | value(pair[1]);
    }
    Ok(())
}

/// Returns the value of a character that is known to be a digit.
fn value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_any_case_and_writes_lower_case() {
        assert_eq!(decode(b"00fFA9"), Ok(vec![0x00, 0xff, 0xa9]));
        assert_eq!(encode(&[0x00, 0xff, 0xa9]), "00ffa9");
        assert_eq!(decode(b""), Ok(vec![]));
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(decode(b"abc"), Err(HexError::OddLength(3)));
        assert_eq!(decode(b"ab:d"), Err(HexError::BadDigit(2)));
        assert_eq!(decode("aé".as_bytes()), Err(HexError::BadDigit(1)));
        assert_eq!(
            decode_into(b"abcd", &mut [0; 3]),
            Err(HexError::WrongLength { expected: 3, found: 2 })
        );
    }

    proptest::proptest! {
        #[test]
        fn there_and_back(bytes: Vec<u8>, secret: [u8; 16]) {
            assert_eq!(decode(encode(&bytes).as_bytes()).as_deref(), Ok(&bytes[..]));
            assert_eq!(encode(&secret).as_bytes(), encode_secret(&secret).as_slice());
        }
    }
}
