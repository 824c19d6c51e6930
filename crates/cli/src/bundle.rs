//! A bundle that exists: its manifest, read from the file that names it, and whether to believe it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use baler_manifest::{
    CipherIv, CipherKey, KeyError, Manifest, OpenedAs, PublicKey, SignatureCheck,
};
use getrandom::SysRng;

use crate::exit::Trouble;
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
    /// Who signed the manifest, as far as the key tells: the user's own is also the one that signs.
    signer: Option<PublicKey>,
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
        let file = File::open(path).with_context(reading)?;
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
        let signer = (opened_as == OpenedAs::User).then(|| user.key.public().clone());
        Ok(Opened { key, iv, signer })
    }

    /// Checks the signature with the certificate that was given, else with the user's own key.
    ///
    /// # Errors
    /// A certificate that does not belong to the user's key.
    pub(crate) fn trust(&self, keys: &KeyArgs, opened: Option<&Opened>) -> anyhow::Result<Trust> {
        let own = opened.and_then(|opened| opened.signer.clone());
        let signer = match (keys.certificate()?, own) {
            (Some(certificate), Some(own)) if certificate != own => {
                return Err(Trouble::failed("the certificate does not belong to the key that opens the bundle")
                    .hint("pass the certificate that was made for this key, or leave --cert (EC2_CERT) away")
                    .into());
            }
            (Some(signer), _) | (None, Some(signer)) => signer,
            (None, None) => return Ok(Trust::Unchecked),
        };
        Ok(match self.manifest.check_signature(&signer) {
            SignatureCheck::Valid => Trust::Valid,
            SignatureCheck::Unsigned => Trust::Unsigned,
            SignatureCheck::Mismatch => Trust::Broken,
        })
    }
}

/// The user's key, which a job cannot do without.
pub(crate) fn required_key(keys: &KeyArgs, console: &Console) -> anyhow::Result<UserKey> {
    keys.private_key(console)?.ok_or_else(|| {
        Trouble::usage("a bundle opens only with the private key that it was made for")
            .hint("pass --key, or set EC2_PRIVATE_KEY")
            .into()
    })
}
