//! A stand-in for S3, EC2, STS and instance metadata on 127.0.0.1: for tests, and for trying Baler without an account.
//!
//! The stand-in is not AWS. It has the operations that a bundle's life needs, and answers them by the rules that matter there:
//! an upload with a wrong checksum is refused and not stored, ACLs are what a bucket's ownership setting makes of them,
//! buckets lie in regions, `RegisterImage` fetches the manifest as EC2 would (only if it may read it) and reads it, and
//! [`Standin::launch`] opens the bundle that an image stands for with EC2's private key, through `openssl`, `gzip` and `tar`.
//! Where AWS's documentation says nothing, its behaviour is guessed; a test that passes here may still fail there.
//!
//! Everything is kept in a directory and survives a restart. Signatures are checked; the usual credentials are constants.
//! Rules make chosen requests fail in the ways that networks and services fail.
//!
//! ```
//! use baler_standin::{Fault, Options, Rule, Standin};
//!
//! let directory = tempfile::tempdir()?;
//! let standin = Standin::start(Options::new(directory.path()))?;
//! assert!(standin.url().starts_with("http://127.0.0.1:"));
//! standin.faults(vec![Rule::new(Fault::DropReply).operation("RegisterImage")]);
//! // … run what is to be tested with `standin.env()` …
//! assert!(standin.fired().is_empty());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Scripts have the command `baler-standin serve`, and two paths of the service: `PUT /__faults` takes a JSON list of rules,
//! `{"operation": "RegisterImage", "skip": 1, "count": 2, "do": "drop_reply"}`, `GET /__faults` lists those that fired;
//! `PUT /__deny` takes a list of actions that are forbidden from then on, `["s3:PutObjectAcl"]`.
//!
//! Missing are policies and users, requests without a signature, access points, object lock, instances.
//! The region of a request is the one that it is signed for; every name of the right shape is a region.
//! Guessed, because nothing is documented: the code for a root of more than 10 GiB (`InvalidManifest`), for enhanced networking
//! without `hvm` (`InvalidParameterCombination`), for sharing with everyone where that is blocked (`OperationNotPermitted`),
//! and that EC2 opens a bundle only with the grant on every part and none of them under a key of KMS.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

mod id;
mod json;
mod reply;
mod sign;
mod tool;
mod wire;

mod fault;
mod keys;
mod metadata;
mod world;

mod ec2;
mod imds;
mod s3;
mod sts;

mod body;
mod operation;
mod orders;
mod server;

mod launch;

pub use fault::{Fault, Fired, Rule};
pub use metadata::{Metadata, Role};
pub use world::{Options, Request};

use id::held;
use keys::Keys;
use server::{Front, serve};
use world::World;

/// A running stand-in. It stops when it is dropped; its directory stays.
#[derive(Debug)]
pub struct Standin {
    world: Arc<World>,
    options: Options,
    services: SocketAddr,
    metadata: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Held so that no other stand-in works on the directory.
    _lock: File,
}

impl Standin {
    /// Starts a stand-in on a thread of its own. It listens when this returns.
    ///
    /// # Errors
    ///
    /// If the directory cannot be used, or another stand-in uses it, if the port is taken, or if `openssl` cannot make a key.
    pub fn start(mut options: Options) -> io::Result<Self> {
        fs::create_dir_all(&options.directory)?;
        // Programs that run in another directory get the certificate's path.
        options.directory = options.directory.canonicalize()?;
        let lock = File::create(options.directory.join("lock"))?;
        lock.try_lock().map_err(|_| {
            io::Error::other(format!(
                "another stand-in uses the directory `{}`",
                options.directory.display()
            ))
        })?;
        let world = Arc::new(World::open(&options)?);
        world.storage.sweep()?;
        Keys::of(&options.directory).make()?;
        let listen = |port: u16| -> io::Result<TcpListener> {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let (services, metadata) = (listen(options.port)?, listen(0)?);
        let addresses = (services.local_addr()?, metadata.local_addr()?);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let shared = world.clone();
        let work = move || {
            runtime.block_on(async move {
                let (Ok(services), Ok(metadata)) = (
                    tokio::net::TcpListener::from_std(services),
                    tokio::net::TcpListener::from_std(metadata),
                ) else {
                    return;
                };
                let front = Front::services(&shared);
                tokio::select! {
                    () = serve(services, shared.clone(), front) => {}
                    () = serve(metadata, shared, Front::Metadata) => {}
                    _ = stopped => {}
                }
            });
            // Whatever hangs on purpose is not waited for.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("standin".to_owned()).spawn(work)?;
        let (services, metadata) = addresses;
        Ok(Self {
            world,
            options,
            services,
            metadata,
            stop: Some(stop),
            thread: Some(thread),
            _lock: lock,
        })
    }

    /// The address of S3, EC2 and STS.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.services)
    }

    /// The address of instance metadata.
    #[must_use]
    pub fn imds_url(&self) -> String {
        format!("http://{}", self.metadata)
    }

    /// The access key.
    #[must_use]
    pub fn access_key(&self) -> &str {
        &self.options.access_key
    }

    /// The secret of the access key.
    #[must_use]
    pub fn secret_key(&self) -> &str {
        &self.options.secret_key
    }

    /// The certificate with EC2's public key: bundles for this stand-in are made for it.
    #[must_use]
    pub fn ec2_certificate(&self) -> PathBuf {
        Keys::of(&self.options.directory).certificate
    }

    /// The environment in which AWS's programs and SDKs use the stand-in.
    #[must_use]
    pub fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_ACCESS_KEY_ID", self.options.access_key.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.options.secret_key.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            // The first version of the AWS CLI knows only this one.
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", self.imds_url()),
            ("BALER_STANDIN_EC2_CERT", self.ec2_certificate().to_string_lossy().into_owned()),
        ]
    }

    /// Replaces the rules for faults.
    pub fn faults(&self, rules: Vec<Rule>) {
        self.world.faults.set(rules);
    }

    /// The faults that have happened since the rules were set.
    #[must_use]
    pub fn fired(&self) -> Vec<Fired> {
        self.world.faults.fired()
    }

    /// Forbids these actions and no others: `s3:PutObjectAcl`, `ec2:RegisterImage`, `ec2:*`.
    ///
    /// # Errors
    ///
    /// If the list cannot be written into the directory.
    pub fn deny(&self, actions: &[&str]) -> io::Result<()> {
        self.world.deny(actions)
    }

    /// All requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        held(&self.world.requests).clone()
    }

    /// The answers of instance metadata now.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        held(&self.world.metadata).clone()
    }

    /// Changes the answers of instance metadata, and its behaviour.
    pub fn set_metadata(&self, metadata: Metadata) {
        *held(&self.world.metadata) = metadata;
    }

    /// Lets every token that instance metadata has given out expire.
    pub fn expire_tokens(&self) {
        held(&self.world.tokens).clear();
    }

    /// Sets an image's state, for example `failed`.
    ///
    /// # Errors
    ///
    /// If there is no such image, or the change cannot be kept.
    pub fn set_image_state(&self, ami: &str, state: &str) -> io::Result<()> {
        let mut registry = held(&self.world.ec2);
        let image = registry.images.iter_mut().find(|image| image.id == ami);
        let image = image.ok_or_else(|| io::Error::other(format!("there is no image `{ami}`")))?;
        image.fields.insert("imageState".to_owned(), state.to_owned());
        registry.save()
    }

    /// Switches a region's block public access for images on or off.
    ///
    /// # Errors
    ///
    /// If the change cannot be kept.
    pub fn block_public_images(&self, region: &str, blocked: bool) -> io::Result<()> {
        let mut registry = held(&self.world.ec2);
        registry.regions.entry(region.to_owned()).or_default().block_public = blocked;
        registry.save()
    }

    /// Makes a snapshot without content, for images on EBS: its id.
    ///
    /// # Errors
    ///
    /// If the change cannot be kept.
    pub fn add_snapshot(&self, region: &str) -> io::Result<String> {
        let mut registry = held(&self.world.ec2);
        let id = format!("snap-{}", &id::random(9)[..17]);
        registry.regions.entry(region.to_owned()).or_default().snapshots.insert(id.clone());
        registry.save()?;
        Ok(id)
    }

    /// Opens the bundle of an image as EC2 does; its root image is left at `out`.
    ///
    /// # Errors
    ///
    /// If EC2 may not read a part, if a digest or a length is wrong, if EC2's key does not open the bundle, or if `openssl`,
    /// `gzip`, `tar` or `sha1sum` is missing. Nothing is at `out` then.
    pub fn launch(&self, ami: &str, out: &Path) -> io::Result<()> {
        launch(&self.options.directory, ami, out)
    }
}

/// Opens the bundle of an image in the directory of a stand-in, whether that runs or not.
///
/// # Errors
///
/// As [`Standin::launch`].
pub fn launch(directory: &Path, ami: &str, out: &Path) -> io::Result<()> {
    launch::launch(directory, ami, out)
}

impl Drop for Standin {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // If it panicked, whoever waited for an answer knows.
            let _ = thread.join();
        }
    }
}
