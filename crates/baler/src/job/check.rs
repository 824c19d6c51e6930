//! Whether the credentials and the bucket are good for the job, before it is begun.

use baler_store::{Acl, BucketTrouble, Kind as StoreKind, Location, Outcome, Trial};

use crate::advice::Advice;
use crate::bucket::{Fix, make_readable};
use crate::error::{Error, Result};
use crate::run::Run;

/// A job that tests whether a place in S3 can take bundles.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CheckJob {
    /// The place for bundles.
    pub place: Location,
    /// The ACL of the bundles.
    pub acl: Acl,
    /// Changes the bucket if EC2 could not read from it.
    pub fix_bucket: bool,
}

/// The result of a check.
#[derive(Debug)]
#[non_exhaustive]
pub struct Checked {
    /// The region of the bucket.
    pub region: String,
    /// Settings of the bucket that keep EC2 from reading.
    pub troubles: Vec<BucketTrouble>,
    /// Each permission that was tried.
    pub trials: Vec<Trial>,
}

impl CheckJob {
    /// For bundles that EC2 reads.
    pub fn new(place: Location) -> CheckJob {
        CheckJob { place, acl: Acl::default(), fix_bucket: false }
    }

    /// Tries it with a tiny object, of which nothing is left.
    ///
    /// # Errors
    /// That there is no such bucket, and what keeps the check from being made. A permission that is missing is not an error
    /// here, but of [`Checked::check`].
    pub fn run(&self, run: &Run) -> Result<Checked> {
        let name = &self.place.bucket;
        run.wait(async {
            let aws = run.aws().await?;
            let bucket = aws.open(&self.place).await?.bucket;
            if self.acl.lets_ec2_read() && self.fix_bucket {
                make_readable(&aws, &bucket, name, Fix { wanted: true, is_dry: false }, run)
                    .await?;
            }
            let troubles =
                if self.acl.lets_ec2_read() { aws.troubles(&bucket).await? } else { Vec::new() };
            let trials = aws.trial(&bucket, &self.place, self.acl).await;
            Ok(Checked { region: bucket.region().to_owned(), troubles, trials })
        })
    }
}

impl Checked {
    /// Whether nothing is missing.
    pub fn is_good(&self) -> bool {
        let is_bad = |trial: &Trial| trial.need.required && !matches!(trial.outcome, Outcome::Good);
        self.troubles.is_empty() && !self.trials.iter().any(is_bad)
    }

    /// Insists on nothing being missing.
    ///
    /// # Errors
    /// The place cannot take bundles; the advice names what is missing.
    pub fn check(&self, place: &Location) -> Result<()> {
        if self.is_good() {
            return Ok(());
        }
        // Without ACLs in the bucket the permission to set them is not what is missing.
        let is_missing = |trial: &&Trial| matches!(&trial.outcome, Outcome::Bad(error) if trial.need.required && error.kind != StoreKind::NoAcls);
        let missing: Vec<_> =
            self.trials.iter().filter(is_missing).map(|trial| trial.need.action).collect();
        let bucket = &place.bucket;
        let advice = if missing.is_empty() {
            let is_kms = matches!(self.troubles.first(), Some(BucketTrouble::Kms));
            Advice::FixBucket { bucket: bucket.clone(), is_kms }
        } else {
            Advice::say(format!("allow {} on it", missing.join(", ")))
        };
        Err(Error::refused(format!("`{place}` cannot take bundles for EC2")).advise(advice))
    }
}
