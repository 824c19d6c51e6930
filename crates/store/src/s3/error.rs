//! The answers of S3, and of the way to it, as an [`Error`].

use std::error::Error as StdError;
use std::time::SystemTime;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use baler_aws::{Failure, Fault, Refusal};

use crate::error::{Error, Kind, ServiceAnswer};

pub(super) fn failed<E>(
    operation: &'static str,
    on: impl Into<String>,
    error: &SdkError<E, HttpResponse>,
) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let refusal = match Failure::of(error) {
        Failure::Refused(refusal) => refusal,
        failure => {
            let kind = match failure.fault() {
                Some(Fault::NoCredentials) => Kind::NoCredentials,
                Some(Fault::Untrusted) => Kind::Untrusted,
                _ => Kind::Unreachable,
            };
            return Error::new(operation, on, kind, failure.to_string());
        }
    };
    let is_listing = operation != "ListObjectsV2" && is_listing(error);
    let kind = if is_listing { Kind::Unsupported } else { kind(&refusal, region_in(error)) };
    let reason = match refusal.message {
        _ if is_listing => "the service answers with a listing instead".to_owned(),
        Some(message) => message,
        // An answer to HEAD has no body, and a proxy's has no code.
        None if refusal.code.is_none() => meaning(refusal.status).to_owned(),
        None => String::new(),
    };
    let Refusal { code, status, request_id, .. } = refusal;
    let answer = Some(Box::new(ServiceAnswer { code, status, request_id }));
    Error { answer, ..Error::new(operation, on, kind, reason) }
}

/// Whether the answer is a listing of the bucket: so answer services that do not know the setting that was asked for.
fn is_listing<E>(error: &SdkError<E, HttpResponse>) -> bool {
    const ROOT: &[u8] = b"<ListBucketResult";
    let Some(answer) = error.raw_response().filter(|answer| answer.status().is_success()) else {
        return false;
    };
    let start = answer.body().bytes().map(|body| &body[..body.len().min(1024)]);
    start.is_some_and(|start| start.windows(ROOT.len()).any(|window| window == ROOT))
}

/// The bucket's region, which S3 tells in a header of many refusals.
pub(super) fn region_in<E>(error: &SdkError<E, HttpResponse>) -> Option<String> {
    error.raw_response()?.headers().get("x-amz-bucket-region").map(str::to_owned)
}

fn kind(refusal: &Refusal, region: Option<String>) -> Kind {
    let transient = || Kind::Transient(refusal.pause);
    match refusal.code.as_deref().unwrap_or_default() {
        "NoSuchKey" | "NoSuchBucket" | "NotFound" | "NoSuchVersion" => Kind::NotFound,
        "AllAccessDisabled" | "AccountProblem" => Kind::Denied,
        "PreconditionFailed" => Kind::Exists,
        "PermanentRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => Kind::Elsewhere(region),
        "RequestTimeTooSkewed" => Kind::Skewed(refusal.skew(SystemTime::now()).map(|skew| skew.by)),
        "AccessControlListNotSupported" | "InvalidBucketAclWithObjectOwnership" => Kind::NoAcls,
        "SignatureDoesNotMatch" | "InvalidAccessKeyId" => Kind::Refused,
        "NotImplemented" | "MethodNotAllowed" => Kind::Unsupported,
        // We know what we sent: it was changed or cut on its way.
        "BadDigest" | "XAmzContentSHA256Mismatch" | "IncompleteBody" | "InvalidDigest" => {
            transient()
        }
        "OperationAborted" | "ConditionalRequestConflict" | "TemporaryRedirect" => transient(),
        code => match Fault::of_code(code) {
            Some(Fault::Expired) => Kind::Expired,
            Some(Fault::Denied) => Kind::Denied,
            Some(Fault::Transient) => transient(),
            _ => kind_of_status(refusal, region),
        },
    }
}

fn kind_of_status(refusal: &Refusal, region: Option<String>) -> Kind {
    match refusal.status {
        301 => Kind::Elsewhere(region),
        403 => Kind::Denied,
        404 => Kind::NotFound,
        412 => Kind::Exists,
        // A success is reported as a failure only if the answer was cut or garbled.
        200..=299 | 307 | 408 | 429 => Kind::Transient(refusal.pause),
        501 => Kind::Unsupported,
        500.. => Kind::Transient(refusal.pause),
        _ => Kind::Refused,
    }
}

fn meaning(status: u16) -> &'static str {
    match status {
        200..=299 => "the answer cannot be understood",
        301 => "the bucket is in another region",
        400 => "the service does not accept the request, and does not say why",
        403 => "forbidden",
        404 => "there is no such thing",
        412 => "there is one already",
        500.. => "the service has failed",
        _ => "the service refuses it",
    }
}
