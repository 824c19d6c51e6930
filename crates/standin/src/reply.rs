//! Answers over HTTP: a plain one, and an error in the form of each service.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use quick_xml::escape::escape;
use s3s::Body;

use crate::id;

/// A plain answer.
pub(crate) fn reply(status: u16, kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// An error in the form of a service: `ec2`, `sts`, or S3's for every other.
pub(crate) fn error(service: &str, status: u16, code: &str, message: &str) -> Response<Body> {
    let (code, message, id) = (escape(code), escape(message), id::request());
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
