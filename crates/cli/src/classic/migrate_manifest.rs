//! `ec2-migrate-manifest`: a manifest is made fit for another region.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use baler::keys::read_certificate;
use baler::{Bundle, Rewrite};
use baler_manifest::{Ec2Key, PublicKey};

use super::command::{COMMON, Command, Tools};
use super::fail::{Code, Failure, Usage};
use super::options::{Options, Spec, anything, flag, value};
use super::session::{Session, given, require, required};
use super::{check, kernels, local};
use crate::args::values::region;

pub(super) static COMMAND: Command = Command {
    name: "ec2-migrate-manifest",
    tools: Tools::Ami,
    aliases: &[],
    about: "Change a manifest so that the bundle can be registered in another region",
    usage: "-c PATH -k PATH -m PATH (--region REGION | --no-mapping) [OPTIONS]",
    new: "baler copy BUNDLE DEST --rewrap --kernel ID",
    options: &[KEYS, HERE, KERNELS, COMMON],
    notes: "The image's key is wrapped again for EC2 in that region, and the manifest is signed again. The old manifest is kept \
            as PATH.bak. Kernels and ramdisks of PV-GRUB are replaced by those of the region; for others, pass \
            --kernel and --ramdisk.",
    run,
};

pub(super) const KEYS: &[Spec] = &[
    value(
        Some('c'),
        "cert",
        "PATH",
        check::file,
        "The certificate that the manifest was signed with",
        "--cert",
    ),
    value(
        Some('k'),
        "privatekey",
        "PATH",
        check::file,
        "The private key that belongs to it",
        "--key",
    ),
    value(
        None,
        "ec2cert",
        "PATH",
        check::file,
        "EC2's certificate in that region [default: built in]",
        "--ec2-cert",
    ),
];

pub(super) const KERNELS: &[Spec] = &[
    value(None, "kernel", "ID", anything, "The kernel in that region", "--kernel"),
    value(None, "ramdisk", "ID", anything, "The ramdisk in that region", "--ramdisk"),
    flag("no-mapping", "Keep kernel and ramdisk, unless others are given", ""),
];

const HERE: &[Spec] = &[
    value(Some('m'), "manifest", "PATH", check::file, "The manifest", "the first argument"),
    value(None, "region", "REGION", check::region, "The region", "--region"),
    value(Some('a'), "access-key", "KEY", anything, "Ignored: AWS is not contacted", ""),
    value(Some('s'), "secret-key", "KEY", anything, "Ignored: AWS is not contacted", ""),
];

fn run(session: &Session, options: Options) -> anyhow::Result<()> {
    require(&options, &["cert", "privatekey", "manifest"])?;
    let wanted = match given(&options, "region") {
        Some(name) => Some(region(&name).map_err(Usage)?),
        None if options.has("no-mapping") => None,
        None => return Err(Usage("missing mandatory parameter: --region".to_owned()).into()),
    };
    let path = PathBuf::from(required(&options, "manifest")?);
    let run = session.run();
    let bundle = local::bundle(&options, "", &run)?;
    let text = rewritten(session, &options, &bundle, wanted.as_deref())?;
    let mut backup = path.clone().into_os_string();
    backup.push(".bak");
    let backup = PathBuf::from(backup);
    session.line("Backing up manifest...")?;
    replace(&path, &backup, text.as_bytes())?;
    session.line(&format!("Successfully migrated {}", path.display()))?;
    match wanted {
        Some(region) => session.line(&format!("It is now suitable for use in {region}.")),
        None => Ok(()),
    }
}

/// Keeps the old manifest under another name, and puts the new one in its place; at no time is there none.
fn replace(path: &Path, backup: &Path, text: &[u8]) -> anyhow::Result<()> {
    let writing = || format!("writing `{}`", path.display());
    // A link is written through.
    let path = path.canonicalize().with_context(writing)?;
    let old = fs::read(&path).with_context(writing)?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::NamedTempFile::new_in(directory).with_context(writing)?;
    let mode = fs::metadata(&path).with_context(writing)?.permissions();
    file.write_all(text)
        .and_then(|()| file.as_file().set_permissions(mode))
        .and_then(|()| file.as_file().sync_all())
        .with_context(writing)?;
    let mut kept = fs::File::create_new(backup).map_err(|error| {
        let is_there = error.kind() == std::io::ErrorKind::AlreadyExists;
        let code = if is_there { Code::File } else { Code::Other };
        let keeping = format!("keeping the old manifest as `{}`", backup.display());
        let unchanged = Failure::new(code, "the manifest was not changed");
        anyhow::Error::new(error).context(keeping).context(unchanged)
    })?;
    let replaced = kept
        .write_all(&old)
        .and_then(|()| kept.sync_all())
        .and_then(|()| file.persist(&path).map(|_| ()).map_err(|error| error.error));
    // Nothing was changed then, and there is nothing to keep.
    replaced.inspect_err(|_| drop(fs::remove_file(backup))).with_context(writing)
}

/// The manifest for a region, signed again.
pub(super) fn rewritten(
    session: &Session,
    options: &Options,
    bundle: &Bundle,
    region: Option<&str>,
) -> anyhow::Result<String> {
    let (keys, run) = (session.keys(options), session.run());
    let user = keys.required_key(&run)?;
    let mut rewrite = Rewrite::new();
    let contents = bundle.contents();
    rewrite.kernel = mapped(options, "kernel", contents.kernel_id.as_deref(), region)?;
    rewrite.ramdisk = mapped(options, "ramdisk", contents.ramdisk_id.as_deref(), region)?;
    rewrite.ec2 = ec2_key(session, options, region)?;
    Ok(rewrite.text(bundle, &keys, &user, &run)?)
}

/// The kernel or RAM disk of a region: the one that was typed, else the one that stands for the old one; `None` if the old
/// one stays.
fn mapped(
    options: &Options,
    long: &str,
    old: Option<&str>,
    region: Option<&str>,
) -> anyhow::Result<Option<String>> {
    let typed = given(options, long);
    let (Some(old), Some(region)) = (old, region) else { return Ok(typed) };
    if typed.is_some() || options.has("no-mapping") {
        return Ok(typed);
    }
    let found = kernels::in_region(old, region).ok_or_else(|| {
        let text = format!("no {long} is known that replaces {old} in {region}; --{long} names one, --no-mapping keeps it");
        Failure::new(Code::NoMapping, text)
    })?;
    Ok(Some(found.to_owned()))
}

/// The key of the EC2 that will open it, if that is another one.
fn ec2_key(
    session: &Session,
    options: &Options,
    region: Option<&str>,
) -> anyhow::Result<Option<PublicKey>> {
    match (options.os("ec2cert"), region) {
        (Some(path), _) => Ok(Some(read_certificate(Path::new(path), &session.face.stop)?)),
        (None, Some(region)) => {
            let key = Ec2Key::for_region(region).map_err(baler::Error::from)?;
            Ok(Some(key.public_key()))
        }
        (None, None) => Ok(None),
    }
}
