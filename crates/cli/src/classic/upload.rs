//! `ec2-upload-bundle`: a bundle goes to S3.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use baler::text::plain;
use baler::{Bundle, Run, Transfer, instance};
use baler_store::Location;
use bytes::Bytes;

use super::bundle::DEFAULT_REGION;
use super::command::{COMMON, Command, Tools};
use super::options::{Options, Spec, Takes, flag, value};
use super::s3::{self, BucketRegion};
use super::session::{Session, given, require};
use super::{check, local};
use crate::report::{self, say};

pub(super) static COMMAND: Command = Command {
    name: "ec2-upload-bundle",
    tools: Tools::Ami,
    aliases: &[],
    about: "Upload a bundle to S3: its parts, and then its manifest",
    usage: "-b BUCKET[/PREFIX] -m PATH [OPTIONS]",
    new: "baler copy MANIFEST s3://BUCKET/PREFIX",
    options: &[OWN, s3::CREDENTIALS, s3::PLACE, COMMON],
    notes: "Parts that are in S3 already are not sent again: after an interruption, run the same command again to continue. \
            A part that is not what the manifest says is not uploaded.",
    run,
};

const OWN: &[Spec] = &[
    s3::BUCKET,
    value(Some('m'), "manifest", "PATH", check::file, "The manifest", "the first argument"),
    Spec {
        takes: Takes::Word("ACL", check::ACLS),
        ..flag("acl", "Who may read the objects [default: aws-exec-read]", "--acl")
    },
    value(
        Some('d'),
        "directory",
        "DIR",
        check::directory,
        "The directory of the parts [default: that of the manifest]",
        "beside the manifest",
    ),
    value(None, "part", "N", check::part, "Start with this part", ""),
    flag("skipmanifest", "Do not upload the manifest", ""),
    value(None, "location", "REGION", check::region, "The region", "--region"),
];

fn run(session: &Session, options: Options) -> anyhow::Result<()> {
    require(&options, &["bucket", "manifest"])?;
    let place = s3::place(&options, "bucket")?;
    let bundle = local::bundle(&options, "directory", &session.run())?;
    let region = BucketRegion::of(session, &options)?;
    let is_derived = given(&options, "location").is_none() && given(&options, "region").is_some();
    if let Some(region) =
        region.wanted.as_ref().filter(|region| is_derived && **region != DEFAULT_REGION)
    {
        say(&format!("No location specified, setting location to conform with region: {region}"));
    }
    s3::check_name(session, &place)?;
    let acl = s3::acl(&options)?;
    let run = s3::connect(session, &options, &region)?;
    let found = s3::open(session, &run, &place, &region)?;
    check_kernel(session, &bundle, found.region(), &run)?;
    let skips_manifest = options.has("skipmanifest");
    let text = || Bytes::copy_from_slice(bundle.manifest().text().as_bytes());
    let transfer = Transfer {
        bundle: &bundle,
        store: found.store(),
        acl,
        overwrite: true,
        first: options.os("part").and_then(check::c_number).unwrap_or(0),
        manifest: (!skips_manifest).then(text),
        may_copy_within: false,
    };
    send(session, &transfer, &place, &run)
}

/// Sends the bundle and says so, line for line as the old tool did.
fn send(
    session: &Session,
    transfer: &Transfer<'_>,
    place: &Location,
    run: &Run,
) -> anyhow::Result<()> {
    let bundle = transfer.bundle;
    let doing = || format!("uploading `{}` to `{place}`", bundle.place());
    let bucket = &place.bucket;
    session.line(&format!("Uploading bundled image parts to the S3 bucket {bucket} ..."))?;
    let names = bundle.contents().parts.iter().map(|part| part.filename.clone());
    let old = run.wait(transfer.old()).with_context(doing)?;
    let lines = Arc::new(Lines::new(names.collect(), transfer.first));
    let printing = lines.clone();
    let parts = Transfer { manifest: None, ..transfer.clone() };
    parts.run(old, Arc::new(move |name: &str, _| printing.done(name)), run).with_context(doing)?;
    if transfer.manifest.is_some() {
        session.line("Uploading manifest ...")?;
        run.wait(transfer.put_manifest()).with_context(doing)?;
        session.line("Uploaded manifest.")?;
        let manifest = place.join(bundle.filename()?).path();
        session.line(&format!("Manifest uploaded to: {manifest}"))?;
    } else {
        session.line("Skipping manifest.")?;
    }
    session.line("Bundle upload completed.")
}

/// A kernel is in one region only.
fn check_kernel(session: &Session, bundle: &Bundle, bucket: &str, run: &Run) -> anyhow::Result<()> {
    if bundle.contents().kernel_id.is_none() {
        return Ok(());
    }
    let here = run.wait(async {
        let Some(metadata) = instance::metadata(run).await? else { return Ok(None) };
        Ok(metadata.identity().await?.map(|identity| identity.region.to_string()))
    });
    match here {
        // Where there is nobody to ask there is nothing to say.
        Ok(Some(here)) if here != bucket => session.warn(&format!(
            "You are bundling in one region ({here}), and uploading to another ({bucket}): the kernel of the manifest may not be there. \
             ec2-migrate-manifest changes it."
        )),
        _ => Ok(()),
    }
}

/// Lines in the order of the parts, whatever the order in which they arrive.
struct Lines {
    order: Vec<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    said: usize,
    done: BTreeSet<String>,
    skipped: BTreeSet<String>,
}

impl Lines {
    /// The first so many are skipped.
    fn new(order: Vec<String>, first: usize) -> Lines {
        let lines = Lines { order, state: Mutex::default() };
        lines.order.iter().take(first).for_each(|name| lines.skip(name));
        lines
    }

    fn done(&self, name: &str) {
        self.note(|state| state.done.insert(name.to_owned()));
    }

    fn skip(&self, name: &str) {
        self.note(|state| state.skipped.insert(name.to_owned()));
    }

    fn note(&self, change: impl FnOnce(&mut State) -> bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        while let Some(name) = self.order.get(state.said) {
            let what = match (state.done.contains(name), state.skipped.contains(name)) {
                (true, _) => "Uploaded",
                (_, true) => "Skipping",
                _ => break,
            };
            // Where nobody reads any more, the upload continues.
            let _ = report::result(&format!("{what} {}\n", plain(name)));
            state.said += 1;
        }
    }
}
