//! One attempt: signed, sent, and its answer understood.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::{DateTime, Format};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt, Limited};

use super::credentials::without_secrets;
use super::{Ec2, Form};
use crate::error::{self, Error, ErrorKind};
use crate::xml::Element;

/// A page of a thousand images has about 2 MiB.
const LONGEST_ANSWER: usize = 32 << 20;

/// EC2 takes signatures for five minutes; whatever is nearer is not the clock's fault.
const TOLERABLE_SKEW: Duration = Duration::from_secs(240);

/// So much of a message is shown. Only one is longer: the encoded one behind `UnauthorizedOperation`.
const LONGEST_MESSAGE: usize = 4096;

const FORM: HeaderValue =
    HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

/// Another attempt does not change a certificate. The words are those of rustls, which the SDK hides.
fn no_answer(error: &(dyn std::error::Error + 'static)) -> ErrorKind {
    let untrusted = std::iter::successors(Some(error), |link| link.source())
        .any(|link| link.to_string().contains("invalid peer certificate"));
    match untrusted {
        true => ErrorKind::Untrusted,
        false => ErrorKind::Unreachable,
    }
}

impl Ec2 {
    /// Sends a request once.
    pub(super) async fn send(&self, form: &Form, used: &Credentials) -> Result<Element, Error> {
        let signed_at = self.now();
        let request = self.signed(form, used, signed_at).map_err(|error| {
            Error::new(form.action, ErrorKind::Refused, "the request cannot be signed")
                .with_source(error)
        })?;
        let limit = self.timing.attempt;
        let answer = match tokio::time::timeout(limit, self.exchange(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let what = format!("no answer from `{}`", self.endpoint);
                return Err(Error::new(form.action, no_answer(&*error), what).with_source(error));
            }
            Err(_) => {
                let what = format!("no answer from `{}` within {limit:?}", self.endpoint);
                return Err(Error::new(form.action, ErrorKind::Unreachable, what));
            }
        };
        self.understand(form.action, &answer, used)
    }

    fn signed(
        &self,
        form: &Form,
        used: &Credentials,
        at: SystemTime,
    ) -> Result<HttpRequest, BoxError> {
        let body = form.body();
        let agent = HeaderValue::from_str(&self.user_agent)?;
        let mut request = Request::post(&self.endpoint)
            .header(CONTENT_TYPE, FORM)
            .header(USER_AGENT, agent)
            .body(SdkBody::from(body.clone()))?;
        let identity = Identity::from(used.clone());
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("ec2")
            .time(at)
            .settings(SigningSettings::default())
            .build()?
            .into();
        let headers: Vec<_> = request
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect();
        let signable = SignableRequest::new(
            "POST",
            self.endpoint.to_string(),
            headers.into_iter(),
            SignableBody::Bytes(body.as_bytes()),
        )?;
        let (instructions, _) = sign(signable, &parameters)?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(HttpRequest::try_from(request)?)
    }

    async fn exchange(&self, request: HttpRequest) -> Result<Answer, BoxError> {
        let answer = self.connector.call(request).await?.try_into_http1x()?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await?.to_bytes();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }

    fn understand(
        &self,
        action: &'static str,
        answer: &Answer,
        used: &Credentials,
    ) -> Result<Element, Error> {
        let status = answer.status;
        let tree = Element::parse(&answer.body);
        if (200..300).contains(&status) {
            let ours = |tree: &Element| tree.name().strip_suffix("Response") == Some(action);
            return tree.filter(ours).ok_or_else(|| {
                let what = format!("the answer of `{}` is not EC2's, or is cut off", self.endpoint);
                Error::new(action, ErrorKind::Unreadable, what).with_answer(status, None, None)
            });
        }
        let told = |name| tree.as_ref().and_then(|tree| tree.find("Error")?.string(name));
        let (code, message) = (told("Code"), told("Message"));
        let request_id = ["RequestID", "RequestId"]
            .into_iter()
            .find_map(|name| tree.as_ref()?.find_text(name))
            .or_else(|| Some(answer.headers.get("x-amzn-requestid")?.to_str().ok()?.to_owned()));
        let message = match message {
            Some(message) => shown(&without_secrets(&message, used)),
            None => format!("status {status} from `{}`, without a reason", self.endpoint),
        };
        let kind = error::kind(code.as_deref(), status);
        let kind = self.skew(answer, code.as_deref()).unwrap_or(kind);
        Err(Error::new(action, kind, message).with_answer(status, code, request_id))
    }

    /// Whether the clock is what EC2 does not like: it says so in many ways, and its own time is in every answer.
    fn skew(&self, answer: &Answer, code: Option<&str>) -> Option<ErrorKind> {
        let suspect = matches!(
            code?,
            "RequestExpired"
                | "AuthFailure"
                | "SignatureDoesNotMatch"
                | "RequestTimeTooSkewed"
                | "InvalidSignatureException"
                | "RequestInTheFuture"
        );
        let date = answer.headers.get(DATE).filter(|_| suspect)?.to_str().ok()?;
        let theirs = DateTime::from_str(date, Format::HttpDate).ok()?;
        let theirs = SystemTime::try_from(theirs).ok()?;
        // What the request was signed with has any known offset in it already.
        if distance(theirs, self.now()).0 < TOLERABLE_SKEW {
            return None;
        }
        let (by, ahead) = distance(theirs, self.machine_time());
        Some(ErrorKind::Skewed { by, ahead })
    }
}

/// How far our time is from theirs, and whether it is ahead.
fn distance(theirs: SystemTime, ours: SystemTime) -> (Duration, bool) {
    match ours.duration_since(theirs) {
        Ok(by) => (by, true),
        Err(error) => (error.duration(), false),
    }
}

/// A message in one line, without its full stop.
fn shown(message: &str) -> String {
    let mut line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = line.char_indices().nth(LONGEST_MESSAGE) {
        line.truncate(at);
        line.push('…');
    }
    line.truncate(line.trim_end_matches('.').len());
    match line.is_empty() {
        true => "without a reason".to_owned(),
        false => line,
    }
}
