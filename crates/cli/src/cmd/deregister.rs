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
        let bundle = match self.bundle(&aws, &image, console) {
            // The rest can still be done.
            Err(error) if is_gone(&error) => {
                console.warn(&format!("its bundle is gone already: {error:#}"));
                None
            }
            bundle => bundle?,
        };
        if let (Some(_), Some(location)) = (&bundle, &image.location) {
            aws.run(self.check_others(&ec2, location, console))?;
        }
        let snapshots: Vec<_> = image.snapshots().map(str::to_owned).collect();
        let lines = self.lines(&image, bundle.as_ref(), &snapshots);
        if self.dry_run {
            let places = bundle.as_ref().map(Plan::places).unwrap_or_default();
            let places: Vec<_> = places.iter().map(ToString::to_string).collect();
            match self.json {
                true => self.print(&image, &places, self.left(&snapshots))?,
                false => report::result(&lines)?,
            }
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
            console.note(&format!("deregistered {}", self.ami));
            plan.delete().with_context(|| plan.unfinished())?;
            deleted = plan.places().iter().map(ToString::to_string).collect();
        }
        if bundle.is_none() {
            console.note(&format!("deregistered {}", self.ami));
        }
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
            let left = if self.delete_snapshots { &failed } else { &snapshots };
            self.print(&image, &deleted, left)?;
        }
        match failed.is_empty() {
            true => Ok(Exit::Done),
            false => {
                Err(Trouble::refused(format!("some snapshots of {} are left", self.ami)).into())
            }
        }
    }

    /// Which snapshots stay if nothing goes wrong.
    fn left<'a>(&self, snapshots: &'a [String]) -> &'a [String] {
        if self.delete_snapshots { &[] } else { snapshots }
    }

    fn print(&self, image: &Image, deleted: &[String], left: &[String]) -> anyhow::Result<()> {
        report::json(&json!({
            "ami": self.ami.as_str(), "deleted": deleted, "manifest": image.location, "snapshots_left": left,
            "dry_run": self.dry_run,
        }))
    }

    /// Refuses to delete a bundle that other AMIs start from.
    async fn check_others(
        &self,
        ec2: &Ec2,
        location: &str,
        console: &Console,
    ) -> anyhow::Result<()> {
        let query = Query::own().filter("manifest-location", location);
        let found = ec2.images(&query, &ami::tell(*console)).await;
        let found = found.with_context(|| format!("looking who else uses `{location}`"))?;
        let others: Vec<_> = found
            .iter()
            .map(|image| image.id.to_string())
            .filter(|id| id != self.ami.as_str())
            .collect();
        match others.is_empty() {
            true => Ok(()),
            false => {
                Err(Trouble::failed(format!("{} start from the same bundle", others.join(", ")))
                    .hint("leave --delete-bundle away, or deregister those first")
                    .into())
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
                lines += &format!("delete      {}\n", report::plain(&place.to_string()));
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

fn is_gone(error: &anyhow::Error) -> bool {
    let gone = |error: &baler_store::Error| error.kind == baler_store::Kind::NotFound;
    error.chain().any(|link| link.downcast_ref().is_some_and(gone))
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
