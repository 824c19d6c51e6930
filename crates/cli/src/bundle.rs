//! A bundle that exists: its manifest, read from the file that names it, and whether to believe it.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use baler_bundle::{DirectorySource, Event, PartSource, verify};
use baler_manifest::{
    CipherIv, CipherKey, Contents, KeyError, Manifest, OpenedAs, PublicKey, SignatureCheck,
};
use getrandom::SysRng;

use crate::aws::{Aws, AwsArgs, Remote};
use crate::exit::Trouble;
use crate::interrupt::{self, Interruptible, open_waiting};
use crate::keys::{KeyArgs, UserKey};
use crate::place::Place;
use crate::remote::RemoteParts;
use crate::report::Console;

/// A bundle's manifest, and where it is.
pub(crate) struct Bundle {
    /// The manifest's place.
    pub(crate) place: Place,
    /// Where the parts are.
    pub(crate) directory: Place,
    filename: String,
    pub(crate) manifest: Manifest,
    /// The way to it, if it is in S3.
    pub(crate) remote: Option<(Arc<Aws>, Remote)>,
}

/// What the key that was given makes of a bundle.
pub(crate) struct Opened {
    pub(crate) key: CipherKey,
    pub(crate) iv: CipherIv,
    /// The public half of the key that opened it.
    own: PublicKey,
    opened_as: OpenedAs,
}

/// What is known of a manifest's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    Valid,
    Unsigned,
    Broken,
    /// There is neither a certificate nor the user's key to check it with.
    Unchecked,
}

impl Trust {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Trust::Valid => "valid",
            Trust::Unsigned => "missing",
            Trust::Broken => "wrong",
            Trust::Unchecked => "not checked",
        }
    }

    /// Whether it was checked and found wanting.
    pub(crate) fn is_bad(self) -> bool {
        matches!(self, Trust::Unsigned | Trust::Broken)
    }
}

/// Where a bundle's parts are read from.
pub(crate) enum Parts {
    Directory(DirectorySource),
    Remote(Box<RemoteParts>),
}

impl PartSource for Parts {
    fn get(&self, filename: &str) -> io::Result<Vec<u8>> {
        match self {
            Parts::Directory(parts) => parts.get(filename),
            Parts::Remote(parts) => parts.get(filename),
        }
    }
}

/// How many parts are on their way at a time.
pub(crate) const IN_FLIGHT: usize = 8;

impl Bundle {
    /// What there is to say of a signature that cannot be checked.
    pub(crate) fn unchecked(&self) -> String {
        let place = &self.place;
        format!("the signature of `{place}` cannot be checked: the key is EC2's, not the signer's")
    }

    /// Whether `path` is one of the bundle's own files, under whatever name.
    pub(crate) fn has(&self, path: &Path) -> bool {
        let (Some(manifest), Place::Path(directory)) = (self.place.path(), &self.directory) else {
            return false;
        };
        let parts = self.manifest.contents().parts.iter();
        let mut files = parts.map(|part| directory.join(&part.filename));
        is_same(manifest, path) || files.any(|file| is_same(&file, path))
    }

    pub(crate) fn read(place: &Place, aws: &AwsArgs, console: &Console) -> anyhow::Result<Bundle> {
        Bundle::read_with(place, || Ok(Arc::new(Aws::connect(aws, console)?)))
    }

    /// Reads it over a way to AWS that is open, or opened when it is needed.
    pub(crate) fn read_with(
        place: &Place,
        aws: impl FnOnce() -> anyhow::Result<Arc<Aws>>,
    ) -> anyhow::Result<Bundle> {
        let reading = || format!("reading the manifest `{place}`");
        let is_directory = place.path().is_some_and(Path::is_dir);
        let Some((directory, filename)) = place.split().filter(|_| !is_directory) else {
            let what = if is_directory { "a directory" } else { "a place" };
            return Err(Trouble::usage(format!("`{place}` is {what}, not a manifest"))
                .hint("a bundle is named by its manifest: `DIR/NAME.manifest.xml`")
                .into());
        };
        let mut remote = None;
        let text = match (place, &directory) {
            (Place::S3(_), Place::S3(above)) => {
                let aws = aws()?;
                let opened = aws.run(aws.open(above)).with_context(reading)?;
                let most = baler_manifest::MAX_SIZE as u64;
                let text = aws
                    .run(async { Ok(opened.store.get(&filename, None, most).await?) })
                    .with_context(reading)?;
                remote = Some((aws, opened));
                text.into()
            }
            _ => {
                let path = place.path().unwrap_or(Path::new(""));
                let mut text = Vec::new();
                let file = open_waiting(path).with_context(reading)?;
                file.take(baler_manifest::MAX_SIZE as u64 + 1)
                    .read_to_end(&mut text)
                    .with_context(reading)?;
                text
            }
        };
        let manifest = Manifest::parse(&text).with_context(|| Trouble::mismatch(reading()))?;
        Ok(Bundle { place: place.clone(), directory, filename, manifest, remote })
    }

    /// The same bundle, with its parts in another directory than its manifest.
    pub(crate) fn with_parts_in(self, directory: &Path) -> Bundle {
        Bundle { directory: Place::Path(directory.to_owned()), ..self }
    }

    /// The manifest's own name.
    ///
    /// # Errors
    /// A name that is no text, which cannot be used elsewhere.
    pub(crate) fn filename(&self) -> anyhow::Result<&str> {
        match self.place.path().is_none_or(|path| path.to_str().is_some()) {
            true => Ok(&self.filename),
            false => Err(Trouble::usage(format!("the name of `{}` is no UTF-8", self.place))
                .hint("rename it")
                .into()),
        }
    }

    /// Insists on all parts being what the manifest says; `what` is said of a bundle that is not.
    pub(crate) fn check_parts(
        &self,
        jobs: usize,
        what: &str,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> anyhow::Result<()> {
        let contents = self.manifest.contents();
        let found = verify(contents, None, jobs, &Interruptible(self.parts()), on_event);
        interrupt::check()?;
        let Some(first) = found.parts.into_iter().next() else { return Ok(()) };
        let what = format!("`{}` {what}", self.place);
        // What could not be read is no proof against the bundle; why not is said by whoever did not give it.
        let trouble = match first.is_mismatch() {
            true => Trouble::mismatch(what).hint("`baler verify` names all that is wrong"),
            false => Trouble::failed(what),
        };
        Err(anyhow!(first).context(trouble))
    }

    /// The parts, some of them read ahead.
    pub(crate) fn parts(&self) -> Parts {
        self.parts_ahead(IN_FLIGHT)
    }

    /// The parts, so many of them on their way at a time.
    pub(crate) fn parts_ahead(&self, jobs: usize) -> Parts {
        match (&self.remote, &self.directory) {
            (Some((aws, opened)), _) => {
                let (store, contents) = (opened.store.clone(), self.manifest.contents());
                Parts::Remote(Box::new(RemoteParts::new(aws.handle(), store, contents, jobs)))
            }
            (None, directory) => {
                Parts::Directory(DirectorySource::new(directory.path().unwrap_or(Path::new("."))))
            }
        }
    }

    /// Unwraps the image's key with the user's.
    ///
    /// # Errors
    /// A key that does not open it; where `certificate` shows that the manifest was changed, that is the reason.
    pub(crate) fn open(
        &self,
        user: &UserKey,
        certificate: Option<PublicKey>,
    ) -> anyhow::Result<Opened> {
        let opened = baler_manifest::open(self.manifest.contents(), &user.key, &mut SysRng);
        let opened = opened.map_err(|error| {
            let (place, key) = (&self.place, user.path.display());
            let what = format!("opening `{place}` with the key `{key}`");
            let was_changed = certificate.is_some_and(|signer| {
                self.manifest.check_signature(&signer) == SignatureCheck::Mismatch
            });
            let trouble = match error {
                _ if was_changed => Trouble::mismatch(format!(
                    "{what}: the signature is wrong, the manifest was changed or someone else signed it"
                )),
                KeyError::NotForThisKey => Trouble::failed(what)
                    .hint("pass the bundle's key with --key; if it is this one, the manifest was changed"),
                _ => Trouble::failed(what),
            };
            anyhow!(error).context(trouble)
        })?;
        let (key, iv, opened_as) = (opened.key, opened.iv, opened.opened_as);
        Ok(Opened { key, iv, own: user.key.public().clone(), opened_as })
    }

    /// Checks the signature with the certificate that was given, else with the user's own key.
    ///
    /// # Errors
    /// A certificate that does not belong to the user's key.
    pub(crate) fn trust(&self, keys: &KeyArgs, opened: Option<&Opened>) -> anyhow::Result<Trust> {
        let signer = match (keys.certificate()?, opened) {
            (Some(certificate), Some(Opened { own, opened_as: OpenedAs::User, .. }))
                if certificate != *own =>
            {
                return Err(Trouble::failed(
                    "the certificate does not belong to the key that opens the bundle",
                )
                .hint("pass the certificate that was made for this key, or leave --cert (EC2_CERT) away")
                .into());
            }
            (Some(certificate), _) => certificate,
            (None, Some(Opened { own, opened_as: OpenedAs::User, .. })) => own.clone(),
            // What opened as EC2's may have been signed by the same key all the same: someone's own cloud.
            (None, Some(Opened { own, .. }))
                if self.manifest.check_signature(own) == SignatureCheck::Valid =>
            {
                own.clone()
            }
            (None, _) => return Ok(Trust::Unchecked),
        };
        Ok(match self.manifest.check_signature(&signer) {
            SignatureCheck::Valid => Trust::Valid,
            SignatureCheck::Unsigned => Trust::Unsigned,
            SignatureCheck::Mismatch => Trust::Broken,
        })
    }
}

impl Opened {
    /// The manifest written anew and signed by the user, with the image's key wrapped for them, and for another EC2 if one
    /// is given.
    pub(crate) fn write(
        &self,
        mut contents: Contents,
        ec2: Option<&PublicKey>,
        user: &UserKey,
    ) -> anyhow::Result<String> {
        if let Some(ec2) = ec2 {
            contents.ec2_key = ec2.wrap(self.key.bytes(), &mut SysRng)?;
            contents.ec2_iv = ec2.wrap(self.iv.bytes(), &mut SysRng)?;
        }
        let own = user.key.public();
        contents.user_key = own.wrap(self.key.bytes(), &mut SysRng)?;
        contents.user_iv = own.wrap(self.iv.bytes(), &mut SysRng)?;
        baler_manifest::write(&contents, Some(&user.key), &mut SysRng)
            .context("writing the manifest")
    }
}

/// What all of these names begin with: a listing need not go further.
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

/// The user's key, which a job cannot do without.
pub(crate) fn required_key(keys: &KeyArgs, console: &Console) -> anyhow::Result<UserKey> {
    keys.private_key(console)?.ok_or_else(|| {
        Trouble::usage("a bundle opens only with the private key that it was made for")
            .hint("pass --key, or set EC2_PRIVATE_KEY")
            .into()
    })
}

#[cfg(test)]
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
