//! What can go wrong with an object.

use std::fmt;
use std::time::Duration;

/// Something could not be done to an object or a bucket.
///
/// It says what was tried, on what, and what the service answered; never a credential.
#[derive(Debug)]
pub struct Error {
    /// The operation, by the service's own name: `PutObject`, `reading`.
    pub operation: &'static str,
    /// What it was tried on, as people write it: `s3://bucket/key`, a path.
    pub on: String,
    /// What that means for what happens next.
    pub kind: Kind,
    /// What the service said, or the connection, in one line.
    pub reason: String,
    /// What the service answered, if it did.
    pub answer: Option<Box<Answer>>,
}

/// An answer of a service that is no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The service's own code: `AccessDenied`.
    pub code: Option<String>,
    /// The status of the HTTP answer.
    pub status: u16,
    /// What the service's support asks for.
    pub request_id: Option<String>,
}

/// What an error means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// There is no such object or bucket.
    NotFound,
    /// It is there already, and is not the same.
    Exists,
    /// The service does not let this account do it.
    Denied,
    /// What arrived is not what was sent.
    Mismatch,
    /// It is longer than the caller would take.
    TooLarge,
    /// The bucket is in another region.
    Elsewhere(Option<String>),
    /// The credentials are no longer valid.
    Expired,
    /// There are no credentials.
    NoCredentials,
    /// The clocks differ; by how much, if the service told its time.
    Skewed(Option<Duration>),
    /// The bucket has no ACLs.
    NoAcls,
    /// The store cannot do that.
    Unsupported,
    /// It may go better next time; wait so long if the service said so.
    Transient(Option<Duration>),
    /// The service could not be reached, or did not answer in time.
    Unreachable,
    /// Nobody whom this machine trusts vouches for who answers.
    Untrusted,
    /// The service says no, and will again.
    Refused,
    /// A file or directory of this machine.
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

    /// Whether the same request may go better a moment later.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, Kind::Transient(_) | Kind::Unreachable)
    }

    /// Whether it was the service that said no, and not the way to it or this machine.
    pub fn is_refusal(&self) -> bool {
        self.answer.is_some() && !matches!(self.kind, Kind::Mismatch | Kind::TooLarge)
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match &self.kind {
            Kind::Denied => format!(
                "the credentials need {}; a bucket policy may forbid it too",
                permission(self.operation)
            ),
            Kind::NoAcls => {
                "the bucket's object ownership forbids ACLs, and EC2 reads a bundle by them; \
                             pass --fix-bucket to set it to BucketOwnerPreferred"
                    .to_owned()
            }
            Kind::Elsewhere(Some(region)) => format!("pass --region {region}"),
            Kind::Expired => {
                "get new credentials and run the same again: what was sent is not sent twice"
                    .to_owned()
            }
            Kind::NoCredentials => {
                "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the \
                                    instance a role"
                    .to_owned()
            }
            Kind::Skewed(Some(by)) => {
                format!("this machine's clock is {} s off: set it", by.as_secs())
            }
            Kind::Skewed(None) => "this machine's clock is wrong: set it".to_owned(),
            Kind::Unreachable => "check the network and the endpoint, and run the same again: what was sent \
                                  is not sent twice"
                .to_owned(),
            Kind::Untrusted => "if the endpoint or a proxy has an authority of its own, set SSL_CERT_FILE to the file \
                                of its certificate"
                .to_owned(),
            Kind::Transient(_) => "run the same again: what was sent is not sent twice".to_owned(),
            Kind::Exists => "pass --force to overwrite it".to_owned(),
            _ => match self.code()? {
                "NoSuchBucket" => "check the bucket's name, or pass --create-bucket".to_owned(),
                "InvalidAccessKeyId" => {
                    "the access key is not known there: check AWS_PROFILE and AWS_ACCESS_KEY_ID"
                        .to_owned()
                }
                "SignatureDoesNotMatch" => {
                    "the secret access key is not the one of this access key".to_owned()
                }
                "BucketAlreadyExists" => {
                    "bucket names are shared by all accounts: choose another one".to_owned()
                }
                "QuotaExceeded" | "TooManyBuckets" => {
                    "the account has all the buckets that it may have".to_owned()
                }
                _ => return None,
            },
        };
        Some(hint)
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
            Some(Answer { status, request_id: Some(id), .. }) => {
                write!(f, " (HTTP {status}, request {id})")
            }
            Some(Answer { status, request_id: None, .. }) => write!(f, " (HTTP {status})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
