//! What the commands that talk to S3 have in common: credentials, the bucket, the region.

use anyhow::Context;
use baler::{InS3, Run, check_readable};
use baler_aws::{Endpoint, EndpointError, Region as RegionName};
use baler_store::{Acl, Location};

use super::bundle::DEFAULT_REGION;
use super::check;
use super::credentials::{Names, Typed, has_credentials, missing};
use super::fail::{Code, Failure, Usage};
use super::options::{Options, Spec, Takes, anything, flag, value};
use super::session::{Session, given};
use crate::args::values::region;
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
        "Another service with the API of S3; for AWS, --region is enough",
        "--endpoint-url",
    ),
    Spec {
        takes: Takes::Word("VERSION", &["2", "4"]),
        ..flag("sigv", "The version of the signature; always 4", "")
    },
    flag("retry", "Print what is tried again; failed requests are always tried again", ""),
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
    let parsed = format!("s3://{}", parts.join("/")).parse::<Location>();
    parsed.map_err(|why| why.to_string())
}

/// The place that was named; it was checked when it was typed.
pub(super) fn place(options: &Options, long: &str) -> anyhow::Result<Location> {
    location(&options.text(long).unwrap_or_default()).map_err(|why| Usage(why).into())
}

/// Where a bucket is wanted, as far as anybody said.
pub(super) struct BucketRegion {
    /// `None`: wherever it is, or is made by default.
    pub(super) wanted: Option<String>,
    /// Whether it must be there, and not only by default.
    is_strict: bool,
    /// Where a new bucket is made then.
    default: String,
    endpoint: Option<Endpoint>,
}

impl BucketRegion {
    /// From `--location`, else `--region`, else what `--url` tells.
    pub(super) fn of(session: &Session, options: &Options) -> anyhow::Result<BucketRegion> {
        let url = given(options, "url");
        let named = |long| {
            let name = given(options, long);
            name.map(|name| region(&name)).transpose().map_err(Usage)
        };
        let (wanted, place) = (named("region")?, named("location")?);
        let service = match &url {
            // Not the value: there may be a password in it.
            Some(url) if region_of(url).is_none() => {
                Some(url.parse().map_err(|why: EndpointError| {
                    Usage(format!("--url has an invalid value: {why}"))
                })?)
            }
            _ => None,
        };
        let is_strict = place.is_some();
        let wanted = match (place.or(wanted), url) {
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
        Ok(BucketRegion { wanted, is_strict, default: default_region(session), endpoint: service })
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

/// As of old, unless the environment is that of another partition, where us-east-1 is not to be found.
fn default_region(session: &Session) -> String {
    let set = session.face.environment.library.region.clone();
    let is_elsewhere = |region: &String| baler_aws::Region::partition(region) != "aws";
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
        name => region(name).ok(),
    }
}

/// Who may read it.
pub(super) fn acl(options: &Options) -> anyhow::Result<Acl> {
    let name = given(options, "acl");
    name.map_or(Ok(Acl::default()), |name| name.parse().map_err(|why| Usage(why).into()))
}

/// Names that only old buckets have are asked about.
pub(super) fn check_name(session: &Session, place: &Location) -> anyhow::Result<()> {
    match baler_store::check_new_name(&place.bucket) {
        Ok(()) => Ok(()),
        Err(why) => session.warn(&format!(
            "The bucket '{}' has a name that no new bucket can have: {why}.",
            place.bucket
        )),
    }
}

/// The bucket: found where it is wanted, or made so that EC2 can read what is in it.
pub(super) fn open(
    session: &Session,
    run: &Run,
    place: &Location,
    region: &BucketRegion,
) -> anyhow::Result<InS3> {
    let name = &place.bucket;
    let found = run.wait(async { InS3::find(place, &run.aws().await?).await })?;
    let Some(found) = found else {
        baler_store::check_new_name(name).map_err(|why| Failure::new(Code::S3, why.to_string()))?;
        session.line("Creating bucket...")?;
        return Ok(
            run.wait(async { InS3::create(place, region.for_new(), &run.aws().await?).await })?
        );
    };
    if !region.takes(found.region()) {
        let (found, wanted) = (found.region(), region.for_new());
        let what = format!("the bucket '{name}' is in '{found}', and '{wanted}' was asked for");
        return Err(Failure::new(Code::Location, what).into());
    }
    let readable = run.wait(check_readable(&found, name, run));
    readable.context(Failure::new(Code::S3, "nothing was uploaded"))?;
    Ok(found)
}

/// A region that was looked at when it was typed.
pub(super) fn parsed(region: &str) -> anyhow::Result<RegionName> {
    Ok(region.parse().map_err(|why: baler_aws::NameError| Usage(why.to_string()))?)
}

/// The way to S3.
///
/// # Errors
/// Above all that there are no credentials, which is said as the old tools did.
pub(super) fn connect(
    session: &Session,
    options: &Options,
    region: &BucketRegion,
) -> anyhow::Result<Run> {
    let token = session.face.environment.classic.token.clone();
    let typed = Typed {
        key: given(options, "access-key"),
        secret: given(options, "secret-key"),
        token: given(options, "delegation-token"),
        names: Names { key: "access-key", secret: "secret-key" },
    };
    let credentials = typed.credentials(token.as_deref())?;
    let is_typed = credentials.is_some();
    let mut settings = session.settings();
    settings.region = Some(parsed(region.for_new())?);
    settings.endpoint.clone_from(&region.endpoint);
    settings.credentials = credentials;
    let run = session.run().with_aws(settings);
    if is_typed || has_credentials(&run)? { Ok(run) } else { Err(missing("access-key")) }
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
