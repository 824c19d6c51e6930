//! What lies in the directory of a stand-in for AWS: for what no command of ours does to a bucket.

use std::fs;
use std::path::{Path, PathBuf};

use baler_standin::{Options, Standin};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{Cloud, until};

/// A stand-in's directory. What is changed in it counts once a stand-in starts on it.
#[derive(Clone, Debug)]
pub struct State {
    directory: PathBuf,
}

impl State {
    /// The one in `directory`.
    pub fn new(directory: &Path) -> State {
        State { directory: directory.to_owned() }
    }

    /// Makes a bucket as they are made today but with ACLs, or changes one: `set` gets its settings.
    pub fn bucket(&self, name: &str, region: &str, set: impl FnOnce(&mut Value)) {
        let directory = self.directory.join("s3/buckets").join(name);
        fs::create_dir_all(directory.join("objects")).expect("a bucket");
        let path = directory.join("bucket.json");
        let mut settings = match path.exists() {
            true => read(&path),
            false => json!({
                "region": region, "created": 0, "ownership": "BucketOwnerPreferred", "grants": [],
                "encryption": "AES256", "kms_key": null, "versioning": null, "block": [true, true, true, true],
            }),
        };
        set(&mut settings);
        fs::write(path, settings.to_string()).expect("a bucket's settings");
    }

    /// The keys of a bucket, in order; what was deleted and is kept as a version is not among them.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let mut keys: Vec<_> = self
            .objects(bucket)
            .into_iter()
            .filter(|(_, object)| newest(object)["marker"] != true)
            .map(|(_, object)| object["key"].as_str().expect("a key").to_owned())
            .collect();
        keys.sort();
        keys
    }

    /// The bytes of an object.
    pub fn data(&self, bucket: &str, key: &str) -> Vec<u8> {
        let (_, object) = self.object(bucket, key);
        fs::read(self.data_path(newest(&object))).expect("an object's bytes")
    }

    /// Adds an object.
    pub fn add(&self, bucket: &str, key: &str, data: &[u8]) {
        let name: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(self.directory.join("s3/data").join(&name), data).expect("an object's bytes");
        let version = json!({
            "id": "null", "marker": false, "data": name, "size": data.len(), "modified": 0, "headers": {}, "checksums": {},
            "etag": "00000000000000000000000000000000-2", "grants": [], "encryption": "AES256", "kms_key": null,
        });
        let object = json!({ "key": key, "versions": [version] });
        let path = self.directory.join("s3/buckets").join(bucket).join("objects");
        fs::write(path.join(format!("{name}.json")), object.to_string()).expect("an object");
    }

    /// Takes an object away.
    pub fn lose(&self, bucket: &str, key: &str) {
        fs::remove_file(self.object(bucket, key).0).expect("an object");
    }

    /// Puts other bytes in the place of an object's, as a program that keeps no checksums does.
    pub fn replace(&self, bucket: &str, key: &str, data: &[u8]) {
        let (path, mut object) = self.object(bucket, key);
        let version = newest_mut(&mut object);
        version["data"] = json!(format!("{}x", version["data"].as_str().expect("a name")));
        version["size"] = json!(data.len());
        version["etag"] = json!("00000000000000000000000000000000-2");
        version["checksums"] = json!({});
        fs::write(self.data_path(version), data).expect("an object's bytes");
        fs::write(path, object.to_string()).expect("an object");
    }

    /// Lays down who may do what with an object: pairs of a grantee and a permission.
    pub fn grant(&self, bucket: &str, key: &str, grants: &[(&str, &str)]) {
        let (path, mut object) = self.object(bucket, key);
        newest_mut(&mut object)["grants"] = json!(grants);
        fs::write(path, object.to_string()).expect("an object");
    }

    /// Who may do what with an object.
    pub fn grants(&self, bucket: &str, key: &str) -> Value {
        newest(&self.object(bucket, key).1)["grants"].clone()
    }

    /// Changes what is known of the images: `images` and `regions`.
    pub fn ec2(&self, change: impl FnOnce(&mut Value)) {
        let path = self.directory.join("ec2.json");
        let mut state = read(&path);
        change(&mut state);
        fs::write(path, state.to_string()).expect("the images");
    }

    fn objects(&self, bucket: &str) -> Vec<(PathBuf, Value)> {
        let directory = self.directory.join("s3/buckets").join(bucket).join("objects");
        let entries = fs::read_dir(directory).expect("a bucket");
        let paths = entries.map(|entry| entry.expect("an object").path());
        paths.map(|path| (path.clone(), read(&path))).collect()
    }

    fn object(&self, bucket: &str, key: &str) -> (PathBuf, Value) {
        let found = self.objects(bucket).into_iter().find(|(_, object)| object["key"] == key);
        found.unwrap_or_else(|| panic!("there is no `{key}` in `{bucket}`"))
    }

    fn data_path(&self, version: &Value) -> PathBuf {
        self.directory.join("s3/data").join(version["data"].as_str().expect("a name"))
    }
}

fn read(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).expect("JSON")
}

fn newest(object: &Value) -> &Value {
    object["versions"].as_array().and_then(|versions| versions.last()).expect("a version")
}

fn newest_mut(object: &mut Value) -> &mut Value {
    object["versions"].as_array_mut().and_then(|versions| versions.last_mut()).expect("a version")
}

impl Cloud {
    /// A user whose AWS has these buckets, with ACLs: names and regions.
    pub fn with_buckets(buckets: &[(&str, &str)]) -> Cloud {
        Cloud::with(|options| {
            let state = State::new(&options.directory);
            buckets.iter().for_each(|(name, region)| state.bucket(name, region, |_| {}));
        })
    }

    /// What AWS keeps, to be looked at.
    pub fn state(&self) -> State {
        State::new(&self.user.home().with_file_name("aws"))
    }

    /// The same after somebody else has changed what AWS keeps. Its log of requests is empty.
    pub fn changed(self, change: impl FnOnce(&State)) -> Cloud {
        let state = self.state();
        let Cloud { user, aws } = self;
        drop(aws);
        change(&state);
        let mut started = None;
        // A program that another test is just starting has the old one's lock until it runs.
        until("the directory is free", || {
            started = Standin::start(Options::new(&state.directory)).ok();
            started.is_some()
        });
        let aws = started.expect("a stand-in for AWS");
        Cloud { user, aws }
    }

    /// The operations that were asked for since `from` requests, in order, without those that only look for a bucket.
    pub fn asked(&self, from: usize) -> Vec<String> {
        let requests = self.aws.requests().into_iter().skip(from);
        requests.map(|request| request.operation).filter(|name| name != "HeadBucket").collect()
    }

    /// How many requests have sent something.
    pub fn puts(&self) -> usize {
        self.aws
            .requests()
            .iter()
            .filter(|request| matches!(&*request.method, "PUT" | "POST"))
            .count()
    }
}
