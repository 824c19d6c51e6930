//! Errors of operations on objects and buckets, and the advice that goes with them.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// An operation on an object or a bucket that failed.
///
/// It tells the operation, the object, and the service's answer; never a credential.
#[derive(Debug)]
#[non_exhaustive]
pub struct Error {
    /// The operation, by the service's own name: `PutObject`, `reading`.
    pub operation: &'static str,
    /// The object or bucket, as people write it: `s3://bucket/key`, a path.
    pub on: String,
    /// The meaning of the error.
    pub kind: Kind,
    /// The service's message, or what went wrong on the way to it, in one line.
    pub reason: String,
    /// The service's answer, if there was one.
    pub answer: Option<Box<ServiceAnswer>>,
}

/// The answer of a service that refuses an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceAnswer {
    /// The service's own code: `AccessDenied`.
    pub code: Option<String>,
    /// The status of the HTTP answer.
    pub status: u16,
    /// The number of the request, which the service's support asks for.
    pub request_id: Option<String>,
}

/// The meaning of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// There is no such object or bucket.
    NotFound,
    /// There is another object of that name.
    Exists,
    /// The account lacks a permission.
    Denied,
    /// The bytes that arrived are not those that were sent.
    Mismatch,
    /// The object is longer than the caller accepts.
    TooLarge,
    /// The bucket is in another region: which, if the service told it.
    Elsewhere(Option<String>),
    /// The credentials are no longer valid.
    Expired,
    /// There are no credentials.
    NoCredentials,
    /// The clocks differ: by how much, if the service told its time.
    Skewed(Option<Duration>),
    /// The objects of the bucket have no ACLs.
    NoAcls,
    /// The store does not have the operation.
    Unsupported,
    /// The same request may work later: after this pause, if the service asked for one.
    Transient(Option<Duration>),
    /// The service could not be reached, or did not answer in time.
    Unreachable,
    /// The certificate of the other side is not trusted.
    Untrusted,
    /// The service refuses the request, and would refuse it again.
    Refused,
    /// A file or directory of this machine cannot be used.
    Local,
}

impl Error {
    pub(crate) fn new(
        operation: &'static str,
        on: impl Into<String>,
        kind: Kind,
        reason: impl Into<String>,
    ) -> Error {
        let (on, reason) = (on.into(), reason.into());
        Error { operation, on, kind, reason, answer: None }
    }

    pub(crate) fn local(
        operation: &'static str,
        on: impl Into<String>,
        error: &std::io::Error,
    ) -> Error {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => Kind::NotFound,
            std::io::ErrorKind::AlreadyExists => Kind::Exists,
            _ => Kind::Local,
        };
        Error::new(operation, on, kind, error.to_string())
    }

    /// The service's own code.
    pub fn code(&self) -> Option<&str> {
        self.answer.as_ref()?.code.as_deref()
    }

    /// The status of the HTTP answer.
    pub fn status(&self) -> Option<u16> {
        Some(self.answer.as_ref()?.status)
    }

    /// Whether the same request may work a moment later.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, Kind::Transient(_) | Kind::Unreachable)
    }

    /// Whether the service itself refused, and not the way to it or this machine.
    pub fn is_refusal(&self) -> bool {
        self.answer.is_some() && !matches!(self.kind, Kind::Mismatch | Kind::TooLarge)
    }

    /// The next step, if one is known for this error.
    pub fn advice(&self) -> Option<Advice> {
        let text = match &self.kind {
            Kind::Denied => {
                let needed = permission(self.operation);
                return Some(Advice::say(format!(
                    "the credentials need {needed}; a bucket policy may forbid it too"
                )));
            }
            Kind::Skewed(Some(by)) => {
                let seconds = by.as_secs();
                return Some(Advice::say(format!(
                    "this machine's clock is {seconds} s off: set it"
                )));
            }
            Kind::NoAcls => return Some(Advice::AllowAcls),
            Kind::Elsewhere(Some(region)) => return Some(Advice::ChooseRegion(region.clone())),
            Kind::Exists => return Some(Advice::AllowOverwrite),
            Kind::Expired => {
                "get new credentials and run the same again: what was sent is not sent twice"
            }
            Kind::NoCredentials => {
                "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the instance a role"
            }
            Kind::Skewed(None) => "this machine's clock is wrong: set it",
            Kind::Unreachable => {
                "check the network and the endpoint, and run the same again: what was sent is not sent twice"
            }
            Kind::Untrusted => {
                "if the endpoint or a proxy has an authority of its own, set SSL_CERT_FILE to the file of its certificate"
            }
            Kind::Transient(_) => "run the same again: what was sent is not sent twice",
            _ => match self.code()? {
                "NoSuchBucket" => return Some(Advice::CreateBucket),
                "InvalidAccessKeyId" => {
                    "the access key is not known there: check AWS_PROFILE and AWS_ACCESS_KEY_ID"
                }
                "SignatureDoesNotMatch" => {
                    "the secret access key is not the one of this access key"
                }
                "BucketAlreadyExists" => {
                    "bucket names are shared by all accounts: choose another one"
                }
                "QuotaExceeded" | "TooManyBuckets" => {
                    "the account has all the buckets that it may have"
                }
                _ => return None,
            },
        };
        Some(Advice::say(text))
    }
}

/// The next step after an error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Let the bucket have ACLs, by which EC2 reads a bundle.
    AllowAcls,
    /// Use this region, which the bucket is in.
    ChooseRegion(String),
    /// Allow that the object that is there is replaced.
    AllowOverwrite,
    /// Check the bucket's name, or let the bucket be created.
    CreateBucket,
    /// A sentence that reads the same everywhere.
    Say(Cow<'static, str>),
}

impl Advice {
    fn say(text: impl Into<Cow<'static, str>>) -> Advice {
        Advice::Say(text.into())
    }
}

/// The IAM actions that an operation takes.
fn permission(operation: &str) -> &'static str {
    match operation {
        "HeadBucket" | "ListObjectsV2" => "s3:ListBucket",
        "HeadObject" | "GetObject" => {
            "s3:GetObject (and s3:ListBucket, to tell what is missing from what is forbidden)"
        }
        "PutObject" => "s3:PutObject and, for the ACL, s3:PutObjectAcl",
        "CopyObject" => {
            "s3:GetObject on the source, s3:PutObject and s3:PutObjectAcl on the target"
        }
        "PutObjectAcl" => "s3:PutObjectAcl",
        "GetObjectAcl" => "s3:GetObjectAcl",
        "DeleteObject" => "s3:DeleteObject",
        "CreateBucket" => "s3:CreateBucket and s3:PutBucketOwnershipControls",
        "GetBucketOwnershipControls" => "s3:GetBucketOwnershipControls",
        "PutBucketOwnershipControls" => "s3:PutBucketOwnershipControls",
        "GetBucketEncryption" => "s3:GetEncryptionConfiguration",
        "PutBucketEncryption" => "s3:PutEncryptionConfiguration",
        "GetBucketVersioning" => "s3:GetBucketVersioning",
        _ => "the permission for this operation",
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`: ", self.operation, self.on)?;
        match (self.code(), self.reason.is_empty()) {
            (Some(code), true) => f.write_str(code)?,
            (Some(code), false) => write!(f, "{code}: {}", self.reason)?,
            (None, _) => f.write_str(&self.reason)?,
        }
        match self.answer.as_deref() {
            Some(ServiceAnswer { status, request_id: Some(id), .. }) => {
                write!(f, " (HTTP {status}, request {id})")
            }
            Some(ServiceAnswer { status, request_id: None, .. }) => write!(f, " (HTTP {status})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
