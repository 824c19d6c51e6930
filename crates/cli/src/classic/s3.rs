//! What the commands that talk to S3 have in common: credentials, the bucket, the region.

use std::sync::Arc;

use anyhow::Context;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use baler_store::Location;

use super::check;
use super::fail::Usage;
use super::options::{Options, Spec, Takes, anything, flag, value};
use super::session::{Session, given};
use crate::aws::{self, Aws, AwsArgs};
use crate::report::say;

/// Whose objects they are.
pub(super) const CREDENTIALS: &[Spec] = &[
    value(
        Some('a'),
        "access-key",
        "KEY",
        anything,
        "The access key's id [else: the environment's, the profile's, the instance's]",
        "AWS_ACCESS_KEY_ID",
    ),
    value(
        Some('s'),
        "secret-key",
        "KEY",
        anything,
        "The secret access key",
        "AWS_SECRET_ACCESS_KEY",
    ),
    value(
        Some('t'),
        "delegation-token",
        "TOKEN",
        anything,
        "The session token of temporary credentials [else: $AWS_DELEGATION_TOKEN]",
        "AWS_SESSION_TOKEN",
    ),
];

/// Where S3 is.
pub(super) const PLACE: &[Spec] = &[
    value(None, "region", "REGION", check::region, "The region", "--region"),
    value(
        None,
        "url",
        "URL",
        anything,
        "Another service that speaks S3's protocol; AWS's own are known by --region",
        "--endpoint-url",
    ),
    Spec {
        takes: Takes::Word("VERSION", &["2", "4"]),
        ..flag("sigv", "The version of the signature: whatever is said, 4", "")
    },
    flag("retry", "Tell what is tried again; it is always tried again", ""),
];

/// The bucket.
pub(super) const BUCKET: Spec = value(
    Some('b'),
    "bucket",
    "BUCKET[/PREFIX]",
    bucket,
    "The bucket, and the prefix in it",
    "s3://BUCKET/PREFIX",
);

fn bucket(value: &std::ffi::OsStr) -> Result<(), String> {
    match value.to_str() {
        Some(text) => location(text).map(|_| ()),
        None => Err("it is not UTF-8".to_owned()),
    }
}

/// `BUCKET/PREFIX`, with slashes too many or not.
pub(super) fn location(text: &str) -> Result<Location, String> {
    let text = text.strip_prefix("s3://").unwrap_or(text);
    let parts: Vec<_> = text.split('/').filter(|part| !part.is_empty()).collect();
    format!("s3://{}", parts.join("/")).parse()
}

/// The place that was named; it was checked when it was typed.
pub(super) fn place(options: &Options, long: &str) -> anyhow::Result<Location> {
    location(&options.text(long).unwrap_or_default()).map_err(|why| Usage(why).into())
}

/// Where a bucket is wanted, as far as anybody said.
pub(super) struct Region {
    /// `None`: wherever it is, or is made by default.
    pub(super) wanted: Option<String>,
    /// Whether it must be there, and not only by default.
    is_strict: bool,
    /// Where a new bucket is made then.
    default: String,
    endpoint: Option<String>,
}

/// Where a new bucket is made if nobody says.
pub(super) const DEFAULT_REGION: &str = "us-east-1";

impl Region {
    /// From `--location`, else `--region`, else what `--url` tells.
    pub(super) fn of(options: &Options) -> anyhow::Result<Region> {
        let url = given(options, "url");
        let named = |long| {
            let name = given(options, long);
            name.map(|name| aws::region(&name)).transpose().map_err(Usage)
        };
        let (region, place) = (named("region")?, named("location")?);
        let endpoint = match &url {
            // Not the value: there may be a password in it.
            Some(url) if region_of(url).is_none() => Some(
                aws::endpoint(url)
                    .map_err(|why| Usage(format!("--url has an invalid value: {why}")))?,
            ),
            _ => None,
        };
        let is_strict = place.is_some();
        let wanted = match (place.or(region), url) {
            (Some(region), _) => Some(region),
            (None, Some(url)) => {
                say("Specifying url has been deprecated, please use only --region");
                let found = region_of(&url);
                if let Some(region) = &found {
                    say(&format!("Region determined to be {region}"));
                }
                found
            }
            (None, None) => None,
        };
        Ok(Region { wanted, is_strict, default: default_region(), endpoint })
    }

    /// Where a new bucket is made.
    pub(super) fn for_new(&self) -> &str {
        self.wanted.as_deref().unwrap_or(&self.default)
    }

    /// Whether a bucket that is in `found` will do.
    pub(super) fn takes(&self, found: &str) -> bool {
        // us-east-1 was the default, which scripts pass for «wherever it is».
        let is_anywhere = |wanted: &str| wanted == DEFAULT_REGION && !self.is_strict;
        self.wanted.as_deref().is_none_or(|wanted| wanted == found || is_anywhere(wanted))
    }
}

/// As ever, unless the environment is that of another partition, where us-east-1 is not to be found.
fn default_region() -> String {
    let set = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| std::env::var(name).ok());
    let is_elsewhere = |region: &String| baler_store::partition(region) != "aws";
    set.filter(is_elsewhere).unwrap_or_else(|| DEFAULT_REGION.to_owned())
}

/// The region of one of AWS's own addresses of S3; `None` for another service.
fn region_of(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', ':']).next()?.to_ascii_lowercase();
    let own = ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu"];
    let name = own.iter().find_map(|suffix| host.strip_suffix(suffix)?.strip_suffix('.'))?;
    let name =
        name.strip_prefix("s3").filter(|name| name.is_empty() || name.starts_with(['-', '.']))?;
    match name.trim_start_matches(['-', '.']) {
        "" | "external-1" => Some(DEFAULT_REGION.to_owned()),
        region => aws::region(region).ok(),
    }
}

/// The way to S3.
///
/// # Errors
/// Above all that there are no credentials, which is said as it always was.
pub(super) fn connect(
    session: &Session,
    options: &Options,
    region: &Region,
) -> anyhow::Result<Arc<Aws>> {
    let credentials = credentials(options)?;
    let is_typed = credentials.is_some();
    let args = AwsArgs {
        region: Some(region.for_new().to_owned()),
        endpoint_url: region.endpoint.clone(),
        credentials: credentials.map(SharedCredentialsProvider::new),
        ..AwsArgs::classic()
    };
    let aws = Arc::new(Aws::connect(&args, &session.console)?);
    match is_typed || has_credentials(&aws)? {
        true => Ok(aws),
        false => Err(missing("access-key")),
    }
}

/// Those that were typed: both, or none.
fn credentials(options: &Options) -> anyhow::Result<Option<Credentials>> {
    let token = given(options, "delegation-token");
    match (given(options, "access-key"), given(options, "secret-key")) {
        (Some(key), Some(secret)) => {
            let token = token.or_else(|| {
                std::env::var("AWS_DELEGATION_TOKEN").ok().filter(|token| !token.is_empty())
            });
            Ok(Some(Credentials::new(key, secret, token, None, "the command line")))
        }
        (Some(_), None) => Err(missing("secret-key")),
        (None, None) if token.is_none() => Ok(None),
        (None, _) => Err(missing("access-key")),
    }
}

pub(super) fn missing(long: &str) -> anyhow::Error {
    Usage(format!("missing mandatory parameter: --{long}")).into()
}

/// Whether there are some, which is asked before anything is begun.
pub(super) fn has_credentials(aws: &Aws) -> anyhow::Result<bool> {
    let provider = aws.config().credentials_provider();
    let found = aws.run(async {
        match provider {
            Some(provider) => Ok(provider.provide_credentials().await.is_ok()),
            None => Ok(false),
        }
    });
    found.context("looking for credentials")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_have_slashes_too_many() {
        for (text, path) in [
            ("bucket", "s3://bucket"),
            ("/bucket/", "s3://bucket"),
            ("bucket/a/b", "s3://bucket/a/b"),
            ("bucket//a///b/", "s3://bucket/a/b"),
            ("s3://bucket/a", "s3://bucket/a"),
        ] {
            assert_eq!(
                location(text).map(|place| place.to_string()).as_deref(),
                Ok(path),
                "{text:?}"
            );
        }
        assert!(location("").is_err() && location("/").is_err());
    }

    #[test]
    fn regions_of_addresses() {
        for (url, region) in [
            ("https://s3.amazonaws.com", Some("us-east-1")),
            ("http://s3.amazonaws.com:80/", Some("us-east-1")),
            ("https://s3-external-1.amazonaws.com", Some("us-east-1")),
            ("https://s3-eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("s3.eu-central-1.amazonaws.com", Some("eu-central-1")),
            ("https://s3.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("http://127.0.0.1:8773/services/Walrus", None),
            ("https://s3.example.com", None),
            ("https://amazonaws.com", None),
        ] {
            assert_eq!(region_of(url).as_deref(), region, "{url}");
        }
    }
}
