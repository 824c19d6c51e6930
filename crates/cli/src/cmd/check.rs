//! `baler check`: whether the credentials and the bucket are good for the job, before it is begun.

use baler::text::plain;
use baler::{CheckJob, Checked};
use baler_store::{Acl, Kind, Location, Outcome, Trial};
use serde_json::json;

use crate::args::aws::AwsArgs;
use crate::args::values::location;
use crate::codes::Exit;
use crate::face::Face;
use crate::report;

/// Test with a tiny object whether a place in S3 can take bundles, and list what is missing
///
/// The object is deleted afterwards. The bucket is changed only with --fix-bucket.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The place for bundles: s3://BUCKET/PREFIX
    #[arg(value_name = "PLACE", value_parser = location)]
    place: Location,

    /// The ACL that the bundles will have
    #[arg(long, default_value = "aws-exec-read")]
    acl: Acl,

    /// Change the bucket if EC2 could not read from it: allow ACLs, encrypt without KMS
    #[arg(long)]
    fix_bucket: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    aws: AwsArgs,
}

impl Args {
    pub(crate) fn run(self, face: &Face) -> anyhow::Result<Exit> {
        let run = face.run_on(&self.aws);
        let mut job = CheckJob::new(self.place.clone());
        job.acl = self.acl;
        job.fix_bucket = self.fix_bucket;
        let checked = job.run(&run)?;
        if self.json {
            report::json(&self.as_json(&checked))?;
        } else {
            report::result(&self.as_text(&checked))?;
        }
        checked.check(&self.place)?;
        Ok(Exit::Done)
    }

    fn as_json(&self, checked: &Checked) -> serde_json::Value {
        let trials = checked.trials.iter().map(|trial| {
            let (word, why) = told(trial);
            json!({ "action": trial.need.action, "result": word, "required": trial.need.required, "why": why })
        });
        let trials: Vec<_> = trials.collect();
        let troubles: Vec<_> = checked.troubles.iter().map(ToString::to_string).collect();
        json!({
            "place": self.place.to_string(), "region": checked.region, "good": checked.is_good(),
            "bucket_troubles": troubles, "permissions": trials,
        })
    }

    fn as_text(&self, checked: &Checked) -> String {
        let mut text = format!("bucket  {} in {}\n", self.place.bucket, checked.region);
        for trouble in &checked.troubles {
            text += &format!("wrong   {trouble}\n");
        }
        for trial in &checked.trials {
            let (word, why) = told(trial);
            let why = why.map(|why| format!(": {}", plain(&why))).unwrap_or_default();
            text += &format!("{word:<7} {:<30} {}{why}\n", trial.need.action, trial.need.purpose);
        }
        text
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
