//! Checksums of uploads: what a request promises, what its bytes are, and whether the two agree.

use std::collections::BTreeMap;

use http::HeaderMap;
use md5::{Digest as _, Md5};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto::Checksum;
use s3s::{S3Result, TrailingHeaders, s3_error};

use super::refusal::refused;
use crate::id;

/// The algorithms, by their header's suffix, and the length of their value.
const ALGORITHMS: [(&str, usize); 5] =
    [("crc32", 4), ("crc32c", 4), ("crc64nvme", 8), ("sha1", 20), ("sha256", 32)];

/// The digests of an upload.
#[derive(Debug)]
pub(crate) struct Digests {
    pub(crate) etag: String,
    /// The algorithm in lower case, and its value in base64.
    pub(crate) checksums: BTreeMap<String, String>,
}

/// The digests of an upload while it comes in.
pub(crate) struct Hasher {
    algorithm: &'static str,
    md5: Md5,
    other: ChecksumHasher,
    promised: Option<String>,
    promised_md5: Option<String>,
    in_trailer: bool,
}

impl Hasher {
    /// Takes the promises from the headers; they are refused if they are malformed, or more than one.
    pub(crate) fn new(headers: &HeaderMap) -> S3Result<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut found = None;
        for (algorithm, length) in ALGORITHMS {
            let name = format!("x-amz-checksum-{algorithm}");
            let Some(value) = text(&name) else { continue };
            if !is_base64_of(value, length) {
                return Err(s3_error!(InvalidRequest, "Value for {name} header is invalid."));
            }
            if found.replace((algorithm, Some(value.to_owned()))).is_some() {
                return Err(s3_error!(InvalidRequest, "Expecting a single x-amz-checksum- header"));
            }
        }
        let announced = text("x-amz-trailer").and_then(|name| name.strip_prefix("x-amz-checksum-"));
        let in_trailer = announced.is_some() && found.is_none();
        if let (Some(name), true) = (announced, in_trailer) {
            found = Some((known(name)?, None));
        }
        let wanted =
            text("x-amz-sdk-checksum-algorithm").or_else(|| text("x-amz-checksum-algorithm"));
        if let (Some(name), None) = (wanted, &found) {
            found = Some((known(&name.to_ascii_lowercase())?, None));
        }
        // S3 computes this one where the client says nothing.
        let (algorithm, promised) = found.unwrap_or(("crc64nvme", None));
        let promised_md5 = text("content-md5").map(str::to_owned);
        if promised_md5.as_deref().is_some_and(|value| !is_base64_of(value, 16)) {
            return Err(s3_error!(InvalidDigest, "The Content-MD5 you specified is not valid."));
        }
        Ok(Self {
            algorithm,
            md5: Md5::new(),
            other: hasher(algorithm),
            promised,
            promised_md5,
            in_trailer,
        })
    }

    /// The next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.other.update(bytes);
    }

    /// The entity tag and the checksum, if every promise has been kept.
    pub(crate) fn finish(mut self, trailers: Option<&TrailingHeaders>) -> S3Result<Digests> {
        if self.in_trailer {
            let name = format!("x-amz-checksum-{}", self.algorithm);
            let value = |trailers: &HeaderMap| Some(trailers.get(&name)?.to_str().ok()?.to_owned());
            self.promised = trailers.and_then(|trailers| trailers.read(value)).flatten();
            if self.promised.is_none() {
                return Err(refused(
                    400,
                    "MalformedTrailerError",
                    "the checksum that x-amz-trailer announces is not there",
                ));
            }
        }
        let digest = self.md5.finalize();
        let value = value(self.other.finalize(), self.algorithm);
        if self.promised.is_some_and(|promised| promised != value) {
            let name = self.algorithm.to_ascii_uppercase();
            return Err(s3_error!(
                BadDigest,
                "The {name} you specified did not match the calculated checksum."
            ));
        }
        if self.promised_md5.is_some_and(|promised| promised != id::base64(&digest)) {
            return Err(s3_error!(
                BadDigest,
                "The Content-MD5 you specified did not match what we received."
            ));
        }
        let checksums = BTreeMap::from([(self.algorithm.to_owned(), value)]);
        Ok(Digests { etag: id::hex(&digest), checksums })
    }
}

/// Stored checksums as answers carry them.
pub(crate) fn answer(checksums: &BTreeMap<String, String>) -> Checksum {
    let of = |name: &str| checksums.get(name).cloned();
    Checksum {
        checksum_crc32: of("crc32"),
        checksum_crc32c: of("crc32c"),
        checksum_crc64nvme: of("crc64nvme"),
        checksum_sha1: of("sha1"),
        checksum_sha256: of("sha256"),
        checksum_type: (!checksums.is_empty()).then(|| "FULL_OBJECT".to_owned().into()),
    }
}

fn known(name: &str) -> S3Result<&'static str> {
    let found = ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(known, _)| *known);
    found.ok_or_else(|| s3_error!(InvalidRequest, "Checksum algorithm provided is unsupported."))
}

fn hasher(algorithm: &str) -> ChecksumHasher {
    ChecksumHasher {
        crc32: (algorithm == "crc32").then(Crc32::new),
        crc32c: (algorithm == "crc32c").then(Crc32c::new),
        sha1: (algorithm == "sha1").then(Sha1::new),
        sha256: (algorithm == "sha256").then(Sha256::new),
        crc64nvme: (algorithm == "crc64nvme").then(Crc64Nvme::new),
    }
}

fn value(sums: Checksum, algorithm: &str) -> String {
    match algorithm {
        "crc32" => sums.checksum_crc32,
        "crc32c" => sums.checksum_crc32c,
        "sha1" => sums.checksum_sha1,
        "sha256" => sums.checksum_sha256,
        _ => sums.checksum_crc64nvme,
    }
    .unwrap_or_default()
}

fn is_base64_of(text: &str, bytes: usize) -> bool {
    let digits = text.trim_end_matches('=');
    text.len() == bytes.div_ceil(3) * 4
        && digits.len() == (bytes * 8).div_ceil(6)
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn check(headers: &[(&'static str, &'static str)], bytes: &[u8]) -> S3Result<Digests> {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut hasher = Hasher::new(&headers.iter().map(pair).collect())?;
        hasher.update(bytes);
        hasher.finish(None)
    }

    #[test]
    fn promises_are_held_against_the_bytes() {
        // The values that RFC 1321, RFC 3720 and others give for the digits 1 to 9.
        let right = [
            ("x-amz-checksum-crc32", "y/Q5Jg=="),
            ("x-amz-checksum-crc32c", "4waSgw=="),
            ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
            ("content-md5", "JfnnlDI7RTiF9RgfG2JNCw=="),
        ];
        for (name, value) in right {
            assert!(check(&[(name, value)], b"123456789").is_ok(), "{name}");
            assert!(check(&[(name, value)], b"123456780").is_err(), "{name}");
        }
        let digests = check(&[], b"123456789").unwrap();
        assert_eq!(digests.etag, "25f9e794323b453885f5181f1b624d0b");
        assert!(digests.checksums.contains_key("crc64nvme"));
    }

    #[test]
    fn malformed_promises_are_refused() {
        for headers in [
            &[("x-amz-checksum-crc32", "xyz")][..],
            &[("content-md5", "xyz")],
            &[("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-checksum-crc32c", "4waSgw==")],
            &[("x-amz-trailer", "x-amz-checksum-crc32")],
            &[("x-amz-trailer", "x-amz-checksum-crc99")],
        ] {
            assert!(check(headers, b"").is_err(), "{headers:?}");
        }
    }
}
