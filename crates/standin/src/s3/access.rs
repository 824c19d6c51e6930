//! Checks before every S3 operation: the credentials, the region, and the permissions.

use http::{HeaderMap, HeaderValue};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::path::S3Path;
use s3s::{S3Error, S3Result, s3_error};

use super::refusal::refused;
use super::service::Service;
use crate::sign;

#[async_trait::async_trait]
impl S3Auth for Service {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if self.world.secrets(access_key).is_none() {
            let message = "The AWS Access Key Id you provided does not exist in our records.";
            return Err(s3_error!(InvalidAccessKeyId, "{message}"));
        }
        Ok(self.world.secrets(access_key).unwrap_or_default().into())
    }
}

#[async_trait::async_trait]
impl S3Access for Service {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let bucket = match cx.s3_path() {
            S3Path::Root => None,
            S3Path::Bucket { bucket } | S3Path::Object { bucket, .. } => Some(bucket.to_string()),
        };
        let operation = cx.s3_op().name().to_owned();
        let region = bucket.and_then(|bucket| {
            Some(self.world.storage.buckets().get(&bucket)?.settings.region.clone())
        });
        let about = |error: S3Error| match &region {
            Some(region) => in_region(error, region),
            None => error,
        };
        if cx.credentials().is_none() {
            return Err(about(s3_error!(AccessDenied, "Access Denied")));
        }
        let headers = cx.headers();
        let query = cx.uri().query().unwrap_or_default();
        let token = header(headers, "x-amz-security-token")
            .or_else(|| sign::parameter(query, "X-Amz-Security-Token"));
        if token.as_deref() == Some("expired") {
            return Err(s3_error!(ExpiredToken, "The provided token has expired."));
        }
        let asked = sign::scope(headers, query).map(|scope| scope.region);
        if let (Some(region), Some(asked)) = (&region, asked)
            && *region != asked
            && operation != "CreateBucket"
        {
            let message = "The bucket you are attempting to access must be addressed using the specified endpoint.";
            return Err(about(s3_error!(PermanentRedirect, "{message}")));
        }
        if let Some(owner) = header(headers, "x-amz-expected-bucket-owner")
            && owner != self.world.account
        {
            return Err(about(s3_error!(AccessDenied, "Access Denied")));
        }
        for action in actions(&operation, headers, query) {
            if self.world.is_denied(&format!("s3:{action}")) {
                let user = format!("arn:aws:iam::{}:user/standin", self.world.account);
                return Err(about(s3_error!(
                    AccessDenied,
                    "User: {user} is not authorized to perform: s3:{action}"
                )));
            }
        }
        let checked = headers.contains_key("content-md5")
            || headers.keys().any(|name| name.as_str().starts_with("x-amz-checksum-"))
            || headers.contains_key("x-amz-trailer");
        if NEED_CHECKSUM.contains(&operation.as_str()) && !checked {
            let message =
                "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
            return Err(refused(400, "InvalidRequest", message));
        }
        Ok(())
    }
}

/// Operations whose body has to come with a checksum.
pub(crate) const NEED_CHECKSUM: [&str; 5] = [
    "DeleteObjects",
    "PutBucketAcl",
    "PutBucketOwnershipControls",
    "PutObjectAcl",
    "PutPublicAccessBlock",
];

/// The permissions that an operation needs.
fn actions(operation: &str, headers: &HeaderMap, query: &str) -> Vec<String> {
    let acl =
        headers.keys().any(|name| name == "x-amz-acl" || name.as_str().starts_with("x-amz-grant-"));
    let version = sign::parameter(query, "versionId").is_some();
    let mut actions = vec![match operation {
        "HeadBucket" | "ListObjects" | "ListObjectsV2" => "ListBucket",
        "ListBuckets" => "ListAllMyBuckets",
        "ListObjectVersions" => "ListBucketVersions",
        "HeadObject" | "GetObject" if version => "GetObjectVersion",
        "HeadObject" => "GetObject",
        "DeleteObject" if version => "DeleteObjectVersion",
        // Each key is looked at by itself.
        "DeleteObjects" => return Vec::new(),
        "CopyObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => {
            "PutObject"
        }
        "GetBucketEncryption" => "GetEncryptionConfiguration",
        "PutBucketEncryption" => "PutEncryptionConfiguration",
        "GetPublicAccessBlock" => "GetBucketPublicAccessBlock",
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => "PutBucketPublicAccessBlock",
        "DeleteBucketOwnershipControls" => "PutBucketOwnershipControls",
        other => other,
    }];
    if operation == "CopyObject" {
        actions.push("GetObject");
    }
    if acl && matches!(operation, "PutObject" | "CopyObject" | "CreateMultipartUpload") {
        actions.push("PutObjectAcl");
    }
    if acl && operation == "CreateBucket" {
        actions.push("PutBucketAcl");
    }
    if headers.contains_key("x-amz-object-ownership") {
        actions.push("PutBucketOwnershipControls");
    }
    actions.into_iter().map(str::to_owned).collect()
}

/// An error that names the bucket's region.
pub(super) fn in_region(mut error: S3Error, region: &str) -> S3Error {
    let mut headers = error.headers().cloned().unwrap_or_default();
    headers.insert("content-type", HeaderValue::from_static("application/xml"));
    if let Ok(region) = HeaderValue::from_str(region) {
        headers.insert("x-amz-bucket-region", region);
    }
    error.set_headers(headers);
    error
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
