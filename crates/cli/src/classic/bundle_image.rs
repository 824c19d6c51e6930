//! `ec2-bundle-image`: an image becomes a bundle.

use std::path::{Path, PathBuf};

use anyhow::Context;
use baler_image::Image;

use super::bundle;
use super::check;
use super::fail::{Code, Failure, Usage};
use super::options::{Options, Spec, value};
use super::session::{Session, require};
use super::{COMMON, Command, Tools};
use crate::args::volume::VolumeArgs;
use crate::input::{self, Input};

pub(super) static COMMAND: Command = Command {
    name: "ec2-bundle-image",
    tools: Tools::Ami,
    aliases: &[],
    about: "Bundle a disk image: compress, encrypt and split it, and sign the manifest",
    usage: "-c PATH -k PATH -u ACCOUNT -i PATH [OPTIONS]",
    new: "baler bundle IMAGE DIR",
    options: &[OWN, bundle::OPTIONS, COMMON],
    notes: "Nothing but the parts and the manifest is written. The image is bundled as its bytes are, compressed or not.",
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
    let image = PathBuf::from(super::session::required(&options, "image")?);
    let name = match options.text("prefix") {
        Some(name) => name,
        None => default_name(&image)?,
    };
    let destination = bundle::destination(&options)?;
    let architecture = bundle::architecture(session, &options)?;
    let contents = bundle::contents(&options, &name, architecture)?;
    let input = open(session, &image)?;
    let is_large_allowed = options.has("no-size-checks");
    check_size(input.len(), &image, is_large_allowed)?;
    let plan =
        bundle::plan(session, &options, &image, VolumeArgs::default(), contents, &destination)?;
    bundle::make(session, plan, Input::File(input), &[])
}

/// Refuses an image that EC2 would refuse.
fn check_size(len: u64, image: &Path, is_large_allowed: bool) -> anyhow::Result<()> {
    let what = match len {
        0 => "has 0 bytes: there is nothing to bundle",
        len if len > input::MAX_IMAGE && !is_large_allowed => {
            "has more than 10 GiB, which is the most that EC2 takes"
        }
        _ => return Ok(()),
    };
    Err(Failure::new(Code::Other, format!("the image `{}` {what}", image.display())).into())
}

/// The image, as its bytes are.
pub(super) fn open(session: &Session, image: &Path) -> anyhow::Result<baler_image::FileImage> {
    let file = std::fs::File::open(image);
    let file = file.with_context(|| format!("reading the image `{}`", image.display()))?;
    input::open_plain(file, image, None, &session.console)
}

fn default_name(image: &Path) -> anyhow::Result<String> {
    let name = image.file_name().and_then(|name| name.to_str());
    let good = name.filter(|name| baler_manifest::check_name(name).is_ok());
    let good = good.ok_or_else(|| {
        Usage(format!(
            "no bundle can be named after '{}'; choose a name with --prefix",
            image.display()
        ))
    })?;
    Ok(good.to_owned())
}
