//! What errors of services, and of the way to them, mean.

use std::error::Error as StdError;
use std::fmt;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::date_time::{DateTime, Format};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// What an error means, as far as it means the same for each service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// There are no credentials, or they cannot be obtained.
    NoCredentials,
    /// The certificate of the other side is not trusted.
    Untrusted,
    /// The service could not be reached, or did not answer in time.
    Unreachable,
    /// The credentials are no longer valid.
    Expired,
    /// The credentials do not allow the request, or are none that the service knows.
    Denied,
    /// The service is busy or broken; the same request may work later.
    Transient,
}

impl Fault {
    /// The meaning of a service's code for an error, or `None` for a code that means something for one service only.
    pub fn of_code(code: &str) -> Option<Fault> {
        match code {
            code if is_throttling(code) => Some(Fault::Transient),
            "InternalError"
            | "InternalFailure"
            | "ServiceUnavailable"
            | "Unavailable"
            | "RequestTimeout"
            | "RequestTimeoutException"
            | "PriorRequestNotComplete" => Some(Fault::Transient),
            "ExpiredToken"
            | "ExpiredTokenException"
            | "RequestExpired"
            | "TokenRefreshRequired" => Some(Fault::Expired),
            "UnauthorizedOperation"
            | "AuthFailure"
            | "OptInRequired"
            | "Blocked"
            | "PendingVerification"
            | "InvalidClientTokenId"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "MissingAuthenticationToken"
            | "UnrecognizedClientException"
            | "OperationNotPermitted"
            | "NotAuthorized" => Some(Fault::Denied),
            code if code.starts_with("AccessDenied") => Some(Fault::Denied),
            _ => None,
        }
    }
}

/// Whether a service refuses a request with this code because there are too many.
pub fn is_throttling(code: &str) -> bool {
    matches!(
        code,
        "RequestLimitExceeded"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "EC2ThrottledException"
            | "TooManyRequestsException"
            | "BandwidthLimitExceeded"
            | "SlowDown"
    ) || code.starts_with("Throttl")
}

/// The answer of a service that refuses a request, or that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The status of the HTTP answer.
    pub status: u16,
    /// The service's own code, such as `AccessDenied`, if it gave one.
    pub code: Option<String>,
    /// The service's message, if it gave one. It may quote secrets: [`Aws::without_secrets`](crate::Aws::without_secrets).
    pub message: Option<String>,
    /// The number of the request that AWS's support asks for.
    pub request_id: Option<String>,
    /// The service's time.
    pub date: Option<SystemTime>,
    /// The pause that the service asks for before the next attempt.
    pub pause: Option<Duration>,
}

impl Refusal {
    /// What the status and the headers of an answer tell.
    pub fn of_headers(response: &HttpResponse) -> Refusal {
        let header = |name: &str| response.headers().get(name);
        let date = header("date")
            .and_then(|date| DateTime::from_str(date, Format::HttpDate).ok())
            .and_then(|date| date.try_into().ok());
        let ids = ["x-amz-request-id", "x-amzn-requestid"];
        Refusal {
            status: response.status().as_u16(),
            code: None,
            message: None,
            request_id: ids.into_iter().find_map(header).map(str::to_owned),
            date,
            pause: header("retry-after")
                .and_then(|text| text.parse().ok())
                .map(Duration::from_secs),
        }
    }

    /// The difference of a clock from the service's, if the service told its time.
    pub fn skew(&self, ours: SystemTime) -> Option<Skew> {
        self.date.map(|theirs| Skew::between(ours, theirs))
    }
}

/// The difference of two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skew {
    /// The difference.
    pub by: Duration,
    /// Whether this machine's clock is ahead of the service's.
    pub ahead: bool,
}

impl Skew {
    /// The difference of this machine's time from a service's.
    pub fn between(ours: SystemTime, theirs: SystemTime) -> Skew {
        match ours.duration_since(theirs) {
            Ok(by) => Skew { by, ahead: true },
            Err(error) => Skew { by: error.duration(), ahead: false },
        }
    }
}

/// What came of a request that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// There is an answer.
    Refused(Refusal),
    /// There is none.
    NoAnswer {
        /// [`Fault::NoCredentials`], [`Fault::Untrusted`] or [`Fault::Unreachable`].
        fault: Fault,
        /// The reason, in one line.
        reason: String,
    },
}

impl Failure {
    /// The meaning of an error of one of the SDK's clients.
    pub fn of<E>(error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        if let Some(response) = error.raw_response() {
            let told = error.as_service_error();
            let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
            return Failure::Refused(Refusal {
                code: text(told.and_then(|told| told.code())),
                message: text(told.and_then(|told| told.message())),
                ..Refusal::of_headers(response)
            });
        }
        let (fault, reason) = match chain(error).find_map(|link| link.downcast_ref()) {
            // The list of all the places that were searched is a page of text.
            Some(CredentialsError::CredentialsNotLoaded(_)) => {
                (Fault::NoCredentials, "there are no credentials".to_owned())
            }
            Some(error) => (Fault::NoCredentials, causes(error)),
            None => {
                let reason = causes(error);
                // The words are those of rustls, whose error the SDK hides.
                let is_untrusted = reason.contains("invalid peer certificate");
                (if is_untrusted { Fault::Untrusted } else { Fault::Unreachable }, reason)
            }
        };
        Failure::NoAnswer { fault, reason }
    }

    /// No answer in time.
    pub fn timed_out(after: Duration) -> Failure {
        let reason = format!("there is no answer after {} s", after.as_secs());
        Failure::NoAnswer { fault: Fault::Unreachable, reason }
    }

    /// What it means, or `None` if that is for the service's own crate to say.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Failure::NoAnswer { fault, .. } => Some(*fault),
            Failure::Refused(Refusal { code: Some(code), .. }) => Fault::of_code(code),
            Failure::Refused(Refusal { status: 500.. | 429, .. }) => Some(Fault::Transient),
            Failure::Refused(_) => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refusal = match self {
            Failure::NoAnswer { reason, .. } => return f.write_str(reason),
            Failure::Refused(refusal) => refusal,
        };
        match (&refusal.code, &refusal.message) {
            (Some(code), Some(message)) => write!(f, "{code}: {message}"),
            (Some(text), None) | (None, Some(text)) => f.write_str(text),
            (None, None) => write!(f, "status {}, without a reason", refusal.status),
        }
    }
}

impl StdError for Failure {}

/// An error and its sources, from the outermost one.
pub fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |link: &&'a (dyn StdError + 'static)| (*link).source())
}

/// An error's chain in one line, without the links that only tell that something failed, and without repetition.
pub fn causes(error: &(dyn StdError + 'static)) -> String {
    const EMPTY: [&str; 6] = [
        "dispatch failure",
        "io error",
        "other",
        "service error",
        "timeout",
        "request has timed out",
    ];
    let mut told: Vec<String> = Vec::new();
    for link in chain(error) {
        let text = link.to_string();
        if !EMPTY.contains(&text.as_str()) && told.last().is_none_or(|last| !last.ends_with(&text))
        {
            told.push(text);
        }
    }
    if told.is_empty() { error.to_string() } else { told.join(": ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_the_same_everywhere() {
        for (code, fault) in [
            ("ExpiredToken", Some(Fault::Expired)),
            ("RequestExpired", Some(Fault::Expired)),
            ("SlowDown", Some(Fault::Transient)),
            ("ThrottlingException", Some(Fault::Transient)),
            ("InternalError", Some(Fault::Transient)),
            ("AccessDenied", Some(Fault::Denied)),
            ("AccessDeniedException", Some(Fault::Denied)),
            ("AuthFailure", Some(Fault::Denied)),
            ("NoSuchKey", None),
            ("InvalidAMIID.NotFound", None),
        ] {
            assert_eq!(Fault::of_code(code), fault, "{code}");
        }
    }

    #[test]
    fn clocks_differ() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let later = now + Duration::from_secs(60);
        let by = Duration::from_secs(60);
        assert_eq!(Skew::between(later, now), Skew { by, ahead: true });
        assert_eq!(Skew::between(now, later), Skew { by, ahead: false });
    }

    #[test]
    fn a_chain_is_told_without_empty_links() {
        #[derive(Debug, thiserror::Error)]
        #[error("{0}")]
        struct Link(&'static str, #[source] Option<Box<Link>>);
        let link = |text, below| Link(text, Some(Box::new(below)));
        let refused = Link("connection refused", None);
        let error =
            link("dispatch failure", link("other", link("tcp: connection refused", refused)));
        assert_eq!(causes(&error), "tcp: connection refused");
        assert_eq!(causes(&Link("timeout", None)), "timeout");
    }
}
