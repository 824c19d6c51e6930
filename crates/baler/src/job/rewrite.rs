//! A manifest is written anew: for another kernel, or another EC2.

use baler_manifest::PublicKey;

use crate::advice::Advice;
use crate::bundle::{Bundle, Trust};
use crate::error::{Error, Result};
use crate::keys::{Keys, UserKey};
use crate::run::Run;

/// Changes from an old manifest to a new one.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Rewrite {
    /// The kernel.
    pub kernel: Option<String>,
    /// The RAM disk.
    pub ramdisk: Option<String>,
    /// The key of another EC2.
    pub ec2: Option<PublicKey>,
    /// Whether the old manifest may have a signature that is wrong, missing or cannot be checked.
    pub ignore_signature: bool,
}

impl Rewrite {
    /// Nothing is otherwise.
    pub fn new() -> Rewrite {
        Rewrite::default()
    }

    /// The text of the new manifest, signed by the user.
    ///
    /// # Errors
    /// A key that does not open the bundle, and a signature that is not valid: whoever signs the new manifest vouches for
    /// the old one.
    pub fn text(&self, bundle: &Bundle, keys: &Keys, user: &UserKey, run: &Run) -> Result<String> {
        let opened = bundle.open(user, keys.certificate(run)?)?;
        let trust = bundle.trust(keys, Some(&opened), run)?;
        if trust != Trust::Valid && !self.ignore_signature {
            let what = format!("the signature of `{}` is {}", bundle.place(), trust.word());
            return Err(Error::mismatch(what).advise(Advice::GiveSigner));
        }
        let mut contents = bundle.contents().clone();
        contents.kernel_id = self.kernel.clone().or(contents.kernel_id);
        contents.ramdisk_id = self.ramdisk.clone().or(contents.ramdisk_id);
        opened.write(contents, self.ec2.as_ref(), user)
    }
}
