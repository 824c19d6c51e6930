//! Where EC2 answers.

use http::Uri;

use crate::error::SetupError;
use crate::names::RegionName;

/// The address of EC2 in a region, by the shape of the region's name.
pub(super) fn of_region(region: &RegionName, fips: bool, dual_stack: bool) -> String {
    let region = region.as_str();
    let service = if fips { "ec2-fips" } else { "ec2" };
    let suffix = match () {
        () if region.starts_with("cn-") && dual_stack => "api.amazonwebservices.com.cn",
        () if region.starts_with("cn-") => "amazonaws.com.cn",
        () if region.starts_with("eusc-") => "amazonaws.eu",
        () if region.starts_with("us-isob-") => "sc2s.sgov.gov",
        () if region.starts_with("us-isof-") => "csp.hci.ic.gov",
        () if region.starts_with("eu-isoe-") => "cloud.adc-e.uk",
        () if region.starts_with("us-iso") => "c2s.ic.gov",
        () if dual_stack => "api.aws",
        () => "amazonaws.com",
    };
    format!("https://{service}.{region}.{suffix}/")
}

/// Reads an endpoint that was given: a scheme, a host, perhaps a port and a path.
pub(super) fn given(text: &str) -> Result<Uri, SetupError> {
    let error = || SetupError::Endpoint(without_password(text));
    let uri: Uri = text.parse().map_err(|_| error())?;
    let scheme_fits = matches!(uri.scheme_str(), Some("http" | "https"));
    let plain = uri.query().is_none() && uri.authority().is_some_and(|a| !a.as_str().contains('@'));
    if scheme_fits && plain { Ok(uri) } else { Err(error()) }
}

/// The same endpoint for another region, where its host names the region; an endpoint that does not serves all of them.
pub(super) fn moved(endpoint: &str, from: &str, to: &str) -> String {
    let Some((scheme, rest)) = endpoint.split_once("://") else { return endpoint.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host: Vec<_> =
        host.split('.').map(|label| if label == from { to } else { label }).collect();
    format!("{scheme}://{}{path}", host.join("."))
}

/// What may be shown of a text in which somebody may have put a password.
fn without_password(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => {
            format!("{}…{}", &text[..scheme + 3], &text[at..])
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_tell_their_endpoints() {
        for (region, host) in [
            ("us-east-1", "ec2.us-east-1.amazonaws.com"),
            ("us-gov-west-1", "ec2.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", "ec2.cn-north-1.amazonaws.com.cn"),
            ("eusc-de-east-1", "ec2.eusc-de-east-1.amazonaws.eu"),
            ("us-iso-east-1", "ec2.us-iso-east-1.c2s.ic.gov"),
            ("us-isob-east-1", "ec2.us-isob-east-1.sc2s.sgov.gov"),
        ] {
            let name = region.parse().expect(region);
            assert_eq!(of_region(&name, false, false), format!("https://{host}/"));
        }
        let region = "us-gov-west-1".parse().expect("a region");
        assert_eq!(of_region(&region, true, true), "https://ec2-fips.us-gov-west-1.api.aws/");
    }

    #[test]
    fn endpoints_that_are_given() {
        for good in ["http://127.0.0.1:5000", "https://ec2.example.org/api"] {
            given(good).expect(good);
        }
        for bad in ["", "127.0.0.1:5000", "ftp://host/", "https://", "https://host/?x=1", "/path"] {
            given(bad).expect_err(bad);
        }
        let error = given("https://me:secret@host/").expect_err("a password").to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn an_endpoint_moves_with_the_region() {
        let moved = |endpoint| moved(endpoint, "us-east-1", "eu-west-1");
        assert_eq!(
            moved("https://ec2.us-east-1.amazonaws.com/"),
            "https://ec2.eu-west-1.amazonaws.com/"
        );
        assert_eq!(moved("http://127.0.0.1:5000"), "http://127.0.0.1:5000");
        assert_eq!(moved("https://host/us-east-1/"), "https://host/us-east-1/");
    }
}
