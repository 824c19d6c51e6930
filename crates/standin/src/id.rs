//! Names that nobody has had before, time, and the little text coding that several modules need.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3s::dto::{Timestamp, TimestampFormat};

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// `bytes` random bytes (at most 32) as lower-case hexadecimal digits.
pub(crate) fn random(bytes: usize) -> String {
    let mut buffer = [0_u8; 32];
    if getrandom::fill(&mut buffer).is_err() {
        // Unique is enough: nothing here is a secret.
        buffer[..8].copy_from_slice(&COUNTER.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        buffer[8..16].copy_from_slice(&now().to_be_bytes());
    }
    hex(&buffer[..bytes.min(32)])
}

/// A request id in the form that EC2 and STS use.
pub(crate) fn request() -> String {
    let digits = random(16);
    format!(
        "{}-{}-{}-{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..]
    )
}

/// A request id in the form that S3 uses.
pub(crate) fn s3_request() -> String {
    random(8).to_ascii_uppercase()
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// The bytes that pairs of hexadecimal digits stand for; `None` if there is anything else.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().map(|c| c.to_digit(16)).collect::<Option<Vec<u32>>>()?;
    digits
        .len()
        .is_multiple_of(2)
        .then(|| digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}

/// Base64 with padding, as checksum headers have it.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let value = group.iter().fold(0_u32, |value, byte| value << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = DIGITS[(value >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// Undoes percent-encoding, and `+` for a space where `form` says that the text is from a form.
pub(crate) fn unescape(text: &str, form: bool) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).and_then(unhex);
        match (bytes[at], code) {
            (b'%', Some(code)) => {
                plain.extend(code);
                at += 2;
            }
            (b'+', _) if form => plain.push(b' '),
            (byte, _) => plain.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// The pairs of a query or of a form, decoded, in their order.
pub(crate) fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (unescape(name, true), unescape(value, true)))
        .collect()
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Milliseconds since 1970 as S3's library wants them.
pub(crate) fn timestamp(milliseconds: u64) -> Timestamp {
    Timestamp::from(UNIX_EPOCH + Duration::from_millis(milliseconds))
}

/// Milliseconds since 1970 as `2026-01-02T03:04:05.678Z`.
pub(crate) fn date(milliseconds: u64) -> String {
    let mut text = Vec::new();
    // Writing to memory does not fail for a year of four digits.
    let _ = timestamp(milliseconds).format(TimestampFormat::DateTime, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// A lock; a test that panicked while it held it takes nothing else down.
pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn hexadecimal_goes_both_ways() {
        assert_eq!(unhex(&hex(&[0, 15, 255])), Some(vec![0, 15, 255]));
        assert_eq!(unhex("0g"), None);
        assert_eq!(unhex("123"), None);
        assert_eq!(random(17).len(), 34);
    }

    #[test]
    fn forms_are_decoded() {
        assert_eq!(
            pairs("a=b%2Fc+d&e&f=%"),
            [("a", "b/c d"), ("e", ""), ("f", "%")].map(|(n, v)| (n.into(), v.into()))
        );
    }

    #[test]
    fn dates_have_milliseconds() {
        assert_eq!(date(1_000), "1970-01-01T00:00:01.000Z");
    }
}
