//! The state that all services of a stand-in share.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use serde_json::json;

use crate::ec2::registry::Registry;
use crate::fault::Faults;
use crate::id::held;
use crate::json;
use crate::metadata::{Metadata, Token};
use crate::s3::storage::Storage;
use crate::s3::upload::Upload;

/// The options of a stand-in.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory that keeps everything. It is created if it is not there, and belongs to one stand-in at a time.
    pub directory: PathBuf,
    /// The port of S3, EC2 and STS on 127.0.0.1; 0 for any that is free.
    pub port: u16,
    /// The account whose credentials are known, 12 digits.
    pub account: String,
    /// The access key.
    pub access_key: String,
    /// The secret of the access key.
    pub secret_key: String,
    /// The number of `DescribeImages` in which a new image is `pending`.
    pub pending: u32,
    /// The number of `DescribeImages` from which a new image is missing, as with a service that is eventually consistent.
    pub delay_visibility: u32,
}

impl Options {
    /// The usual account (`123456789012`) and credentials, any port, an image that is pending once.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            port: 0,
            account: "123456789012".to_owned(),
            access_key: "AKIASTANDIN000000001".to_owned(),
            secret_key: "standin/not/a/secret/but/forty/letters/00".to_owned(),
            pending: 1,
            delay_visibility: 0,
        }
    }
}

/// A request; it was answered if it has a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// The query, as it was sent; empty without one.
    pub query: String,
    /// `s3`, `ec2`, `sts` or `imds`.
    pub service: String,
    /// The operation: EC2's and STS's `Action`, S3's by its API name; empty for instance metadata.
    pub operation: String,
    /// The region that the request was signed for; empty if it was not signed.
    pub region: String,
    /// The status of the answer; `None` if there was none, or not yet.
    pub status: Option<u16>,
}

/// State, faults and the log.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) directory: PathBuf,
    pub(crate) account: String,
    access_key: String,
    secret_key: String,
    pub(crate) storage: Storage,
    pub(crate) ec2: Mutex<Registry>,
    pub(crate) faults: Faults,
    pub(crate) metadata: Mutex<Metadata>,
    pub(crate) tokens: Mutex<Vec<Token>>,
    pub(crate) uploads: Mutex<BTreeMap<String, Upload>>,
    pub(crate) requests: Mutex<Vec<Request>>,
}

impl World {
    /// Reads the directory.
    pub(crate) fn open(options: &Options) -> io::Result<Self> {
        fs::create_dir_all(&options.directory)?;
        Ok(Self {
            directory: options.directory.clone(),
            account: options.account.clone(),
            access_key: options.access_key.clone(),
            secret_key: options.secret_key.clone(),
            storage: Storage::open(&options.directory)?,
            ec2: Mutex::new(Registry::open(
                &options.directory,
                options.pending,
                options.delay_visibility,
            )?),
            faults: Faults::default(),
            metadata: Mutex::new(Metadata {
                account: options.account.clone(),
                ..Metadata::default()
            }),
            tokens: Mutex::new(Vec::new()),
            uploads: Mutex::new(BTreeMap::new()),
            requests: Mutex::new(Vec::new()),
        })
    }

    /// The secret of an access key: the fixed one, or the role's that instance metadata gives out.
    pub(crate) fn secrets(&self, access_key: &str) -> Option<String> {
        if access_key == self.access_key {
            return Some(self.secret_key.clone());
        }
        let metadata = held(&self.metadata);
        metadata
            .role
            .as_ref()
            .filter(|role| role.access_key == access_key)
            .map(|role| role.secret_key.clone())
    }

    /// Tells if the file `deny` forbids an action, `s3:PutObjectAcl` or `ec2:RegisterImage`; `ec2:*` forbids all of EC2's.
    pub(crate) fn is_denied(&self, action: &str) -> bool {
        // The file is the truth, so that a script can change it under a running server.
        let Ok(text) = fs::read_to_string(self.directory.join("deny")) else {
            return false;
        };
        let service = action.split(':').next().unwrap_or_default();
        let list: Vec<String> = match serde_json::from_str(&text) {
            Ok(list) => list,
            Err(_) => text.lines().map(|line| line.trim().to_owned()).collect(),
        };
        list.iter().any(|denied| denied == action || denied.strip_suffix(":*") == Some(service))
    }

    /// Writes the file `deny`.
    pub(crate) fn deny(&self, actions: &[impl AsRef<str>]) -> io::Result<()> {
        json::write(
            &self.directory.join("deny"),
            &json!(actions.iter().map(AsRef::as_ref).collect::<Vec<&str>>()),
        )
    }

    /// Notes a request; the number is for [`World::note_status`].
    pub(crate) fn note(&self, request: Request) -> usize {
        let mut requests = held(&self.requests);
        requests.push(request);
        requests.len() - 1
    }

    /// Notes the status of an answer.
    pub(crate) fn note_status(&self, number: usize, status: u16) {
        if let Some(request) = held(&self.requests).get_mut(number) {
            request.status = Some(status);
        }
    }
}

impl Request {
    /// A request that has no answer yet.
    pub(crate) fn new(
        parts: &http::request::Parts,
        service: &str,
        operation: &str,
        region: &str,
    ) -> Self {
        Self {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            service: service.to_owned(),
            operation: operation.to_owned(),
            region: region.to_owned(),
            status: None,
        }
    }
}
