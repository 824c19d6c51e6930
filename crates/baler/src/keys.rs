//! The user's key and certificate: where they are, and how they are read and made.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use baler_manifest::{
    Ec2Key, KeyError, Passphrase, PrivateKey, PublicKey, self_signed_certificate,
};
use getrandom::SysRng;
use zeroize::Zeroizing;

use crate::advice::Advice;
use crate::error::{Context, Error, Result};
use crate::event::Event;
use crate::place::directory_of;
use crate::run::{Environment, Run};
use crate::stop::Stop;

/// A key or certificate file is a few KiB.
const MAX_FILE: u64 = 64 << 10;

/// The length of a new key in bits: what the classic tools' users have, and every EC2 has read.
pub const DEFAULT_BITS: usize = 2048;

/// Nobody checks it; it should not be in the way.
const CERTIFICATE_YEARS: u32 = 20;

/// Asks for the passphrase of the key in a file.
pub type AskPassphrase = Arc<dyn Fn(&Path) -> Result<Passphrase> + Send + Sync>;

/// The key and the certificate of a user.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Keys {
    /// The private key that was named.
    pub key: Option<PathBuf>,
    /// The directory of the user's configuration, where `key.pem` is used if no key was named.
    pub configuration: Option<PathBuf>,
    /// The certificate that was named.
    pub certificate: Option<PathBuf>,
    /// The source of the passphrase of an encrypted key.
    pub passphrase: Option<AskPassphrase>,
    /// Other private keys of the user's, which must not get into an image.
    pub others: Vec<PathBuf>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("key", &self.key)
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

/// A private key, and the file that it came from.
#[derive(Debug)]
#[non_exhaustive]
pub struct UserKey {
    /// The file.
    pub path: PathBuf,
    /// The key.
    pub key: PrivateKey,
}

impl Keys {
    /// No key and no certificate.
    pub fn new() -> Keys {
        Keys::default()
    }

    /// The key in this file.
    pub fn of_file(key: impl Into<PathBuf>) -> Keys {
        Keys { key: Some(key.into()), ..Keys::default() }
    }

    fn default_key(&self) -> Option<PathBuf> {
        self.configuration.as_ref().map(|directory| directory.join("key.pem"))
    }

    /// The private keys that must not get into an image.
    pub fn private_paths(&self) -> Vec<PathBuf> {
        // A key of another user's that cannot be looked at cannot be read into an image either.
        let default = self.default_key().filter(|path| path.metadata().is_ok());
        self.key.iter().chain(&self.others).cloned().chain(default).collect()
    }

    /// The private key that was named, or the default one if there is one.
    ///
    /// # Errors
    /// A file that cannot be read, that holds no RSA key, or whose passphrase is missing or wrong.
    pub fn private_key(&self, run: &Run) -> Result<Option<UserKey>> {
        let default = || self.default_key().filter(|path| path.exists());
        let Some(path) = self.key.clone().or_else(default) else { return Ok(None) };
        let file = read(&path, "key", &run.stop)?;
        let others = fs::metadata(&path).map_or(0, |found| found.permissions().mode() & 0o077);
        if others != 0 {
            run.report(Event::KeyIsShared(&path));
        }
        let mut asking = None;
        let key = PrivateKey::from_bytes(&file, || {
            let ask = self.passphrase.as_ref()?;
            ask(&path).map_err(|error| asking = Some(error)).ok()
        });
        if let Some(error) = asking {
            return Err(error);
        }
        let key = key.map_err(|error| {
            let reading = Error::failed(format!("reading the key `{}`", path.display()));
            let reading = match error {
                KeyError::PassphraseWrong => reading.advise(Advice::GivePassphrase),
                _ => reading,
            };
            reading.because(error)
        })?;
        Ok(Some(UserKey { path, key }))
    }

    /// The user's key, which a job cannot do without.
    ///
    /// # Errors
    /// Those of [`private_key`](Keys::private_key), and that there is none.
    pub fn required_key(&self, run: &Run) -> Result<UserKey> {
        self.private_key(run)?.ok_or_else(|| {
            Error::usage("a bundle opens only with the private key that it was made for")
                .advise(Advice::GiveKey)
        })
    }

    /// The certificate that was named.
    ///
    /// # Errors
    /// A file that cannot be read, or that holds neither a certificate nor a public key.
    pub fn certificate(&self, run: &Run) -> Result<Option<PublicKey>> {
        self.certificate.as_deref().map(|path| read_certificate(path, &run.stop)).transpose()
    }

    /// Refuses a certificate of another key.
    ///
    /// # Errors
    /// Those of [`certificate`](Keys::certificate), and that the two do not belong together.
    pub fn check_pair(&self, user: &UserKey, run: &Run) -> Result<()> {
        match (self.certificate(run)?, &self.certificate) {
            (Some(certificate), Some(path)) if certificate != *user.key.public() => {
                Err(Error::failed(format!(
                    "the certificate `{}` does not belong to the key `{}`",
                    path.display(),
                    user.path.display()
                ))
                .advise(Advice::OmitCertificate))
            }
            _ => Ok(()),
        }
    }
}

/// A certificate or public key.
///
/// # Errors
/// A file that cannot be read, or that holds neither.
pub fn read_certificate(path: &Path, stop: &Stop) -> Result<PublicKey> {
    let file = read(path, "certificate", stop)?;
    PublicKey::from_bytes(&file)
        .with_context(|| format!("reading the certificate `{}`", path.display()))
}

/// The first line of a file, as a passphrase.
///
/// # Errors
/// A file that cannot be read.
pub fn read_passphrase(path: &Path, stop: &Stop) -> Result<Passphrase> {
    let mut text = read(path, "passphrase", stop)?;
    let end = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
    let end = if end > 0 && text[end - 1] == b'\r' { end - 1 } else { end };
    Ok(Passphrase::from(text.drain(..end).collect::<Vec<u8>>()))
}

/// The key that EC2 opens a bundle with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpeningKey {
    /// The key.
    pub key: PublicKey,
    /// What it is called.
    pub name: String,
}

/// The key that EC2 opens a bundle with.
///
/// What is given goes before what the environment says: a forgotten certificate of another cloud must not make bundles
/// that register and never boot.
///
/// # Errors
/// A certificate that cannot be read, a region whose key is not known.
pub fn ec2_key(
    certificate: Option<&Path>,
    region: Option<&str>,
    environment: &Environment,
    stop: &Stop,
) -> Result<OpeningKey> {
    let is_given = certificate.is_some() || region.is_some();
    let set = environment.ec2_certificate.as_deref().filter(|_| !is_given);
    if let Some(path) = certificate.or(set) {
        let name = format!("own (`{}`)", path.display());
        return Ok(OpeningKey { key: read_certificate(path, stop)?, name });
    }
    let key = match region.or(environment.region.as_deref()) {
        Some(region) => Ec2Key::for_region(region).context(Error::usage("choosing EC2's key"))?,
        None => Ec2Key::Commercial,
    };
    Ok(OpeningKey { key: key.public_key(), name: key.name().to_owned() })
}

/// Whether EC2 opens bundles with the same key in both regions; not of two whose keys are not known.
#[cfg(feature = "aws")]
pub(crate) fn is_same_ec2(one: &str, other: &str) -> bool {
    let key = |region| Ec2Key::for_region(region).map(Ec2Key::name);
    one == other || matches!((key(one), key(other)), (Ok(one), Ok(other)) if one == other)
}

/// Refuses a region whose EC2 has another key than that of the region in which the bundle will lie.
#[cfg(feature = "aws")]
pub(crate) fn check_same_ec2(given: &str, bucket: &str) -> Result<()> {
    if is_same_ec2(given, bucket) {
        return Ok(());
    }
    Err(Error::usage(format!("the bucket is in {bucket}, and EC2 in {given} has another key"))
        .advise(Advice::OmitRegion(given.to_owned())))
}

fn read(path: &Path, what: &str, stop: &Stop) -> Result<Zeroizing<Vec<u8>>> {
    let reading = || format!("reading the {what} `{}`", path.display());
    // Room for all of it from the start: a vector that grows leaves copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE as usize));
    let file = stop.open(path).with_context(reading)?;
    file.take(MAX_FILE).read_to_end(&mut text).with_context(reading)?;
    Ok(text)
}

/// Where a new key and its certificate go, in the directory of the user's configuration.
///
/// # Errors
/// That there is no such directory.
pub fn default_paths(configuration: Option<&Path>) -> Result<(PathBuf, PathBuf)> {
    let directory = configuration.ok_or_else(|| {
        Error::failed(
            "there is no configuration directory: neither XDG_CONFIG_HOME nor HOME is set",
        )
        .advise(Advice::ChooseKeyFile)
    })?;
    Ok((directory.join("key.pem"), directory.join("cert.pem")))
}

/// Makes a key of so many bits and its certificate; neither file may exist, and they are two.
///
/// # Errors
/// Files that exist, and what writing them says.
pub fn create(key_path: &Path, cert_path: &Path, bits: usize) -> Result<PrivateKey> {
    if key_path == cert_path {
        let path = key_path.display();
        return Err(Error::usage(format!("`{path}` cannot be both the key and the certificate")));
    }
    for path in [key_path, cert_path] {
        if path.symlink_metadata().is_ok() {
            return Err(Error::failed(format!(
                "`{}` exists, and a key is never overwritten",
                path.display()
            ))
            .advise(Advice::ChooseNewKeyFiles));
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

fn write_new(path: &Path, text: &[u8], mode: u32) -> Result<()> {
    let writing = || format!("writing `{}`", path.display());
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".");
    let mut file = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(".partial")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(directory_of(path))
        .with_context(writing)?;
    file.write_all(text).and_then(|()| file.as_file().sync_all()).with_context(writing)?;
    file.persist_noclobber(path).map_err(|error| error.error).with_context(writing)?;
    File::open(directory_of(path)).and_then(|directory| directory.sync_all()).with_context(writing)
}

/// Makes the first key of a user who has none.
pub(crate) fn make_first_key(keys: &Keys, run: &Run) -> Result<PrivateKey> {
    let (key_path, cert_path) = default_paths(keys.configuration.as_deref())?;
    let key = create(&key_path, &cert_path, DEFAULT_BITS)?;
    run.report(Event::KeyMade(&key_path));
    Ok(key)
}
