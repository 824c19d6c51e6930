//! Objects: what is said of them.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use md5::Md5;
use sha1::{Digest as _, Sha1};

/// A SHA-1 digest.
pub type Sha1Bytes = [u8; 20];

/// How an object is put.
#[derive(Clone, Copy, Debug)]
pub struct Put {
    /// The SHA-1 of its bytes, which the service checks too.
    pub sha1: Sha1Bytes,
    /// Who may read it.
    pub acl: Acl,
    /// Whether it may take the place of another one. Without that, the same object may be put again.
    pub overwrite: bool,
}

/// What is known of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// An object that a listing names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the store.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
}

/// Where an object is, for a copy within its service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What tells services apart: objects are copied within one of them.
    pub service: String,
    /// The object, as its service names it.
    pub path: String,
}

/// Who may read an object, by the names of S3's canned ACLs.
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
    /// Nothing is said: what the bucket does by itself.
    Unsaid,
}

impl Acl {
    /// All that there are.
    pub const ALL: [Acl; 7] = [
        Acl::AwsExecRead,
        Acl::Private,
        Acl::PublicRead,
        Acl::AuthenticatedRead,
        Acl::BucketOwnerRead,
        Acl::BucketOwnerFullControl,
        Acl::Unsaid,
    ];

    /// As S3 calls it.
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

    /// Whether EC2 can read what has it.
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

/// Cuts a range out of what is held whole.
pub(crate) fn slice(data: Bytes, range: Option<&std::ops::Range<u64>>) -> Option<Bytes> {
    match range {
        None => Some(data),
        Some(range) => {
            let end = range.end.min(data.len() as u64);
            (range.start < end).then(|| data.slice(range.start as usize..end as usize))
        }
    }
}
