//! `ec2-bundle-image`: an image becomes a bundle.

use std::path::{Path, PathBuf};

use super::bundle;
use super::check;
use super::command::{COMMON, Command, Tools};
use super::fail::Usage;
use super::options::{Options, Spec, value};
use super::session::{Session, require, required};

pub(super) static COMMAND: Command = Command {
    name: "ec2-bundle-image",
    tools: Tools::Ami,
    aliases: &[],
    about: "Bundle a disk image: compress, encrypt and split it, and sign the manifest",
    usage: "-c PATH -k PATH -u ACCOUNT -i PATH [OPTIONS]",
    new: "baler bundle IMAGE DIR",
    options: &[OWN, bundle::OPTIONS, COMMON],
    notes: "Only the parts and the manifest are written. A compressed image is bundled as it is, without decompression.",
    run,
};

const OWN: &[Spec] = &[
    value(Some('i'), "image", "PATH", check::image, "The image", "the first argument"),
    value(
        Some('p'),
        "prefix",
        "PREFIX",
        check::name,
        "The bundle's name [default: the image's file name]",
        "--name",
    ),
];

fn run(session: &Session, options: Options) -> anyhow::Result<()> {
    require(&options, &["cert", "privatekey", "user", "image"])?;
    let image = PathBuf::from(required(&options, "image")?);
    let name = match options.text("prefix") {
        Some(name) => name,
        None => default_name(&image)?,
    };
    let destination = bundle::destination(&options)?;
    let architecture = bundle::architecture(session, &options)?;
    let known = bundle::provenance(&options, architecture)?;
    let run = session.run();
    let mut job = bundle::job(session, &options, &image, known, &destination, &name)?;
    job.allow_large = options.has("no-size-checks");
    let plan = job.plan(&run)?;
    let input = plan.open(&run)?;
    bundle::make(session, plan, input, &[])
}

fn default_name(image: &Path) -> anyhow::Result<String> {
    let name = image.file_name().and_then(|name| name.to_str());
    let good = name.filter(|name| baler_manifest::check_name(name).is_ok());
    let good = good.ok_or_else(|| {
        Usage(format!(
            "a bundle cannot be named after '{}'; choose a name with --prefix",
            image.display()
        ))
    })?;
    Ok(good.to_owned())
}
