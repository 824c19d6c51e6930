//! Buckets and objects in a directory.
//!
//! The bytes of an object are a file with a random name; what is known about the object's versions is one JSON file, whose name is the digest of the key, so that no key can lead out of the directory.
//! A version exists once its JSON file has been renamed into place. Everything known is held in memory too.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::{id, json};

/// A grant of an ACL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// A canonical user's id, or a group's URI.
    pub(crate) grantee: String,
    pub(crate) permission: String,
}

/// The encryption of an object, or of a bucket's new ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Encryption {
    /// `AES256`, `aws:kms` or `aws:kms:dsse`.
    pub(crate) algorithm: String,
    pub(crate) kms_key: Option<String>,
}

impl Encryption {
    /// The encryption of S3's own keys.
    pub(crate) fn aes256() -> Self {
        Self { algorithm: "AES256".to_owned(), kms_key: None }
    }

    pub(crate) fn is_kms(&self) -> bool {
        self.algorithm.starts_with("aws:kms")
    }

    fn from_json(value: &Value) -> Self {
        Self {
            algorithm: json::text(&value["encryption"]),
            kms_key: json::option(&value["kms_key"]),
        }
    }
}

/// The settings of a bucket.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) region: String,
    pub(crate) created: u64,
    /// `None` for a bucket from before 2018: no ownership controls, ACLs on.
    pub(crate) ownership: Option<String>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) encryption: Encryption,
    pub(crate) versioning: Option<String>,
    /// Block public access: block ACLs, ignore ACLs, block policy, restrict buckets.
    pub(crate) block: Option<[bool; 4]>,
}

/// A version of an object, or a delete marker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Version {
    pub(crate) id: String,
    pub(crate) marker: bool,
    /// The name of the file with the bytes.
    pub(crate) data: String,
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) modified: u64,
    /// Content type, user metadata and the like, by header.
    pub(crate) headers: BTreeMap<String, String>,
    /// The algorithm in lower case, and its value in base64.
    pub(crate) checksums: BTreeMap<String, String>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) encryption: Encryption,
}

/// A bucket: its settings, and for each key its versions, the newest last.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) settings: Settings,
    pub(crate) objects: BTreeMap<String, Vec<Version>>,
}

impl Bucket {
    /// The version of `key` that a request without a version id gets.
    pub(crate) fn current(&self, key: &str) -> Option<&Version> {
        self.objects.get(key).and_then(|versions| versions.last()).filter(|version| !version.marker)
    }

    /// Tells if ACLs are off.
    pub(crate) fn enforced(&self) -> bool {
        self.settings.ownership.as_deref() == Some("BucketOwnerEnforced")
    }
}

/// All buckets, and the directory in which they are.
#[derive(Debug)]
pub(crate) struct Storage {
    root: PathBuf,
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

impl Storage {
    /// Reads what is in `root`; what is missing is created.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let root = root.join("s3");
        for directory in ["buckets", "data", "tmp"] {
            fs::create_dir_all(root.join(directory))?;
        }
        let mut buckets = BTreeMap::new();
        for entry in fs::read_dir(root.join("buckets"))? {
            let entry = entry?;
            let settings = entry.path().join("bucket.json");
            if !settings.exists() {
                continue;
            }
            let settings = json::read(&settings)?;
            let mut bucket =
                Bucket { settings: Settings::from_json(&settings), objects: BTreeMap::new() };
            for object in fs::read_dir(entry.path().join("objects"))? {
                let object = match json::read(&object?.path()) {
                    // Removed by a server that runs meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    object => object?,
                };
                let versions = object["versions"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(Version::from_json)
                    .collect();
                bucket.objects.insert(json::text(&object["key"]), versions);
            }
            buckets.insert(entry.file_name().to_string_lossy().into_owned(), bucket);
        }
        Ok(Self { root, buckets: Mutex::new(buckets) })
    }

    /// Removes what uploads that never ended have left. Only for a server that has the directory to itself.
    pub(crate) fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join("tmp"))? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }

    /// The buckets, for looking at.
    pub(crate) fn buckets(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        id::held(&self.buckets)
    }

    /// A file for the bytes of an object that is not there yet. It vanishes when it is dropped.
    pub(crate) fn upload(&self) -> io::Result<NamedTempFile> {
        NamedTempFile::new_in(self.root.join("tmp"))
    }

    /// Gives an uploaded file its place; the name is for [`Version::data`].
    pub(crate) fn keep(&self, upload: NamedTempFile) -> io::Result<String> {
        let name = id::random(16);
        upload.persist(self.data(&name)).map_err(|error| error.error)?;
        Ok(name)
    }

    /// A second name for the bytes of a version, for a copy.
    pub(crate) fn link(&self, version: &Version) -> io::Result<String> {
        let name = id::random(16);
        fs::hard_link(self.data(&version.data), self.data(&name))?;
        Ok(name)
    }

    /// The file with a version's bytes.
    pub(crate) fn read(&self, version: &Version) -> io::Result<File> {
        File::open(self.data(&version.data))
    }

    /// The file of the bytes called `name`.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.root.join("data").join(name)
    }

    /// Removes bytes that no version has any more.
    pub(crate) fn forget(&self, name: &str) {
        if !name.is_empty() {
            // A reader that has the file open keeps it; one that is gone already is no loss.
            let _ = fs::remove_file(self.data(name));
        }
    }

    /// Writes a bucket's settings.
    pub(crate) fn save_bucket(&self, name: &str, settings: &Settings) -> io::Result<()> {
        fs::create_dir_all(self.bucket(name).join("objects"))?;
        json::write(&self.bucket(name).join("bucket.json"), &settings.to_json())
    }

    /// Removes an empty bucket.
    pub(crate) fn remove_bucket(&self, name: &str) -> io::Result<()> {
        fs::remove_dir_all(self.bucket(name))
    }

    /// Writes what is known about a key; without versions it is forgotten.
    pub(crate) fn save_object(
        &self,
        bucket: &str,
        key: &str,
        versions: &[Version],
    ) -> io::Result<()> {
        let name = format!("{}.json", id::hex(&Sha256::digest(key)));
        let path = self.bucket(bucket).join("objects").join(name);
        if versions.is_empty() {
            return fs::remove_file(path);
        }
        let versions: Vec<Value> = versions.iter().map(Version::to_json).collect();
        json::write(&path, &json!({ "key": key, "versions": versions }))
    }

    fn bucket(&self, name: &str) -> PathBuf {
        self.root.join("buckets").join(name)
    }
}

fn grants_from(value: &Value) -> Vec<Grant> {
    let grant =
        |value: &Value| Grant { grantee: json::text(&value[0]), permission: json::text(&value[1]) };
    value.as_array().into_iter().flatten().map(grant).collect()
}

fn grants_to(grants: &[Grant]) -> Value {
    grants.iter().map(|grant| json!([grant.grantee, grant.permission])).collect()
}

impl Settings {
    fn to_json(&self) -> Value {
        json!({
            "region": self.region, "created": self.created, "ownership": self.ownership,
            "grants": grants_to(&self.grants), "encryption": self.encryption.algorithm, "kms_key": self.encryption.kms_key,
            "versioning": self.versioning, "block": self.block,
        })
    }

    fn from_json(value: &Value) -> Self {
        let block = value["block"].as_array().map(|flags| {
            let flag = |place: usize| flags.get(place).and_then(Value::as_bool).unwrap_or_default();
            [flag(0), flag(1), flag(2), flag(3)]
        });
        Self {
            region: json::text(&value["region"]),
            created: value["created"].as_u64().unwrap_or_default(),
            ownership: json::option(&value["ownership"]),
            grants: grants_from(&value["grants"]),
            encryption: Encryption::from_json(value),
            versioning: json::option(&value["versioning"]),
            block,
        }
    }
}

impl Version {
    fn to_json(&self) -> Value {
        json!({
            "id": self.id, "marker": self.marker, "data": self.data, "size": self.size, "etag": self.etag,
            "modified": self.modified, "headers": self.headers, "checksums": self.checksums,
            "grants": grants_to(&self.grants), "encryption": self.encryption.algorithm, "kms_key": self.encryption.kms_key,
        })
    }

    fn from_json(value: &Value) -> Self {
        Self {
            id: json::text(&value["id"]),
            marker: value["marker"].as_bool().unwrap_or_default(),
            data: json::text(&value["data"]),
            size: value["size"].as_u64().unwrap_or_default(),
            etag: json::text(&value["etag"]),
            modified: value["modified"].as_u64().unwrap_or_default(),
            headers: json::table(&value["headers"]),
            checksums: json::table(&value["checksums"]),
            grants: grants_from(&value["grants"]),
            encryption: Encryption::from_json(value),
        }
    }
}
