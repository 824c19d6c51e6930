//! `baler verify`: whether a bundle is what its manifest says, and who signed it.

use baler_bundle::{Event, UnpackOptions, Verification, verify};
use serde_json::json;

use crate::args::{self, BundleArg};
use crate::aws::AwsArgs;
use crate::bundle::{Bundle, Opened, Trust};
use crate::exit::{Exit, Trouble};
use crate::interrupt::{self, Interruptible};
use crate::keys::KeyArgs;
use crate::report::{self, Console};

/// Check a bundle's signature, its parts, and with your key the image in them, and write nothing
///
/// Each part that is wrong or missing is named.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    bundle: BundleArg,

    #[command(flatten)]
    keys: KeyArgs,

    /// Use no private key, whatever the variables say: check the parts, and the signature if there is a --cert
    #[arg(long)]
    no_key: bool,

    #[command(flatten)]
    jobs: args::Jobs,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    aws: AwsArgs,
}

impl Args {
    pub(crate) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let bundle = Bundle::read(&self.bundle.manifest, &self.aws, console)?;
        let opened = self.open(&bundle, console)?;
        let trust = bundle.trust(&self.keys, opened.as_ref())?;
        if opened.is_some() && trust == Trust::Unchecked {
            // Whoever has EC2's certificate can make a bundle that opens with its key.
            return Err(Trouble::usage(bundle.unchecked())
                .hint("pass the signer's certificate with --cert, or --no-key to check the parts alone")
                .into());
        }
        let contents = bundle.manifest.contents();
        let jobs = self.jobs.count();
        let options = opened.as_ref().map(|Opened { key, iv, .. }| {
            let mut options = UnpackOptions::new(key, iv);
            options.jobs = jobs;
            options
        });
        let source = Interruptible(bundle.parts());
        let progress =
            console.progress(format!("verifying {}", contents.name), contents.bundled_size);
        let on_event = |event| {
            if let Event::Part(bytes) = event {
                progress.add(bytes);
            }
        };
        let found = verify(contents, options.as_ref(), jobs, &source, &on_event);
        drop(progress);
        interrupt::check()?;
        self.tell(&bundle, trust, &found)?;
        if found.is_good() && !trust.is_bad() {
            return Ok(Exit::Done);
        }
        let path = &bundle.place;
        let is_partly = !found.parts.is_empty();
        let mut errors: Vec<_> =
            found.parts.into_iter().chain(found.image.and_then(Result::err)).collect();
        // A disk that cannot be read, or a service that refuses, is no proof against the bundle.
        if !trust.is_bad() && errors.iter().all(|error| !error.is_mismatch()) {
            let what = Trouble::failed(format!("`{path}` cannot be verified"));
            return Err(anyhow::Error::new(errors.swap_remove(0)).context(what));
        }
        let trouble = Trouble::mismatch(format!("`{path}` does not verify"));
        Err(match is_partly {
            false => trouble,
            true => trouble.hint(
                "copy the parts that are wrong again; `baler unbundle --keep-going` saves what is still there",
            ),
        }
        .into())
    }

    /// Opens the bundle if there is something to open it with; a certificate alone says that it shall not be opened.
    fn open(&self, bundle: &Bundle, console: &Console) -> anyhow::Result<Option<Opened>> {
        if self.no_key || !self.keys.names_key() && self.keys.certificate_path().is_some() {
            return Ok(None);
        }
        let Some(user) = self.keys.private_key(console)? else {
            return Err(Trouble::usage("there is no key to look into the bundle with, and no certificate to check its signature")
                .hint("pass --key or --cert, or --no-key to check the parts alone")
                .into());
        };
        bundle.open(&user, self.keys.certificate()?).map(Some)
    }

    fn tell(&self, bundle: &Bundle, trust: Trust, found: &Verification) -> anyhow::Result<()> {
        let all = bundle.manifest.contents().parts.len();
        let bad: Vec<_> = found.parts.iter().map(report::chain).collect();
        let image = match &found.image {
            None => ("not checked", None),
            Some(Ok(())) => ("good", None),
            Some(Err(error)) => ("wrong", Some(report::chain(error))),
        };
        if self.json {
            // Without a signature nobody knows whose digests the parts were compared with.
            let good = match trust {
                _ if !found.is_good() => Some(false),
                Trust::Unchecked => None,
                trust => Some(!trust.is_bad()),
            };
            return report::json(&json!({
                "manifest": bundle.place.to_string(), "verifies": good, "signature": trust.word(),
                "parts": all, "bad_parts": bad, "image": image.0, "image_error": image.1,
            }));
        }
        let mut text = format!("signature  {}\n", trust.word());
        // What could not be read is not known to be wrong.
        let wrong = found.parts.iter().filter(|error| error.is_mismatch()).count();
        match (wrong, bad.len() - wrong) {
            (0, 0) => text += &format!("parts      all {all} good\n"),
            (0, unread) => text += &format!("parts      {unread} of {all} not read\n"),
            (wrong, 0) => text += &format!("parts      {wrong} of {all} wrong\n"),
            (wrong, unread) => {
                text += &format!("parts      {wrong} of {all} wrong, {unread} not read\n")
            }
        }
        for line in &bad {
            text += &format!("           {}\n", report::plain(line));
        }
        text += &format!("image      {}\n", image.0);
        if let Some(error) = image.1 {
            text += &format!("           {}\n", report::plain(&error));
        }
        report::result(&text)
    }
}
