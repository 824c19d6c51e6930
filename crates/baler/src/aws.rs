//! The way to AWS: S3 and EC2 as a run uses them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use baler_aws::{Exchange, OnExchange, Settings, SetupError};
use baler_ec2::{Ec2, Timing};
use baler_store::{
    Acl, Bucket, BucketTrouble, Connection, Location, Retry, S3, Store, Trial, Wrapped,
};

use crate::advice::Advice;
use crate::error::{Context, Error, Result};
use crate::event::{Event, OnEvent};

/// The way to AWS, open.
pub struct Aws {
    aws: baler_aws::Aws,
    connection: Connection,
    on_event: OnEvent,
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.aws.fmt(f)
    }
}

/// A place in S3 whose bucket is there.
#[derive(Debug)]
pub struct InS3 {
    pub(crate) aws: Arc<Aws>,
    /// The objects there; what is transient is tried again.
    pub(crate) store: Arc<dyn Store>,
    /// The same without that, for what only S3 has.
    pub(crate) s3: Arc<S3>,
    pub(crate) bucket: Bucket,
}

impl Aws {
    pub(crate) async fn connect(settings: &Settings, on_event: OnEvent) -> Result<Aws> {
        let reporting = on_event.clone();
        let report = move |exchange: &Exchange| reporting(Event::Request(exchange));
        let on_exchange: OnExchange = Arc::new(report);
        let loaded = baler_aws::Aws::load(settings.clone(), Some(on_exchange)).await;
        let aws = loaded.map_err(|error| setup_failed(error, "AWS"))?;
        Ok(Aws { connection: Connection::new(aws.clone()), aws, on_event })
    }

    /// The account that the credentials belong to.
    pub(crate) async fn account(&self) -> Result<Option<String>> {
        Ok(self.aws.account().await?.map(|account| account.to_string()))
    }

    /// Whether there are credentials.
    pub async fn has_credentials(&self) -> bool {
        self.aws.has_credentials().await
    }

    /// EC2 in a region, or in the one that is set.
    ///
    /// # Errors
    /// That no region is set, and settings that make no sense.
    pub fn ec2(&self, region: Option<&str>) -> Result<Ec2> {
        let region = region.map(str::parse).transpose();
        let region = region.context(Error::usage("reading the region"))?;
        let ec2 = Ec2::new(&self.aws, region.as_ref());
        let ec2 = ec2.map_err(|error| setup_failed(error, "EC2"))?;
        let (mut timing, patience) = (Timing::new(), self.aws.patience());
        timing.connect = self.aws.connect().unwrap_or(timing.connect);
        timing.attempt = self.aws.stall();
        timing.patience.attempts = patience.attempts;
        timing.patience.budget = patience.budget.min(Duration::from_secs(300));
        Ok(ec2.with_timing(timing))
    }

    /// Tries again what is transient, and reports it.
    pub(crate) fn retry(&self) -> Retry {
        let (on_event, patience) = (self.on_event.clone(), self.aws.patience());
        let most = Some(patience.attempts);
        Retry::new(patience, move |again| {
            let (error, wait, next) = (again.error, again.wait, again.attempts + 1);
            on_event(Event::Retry { error, wait, next, most });
        })
    }

    /// Finds the bucket, wherever it is.
    pub(crate) async fn find(&self, bucket: &str) -> Result<Option<Bucket>> {
        Ok(self.retry().run(|| self.connection.find(bucket)).await?)
    }

    /// Makes the bucket.
    pub(crate) async fn create(&self, bucket: &str, region: Option<&str>) -> Result<Bucket> {
        Ok(self.retry().run(|| self.connection.create(bucket, region)).await?)
    }

    /// What would keep EC2 from reading what is put into a bucket.
    pub(crate) async fn troubles(&self, bucket: &Bucket) -> Result<Vec<BucketTrouble>> {
        Ok(self.retry().run(|| bucket.troubles()).await?)
    }

    /// Mends a bucket.
    pub(crate) async fn fix(&self, bucket: &Bucket, trouble: &BucketTrouble) -> Result<()> {
        Ok(self.retry().run(|| bucket.fix(trouble)).await?)
    }

    /// Tries each thing that bundling to a place needs.
    pub(crate) async fn trial(&self, bucket: &Bucket, place: &Location, acl: Acl) -> Vec<Trial> {
        self.connection.trial(bucket, place, acl, &self.retry()).await
    }

    /// The objects at a place whose bucket was found.
    pub(crate) fn at(self: &Arc<Aws>, place: &Location, bucket: Bucket) -> InS3 {
        let s3 = S3::new(self.connection.clone(), place.clone(), bucket.region().to_owned());
        let s3 = Arc::new(s3);
        let store = Arc::new(Wrapped::new(s3.clone(), self.retry()));
        InS3 { aws: self.clone(), store, s3, bucket }
    }

    /// The objects at a place.
    ///
    /// # Errors
    /// Above all that there is no such bucket.
    pub(crate) async fn open(self: &Arc<Aws>, place: &Location) -> Result<InS3> {
        match self.find(&place.bucket).await? {
            Some(bucket) => Ok(self.at(place, bucket)),
            None => Err(Error::refused(format!("there is no bucket `{}`", place.bucket)).advise(
                Advice::say(
                    "check its name, and whether the credentials belong to the right account",
                ),
            )),
        }
    }
}

/// A way that cannot be set up is a matter of what was given or set.
fn setup_failed(error: SetupError, service: &str) -> Error {
    let outer = Error::usage(format!("preparing to talk to {service}"));
    let advice = match &error {
        SetupError::NoRegion => Some(Advice::ChooseRegion(None)),
        error => error.advice().map(Advice::say),
    };
    let outer = match advice {
        Some(advice) => outer.advise(advice),
        None => outer,
    };
    outer.because(error)
}

impl InS3 {
    /// Finds the bucket of a place, wherever it is.
    ///
    /// # Errors
    /// What asking for it says.
    pub async fn find(place: &Location, aws: &Arc<Aws>) -> Result<Option<InS3>> {
        Ok(aws.find(&place.bucket).await?.map(|bucket| aws.at(place, bucket)))
    }

    /// Makes the bucket of a place in a region, so that EC2 can read what is in it.
    ///
    /// # Errors
    /// What making it says.
    pub async fn create(place: &Location, region: &str, aws: &Arc<Aws>) -> Result<InS3> {
        let bucket = aws.create(&place.bucket, Some(region)).await?;
        Ok(aws.at(place, bucket))
    }

    /// The region of the bucket.
    pub fn region(&self) -> &str {
        self.bucket.region()
    }

    /// The objects there.
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// Deletes the bucket, which has to be empty.
    ///
    /// # Errors
    /// What deleting it says.
    pub async fn delete_bucket(&self) -> Result<()> {
        Ok(self.aws.retry().run(|| self.bucket.delete()).await?)
    }
}
