//! Errors of requests to EC2.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use baler_aws::{Fault, is_throttling};

use crate::names::AmiId;

/// A request to EC2 that was not carried out, or whose outcome is not known.
///
/// Its details are read through [`Deref`]: `error.code`, `error.kind`. No secret is in it: those that EC2 quotes in its
/// messages are taken out.
#[derive(Debug)]
pub struct Error(Box<ErrorDetails>);

/// The details of an [`Error`].
#[derive(Debug)]
#[non_exhaustive]
pub struct ErrorDetails {
    /// The request, by EC2's name for it: `RegisterImage`.
    pub action: &'static str,
    /// EC2's code for the error, such as `InvalidAMIID.NotFound`, if EC2 gave one.
    pub code: Option<String>,
    /// EC2's message, or ours where it gave none. It is never empty.
    pub message: String,
    /// The status of the HTTP answer, if there was one.
    pub status: Option<u16>,
    /// The number of the request, which AWS's support asks for.
    pub request_id: Option<String>,
    /// The kind of the error.
    pub kind: ErrorKind,
    /// The pause that EC2 asks for before the next attempt, if it asks for one.
    pub pause: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kind of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller may not do this.
    Denied,
    /// The subject of the request does not exist, or not any more.
    NotFound,
    /// The request is wrong, or contradicts what there is.
    Refused,
    /// EC2 is busy or broken; later it may work.
    Transient,
    /// The credentials are no longer valid.
    Expired,
    /// The machine's clock is wrong by this much, and EC2 refuses the signature for that.
    Skewed {
        /// The difference.
        by: Duration,
        /// Whether the machine's clock is ahead of EC2's.
        ahead: bool,
    },
    /// There was no answer: no connection, or not in time.
    Unreachable,
    /// The certificate of the other side is not trusted.
    Untrusted,
    /// There are no credentials, or they cannot be obtained.
    Credentials,
    /// The answer is not EC2's, or is cut off.
    Unreadable,
    /// Another image has the name.
    NameTaken {
        /// That image.
        ami: AmiId,
        /// The location of its manifest, as EC2 tells it.
        location: Option<String>,
    },
    /// The image will never be available.
    Failed {
        /// The state it is in: `failed`, `invalid`, `error`, `deregistered`.
        state: String,
    },
    /// The image is not available yet, and the time to wait is over.
    Pending {
        /// The state it is in, or nothing while EC2 does not show it.
        state: Option<String>,
    },
}

impl Deref for Error {
    type Target = ErrorDetails;

    fn deref(&self) -> &ErrorDetails {
        &self.0
    }
}

impl Error {
    /// An error without an answer of EC2's.
    pub(crate) fn new(action: &'static str, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(ErrorDetails {
            action,
            code: None,
            message: message.into(),
            status: None,
            request_id: None,
            kind,
            pause: None,
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

    pub(crate) fn with_pause(mut self, pause: Option<Duration>) -> Self {
        self.0.pause = pause;
        self
    }

    /// The same with more text behind the message.
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

    /// Whether EC2 may have carried out the request anyway.
    ///
    /// A request that is refused because there are too many was not looked at.
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

/// The kind of an answer that refuses: by its code first, and by its status second.
pub(crate) fn kind(code: Option<&str>, status: u16) -> ErrorKind {
    let code = code.unwrap_or_default();
    if code.ends_with(".NotFound") || code == "InvalidAMIID.Unavailable" {
        return ErrorKind::NotFound;
    }
    match Fault::of_code(code) {
        Some(Fault::Transient) => ErrorKind::Transient,
        Some(Fault::Expired) => ErrorKind::Expired,
        Some(Fault::Denied) => ErrorKind::Denied,
        _ => match status {
            401 | 403 if code.is_empty() => ErrorKind::Denied,
            429 if code.is_empty() => ErrorKind::Transient,
            500.. => ErrorKind::Transient,
            _ => ErrorKind::Refused,
        },
    }
}
