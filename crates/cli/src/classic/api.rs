//! The EC2 API tools, as far as they are for images; here what they have in common: options, the way to EC2, and lines
//! with tabs.

pub(super) mod deregister;
pub(super) mod describe;
pub(super) mod modify;
pub(super) mod register;

use std::str::FromStr;
use std::time::Duration;

use baler::Run;
use baler::ami::reporter;
use baler::text::plain;
use baler_aws::{Endpoint, EndpointError};
use baler_ec2::{Ec2, Event};

use super::bundle::DEFAULT_REGION;
use super::credentials::{Names, Typed, has_credentials, missing};
use super::fail::Usage;
use super::options::{Options, Spec, anything, flag, value};
use super::s3;
use super::session::{Session, given};
use crate::args::values::region;
use crate::report::{self, say};
use crate::streams;

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
        "Ignored: EC2 no longer accepts signatures with certificates",
        "",
    ),
    value(Some('C'), "cert", "PATH", anything, "Ignored, like --private-key", ""),
    value(
        None,
        "region",
        "REGION",
        anything,
        "The region; overrides --url and $EC2_URL [default: us-east-1]",
        "--region",
    ),
    value(
        Some('U'),
        "url",
        "URL",
        anything,
        "The address of EC2 in a region, or of another service with its API [else: $EC2_URL]",
        "--region, --endpoint-url",
    ),
    flag("headers", "Print the names of the columns first", "").short('H'),
    flag("show-empty-fields", "Print (nil) in empty columns", ""),
    flag("hide-tags", "Print no tags", ""),
    value(
        None,
        "connection-timeout",
        "SECONDS",
        anything,
        "The time limit for a connection; 0 is no limit",
        "",
    ),
    value(
        None,
        "request-timeout",
        "SECONDS",
        anything,
        "The time limit for an answer; 0 is no limit",
        "--timeout",
    ),
    flag("debug", "Tell what is done, on standard error", "--debug"),
    flag("verbose", "The same as --debug", "--debug").short('v'),
    flag("help", "Print this help", "--help").short('?').also('h'),
];

/// Puts the lines of standard input in the place of a `-`.
fn filled(mut options: Options, lists: &[&str], session: &Session) -> anyhow::Result<Options> {
    options
        .fill(lists, || {
            streams::lines(&session.face.stop)
                .map(|lines| lines.into_iter().map(Into::into).collect())
        })
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
        more => Err(Usage(format!("one image at a time, but {} are given", more.len())).into()),
    }
}

/// The way to EC2, open.
struct Api {
    run: Run,
    ec2: Ec2,
}

impl Api {
    /// # Errors
    /// Above all that there are no credentials.
    fn connect(session: &Session, options: &Options) -> anyhow::Result<Api> {
        let set = &session.face.environment.classic;
        let place = Service::of(options, set.ec2_url.as_deref())?;
        let typed = Typed {
            key: given(options, "aws-access-key").or_else(|| set.access_key.clone()),
            secret: given(options, "aws-secret-key").or_else(|| set.secret_key.as_deref().cloned()),
            token: given(options, "security-token"),
            names: Names { key: "aws-access-key", secret: "aws-secret-key" },
        };
        let credentials = typed.credentials(set.token.as_deref())?;
        let is_typed = credentials.is_some();
        let [connect, request] =
            ["connection-timeout", "request-timeout"].map(|long| seconds(options, long));
        let mut settings = session.settings();
        settings.connect = connect?;
        settings.stall = request?.unwrap_or(settings.stall);
        settings.region = Some(s3::parsed(&place.region)?);
        settings.endpoint = place.endpoint;
        settings.credentials = credentials;
        let run = session.run().with_aws(settings);
        if !is_typed && !has_credentials(&run)? {
            return Err(no_credentials(session, options));
        }
        Ok(Api { ec2: run.ec2(None)?, run })
    }

    fn reporter(&self) -> impl Fn(Event) + Sync + use<> {
        reporter(&self.run)
    }
}

/// A time limit. No limit is a day.
fn seconds(options: &Options, long: &str) -> anyhow::Result<Option<Duration>> {
    const DAY: u64 = 24 * 60 * 60;
    let seconds = parsed::<u64>(options, long)?;
    let seconds = seconds.map(|seconds| if seconds == 0 { DAY } else { seconds.min(DAY) });
    Ok(seconds.map(Duration::from_secs))
}

/// There are no credentials, which those do not expect who have a certificate.
fn no_credentials(session: &Session, options: &Options) -> anyhow::Error {
    let is_typed = |long| given(options, long).is_some();
    if is_typed("private-key")
        || is_typed("cert")
        || session.face.environment.classic.has_certificate
    {
        let text = "missing mandatory parameter: --aws-access-key (EC2 no longer accepts signatures with certificates)";
        return Usage(text.to_owned()).into();
    }
    missing("aws-access-key")
}

/// Where EC2 is.
#[derive(Debug, PartialEq, Eq)]
struct Service {
    region: String,
    endpoint: Option<Endpoint>,
}

impl Service {
    /// From `--region`, else what `--url` tells, else `$EC2_URL`.
    fn of(options: &Options, set: Option<&str>) -> anyhow::Result<Service> {
        let url = given(options, "url");
        if let Some(name) = given(options, "region") {
            let found = region(&name).map_err(|why| wrong("region", &name, why))?;
            if url.is_some_and(|url| region_of(&url).as_deref() != Some(&found)) {
                say("--region overrides --url, which is ignored");
            }
            return Ok(Service { region: found, endpoint: None });
        }
        let (name, url) = match url {
            Some(url) => ("--url", Some(url)),
            None => ("EC2_URL", set.map(str::to_owned)),
        };
        let Some(url) = url else {
            return Ok(Service { region: DEFAULT_REGION.to_owned(), endpoint: None });
        };
        if let Some(region) = region_of(&url) {
            return Ok(Service { region, endpoint: None });
        }
        // Not the value: there may be a password in it.
        let endpoint = url
            .parse()
            .map_err(|why: EndpointError| Usage(format!("{name} has an invalid value: {why}")))?;
        Ok(Service { region: DEFAULT_REGION.to_owned(), endpoint: Some(endpoint) })
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
        ["ec2", name] | [name, "ec2"] => region(name).ok(),
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
            Some(text) => plain(text),
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
