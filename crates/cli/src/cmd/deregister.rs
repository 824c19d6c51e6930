//! `baler deregister`: an AMI goes, and with it what belongs to it, if that is wanted.

use baler::text::plain;
use baler::{DeregisterJob, Deregistered, Deregistration};
use baler_ec2::AmiId;
use serde_json::json;

use crate::args::aws::AwsArgs;
use crate::codes::Exit;
use crate::exit::Trouble;
use crate::face::Face;
use crate::report;

/// Deregister an AMI, and list or delete what is left of it and costs money
///
/// Running instances continue to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The AMI, ami-…
    ami: AmiId,

    /// Delete its bundle in S3 too: the manifest, then exactly the parts that it lists
    #[arg(long)]
    delete_bundle: bool,

    /// Delete its snapshots too
    #[arg(long)]
    delete_snapshots: bool,

    /// Do not ask for confirmation
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
    pub(crate) fn run(self, face: &Face) -> anyhow::Result<Exit> {
        let run = face.run_on(&self.aws);
        let mut job = DeregisterJob::new(self.ami.clone());
        job.delete_bundle = self.delete_bundle;
        job.delete_snapshots = self.delete_snapshots;
        let planned = job.plan(&run)?;
        let lines = self.lines(&planned);
        if self.dry_run {
            if self.json {
                self.print(&planned, &planned_outcome(&planned, self.delete_snapshots))?;
            } else {
                report::result(&lines)?;
            }
            return Ok(Exit::Done);
        }
        if (self.delete_bundle || self.delete_snapshots) && !self.yes {
            self.ask(&lines, face)?;
        }
        let done = job.run(&planned, &run)?;
        if let Some(location) = &done.bundle_left {
            let location = plain(location);
            face.console.note(&format!("its bundle is left and costs storage: s3://{location}"));
            face.console.hint(&format!("baler remove s3://{location}"));
        }
        if !self.delete_snapshots && !done.snapshots_left.is_empty() {
            let snapshots = done.snapshots_left.join(", ");
            face.console.note(&format!("its snapshots are left and cost storage: {snapshots}"));
        }
        if self.json {
            self.print(&planned, &done)?;
        }
        done.check(&job)?;
        Ok(Exit::Done)
    }

    fn print(&self, planned: &Deregistration, done: &Deregistered) -> anyhow::Result<()> {
        let deleted: Vec<_> = done.deleted.iter().map(ToString::to_string).collect();
        report::json(&json!({
            "ami": self.ami.as_str(), "deleted": deleted, "manifest": planned.image.location,
            "snapshots_left": done.snapshots_left, "dry_run": self.dry_run,
        }))
    }

    fn lines(&self, planned: &Deregistration) -> String {
        let image = &planned.image;
        let name = image.name.as_deref().map(plain).unwrap_or_default();
        let mut lines = format!("deregister  {} {name}\n", self.ami);
        if let Some(removal) = &planned.bundle {
            for place in removal.places() {
                lines += &format!("delete      {}\n", plain(&place.to_string()));
            }
        } else if let Some(location) = image.location.as_ref().filter(|_| image.is_s3_backed()) {
            lines += &format!("leave       s3://{} (costs storage)\n", plain(location));
        }
        for snapshot in &planned.snapshots {
            let word = if self.delete_snapshots { "delete      " } else { "leave       " };
            lines += &format!("{word}{}\n", plain(snapshot));
        }
        lines
    }

    fn ask(&self, lines: &str, face: &Face) -> anyhow::Result<()> {
        lines.lines().for_each(|line| face.console.note(line));
        match face.console.confirm("continue?", &face.stop)? {
            Some(true) => Ok(()),
            Some(false) => Err(Trouble::failed("nothing was done").into()),
            None => {
                let what = format!("deleting what belongs to {} must be confirmed", self.ami);
                Err(Trouble::usage(what).hint("pass --yes; --dry-run lists it").into())
            }
        }
    }
}

/// What will be left if nothing goes wrong.
fn planned_outcome(planned: &Deregistration, delete_snapshots: bool) -> Deregistered {
    let mut outcome = Deregistered::default();
    outcome.deleted = planned.bundle.iter().flat_map(baler::Removal::places).collect();
    if !delete_snapshots {
        outcome.snapshots_left.clone_from(&planned.snapshots);
    }
    outcome
}
