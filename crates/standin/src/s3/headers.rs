//! Headers of an upload that say how an object is kept: conditions, encryption, and those that come back with it.

use std::collections::BTreeMap;

use http::HeaderMap;
use s3s::dto::ETagCondition;
use s3s::{S3Result, s3_error};

use super::refusal::{no_such_key, refused};
use super::storage::{Bucket, Encryption, Version};

/// Headers that are kept with an object and come back with it.
const KEPT: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "x-amz-storage-class",
];

/// `If-Match` and `If-None-Match`.
pub(crate) struct Conditions {
    pub(crate) exists: Option<ETagCondition>,
    pub(crate) absent: Option<ETagCondition>,
}

impl Conditions {
    /// Refuses where they do not hold.
    pub(crate) fn check(&self, current: Option<&Version>) -> S3Result<()> {
        let failed = || {
            s3_error!(
                PreconditionFailed,
                "At least one of the pre-conditions you specified did not hold"
            )
        };
        match (&self.exists, current) {
            (None, _) | (Some(ETagCondition::Any), Some(_)) => {}
            (Some(_), None) => return Err(no_such_key()),
            (Some(ETagCondition::ETag(etag)), Some(version)) if etag.value() == version.etag => {}
            _ => return Err(failed()),
        }
        match (&self.absent, current) {
            (Some(ETagCondition::Any), Some(_)) => Err(failed()),
            (Some(ETagCondition::ETag(_)), _) => Err(refused(
                501,
                "NotImplemented",
                "A header you provided implies functionality that is not implemented",
            )),
            _ => Ok(()),
        }
    }
}

/// The headers that an object keeps.
pub(super) fn kept(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::new();
    for (name, value) in headers {
        let name = name.as_str();
        if KEPT.contains(&name) || name.starts_with("x-amz-meta-") {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            // How the upload was framed is no property of the object.
            let value =
                if name == "content-encoding" { value.replace("aws-chunked", "") } else { value };
            let value = value.trim_matches([',', ' ']).to_owned();
            if !value.is_empty() {
                kept.insert(name.to_owned(), value);
            }
        }
    }
    kept
}

/// The encryption of an object: as the headers ask for, or the bucket's.
pub(super) fn encryption(headers: &HeaderMap, bucket: &Bucket) -> Encryption {
    let text =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    match text("x-amz-server-side-encryption") {
        Some(algorithm) => {
            let kms_key = text("x-amz-server-side-encryption-aws-kms-key-id");
            Encryption { algorithm, kms_key }
        }
        None => bucket.settings.encryption.clone(),
    }
}
