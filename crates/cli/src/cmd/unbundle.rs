//! `baler unbundle`: a bundle becomes an image again.

use std::ops::Range;
use std::path::PathBuf;

use anyhow::anyhow;
use baler_bundle::{Event, Salvage, UnpackOptions, salvage, unpack};
use serde_json::json;

use crate::args::{self, BundleArg};
use crate::aws::AwsArgs;
use crate::bundle::{Bundle, Trust, required_key};
use crate::exit::{Exit, Trouble};
use crate::interrupt::Interruptible;
use crate::keys::KeyArgs;
use crate::output;
use crate::report::{self, Console, size};

/// Open a bundle: check it, decrypt it and write the image
///
/// Everything is checked on the way, and a file appears under its name only once all of it was right.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    bundle: BundleArg,

    /// Where the image goes: a file, a block device, or - for standard output
    destination: PathBuf,

    #[command(flatten)]
    keys: KeyArgs,

    /// Open the bundle even if its signature is wrong, missing, or cannot be checked
    #[arg(long)]
    ignore_signature: bool,

    /// Write what a damaged bundle still holds, with zeros for the rest, and say which bytes those are
    ///
    /// Exits with 3 unless nothing at all was wrong.
    #[arg(long)]
    keep_going: bool,

    #[command(flatten)]
    jobs: args::Jobs,

    /// Overwrite an existing file
    #[arg(long, short)]
    force: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    aws: AwsArgs,
}

impl Args {
    pub(crate) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        if self.json && self.destination.as_os_str() == "-" {
            return Err(Trouble::usage("standard output cannot hold both the image and the JSON")
                .hint("name a file for the image, or leave --json away")
                .into());
        }
        let bundle = Bundle::read(&self.bundle.manifest, &self.aws, console)?;
        let user = required_key(&self.keys, console)?;
        let opened = bundle.open(&user, self.keys.certificate()?)?;
        let trust = bundle.trust(&self.keys, Some(&opened))?;
        self.check_trust(&bundle, trust, console)?;

        let contents = bundle.manifest.contents();
        if bundle.has(&self.destination) {
            let path = self.destination.display();
            return Err(Trouble::usage(format!("`{path}` is a file of the bundle itself"))
                .hint("name another file for the image")
                .into());
        }
        let sink = output::open(&self.destination, &contents.name, self.force)?;
        let sink = Box::new(Interruptible(sink));
        let source = Interruptible(bundle.parts());
        let mut options = UnpackOptions::new(&opened.key, &opened.iv);
        options.jobs = self.jobs.count();
        let progress = console.progress(format!("unbundling {}", contents.name), contents.size);
        let on_event = |event| {
            if let Event::Image(bytes) = event {
                progress.add(bytes);
            }
        };
        if self.keep_going {
            let found = salvage(contents, &options, &source, sink, &on_event);
            let found = found.map_err(|error| self.failed(error))?;
            drop(progress);
            return self.tell_salvage(&found, contents.size, trust, console);
        }
        unpack(contents, &options, &source, sink, &on_event).map_err(|error| self.failed(error))?;
        drop(progress);
        self.tell(contents.size, trust, console)
    }

    fn check_trust(&self, bundle: &Bundle, trust: Trust, console: &Console) -> anyhow::Result<()> {
        let path = &self.bundle.manifest;
        let (what, hint) = match trust {
            Trust::Valid => return Ok(()),
            Trust::Unsigned => (format!("the manifest `{path}` is not signed"), ""),
            Trust::Broken => (
                format!(
                    "the signature of `{path}` is wrong: it was changed, or someone else signed it"
                ),
                "",
            ),
            Trust::Unchecked => (bundle.unchecked(), "pass the signer's certificate with --cert; "),
        };
        if self.ignore_signature || self.keep_going {
            console.warn(&what);
            return Ok(());
        }
        let trouble =
            if trust == Trust::Unchecked { Trouble::usage(what) } else { Trouble::mismatch(what) };
        Err(trouble
            .hint(format!("{hint}if you know where it comes from, pass --ignore-signature"))
            .into())
    }

    fn failed(&self, error: baler_bundle::Error) -> anyhow::Error {
        let what =
            format!("unbundling `{}` to `{}`", self.bundle.manifest, self.destination.display());
        let trouble = match (error.is_mismatch(), self.keep_going) {
            (true, false) => Trouble::mismatch(what).hint(
                "`baler verify` names all that is wrong, --keep-going saves what is still there",
            ),
            (true, true) => Trouble::mismatch(what),
            (false, _) => Trouble::failed(what),
        };
        anyhow!(error).context(trouble)
    }

    fn tell(&self, len: u64, trust: Trust, console: &Console) -> anyhow::Result<Exit> {
        let checked = match trust {
            Trust::Valid => "signature, parts and image were checked",
            _ => "parts and image were checked, its signature was ignored",
        };
        console.note(&format!("unbundled {}; {checked}", size(len)));
        let destination = self.destination.to_string_lossy();
        match (destination == "-", self.json) {
            // Standard output holds the image.
            (true, _) => {}
            (false, true) => report::json(&json!({ "image": destination, "size": len }))?,
            (false, false) => report::path(&self.destination)?,
        }
        Ok(Exit::Done)
    }

    /// Says what is missing in an image that was saved from a damaged bundle.
    fn tell_salvage(
        &self,
        found: &Salvage,
        len: u64,
        trust: Trust,
        console: &Console,
    ) -> anyhow::Result<Exit> {
        let whole = found.is_whole();
        let wrong_image = found.image.iter().filter_map(|image| image.as_ref().err());
        let errors: Vec<_> =
            found.parts.iter().chain(&found.stream).chain(wrong_image).map(report::chain).collect();
        let ranges = [("lost", &found.lost), ("suspect", &found.suspect)];
        let lines = errors.iter().map(|error| format!("error    {}", report::plain(error)));
        let lines = lines.chain(
            ranges
                .iter()
                .flat_map(|(what, ranges)| ranges.iter().map(move |range| describe(what, range))),
        );
        let destination = self.destination.to_string_lossy();
        if destination == "-" {
            // Standard output holds the image.
            lines.for_each(|line| console.warn(&line));
        } else if self.json {
            report::json(&json!({
                "image": destination, "size": len, "whole": whole, "signature": trust.word(),
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
