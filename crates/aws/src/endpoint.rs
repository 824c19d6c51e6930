//! Where a service answers.

use std::fmt;
use std::str::FromStr;

use http::Uri;

/// A service that this workspace speaks to, for what differs between them in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Service {
    /// The object store.
    S3,
    /// Machine images, snapshots, instances.
    Ec2,
    /// The block interface of snapshots.
    Ebs,
    /// The service that tells whose credentials these are.
    Sts,
}

impl Service {
    /// AWS's name for it, which is also the end of its variable: `AWS_ENDPOINT_URL_EC2`.
    pub fn name(self) -> &'static str {
        match self {
            Service::S3 => "S3",
            Service::Ec2 => "EC2",
            Service::Ebs => "EBS",
            Service::Sts => "STS",
        }
    }
}

/// A URL that requests can be sent to: `https://HOST` or `http://HOST:PORT`, perhaps with a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint(String);

/// A text that is no endpoint. It shows no password that may be in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an endpoint is `https://HOST` or `http://HOST:PORT`")]
#[non_exhaustive]
pub struct EndpointError {
    /// The text, without what may be a password in it.
    pub text: String,
}

impl Endpoint {
    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same endpoint for another region, where its host names the region. An endpoint that does not serves all of
    /// them.
    #[must_use]
    pub fn moved(&self, from: &str, to: &str) -> Endpoint {
        let Some((scheme, rest)) = self.0.split_once("://") else { return self.clone() };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host: Vec<_> =
            host.split('.').map(|label| if label == from { to } else { label }).collect();
        Endpoint(format!("{scheme}://{}{path}", host.join(".")))
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Endpoint, EndpointError> {
        let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !"?#@".contains(c);
        let fits = text.parse::<Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
        });
        if fits && text.chars().all(is_plain) {
            Ok(Endpoint(text.to_owned()))
        } else {
            Err(EndpointError { text: without_password(text) })
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The part of a text that may be shown: somebody may have put a password into it.
fn without_password(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => {
            format!("{}…{}", &text[..scheme + 3], &text[at..])
        }
        (None, Some(at)) => format!("…{}", &text[at..]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_urls() {
        for good in ["http://127.0.0.1:5000", "https://ec2.example.org/api", "http://[::1]:80"] {
            assert_eq!(good.parse::<Endpoint>().expect(good).as_str(), good);
        }
        for bad in [
            "",
            "127.0.0.1:5000",
            "ftp://host/",
            "https://",
            "https://host/?x=1",
            "https://host/#x",
            "/path",
            "localhost",
            "http://ho st",
        ] {
            let error = bad.parse::<Endpoint>().expect_err(bad);
            assert_eq!(error.text, bad);
        }
        for text in ["https://me:secret@host/", "me:secret@host"] {
            let error = text.parse::<Endpoint>().expect_err("a password");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
            assert!(error.text.ends_with("@host/") || error.text.ends_with("@host"), "{error:?}");
        }
    }

    #[test]
    fn an_endpoint_moves_with_the_region() {
        let moved = |endpoint: &str| {
            let endpoint: Endpoint = endpoint.parse().expect(endpoint);
            endpoint.moved("us-east-1", "eu-west-1").to_string()
        };
        assert_eq!(
            moved("https://ec2.us-east-1.amazonaws.com/"),
            "https://ec2.eu-west-1.amazonaws.com/"
        );
        assert_eq!(moved("http://127.0.0.1:5000"), "http://127.0.0.1:5000");
        assert_eq!(moved("https://host/us-east-1/"), "https://host/us-east-1/");
    }
}
