//! Where new bundles go in S3: a bucket that is there, or is made, and that EC2 can read from.

use baler_store::{Acl, Bucket, BucketTrouble, Location};

use crate::advice::Advice;
use crate::aws::{Aws, InS3};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::run::Run;

/// Permitted changes of a bucket, and the ACL of new objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BucketOptions {
    /// The ACL of the objects.
    pub acl: Acl,
    /// Whether the bucket is made if there is none.
    pub create: bool,
    /// Whether the bucket is changed if EC2 could not read from it.
    pub fix: bool,
}

impl BucketOptions {
    /// An existing bucket, whose objects EC2 may read.
    pub fn new() -> BucketOptions {
        BucketOptions::default()
    }

    /// Finds the bucket, or makes it; refuses one that EC2 could not read from, before anything is sent. `None` in a dry
    /// run for which it would have to be made.
    pub(crate) async fn prepare(
        &self,
        aws: &Aws,
        place: &Location,
        is_dry: bool,
        run: &Run,
    ) -> Result<Option<Bucket>> {
        let name = &place.bucket;
        let region = run.region();
        let bucket = match aws.find(name).await? {
            Some(bucket) => bucket,
            None if self.create => {
                baler_store::check_new_name(name).map_err(|why| Error::usage(why.to_string()))?;
                if is_dry {
                    run.report(Event::BucketWouldBeMade(name));
                    return Ok(None);
                }
                let bucket = aws.create(name, region).await?;
                run.report(Event::BucketMade { bucket: name, region: bucket.region() });
                return Ok(Some(bucket));
            }
            None => {
                return Err(Error::refused(format!("there is no bucket `{name}`"))
                    .advise(Advice::CreateBucket));
            }
        };
        if let Some(wanted) = region.filter(|wanted| *wanted != bucket.region()) {
            run.report(Event::BucketElsewhere { bucket: name, found: bucket.region(), wanted });
        }
        if self.acl.lets_ec2_read() {
            make_readable(aws, &bucket, name, Fix { wanted: self.fix, is_dry }, run).await?;
        }
        Ok(Some(bucket))
    }
}

/// Whether a bucket is changed, and whether that is only told.
#[derive(Clone, Copy)]
pub(crate) struct Fix {
    pub(crate) wanted: bool,
    pub(crate) is_dry: bool,
}

/// Changes a bucket that EC2 could not read from, or refuses it.
pub(crate) async fn make_readable(
    aws: &Aws,
    bucket: &Bucket,
    name: &str,
    fix: Fix,
    run: &Run,
) -> Result<()> {
    let troubles = aws.troubles(bucket).await?;
    if fix.wanted {
        for trouble in &troubles {
            if !fix.is_dry {
                aws.fix(bucket, trouble).await?;
            }
            let (trouble, is_done) = (&trouble.to_string(), !fix.is_dry);
            run.report(Event::BucketFixed { bucket: name, trouble, is_done });
        }
        return Ok(());
    }
    let Some(first) = troubles.first() else { return Ok(()) };
    let what: Vec<_> = troubles.iter().map(ToString::to_string).collect();
    let what = what.join("; ");
    let is_kms = matches!(first, BucketTrouble::Kms);
    let advice = Advice::FixBucket { bucket: name.to_owned(), is_kms };
    Err(Error::refused(format!("EC2 could not read from the bucket `{name}`: {what}"))
        .advise(advice))
}

/// Refuses a bucket that EC2 could not read from.
///
/// # Errors
/// What keeps EC2 from reading, and what asking for it says.
pub async fn check_readable(found: &InS3, name: &str, run: &Run) -> Result<()> {
    let fix = Fix { wanted: false, is_dry: false };
    make_readable(&found.aws, &found.bucket, name, fix, run).await
}
