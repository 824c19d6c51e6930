//! EC2's images: the query API of version 2016-11-15, as far as a bundle needs it.

use http::Response;
use http::request::Parts;
use s3s::Body;

use crate::id;
use crate::reply::{error, reply};
use crate::s3::acl;
use crate::sign::{self, Flaw};
use crate::world::World;

pub(crate) mod ami;
mod attributes;
mod call;
mod copy;
mod describe;
mod filters;
mod form;
pub(crate) mod manifest;
mod permissions;
pub(crate) mod refusal;
mod regions;
mod register;
pub(crate) mod registry;
mod snapshots;
mod xml;

use call::Call;
use form::Form;
use refusal::{Refusal, refuse};
use xml::Xml;

/// Carries out a call; the answer's elements come back.
type Operation = fn(&Call<'_>) -> Result<Xml, Refusal>;

/// The operations, by their names.
const OPERATIONS: [(&str, Operation); 16] = [
    ("RegisterImage", register::register),
    ("DescribeImages", describe::images),
    ("DeregisterImage", attributes::deregister),
    ("ModifyImageAttribute", attributes::modify),
    ("DescribeImageAttribute", attributes::describe),
    ("ResetImageAttribute", attributes::reset),
    ("EnableImageDeregistrationProtection", attributes::protect),
    ("DisableImageDeregistrationProtection", attributes::unprotect),
    ("GetImageBlockPublicAccessState", attributes::block_state),
    ("EnableImageBlockPublicAccess", attributes::block),
    ("DisableImageBlockPublicAccess", attributes::unblock),
    ("CopyImage", copy::copy),
    ("DescribeSnapshots", snapshots::describe),
    ("DeleteSnapshot", snapshots::delete),
    ("CreateTags", attributes::create_tags),
    ("DescribeRegions", regions::describe),
];

/// Answers a request.
pub(crate) fn answer(parts: &Parts, text: &[u8], world: &World) -> Response<Body> {
    let scope = match sign::verify(parts, text, |key| world.secrets(key)) {
        Ok(scope) => scope,
        Err(Flaw::Missing) => {
            return error(
                "ec2",
                400,
                "MissingAuthenticationToken",
                "The request must contain either a valid access key ID or X.509 certificate.",
            );
        }
        Err(Flaw::Skewed) => return error("ec2", 400, "RequestExpired", "Request has expired."),
        Err(Flaw::UnknownKey | Flaw::Wrong) => {
            return error(
                "ec2",
                401,
                "AuthFailure",
                "AWS was not able to validate the provided access credentials",
            );
        }
    };
    if parts.headers.get("x-amz-security-token").is_some_and(|token| token == "expired") {
        return error("ec2", 400, "RequestExpired", "Request has expired.");
    }
    let owner = acl::canonical(&world.account);
    let call = Call { world, region: scope.region, form: Form::read(text), owner };
    let action = call.form.get("Action").unwrap_or_default().to_owned();
    match carry_out(&call, &action) {
        Ok(xml) => {
            let (id, inner) = (id::request(), xml.0);
            let space = "http://ec2.amazonaws.com/doc/2016-11-15/";
            let text = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{action}Response xmlns=\"{space}\"><requestId>{id}</requestId>{inner}</{action}Response>"
            );
            reply(200, "text/xml;charset=UTF-8", text)
        }
        Err(Refusal { status, code, message }) => error("ec2", status, &code, &message),
    }
}

fn carry_out(call: &Call<'_>, action: &str) -> Result<Xml, Refusal> {
    if call.form.get("Version") != Some("2016-11-15") {
        return Err(refuse(
            "NoSuchVersion",
            "The requested version is not supported by the stand-in.",
        ));
    }
    let Some((_, operation)) = OPERATIONS.iter().find(|(name, _)| *name == action) else {
        let message = format!("The action {action} is not valid for this web service.");
        return Err(refuse("InvalidAction", message));
    };
    call.may(&format!("ec2:{action}"))?;
    if call.form.flag("DryRun") {
        let message = "Request would have succeeded, but DryRun flag is set.".to_owned();
        return Err(Refusal { status: 412, code: "DryRunOperation".to_owned(), message });
    }
    operation(call)
}
