//! `baler check`: whether the credentials and the bucket are good for the job, before it is begun.

use baler_store::{Acl, BucketTrouble, Kind, Location, Outcome, Trial};
use serde_json::json;

use crate::aws::{Aws, AwsArgs};
use crate::exit::{Exit, Trouble};
use crate::place;
use crate::report::{self, Console};

/// Try what bundling to a place in S3 needs, with a tiny object, and say what is missing
///
/// Nothing is left there.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where bundles would go: s3://BUCKET/PREFIX
    #[arg(value_name = "PLACE", value_parser = place::location)]
    place: Location,

    /// Who shall be able to read the objects
    #[arg(long, default_value = "aws-exec-read")]
    acl: Acl,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    aws: AwsArgs,
}

impl Args {
    pub(crate) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let aws = Aws::connect(&self.aws, console)?;
        let (remote, troubles, trials) = aws.run(async {
            let remote = aws.open(&self.place).await?;
            let troubles = match self.acl.lets_ec2_read() {
                true => aws.troubles(&remote.bucket).await?,
                false => Vec::new(),
            };
            let trials =
                aws.connection().trial(&remote.bucket, &self.place, self.acl, &aws.retry()).await;
            Ok((remote, troubles, trials))
        })?;
        let region = remote.bucket.region();
        let bucket = &self.place.bucket;
        let is_bad = |trial: &Trial| trial.need.required && !matches!(trial.outcome, Outcome::Good);
        let good = troubles.is_empty() && !trials.iter().any(is_bad);
        if self.json {
            let trials: Vec<_> = trials
                .iter()
                .map(|trial| {
                    let (word, why) = told(trial);
                    json!({ "action": trial.need.action, "result": word, "required": trial.need.required, "why": why })
                })
                .collect();
            let troubles: Vec<_> = troubles.iter().map(ToString::to_string).collect();
            report::json(&json!({
                "place": self.place.to_string(), "region": region, "good": good, "bucket_troubles": troubles,
                "permissions": trials,
            }))?;
        } else {
            let mut text = format!("bucket  {bucket} in {region}\n");
            for trouble in &troubles {
                text += &format!("wrong   {trouble}\n");
            }
            for trial in &trials {
                let (word, why) = told(trial);
                let why = why.map(|why| format!(": {}", report::plain(&why))).unwrap_or_default();
                text +=
                    &format!("{word:<7} {:<30} {}{why}\n", trial.need.action, trial.need.purpose);
            }
            report::result(&text)?;
        }
        if good {
            return Ok(Exit::Done);
        }
        // Without ACLs in the bucket the permission to set them is not what is missing.
        let is_missing = |trial: &&Trial| matches!(&trial.outcome, Outcome::Bad(error) if trial.need.required && error.kind != Kind::NoAcls);
        let missing: Vec<_> =
            trials.iter().filter(is_missing).map(|trial| trial.need.action).collect();
        let trouble = Trouble::refused(format!("`{}` cannot take bundles for EC2", self.place));
        Err(match troubles.first() {
            _ if !missing.is_empty() => trouble.hint(format!("allow {} on it", missing.join(", "))),
            Some(first) => trouble.hint(first.remedy(bucket)),
            None => trouble.hint(BucketTrouble::NoAcls.remedy(bucket)),
        }
        .into())
    }
}

fn told(trial: &Trial) -> (&'static str, Option<String>) {
    match &trial.outcome {
        Outcome::Good => ("good", None),
        Outcome::Bad(error) if error.kind == Kind::Denied => ("missing", Some(error.to_string())),
        Outcome::Bad(error) => ("failed", Some(error.to_string())),
        Outcome::Untried => ("untried", None),
    }
}
