//! Signatures, version 4, as EC2 and STS have them in a header. `s3s` checks those of S3.

use http::HeaderMap;
use http::request::Parts;
use s3s::dto::{Timestamp, TimestampFormat};
use sha2::{Digest as _, Sha256};

use crate::id;

/// The scope of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) access_key: String,
    pub(crate) date: String,
    pub(crate) region: String,
    pub(crate) service: String,
}

/// The reason why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// None there, or not of this form.
    Missing,
    /// The access key is not known.
    UnknownKey,
    /// Made too long ago, or in the future.
    Skewed,
    /// Another secret, or another request.
    Wrong,
}

/// The scope that a request claims, in its header or its query.
pub(crate) fn scope(headers: &HeaderMap, query: &str) -> Option<Scope> {
    let header = headers.get("authorization").and_then(|value| value.to_str().ok());
    let credential = header.and_then(|header| field(header, "Credential")).map(str::to_owned);
    let credential = credential.or_else(|| parameter(query, "X-Amz-Credential"))?;
    let mut parts = credential.rsplitn(5, '/');
    let (_, service, region) = (parts.next()?, parts.next()?.to_owned(), parts.next()?.to_owned());
    let (date, access_key) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    Some(Scope { access_key, date, region, service })
}

/// A parameter of a query.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    id::pairs(query).into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
}

/// Checks a header's signature over a request with this body. `secret` knows the secrets of access keys.
pub(crate) fn verify(
    parts: &Parts,
    body: &[u8],
    secret: impl Fn(&str) -> Option<String>,
) -> Result<Scope, Flaw> {
    let text = |name: &str| {
        parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    };
    let header = text("authorization");
    let scope = scope(&parts.headers, "").ok_or(Flaw::Missing)?;
    let signed = field(header, "SignedHeaders").ok_or(Flaw::Missing)?;
    let signature = field(header, "Signature").ok_or(Flaw::Missing)?;
    let secret = secret(&scope.access_key).ok_or(Flaw::UnknownKey)?;
    let date = text("x-amz-date");
    let then = milliseconds(date).ok_or(Flaw::Missing)?;
    if then.abs_diff(i128::from(id::now())) > 15 * 60 * 1000 {
        return Err(Flaw::Skewed);
    }
    if !date.starts_with(&scope.date) {
        return Err(Flaw::Wrong);
    }
    let mut request = format!(
        "{}\n{}\n{}\n",
        parts.method,
        parts.uri.path(),
        query(parts.uri.query().unwrap_or_default())
    );
    for name in signed.split(';') {
        let values: Vec<String> =
            parts.headers.get_all(name).iter().map(|value| collapse(value.as_bytes())).collect();
        request.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    request.push_str(&format!("\n{signed}\n{}", id::hex(&Sha256::digest(body))));
    let credential = format!("{}/{}/{}/aws4_request", scope.date, scope.region, scope.service);
    let to_sign =
        format!("AWS4-HMAC-SHA256\n{date}\n{credential}\n{}", id::hex(&Sha256::digest(request)));
    let start = hmac(format!("AWS4{secret}").as_bytes(), scope.date.as_bytes());
    let key = [&scope.region, &scope.service, "aws4_request"]
        .iter()
        .fold(start, |key, part| hmac(&key, part.as_bytes()));
    let expected = id::hex(&hmac(&key, to_sign.as_bytes()));
    if expected == signature { Ok(scope) } else { Err(Flaw::Wrong) }
}

/// HMAC with SHA-256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; 64];
    match block.get_mut(..key.len()) {
        Some(start) => start.copy_from_slice(key),
        None => block[..32].copy_from_slice(&Sha256::digest(key)),
    }
    let inner =
        Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

/// A part of an `Authorization` header.
fn field<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let fields = header.strip_prefix("AWS4-HMAC-SHA256")?.split(',');
    fields
        .filter_map(|field| field.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

/// The pairs of a query in the order of their names, for a query that is escaped as the signature wants it.
fn query(text: &str) -> String {
    let mut pairs: Vec<&str> = text.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.sort_unstable();
    pairs.join("&")
}

fn collapse(value: &[u8]) -> String {
    String::from_utf8_lossy(value).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `20260102T030405Z` in milliseconds since 1970.
fn milliseconds(date: &str) -> Option<i128> {
    let (day, time) = date.strip_suffix('Z')?.split_once('T')?;
    let at = |text: &str, from: usize, to: usize| text.get(from..to).map(str::to_owned);
    let day = format!("{}-{}-{}", at(day, 0, 4)?, at(day, 4, 6)?, at(day, 6, 8)?);
    let time = format!("{}:{}:{}", at(time, 0, 2)?, at(time, 2, 4)?, at(time, 4, 6)?);
    let parsed = Timestamp::parse(TimestampFormat::DateTime, &format!("{day}T{time}Z")).ok()?;
    let mut text = Vec::new();
    parsed.format(TimestampFormat::EpochSeconds, &mut text).ok()?;
    let seconds: f64 = String::from_utf8(text).ok()?.parse().ok()?;
    Some((seconds * 1000.0) as i128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_agrees_with_rfc_4231() {
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(id::hex(&hmac(b"Jefe", b"what do ya want for nothing?")), expected);
        let expected = "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54";
        let long = [0xaa; 131];
        assert_eq!(
            id::hex(&hmac(&long, b"Test Using Larger Than Block-Size Key - Hash Key First")),
            expected
        );
    }

    #[test]
    fn dates_are_read() {
        assert_eq!(milliseconds("20150830T123600Z"), Some(1_440_938_160_000));
        assert_eq!(milliseconds("20150830"), None);
    }

    #[test]
    fn scopes_are_read() {
        let mut headers = HeaderMap::new();
        let value = "AWS4-HMAC-SHA256 Credential=AK/20150830/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=00";
        headers.insert("authorization", value.parse().unwrap());
        let found = scope(&headers, "").unwrap();
        assert_eq!(
            (found.access_key.as_str(), found.region.as_str(), found.service.as_str()),
            ("AK", "us-east-1", "ec2")
        );
        let found =
            scope(&HeaderMap::new(), "X-Amz-Credential=AK%2F1%2Feu-west-1%2Fs3%2Faws4_request")
                .unwrap();
        assert_eq!(found.region, "eu-west-1");
    }
}
