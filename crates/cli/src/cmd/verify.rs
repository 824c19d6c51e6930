//! `baler verify`: whether a bundle is what its manifest says, and who signed it.

use baler::text::{chain, plain};
use baler::{Bundle, Trust, Verified, VerifyJob};
use serde_json::json;

#[cfg(feature = "aws")]
use crate::args::aws::AwsArgs;
use crate::args::keys::KeyArgs;
use crate::args::values::{BundleArg, Jobs};
use crate::codes::Exit;
use crate::face::Face;
use crate::report;

/// Check a bundle: its signature, its parts and, with your key, the image in them; write nothing
///
/// Prints each part that is wrong or missing.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    bundle: BundleArg,

    #[command(flatten)]
    keys: KeyArgs,

    /// Use no private key, even if a variable names one: check the parts, and the signature if --cert is given
    #[arg(long)]
    no_key: bool,

    #[command(flatten)]
    jobs: Jobs,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    aws: AwsArgs,
}

impl Args {
    pub(crate) fn run(self, face: &Face) -> anyhow::Result<Exit> {
        #[cfg(feature = "aws")]
        let run = face.run_on(&self.aws);
        #[cfg(not(feature = "aws"))]
        let run = face.run();
        let bundle = Bundle::read(&self.bundle.manifest, &run)?;
        let mut job = VerifyJob::new(self.keys.keys(face));
        job.without_key = self.no_key;
        job.jobs = self.jobs.count();
        let verified = job.run(&bundle, &run)?;
        report::result(&if self.json {
            format!("{}\n", as_json(&bundle, &verified))
        } else {
            as_text(&bundle, &verified)
        })?;
        verified.check(&bundle)?;
        Ok(Exit::Done)
    }
}

/// What there is to say of the image: a word, and what is wrong with it.
fn image(verified: &Verified) -> (&'static str, Option<String>) {
    match &verified.found.image {
        None => ("not checked", None),
        Some(Ok(())) => ("good", None),
        Some(Err(error)) => ("wrong", Some(chain(error))),
    }
}

fn as_json(bundle: &Bundle, verified: &Verified) -> serde_json::Value {
    let (trust, found) = (verified.trust, &verified.found);
    // Without a signature it is not known whose digests the parts were compared with.
    let good = match trust {
        _ if !found.is_good() => Some(false),
        Trust::Unchecked => None,
        trust => Some(!trust.is_bad()),
    };
    let bad: Vec<_> = found.parts.iter().map(|error| chain(error)).collect();
    let (image, image_error) = image(verified);
    json!({
        "manifest": bundle.place().to_string(), "verifies": good, "signature": trust.word(),
        "parts": bundle.contents().parts.len(), "bad_parts": bad, "image": image, "image_error": image_error,
    })
}

fn as_text(bundle: &Bundle, verified: &Verified) -> String {
    let (all, found) = (bundle.contents().parts.len(), &verified.found);
    let mut text = format!("signature  {}\n", verified.trust.word());
    // A part that could not be read is not known to be wrong.
    let wrong = found.parts.iter().filter(|error| error.is_mismatch()).count();
    text += &match (wrong, found.parts.len() - wrong) {
        (0, 0) => format!("parts      all {all} good\n"),
        (0, unread) => format!("parts      {unread} of {all} not read\n"),
        (wrong, 0) => format!("parts      {wrong} of {all} wrong\n"),
        (wrong, unread) => format!("parts      {wrong} of {all} wrong, {unread} not read\n"),
    };
    for error in &found.parts {
        text += &format!("           {}\n", plain(&chain(error)));
    }
    let (image, image_error) = image(verified);
    text += &format!("image      {image}\n");
    if let Some(error) = image_error {
        text += &format!("           {}\n", plain(&error));
    }
    text
}
