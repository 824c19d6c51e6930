//! Connections, and the service that answers each request.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::host::{S3Host, VirtualHost};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3Result};
use tokio::net::TcpListener;

use crate::body::Shared;
use crate::fault::{Fault, instead, tamper};
use crate::id;
use crate::operation::{bucket_of, operation};
use crate::reply::error;
use crate::s3::access::NEED_CHECKSUM;
use crate::s3::checksum::Hasher;
use crate::s3::refusal::refused;
use crate::s3::service::Service;
use crate::wire::Wire;
use crate::world::{Request, World};
use crate::{ec2, imds, orders, sign, sts};

/// Answers a form.
type Handler = fn(&Parts, &[u8], &World) -> Response<Body>;

/// The services that are called with forms.
const QUERY_SERVICES: [(&str, Handler); 2] = [("ec2", ec2::answer), ("sts", sts::answer)];

/// The services of a port.
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
                // Only the client has to know of an error.
                _ = connection => {}
                () = wire.ended() => {}
            }
        });
    }
}

async fn answer(
    request: http::Request<Incoming>,
    world: &World,
    front: &Front,
    wire: &Wire,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = Shared::new(body);
    let Front::Services(s3) = front else {
        return metadata(&parts, world, wire).await;
    };
    if parts.uri.path().starts_with("/__") {
        return orders::answer(&parts, body, world).await;
    }
    let call = match Call::read(parts, body).await {
        Ok(call) => call,
        Err(refusal) => return refusal,
    };
    let Call { parts, service, operation, region, .. } = &call;
    let number = world.note(Request::new(parts, service, operation, region));
    let query = parts.uri.query().unwrap_or_default();
    let fault = world.faults.next(parts.method.as_str(), parts.uri.path(), query, operation);
    if let Some(Fault::ResetRequest { after }) = fault {
        call.body.clone().skip(after).await;
        wire.end(true);
        return pending().await;
    }
    if let Some(mut response) = fault.as_ref().and_then(|fault| instead(fault, service)) {
        call.body.clone().drain(parts).await;
        if parts.method == Method::HEAD {
            *response.body_mut() = Body::empty();
        }
        world.note_status(number, response.status().as_u16());
        return response;
    }
    let response = call.carry_out(s3, world).await;
    world.note_status(number, response.status().as_u16());
    deliver(response, fault, wire).await
}

/// Sends an answer, or what a fault leaves of it.
async fn deliver(response: Response<Body>, fault: Option<Fault>, wire: &Wire) -> Response<Body> {
    match fault {
        None => response,
        Some(Fault::DropReply) => {
            wire.end(false);
            pending().await
        }
        Some(fault) => tamper(fault, response, wire),
    }
}

/// A request to one of the services.
struct Call {
    parts: Parts,
    /// The name of the service that it was signed for.
    service: String,
    operation: String,
    /// The region that it was signed for; empty without a signature.
    region: String,
    /// The form; empty for S3.
    form: Bytes,
    body: Shared,
}

impl Call {
    /// Finds out the service and the operation of a request; a form that is too long is refused.
    async fn read(parts: Parts, body: Shared) -> Result<Self, Response<Body>> {
        let scope = sign::scope(&parts.headers, parts.uri.query().unwrap_or_default());
        let is_form = parts
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form"));
        let service = match &scope {
            Some(scope) => scope.service.clone(),
            // Only the query APIs get forms at the root.
            None if parts.method == Method::POST && parts.uri.path() == "/" && is_form => {
                "ec2".to_owned()
            }
            None => "s3".to_owned(),
        };
        let region = scope.map(|scope| scope.region).unwrap_or_default();
        if service == "s3" {
            let operation = operation(&parts).to_owned();
            return Ok(Self { parts, service, operation, region, form: Bytes::new(), body });
        }
        let Some(form) = body.clone().whole().await else {
            return Err(error(&service, 413, "RequestEntityTooLarge", "the form is too long"));
        };
        let mut pairs = id::pairs(&String::from_utf8_lossy(&form)).into_iter();
        let operation = pairs.find(|(name, _)| name == "Action");
        let operation = operation.map(|(_, action)| action).unwrap_or_default();
        Ok(Self { parts, service, operation, region, form, body })
    }

    /// The answer of the service.
    async fn carry_out(&self, s3: &S3Service, world: &World) -> Response<Body> {
        let service = self.service.as_str();
        if service == "s3" {
            return self.carry_out_s3(s3).await;
        }
        match QUERY_SERVICES.iter().find(|(name, _)| *name == service) {
            Some((_, answer)) => answer(&self.parts, &self.form, world),
            None => {
                let message = format!("the stand-in has no service `{service}`");
                error("ec2", 400, "AuthFailure", &message)
            }
        }
    }

    async fn carry_out_s3(&self, s3: &S3Service) -> Response<Body> {
        let Self { parts, body, .. } = self;
        let response = match checked(parts, &self.operation, body).await {
            Ok(body) => s3.call(http::Request::from_parts(parts.clone(), body)).await.ok(),
            Err(refusal) => refusal.to_http_response().ok(),
        };
        body.clone().drain(parts).await;
        let mut response = match response {
            Some(response) => complete(response, parts).await,
            None => error("s3", 500, "InternalError", "We encountered an internal error."),
        };
        if let Ok(id) = HeaderValue::from_str(&id::s3_request()) {
            response.headers_mut().insert("x-amz-request-id", id);
        }
        response
    }
}

/// A body for S3; where S3 demands a checksum of a document, the two are compared before it is read.
async fn checked(parts: &Parts, operation: &str, shared: &Shared) -> S3Result<Body> {
    let in_trailer = parts.headers.contains_key("x-amz-trailer");
    if in_trailer || !NEED_CHECKSUM.contains(&operation) {
        return Ok(Body::http_body(shared.clone()));
    }
    let text = shared.clone().whole().await;
    let text =
        text.ok_or_else(|| refused(400, "IncompleteBody", "the document did not come to its end"))?;
    let mut hasher = Hasher::new(&parts.headers)?;
    hasher.update(&text);
    hasher.finish(None)?;
    Ok(Body::from(text))
}

/// An S3 answer with the elements that `s3s` leaves out of errors: a message always, and the endpoint of a bucket in another region.
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
    add("RequestId", &id::s3_request());
    head.headers.remove("content-length");
    Response::from_parts(head, Body::from(text))
}

/// Instance metadata, with the same faults.
async fn metadata(parts: &Parts, world: &World, wire: &Wire) -> Response<Body> {
    let number = world.note(Request::new(parts, "imds", "", ""));
    let fault = world.faults.next(parts.method.as_str(), parts.uri.path(), "", "");
    if let Some(Fault::ResetRequest { .. }) = fault {
        wire.end(true);
        return pending().await;
    }
    if let Some(response) = fault.as_ref().and_then(|fault| instead(fault, "s3")) {
        return response;
    }
    let response = imds::answer(parts, world).await;
    world.note_status(number, response.status().as_u16());
    deliver(response, fault, wire).await
}

/// Bucket names in host names.
struct Hosts;

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let found = VirtualHost::new(host);
        Ok(match bucket_of(host) {
            Some(bucket) => found.with_bucket(bucket),
            None => found,
        })
    }
}
