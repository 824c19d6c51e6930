//! Buckets: where they are, whether EC2 could read from them, and new ones.

use std::fmt;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_bucket::HeadBucketError;
use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, ObjectOwnership, OwnershipControls,
    OwnershipControlsRule, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use tokio::time::timeout;

use super::Connection;
use super::error::failed;
use crate::location::check_new_name;
use crate::{Error, Kind};

/// The region that a bucket is in whose place nobody has named.
const FIRST: &str = "us-east-1";

/// A bucket that exists.
#[derive(Debug)]
pub struct Bucket {
    connection: Connection,
    client: Client,
    name: String,
    region: String,
}

/// Why EC2 could not read what is put into a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BucketTrouble {
    /// Its object ownership is `BucketOwnerEnforced`: objects have no ACLs.
    NoAcls,
    /// It encrypts what is put into it with a key of KMS.
    Kms,
}

impl fmt::Display for BucketTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BucketTrouble::NoAcls => "its object ownership is BucketOwnerEnforced, so that objects have no ACLs, and EC2 reads a bundle by them",
            BucketTrouble::Kms => "it encrypts objects with a key of KMS, which EC2 cannot read a bundle with",
        })
    }
}

impl BucketTrouble {
    /// The arguments of `aws` that mend it.
    pub fn remedy(&self, bucket: &str) -> String {
        match self {
            BucketTrouble::NoAcls => format!(
                "aws s3api put-bucket-ownership-controls --bucket {bucket} \
                 --ownership-controls 'Rules=[{{ObjectOwnership=BucketOwnerPreferred}}]'"
            ),
            BucketTrouble::Kms => format!(
                "aws s3api put-bucket-encryption --bucket {bucket} --server-side-encryption-configuration \
                 '{{\"Rules\":[{{\"ApplyServerSideEncryptionByDefault\":{{\"SSEAlgorithm\":\"AES256\"}}}}]}}'"
            ),
        }
    }
}

impl Connection {
    /// Looks for a bucket, in whatever region it is; `None` if there is none of that name.
    ///
    /// # Errors
    /// All but that there is none; a bucket that may only not be looked at is there.
    pub async fn find(&self, name: &str) -> Result<Option<Bucket>, Error> {
        let mut region = self.region().unwrap_or(FIRST).to_owned();
        let on = format!("s3://{name}");
        // Once where it was looked for first, and once where that says it is.
        for _ in 0..2 {
            let client = self.client(&self.config, name, &region);
            let (error, told) =
                match timeout(self.stall, client.head_bucket().bucket(name).send()).await {
                    Err(_) => {
                        let reason = format!("there is no answer after {} s", self.stall.as_secs());
                        return Err(Error::new("HeadBucket", on, Kind::Unreachable, reason));
                    }
                    Ok(Ok(found)) => {
                        let region = found.bucket_region.unwrap_or(region);
                        return Ok(Some(self.bucket(name, region)));
                    }
                    Ok(Err(error)) => {
                        let told = region_in(&error);
                        (failed("HeadBucket", on.clone(), error), told)
                    }
                };
            match (&error.kind, told) {
                (Kind::NotFound, _) => return Ok(None),
                (_, Some(told)) if told != region => region = told,
                (_, told) if matches!(error.status(), Some(400 | 403)) => {
                    // A HEAD tells no reason; a listing does.
                    let listing = client.list_objects_v2().bucket(name).max_keys(1).send();
                    return match self.send("ListObjectsV2", &on, 0, listing).await {
                        Ok(_) => Ok(Some(self.bucket(name, region))),
                        Err(reason)
                            if reason.kind == Kind::Denied
                                && reason.code() == Some("AccessDenied") =>
                        {
                            Ok(Some(self.bucket(name, told.unwrap_or(region))))
                        }
                        Err(reason) if reason.code().is_some() => Err(reason),
                        Err(_) => Err(error),
                    };
                }
                _ => return Err(error),
            }
        }
        // It is there, and only its own region may say what else is wrong.
        Ok(Some(self.bucket(name, region)))
    }

    /// The bucket, which is known to be there.
    fn bucket(&self, name: &str, region: String) -> Bucket {
        let client = self.client(&self.config, name, &region);
        Bucket { connection: self.clone(), client, name: name.to_owned(), region }
    }

    /// Makes a bucket whose objects have ACLs, in a region. What keeps the public out stays as it is.
    ///
    /// # Errors
    /// A name that no new bucket can have, and what the service says.
    pub async fn create(&self, name: &str, region: Option<&str>) -> Result<Bucket, Error> {
        let on = format!("s3://{name}");
        check_new_name(name)
            .map_err(|rule| Error::new("CreateBucket", &on, Kind::Refused, rule))?;
        let region = region.or(self.region()).unwrap_or(FIRST).to_owned();
        let bucket = self.bucket(name, region);
        // The first region has no name here.
        let configuration = (bucket.region != FIRST).then(|| {
            let constraint = BucketLocationConstraint::from(bucket.region.as_str());
            CreateBucketConfiguration::builder().location_constraint(constraint).build()
        });
        let request = bucket
            .client
            .create_bucket()
            .bucket(name)
            .set_create_bucket_configuration(configuration)
            .object_ownership(ObjectOwnership::BucketOwnerPreferred);
        match self.send("CreateBucket", &on, 0, request.send()).await {
            Err(error) if error.code() != Some("BucketAlreadyOwnedByYou") => Err(error),
            _ => Ok(bucket),
        }
    }
}

impl Bucket {
    /// Its region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Sends a request about it.
    async fn send<T, E>(
        &self,
        operation: &'static str,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Error>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.connection.send(operation, &self.on(), 0, request).await
    }

    fn on(&self) -> String {
        format!("s3://{}", self.name)
    }

    /// What would keep EC2 from reading what is put into it, as far as it may be looked at.
    pub async fn troubles(&self) -> Result<Vec<BucketTrouble>, Error> {
        let mut found = Vec::new();
        if unless_unknown(self.has_no_acls().await)? == Some(true) {
            found.push(BucketTrouble::NoAcls);
        }
        if unless_unknown(self.has_kms().await)? == Some(true) {
            found.push(BucketTrouble::Kms);
        }
        Ok(found)
    }

    /// Whether its objects have no ACLs.
    pub(super) async fn has_no_acls(&self) -> Result<bool, Error> {
        let request = self.client.get_bucket_ownership_controls().bucket(&self.name);
        let found = self.send("GetBucketOwnershipControls", request.send()).await?;
        let rules = found.ownership_controls.map(|controls| controls.rules).unwrap_or_default();
        Ok(rules.iter().any(|rule| rule.object_ownership == ObjectOwnership::BucketOwnerEnforced))
    }

    /// Whether it encrypts with a key of KMS.
    pub(super) async fn has_kms(&self) -> Result<bool, Error> {
        let request = self.client.get_bucket_encryption().bucket(&self.name);
        let found = self.send("GetBucketEncryption", request.send()).await?;
        let rules =
            found.server_side_encryption_configuration.map(|found| found.rules).unwrap_or_default();
        let is_kms = |rule: &ServerSideEncryptionRule| {
            let default = rule.apply_server_side_encryption_by_default.as_ref();
            default.is_some_and(|default| default.sse_algorithm != ServerSideEncryption::Aes256)
        };
        Ok(rules.iter().any(is_kms))
    }

    /// Mends what is wrong with it.
    pub async fn fix(&self, trouble: &BucketTrouble) -> Result<(), Error> {
        match trouble {
            BucketTrouble::NoAcls => self.allow_acls().await,
            BucketTrouble::Kms => self.encrypt_without_kms().await,
        }
    }

    async fn allow_acls(&self) -> Result<(), Error> {
        let on = self.on();
        let build = |error: aws_sdk_s3::error::BuildError| {
            Error::new("PutBucketOwnershipControls", on.clone(), Kind::Refused, error.to_string())
        };
        let rule = OwnershipControlsRule::builder()
            .object_ownership(ObjectOwnership::BucketOwnerPreferred);
        let controls = OwnershipControls::builder()
            .rules(rule.build().map_err(build)?)
            .build()
            .map_err(build)?;
        let request = self
            .client
            .put_bucket_ownership_controls()
            .bucket(&self.name)
            .ownership_controls(controls);
        self.send("PutBucketOwnershipControls", request.send()).await.map(|_| ())
    }

    async fn encrypt_without_kms(&self) -> Result<(), Error> {
        let on = self.on();
        let build = |error: aws_sdk_s3::error::BuildError| {
            Error::new("PutBucketEncryption", on.clone(), Kind::Refused, error.to_string())
        };
        let default =
            ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256);
        let rule = ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(default.build().map_err(build)?)
            .build();
        let configuration =
            ServerSideEncryptionConfiguration::builder().rules(rule).build().map_err(build)?;
        let request = self
            .client
            .put_bucket_encryption()
            .bucket(&self.name)
            .server_side_encryption_configuration(configuration);
        self.send("PutBucketEncryption", request.send()).await.map(|_| ())
    }

    /// Deletes it; it has to be empty.
    pub async fn delete(&self) -> Result<(), Error> {
        let request = self.client.delete_bucket().bucket(&self.name);
        self.send("DeleteBucket", request.send()).await.map(|_| ())
    }

    /// Whether it keeps what is deleted, or did so once; `None` if it does not let itself be looked at.
    pub async fn is_versioned(&self) -> Option<bool> {
        let request = self.client.get_bucket_versioning().bucket(&self.name);
        let found = self.send("GetBucketVersioning", request.send()).await.ok()?;
        Some(found.status.is_some())
    }
}

/// What may not be looked at, or is not set, is not known.
fn unless_unknown<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.code() == Some("NoSuchBucket") => Err(error),
        Err(Error { kind: Kind::Denied | Kind::Unsupported | Kind::NotFound, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn region_in(error: &SdkError<HeadBucketError, HttpResponse>) -> Option<String> {
    error.raw_response()?.headers().get("x-amz-bucket-region").map(str::to_owned)
}
