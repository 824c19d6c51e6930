//! Uploads: bytes that have come in, and multipart uploads that are not complete.

use std::collections::BTreeMap;

use tempfile::NamedTempFile;

use super::checksum::Digests;
use super::storage::{Encryption, Grant};

/// Bytes that have come in, and have been checked.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) file: NamedTempFile,
    pub(crate) size: u64,
    pub(crate) digests: Digests,
}

/// A multipart upload that is not complete.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) encryption: Encryption,
    /// The parts by their numbers.
    pub(crate) parts: BTreeMap<i32, Received>,
}

impl Upload {
    /// Tells if it is an upload of this object.
    pub(crate) fn is_of(&self, bucket: &str, key: &str) -> bool {
        self.bucket == bucket && self.key == key
    }
}
