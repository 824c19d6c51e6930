//! `baler image`: a root tree becomes a disk image.

use std::path::PathBuf;

use baler::text;
use baler::{ImageJob, TreeImage};
use serde_json::json;

use crate::args::keys::KeyArgs;
use crate::args::values::size;
use crate::args::volume::VolumeArgs;
use crate::codes::Exit;
use crate::exit::Trouble;
use crate::face::Face;
use crate::report::{self, plan as printed};
use crate::streams;

/// Make a disk image of a root tree: partition table, boot loader and file system
///
/// The image is written in one pass, sparse, without a mount and without a temporary copy. Prints its path.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The root tree: a directory, or / for this machine
    root: PathBuf,

    /// The destination: a file, a block device, or - for standard output
    destination: PathBuf,

    /// The image's length: 8GiB, or a number of MiB [default: that of the source's disk or file system]
    #[arg(long, short, value_parser = size)]
    size: Option<u64>,

    #[command(flatten)]
    volume: VolumeArgs,

    /// Run this program to change the image before it gets its name; the only argument is the directory where the image
    /// is mounted
    ///
    /// This needs root: the image is mounted, in a mount namespace that ends with the program. If the program fails, no
    /// image is written. To bundle the image, run `baler bundle` afterwards.
    #[arg(long, value_name = "PROGRAM")]
    script: Option<PathBuf>,

    /// Overwrite an existing file
    #[arg(long, short)]
    force: bool,

    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) fn run(self, face: &Face) -> anyhow::Result<Exit> {
        let run = face.run();
        let is_stdout = self.destination.as_os_str() == "-";
        if self.json && is_stdout && !self.dry_run {
            return Err(Trouble::usage("standard output cannot hold both the image and the JSON")
                .hint("name a file for the image, or omit --json")
                .into());
        }
        let job = self.job(face)?;
        if self.volume.list {
            let mut lines = report::tree::Lines::new(self.json);
            let (recipe, report) = (job.tree_recipe(), job.report.as_deref());
            TreeImage::list(&recipe, report, self.force, &run, &mut |entry| lines.add(entry))?;
            lines.finish()?;
            return Ok(Exit::Done);
        }
        let mut plan = job.plan(&run)?;
        if self.dry_run {
            let summary = plan.tree().volume().summary();
            report::result(&if self.json {
                format!("{}\n", printed::json(summary, face.console.words()))
            } else {
                printed::text(summary)
            })?;
            return Ok(Exit::Done);
        }
        let written = job.write(plan, &run)?;
        face.console.note(&format!("imaged {}", text::size(written.size)));
        let destination = self.destination.to_string_lossy();
        match (is_stdout, self.json) {
            // Standard output holds the image.
            (true, _) => {}
            (false, true) => {
                let (size, changed) = (written.size, written.changed);
                report::json(&json!({ "image": destination, "size": size, "changed": changed }))?;
            }
            (false, false) => report::path(&self.destination)?,
        }
        Ok(Exit::Done)
    }

    /// The job for the library.
    fn job(&self, face: &Face) -> anyhow::Result<ImageJob> {
        // A list and a dry run write no image, so a terminal will do. A program changes only a file.
        let is_stdout = self.destination.as_os_str() == "-";
        if let (true, Some(_)) = (is_stdout, &self.script) {
            return Err(Trouble::usage(
                "--script changes an image in a file, not on standard output",
            )
            .hint("name a file for the image")
            .into());
        }
        let destination = if self.volume.list || self.dry_run {
            self.destination.clone().into()
        } else {
            streams::output(&self.destination)?
        };
        let mut recipe = self.volume.recipe(&self.root, self.size, face)?;
        recipe.never.extend(KeyArgs::default().keys(face).private_paths());
        let mut job = ImageJob::new(recipe, destination);
        job.report.clone_from(&self.volume.report);
        job.script.clone_from(&self.script);
        job.script_output = Some(streams::errors()?);
        job.overwrite = self.force;
        job.is_dry = self.dry_run;
        Ok(job)
    }
}
