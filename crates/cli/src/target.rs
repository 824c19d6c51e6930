//! Where new bundles go in S3: a bucket that is there, or is made, and that EC2 can read from.

use baler_store::{Acl, Bucket, Location};

use crate::aws::Aws;
use crate::exit::Trouble;
use crate::report::Console;

/// What may be done to a bucket, and who may read what is put into it.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "S3")]
pub(crate) struct TargetArgs {
    /// Who may read the objects: aws-exec-read lets EC2 do it, which an AMI needs; or private, public-read,
    /// authenticated-read, bucket-owner-read, bucket-owner-full-control, or none to say nothing
    #[arg(long, default_value = "aws-exec-read")]
    pub(crate) acl: Acl,

    /// Make the bucket if there is none, in --region, with ACLs
    #[arg(long)]
    create_bucket: bool,

    /// Change the bucket if EC2 could not read from it: allow ACLs, encrypt without KMS
    #[arg(long)]
    fix_bucket: bool,
}

impl TargetArgs {
    /// One of the options that was given, if there is one.
    pub(crate) fn used(&self) -> Option<&'static str> {
        [
            ("--create-bucket", self.create_bucket),
            ("--fix-bucket", self.fix_bucket),
            ("--acl", self.acl != Acl::default()),
        ]
        .into_iter()
        .find_map(|(name, is_used)| is_used.then_some(name))
    }

    /// Finds the bucket, or makes it; refuses one that EC2 could not read from, before anything is sent. `None` in a dry
    /// run for which it would have to be made.
    pub(crate) async fn prepare(
        &self,
        aws: &Aws,
        place: &Location,
        region: Option<&str>,
        dry_run: bool,
        console: &Console,
    ) -> anyhow::Result<Option<Bucket>> {
        let name = &place.bucket;
        let bucket = match aws.find(name).await? {
            Some(bucket) => bucket,
            None if self.create_bucket => {
                baler_store::check_new_name(name).map_err(Trouble::usage)?;
                if dry_run {
                    console.note(&format!("would make the bucket `{name}`"));
                    return Ok(None);
                }
                let bucket = aws.create(name, region).await?;
                console.note(&format!("made the bucket `{name}` in {}", bucket.region()));
                return Ok(Some(bucket));
            }
            None => {
                return Err(Trouble::refused(format!("there is no bucket `{name}`"))
                    .hint("check its name, or pass --create-bucket")
                    .into());
            }
        };
        if let Some(wanted) = region
            && wanted != bucket.region()
        {
            let found = bucket.region();
            console.note(&format!("the bucket `{name}` is in {found}, not in {wanted}"));
        }
        if self.acl.lets_ec2_read() {
            self.check(aws, &bucket, name, dry_run, console).await?;
        }
        Ok(Some(bucket))
    }

    async fn check(
        &self,
        aws: &Aws,
        bucket: &Bucket,
        name: &str,
        dry_run: bool,
        console: &Console,
    ) -> anyhow::Result<()> {
        let troubles = aws.troubles(bucket).await?;
        if self.fix_bucket {
            for trouble in &troubles {
                if dry_run {
                    console.note(&format!("would change the bucket `{name}`: {trouble}"));
                    continue;
                }
                aws.fix(bucket, trouble).await?;
                console.note(&format!("changed the bucket `{name}`: {trouble}; it does no more"));
            }
            return Ok(());
        }
        let Some(first) = troubles.first() else { return Ok(()) };
        let what: Vec<_> = troubles.iter().map(ToString::to_string).collect();
        Err(Trouble::refused(format!(
            "EC2 could not read from the bucket `{name}`: {}",
            what.join("; ")
        ))
        .hint(format!("pass --fix-bucket, or: {}", first.remedy(name)))
        .into())
    }
}
