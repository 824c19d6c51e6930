//! STS: the account of a key.

use http::Response;
use http::request::Parts;
use s3s::Body;

use crate::id;
use crate::reply::{error, reply};
use crate::sign::{self, Flaw};
use crate::world::World;

/// Answers a request.
pub(crate) fn answer(parts: &Parts, text: &[u8], world: &World) -> Response<Body> {
    if let Err(flaw) = sign::verify(parts, text, |key| world.secrets(key)) {
        let (code, message) = refusal(flaw);
        return error("sts", 403, code, message);
    }
    if parts.headers.get("x-amz-security-token").is_some_and(|token| token == "expired") {
        let message = "The security token included in the request is expired";
        return error("sts", 403, "ExpiredToken", message);
    }
    let form = id::pairs(&String::from_utf8_lossy(text));
    let action = form.iter().find(|(name, _)| name == "Action").map_or("", |(_, action)| action);
    if action != "GetCallerIdentity" {
        let message = format!("Could not find operation {action} for version 2011-06-15");
        return error("sts", 400, "InvalidAction", &message);
    }
    let (account, id) = (&world.account, id::request());
    let text = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Arn>arn:aws:iam::{account}:user/standin</Arn><UserId>AIDASTANDIN0000000001</UserId><Account>{account}</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    );
    reply(200, "text/xml", text)
}

/// Code and message for a signature that does not hold.
fn refusal(flaw: Flaw) -> (&'static str, &'static str) {
    match flaw {
        Flaw::Missing => ("MissingAuthenticationToken", "Request is missing Authentication Token"),
        Flaw::UnknownKey => {
            ("InvalidClientTokenId", "The security token included in the request is invalid.")
        }
        Flaw::Skewed => ("SignatureDoesNotMatch", "Signature expired or not yet current"),
        Flaw::Wrong => (
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided.",
        ),
    }
}
