//! The start of an instance from a bundle, as EC2 does it: fetch, check, decrypt, inflate, unpack.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;

use sha1::{Digest as _, Sha1};

use crate::ec2::manifest::{Manifest, split};
use crate::ec2::refusal::Refusal;
use crate::ec2::registry::Registry;
use crate::id;
use crate::keys::Keys;
use crate::s3::acl;
use crate::s3::storage::Storage;
use crate::tool;
use crate::world::{Options, World};

fn wrong(message: impl Into<String>) -> io::Error {
    io::Error::other(message.into())
}

/// Opens the bundle of an image in a stand-in's directory; leaves its root at `out`.
pub(crate) fn launch(directory: &Path, ami: &str, out: &Path) -> io::Result<()> {
    let registry = Registry::open(directory, 0, 0)?;
    let image = registry.images.iter().find(|image| image.id == ami && !image.deregistered);
    let image = image.ok_or_else(|| wrong(format!("there is no image `{ami}`")))?;
    if image.fields.get("rootDeviceType").is_none_or(|kind| kind != "instance-store") {
        return Err(wrong(format!("the image `{ami}` is not a bundle")));
    }
    let location = image.fields.get("imageLocation").cloned().unwrap_or_default();
    let world = World::open(&Options::new(directory))?;
    let refused = |refusal: Refusal| wrong(format!("{}: {}", refusal.code, refusal.message));
    let manifest = Manifest::fetch(&world, &image.region, &location).map_err(refused)?;
    let (bucket, key) = split(&location).map_err(refused)?;
    let files = parts(&world.storage, bucket, key, &manifest)?;
    check_parts(&manifest, &files)?;
    let private = Keys::of(directory).private;
    let secrets = Secrets {
        key: unwrap(&private, "key", &manifest.key)?,
        iv: unwrap(&private, "iv", &manifest.iv)?,
    };
    unpack(&manifest, files, &secrets, out)
}

/// The key and the initialisation vector of a bundle, in hexadecimal digits.
struct Secrets {
    key: String,
    iv: String,
}

/// The files with the parts, each of which EC2 has to be allowed to read.
fn parts(
    storage: &Storage,
    bucket: &str,
    key: &str,
    manifest: &Manifest,
) -> io::Result<Vec<PathBuf>> {
    let folder = key.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
    let buckets = storage.buckets();
    let found =
        buckets.get(bucket).ok_or_else(|| wrong(format!("there is no bucket `{bucket}`")))?;
    let mut files = Vec::new();
    let mut total = 0;
    for (name, _) in &manifest.parts {
        let key = format!("{folder}{name}");
        let version = found
            .current(&key)
            .ok_or_else(|| wrong(format!("the part `{bucket}/{key}` is not there")))?;
        if !acl::ec2_reads(&version.grants, found) {
            return Err(wrong(format!("EC2 may not read the part `{bucket}/{key}`")));
        }
        if version.encryption.is_kms() {
            return Err(wrong(format!(
                "the part `{bucket}/{key}` is encrypted with a key that EC2 has not got"
            )));
        }
        total += version.size;
        files.push(storage.data(&version.data));
    }
    if total != manifest.bundled_size {
        return Err(wrong(format!(
            "the parts have {total} bytes, the manifest says {}",
            manifest.bundled_size
        )));
    }
    Ok(files)
}

fn check_parts(manifest: &Manifest, files: &[PathBuf]) -> io::Result<()> {
    // As many at a time as fit on a command line with room to spare.
    for (files, parts) in files.chunks(200).zip(manifest.parts.chunks(200)) {
        let output = tool::run("sha1sum", files, b"")?;
        let text = String::from_utf8_lossy(&output).into_owned();
        for (line, (name, digest)) in text.lines().zip(parts) {
            let found = line.trim_start_matches('\\').split(' ').next().unwrap_or_default();
            if found != digest {
                return Err(wrong(format!(
                    "the part `{name}` has the SHA-1 {found}, the manifest says {digest}"
                )));
            }
        }
    }
    Ok(())
}

/// Opens a wrapped key or initialisation vector: 32 hexadecimal digits come out.
fn unwrap(private: &Path, what: &str, wrapped: &str) -> io::Result<String> {
    let wrapped = id::unhex(wrapped)
        .ok_or_else(|| wrong(format!("`ec2_encrypted_{what}` is not hexadecimal")))?;
    let private = private.to_string_lossy();
    let arguments =
        ["pkeyutl", "-decrypt", "-inkey", &private, "-pkeyopt", "rsa_padding_mode:pkcs1"];
    let plain = tool::run("openssl", &arguments, &wrapped).map_err(|error| {
        wrong(format!("EC2's key does not open `ec2_encrypted_{what}`: {error}"))
    })?;
    let text = String::from_utf8_lossy(&plain).into_owned();
    if text.len() != 32 || id::unhex(&text).is_none() {
        return Err(wrong(format!("`ec2_encrypted_{what}` does not hold 32 hexadecimal digits")));
    }
    Ok(text)
}

/// Decrypts, inflates and unpacks a bundle; its root is at `out` if digest and length are right.
fn unpack(
    manifest: &Manifest,
    files: Vec<PathBuf>,
    secrets: &Secrets,
    out: &Path,
) -> io::Result<()> {
    let beside =
        out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = tempfile::tempdir_in(beside)?;
    let found = extract(files, secrets, directory.path())?;
    if !found.eq_ignore_ascii_case(&manifest.digest) {
        return Err(wrong(format!(
            "the image has the SHA-1 {found}, the manifest says {}",
            manifest.digest
        )));
    }
    let mut members = fs::read_dir(directory.path())?.collect::<io::Result<Vec<_>>>()?;
    let member = members
        .pop()
        .filter(|_| members.is_empty())
        .ok_or_else(|| wrong("the archive has not one member"))?;
    let metadata = fs::symlink_metadata(member.path())?;
    if !metadata.is_file() {
        return Err(wrong("the archive's member is not a file"));
    }
    if metadata.len() != manifest.size {
        return Err(wrong(format!(
            "the image has {} bytes, the manifest says {}",
            metadata.len(),
            manifest.size
        )));
    }
    fs::rename(member.path(), out)
}

/// Sends the parts through `openssl`, `gzip` and `tar`, which unpacks into a directory; the archive's SHA-1 comes back.
fn extract(files: Vec<PathBuf>, secrets: &Secrets, into: &Path) -> io::Result<String> {
    let mut openssl = tool::start(
        "openssl",
        &["enc", "-d", "-aes-128-cbc", "-K", &secrets.key, "-iv", &secrets.iv],
        Stdio::piped(),
    )?;
    let plain = openssl.stdout.take().map_or_else(Stdio::null, Stdio::from);
    let mut gzip = tool::start("gzip", &["-dc"], plain)?;
    let into = into.to_string_lossy();
    let mut tar =
        tool::start("tar", &["-xf", "-", "-C", &into, "--no-same-owner"], Stdio::piped())?;
    let mut feed = openssl.stdin.take().ok_or_else(|| wrong("no pipe"))?;
    let feeder = thread::spawn(move || -> io::Result<()> {
        for file in files {
            io::copy(&mut File::open(file)?, &mut feed)?;
        }
        Ok(())
    });
    let (mut archive, mut sink) = (gzip.stdout.take(), tar.stdin.take());
    let mut digest = Sha1::new();
    let mut buffer = vec![0; 1 << 20];
    while let Some(source) = &mut archive {
        let length = source.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        digest.update(&buffer[..length]);
        // What comes behind the archive's end is digested, but tar does not read it.
        if sink.as_mut().is_some_and(|sink| sink.write_all(&buffer[..length]).is_err()) {
            sink = None;
        }
    }
    drop(sink);
    let fed = feeder.join().map_err(|_| wrong("the thread that reads the parts panicked"))?;
    for (name, child) in [("openssl", openssl), ("gzip", gzip), ("tar", tar)] {
        end(name, child)?;
    }
    fed?;
    Ok(id::hex(&digest.finalize()))
}

fn end(name: &str, child: Child) -> io::Result<()> {
    tool::finish(name, child.wait_with_output()?).map(drop)
}
