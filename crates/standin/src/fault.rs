//! Faults to order: rules that say which requests go wrong, and how.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_LENGTH;
use http::{HeaderName, HeaderValue, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body as _, Frame};
use s3s::{Body, StdError};
use serde_json::{Value, json};

use crate::id::held;
use crate::json;
use crate::reply::{error, reply};
use crate::wire::Wire;

/// A way in which a request goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The service is not asked; the answer has this status, and the code and message in the service's own form.
    Status {
        /// The HTTP status.
        status: u16,
        /// The error code.
        code: String,
        /// The message; may be empty.
        message: String,
        /// Headers to add.
        headers: Vec<(String, String)>,
        /// A body instead of the one that follows from code and message.
        body: Option<String>,
    },
    /// The connection is reset when so many bytes of the request's body have been read.
    ResetRequest {
        /// The number of bytes.
        after: u64,
    },
    /// The request is carried out, and the connection closed without an answer.
    DropReply,
    /// The answer's body ends early; the connection is closed.
    Truncate {
        /// The number of bytes of the body that are sent.
        after: u64,
    },
    /// The connection is reset within the answer's body.
    ResetReply {
        /// The number of bytes of the body that are sent.
        after: u64,
    },
    /// A byte of the answer's body is another one.
    Flip {
        /// Its place.
        at: u64,
    },
    /// The answer's body stops for a while.
    Stall {
        /// The number of bytes before the pause.
        after: u64,
        /// The length of the pause in seconds.
        seconds: f64,
    },
    /// The answer's body drips.
    Slow {
        /// The speed.
        bytes_per_second: u64,
    },
    /// Status 502 with a page for people, as a proxy gives it.
    Html,
    /// An error without a body.
    Empty {
        /// The HTTP status.
        status: u16,
    },
    /// The service's own way to say that the credentials have expired.
    Expired,
}

impl Fault {
    /// The name in a rule's `do`.
    fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::ResetRequest { .. } => "reset_request",
            Self::DropReply => "drop_reply",
            Self::Truncate { .. } => "truncate",
            Self::ResetReply { .. } => "reset_reply",
            Self::Flip { .. } => "flip",
            Self::Stall { .. } => "stall",
            Self::Slow { .. } => "slow",
            Self::Html => "html",
            Self::Empty { .. } => "empty",
            Self::Expired => "expired",
        }
    }
}

/// A fault, and the requests that it befalls: those to S3, EC2 and STS, and those to instance metadata, whose operation is empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The fault.
    pub fault: Fault,
    /// Only requests with this method.
    pub method: Option<String>,
    /// Only requests whose path starts like this.
    pub path: Option<String>,
    /// Only requests whose path or query contains this.
    pub contains: Option<String>,
    /// Only requests for this operation, `RegisterImage` or `PutObject`.
    pub operation: Option<String>,
    /// The number of matching requests that are let through first.
    pub skip: u32,
    /// The number of times that it happens; 0 for no limit.
    pub count: u32,
}

impl Rule {
    /// A fault that befalls the next request, once.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self { fault, method: None, path: None, contains: None, operation: None, skip: 0, count: 1 }
    }

    /// Only requests with this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only requests whose path starts like this.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    /// Only requests whose path or query contains this.
    #[must_use]
    pub fn contains(mut self, part: &str) -> Self {
        self.contains = Some(part.to_owned());
        self
    }

    /// Only requests for this operation.
    #[must_use]
    pub fn operation(mut self, operation: &str) -> Self {
        self.operation = Some(operation.to_owned());
        self
    }

    /// Lets so many matching requests through first.
    #[must_use]
    pub fn skip(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// The number of times that it happens; 0 for no limit.
    #[must_use]
    pub fn count(mut self, count: u32) -> Self {
        self.count = count;
        self
    }

    /// Reads a rule as `PUT /__faults` has it.
    pub(crate) fn from_json(value: &Value) -> Result<Self, String> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let number = |name: &str, default: u64| value[name].as_u64().unwrap_or(default);
        let small = |name: &str, default: u32| {
            u32::try_from(number(name, default.into())).unwrap_or(u32::MAX)
        };
        let status = |default| u16::try_from(number("status", default)).unwrap_or(500);
        let kind = text("do").ok_or("a rule without `do`")?;
        let fault = match kind.as_str() {
            "status" => Fault::Status {
                status: status(503),
                code: text("code").unwrap_or_else(|| "SlowDown".to_owned()),
                message: text("message")
                    .unwrap_or_else(|| "Please reduce your request rate.".to_owned()),
                headers: json::table(&value["headers"]).into_iter().collect(),
                body: text("body"),
            },
            "reset_request" => Fault::ResetRequest { after: number("after", 64 * 1024) },
            "drop_reply" => Fault::DropReply,
            "truncate" => Fault::Truncate { after: number("after", 0) },
            "reset_reply" => Fault::ResetReply { after: number("after", 0) },
            "flip" => Fault::Flip { at: number("at", 0) },
            "stall" => Fault::Stall {
                after: number("after", 0),
                seconds: value["seconds"].as_f64().unwrap_or(60.0),
            },
            "slow" => Fault::Slow { bytes_per_second: number("bytes_per_second", 1024) },
            "html" => Fault::Html,
            "empty" => Fault::Empty { status: status(500) },
            "expired" => Fault::Expired,
            other => return Err(format!("the fault `{other}` is not known")),
        };
        Ok(Self {
            fault,
            method: text("method"),
            path: text("path"),
            contains: text("contains"),
            operation: text("operation"),
            skip: small("skip", 0),
            count: small("count", 1),
        })
    }

    fn matches(&self, method: &str, path: &str, query: &str, operation: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path.as_ref().is_none_or(|wanted| path.starts_with(wanted))
            && self
                .contains
                .as_ref()
                .is_none_or(|wanted| path.contains(wanted) || query.contains(wanted))
            && self.operation.as_ref().is_none_or(|wanted| wanted == operation)
    }
}

/// A fault that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Fired {
    /// The rule's place in the list.
    pub rule: usize,
    /// The fault.
    pub fault: Fault,
    /// The request's method.
    pub method: String,
    /// The request's path.
    pub path: String,
    /// The request's operation.
    pub operation: String,
}

impl Fired {
    pub(crate) fn to_json(&self) -> Value {
        let fault = self.fault.name();
        json!({ "rule": self.rule, "do": fault, "method": self.method, "path": self.path, "operation": self.operation })
    }
}

/// The rules in force, and the faults that have happened.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<Vec<Rule>>,
    fired: Mutex<Vec<Fired>>,
}

impl Faults {
    /// Replaces the rules; the faults that have happened are forgotten.
    pub(crate) fn set(&self, rules: Vec<Rule>) {
        *held(&self.rules) = rules;
        held(&self.fired).clear();
    }

    /// The faults that have happened since the rules were set.
    pub(crate) fn fired(&self) -> Vec<Fired> {
        held(&self.fired).clone()
    }

    /// The fault that befalls a request: that of the first rule that matches and is not used up.
    pub(crate) fn next(
        &self,
        method: &str,
        path: &str,
        query: &str,
        operation: &str,
    ) -> Option<Fault> {
        let mut rules = held(&self.rules);
        let mut fired = held(&self.fired);
        let (number, rule) = rules.iter_mut().enumerate().find(|(number, rule)| {
            let used = fired.iter().filter(|fired| fired.rule == *number).count();
            let left = rule.count == 0 || used < rule.count as usize;
            left && rule.matches(method, path, query, operation)
        })?;
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        let (fault, method, path, operation) =
            (rule.fault.clone(), method.to_owned(), path.to_owned(), operation.to_owned());
        fired.push(Fired { rule: number, fault: fault.clone(), method, path, operation });
        Some(fault)
    }
}

/// The answer instead of the service's, for the faults that are one.
pub(crate) fn instead(fault: &Fault, service: &str) -> Option<Response<Body>> {
    let (status, code, message) = match fault {
        Fault::Status { status, code, message, .. } => (*status, code.as_str(), message.as_str()),
        // What each service says of a session that is over.
        Fault::Expired if service == "ec2" => (400, "RequestExpired", "Request has expired."),
        Fault::Expired => (400, "ExpiredToken", "The provided token has expired."),
        Fault::Html => {
            let page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>the proxy is tired</body>\r\n</html>\r\n";
            return Some(reply(502, "text/html", page.to_owned()));
        }
        Fault::Empty { status } => return Some(reply(*status, "application/xml", String::new())),
        _ => return None,
    };
    let mut response = error(service, status, code, message);
    if let Fault::Status { headers, body, .. } = fault {
        if let Some(body) = body {
            *response.body_mut() = Body::from(body.clone());
        }
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                response.headers_mut().insert(name, value);
            }
        }
    }
    Some(response)
}

/// Changes the service's answer as the fault says.
pub(crate) fn tamper(fault: Fault, response: Response<Body>, wire: &Wire) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    // The length is announced as if nothing was wrong.
    if let Some(length) = body.size_hint().exact()
        && !head.headers.contains_key(CONTENT_LENGTH)
    {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let start = Tampered { fault, body, wire: wire.clone(), at: 0, rest: Bytes::new() };
    let frames =
        stream::unfold(start, |mut state| async move { Some((state.next().await?, state)) });
    Response::from_parts(head, Body::http_body_unsync(StreamBody::new(frames)))
}

/// A body on its way out.
struct Tampered {
    fault: Fault,
    body: Body,
    wire: Wire,
    at: u64,
    rest: Bytes,
}

impl Tampered {
    async fn next(&mut self) -> Option<Result<Frame<Bytes>, StdError>> {
        if self.rest.is_empty() {
            match self.body.frame().await {
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Some(Err(error)),
                None => {
                    self.end_before(self.at).await;
                    return None;
                }
            }
        }
        let length = self.rest.len() as u64;
        let mut take = length;
        match self.fault {
            Fault::Truncate { after } | Fault::ResetReply { after } => {
                self.end_before(after).await;
                take = take.min(after - self.at);
            }
            Fault::Stall { after, seconds } => {
                if self.at == after {
                    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
                } else if self.at < after {
                    take = take.min(after - self.at);
                }
            }
            Fault::Slow { bytes_per_second } => {
                take = take.min(bytes_per_second.div_ceil(10)).max(1).min(length);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            _ => {}
        }
        let mut bytes =
            self.rest.split_to(usize::try_from(take).unwrap_or(usize::MAX).min(self.rest.len()));
        if let Fault::Flip { at } = self.fault
            && (self.at..self.at + take).contains(&at)
        {
            let mut other = bytes.to_vec();
            other[usize::try_from(at - self.at).unwrap_or_default()] ^= 1;
            bytes = other.into();
        }
        self.at += take;
        Some(Ok(Frame::data(bytes)))
    }

    /// Ends the connection if the place has been reached; what was sent before goes out first.
    async fn end_before(&self, place: u64) {
        let reset = matches!(self.fault, Fault::ResetReply { .. });
        if (reset || matches!(self.fault, Fault::Truncate { .. })) && self.at >= place {
            self.wire.end_when_flushed(reset);
            std::future::pending::<()>().await;
        }
    }
}
