//! The EC2 API tools, as far as they are for images; here what they have in common: options, the way to EC2, and lines
//! with tabs.

mod deregister;
mod describe;
mod modify;
mod register;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use baler_ec2::{Ec2, Event, Timing};

use super::Command;
use super::fail::Usage;
use super::options::{Options, Spec, anything, flag, value};
use super::s3::{self, DEFAULT_REGION};
use super::session::{Session, given};
use crate::aws::{self, Aws, AwsArgs};
use crate::report::{self, Console, say};
use crate::{ami, input};

pub(super) static REGISTER: Command = register::COMMAND;
pub(super) static DEREGISTER: Command = deregister::COMMAND;
pub(super) static DESCRIBE: Command = describe::COMMAND;
pub(super) static MODIFY: Command = modify::COMMAND;

/// What all of the API tools take. A value may be `-`, so none is looked at before that is replaced.
pub(super) const COMMON: &[Spec] = &[
    value(
        Some('O'),
        "aws-access-key",
        "KEY",
        anything,
        "The access key's id [else: $AWS_ACCESS_KEY, the environment's, the profile's, the instance's]",
        "AWS_ACCESS_KEY_ID",
    ),
    value(
        Some('W'),
        "aws-secret-key",
        "KEY",
        anything,
        "The secret access key [else: $AWS_SECRET_KEY]",
        "AWS_SECRET_ACCESS_KEY",
    ),
    value(
        Some('T'),
        "security-token",
        "TOKEN",
        anything,
        "The session token of temporary credentials [else: $AWS_DELEGATION_TOKEN]",
        "AWS_SESSION_TOKEN",
    ),
    value(
        Some('K'),
        "private-key",
        "PATH",
        anything,
        "Not used: EC2 knows no signatures with certificates any more",
        "",
    ),
    value(Some('C'), "cert", "PATH", anything, "Not used, as --private-key", ""),
    value(
        None,
        "region",
        "REGION",
        anything,
        "The region; goes before --url and $EC2_URL [default: us-east-1]",
        "--region",
    ),
    value(
        Some('U'),
        "url",
        "URL",
        anything,
        "The address of a region's EC2, or of another service that speaks its protocol [else: $EC2_URL]",
        "--region, --endpoint-url",
    ),
    flag("headers", "Begin with a line that names the columns", "").short('H'),
    flag("show-empty-fields", "Print (nil) in columns that are empty", ""),
    flag("hide-tags", "Print no tags", ""),
    value(
        None,
        "connection-timeout",
        "SECONDS",
        anything,
        "How long a connection may take; 0 is no limit",
        "",
    ),
    value(
        None,
        "request-timeout",
        "SECONDS",
        anything,
        "How long an answer may take; 0 is no limit",
        "--timeout",
    ),
    flag("debug", "Tell what is done, on standard error", "--debug"),
    flag("verbose", "The same as --debug", "--debug").short('v'),
    flag("help", "Print this help", "--help").short('?').also('h'),
];

/// Puts the lines of standard input in the place of a `-`.
fn filled(mut options: Options, lists: &[&str]) -> anyhow::Result<Options> {
    options
        .fill(lists, || input::lines().map(|lines| lines.into_iter().map(Into::into).collect()))
        .map_err(Usage)?;
    Ok(options)
}

/// What a value of an option means.
fn parsed<T: FromStr<Err: std::fmt::Display>>(
    options: &Options,
    long: &str,
) -> anyhow::Result<Option<T>> {
    let text = given(options, long);
    text.map(|text| text.parse().map_err(|why| wrong(long, &text, why))).transpose()
}

/// What all values of an option mean.
fn all<T: FromStr<Err: std::fmt::Display>>(
    options: &Options,
    long: &str,
) -> anyhow::Result<Vec<T>> {
    let texts = options.all(long).map(|value| value.to_string_lossy());
    texts.map(|text| text.parse().map_err(|why| wrong(long, &text, why))).collect()
}

fn wrong(long: &str, text: &str, why: impl std::fmt::Display) -> anyhow::Error {
    Usage(format!("--{long} has invalid value '{text}': {why}")).into()
}

/// The one image that is named.
fn only_image<T: FromStr<Err: std::fmt::Display>>(options: &Options) -> anyhow::Result<T> {
    match &options.rest[..] {
        [id] => Ok(id.to_string_lossy().parse().map_err(|why| Usage(format!("{why}")))?),
        [] => Err(Usage("missing argument: the image's id".to_owned()).into()),
        more => Err(Usage(format!("one image at a time, and {} are named", more.len())).into()),
    }
}

/// The way to EC2, open.
struct Api {
    aws: Arc<Aws>,
    ec2: Ec2,
    console: Console,
}

impl Api {
    /// # Errors
    /// Above all that there are no credentials.
    fn connect(session: &Session, options: &Options) -> anyhow::Result<Api> {
        let place = Place::of(options)?;
        let credentials = credentials(options)?;
        let is_typed = credentials.is_some();
        let [connect, request] =
            ["connection-timeout", "request-timeout"].map(|long| seconds(options, long));
        let (connect, request) = (connect?, request?);
        let mut args = AwsArgs {
            region: Some(place.region),
            endpoint_url: place.endpoint,
            credentials: credentials.map(SharedCredentialsProvider::new),
            ..AwsArgs::classic()
        };
        args.timeout = request.unwrap_or(args.timeout);
        let console = session.console;
        let aws = Arc::new(Aws::connect(&args, &console)?);
        if !is_typed && !s3::has_credentials(&aws)? {
            return Err(missing(options));
        }
        let mut ec2 = ami::ec2(&aws, None)?;
        if let Some(connect) = connect {
            let timing = Timing { connect: Duration::from_secs(connect), ..*ec2.timing() };
            ec2 = ec2.with_timing(timing).context("preparing to talk to EC2")?;
        }
        Ok(Api { aws, ec2, console })
    }

    fn tell(&self) -> impl Fn(Event) + Sync {
        ami::tell(self.console)
    }
}

/// A time limit. What is no limit is a day.
fn seconds(options: &Options, long: &str) -> anyhow::Result<Option<u64>> {
    const DAY: u64 = 24 * 60 * 60;
    let seconds = parsed::<u64>(options, long)?;
    Ok(seconds.map(|seconds| if seconds == 0 { DAY } else { seconds.min(DAY) }))
}

/// A value that was typed or, if it was not, that of a variable; neither if it is empty.
fn typed_or_set(options: &Options, long: &str, variable: &str) -> Option<String> {
    let set = || std::env::var(variable).ok().filter(|text| !text.is_empty());
    given(options, long).or_else(set)
}

/// Those of the tools' own options and variables: both, or none.
fn credentials(options: &Options) -> anyhow::Result<Option<Credentials>> {
    let key = typed_or_set(options, "aws-access-key", "AWS_ACCESS_KEY");
    let secret = typed_or_set(options, "aws-secret-key", "AWS_SECRET_KEY");
    let token = typed_or_set(options, "security-token", "AWS_DELEGATION_TOKEN");
    match (key, secret) {
        (Some(key), Some(secret)) => {
            Ok(Some(Credentials::new(key, secret, token, None, "the command line")))
        }
        (Some(_), None) => Err(s3::missing("aws-secret-key")),
        (None, Some(_)) => Err(s3::missing("aws-access-key")),
        (None, None) if given(options, "security-token").is_some() => {
            Err(s3::missing("aws-access-key"))
        }
        (None, None) => Ok(None),
    }
}

/// There are no credentials, which those do not expect who have a certificate.
fn missing(options: &Options) -> anyhow::Error {
    let has = |long, variable| typed_or_set(options, long, variable).is_some();
    match has("private-key", "EC2_PRIVATE_KEY") || has("cert", "EC2_CERT") {
        true => Usage(
            "missing mandatory parameter: --aws-access-key (EC2 knows no signatures with certificates any more)"
                .to_owned(),
        )
        .into(),
        false => s3::missing("aws-access-key"),
    }
}

/// Where EC2 is.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    region: String,
    endpoint: Option<String>,
}

impl Place {
    /// From `--region`, else what `--url` tells, else `$EC2_URL`.
    fn of(options: &Options) -> anyhow::Result<Place> {
        let url = given(options, "url");
        if let Some(name) = given(options, "region") {
            let region = aws::region(&name).map_err(|why| wrong("region", &name, why))?;
            if url.is_some_and(|url| region_of(&url).as_deref() != Some(&region)) {
                say("--region goes before --url, which is not used");
            }
            return Ok(Place { region, endpoint: None });
        }
        let set = || std::env::var("EC2_URL").ok().filter(|url| !url.is_empty());
        let (name, url) = match url {
            Some(url) => ("--url", Some(url)),
            None => ("EC2_URL", set()),
        };
        let Some(url) = url else {
            return Ok(Place { region: DEFAULT_REGION.to_owned(), endpoint: None });
        };
        if let Some(region) = region_of(&url) {
            return Ok(Place { region, endpoint: None });
        }
        // Not the value: there may be a password in it.
        let endpoint = aws::endpoint(&url)
            .map_err(|why| Usage(format!("{name} has an invalid value: {why}")))?;
        Ok(Place { region: DEFAULT_REGION.to_owned(), endpoint: Some(endpoint) })
    }
}

/// The region of one of AWS's own addresses of EC2; `None` for another service.
fn region_of(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', ':']).next()?.to_ascii_lowercase();
    let own = ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "api.aws"];
    let name = own.iter().find_map(|suffix| host.strip_suffix(suffix)?.strip_suffix('.'))?;
    match name.split('.').collect::<Vec<_>>()[..] {
        ["ec2"] => Some(DEFAULT_REGION.to_owned()),
        ["ec2", region] | [region, "ec2"] => aws::region(region).ok(),
        _ => None,
    }
}

/// How lines are printed: columns with tabs between them.
#[derive(Clone, Copy, Debug)]
struct Lines {
    headers: bool,
    nil: bool,
}

impl Lines {
    fn of(options: &Options) -> Lines {
        Lines { headers: options.has("headers"), nil: options.has("show-empty-fields") }
    }

    /// The names of the columns, if they are wanted.
    fn head(self, names: &[&str]) -> String {
        if self.headers { format!("{}\n", names.join("\t")) } else { String::new() }
    }

    /// A line. Whatever could be taken for a tab or a new line in it is escaped.
    fn line(self, columns: &[Option<&str>]) -> String {
        let column = |column: &Option<&str>| match column.filter(|text| !text.is_empty()) {
            Some(text) => report::plain(text),
            None if self.nil => "(nil)".to_owned(),
            None => String::new(),
        };
        let columns: Vec<_> = columns.iter().map(column).collect();
        format!("{}\n", columns.join("\t"))
    }

    /// `IMAGE` and an id, which is all that some commands have to say.
    fn image(self, id: &str) -> anyhow::Result<()> {
        let head = self.head(&["Type", "ImageID"]);
        report::result(&(head + &self.line(&[Some("IMAGE"), Some(id)])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_of_addresses() {
        for (url, region) in [
            ("https://ec2.amazonaws.com", Some("us-east-1")),
            ("http://ec2.amazonaws.com:80/", Some("us-east-1")),
            ("https://ec2.eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("https://eu-west-1.ec2.amazonaws.com/", Some("eu-west-1")),
            ("ec2.ap-southeast-2.amazonaws.com", Some("ap-southeast-2")),
            ("https://EC2.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("https://ec2.eusc-de-east-1.amazonaws.eu", Some("eusc-de-east-1")),
            ("https://ec2.us-gov-west-1.api.aws", Some("us-gov-west-1")),
            ("http://127.0.0.1:8773/services/Eucalyptus", None),
            ("https://ec2.example.com", None),
            ("https://s3.amazonaws.com", None),
            ("https://ec2.nowhere.amazonaws.com", None),
            ("https://amazonaws.com", None),
            ("", None),
        ] {
            assert_eq!(region_of(url).as_deref(), region, "{url}");
        }
    }

    #[test]
    fn lines_have_all_of_their_columns() {
        let columns = [Some("A"), None, Some(""), Some("tab\there"), None];
        let lines = Lines { headers: false, nil: false };
        assert_eq!(lines.line(&columns), "A\t\t\ttab\\there\t\n");
        assert_eq!(lines.head(&["Type"]), "");
        let lines = Lines { headers: true, nil: true };
        assert_eq!(lines.line(&columns), "A\t(nil)\t(nil)\ttab\\there\t(nil)\n");
        assert_eq!(lines.head(&["Type", "ImageID"]), "Type\tImageID\n");
    }
}
