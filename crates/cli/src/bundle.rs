//! A bundle that exists: its manifest, read from the file that names it, and whether to believe it.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use baler_manifest::{
    CipherIv, CipherKey, KeyError, Manifest, OpenedAs, PublicKey, SignatureCheck,
};
use getrandom::SysRng;

use crate::exit::Trouble;
use crate::interrupt::open_waiting;
use crate::keys::{KeyArgs, UserKey};
use crate::report::Console;

/// A bundle's manifest, and where it is.
pub(crate) struct Bundle {
    pub(crate) path: PathBuf,
    pub(crate) manifest: Manifest,
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

impl Bundle {
    /// What there is to say of a signature that cannot be checked.
    pub(crate) fn unchecked(&self) -> String {
        let path = self.path.display();
        format!("the signature of `{path}` cannot be checked: the key is EC2's, not the signer's")
    }

    /// Whether `path` is one of the bundle's own files, under whatever name.
    pub(crate) fn has(&self, path: &Path) -> bool {
        let parts = self.manifest.contents().parts.iter();
        let mut files = parts.map(|part| self.directory().join(&part.filename));
        is_same(&self.path, path) || files.any(|file| is_same(&file, path))
    }

    pub(crate) fn read(path: &Path) -> anyhow::Result<Bundle> {
        let reading = || format!("reading the manifest `{}`", path.display());
        if path.is_dir() {
            return Err(Trouble::usage(format!(
                "`{}` is a directory, not a manifest",
                path.display()
            ))
            .hint("a bundle is named by its manifest: `DIR/NAME.manifest.xml`")
            .into());
        }
        let mut text = Vec::new();
        let file = open_waiting(path).with_context(reading)?;
        file.take(baler_manifest::MAX_SIZE as u64 + 1)
            .read_to_end(&mut text)
            .with_context(reading)?;
        let manifest = Manifest::parse(&text).with_context(|| Trouble::mismatch(reading()))?;
        Ok(Bundle { path: path.to_owned(), manifest })
    }

    /// Where the parts are.
    pub(crate) fn directory(&self) -> &Path {
        self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
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
        let (key, iv, opened_as) = opened.map_err(|error| {
            let (path, key) = (self.path.display(), user.path.display());
            let what = format!("opening `{path}` with the key `{key}`");
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
