//! `ec2-download-bundle`: a bundle comes from S3.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use baler_bundle::{PartSource, manifest_filename};
use baler_store::{Acl, Directory, Put, Store, sha1_of};
use bytes::Bytes;

use super::check;
use super::fail::Usage;
use super::options::{Options, Spec, value};
use super::s3::{self, Region};
use super::session::{Session, require};
use super::{COMMON, Command, Tools};
use crate::bundle::Bundle;
use crate::exit::Trouble;
use crate::interrupt;
use crate::place::Place;

pub(super) static COMMAND: Command = Command {
    name: "ec2-download-bundle",
    tools: Tools::Ami,
    aliases: &[],
    about: "Download a bundle from S3",
    usage: "-b BUCKET[/PREFIX] -k PATH [OPTIONS]",
    new: "baler copy s3://BUCKET/PREFIX/NAME.manifest.xml DIR",
    options: &[OWN, s3::CREDENTIALS, s3::PLACE, COMMON],
    notes: "Each part is checked as it comes, and the manifest is written last.",
    run,
};

const OWN: &[Spec] = &[
    s3::BUCKET,
    value(
        Some('k'),
        "privatekey",
        "PATH",
        check::file,
        "Your private key, which is not used: the manifests that it opened are older than all others",
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
        "Where the bundle goes [default: here]",
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
    let aws = s3::connect(session, &options, &Region::of(&options)?)?;
    let directory = options.os("directory").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let there = place.join(&filename);
    let manifest = directory.join(&filename);
    session.line(&format!(
        "Downloading manifest {} from {} to {} ...",
        there.key,
        there.bucket,
        manifest.display()
    ))?;
    let bundle = Bundle::read_with(&Place::S3(there.clone()), || Ok(aws.clone()))?;
    let store: Arc<dyn Store> = Arc::new(Directory::new(directory.clone()));
    let put = |data: &Bytes| Put { sha1: sha1_of(data), acl: Acl::Unsaid, overwrite: true };
    let source = bundle.parts();
    for (index, part) in bundle.manifest.contents().parts.iter().enumerate() {
        interrupt::check()?;
        let name = &part.filename;
        let (key, path) = (place.join(name).key, directory.join(name));
        session.line(&format!("Downloading part {key} to {} ...", path.display()))?;
        let data = source.get(name).with_context(|| format!("reading part {index} (`{name}`)"))?;
        let data = Bytes::from(data);
        if sha1_of(&data) != *part.digest.bytes() {
            let what = format!("part {index} (`{name}`) is not what the manifest says");
            return Err(Trouble::mismatch(what).into());
        }
        let (name, put) = (name.clone(), put(&data));
        aws.run(async { Ok(store.put(&name, data, &put).await?) })?;
        session.line(&format!("Downloaded {name} from {}", there.bucket))?;
    }
    let data = Bytes::copy_from_slice(bundle.manifest.text().as_bytes());
    let put = put(&data);
    aws.run(async { Ok(store.put(&filename, data, &put).await?) })
}
