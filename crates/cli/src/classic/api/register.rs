//! `ec2-register`: a bundle in S3, or a snapshot, becomes an AMI.

use anyhow::Context;
use baler_ec2::{
    AmiName, AmiSource, DeviceName, EbsVolume, Location, Mapping, Registered, Registration,
    SnapshotId, Virtualization,
};
use baler_store::sha1_of;

use super::{Api, COMMON, Lines, all, filled, parsed, wrong};
use crate::args::ami;
use crate::classic::command::{Command, Tools};
use crate::classic::fail::Usage;
use crate::classic::options::{Options, Spec, anything, value};
use crate::classic::session::{Session, given};
use crate::exit::Trouble;
use crate::report::Console;

pub(in crate::classic) static COMMAND: Command = Command {
    name: "ec2-register",
    tools: Tools::Api,
    aliases: &["ec2reg"],
    about: "Register a bundle in S3, or a snapshot, as an AMI",
    usage: "[BUCKET/KEY] [-n NAME] [OPTIONS]",
    new: "baler register s3://BUCKET/KEY --name NAME",
    options: &[OWN, COMMON],
    notes: "BUCKET/KEY is the place of the manifest and, without -n, the AMI's name. Without --virtualization-type the AMI is \
            paravirtual, as with the old tool, except for arm64. Without -n, an AMI of this manifest that exists \
            already is not registered again: its id is printed.",
    run,
};

const OWN: &[Spec] = &[
    value(
        Some('n'),
        "name",
        "NAME",
        anything,
        "The AMI's name: 3 to 128 letters, digits and ( ) [ ] . / - ' @ _ and spaces",
        "--name",
    ),
    value(Some('d'), "description", "TEXT", anything, "A description of the AMI", "--description"),
    value(
        Some('a'),
        "architecture",
        "ARCH",
        anything,
        "i386, x86_64 or arm64 [default: the manifest's; of a snapshot, i386]",
        "",
    ),
    value(
        Some('b'),
        "block-device-mapping",
        "DEVICE=VOLUME",
        anything,
        "Map a device to none, ephemeral0, or [SNAPSHOT]:[GIB]:[true|false]:[TYPE[:IOPS]]; may be repeated",
        "--map",
    ),
    value(
        Some('s'),
        "snapshot",
        "SNAPSHOT",
        anything,
        "The snapshot of the root device, instead of a manifest",
        "",
    ),
    value(None, "kernel", "KERNEL", anything, "The kernel, aki-…", "--kernel of baler copy"),
    value(None, "ramdisk", "RAMDISK", anything, "The RAM disk, ari-…", "--ramdisk of baler copy"),
    value(
        None,
        "root-device-name",
        "DEVICE",
        anything,
        "The root device [default: the manifest's; of a snapshot, /dev/sda1]",
        "--root-device",
    ),
    value(
        None,
        "virtualization-type",
        "TYPE",
        anything,
        "hvm or paravirtual [default: paravirtual]",
        "--virtualization",
    ),
    value(
        None,
        "sriov",
        "simple",
        anything,
        "The image has a driver for the older enhanced networking",
        "--sriov",
    ),
];

/// The root device of a snapshot if none is named.
const ROOT: &str = "/dev/sda1";

fn run(session: &Session, options: Options) -> anyhow::Result<()> {
    let options = filled(options, &["block-device-mapping"], session)?;
    let registration = registration(&options, &session.face.console)?;
    let api = Api::connect(session, &options)?;
    let (name, source) = (&registration.name, &registration.source);
    let registered =
        api.run.wait(async { Ok(api.ec2.register(&registration, &api.reporter()).await?) });
    let registered = registered.with_context(|| format!("registering `{source}` as `{name}`"))?;
    if let Registered::Already(ami) = &registered {
        let what = format!("`{name}` is {ami} already");
        if given(&options, "name").is_some() {
            let other = Trouble::refused(what).hint("choose another name, or deregister that one");
            return Err(other.into());
        }
        // Of old, a manifest could be registered again and again.
        session.face.console.warn(&format!("{what}; nothing was registered or changed"));
    }
    Lines::of(&options).image(registered.id().as_str())
}

/// What EC2 is asked for.
fn registration(options: &Options, console: &Console) -> anyhow::Result<Registration> {
    let architecture =
        word(options, "architecture", &["i386", "x86_64", "arm64"])?.map(str::to_owned);
    let virtualization = match word(options, "virtualization-type", &["hvm", "paravirtual"])? {
        Some("hvm") => Virtualization::Hvm,
        None if architecture.as_deref() == Some("arm64") => Virtualization::Hvm,
        _ => Virtualization::Paravirtual,
    };
    let mut registration = source(options, virtualization)?;
    registration.description = given(options, "description");
    if let Some(text) = &registration.description {
        ami::description(text).map_err(|why| wrong("description", text, why))?;
    }
    registration.kernel = parsed(options, "kernel")?;
    registration.ramdisk = parsed(options, "ramdisk")?;
    registration.sriov = word(options, "sriov", &["simple"])?.is_some();
    if architecture.is_none() && matches!(registration.source, AmiSource::Volumes(_)) {
        console.warn("without --architecture, EC2 assumes i386");
    }
    registration.architecture = architecture;
    registration.check()?;
    if given(options, "virtualization-type").is_none()
        && virtualization == Virtualization::Paravirtual
        && registration.kernel.is_none()
    {
        console.warn(
            "it is registered as paravirtual, and --kernel is not given; an image that boots from its own disk needs \
             --virtualization-type hvm",
        );
    }
    Ok(registration)
}

/// From what, and under what name.
fn source(options: &Options, virtualization: Virtualization) -> anyhow::Result<Registration> {
    let usage = |text: &str| anyhow::Error::from(Usage(text.to_owned()));
    let location = match &options.rest[..] {
        [] => None,
        [text] => Some(location(&text.to_string_lossy())?),
        _ => return Err(usage("more than one manifest is named")),
    };
    let name: Option<AmiName> = parsed(options, "name")?;
    let root: Option<DeviceName> = parsed(options, "root-device-name")?;
    let snapshot: Option<SnapshotId> = parsed(options, "snapshot")?;
    let (mappings, mut volumes) = mappings(options)?;
    let Some(location) = location else {
        if snapshot.is_none() && volumes.is_empty() {
            return Err(usage(
                "missing argument: a manifest, or else --snapshot or --block-device-mapping",
            ));
        }
        let name = name.ok_or_else(|| usage("missing mandatory parameter: --name"))?;
        let root = root.map_or_else(|| ROOT.parse(), Ok)?;
        if let Some(snapshot) = snapshot {
            let is_root = |device: &DeviceName| device.short() == root.short();
            let mut devices = volumes.iter().map(|volume| &volume.device);
            if devices.any(is_root) || mappings.iter().any(|mapping| is_root(&mapping.device)) {
                let text = format!(
                    "--snapshot and a --block-device-mapping are both for the root device {root}"
                );
                return Err(Usage(text).into());
            }
            volumes.insert(0, EbsVolume::of_snapshot(root.clone(), snapshot));
        }
        let mut registration = Registration::of_volumes(name, root, volumes, virtualization);
        registration.mappings = mappings;
        return Ok(registration);
    };
    if snapshot.is_some() {
        return Err(usage("a manifest and --snapshot exclude each other"));
    }
    if let Some(volume) = volumes.first() {
        return Err(Usage(format!(
            "an AMI of a bundle cannot have EBS volumes, as for {}: attach them when an instance is launched",
            volume.device
        ))
        .into());
    }
    let name = name.map_or_else(|| name_of(&location), Ok)?;
    let mut registration = Registration::new(name, location, virtualization);
    registration.mappings = mappings;
    registration.root_device = root;
    Ok(registration)
}

/// Where the manifest is. A slash before the bucket was always taken.
fn location(text: &str) -> anyhow::Result<Location> {
    let path = text.strip_prefix('/').unwrap_or(text);
    Ok(Location::of_manifest(path).map_err(|why| Usage(why.to_string()))?)
}

/// Instance store volumes, and EBS volumes.
fn mappings(options: &Options) -> anyhow::Result<(Vec<Mapping>, Vec<EbsVolume>)> {
    let long = "block-device-mapping";
    let (mut mappings, mut volumes) = (Vec::new(), Vec::new());
    for text in all::<String>(options, long)? {
        let is_volume = |value: &str| value.starts_with("snap-") || value.contains(':');
        let why = match text.split_once('=') {
            Some((_, value)) if is_volume(value) => {
                text.parse().map(|volume| volumes.push(volume)).err()
            }
            _ => text.parse().map(|mapping| mappings.push(mapping)).err(),
        };
        if let Some(why) = why {
            return Err(wrong(long, &text, why));
        }
    }
    Ok((mappings, volumes))
}

/// One of some words.
fn word(
    options: &Options,
    long: &str,
    words: &'static [&'static str],
) -> anyhow::Result<Option<&'static str>> {
    let Some(text) = given(options, long) else { return Ok(None) };
    match words.iter().find(|word| **word == text) {
        Some(word) => Ok(Some(word)),
        None => Err(wrong(long, &text, format!("it is {}", words.join(" or ")))),
    }
}

/// The name of an AMI that was given none, which EC2 took in its time: where its manifest is.
///
/// What EC2 does not take in a name is replaced, and a digest of the whole keeps two places from having the same one.
fn name_of(location: &Location) -> anyhow::Result<AmiName> {
    let text = location.path();
    let text = text.strip_suffix(".manifest.xml").unwrap_or(&text);
    if let Ok(name) = text.parse() {
        return Ok(name);
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() || "()./-_".contains(c) { c } else { '-' };
    let digest: String =
        sha1_of(location.path().as_bytes()).iter().take(4).map(|b| format!("{b:02x}")).collect();
    let begin: String = text.chars().map(plain).take(128 - 1 - digest.len()).collect();
    format!("{begin}-{digest}").parse().context("naming the AMI; --name gives another name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ami_is_called_like_its_manifest() {
        let long = format!("bucket/{}/a.manifest.xml", "x".repeat(200));
        for (place, name) in [
            ("bucket/web.manifest.xml", "bucket/web"),
            ("s3://bucket/a/b.xml", "bucket/a/b.xml"),
            ("bucket/a b (1).manifest.xml", "bucket/a b (1)"),
            ("bucket/a+b.manifest.xml", "bucket/a-b-6c571ab0"),
            ("bucket/a*b.manifest.xml", "bucket/a-b-9a0a91b0"),
            ("bucket/ü.manifest.xml", "bucket/--fcb3ab3c"),
            (&long, &format!("bucket/{}-2d36465a", "x".repeat(112))),
        ] {
            let location = location(place).expect(place);
            let found = name_of(&location).expect(place).to_string();
            assert_eq!(found, name, "{place}");
        }
    }
}
