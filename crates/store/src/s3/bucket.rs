//! Buckets: finding them, making them, and the settings by which EC2 can read from them.

use std::fmt;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, ObjectOwnership, OwnershipControls,
    OwnershipControlsRule, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use baler_aws::check_new_name;
use tokio::time::timeout;

use super::connection::{Connection, S3Client, unanswered};
use super::error::region_in;
use crate::error::{Error, Kind};

/// The region of a bucket if no region is configured.
const FIRST: &str = "us-east-1";

/// A bucket that exists.
#[derive(Debug)]
pub struct Bucket {
    connection: Connection,
    client: S3Client,
    name: String,
    region: String,
}

/// A setting of a bucket that keeps EC2 from reading its objects.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

impl Connection {
    /// Looks for a bucket in all regions; `None` if there is none of that name.
    ///
    /// # Errors
    /// All but that there is none. A bucket that the caller may not look at counts as found.
    pub async fn find(&self, name: &str) -> Result<Option<Bucket>, Error> {
        let mut region = self.region().unwrap_or_else(|| FIRST.to_owned());
        let on = format!("s3://{name}");
        // Once where it was looked for first, and once where that says it is.
        for _ in 0..2 {
            let client = self.client(name, &region);
            let head = client.client().head_bucket().bucket(name).send();
            let (error, told) = match timeout(self.stall(), head).await {
                Err(_) => return Err(unanswered("HeadBucket", &on, self.stall())),
                Ok(Ok(found)) => {
                    let region = found.bucket_region.unwrap_or(region);
                    return Ok(Some(self.bucket(name, region)));
                }
                Ok(Err(error)) => {
                    let told = region_in(&error);
                    (self.failed("HeadBucket", &on, &error), told)
                }
            };
            match (&error.kind, told) {
                (Kind::NotFound, _) => return Ok(None),
                (_, Some(told)) if told != region => region = told,
                (_, told) if matches!(error.status(), Some(400 | 403)) => {
                    // A HEAD tells no reason; a listing does.
                    let listing =
                        |client: Client| client.list_objects_v2().bucket(name).max_keys(1).send();
                    return match self.send(&client, "ListObjectsV2", &on, 0, listing).await {
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
        let client = self.client(name, &region);
        Bucket { connection: self.clone(), client, name: name.to_owned(), region }
    }

    /// Makes a bucket whose objects have ACLs, in a region. The settings that keep the public out stay as they are.
    ///
    /// # Errors
    /// A name that no new bucket can have, and the service's refusals.
    pub async fn create(&self, name: &str, region: Option<&str>) -> Result<Bucket, Error> {
        let on = format!("s3://{name}");
        check_new_name(name)
            .map_err(|rule| Error::new("CreateBucket", &on, Kind::Refused, rule.to_string()))?;
        let region = region.map(str::to_owned).or_else(|| self.region());
        let region = region.unwrap_or_else(|| FIRST.to_owned());
        let bucket = self.bucket(name, region);
        // The first region has no name here.
        let configuration = (bucket.region != FIRST).then(|| {
            let constraint = BucketLocationConstraint::from(bucket.region.as_str());
            CreateBucketConfiguration::builder().location_constraint(constraint).build()
        });
        let request = |client: Client| {
            let request = client.create_bucket().bucket(name);
            request
                .set_create_bucket_configuration(configuration.clone())
                .object_ownership(ObjectOwnership::BucketOwnerPreferred)
                .send()
        };
        match self.send(&bucket.client, "CreateBucket", &on, 0, request).await {
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
    async fn send<T, E, F>(
        &self,
        operation: &'static str,
        request: impl Fn(Client) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.connection.send(&self.client, operation, &self.on(), 0, request).await
    }

    fn on(&self) -> String {
        format!("s3://{}", self.name)
    }

    /// The settings that keep EC2 from reading its objects, as far as the caller may look at them.
    ///
    /// # Errors
    /// Those of the way to S3, and a bucket that is gone. A setting that the caller may not see is none.
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
        let request =
            |client: Client| client.get_bucket_ownership_controls().bucket(&self.name).send();
        let found = self.send("GetBucketOwnershipControls", request).await?;
        let rules = found.ownership_controls.map(|controls| controls.rules).unwrap_or_default();
        Ok(rules.iter().any(|rule| rule.object_ownership == ObjectOwnership::BucketOwnerEnforced))
    }

    /// Whether it encrypts with a key of KMS.
    pub(super) async fn has_kms(&self) -> Result<bool, Error> {
        let request = |client: Client| client.get_bucket_encryption().bucket(&self.name).send();
        let found = self.send("GetBucketEncryption", request).await?;
        let rules =
            found.server_side_encryption_configuration.map(|found| found.rules).unwrap_or_default();
        let is_kms = |rule: &ServerSideEncryptionRule| {
            let default = rule.apply_server_side_encryption_by_default.as_ref();
            default.is_some_and(|default| default.sse_algorithm != ServerSideEncryption::Aes256)
        };
        Ok(rules.iter().any(is_kms))
    }

    /// Changes a setting that keeps EC2 from reading.
    ///
    /// # Errors
    /// `Denied`, and those of the way to S3.
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
        let request = |client: Client| {
            let request = client.put_bucket_ownership_controls().bucket(&self.name);
            request.ownership_controls(controls.clone()).send()
        };
        self.send("PutBucketOwnershipControls", request).await.map(|_| ())
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
        let request = |client: Client| {
            let request = client.put_bucket_encryption().bucket(&self.name);
            request.server_side_encryption_configuration(configuration.clone()).send()
        };
        self.send("PutBucketEncryption", request).await.map(|_| ())
    }

    /// Deletes it; it has to be empty.
    ///
    /// # Errors
    /// A bucket with objects or old versions in it; `Denied`; those of the way to S3.
    pub async fn delete(&self) -> Result<(), Error> {
        let request = |client: Client| client.delete_bucket().bucket(&self.name).send();
        self.send("DeleteBucket", request).await.map(|_| ())
    }

    /// Whether it keeps what is deleted, or did so once; `None` if the caller may not look.
    pub async fn is_versioned(&self) -> Option<bool> {
        let request = |client: Client| client.get_bucket_versioning().bucket(&self.name).send();
        let found = self.send("GetBucketVersioning", request).await.ok()?;
        Some(found.status.is_some())
    }
}

/// `None` for a setting that the caller may not see, or that is not set.
fn unless_unknown<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.code() == Some("NoSuchBucket") => Err(error),
        Err(Error { kind: Kind::Denied | Kind::Unsupported | Kind::NotFound, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
