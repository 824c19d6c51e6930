//! Trying out what a job will need, with an object of a few bytes.

use aws_sdk_s3::types::{Permission, Type};
use bytes::Bytes;

use super::bucket::Bucket;
use super::{Connection, S3};
use crate::object::sha1_of;
use crate::{Acl, Error, Kind, Location, Put, Retry, Store};

/// The account by which S3 names EC2 in the ACLs of AWS's first partition (`docs/format.md`, "In S3").
const EC2: &str = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c";

/// Something that a job needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The IAM action, or what else it is.
    pub action: &'static str,
    /// What it is needed for.
    pub purpose: &'static str,
    /// Whether nothing goes without it.
    pub required: bool,
}

/// How it went.
#[derive(Debug)]
pub enum Outcome {
    /// It is there.
    Good,
    /// It is not; why.
    Bad(Error),
    /// It could not be tried without another one that is missing.
    Untried,
}

/// One thing that was tried.
#[derive(Debug)]
pub struct Trial {
    /// What.
    pub need: Need,
    /// With what result.
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
    /// Tries what bundling to `place`, registering from there and removing need. Leaves nothing there.
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
        // Any name will do that nobody else has chosen.
        let _ = getrandom::fill(&mut random);
        let name = format!(".baler-check-{:016x}", u64::from_le_bytes(random));
        note(LIST, retry.run(|| store.list(&name)).await.map(|_| ()));
        note(OWNERSHIP, set(retry.run(|| bucket.has_no_acls()).await));
        note(ENCRYPTION, set(retry.run(|| bucket.has_kms()).await));
        let data = Bytes::from_static(b"baler check\n");
        let put = Put { sha1: sha1_of(&data), acl: Acl::Unsaid, overwrite: false };
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
                    // Not to be allowed to look is one thing; to see that EC2 cannot read another.
                    note(Need { required: true, ..GET_ACL }, Err(error));
                }
                seen => {
                    note(GET_ACL, seen.map(|_| ()));
                }
            }
        }
        let read =
            retry.run(|| store.get(&name, None, 64)).await.and_then(|read| match read == data {
                true => Ok(()),
                false => Err(Error::new(
                    "GetObject",
                    store.address(&name),
                    Kind::Mismatch,
                    "other bytes came back",
                )),
            });
        note(GET, read);
        note(DELETE, retry.run(|| store.delete(&name)).await);
        trials
    }
}

/// What is not set is a good answer too.
fn set(result: Result<bool, Error>) -> Result<(), Error> {
    match result {
        Err(error) if error.kind == Kind::NotFound => Ok(()),
        result => result.map(|_| ()),
    }
}

impl S3 {
    /// Whether an object's ACL lets EC2 read it.
    ///
    /// # Errors
    /// `Unsupported` by services without ACLs, `Denied` if it may not be looked at.
    pub async fn ec2_can_read(&self, name: &str) -> Result<bool, Error> {
        self.call(|client| async move {
            let request = client.get_object_acl().bucket(&self.place.bucket).key(self.key(name));
            let on = self.address(name);
            let found = self.connection.send("GetObjectAcl", &on, 0, request.send()).await?;
            let owner = found.owner().and_then(|owner| owner.id());
            let reads = |permission: Option<&Permission>| {
                matches!(permission, Some(Permission::Read | Permission::FullControl))
            };
            let is_first = super::partition(&self.region) == "aws";
            Ok(found.grants().iter().filter(|grant| reads(grant.permission())).any(|grant| {
                let Some(grantee) = grant.grantee() else { return false };
                let public = ["/AllUsers", "/AuthenticatedUsers"];
                match grantee.r#type() {
                    Type::Group => {
                        public.iter().any(|end| grantee.uri().is_some_and(|uri| uri.ends_with(end)))
                    }
                    // What EC2 is called in other partitions is nowhere written.
                    _ if is_first => grantee.id() == Some(EC2),
                    _ => grantee.id().is_some() && grantee.id() != owner,
                }
            }))
        })
        .await
    }
}
