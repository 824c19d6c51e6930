//! Machine images for EC2, step by step: a root tree or an image becomes a *bundle* (encrypted parts and a signed
//! manifest), goes to S3, becomes an AMI; and each step backwards.
//!
//! A job is a plain struct of what is wanted. It is made with `new`, its fields are set, and its `run` does it:
//!
//! | job | does |
//! | --- | --- |
//! | [`BundleJob`] | an image or a root tree becomes a bundle |
//! | [`ImageJob`] | a root tree becomes a disk image |
//! | [`UnbundleJob`] | a bundle becomes an image |
//! | [`VerifyJob`] | a bundle is checked |
#![cfg_attr(feature = "aws", doc = "| [`CopyJob`] | a bundle goes to another place |")]
#![cfg_attr(feature = "aws", doc = "| [`Removal`] | a bundle is deleted |")]
#![cfg_attr(feature = "aws", doc = "| [`CheckJob`] | a place in S3 is tried before a job |")]
#![cfg_attr(feature = "aws", doc = "| [`RegisterJob`] | a bundle in S3 becomes an AMI |")]
#![cfg_attr(feature = "aws", doc = "| [`DeregisterJob`] | an AMI goes, and what belongs to it |")]
//!
//! What jobs share is a [`Run`]: where its [`Event`]s go, the [`Stop`] that ends it, what the [`Environment`] says, and
//! the way to AWS. Nothing here prints, reads the environment, parses a command line or names an option: an [`Error`]
//! has a [`Kind`] and [`Advice`], which the caller words.
//!
//! ```
//! use baler::{BundleJob, ImagePlace, Keys, Place, Run, UnbundleJob};
//!
//! # let directory = tempfile::tempdir()?;
//! # let (key, certificate) = (directory.path().join("key.pem"), directory.path().join("cert.pem"));
//! # baler::keys::create(&key, &certificate, 2048)?;
//! # let (disk, bundles) = (directory.path().join("disk.img"), directory.path().join("bundles"));
//! # std::fs::write(&disk, vec![7; 1 << 20])?;
//! # let copy = directory.path().join("copy.img");
//! let run = Run::default();
//! let keys = Keys::of_file(&key);
//!
//! let mut job = BundleJob::new(ImagePlace::from(disk.clone()), Place::from(bundles), "disk");
//! job.keys = keys.clone();
//! job.provenance.account = Some("123456789012".to_owned());
//! job.provenance.architecture = Some("x86_64".to_owned());
//! let made = job.run(&run)?;
//!
//! let bundle = baler::Bundle::read(&made.place, &run)?;
//! UnbundleJob::new(ImagePlace::from(copy.clone()), keys).run(&bundle, &run)?;
//! assert_eq!(std::fs::read(disk)?, std::fs::read(copy)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(clippy::missing_errors_doc)]

#[cfg(not(target_os = "linux"))]
compile_error!("baler runs on Linux only: it reads root trees and devices as Linux has them");

mod advice;
mod error;
mod event;
mod kind;
mod run;
mod stop;

pub mod ids;
pub mod keys;
mod place;
mod provenance;
pub mod text;

mod bundle;
mod input;
mod output;
mod pace;
mod space;
mod tree;

#[cfg(feature = "aws")]
pub mod ami;
#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "aws")]
mod bucket;
#[cfg(feature = "aws")]
pub mod instance;
#[cfg(feature = "aws")]
mod layout;
#[cfg(feature = "aws")]
mod network;
#[cfg(feature = "aws")]
mod parts;
#[cfg(feature = "aws")]
mod service;

mod job;

pub use advice::Advice;
pub use bundle::{Bundle, CheckedParts, Opened, Trust};
pub use error::{Error, Result};
pub use event::{Event, Left, Severity, ShownError, Work};
pub use input::{ImagePlace, Input, MAX_IMAGE};
pub use job::bundle::{BundleJob, bundler};
pub use job::image::{ImageJob, ImagePlan, Written};
pub use job::plan::{BundlePlan, Made};
pub use job::rewrite::Rewrite;
pub use job::unbundle::{UnbundleJob, Unbundled};
pub use job::verify::{Verified, VerifyJob};
pub use keys::{Keys, UserKey};
pub use kind::Kind;
pub use pace::default_jobs;
pub use place::Place;
pub use provenance::Provenance;
pub use run::{Environment, MetadataSettings, Run};
pub use stop::{Stop, Waiting};
pub use tree::{TreeImage, named};
#[cfg(feature = "aws")]
pub use {
    ami::{AmiOptions, NewAmi},
    aws::{Aws, InS3},
    baler_aws::Settings,
    bucket::{BucketOptions, check_readable},
    job::check::{CheckJob, Checked},
    job::copy::{Copied, CopyJob, OnPart, Transfer},
    job::deregister::{DeregisterJob, Deregistered, Deregistration},
    job::register::{RegisterJob, Registered},
    job::remove::Removal,
};
