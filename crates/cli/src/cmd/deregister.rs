//! `baler deregister`: an AMI goes, and with it what belongs to it, if that is wanted.

use std::sync::Arc;

use anyhow::Context;
use baler_ec2::{AmiId, Ec2, Image, Query, SnapshotOutcome};
use baler_store::Location;
use serde_json::json;

use crate::ami;
use crate::aws::{Aws, AwsArgs};
use crate::cmd::remove::Plan;
use crate::exit::{Exit, Trouble};
use crate::report::{self, Console};

/// Deregister an AMI, and say what is left of it and costs money, or delete that too
///
/// Instances that run go on running.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The AMI, ami-…
    ami: AmiId,

    /// Delete its bundle in S3 too: the manifest, then exactly the parts that it lists
    #[arg(long)]
    delete_bundle: bool,

    /// Delete its snapshots too, if it has some
    #[arg(long)]
    delete_snapshots: bool,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    aws: AwsArgs,
}

impl Args {
    pub(crate) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let aws = Arc::new(Aws::connect(&self.aws, console)?);
        let ec2 = ami::ec2(&aws, None)?;
        let tell = ami::tell(*console);
        let image = aws.run(find(&ec2, &self.ami, console))?;
        let bundle = self.bundle(&aws, &image, console)?;
        let snapshots: Vec<_> = image.snapshots().map(str::to_owned).collect();
        let lines = self.lines(&image, bundle.as_ref(), &snapshots);
        if self.dry_run {
            report::result(&lines)?;
            return Ok(Exit::Done);
        }
        if (self.delete_bundle || self.delete_snapshots) && !self.yes {
            ask(&self.ami, &lines, console)?;
        }
        let done =
            aws.run(async { Ok(ec2.deregister(&self.ami, self.delete_snapshots, &tell).await?) });
        let done = done.with_context(|| format!("deregistering {}", self.ami))?;
        let mut failed = Vec::new();
        for (snapshot, outcome) in &done.snapshots {
            if !matches!(outcome, SnapshotOutcome::Deleted) {
                console.warn(&format!("the snapshot {snapshot} is left: {}", why(outcome)));
                failed.push(snapshot.clone());
            }
        }
        if done.answer_was_lost && self.delete_snapshots {
            console.warn("the answer was lost: whether the snapshots are gone is not known");
        }
        let mut deleted = Vec::new();
        if let Some(plan) = &bundle {
            let deleting = || {
                Trouble::failed(format!(
                    "{} is deregistered; deleting its bundle `{}`",
                    self.ami, plan.directory
                ))
                .hint("`baler remove` deletes what is left")
            };
            plan.delete().with_context(deleting)?;
            deleted = plan.places().iter().map(ToString::to_string).collect();
        }
        console.note(&format!("deregistered {}", self.ami));
        if bundle.is_none()
            && let Some(location) = image.location.as_ref().filter(|_| image.is_s3_backed())
        {
            console.note(&format!(
                "its bundle is left and costs storage: s3://{}",
                report::plain(location)
            ));
            console.hint(&format!("baler remove s3://{location}"));
        }
        if !self.delete_snapshots && !snapshots.is_empty() {
            console.note(&format!(
                "its snapshots are left and cost storage: {}",
                snapshots.join(", ")
            ));
        }
        if self.json {
            report::json(&json!({
                "ami": self.ami.as_str(), "deleted": deleted, "manifest": image.location,
                "snapshots_left": if self.delete_snapshots { failed.clone() } else { snapshots },
            }))?;
        }
        match failed.is_empty() {
            true => Ok(Exit::Done),
            false => {
                Err(Trouble::refused(format!("some snapshots of {} are left", self.ami)).into())
            }
        }
    }

    /// What of the bundle will be deleted.
    fn bundle(
        &self,
        aws: &Arc<Aws>,
        image: &Image,
        console: &Console,
    ) -> anyhow::Result<Option<Plan>> {
        if !self.delete_bundle {
            return Ok(None);
        }
        let location =
            image.location.as_ref().filter(|_| image.is_s3_backed()).ok_or_else(|| {
                Trouble::usage(format!("{} has no bundle: its root device is not in S3", self.ami))
                    .hint("leave --delete-bundle away")
            })?;
        let place: Location = format!("s3://{location}").parse().map_err(|rule: String| {
            Trouble::failed(format!("`{location}` is no manifest in S3: {rule}"))
        })?;
        Plan::of_manifest(aws, &place, console).map(Some)
    }

    fn lines(&self, image: &Image, bundle: Option<&Plan>, snapshots: &[String]) -> String {
        let name = image.name.as_deref().map(report::plain).unwrap_or_default();
        let mut lines = format!("deregister  {} {name}\n", self.ami);
        if let Some(plan) = bundle {
            for place in plan.places() {
                lines += &format!("delete      {place}\n");
            }
        } else if let Some(location) = image.location.as_ref().filter(|_| image.is_s3_backed()) {
            lines += &format!("leave       s3://{} (costs storage)\n", report::plain(location));
        }
        for snapshot in snapshots {
            let word = if self.delete_snapshots { "delete      " } else { "leave       " };
            lines += &format!("{word}{}\n", report::plain(snapshot));
        }
        lines
    }
}

/// The AMI, as EC2 shows it.
pub(super) async fn find(ec2: &Ec2, ami: &AmiId, console: &Console) -> anyhow::Result<Image> {
    let found = ec2.images(&Query::id(ami), &ami::tell(*console)).await;
    let found = found.with_context(|| format!("looking for {ami}"))?;
    found.into_iter().next().ok_or_else(|| {
        Trouble::refused(format!("there is no {ami} in {}", ec2.region()))
            .hint("AMIs are of one region: pass --region")
            .into()
    })
}

fn why(outcome: &SnapshotOutcome) -> &str {
    match outcome {
        SnapshotOutcome::Deleted => "it is deleted",
        SnapshotOutcome::Skipped => "another AMI uses it",
        SnapshotOutcome::MissingPermissions => "the credentials need ec2:DeleteSnapshot",
        SnapshotOutcome::Failed(word) => word,
        _ => "EC2 refused",
    }
}

fn ask(ami: &AmiId, lines: &str, console: &Console) -> anyhow::Result<()> {
    lines.lines().for_each(|line| console.note(line));
    match console.confirm("do all that?")? {
        Some(true) => Ok(()),
        Some(false) => Err(Trouble::failed("nothing was done").into()),
        None => Err(Trouble::usage(format!("deleting what belongs to {ami} has to be confirmed"))
            .hint("pass --yes; --dry-run lists it")
            .into()),
    }
}
