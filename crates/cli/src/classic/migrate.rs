//! `ec2-migrate-manifest` and `ec2-migrate-bundle`: a bundle is made fit for another region.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use baler_manifest::{Ec2Key, PublicKey};
use baler_store::{Put, Store, sha1_of};
use bytes::Bytes;

use super::check;
use super::fail::{Code, Failure, Usage};
use super::kernels;
use super::options::{Options, Spec, Takes, anything, flag, value};
use super::s3::{self, Region};
use super::session::{Session, given, require, required};
use super::unbundle::{key_args, local_bundle};
use super::upload;
use super::{COMMON, Command, Tools};
use crate::bundle::{Bundle, Trust, required_key};
use crate::cmd::copy::within::Within;
use crate::exit::Trouble;
use crate::keys;
use crate::place::Place;

pub(super) static MANIFEST: Command = Command {
    name: "ec2-migrate-manifest",
    tools: Tools::Ami,
    aliases: &[],
    about: "Change a manifest so that the bundle can be registered in another region",
    usage: "-c PATH -k PATH -m PATH (--region REGION | --no-mapping) [OPTIONS]",
    new: "baler copy BUNDLE DEST --rewrap --kernel ID",
    options: &[KEYS, HERE, KERNELS, COMMON],
    notes: "The image's key is wrapped anew for EC2 in that region, and the manifest is signed again. The old one is kept as \
            PATH.bak. Kernels and ramdisks that are PV-GRUB's are replaced by those of the region; others have to be named.",
    run: migrate_manifest,
};

pub(super) static BUNDLE: Command = Command {
    name: "ec2-migrate-bundle",
    tools: Tools::Ami,
    aliases: &[],
    about: "Copy a bundle to a bucket of another region, with its manifest changed for there",
    usage: "-c PATH -k PATH -m NAME -b BUCKET[/PREFIX] -d BUCKET[/PREFIX] [OPTIONS]",
    new: "baler copy s3://… s3://… --kernel ID",
    options: &[KEYS, THERE, KERNELS, s3::CREDENTIALS, s3::PLACE, COMMON],
    notes: "S3 copies the parts itself. The AMI is not registered.",
    run: migrate_bundle,
};

const KEYS: &[Spec] = &[
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

const KERNELS: &[Spec] = &[
    value(None, "kernel", "ID", anything, "The kernel in that region", "--kernel"),
    value(None, "ramdisk", "ID", anything, "The ramdisk in that region", "--ramdisk"),
    flag("no-mapping", "Keep kernel and ramdisk as they are, unless others are named", ""),
];

const HERE: &[Spec] = &[
    value(Some('m'), "manifest", "PATH", check::file, "The manifest", "the first argument"),
    value(None, "region", "REGION", check::region, "The region", "--region"),
    value(Some('a'), "access-key", "KEY", anything, "Not used: nothing is asked of AWS", ""),
    value(Some('s'), "secret-key", "KEY", anything, "Not used: nothing is asked of AWS", ""),
];

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
        "The bucket that it is copied to, and the prefix in it",
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
        "The region of the bucket that it is copied to",
        "--region",
    ),
];

fn manifest_name(value: &std::ffi::OsStr) -> Result<(), String> {
    check::name(value)?;
    match value.to_string_lossy().ends_with(".manifest.xml") {
        true => Ok(()),
        false => Err("it does not end in .manifest.xml".to_owned()),
    }
}

fn migrate_manifest(session: &Session, options: Options) -> anyhow::Result<()> {
    require(&options, &["cert", "privatekey", "manifest"])?;
    let region = match given(&options, "region") {
        Some(region) => Some(crate::aws::region(&region).map_err(Usage)?),
        None if options.has("no-mapping") => None,
        None => return Err(Usage("missing mandatory parameter: --region".to_owned()).into()),
    };
    let path = PathBuf::from(required(&options, "manifest")?);
    let bundle = local_bundle(&options, "")?;
    let text = rewritten(session, &options, &bundle, region.as_deref())?;
    let mut backup = path.clone().into_os_string();
    backup.push(".bak");
    let backup = PathBuf::from(backup);
    session.line("Backing up manifest...")?;
    replace(&path, &backup, text.as_bytes())?;
    session.line(&format!("Successfully migrated {}", path.display()))?;
    match region {
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
fn rewritten(
    session: &Session,
    options: &Options,
    bundle: &Bundle,
    region: Option<&str>,
) -> anyhow::Result<String> {
    let keys = key_args(options);
    let user = required_key(&keys, &session.console)?;
    let opened = bundle.open(&user, keys.certificate()?)?;
    if bundle.trust(&keys, Some(&opened))? != Trust::Valid {
        let what = format!("the signature of `{}` is missing or wrong", bundle.place);
        return Err(Trouble::mismatch(what)
            .hint("pass the certificate of the signer with -c")
            .into());
    }
    let mut contents = bundle.manifest.contents().clone();
    let is_mapped = !options.has("no-mapping");
    for (what, id, long) in [
        ("kernel", &mut contents.kernel_id, "kernel"),
        ("ramdisk", &mut contents.ramdisk_id, "ramdisk"),
    ] {
        if let Some(typed) = given(options, long) {
            *id = Some(typed);
        } else if let (Some(old), Some(region), true) = (&id, region, is_mapped) {
            let found = kernels::in_region(old, region);
            let found = found.ok_or_else(|| {
                let text = format!("nobody knows which {what} of {region} stands for {old}; --{long} names one, --no-mapping keeps it");
                Failure::new(Code::NoMapping, text)
            })?;
            *id = Some(found.to_owned());
        }
    }
    let ec2 = ec2_key(options, region)?;
    opened.write(contents, ec2.as_ref(), &user)
}

/// The key of the EC2 that will open it, if that is another one.
fn ec2_key(options: &Options, region: Option<&str>) -> anyhow::Result<Option<PublicKey>> {
    match (options.os("ec2cert"), region) {
        (Some(path), _) => keys::read_certificate(Path::new(path)).map(Some),
        (None, Some(region)) => {
            let key = Ec2Key::for_region(region);
            let key = key.map_err(|error| Failure::new(Code::Other, error.to_string()))?;
            Ok(Some(key.public_key()))
        }
        (None, None) => Ok(None),
    }
}

fn migrate_bundle(session: &Session, options: Options) -> anyhow::Result<()> {
    require(&options, &["cert", "privatekey", "manifest", "bucket", "destination-bucket"])?;
    let from = s3::place(&options, "bucket")?;
    let to = s3::place(&options, "destination-bucket")?;
    let filename = options.text("manifest").unwrap_or_default();
    if from == to {
        return Err(Usage("--bucket and --destination-bucket are the same place".to_owned()).into());
    }
    let region = Region::of(&options)?;
    let acl = upload::acl(&options)?;
    let aws = s3::connect(session, &options, &region)?;
    let there = from.join(&filename);
    let bundle = Bundle::read_with(&Place::S3(there.clone()), || Ok(aws.clone()))?;
    let Some((_, source)) = &bundle.remote else {
        return Err(Trouble::failed("the bundle is not in S3").into());
    };
    upload::check_name(session, &to)?;
    // Whether the manifest can be written is known before a bucket is made.
    let found = aws.run(aws.find(&to.bucket))?;
    let name = found.map_or_else(|| region.for_new().to_owned(), |found| found.region().to_owned());
    let text = rewritten(session, &options, &bundle, Some(&name))?;
    if given(&options, "region").is_none() {
        session.line(&format!("Region not provided, guessing from S3 location: {name}"))?;
    }
    let target = upload::open(session, &aws, &to, &region)?;
    session.line(&format!("Downloading manifest {} from {} ...", there.key, there.bucket))?;
    let contents = bundle.manifest.contents();
    contents
        .parts
        .iter()
        .try_for_each(|part| session.line(&format!("Copying '{}'...", part.filename)))?;
    let progress =
        session.console.progress(format!("copying {}", contents.name), contents.bundled_size);
    let within =
        Within { from: source.store.clone(), to: target.store.clone(), acl, overwrite: true };
    let data = Bytes::from(text);
    let put = Put { sha1: sha1_of(&data), acl, overwrite: true };
    let old = aws.run(async { Ok(target.store.head(&filename).await?) })?;
    let old = old.filter(|old| !old.is(&data, &put.sha1)).map(|_| &*filename);
    aws.run(within.copy(contents, old, progress))?;
    aws.run(async { Ok(target.store.put(&filename, data, &put).await?) })?;
    session.line("")?;
    session.line("Your new bundle is in S3 at the following location:")?;
    session.line(&to.join(&filename).path())?;
    session.line("ec2-register makes an AMI of it.")
}
