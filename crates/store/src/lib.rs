//! Where bundles are kept: a directory, or S3.
//!
//! A [`Store`] keeps named objects, checks what arrives by its digest, and gives back what was kept. Behaviour is put
//! around it: [`Retry`] tries again, [`Limit`] holds back, [`DryRun`] only tells, and [`Failing`] makes tests fail.
//! [`Upload`] and [`Download`] move many objects at once in bounded memory.
//!
//! What the objects are, this crate has never heard of. It prints nothing and reads no environment.
//!
//! ```
//! use baler_store::{Acl, Memory, Put, Store, sha1_of};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! let store = Memory::new();
//! let put = Put { sha1: sha1_of(b"abc"), acl: Acl::AwsExecRead, overwrite: false };
//! store.put("a/b", "abc".into(), &put).await?;
//! assert_eq!(store.get("a/b", Some(1..3), 10).await?, "bc");
//! # Ok::<(), baler_store::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod around;
mod directory;
mod error;
mod location;
mod memory;
mod object;
mod retry;
mod s3;
mod store;
pub mod suite;
mod transfer;
mod wrappers;

pub use around::{Around, Call, Operation, Wrapped};
pub use directory::Directory;
pub use error::{Answer, Error, Kind};
pub use location::{Location, check_new_name};
pub use memory::Memory;
pub use object::{Acl, Entry, Meta, Put, Sha1Bytes, Source, sha1_of};
pub use retry::{Again, Patience, Retry};
pub use s3::{Bucket, BucketTrouble, Connection, Need, Outcome, Renew, S3, Trial, partition};
pub use store::Store;
pub use transfer::{Download, Event, Upload};
pub use wrappers::{DryRun, Failing, Failure, Limit};
