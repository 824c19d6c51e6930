//! `ec2-unbundle`: a bundle becomes an image again.

use std::path::{Path, PathBuf};

use anyhow::Context;
use baler_bundle::{Event, UnpackOptions, unpack};
use baler_image::FileSink;

use super::check;
use super::options::{Options, Spec, value};
use super::session::{Session, require, required};
use super::{COMMON, Command, Tools};
use crate::bundle::{Bundle, Trust};
use crate::exit::Trouble;
use crate::interrupt::Interruptible;
use crate::keys::KeyArgs;
use crate::place::Place;

pub(super) static COMMAND: Command = Command {
    name: "ec2-unbundle",
    tools: Tools::Ami,
    aliases: &[],
    about: "Open a bundle: check it, decrypt it and write the image",
    usage: "-k PATH -m PATH [OPTIONS]",
    new: "baler unbundle BUNDLE FILE",
    options: &[OWN, COMMON],
    notes: "All parts are checked, and the image appears under its name only if all of it was right. A manifest that was \
            changed after it was signed draws a warning.",
    run,
};

const OWN: &[Spec] = &[
    value(
        Some('k'),
        "privatekey",
        "PATH",
        check::file,
        "The private key that the bundle was made for",
        "--key",
    ),
    value(Some('m'), "manifest", "PATH", check::file, "The manifest", "the first argument"),
    value(
        Some('s'),
        "source",
        "DIR",
        check::directory,
        "Where the parts are [default: here]",
        "beside the manifest",
    ),
    value(
        Some('d'),
        "destination",
        "DIR",
        check::directory,
        "Where the image goes [default: here]",
        "the second argument",
    ),
];

fn run(session: &Session, options: Options) -> anyhow::Result<()> {
    require(&options, &["privatekey", "manifest"])?;
    let bundle = local_bundle(&options, "source")?;
    let keys = key_args(&options);
    let user = crate::bundle::required_key(&keys, &session.console)?;
    let opened = bundle.open(&user, None)?;
    if bundle.trust(&keys, Some(&opened))? != Trust::Valid {
        let place = &bundle.place;
        session.console.warn(&format!("the signature of `{place}` is missing or wrong, or another key's: is it the one that was signed?"));
    }
    let contents = bundle.manifest.contents();
    let directory = options.os("destination").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let image = directory.join(&contents.name);
    if bundle.has(&image) {
        let what = format!("`{}` is a file of the bundle itself", image.display());
        return Err(Trouble::failed(what).hint("name another directory with -d").into());
    }
    let sink = FileSink::create(&image, true).context("creating the image")?;
    let sink = Box::new(Interruptible(Box::new(sink) as Box<dyn baler_image::ImageSink>));
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut unpacking = UnpackOptions::new(&opened.key, &opened.iv);
    unpacking.jobs = jobs;
    let progress = session.console.progress(format!("unbundling {}", contents.name), contents.size);
    let on_event = |event| {
        if let Event::Image(bytes) = event {
            progress.add(bytes);
        }
    };
    let unpacked = unpack(contents, &unpacking, &Interruptible(bundle.parts()), sink, &on_event);
    drop(progress);
    unpacked.with_context(|| format!("unbundling `{}`", bundle.place))?;
    session.line("Unbundle complete.")
}

/// The bundle of a manifest that lies here, with its parts in another directory if one was typed.
pub(super) fn local_bundle(options: &Options, directory: &str) -> anyhow::Result<Bundle> {
    let manifest = PathBuf::from(required(options, "manifest")?);
    let no_way = || Err(Trouble::failed("the manifest is not in S3").into());
    let bundle = Bundle::read_with(&Place::Path(manifest), no_way)?;
    Ok(match (options.os(directory), directory) {
        (Some(directory), _) => bundle.with_parts_in(Path::new(directory)),
        // Of old, here and not beside the manifest.
        (None, "source") => bundle.with_parts_in(Path::new(".")),
        (None, _) => bundle,
    })
}

/// The user's key, and the certificate if there is an option for it.
pub(super) fn key_args(options: &Options) -> KeyArgs {
    let path = |long| options.os(long).map(PathBuf::from);
    KeyArgs { key: path("privatekey"), cert: path("cert"), passphrase_file: None }
}
