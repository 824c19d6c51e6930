//! What S3 and the way to it answer, as an [`Error`].

use std::error::Error as StdError;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::date_time::{DateTime, Format};

use crate::error::Answer;
use crate::{Error, Kind};

pub(crate) fn failed<E>(
    operation: &'static str,
    on: impl Into<String>,
    error: SdkError<E, HttpResponse>,
) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let on = on.into();
    let (code, message) = match &error {
        SdkError::ServiceError(service) => {
            (service.err().code().map(str::to_owned), service.err().message().map(str::to_owned))
        }
        _ => (None, None),
    };
    let Some(response) = error.raw_response() else {
        return match credentials(&error) {
            // Where all was looked is a page of text.
            Some(CredentialsError::CredentialsNotLoaded(_)) => {
                Error::new(operation, on, Kind::NoCredentials, "there are no credentials")
            }
            Some(error) => Error::new(operation, on, Kind::NoCredentials, causes(error)),
            None => {
                let reason = causes(&error);
                Error::new(operation, on, no_answer(&reason), reason)
            }
        };
    };
    let status = response.status().as_u16();
    let header = |name| response.headers().get(name);
    let kind = kind(status, code.as_deref(), &header);
    let reason = match message.filter(|message| !message.is_empty()) {
        Some(message) => message,
        // An answer to HEAD has no body, and a proxy's has no code.
        None if code.is_none() => meaning(status).to_owned(),
        None => String::new(),
    };
    let request_id = header("x-amz-request-id").map(str::to_owned);
    let answer = Some(Box::new(Answer { code, status, request_id }));
    Error { answer, ..Error::new(operation, on, kind, reason) }
}

/// Another attempt does not change a certificate. The words are those of rustls, which the SDK hides.
fn no_answer(reason: &str) -> Kind {
    match reason.contains("invalid peer certificate") {
        true => Kind::Untrusted,
        false => Kind::Unreachable,
    }
}

fn kind<'a>(
    status: u16,
    code: Option<&str>,
    header: &impl Fn(&'static str) -> Option<&'a str>,
) -> Kind {
    let wait = || header("retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let transient =
        || Kind::Transient(wait().map(|asked: Duration| asked.min(Duration::from_secs(60))));
    match code.unwrap_or_default() {
        "NoSuchKey" | "NoSuchBucket" | "NotFound" | "NoSuchVersion" => Kind::NotFound,
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => Kind::Denied,
        "PreconditionFailed" => Kind::Exists,
        "PermanentRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => {
            Kind::Elsewhere(header("x-amz-bucket-region").map(str::to_owned))
        }
        "ExpiredToken" | "TokenRefreshRequired" | "RequestExpired" | "ExpiredTokenException" => {
            Kind::Expired
        }
        "RequestTimeTooSkewed" => Kind::Skewed(header("date").and_then(difference)),
        "AccessControlListNotSupported" | "InvalidBucketAclWithObjectOwnership" => Kind::NoAcls,
        "SignatureDoesNotMatch" | "InvalidAccessKeyId" => Kind::Refused,
        "NotImplemented" | "MethodNotAllowed" => Kind::Unsupported,
        // We know what we sent: it was changed or cut on its way.
        "BadDigest" | "XAmzContentSHA256Mismatch" | "IncompleteBody" | "InvalidDigest" => {
            transient()
        }
        "SlowDown"
        | "ServiceUnavailable"
        | "InternalError"
        | "RequestTimeout"
        | "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "OperationAborted"
        | "ConditionalRequestConflict"
        | "TemporaryRedirect" => transient(),
        _ => match status {
            301 => Kind::Elsewhere(header("x-amz-bucket-region").map(str::to_owned)),
            403 => Kind::Denied,
            404 => Kind::NotFound,
            412 => Kind::Exists,
            // What was well is said to be a failure only if the answer was cut or garbled.
            200..=299 | 307 | 408 | 429 => transient(),
            501 => Kind::Unsupported,
            500.. => transient(),
            _ => Kind::Refused,
        },
    }
}

fn meaning(status: u16) -> &'static str {
    match status {
        200..=299 => "the answer cannot be understood",
        301 => "the bucket is in another region",
        400 => "the service does not accept the request, and does not say why",
        403 => "forbidden",
        404 => "there is no such thing",
        412 => "there is one already",
        500.. => "the service has failed",
        _ => "the service says no",
    }
}

/// How far the service's time is from ours.
fn difference(date: &str) -> Option<Duration> {
    let theirs: SystemTime = DateTime::from_str(date, Format::HttpDate).ok()?.try_into().ok()?;
    let ours = SystemTime::now();
    ours.duration_since(theirs).or_else(|_| theirs.duration_since(ours)).ok()
}

fn links<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |link: &&'a (dyn StdError + 'static)| (*link).source())
}

fn credentials<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a CredentialsError> {
    links(error).find_map(|link| link.downcast_ref())
}

/// The chain without the links that only say that something failed.
pub(crate) fn causes(error: &(dyn StdError + 'static)) -> String {
    const EMPTY: [&str; 6] = [
        "dispatch failure",
        "io error",
        "other",
        "service error",
        "timeout",
        "request has timed out",
    ];
    let mut told: Vec<String> = Vec::new();
    for link in links(error) {
        let text = link.to_string();
        if !EMPTY.contains(&text.as_str()) && told.last().is_none_or(|last| !last.ends_with(&text))
        {
            told.push(text);
        }
    }
    match told.is_empty() {
        true => error.to_string(),
        false => told.join(": "),
    }
}
