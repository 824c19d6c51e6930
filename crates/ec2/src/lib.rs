//! EC2, as far as machine images go: register, look, wait, share, copy, deregister. And instance metadata.
//!
//! [`Ec2`] is a client of EC2's Query protocol over the parts of AWS's SDK: its configuration, credentials, signature
//! and HTTP client. EC2's own SDK crate takes longer to compile than all of the rest. This crate takes a manifest's
//! [`Location`], and has never heard of what is in one.
//!
//! - Names are checked when they are typed: [`AmiName`], [`RegionName`], [`Mapping`] and others are made by parsing,
//!   and the error tells the rule.
//! - Requests that fail for a reason that passes are repeated, with growing pauses, within a budget ([`Timing`]). Every
//!   repetition is an [`Event`].
//! - [`Ec2::register`] asks before it creates, and after a lost answer: RegisterImage has no client token, so a blind
//!   repetition could only say that the name is taken.
//! - [`Error::hint`] says what to look at, for each of EC2's codes.
//! - [`Metadata`] reads instance metadata, version 2 first, and says nothing but `None` where there is none.
//!
//! Nothing here prints or reads the environment.
//!
//! # Example
//!
//! ```no_run
//! # async fn example(config: &aws_types::SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use baler_ec2::{Ec2, Registration, Virtualization};
//!
//! let ec2 = Ec2::new(config, None)?;
//! let location = "my-bucket/images/web.manifest.xml".parse()?;
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

mod names;

mod error;
mod event;
mod explain;
mod query;
mod xml;

mod copy;
mod deregister;
mod image;
mod register;
mod share;

mod metadata;

pub use copy::Copying;
pub use deregister::{Deregistered, SnapshotOutcome};
pub use error::{Error, ErrorKind, Facts, SetupError};
pub use event::Event;
pub use image::{Image, ImageMapping, ImageVolume, Query};
pub use metadata::{Identity, Metadata, MetadataError};
pub use names::{
    AccountId, AmiId, AmiName, DeviceName, EbsVolume, ImageId, KernelId, Location, Mapping,
    NameError, OrganizationArn, OrganizationalUnitArn, RamdiskId, RegionName, SnapshotId, Volume,
};
pub use query::{Ec2, Timing};
pub use register::{BootMode, Registered, Registration, Source, Virtualization};
pub use share::Permission;
