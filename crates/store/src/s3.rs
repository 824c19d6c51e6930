//! Objects in S3.

mod error;

mod connection;

mod bucket;
mod objects;

mod trial;

pub use bucket::{Bucket, BucketTrouble};
pub use connection::Connection;
pub use objects::S3;
pub use trial::{Need, Outcome, Trial};
