//! The user's key and certificate: where they are, and how they are read and made.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, anyhow};
use baler_manifest::{
    Ec2Key, KeyError, Passphrase, PrivateKey, PublicKey, self_signed_certificate,
};
use getrandom::SysRng;
use zeroize::Zeroizing;

use crate::args;
use crate::exit::Trouble;
use crate::interrupt::open_waiting;
use crate::report::Console;

/// A key or certificate file is a few KiB.
const MAX_FILE: u64 = 64 << 10;
/// What the classic tools' users have, and every EC2 has read.
pub(crate) const DEFAULT_BITS: usize = 2048;
/// Nobody checks it; it should not be in the way.
const CERTIFICATE_YEARS: u32 = 20;
const PASSPHRASE_VARIABLE: &str = "BALER_PASSPHRASE";

/// Which key and certificate to use.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct KeyArgs {
    /// Your RSA private key, PEM or DER [default: key.pem in the configuration directory]
    #[arg(long, short, value_name = "FILE", env = "EC2_PRIVATE_KEY", value_parser = args::path(), help_heading = "Keys")]
    pub(crate) key: Option<PathBuf>,

    /// Your X.509 certificate or public key, PEM or DER
    #[arg(long, short, value_name = "FILE", env = "EC2_CERT", value_parser = args::path(), help_heading = "Keys")]
    pub(crate) cert: Option<PathBuf>,

    /// A file whose first line is the passphrase of the key [else: $BALER_PASSPHRASE, or a prompt]
    #[arg(long, value_name = "FILE", help_heading = "Keys")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// A private key, and the file that it came from.
#[derive(Debug)]
pub(crate) struct UserKey {
    pub(crate) path: PathBuf,
    pub(crate) key: PrivateKey,
}

/// The private keys that the user has, named and not: none of them belongs into an image.
pub(crate) fn private_paths(named: Option<&Path>) -> Vec<PathBuf> {
    let default = configuration_directory().map(|directory| directory.join("key.pem"));
    // Where another user's cannot be looked at, it cannot be read into an image either.
    let default = default.filter(|path| path.metadata().is_ok());
    let variable = std::env::var_os("EC2_PRIVATE_KEY").map(PathBuf::from);
    let named = named.map(Path::to_owned);
    named
        .into_iter()
        .chain(variable.filter(|path| !path.as_os_str().is_empty()))
        .chain(default)
        .collect()
}

impl KeyArgs {
    /// The private keys that must not get into an image.
    pub(crate) fn private_paths(&self) -> Vec<PathBuf> {
        private_paths(named(&self.key))
    }

    /// The private key that was named, or the default one if there is one.
    pub(crate) fn private_key(&self, console: &Console) -> anyhow::Result<Option<UserKey>> {
        let path = match named(&self.key) {
            Some(path) => path.to_owned(),
            None => match configuration_directory() {
                Some(directory) if directory.join("key.pem").exists() => directory.join("key.pem"),
                _ => return Ok(None),
            },
        };
        let file = read(&path, "key")?;
        warn_if_shared(&path, console);
        let mut asking = None;
        let key = PrivateKey::from_bytes(&file, || {
            self.passphrase(&path).map_err(|error| asking = Some(error)).ok()
        });
        if let Some(error) = asking {
            return Err(error);
        }
        let key = key.map_err(|error| {
            let reading = Trouble::failed(format!("reading the key `{}`", path.display()));
            let reading = match error {
                KeyError::PassphraseWrong => {
                    reading.hint("pass --passphrase-file, or set BALER_PASSPHRASE")
                }
                _ => reading,
            };
            anyhow!(error).context(reading)
        })?;
        Ok(Some(UserKey { path, key }))
    }

    /// Whether a key was named, and not only found.
    pub(crate) fn names_key(&self) -> bool {
        named(&self.key).is_some()
    }

    pub(crate) fn certificate_path(&self) -> Option<&Path> {
        named(&self.cert)
    }

    /// The certificate that was named.
    pub(crate) fn certificate(&self) -> anyhow::Result<Option<PublicKey>> {
        self.certificate_path().map(read_certificate).transpose()
    }

    /// Refuses a certificate of another key.
    pub(crate) fn check_pair(&self, user: &UserKey) -> anyhow::Result<()> {
        match (self.certificate()?, self.certificate_path()) {
            (Some(certificate), Some(path)) if certificate != *user.key.public() => Err(Trouble::failed(format!(
                "the certificate `{}` does not belong to the key `{}`",
                path.display(),
                user.path.display()
            ))
            .hint("pass the certificate that was made for this key, or leave --cert (EC2_CERT) away: the key is enough")
            .into()),
            _ => Ok(()),
        }
    }

    fn passphrase(&self, key: &Path) -> anyhow::Result<Passphrase> {
        if let Some(path) = &self.passphrase_file {
            let mut text = read(path, "passphrase")?;
            let end = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
            let end = if end > 0 && text[end - 1] == b'\r' { end - 1 } else { end };
            return Ok(Passphrase::from(text.drain(..end).collect::<Vec<u8>>()));
        }
        // An empty variable is none, as everywhere.
        if let Some(text) = std::env::var_os(PASSPHRASE_VARIABLE).filter(|text| !text.is_empty()) {
            return Ok(Passphrase::from(text.into_vec()));
        }
        rpassword::prompt_password(format!("Passphrase of {}: ", key.display()))
            .map(Passphrase::from)
            .with_context(|| {
                Trouble::failed(format!("asking for the passphrase of the key `{}`", key.display()))
                    .hint("pass --passphrase-file, or set BALER_PASSPHRASE")
            })
    }
}

/// A variable that is set to nothing names nothing.
pub(crate) fn named(path: &Option<PathBuf>) -> Option<&Path> {
    path.as_deref().filter(|path| !path.as_os_str().is_empty())
}

/// A certificate or public key.
pub(crate) fn read_certificate(path: &Path) -> anyhow::Result<PublicKey> {
    let file = read(path, "certificate")?;
    PublicKey::from_bytes(&file)
        .with_context(|| format!("reading the certificate `{}`", path.display()))
}

/// The key that EC2 will open the bundle with, and what to call it. What was typed goes before what is set: a forgotten
/// certificate of another cloud must not make bundles that register and never boot.
pub(crate) fn ec2_key(
    certificate: Option<PathBuf>,
    region: Option<String>,
) -> anyhow::Result<(PublicKey, String)> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let certificate = match (certificate, &region) {
        (None, None) => variable("EUCALYPTUS_CERT").map(PathBuf::from),
        (certificate, _) => certificate,
    };
    if let Some(path) = certificate {
        return Ok((read_certificate(&path)?, format!("own (`{}`)", path.display())));
    }
    let set = || variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let region = region.or_else(|| set().map(|region| region.to_string_lossy().into_owned()));
    let key = match region {
        Some(region) => {
            Ec2Key::for_region(&region).context(Trouble::usage("choosing EC2's key"))?
        }
        None => Ec2Key::Commercial,
    };
    Ok((key.public_key(), key.name().to_owned()))
}

/// Whether EC2 opens bundles with the same key in both regions; not of two whose keys nobody knows.
pub(crate) fn is_same_ec2(one: &str, other: &str) -> bool {
    let key = |region| Ec2Key::for_region(region).map(Ec2Key::name);
    one == other || matches!((key(one), key(other)), (Ok(one), Ok(other)) if one == other)
}

/// Refuses a region whose EC2 has another key than that of the region in which the bundle will lie.
pub(crate) fn check_same_ec2(typed: &str, bucket: &str) -> anyhow::Result<()> {
    match is_same_ec2(typed, bucket) {
        true => Ok(()),
        false => Err(Trouble::usage(format!(
            "the bucket is in {bucket}, and EC2 in {typed} has another key"
        ))
        .hint(format!("leave --region away, or name a bucket in {typed}"))
        .into()),
    }
}

fn read(path: &Path, what: &str) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let reading = || format!("reading the {what} `{}`", path.display());
    // Room for all of it from the start: a vector that grows leaves copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE as usize));
    let file = open_waiting(path).with_context(reading)?;
    file.take(MAX_FILE).read_to_end(&mut text).with_context(reading)?;
    Ok(text)
}

fn warn_if_shared(path: &Path, console: &Console) {
    let others = fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o077);
    if others != 0 {
        console.warn(&format!("the key `{}` can be read by others", path.display()));
        console.hint(&format!("chmod 600 {}", path.display()));
    }
}

/// `$XDG_CONFIG_HOME/baler`, else `~/.config/baler`.
pub(crate) fn configuration_directory() -> Option<PathBuf> {
    let variable =
        |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")))?;
    Some(base.join("baler"))
}

/// Where a new key and its certificate go if nothing else is said.
pub(crate) fn default_paths() -> anyhow::Result<(PathBuf, PathBuf)> {
    let directory = configuration_directory().ok_or_else(|| {
        Trouble::failed(
            "there is no configuration directory: neither XDG_CONFIG_HOME nor HOME is set",
        )
        .hint("pass --key with a private key; `baler keys new --key FILE --cert FILE` makes one")
    })?;
    Ok((directory.join("key.pem"), directory.join("cert.pem")))
}

/// Makes a key and its certificate; neither file may exist, and they are two.
pub(crate) fn create(key_path: &Path, cert_path: &Path, bits: usize) -> anyhow::Result<PrivateKey> {
    if key_path == cert_path {
        let path = key_path.display();
        return Err(
            Trouble::usage(format!("`{path}` cannot be both the key and the certificate")).into()
        );
    }
    for path in [key_path, cert_path] {
        if path.symlink_metadata().is_ok() {
            return Err(Trouble::failed(format!(
                "`{}` exists, and a key is never overwritten",
                path.display()
            ))
            .hint("choose other paths with --key and --cert, or move it away")
            .into());
        }
        let directory = directory_of(path);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .with_context(|| format!("creating the directory `{}`", directory.display()))?;
    }
    let key = PrivateKey::generate(bits, &mut SysRng).context("making a key")?;
    let certificate =
        self_signed_certificate(&key, "baler", SystemTime::now(), CERTIFICATE_YEARS, &mut SysRng)
            .context("making a certificate")?;
    write_new(key_path, key.to_pkcs8_pem().context("writing the key")?.as_bytes(), 0o600)?;
    write_new(cert_path, certificate.as_bytes(), 0o644)?;
    Ok(key)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn write_new(path: &Path, text: &[u8], mode: u32) -> anyhow::Result<()> {
    let writing = || format!("writing `{}`", path.display());
    let permissions = Permissions::from_mode(mode);
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".");
    let mut file = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(".partial")
        .permissions(permissions)
        .tempfile_in(directory_of(path))
        .with_context(writing)?;
    file.write_all(text).and_then(|()| file.as_file().sync_all()).with_context(writing)?;
    file.persist_noclobber(path).map_err(|error| error.error).with_context(writing)?;
    File::open(directory_of(path)).and_then(|directory| directory.sync_all()).with_context(writing)
}

/// Makes the first key of a user who has none.
pub(crate) fn make_first_key(console: &Console) -> anyhow::Result<PrivateKey> {
    let (key_path, cert_path) = default_paths()?;
    let key = create(&key_path, &cert_path, DEFAULT_BITS)?;
    console.warn(&format!(
        "no key was given and there was none: a new one was made, `{}`",
        key_path.display()
    ));
    console.hint("KEEP A COPY of it: without this key nobody but EC2 can ever open the bundles that are made with it");
    Ok(key)
}
