//! Connections, and which service gets what comes in.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, EXPECT};
use http::request::Parts;
use http::{HeaderValue, Method, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::host::{S3Host, VirtualHost};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3Result};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::fault::{Fault, Rule, instead, reply, tamper};
use crate::id::{held, pairs};
use crate::s3::access::NEED_CHECKSUM;
use crate::s3::checksum::Hasher;
use crate::s3::{Service, refused};
use crate::wire::Wire;
use crate::world::{Request, World, actions};
use crate::{ec2, imds, sign, sts};

/// Forms and rules are not longer than this.
const FORM: usize = 1 << 20;

/// What answers on a port.
#[derive(Clone)]
pub(crate) enum Front {
    /// S3, EC2, STS, and the orders of tests.
    Services(S3Service),
    /// Instance metadata.
    Metadata,
}

impl Front {
    /// S3, EC2 and STS of a world.
    pub(crate) fn services(world: &Arc<World>) -> Self {
        let service = Service::new(world.clone());
        let mut builder = S3ServiceBuilder::new(service.clone());
        builder.set_auth(service.clone());
        builder.set_access(service);
        builder.set_host(Hosts);
        builder.set_validation(Names);
        Self::Services(builder.build())
    }
}

/// The buckets of before 2018 are still there; whether a new one may be called so is looked at when it is made.
struct Names;

impl s3s::validation::NameValidation for Names {
    fn validate_bucket_name(&self, name: &str) -> bool {
        let is_old = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
        (3..=255).contains(&name.len()) && name.bytes().all(is_old)
    }
}

/// Answers whoever connects, until it is dropped.
pub(crate) async fn serve(listener: TcpListener, world: Arc<World>, front: Front) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: some will be closed.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        // Small answers are not to wait for acknowledgements.
        let _ = stream.set_nodelay(true);
        let wire = Wire::new(stream);
        let (world, front) = (world.clone(), front.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let (world, front, wire) = (world.clone(), front.clone(), wire.clone());
                async move { Ok::<_, Infallible>(answer(request, &world, &front, &wire).await) }
            });
            let connection =
                http1::Builder::new().serve_connection(TokioIo::new(wire.clone()), service);
            tokio::select! {
                // The client hears of an error; there is nobody else to tell.
                _ = connection => {}
                () = wire.ended() => {}
            }
        });
    }
}

async fn answer(
    request: http::Request<Incoming>,
    world: &Arc<World>,
    front: &Front,
    wire: &Wire,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let Front::Services(s3) = front else {
        return metadata(&parts, world, wire).await;
    };
    if parts.uri.path().starts_with("/__") {
        return order(&parts, body, world).await;
    }
    let scope = sign::scope(&parts.headers, &query);
    let form = parts
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form"));
    let service = match &scope {
        Some(scope) => scope.service.clone(),
        // Nobody but the query APIs sends forms to the root.
        None if parts.method == Method::POST && parts.uri.path() == "/" && form => "ec2".to_owned(),
        None => "s3".to_owned(),
    };
    let region = scope.map(|scope| scope.region).unwrap_or_default();
    let shared = Shared::new(body);
    let (text, operation) = if service == "s3" {
        (Bytes::new(), operation(&parts, &query).to_owned())
    } else {
        let Some(text) = whole(shared.clone()).await else {
            return error(&service, 413, "RequestEntityTooLarge", "the form is too long");
        };
        let action =
            pairs(&String::from_utf8_lossy(&text)).into_iter().find(|(name, _)| name == "Action");
        (text, action.map(|(_, action)| action).unwrap_or_default())
    };
    let number = world.note(Request::new(&parts, &service, &operation, &region));
    let fault = world.faults.next(parts.method.as_str(), parts.uri.path(), &query, &operation);
    if let Some(Fault::ResetRequest { after }) = fault {
        shared.clone().skip(after).await;
        wire.end(true);
        return std::future::pending().await;
    }
    if let Some(mut response) = fault.as_ref().and_then(|fault| instead(fault, &service)) {
        shared.drain(&parts).await;
        if parts.method == Method::HEAD {
            *response.body_mut() = Body::empty();
        }
        world.note_status(number, response.status().as_u16());
        return response;
    }
    let mut response = match service.as_str() {
        "ec2" => ec2::answer(&parts, &text, world),
        "sts" => sts::answer(&parts, &text, world),
        "s3" => {
            let response = match checked(&parts, &operation, &shared).await {
                Ok(body) => s3.call(http::Request::from_parts(parts.clone(), body)).await.ok(),
                Err(refusal) => refusal.to_http_response().ok(),
            };
            shared.drain(&parts).await;
            match response {
                Some(response) => complete(response, &parts).await,
                None => error("s3", 500, "InternalError", "We encountered an internal error."),
            }
        }
        other => {
            error("ec2", 400, "AuthFailure", &format!("the stand-in has no service `{other}`"))
        }
    };
    if service == "s3"
        && let Ok(id) = HeaderValue::from_str(&crate::world::request_id())
    {
        response.headers_mut().insert("x-amz-request-id", id);
    }
    world.note_status(number, response.status().as_u16());
    match fault {
        None => response,
        Some(Fault::DropReply) => {
            wire.end(false);
            std::future::pending().await
        }
        Some(fault) => tamper(fault, response, wire),
    }
}

/// A body for S3; where S3 demands a checksum of a document, the two are compared before it is read.
async fn checked(parts: &Parts, operation: &str, shared: &Shared) -> S3Result<Body> {
    let in_trailer = parts.headers.contains_key("x-amz-trailer");
    if in_trailer || !NEED_CHECKSUM.contains(&operation) {
        return Ok(Body::http_body(shared.clone()));
    }
    let text = whole(shared.clone()).await;
    let text =
        text.ok_or_else(|| refused(400, "IncompleteBody", "the document did not come to its end"))?;
    let mut hasher = Hasher::new(&parts.headers)?;
    hasher.update(&text);
    hasher.finish(None)?;
    Ok(Body::from(text))
}

/// An S3 answer with what `s3s` leaves out of errors: a message always, and the way to a bucket that is elsewhere.
async fn complete(response: Response<Body>, parts: &Parts) -> Response<Body> {
    if response.status().as_u16() < 300 || parts.method == Method::HEAD {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    let mut add = |name: &str, value: &str| {
        if let Some(end) = text.find("</Error>").filter(|_| !text.contains(&format!("<{name}>"))) {
            text.insert_str(end, &format!("<{name}>{}</{name}>", quick_xml::escape::escape(value)));
        }
    };
    let message = match head.status.as_u16() {
        403 => {
            "The request signature we calculated does not match the signature you provided. Check your key and signing method."
        }
        404 => "The specified resource does not exist.",
        501 => "A header or query you provided requested a function that is not implemented",
        _ => "The request was not valid",
    };
    add("Message", message);
    if let Some(region) =
        head.headers.get("x-amz-bucket-region").and_then(|region| region.to_str().ok())
        && head.status.as_u16() == 301
    {
        let host =
            parts.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
        let bucket =
            bucket_of(host).or_else(|| parts.uri.path().split('/').nth(1)).unwrap_or_default();
        add("Endpoint", &format!("{bucket}.s3.{region}.amazonaws.com"));
        add("Bucket", bucket);
    }
    add("RequestId", &crate::world::request_id());
    head.headers.remove("content-length");
    Response::from_parts(head, Body::from(text))
}

/// Instance metadata, with the same faults.
async fn metadata(parts: &Parts, world: &World, wire: &Wire) -> Response<Body> {
    let number = world.note(Request::new(parts, "imds", "", ""));
    let fault = world.faults.next(parts.method.as_str(), parts.uri.path(), "", "");
    if let Some(Fault::ResetRequest { .. }) = fault {
        wire.end(true);
        return std::future::pending().await;
    }
    let instead = fault.as_ref().and_then(|fault| instead(fault, "s3"));
    let response = match instead {
        Some(response) => return response,
        None => imds::answer(parts, world).await,
    };
    world.note_status(number, response.status().as_u16());
    match fault {
        None => response,
        Some(Fault::DropReply) => {
            wire.end(false);
            std::future::pending().await
        }
        Some(fault) => tamper(fault, response, wire),
    }
}

/// `/__faults` and `/__deny`: what tests and scripts order.
async fn order(parts: &Parts, body: Incoming, world: &World) -> Response<Body> {
    let bad = |why: String| reply(400, "text/plain", format!("{why}\n"));
    let Some(text) = whole(Shared::new(body)).await else {
        return bad("too long".to_owned());
    };
    match (parts.method.as_str(), parts.uri.path()) {
        ("GET", "/__faults") => {
            let fired: Value =
                world.faults.fired().iter().map(crate::fault::Fired::to_json).collect();
            reply(200, "application/json", fired.to_string())
        }
        ("PUT", "/__faults") => {
            let rules = serde_json::from_slice::<Value>(&text).map_err(|error| error.to_string());
            let rules = rules
                .and_then(|rules| rules.as_array().cloned().ok_or_else(|| "not a list".to_owned()));
            match rules
                .and_then(|rules| rules.iter().map(Rule::from_json).collect::<Result<Vec<_>, _>>())
            {
                Ok(rules) => world.faults.set(rules),
                Err(why) => return bad(why),
            }
            reply(200, "text/plain", String::new())
        }
        ("PUT", "/__deny") => {
            let Some(actions) = actions(&text) else {
                return bad("not a list of actions".to_owned());
            };
            let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
            match world.deny(&actions) {
                Ok(()) => reply(200, "text/plain", String::new()),
                Err(error) => bad(error.to_string()),
            }
        }
        _ => reply(404, "text/plain", String::new()),
    }
}

/// An error in the form of a service.
pub(crate) fn error(service: &str, status: u16, code: &str, message: &str) -> Response<Body> {
    let escape = quick_xml::escape::escape;
    let (code, message, id) = (escape(code), escape(message), crate::id::request());
    let text = match service {
        "ec2" => format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>{id}</RequestID></Response>"
        ),
        "sts" => {
            let fault = if status < 500 { "Sender" } else { "Receiver" };
            format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>{fault}</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>"
            )
        }
        _ => format!(
            "<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{id}</RequestId></Error>"
        ),
    };
    let kind = if service == "s3" { "application/xml" } else { "text/xml;charset=UTF-8" };
    reply(status, kind, format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}"))
}

/// The name of an S3 request, for rules and the log.
fn operation(parts: &Parts, query: &str) -> &'static str {
    let names: Vec<String> = pairs(query).into_iter().map(|(name, _)| name).collect();
    let has = |name: &str| names.iter().any(|found| found == name);
    let host = parts.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let path = parts.uri.path().trim_start_matches('/');
    let virtual_host = bucket_of(host).is_some();
    let (bucket, key) = match path.split_once('/') {
        _ if virtual_host => (true, !path.is_empty()),
        Some((_, key)) => (true, !key.is_empty()),
        None => (!path.is_empty(), false),
    };
    let part = [
        "acl",
        "ownershipControls",
        "encryption",
        "versioning",
        "publicAccessBlock",
        "location",
        "versions",
        "policy",
    ]
    .into_iter()
    .find(|part| has(part))
    .unwrap_or_default();
    match (parts.method.as_str(), bucket, key, part) {
        ("PUT", _, true, "acl") => "PutObjectAcl",
        ("PUT", _, true, _) if parts.headers.contains_key("x-amz-copy-source") => "CopyObject",
        ("PUT", _, true, _) if has("uploadId") => "UploadPart",
        ("PUT", _, true, _) => "PutObject",
        ("GET", _, true, "acl") => "GetObjectAcl",
        ("GET", _, true, _) => "GetObject",
        ("HEAD", _, true, _) => "HeadObject",
        ("DELETE", _, true, _) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", _, true, _) => "DeleteObject",
        ("POST", _, true, _) if has("uploads") => "CreateMultipartUpload",
        ("POST", _, true, _) if has("uploadId") => "CompleteMultipartUpload",
        ("POST", true, false, _) if has("delete") => "DeleteObjects",
        ("HEAD", true, false, _) => "HeadBucket",
        ("GET", false, ..) => "ListBuckets",
        ("GET", true, false, "versions") => "ListObjectVersions",
        ("GET", true, false, "acl") => "GetBucketAcl",
        ("GET", true, false, "ownershipControls") => "GetBucketOwnershipControls",
        ("GET", true, false, "encryption") => "GetBucketEncryption",
        ("GET", true, false, "versioning") => "GetBucketVersioning",
        ("GET", true, false, "publicAccessBlock") => "GetPublicAccessBlock",
        ("GET", true, false, "location") => "GetBucketLocation",
        ("GET", true, false, "") if has("list-type") => "ListObjectsV2",
        ("GET", true, false, "") => "ListObjects",
        ("PUT", true, false, "acl") => "PutBucketAcl",
        ("PUT", true, false, "ownershipControls") => "PutBucketOwnershipControls",
        ("PUT", true, false, "encryption") => "PutBucketEncryption",
        ("PUT", true, false, "versioning") => "PutBucketVersioning",
        ("PUT", true, false, "publicAccessBlock") => "PutPublicAccessBlock",
        ("PUT", true, false, "") => "CreateBucket",
        ("DELETE", true, false, "publicAccessBlock") => "DeletePublicAccessBlock",
        ("DELETE", true, false, "") => "DeleteBucket",
        _ => "",
    }
}

/// Bucket names in host names: `bucket.localhost:1234`, `bucket.127.0.0.1:1234`.
struct Hosts;

fn bucket_of(host: &str) -> Option<&str> {
    let name = host.split(':').next().unwrap_or_default();
    name.strip_suffix(".localhost").or_else(|| name.strip_suffix(".127.0.0.1"))
}

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let found = VirtualHost::new(host);
        Ok(match bucket_of(host) {
            Some(bucket) => found.with_bucket(bucket),
            None => found,
        })
    }
}

/// A request's body, which can still be read when the service wants no more of it.
#[derive(Clone)]
struct Shared(Arc<Mutex<(Incoming, bool)>>);

impl Shared {
    fn new(body: Incoming) -> Self {
        Self(Arc::new(Mutex::new((body, false))))
    }

    /// Reads so many bytes.
    async fn skip(mut self, length: u64) {
        let mut read = 0;
        while read < length {
            let Some(Ok(frame)) = self.frame().await else { return };
            read += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
    }

    /// Reads what is left, so that the client hears the answer before it hears that nobody listens.
    async fn drain(self, parts: &Parts) {
        // A client that asks first has sent nothing yet, and is not to start now.
        if held(&self.0).1 || !parts.headers.contains_key(EXPECT) {
            self.skip(u64::MAX).await;
        }
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut shared = held(&self.0);
        shared.1 = true;
        Pin::new(&mut shared.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        held(&self.0).0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        held(&self.0).0.size_hint()
    }
}

async fn whole(body: Shared) -> Option<Bytes> {
    Some(Limited::new(body, FORM).collect().await.ok()?.to_bytes())
}
