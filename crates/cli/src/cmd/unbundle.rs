//! `baler unbundle`: a bundle becomes an image again.

use std::ops::Range;
use std::path::PathBuf;

use baler::text::{chain, plain, size};
use baler::{Bundle, Trust, UnbundleJob, Unbundled};
use baler_bundle::Salvage;
use serde_json::json;

#[cfg(feature = "aws")]
use crate::args::aws::AwsArgs;
use crate::args::keys::KeyArgs;
use crate::args::values::{BundleArg, Jobs};
use crate::codes::Exit;
use crate::exit::Trouble;
use crate::face::Face;
use crate::report;
use crate::streams;

/// Open a bundle: check it, decrypt it and write the image
///
/// Everything is checked. A file gets its name only if nothing was wrong.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    bundle: BundleArg,

    /// The destination: a file, a block device, or - for standard output
    destination: PathBuf,

    #[command(flatten)]
    keys: KeyArgs,

    /// Open the bundle even if its signature is wrong, missing, or cannot be checked
    #[arg(long)]
    ignore_signature: bool,

    /// Write what can be read of a damaged bundle, zeros for the rest, and list the missing bytes
    ///
    /// Exits with 3 if anything was wrong.
    #[arg(long)]
    keep_going: bool,

    #[command(flatten)]
    jobs: Jobs,

    /// Overwrite an existing file
    #[arg(long, short)]
    force: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    aws: AwsArgs,
}

impl Args {
    pub(crate) fn run(self, face: &Face) -> anyhow::Result<Exit> {
        if self.json && self.destination.as_os_str() == "-" {
            return Err(Trouble::usage("standard output cannot hold both the image and the JSON")
                .hint("name a file for the image, or omit --json")
                .into());
        }
        #[cfg(feature = "aws")]
        let run = face.run_on(&self.aws);
        #[cfg(not(feature = "aws"))]
        let run = face.run();
        let bundle = Bundle::read(&self.bundle.manifest, &run)?;
        let destination = streams::output(&self.destination)?;
        let mut job = UnbundleJob::new(destination, self.keys.keys(face));
        job.ignore_signature = self.ignore_signature;
        job.keep_going = self.keep_going;
        job.overwrite = self.force;
        job.jobs = self.jobs.count();
        let done = job.run(&bundle, &run)?;
        match &done.salvage {
            Some(found) => self.print_salvage(found, &done, face),
            None => self.print(&done, face),
        }
    }

    fn print(&self, done: &Unbundled, face: &Face) -> anyhow::Result<Exit> {
        let checked = match done.trust {
            Trust::Valid => "signature, parts and image were checked",
            _ => "parts and image were checked, its signature was ignored",
        };
        face.console.note(&format!("unbundled {}; {checked}", size(done.size)));
        let destination = self.destination.to_string_lossy();
        match (destination == "-", self.json) {
            // Standard output holds the image.
            (true, _) => {}
            (false, true) => report::json(&json!({ "image": destination, "size": done.size }))?,
            (false, false) => report::path(&self.destination)?,
        }
        Ok(Exit::Done)
    }

    /// Says what is missing in an image that was saved from a damaged bundle.
    fn print_salvage(
        &self,
        found: &Salvage,
        done: &Unbundled,
        face: &Face,
    ) -> anyhow::Result<Exit> {
        let (whole, trust) = (found.is_whole(), done.trust);
        let wrong_image = found.image.iter().filter_map(|image| image.as_ref().err());
        let errors = found.parts.iter().chain(&found.stream).chain(wrong_image);
        let errors: Vec<_> = errors.map(|error| chain(error)).collect();
        let ranges = [("lost", &found.lost), ("suspect", &found.suspect)];
        let lines = errors.iter().map(|error| format!("error    {}", plain(error)));
        let lines = lines.chain(
            ranges
                .iter()
                .flat_map(|(what, ranges)| ranges.iter().map(move |range| describe(what, range))),
        );
        let destination = self.destination.to_string_lossy();
        if destination == "-" {
            // Standard output holds the image.
            lines.for_each(|line| face.console.warn(&line));
        } else if self.json {
            report::json(&json!({
                "image": destination, "size": done.size, "whole": whole, "signature": trust.word(),
                "errors": errors, "lost": as_pairs(&found.lost), "suspect": as_pairs(&found.suspect),
            }))?;
        } else {
            let lines: String = lines.map(|line| line + "\n").collect();
            report::result(&lines)?;
            report::path(&self.destination)?;
        }
        if whole && errors.is_empty() && trust == Trust::Valid {
            return Ok(Exit::Done);
        }
        let sum =
            |ranges: &[Range<u64>]| size(ranges.iter().map(|range| range.end - range.start).sum());
        let path = &self.bundle.manifest;
        let what = match (whole, errors.is_empty()) {
            (true, true) => {
                format!("the image of `{path}` is whole; its signature is {}", trust.word())
            }
            (true, false) => {
                format!("the image of `{path}` is whole, though the bundle is damaged")
            }
            _ => format!(
                "the bundle `{path}` is damaged: {} of the image are lost and {} suspect",
                sum(&found.lost),
                sum(&found.suspect)
            ),
        };
        Err(Trouble::mismatch(what).into())
    }
}

/// `lost     1048576-2097151 (1.0 MiB)`: the first byte and the last.
fn describe(what: &str, range: &Range<u64>) -> String {
    format!("{what:<8} {}-{} ({})", range.start, range.end - 1, size(range.end - range.start))
}

/// `[[1048576, 2097152]]`: the first byte, and the first behind the last.
fn as_pairs(ranges: &[Range<u64>]) -> Vec<[u64; 2]> {
    ranges.iter().map(|range| [range.start, range.end]).collect()
}
