//! Trials of the permissions that a job needs, with an object of a few bytes.

use baler_aws::Location;
use bytes::Bytes;

use super::bucket::Bucket;
use super::connection::Connection;
use super::objects::S3;
use crate::error::{Error, Kind};
use crate::object::{Acl, Put, sha1_of};
use crate::retry::Retry;
use crate::store::Store;

/// Something that a job needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Need {
    /// The IAM action.
    pub action: &'static str,
    /// The purpose of it.
    pub purpose: &'static str,
    /// Whether the job fails without it.
    pub required: bool,
}

/// The outcome of a trial.
#[derive(Debug)]
pub enum Outcome {
    /// It works.
    Good,
    /// It does not work, for this reason.
    Bad(Error),
    /// It could not be tried without another one that is missing.
    Untried,
}

/// One thing that was tried.
#[derive(Debug)]
#[non_exhaustive]
pub struct Trial {
    /// The need.
    pub need: Need,
    /// Its outcome.
    pub outcome: Outcome,
}

const LIST: Need =
    Need { action: "s3:ListBucket", purpose: "to see what is there", required: true };
const OWNERSHIP: Need = Need {
    action: "s3:GetBucketOwnershipControls",
    purpose: "to see, before anything is sent, whether objects have ACLs",
    required: false,
};
const ENCRYPTION: Need = Need {
    action: "s3:GetEncryptionConfiguration",
    purpose: "to see, before anything is sent, whether EC2 could decrypt it",
    required: false,
};
const PUT: Need =
    Need { action: "s3:PutObject", purpose: "to send parts and manifests", required: true };
const PUT_ACL: Need =
    Need { action: "s3:PutObjectAcl", purpose: "to let EC2 read them", required: true };
const GET_ACL: Need =
    Need { action: "s3:GetObjectAcl", purpose: "to see that EC2 can read them", required: false };
const GET: Need = Need { action: "s3:GetObject", purpose: "to read them back", required: true };
const DELETE: Need = Need { action: "s3:DeleteObject", purpose: "to remove them", required: true };

impl Connection {
    /// Tries what bundling to `place`, registering from there and removing a bundle need. Leaves nothing there.
    pub async fn trial(
        &self,
        bucket: &Bucket,
        place: &Location,
        acl: Acl,
        retry: &Retry,
    ) -> Vec<Trial> {
        let store = S3::new(self.clone(), place.clone(), bucket.region().to_owned());
        let mut trials = Vec::new();
        let mut note = |need, result: Result<(), Error>| {
            let is_good = result.is_ok();
            let outcome = result.map_or_else(Outcome::Bad, |()| Outcome::Good);
            trials.push(Trial { need, outcome });
            is_good
        };
        let mut random = [0; 8];
        // A name that nobody else has chosen.
        let _ = getrandom::fill(&mut random);
        let name = format!(".baler-check-{:016x}", u64::from_le_bytes(random));
        note(LIST, retry.run(|| store.list(&name)).await.map(|_| ()));
        note(OWNERSHIP, set(retry.run(|| bucket.has_no_acls()).await));
        note(ENCRYPTION, set(retry.run(|| bucket.has_kms()).await));
        let data = Bytes::from_static(b"baler check\n");
        let put = Put::new(sha1_of(&data), Acl::Unsaid);
        if !note(PUT, retry.run(|| store.put(&name, data.clone(), &put)).await) {
            let rest = [PUT_ACL, GET_ACL, GET, DELETE];
            trials.extend(rest.map(|need| Trial { need, outcome: Outcome::Untried }));
            return trials;
        }
        if note(PUT_ACL, retry.run(|| store.grant(&name, acl)).await) && acl == Acl::AwsExecRead {
            match retry.run(|| store.ec2_can_read(&name)).await {
                Ok(false) => {
                    let reason = "the service took the ACL, and shows none that lets EC2 read";
                    let error =
                        Error::new("GetObjectAcl", store.address(&name), Kind::NoAcls, reason);
                    // Without permission to look, nothing is known; here it is known that EC2 cannot read.
                    note(Need { required: true, ..GET_ACL }, Err(error));
                }
                seen => {
                    note(GET_ACL, seen.map(|_| ()));
                }
            }
        }
        let read = retry.run(|| store.get(&name, None, 64)).await.and_then(|read| {
            if read == data {
                return Ok(());
            }
            let (on, reason) = (store.address(&name), "other bytes came back");
            Err(Error::new("GetObject", on, Kind::Mismatch, reason))
        });
        note(GET, read);
        note(DELETE, retry.run(|| store.delete(&name)).await);
        trials
    }
}

/// A setting that is not set is a good answer too.
fn set(result: Result<bool, Error>) -> Result<(), Error> {
    match result {
        Err(error) if error.kind == Kind::NotFound => Ok(()),
        result => result.map(|_| ()),
    }
}
