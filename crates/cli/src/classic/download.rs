//! `ec2-download-bundle`: a bundle comes from S3.

use std::path::{Path, PathBuf};

use anyhow::Context;
use baler::{Bundle, Place};
use baler_bundle::{
    DirectorySink, DirectorySource, PartSink, PartSource, manifest_filename, part_of,
};
use baler_manifest::Part;
use baler_store::sha1_of;

use super::check;
use super::command::{COMMON, Command, Tools};
use super::fail::Usage;
use super::options::{Options, Spec, value};
use super::s3::{self, BucketRegion};
use super::session::{Session, require};
use crate::exit::Trouble;

pub(super) static COMMAND: Command = Command {
    name: "ec2-download-bundle",
    tools: Tools::Ami,
    aliases: &[],
    about: "Download a bundle from S3",
    usage: "-b BUCKET[/PREFIX] -k PATH [OPTIONS]",
    new: "baler copy s3://BUCKET/PREFIX/NAME.manifest.xml DIR",
    options: &[OWN, s3::CREDENTIALS, s3::PLACE, COMMON],
    notes: "Each part is checked when it arrives. The manifest is written last.",
    run,
};

const OWN: &[Spec] = &[
    s3::BUCKET,
    value(
        Some('k'),
        "privatekey",
        "PATH",
        check::file,
        "Your private key: required, but not used",
        "",
    ),
    value(
        Some('m'),
        "manifest",
        "FILE",
        check::name,
        "The manifest's name [default: PREFIX.manifest.xml]",
        "the first argument",
    ),
    value(
        Some('p'),
        "prefix",
        "PREFIX",
        check::name,
        "The bundle's name [default: image]",
        "the first argument",
    ),
    value(
        Some('d'),
        "directory",
        "DIR",
        check::directory,
        "The directory for the bundle [default: the current one]",
        "the second argument",
    ),
];

fn run(session: &Session, options: Options) -> anyhow::Result<()> {
    require(&options, &["bucket", "privatekey"])?;
    let filename = match (options.text("manifest"), options.text("prefix")) {
        (Some(_), Some(_)) => {
            return Err(Usage("--manifest and --prefix exclude each other".to_owned()).into());
        }
        (Some(manifest), None) => manifest,
        (None, prefix) => manifest_filename(&prefix.unwrap_or_else(|| "image".to_owned())),
    };
    let place = s3::place(&options, "bucket")?;
    let run = s3::connect(session, &options, &BucketRegion::of(session, &options)?)?;
    let directory = options.os("directory").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let there = place.join(&filename);
    let manifest = directory.join(&filename);
    session.line(&format!(
        "Downloading manifest {} from {} to {} ...",
        there.key,
        there.bucket,
        manifest.display()
    ))?;
    let bundle = Bundle::read(&Place::S3(there.clone()), &run)?;
    let name = filename.strip_suffix(".manifest.xml").unwrap_or(&filename);
    check_names(&bundle, name, &directory)?;
    let sink = DirectorySink::create(&directory, name, true).context("writing the bundle")?;
    let mut sink = sink.with_manifest(&filename);
    let parts = bundle.checked_parts(&run)?;
    for (index, part) in bundle.contents().parts.iter().enumerate() {
        let filename = &part.filename;
        let (key, path) = (place.join(filename).key, directory.join(filename));
        session.line(&format!("Downloading part {key} to {} ...", path.display()))?;
        let part = parts.get(index)?;
        sink.put(part).with_context(|| format!("writing `{}`", path.display()))?;
        session.line(&format!("Downloaded {filename} from {}", there.bucket))?;
    }
    sink.commit(bundle.manifest().text()).context("writing the bundle")?;
    Ok(())
}

/// Refuses parts that are called like something else that is there, and not the same: a manifest may name anything. What
/// is called like the parts of the bundle `name` makes way.
fn check_names(bundle: &Bundle, name: &str, directory: &Path) -> anyhow::Result<()> {
    let contents = bundle.contents();
    let there = DirectorySource::new(directory);
    let is_same = |part: &Part| {
        there.get(&part.filename).is_ok_and(|data| sha1_of(&data) == *part.digest.bytes())
    };
    let foreign = contents.parts.iter().find(|part| {
        part_of(&part.filename) != Some(name)
            && directory.join(&part.filename).symlink_metadata().is_ok()
            && !is_same(part)
    });
    match foreign {
        None => Ok(()),
        Some(part) => {
            let path = directory.join(&part.filename);
            let what = format!("`{}` exists, and is not a part of this bundle", path.display());
            Err(Trouble::failed(what).hint("name another directory with -d").into())
        }
    }
}
