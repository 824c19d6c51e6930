//! Named, digested objects, and the places that keep them: a directory, S3, memory.
//!
//! A [`Store`] keeps objects, checks what arrives by its digest, and returns what was kept. Behaviour is added by layers
//! ([`Wrapped`]): [`Retry`] tries again, [`Limit`] limits the operations at a time, [`DryRun`] only records changes, and
//! [`Failing`] makes tests fail. [`Upload`] and [`Download`] move many objects at once in bounded memory.
//!
//! S3 is reached by [`Connection`], over an [`Aws`](baler_aws::Aws) of the caller's: it finds and makes a [`Bucket`], and
//! tells why EC2 could not read from it. An [`Error`] tells what it means ([`Kind`]) and what to do next ([`Advice`]).
//!
//! This crate does not know what the objects are. It prints nothing and reads no environment.
//!
//! ```
//! use baler_store::{Acl, Memory, Put, Store, sha1_of};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! let store = Memory::new();
//! let put = Put::new(sha1_of(b"abc"), Acl::AwsExecRead);
//! store.put("a/b", "abc".into(), &put).await?;
//! assert_eq!(store.get("a/b", Some(1..3), 10).await?, "bc");
//! # Ok::<(), baler_store::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(clippy::missing_errors_doc)]

mod error;
mod object;
mod store;

mod directory;
mod memory;
mod s3;

mod layer;
mod retry;
mod wrappers;

mod transfer;

pub mod suite;

pub use baler_aws::{Location, LocationError, Patience, check_new_name};
pub use directory::Directory;
pub use error::{Advice, Error, Kind, ServiceAnswer};
pub use layer::{Call, Layer, Operation, Wrapped};
pub use memory::Memory;
pub use object::{Acl, CopySource, ListedObject, Meta, Put, Sha1Bytes, sha1_of};
pub use retry::{Again, Retry};
pub use s3::{Bucket, BucketTrouble, Connection, Need, Outcome, S3, Trial};
pub use store::Store;
pub use transfer::{Download, Event, Upload};
pub use wrappers::{DryRun, Failing, Failure, Limit};
