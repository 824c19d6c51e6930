//! A bundle that exists: its manifest, read from the file that names it, and whether to trust it.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use baler_bundle::{DirectorySource, Error as PackError, PartSource, SealedPart, fetch_part};
#[cfg(feature = "aws")]
use baler_bundle::{Event as PackEvent, verify};
use baler_manifest::{
    CipherIv, CipherKey, Contents, KeyError, Manifest, Opened as Secrets, OpenedAs, PublicKey,
    SignatureCheck,
};
use getrandom::SysRng;

use crate::advice::Advice;
#[cfg(feature = "aws")]
use crate::aws::InS3;
use crate::error::{Context, Error, Result};
use crate::keys::{Keys, UserKey};
use crate::pace::IN_FLIGHT;
#[cfg(feature = "aws")]
use crate::parts::StoredParts;
use crate::place::Place;
use crate::run::Run;
use crate::stop::Watched;

/// A bundle's manifest, and where it is.
pub struct Bundle {
    place: Place,
    directory: Place,
    filename: String,
    manifest: Manifest,
    /// The way to it, if it is in S3.
    #[cfg(feature = "aws")]
    pub(crate) stored: Option<InS3>,
}

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bundle").field("place", &self.place).finish_non_exhaustive()
    }
}

/// A bundle whose image key was unwrapped.
#[derive(Debug)]
pub struct Opened {
    secrets: Secrets,
    /// The public half of the key that opened it.
    own: PublicKey,
}

/// The result of a check of a manifest's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Valid: the signer made it.
    Valid,
    /// Missing.
    Unsigned,
    /// Wrong: someone else made it, or the manifest was changed.
    Broken,
    /// Not checked: there is neither a certificate nor the signer's key.
    Unchecked,
}

impl Trust {
    /// `valid`, `missing`, `wrong` or `not checked`.
    pub fn word(self) -> &'static str {
        match self {
            Trust::Valid => "valid",
            Trust::Unsigned => "missing",
            Trust::Broken => "wrong",
            Trust::Unchecked => "not checked",
        }
    }

    /// Whether it was checked and found missing or wrong.
    pub fn is_bad(self) -> bool {
        matches!(self, Trust::Unsigned | Trust::Broken)
    }
}

/// Where a bundle's parts are read from.
pub(crate) enum Parts {
    Directory(DirectorySource),
    #[cfg(feature = "aws")]
    Stored(Box<StoredParts>),
}

impl PartSource for Parts {
    fn get(&self, filename: &str) -> io::Result<Vec<u8>> {
        match self {
            Parts::Directory(parts) => parts.get(filename),
            #[cfg(feature = "aws")]
            Parts::Stored(parts) => parts.get(filename),
        }
    }
}

impl Bundle {
    /// Reads the manifest at a place: `DIR/NAME.manifest.xml` or `s3://BUCKET/PREFIX/NAME.manifest.xml`. The parts are
    /// beside it.
    ///
    /// # Errors
    /// A place that is no file, and what reading and parsing it says.
    pub fn read(place: &Place, run: &Run) -> Result<Bundle> {
        let reading = || format!("reading the manifest `{place}`");
        let is_directory = place.path().is_some_and(Path::is_dir);
        let Some((directory, filename)) = place.split().filter(|_| !is_directory) else {
            let what = if is_directory { "a directory" } else { "a place" };
            return Err(Error::usage(format!("`{place}` is {what}, not a manifest")).advise(
                Advice::say("a bundle is named by its manifest: `DIR/NAME.manifest.xml`"),
            ));
        };
        let place = place.clone();
        #[cfg(feature = "aws")]
        if let Place::S3(above) = &directory {
            let stored = run.wait(async { run.aws().await?.open(above).await });
            let stored = stored.with_context(reading)?;
            let most = baler_manifest::MAX_SIZE as u64;
            let text = run.wait(async { Ok(stored.store.get(&filename, None, most).await?) });
            let text: Vec<u8> = text.with_context(reading)?.into();
            let manifest = Manifest::parse(&text).with_context(|| Error::mismatch(reading()))?;
            return Ok(Bundle { place, directory, filename, manifest, stored: Some(stored) });
        }
        let mut text = Vec::new();
        let file = run.stop.open(place.path().unwrap_or(Path::new(""))).with_context(reading)?;
        let most = baler_manifest::MAX_SIZE as u64 + 1;
        file.take(most).read_to_end(&mut text).with_context(reading)?;
        let manifest = Manifest::parse(&text).with_context(|| Error::mismatch(reading()))?;
        Ok(Bundle {
            place,
            directory,
            filename,
            manifest,
            #[cfg(feature = "aws")]
            stored: None,
        })
    }

    /// The same bundle, with its parts in another directory than its manifest.
    pub fn with_parts_in(self, directory: &Path) -> Bundle {
        Bundle { directory: Place::Path(directory.to_owned()), ..self }
    }

    /// The manifest's place.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Where the parts are.
    pub fn directory(&self) -> &Place {
        &self.directory
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The contents of the manifest.
    pub fn contents(&self) -> &Contents {
        self.manifest.contents()
    }

    /// The manifest's own name.
    ///
    /// # Errors
    /// A name that is not UTF-8, which cannot be used elsewhere.
    pub fn filename(&self) -> Result<&str> {
        if self.place.path().is_none_or(|path| path.to_str().is_some()) {
            return Ok(&self.filename);
        }
        Err(Error::usage(format!("the name of `{}` is not UTF-8", self.place))
            .advise(Advice::say("rename it")))
    }

    /// The message for a signature that cannot be checked.
    pub(crate) fn unchecked(&self) -> String {
        let place = &self.place;
        format!("the signature of `{place}` cannot be checked: the key is EC2's, not the signer's")
    }

    /// Whether `path` is one of the bundle's own files, under whatever name.
    pub fn has(&self, path: &Path) -> bool {
        let (Some(manifest), Some(directory)) = (self.place.path(), self.directory.path()) else {
            return false;
        };
        let parts = self.contents().parts.iter();
        let mut files = parts.map(|part| directory.join(&part.filename));
        is_same(manifest, path) || files.any(|file| is_same(&file, path))
    }

    /// Insists on all parts being what the manifest says; `what` is said of a bundle that is not.
    #[cfg(feature = "aws")]
    pub(crate) fn check_parts(
        &self,
        jobs: usize,
        what: &str,
        run: &Run,
        on_event: &(dyn Fn(PackEvent) + Sync),
    ) -> Result<()> {
        let source = run.stop.watch(self.parts(run)?);
        let found = verify(self.contents(), None, jobs, &source, on_event);
        run.stop.check()?;
        let Some(first) = found.parts.into_iter().next() else { return Ok(()) };
        let what = format!("`{}` {what}", self.place);
        // An unreadable part is no proof against the bundle: its own error says why it could not be read.
        let error = if first.is_mismatch() {
            Error::mismatch(what).advise(Advice::Verify)
        } else {
            Error::failed(what)
        };
        Err(error.because(first))
    }

    /// The parts, some of them read ahead.
    pub(crate) fn parts(&self, run: &Run) -> Result<Parts> {
        self.parts_ahead(IN_FLIGHT, run)
    }

    /// The parts, so many of them on their way at a time.
    #[cfg_attr(
        not(feature = "aws"),
        expect(unused_variables, reason = "a directory needs neither")
    )]
    pub(crate) fn parts_ahead(&self, jobs: usize, run: &Run) -> Result<Parts> {
        #[cfg(feature = "aws")]
        if let Some(stored) = &self.stored {
            let parts = StoredParts::new(run, stored.store.clone(), self.contents(), jobs)?;
            return Ok(Parts::Stored(Box::new(parts)));
        }
        Ok(Parts::Directory(DirectorySource::new(self.directory.path().unwrap_or(Path::new(".")))))
    }

    /// The parts, each checked when it is asked for.
    ///
    /// # Errors
    /// A network that cannot be started.
    pub fn checked_parts(&self, run: &Run) -> Result<CheckedParts<'_>> {
        Ok(CheckedParts { contents: self.contents(), source: run.stop.watch(self.parts(run)?) })
    }

    /// Unwraps the image's key with the user's.
    ///
    /// # Errors
    /// A key that does not open it; where `certificate` shows that the manifest was changed, that is the reason.
    pub fn open(&self, user: &UserKey, certificate: Option<PublicKey>) -> Result<Opened> {
        let opened = baler_manifest::open(self.contents(), &user.key, &mut SysRng);
        let secrets = opened.map_err(|error| {
            let (place, key) = (&self.place, user.path.display());
            let what = format!("opening `{place}` with the key `{key}`");
            let was_changed = certificate.is_some_and(|signer| {
                self.manifest.check_signature(&signer) == SignatureCheck::Mismatch
            });
            let outer = match error {
                _ if was_changed => Error::mismatch(format!(
                    "{what}: the signature is wrong, the manifest was changed or someone else signed it"
                )),
                KeyError::NotForThisKey => Error::failed(what).advise(Advice::GiveOtherKey),
                _ => Error::failed(what),
            };
            outer.because(error)
        })?;
        Ok(Opened { secrets, own: user.key.public().clone() })
    }

    /// Checks the signature with the certificate that was given, else with the user's own key.
    ///
    /// # Errors
    /// A certificate that does not belong to the user's key, or that cannot be read.
    pub fn trust(&self, keys: &Keys, opened: Option<&Opened>, run: &Run) -> Result<Trust> {
        let by_user = opened.filter(|opened| opened.secrets.opened_as == OpenedAs::User);
        let signer = match (keys.certificate(run)?, by_user) {
            (Some(certificate), Some(Opened { own, .. })) if certificate != *own => {
                return Err(Error::failed(
                    "the certificate does not belong to the key that opens the bundle",
                )
                .advise(Advice::OmitCertificate));
            }
            (Some(certificate), _) => certificate,
            (None, Some(Opened { own, .. })) => own.clone(),
            // A bundle that opened as EC2's may have been signed by the same key: someone's own cloud.
            (None, None) => match opened {
                Some(Opened { own, .. })
                    if self.manifest.check_signature(own) == SignatureCheck::Valid =>
                {
                    own.clone()
                }
                _ => return Ok(Trust::Unchecked),
            },
        };
        Ok(match self.manifest.check_signature(&signer) {
            SignatureCheck::Valid => Trust::Valid,
            SignatureCheck::Unsigned => Trust::Unsigned,
            SignatureCheck::Mismatch => Trust::Broken,
        })
    }
}

/// The parts of a bundle, each compared with the manifest when it is read.
pub struct CheckedParts<'a> {
    contents: &'a Contents,
    source: Watched<Parts>,
}

impl std::fmt::Debug for CheckedParts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CheckedParts").finish_non_exhaustive()
    }
}

impl CheckedParts<'_> {
    /// A part, by its index in the manifest.
    ///
    /// # Errors
    /// An index that the manifest does not have, what reading says, and a part that is not what the manifest says.
    pub fn get(&self, index: usize) -> Result<SealedPart> {
        let part = self.contents.parts.get(index);
        let part = part.ok_or_else(|| Error::usage(format!("the bundle has no part {index}")))?;
        let data = match fetch_part(&self.source, index, part) {
            Err(PackError::PartDigest { .. }) => {
                let name = &part.filename;
                let what = format!(
                    "part {index} (`{name}`) is not what the manifest says; a damaged bundle is not copied"
                );
                return Err(Error::mismatch(what).advise(Advice::Verify));
            }
            data => data?,
        };
        Ok(SealedPart::new(part.filename.clone(), part.digest, data))
    }
}

impl Opened {
    /// The image's cipher key.
    pub fn key(&self) -> &CipherKey {
        &self.secrets.key
    }

    /// The image's initialisation vector.
    pub fn iv(&self) -> &CipherIv {
        &self.secrets.iv
    }

    /// The manifest written anew and signed by the user, with the image's key wrapped for them, and for another EC2 if one
    /// is given.
    ///
    /// # Errors
    /// Contents that no manifest can have.
    pub fn write(
        &self,
        mut contents: Contents,
        ec2: Option<&PublicKey>,
        user: &UserKey,
    ) -> Result<String> {
        if let Some(ec2) = ec2 {
            contents.ec2_key = ec2.wrap(self.key().bytes(), &mut SysRng)?;
            contents.ec2_iv = ec2.wrap(self.iv().bytes(), &mut SysRng)?;
        }
        let own = user.key.public();
        contents.user_key = own.wrap(self.key().bytes(), &mut SysRng)?;
        contents.user_iv = own.wrap(self.iv().bytes(), &mut SysRng)?;
        baler_manifest::write(&contents, Some(&user.key), &mut SysRng)
            .context("writing the manifest")
    }
}

/// What all of these names begin with: a listing need not go further.
#[cfg(feature = "aws")]
pub(crate) fn common_start<'a>(mut names: impl Iterator<Item = &'a str>) -> &'a str {
    let first = names.next().unwrap_or_default();
    names.fold(first, |start, name| {
        let same = start.char_indices().zip(name.chars()).take_while(|((_, a), b)| a == b);
        let len = same.last().map_or(0, |((at, c), _)| at + c.len_utf8());
        &start[..len]
    })
}

/// Whether two paths lead to the same file.
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    let id = |path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    id(one).is_some_and(|one| Some(one) == id(other))
}

#[cfg(all(test, feature = "aws"))]
mod tests {
    use super::common_start;

    #[test]
    fn names_begin_alike() {
        for (names, start) in [
            (&["a.part.0", "a.part.1"][..], "a.part."),
            (&["größe", "grün"], "gr"),
            (&["a", "b"], ""),
            (&["only"], "only"),
            (&[], ""),
        ] {
            assert_eq!(common_start(names.iter().copied()), start);
        }
    }
}
