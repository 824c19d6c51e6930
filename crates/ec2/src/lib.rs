//! EC2, as far as machine images go: register, look, wait, share, copy, deregister. And instance metadata.
//!
//! [`Ec2`] is EC2 in one region, over AWS's SDK and an [`Aws`](baler_aws::Aws) of the caller's. This crate takes a
//! manifest's [`Location`], and does not know what is in a manifest.
//!
//! - Texts are checked when they are typed: [`AmiName`], [`Mapping`] and others are made by parsing, and the error tells
//!   the rule.
//! - Requests that fail for a reason that may pass are repeated within a budget ([`Timing`]), with every repetition an
//!   [`Event`]. The SDK's own retries are off.
//! - [`Ec2::register`] looks the name up before it creates, and after a lost answer: RegisterImage has no client token,
//!   so a blind repetition could only report that the name is taken.
//! - [`Error::advice`] tells the next step, for each of EC2's codes.
//! - [`Metadata`] reads instance metadata, version 2 first, and returns `None` where there is no service.
//!
//! Nothing here prints or reads the environment.
//!
//! # Example
//!
//! ```no_run
//! # async fn example(aws: &baler_aws::Aws) -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use baler_ec2::{Ec2, Location, Registration, Virtualization};
//!
//! let ec2 = Ec2::new(aws, None)?;
//! let location = Location::of_manifest("my-bucket/images/web.manifest.xml")?;
//! let mut wanted = Registration::new("web 2026-01-31".parse()?, location, Virtualization::Hvm);
//! wanted.ena = true;
//! wanted.imds_v2 = true;
//!
//! let ignore = |_| ();
//! let ami = ec2.register(&wanted, &ignore).await?;
//! let image = ec2.wait(ami.id(), Duration::from_secs(600), &ignore).await?;
//! assert!(image.is_available());
//! # Ok(())
//! # }
//! ```

#![warn(clippy::missing_errors_doc)]

mod boot;
mod names;

mod error;

mod advice;

mod event;
mod timing;

mod answer;
mod path;
mod understand;

mod client;

mod image;
mod query;

mod tags;

mod registration;

mod register;

mod copy;
mod deregister;
mod share;

mod metadata;

pub use baler_aws::{AccountId, Location, NameError, Patience, Region, SetupError};
pub use boot::{BootMode, Virtualization};
pub use client::Ec2;
pub use copy::Copying;
pub use deregister::{Deregistered, SnapshotOutcome};
pub use error::{Error, ErrorDetails, ErrorKind};
pub use event::Event;
pub use image::{Ami, ImageMapping, ImageVolume};
pub use metadata::{Identity, Metadata, MetadataError};
pub use names::{
    AmiId, AmiName, DeviceName, EbsVolume, ImageId, KernelId, Mapping, OrganizationArn,
    OrganizationalUnitArn, RamdiskId, SnapshotId, Volume,
};
pub use query::Query;
pub use register::Registered;
pub use registration::{AmiSource, Registration};
pub use share::Permission;
pub use timing::Timing;
