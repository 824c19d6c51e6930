//! `baler unbundle`: a bundle becomes an image again.

use std::path::PathBuf;

use anyhow::anyhow;
use baler_bundle::{DirectorySource, Event, UnpackOptions, unpack};
use serde_json::json;

use crate::args::{self, BundleArg};
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

    /// How many threads decompress
    #[arg(long, short, default_value_t = args::default_jobs(), value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,

    /// Overwrite an existing file
    #[arg(long, short)]
    force: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let bundle = Bundle::read(&self.bundle.manifest)?;
        let user = required_key(&self.keys, console)?;
        let opened = bundle.open(&user)?;
        self.check_trust(bundle.trust(&self.keys, Some(&opened))?, console)?;

        let contents = bundle.manifest.contents();
        let sink = output::open(&self.destination, &contents.name, self.force)?;
        let sink = Box::new(Interruptible(sink));
        let source = Interruptible(DirectorySource::new(bundle.directory()));
        let options =
            UnpackOptions { key: &opened.key, iv: &opened.iv, jobs: usize::from(self.jobs) };
        let progress = console.progress(format!("unbundling {}", contents.name), contents.size);
        let on_event = |event| {
            if let Event::Image(bytes) = event {
                progress.add(bytes);
            }
        };
        unpack(contents, &options, &source, sink, &on_event).map_err(|error| self.failed(error))?;
        drop(progress);
        self.tell(contents.size, console)
    }

    fn check_trust(&self, trust: Trust, console: &Console) -> anyhow::Result<()> {
        let path = self.bundle.manifest.display();
        let (what, hint) = match trust {
            Trust::Valid => return Ok(()),
            Trust::Unsigned => (format!("the manifest `{path}` is not signed"), ""),
            Trust::Broken => (
                format!(
                    "the signature of `{path}` is wrong: it was changed, or someone else signed it"
                ),
                "",
            ),
            Trust::Unchecked => (
                format!(
                    "the signature of `{path}` cannot be checked: its key is EC2's, not the signer's"
                ),
                "pass the signer's certificate with --cert; ",
            ),
        };
        if self.ignore_signature {
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
        let what = format!(
            "unbundling `{}` to `{}`",
            self.bundle.manifest.display(),
            self.destination.display()
        );
        let trouble =
            if error.is_mismatch() { Trouble::mismatch(what) } else { Trouble::failed(what) };
        anyhow!(error).context(trouble)
    }

    fn tell(&self, len: u64, console: &Console) -> anyhow::Result<Exit> {
        console.note(&format!("unbundled {}; signature, parts and image were checked", size(len)));
        let destination = self.destination.to_string_lossy();
        match (destination == "-", self.json) {
            // Standard output holds the image.
            (true, _) => {}
            (false, true) => report::json(&json!({ "image": destination, "size": len }))?,
            (false, false) => report::result(&format!("{}\n", self.destination.display()))?,
        }
        Ok(Exit::Done)
    }
}
