//! The name of an S3 request's operation, which rules for faults and the record of requests go by.
//!
//! The frame `s3s` names operations too, but only once a request has passed its checks.

use http::request::Parts;

use crate::id::pairs;

/// The part of S3 that a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Service,
    Bucket,
    Object,
}

/// The mark of a request by which an operation is recognised, besides its method and level.
#[derive(Clone, Copy, Debug)]
enum Mark {
    /// Every request.
    Any,
    /// The first of [`SUBRESOURCES`] in the query.
    Sub(&'static str),
    /// A query without any of [`SUBRESOURCES`].
    NoSub,
    /// Another parameter in the query.
    Query(&'static str),
    Header(&'static str),
}

use Level::{Bucket, Object, Service};
use Mark::{Any, Header, NoSub, Query, Sub};

/// Settings and lists of buckets and objects, by their parameters. If there are several, the first one counts.
const SUBRESOURCES: [&str; 8] = [
    "acl",
    "ownershipControls",
    "encryption",
    "versioning",
    "publicAccessBlock",
    "location",
    "versions",
    "policy",
];

/// The operations; the first line that fits counts.
const OPERATIONS: [(&str, Level, Mark, &str); 32] = [
    ("PUT", Object, Sub("acl"), "PutObjectAcl"),
    ("PUT", Object, Header("x-amz-copy-source"), "CopyObject"),
    ("PUT", Object, Query("uploadId"), "UploadPart"),
    ("PUT", Object, Any, "PutObject"),
    ("GET", Object, Sub("acl"), "GetObjectAcl"),
    ("GET", Object, Any, "GetObject"),
    ("HEAD", Object, Any, "HeadObject"),
    ("DELETE", Object, Query("uploadId"), "AbortMultipartUpload"),
    ("DELETE", Object, Any, "DeleteObject"),
    ("POST", Object, Query("uploads"), "CreateMultipartUpload"),
    ("POST", Object, Query("uploadId"), "CompleteMultipartUpload"),
    ("POST", Bucket, Query("delete"), "DeleteObjects"),
    ("HEAD", Bucket, Any, "HeadBucket"),
    ("GET", Service, Any, "ListBuckets"),
    ("GET", Bucket, Sub("versions"), "ListObjectVersions"),
    ("GET", Bucket, Sub("acl"), "GetBucketAcl"),
    ("GET", Bucket, Sub("ownershipControls"), "GetBucketOwnershipControls"),
    ("GET", Bucket, Sub("encryption"), "GetBucketEncryption"),
    ("GET", Bucket, Sub("versioning"), "GetBucketVersioning"),
    ("GET", Bucket, Sub("publicAccessBlock"), "GetPublicAccessBlock"),
    ("GET", Bucket, Sub("location"), "GetBucketLocation"),
    ("GET", Bucket, Sub("policy"), ""),
    ("GET", Bucket, Query("list-type"), "ListObjectsV2"),
    ("GET", Bucket, NoSub, "ListObjects"),
    ("PUT", Bucket, Sub("acl"), "PutBucketAcl"),
    ("PUT", Bucket, Sub("ownershipControls"), "PutBucketOwnershipControls"),
    ("PUT", Bucket, Sub("encryption"), "PutBucketEncryption"),
    ("PUT", Bucket, Sub("versioning"), "PutBucketVersioning"),
    ("PUT", Bucket, Sub("publicAccessBlock"), "PutPublicAccessBlock"),
    ("PUT", Bucket, NoSub, "CreateBucket"),
    ("DELETE", Bucket, Sub("publicAccessBlock"), "DeletePublicAccessBlock"),
    ("DELETE", Bucket, NoSub, "DeleteBucket"),
];

/// The operation of a request; empty if it is not in the table.
pub(crate) fn operation(parts: &Parts) -> &'static str {
    let query = pairs(parts.uri.query().unwrap_or_default());
    let has = |name: &str| query.iter().any(|(found, _)| found == name);
    let sub = SUBRESOURCES.into_iter().find(|name| has(name));
    let level = level(parts);
    let fits = |mark: Mark| match mark {
        Any => true,
        Sub(name) => sub == Some(name),
        NoSub => sub.is_none(),
        Query(name) => has(name),
        Header(name) => parts.headers.contains_key(name),
    };
    let row = OPERATIONS.iter().find(|(method, on, mark, _)| {
        *method == parts.method.as_str() && *on == level && fits(*mark)
    });
    row.map_or("", |(.., name)| name)
}

fn level(parts: &Parts) -> Level {
    let host = parts.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let path = parts.uri.path().trim_start_matches('/');
    let (bucket, key) = match path.split_once('/') {
        _ if bucket_of(host).is_some() => (true, path),
        Some((_, key)) => (true, key),
        None => (!path.is_empty(), ""),
    };
    if !key.is_empty() {
        Object
    } else if bucket {
        Bucket
    } else {
        Service
    }
}

/// The bucket in a host name: `bucket.localhost:1234`, `bucket.127.0.0.1:1234`.
pub(crate) fn bucket_of(host: &str) -> Option<&str> {
    let name = host.split(':').next().unwrap_or_default();
    name.strip_suffix(".localhost").or_else(|| name.strip_suffix(".127.0.0.1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_recognised() {
        for (method, host, target, header, expected) in [
            ("GET", "127.0.0.1:1", "/", "", "ListBuckets"),
            ("POST", "127.0.0.1:1", "/", "", ""),
            ("PUT", "127.0.0.1:1", "/b", "", "CreateBucket"),
            ("PUT", "b.localhost:1", "/", "", "CreateBucket"),
            ("GET", "127.0.0.1:1", "/b/?list-type=2&prefix=p", "", "ListObjectsV2"),
            ("GET", "127.0.0.1:1", "/b?prefix=p", "", "ListObjects"),
            ("GET", "127.0.0.1:1", "/b?versions", "", "ListObjectVersions"),
            ("GET", "127.0.0.1:1", "/b?policy", "", ""),
            ("GET", "127.0.0.1:1", "/b?policy&list-type=2", "", ""),
            ("GET", "127.0.0.1:1", "/b?versions&acl", "", "GetBucketAcl"),
            ("PUT", "127.0.0.1:1", "/b?location", "", ""),
            ("DELETE", "127.0.0.1:1", "/b?acl", "", ""),
            ("POST", "127.0.0.1:1", "/b?delete", "", "DeleteObjects"),
            ("PUT", "127.0.0.1:1", "/b/k", "", "PutObject"),
            ("PUT", "b.127.0.0.1:1", "/k", "", "PutObject"),
            ("PUT", "127.0.0.1:1", "/b/k?acl", "x-amz-copy-source", "PutObjectAcl"),
            ("PUT", "127.0.0.1:1", "/b/k", "x-amz-copy-source", "CopyObject"),
            ("PUT", "127.0.0.1:1", "/b/k?partNumber=1&uploadId=u", "", "UploadPart"),
            ("POST", "127.0.0.1:1", "/b/k?uploads", "", "CreateMultipartUpload"),
            ("DELETE", "127.0.0.1:1", "/b/k?uploadId=u", "", "AbortMultipartUpload"),
            ("DELETE", "127.0.0.1:1", "/b/k?versionId=v", "", "DeleteObject"),
            ("PATCH", "127.0.0.1:1", "/b/k", "", ""),
        ] {
            let mut request = http::Request::builder().method(method).uri(target);
            for (name, value) in [("host", host), (header, "x")] {
                request = if name.is_empty() { request } else { request.header(name, value) };
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(operation(&parts), expected, "{method} {host} {target} {header}");
        }
    }
}
