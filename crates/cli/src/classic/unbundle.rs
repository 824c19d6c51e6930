//! `ec2-unbundle`: a bundle becomes an image again.

use std::path::PathBuf;

use baler::UnbundleJob;

use super::command::{COMMON, Command, Tools};
use super::options::{Options, Spec, value};
use super::session::{Session, require};
use super::{check, local};
use crate::exit::Trouble;

pub(super) static COMMAND: Command = Command {
    name: "ec2-unbundle",
    tools: Tools::Ami,
    aliases: &[],
    about: "Open a bundle: check it, decrypt it and write the image",
    usage: "-k PATH -m PATH [OPTIONS]",
    new: "baler unbundle BUNDLE FILE",
    options: &[OWN, COMMON],
    notes: "All parts are checked. The image gets its name only if nothing was wrong. If the manifest was changed after it was \
            signed, a warning is printed.",
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
        "The directory of the parts [default: the current one]",
        "beside the manifest",
    ),
    value(
        Some('d'),
        "destination",
        "DIR",
        check::directory,
        "The directory for the image [default: the current one]",
        "the second argument",
    ),
];

fn run(session: &Session, options: Options) -> anyhow::Result<()> {
    require(&options, &["privatekey", "manifest"])?;
    let run = session.run();
    let bundle = local::bundle(&options, "source", &run)?;
    let directory = options.os("destination").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let image = directory.join(&bundle.contents().name);
    if bundle.has(&image) {
        let what = format!("`{}` is a file of the bundle itself", image.display());
        return Err(Trouble::failed(what).hint("name another directory with -d").into());
    }
    // The manifest chose the name, and its signature does not count here: `-d /dev` must not reach a disk.
    if image.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        let what = format!("`{}` exists, and is not a regular file", image.display());
        return Err(Trouble::failed(what).hint("name another directory with -d").into());
    }
    let mut job = UnbundleJob::new(image, session.keys(&options));
    // A manifest that was changed after it was signed draws a warning, as it always did.
    job.ignore_signature = true;
    job.overwrite = true;
    job.run(&bundle, &run)?;
    session.line("Unbundle complete.")
}
