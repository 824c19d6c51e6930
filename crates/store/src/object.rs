//! Objects, and the facts about them.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use md5::Md5;
use sha1::{Digest as _, Sha1};

/// A SHA-1 digest.
pub type Sha1Bytes = [u8; 20];

/// The way an object is put.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Put {
    /// The SHA-1 of its bytes, which the service checks too.
    pub sha1: Sha1Bytes,
    /// The permission to read it.
    pub acl: Acl,
    /// Whether it may replace another object. Without that, the same object may be put again.
    pub overwrite: bool,
}

impl Put {
    /// A put that replaces no other object.
    pub fn new(sha1: Sha1Bytes, acl: Acl) -> Put {
        Put { sha1, acl, overwrite: false }
    }

    /// The same, with or without the permission to replace another object.
    #[must_use]
    pub fn with_overwrite(self, overwrite: bool) -> Put {
        Put { overwrite, ..self }
    }
}

/// Facts about an object that are known without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Meta {
    /// Its length in bytes.
    pub len: u64,
    /// Its SHA-1, if the service keeps it.
    pub sha1: Option<Sha1Bytes>,
    /// Its MD5, if that is what the service calls it by.
    pub md5: Option<[u8; 16]>,
}

impl Meta {
    /// Whether it is the object with these bytes, as far as the service tells; `false` if it tells too little.
    pub fn is(&self, data: &[u8], sha1: &Sha1Bytes) -> bool {
        let is_same = || match (self.sha1, self.md5) {
            (Some(kept), _) => kept == *sha1,
            (None, Some(kept)) => kept[..] == Md5::digest(data)[..],
            (None, None) => false,
        };
        self.len == data.len() as u64 && is_same()
    }
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedObject {
    /// Its name in the store.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
}

/// The place of an object, for a copy within its service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySource {
    /// The service: objects are copied within one of them.
    pub service: String,
    /// The object, as its service names it.
    pub path: String,
}

/// The permission to read an object, by the names of S3's canned ACLs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acl {
    /// The owner, and EC2: what an image needs.
    #[default]
    AwsExecRead,
    /// The owner alone.
    Private,
    /// Everybody.
    PublicRead,
    /// Everybody who has an account.
    AuthenticatedRead,
    /// The writer, and the bucket's owner to read.
    BucketOwnerRead,
    /// The writer and the bucket's owner.
    BucketOwnerFullControl,
    /// No ACL is sent: the bucket's own rules hold.
    Unsaid,
}

impl Acl {
    /// All of them.
    pub const ALL: [Acl; 7] = [
        Acl::AwsExecRead,
        Acl::Private,
        Acl::PublicRead,
        Acl::AuthenticatedRead,
        Acl::BucketOwnerRead,
        Acl::BucketOwnerFullControl,
        Acl::Unsaid,
    ];

    /// S3's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Acl::AwsExecRead => "aws-exec-read",
            Acl::Private => "private",
            Acl::PublicRead => "public-read",
            Acl::AuthenticatedRead => "authenticated-read",
            Acl::BucketOwnerRead => "bucket-owner-read",
            Acl::BucketOwnerFullControl => "bucket-owner-full-control",
            Acl::Unsaid => "none",
        }
    }

    /// Whether EC2 can read objects that have it.
    pub fn lets_ec2_read(self) -> bool {
        matches!(self, Acl::AwsExecRead | Acl::PublicRead | Acl::AuthenticatedRead)
    }
}

impl fmt::Display for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Acl {
    type Err = String;

    fn from_str(text: &str) -> Result<Acl, String> {
        Acl::ALL.into_iter().find(|acl| acl.name() == text).ok_or_else(|| {
            let names: Vec<_> = Acl::ALL.iter().map(|acl| acl.name()).collect();
            format!("an ACL is one of {}", names.join(", "))
        })
    }
}

/// The SHA-1 of these bytes.
pub fn sha1_of(data: &[u8]) -> Sha1Bytes {
    Sha1::digest(data).into()
}

/// A range of bytes that are in memory.
pub(crate) fn slice(data: Bytes, range: Option<&std::ops::Range<u64>>) -> Option<Bytes> {
    match range {
        None => Some(data),
        Some(range) => {
            let end = range.end.min(data.len() as u64);
            (range.start < end).then(|| data.slice(range.start as usize..end as usize))
        }
    }
}
