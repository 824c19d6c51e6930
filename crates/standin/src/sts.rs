//! STS: who am I.

use http::Response;
use http::request::Parts;
use s3s::Body;

use crate::fault::reply;
use crate::id;
use crate::server::error;
use crate::sign::{self, Flaw};
use crate::world::World;

/// Answers a request.
pub(crate) fn answer(parts: &Parts, text: &[u8], world: &World) -> Response<Body> {
    match sign::verify(parts, text, |key| world.secrets(key)) {
        Ok(_) => {}
        Err(Flaw::Missing) => {
            return error(
                "sts",
                403,
                "MissingAuthenticationToken",
                "Request is missing Authentication Token",
            );
        }
        Err(Flaw::UnknownKey) => {
            return error(
                "sts",
                403,
                "InvalidClientTokenId",
                "The security token included in the request is invalid.",
            );
        }
        Err(Flaw::Skewed) => {
            return error(
                "sts",
                403,
                "SignatureDoesNotMatch",
                "Signature expired or not yet current",
            );
        }
        Err(Flaw::Wrong) => {
            let message =
                "The request signature we calculated does not match the signature you provided.";
            return error("sts", 403, "SignatureDoesNotMatch", message);
        }
    }
    if parts.headers.get("x-amz-security-token").is_some_and(|token| token == "expired") {
        return error(
            "sts",
            403,
            "ExpiredToken",
            "The security token included in the request is expired",
        );
    }
    let form = id::pairs(&String::from_utf8_lossy(text));
    let action = form.iter().find(|(name, _)| name == "Action").map_or("", |(_, action)| action);
    if action != "GetCallerIdentity" {
        return error(
            "sts",
            400,
            "InvalidAction",
            &format!("Could not find operation {action} for version 2011-06-15"),
        );
    }
    let (account, id) = (&world.account, id::request());
    let text = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Arn>arn:aws:iam::{account}:user/standin</Arn><UserId>AIDASTANDIN0000000001</UserId><Account>{account}</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    );
    reply(200, "text/xml", text)
}
