//! `ec2-migrate-bundle`: a bundle is copied to another region, and made fit for it.

use anyhow::Context;
use baler::{Bundle, InS3, Place, Transfer};
use bytes::Bytes;

use super::check;
use super::command::{COMMON, Command, Tools};
use super::fail::Usage;
use super::migrate_manifest::{KERNELS, KEYS, rewritten};
use super::options::{Options, Spec, Takes, anything, flag, value};
use super::s3::{self, BucketRegion};
use super::session::{Session, given, require};

pub(super) static COMMAND: Command = Command {
    name: "ec2-migrate-bundle",
    tools: Tools::Ami,
    aliases: &[],
    about: "Copy a bundle to a bucket in another region, and change its manifest for that region",
    usage: "-c PATH -k PATH -m NAME -b BUCKET[/PREFIX] -d BUCKET[/PREFIX] [OPTIONS]",
    new: "baler copy s3://… s3://… --kernel ID",
    options: &[KEYS, THERE, KERNELS, s3::CREDENTIALS, s3::PLACE, COMMON],
    notes: "The parts are copied within S3. No AMI is registered.",
    run,
};

const THERE: &[Spec] = &[
    s3::BUCKET,
    value(
        Some('m'),
        "manifest",
        "NAME",
        manifest_name,
        "The manifest's name",
        "the first argument",
    ),
    value(
        Some('d'),
        "destination-bucket",
        "BUCKET[/PREFIX]",
        anything,
        "The destination bucket, and the prefix in it",
        "the second argument",
    ),
    Spec {
        takes: Takes::Word("ACL", check::ACLS),
        ..flag("acl", "Who may read the objects [default: aws-exec-read]", "--acl")
    },
    value(
        None,
        "location",
        "REGION",
        check::region,
        "The region of the destination bucket",
        "--region",
    ),
];

fn manifest_name(value: &std::ffi::OsStr) -> Result<(), String> {
    check::name(value)?;
    if value.to_string_lossy().ends_with(".manifest.xml") {
        Ok(())
    } else {
        Err("it does not end in .manifest.xml".to_owned())
    }
}

fn run(session: &Session, options: Options) -> anyhow::Result<()> {
    require(&options, &["cert", "privatekey", "manifest", "bucket", "destination-bucket"])?;
    let from = s3::place(&options, "bucket")?;
    let to = s3::place(&options, "destination-bucket")?;
    let filename = options.text("manifest").unwrap_or_default();
    if from == to {
        return Err(Usage("--bucket and --destination-bucket are the same place".to_owned()).into());
    }
    let region = BucketRegion::of(session, &options)?;
    let acl = s3::acl(&options)?;
    let run = s3::connect(session, &options, &region)?;
    let there = from.join(&filename);
    let bundle = Bundle::read(&Place::S3(there.clone()), &run)?;
    s3::check_name(session, &to)?;
    // Whether the manifest can be written is known before a bucket is made.
    let found = run.wait(async { InS3::find(&to, &run.aws().await?).await })?;
    let name = found.map_or_else(|| region.for_new().to_owned(), |found| found.region().to_owned());
    let text = rewritten(session, &options, &bundle, Some(&name))?;
    if given(&options, "region").is_none() {
        session.line(&format!("Region not provided, guessing from S3 location: {name}"))?;
    }
    let found = s3::open(session, &run, &to, &region)?;
    session.line(&format!("Downloading manifest {} from {} ...", there.key, there.bucket))?;
    let parts = &bundle.contents().parts;
    parts.iter().try_for_each(|part| session.line(&format!("Copying '{}'...", part.filename)))?;
    let transfer = Transfer {
        bundle: &bundle,
        store: found.store(),
        acl,
        overwrite: true,
        first: 0,
        manifest: Some(Bytes::from(text)),
        may_copy_within: true,
    };
    // Parts are overwritten: who may not look could damage a good bundle without knowing.
    let looked = run.wait(async { Ok(found.store().head(&filename).await?) });
    looked.with_context(|| format!("looking for `{}`", to.join(&filename)))?;
    let old = run.wait(transfer.old())?;
    transfer.run(old, transfer.progress(&run), &run)?;
    session.line("")?;
    session.line("Your new bundle is in S3 at the following location:")?;
    session.line(&to.join(&filename).path())?;
    session.line("ec2-register makes an AMI of it.")
}
