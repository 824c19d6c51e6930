//! What goes wrong between us and EC2.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use crate::names::{AmiId, NameError};

/// A request to EC2 that was not carried out, or whose outcome is not known.
///
/// Its facts are read through [`Deref`]: `error.code`, `error.kind`. No secret is in it: what EC2 quotes of them in its
/// messages is taken out.
#[derive(Debug)]
pub struct Error(Box<Facts>);

/// What is known of an [`Error`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Facts {
    /// The request, by EC2's name for it: `RegisterImage`.
    pub action: &'static str,
    /// EC2's code for what is wrong, such as `InvalidAMIID.NotFound`, if EC2 gave one.
    pub code: Option<String>,
    /// What EC2 said, or what we say where it said nothing. It is never empty.
    pub message: String,
    /// The status of the HTTP answer, if there was one.
    pub status: Option<u16>,
    /// The number of the request, which AWS's support asks for.
    pub request_id: Option<String>,
    /// What sort of thing is wrong.
    pub kind: ErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What sort of thing is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller may not do this.
    Denied,
    /// What the request is about does not exist, or not any more.
    NotFound,
    /// The request is wrong, or contradicts what there is.
    Refused,
    /// EC2 is busy or broken; later it may work.
    Transient,
    /// The credentials are no longer valid.
    Expired,
    /// The machine's clock is wrong by this much, and EC2 does not take the signature for that.
    Skewed {
        /// The difference.
        by: Duration,
        /// Whether the machine's clock is ahead of EC2's.
        ahead: bool,
    },
    /// There was no answer: no connection, or not in time.
    Unreachable,
    /// Nobody whom this machine trusts vouches for who answers.
    Untrusted,
    /// There are no credentials.
    Credentials,
    /// The answer is not EC2's, or is cut off.
    Unreadable,
    /// Another image has the name.
    NameTaken {
        /// That image.
        ami: AmiId,
        /// Where its manifest is, as EC2 tells it.
        location: Option<String>,
    },
    /// The image will never be available.
    Failed {
        /// The state it is in: `failed`, `invalid`, `error`, `deregistered`.
        state: String,
    },
    /// The image is not available yet, and nobody wants to wait longer.
    Pending {
        /// The state it is in, or nothing while EC2 does not show it.
        state: Option<String>,
    },
}

impl Deref for Error {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.0
    }
}

impl Error {
    /// An error that EC2 said nothing about.
    pub(crate) fn new(action: &'static str, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Facts {
            action,
            code: None,
            message: message.into(),
            status: None,
            request_id: None,
            kind,
            source: None,
        }))
    }

    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn with_answer(
        mut self,
        status: u16,
        code: Option<String>,
        request_id: Option<String>,
    ) -> Self {
        (self.0.status, self.0.code, self.0.request_id) = (Some(status), code, request_id);
        self
    }

    /// With more of what is known behind the message.
    pub(crate) fn and(mut self, more: &str) -> Self {
        self.0.message.push_str("; ");
        self.0.message.push_str(more);
        self
    }

    pub(crate) fn has_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// Whether the same request can succeed a little later.
    pub(crate) fn is_worth_repeating(&self) -> bool {
        matches!(self.kind, ErrorKind::Transient | ErrorKind::Unreachable | ErrorKind::Unreadable)
    }

    /// Whether EC2 may have carried out the request all the same.
    ///
    /// What it turns away because there are too many requests has not been looked at.
    pub(crate) fn is_unclear(&self) -> bool {
        match self.kind {
            ErrorKind::Unreachable | ErrorKind::Unreadable => true,
            ErrorKind::Transient => !self.code.as_deref().is_some_and(is_throttling),
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "`{}` was answered with `{code}`: ", self.action)?,
            None => write!(f, "`{}`: ", self.action)?,
        }
        f.write_str(&self.message)?;
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as &(dyn StdError + 'static))
    }
}

/// Whether this code turns a request away because there are too many.
pub(crate) fn is_throttling(code: &str) -> bool {
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

/// What sort of thing an answer says, by its code first and its status second.
pub(crate) fn kind(code: Option<&str>, status: u16) -> ErrorKind {
    match code.unwrap_or_default() {
        code if is_throttling(code) => ErrorKind::Transient,
        "InternalError"
        | "InternalFailure"
        | "ServiceUnavailable"
        | "Unavailable"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "PriorRequestNotComplete" => ErrorKind::Transient,
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired" => {
            ErrorKind::Expired
        }
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
        | "NotAuthorized" => ErrorKind::Denied,
        code if code.starts_with("AccessDenied") => ErrorKind::Denied,
        code if code.ends_with(".NotFound") || code == "InvalidAMIID.Unavailable" => {
            ErrorKind::NotFound
        }
        "" => match status {
            401 | 403 => ErrorKind::Denied,
            429 | 500.. => ErrorKind::Transient,
            _ => ErrorKind::Refused,
        },
        _ if status >= 500 => ErrorKind::Transient,
        _ => ErrorKind::Refused,
    }
}

/// What is missing before EC2 can be asked anything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// No region is configured.
    #[error("no region is set")]
    NoRegion,
    /// No endpoint is given, and the region's name does not tell it.
    #[error("where EC2 answers cannot be told from the region")]
    Region(#[from] NameError),
    /// The configuration has no provider of credentials.
    #[error("no provider of credentials is configured")]
    NoCredentials,
    /// The configuration has no HTTP client.
    #[error("no HTTP client is configured")]
    NoHttpClient,
    /// The HTTP client could not be made ready.
    #[error("the HTTP client cannot be used")]
    HttpClient(#[source] Box<dyn StdError + Send + Sync>),
    /// The endpoint is not a URL that EC2 could be asked at.
    #[error("`{0}` is not an endpoint: it is `https://HOST` or `http://HOST:PORT`")]
    Endpoint(String),
}
