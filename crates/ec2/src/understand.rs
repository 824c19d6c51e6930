//! The meaning of a request's failure.

use std::error::Error as StdError;
use std::fmt;
use std::time::{Duration, SystemTime};

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use baler_aws::{Aws, Failure, Fault, Refusal, Skew, chain};

use crate::answer::{NotWhole, Texts};
use crate::error::{self, Error, ErrorKind};

/// EC2 accepts signatures for five minutes; with less of a difference the clock is not the reason.
const TOLERABLE_SKEW: Duration = Duration::from_secs(240);

/// The longest message that is shown, in characters. Only one is longer: the encoded one of `UnauthorizedOperation`.
const LONGEST_MESSAGE: usize = 4096;

/// The two times at which a request was sent.
#[derive(Clone, Copy)]
pub(crate) struct Clocks {
    /// The machine's.
    pub(crate) machine: SystemTime,
    /// The one that it was signed with: EC2's, as far as the difference is known.
    pub(crate) signed: SystemTime,
}

/// A request that failed.
pub(crate) struct Asked<'a> {
    pub(crate) action: &'static str,
    pub(crate) endpoint: &'a str,
    pub(crate) clocks: Clocks,
}

/// The reason on the way to EC2, as a source of an error.
#[derive(Debug)]
struct Reason(String);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Reason {}

impl Asked<'_> {
    /// The error that the SDK's is. It keeps nothing of the SDK's, which has the request and the answer in it.
    pub(crate) fn understand<E>(&self, error: &SdkError<E, HttpResponse>, aws: &Aws) -> Error
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let refusal = match (not_whole(error), Failure::of(error)) {
            (Some(status), _) => return self.unreadable(status),
            (None, Failure::NoAnswer { fault, reason }) => return self.no_answer(fault, reason),
            (None, Failure::Refused(refusal)) => refusal,
            (None, failure) => return self.no_answer(Fault::Unreachable, failure.to_string()),
        };
        if (200..300).contains(&refusal.status) {
            return self.unreadable(refusal.status);
        }
        let body = error.raw_response().and_then(|response| response.body().bytes());
        let texts = body.and_then(Texts::of).unwrap_or_default();
        let code = texts.get(&["Code"]);
        let message = match texts.get(&["Message"]) {
            Some(message) => shown(&aws.without_secrets(&message)),
            None if code.is_some() => "without a reason".to_owned(),
            None => format!("status {} from `{}`, without a reason", refusal.status, self.endpoint),
        };
        let kind = self
            .skew(&refusal, code.as_deref())
            .unwrap_or_else(|| error::kind(code.as_deref(), refusal.status));
        let request_id = texts.get(&["RequestID", "RequestId"]).or(refusal.request_id);
        Error::new(self.action, kind, message)
            .with_answer(refusal.status, code, request_id)
            .with_pause(refusal.pause)
    }

    fn unreadable(&self, status: u16) -> Error {
        let what = format!("the answer of `{}` is not EC2's, or is cut off", self.endpoint);
        Error::new(self.action, ErrorKind::Unreadable, what).with_answer(status, None, None)
    }

    fn no_answer(&self, fault: Fault, reason: String) -> Error {
        let what = format!("no answer from `{}`", self.endpoint);
        match fault {
            Fault::NoCredentials => Error::new(self.action, ErrorKind::Credentials, reason),
            Fault::Untrusted => {
                Error::new(self.action, ErrorKind::Untrusted, what).with_source(Reason(reason))
            }
            _ => Error::new(self.action, ErrorKind::Unreachable, what).with_source(Reason(reason)),
        }
    }

    /// Whether the clock is the reason: EC2 has many codes for that, and its own time is in every answer.
    fn skew(&self, refusal: &Refusal, code: Option<&str>) -> Option<ErrorKind> {
        let is_suspect = matches!(
            code?,
            "RequestExpired"
                | "AuthFailure"
                | "SignatureDoesNotMatch"
                | "RequestTimeTooSkewed"
                | "InvalidSignatureException"
                | "RequestInTheFuture"
        );
        let theirs = refusal.date.filter(|_| is_suspect)?;
        if Skew::between(self.clocks.signed, theirs).by < TOLERABLE_SKEW {
            return None;
        }
        let Skew { by, ahead, .. } = Skew::between(self.clocks.machine, theirs);
        Some(ErrorKind::Skewed { by, ahead })
    }
}

/// The status of a success that is not a whole answer.
fn not_whole(error: &(dyn StdError + 'static)) -> Option<u16> {
    chain(error).find_map(|link| link.downcast_ref::<NotWhole>()).map(|found| found.status)
}

/// A message in one line, without its full stop.
fn shown(message: &str) -> String {
    let mut line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = line.char_indices().nth(LONGEST_MESSAGE) {
        line.truncate(at);
        line.push('…');
    }
    line.truncate(line.trim_end_matches('.').len());
    if line.is_empty() { "without a reason".to_owned() } else { line }
}
