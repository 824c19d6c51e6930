//! Whether a bundle is what its manifest says, and who signed it.

use baler_bundle::{Event as PackEvent, UnpackOptions, Verification, verify};

use crate::advice::Advice;
use crate::bundle::{Bundle, Opened, Trust};
use crate::error::{Error, Result};
use crate::event::Work;
use crate::keys::Keys;
use crate::pace::default_jobs;
use crate::run::Run;

/// A job that verifies a bundle.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VerifyJob {
    /// The key that opens the bundle, and the signer's certificate. A certificate alone says that it shall not be opened.
    pub keys: Keys,
    /// Uses no private key: checks the parts and, with a certificate, the signature.
    pub without_key: bool,
    /// The number of threads.
    pub jobs: usize,
}

/// The result of a verification.
#[derive(Debug)]
#[non_exhaustive]
pub struct Verified {
    /// The result of the check of the signature.
    pub trust: Trust,
    /// The parts, and the image in them.
    pub found: Verification,
}

impl VerifyJob {
    /// With these keys.
    pub fn new(keys: Keys) -> VerifyJob {
        VerifyJob { keys, without_key: false, jobs: default_jobs() }
    }

    /// Checks the signature, the parts, and with the key the image in them; writes nothing.
    ///
    /// # Errors
    /// What keeps the check from being made. A bundle that does not verify is not an error here, but of
    /// [`Verified::check`].
    pub fn run(&self, bundle: &Bundle, run: &Run) -> Result<Verified> {
        let opened = self.open(bundle, run)?;
        let trust = bundle.trust(&self.keys, opened.as_ref(), run)?;
        if opened.is_some() && trust == Trust::Unchecked {
            // Whoever has EC2's certificate can make a bundle that opens with its key.
            return Err(Error::usage(bundle.unchecked()).advise(Advice::GiveSignerOrCheckParts));
        }
        let (contents, jobs) = (bundle.contents(), self.jobs);
        let options = opened.as_ref().map(|opened| {
            let mut options = UnpackOptions::new(opened.key(), opened.iv());
            options.jobs = jobs;
            options
        });
        let source = run.stop.watch(bundle.parts(run)?);
        let progress = run.begin(Work::new("verifying", &contents.name, contents.bundled_size));
        let on_event = |event| {
            if let PackEvent::Part(bytes) = event {
                progress.add(bytes);
            }
        };
        let found = verify(contents, options.as_ref(), jobs, &source, &on_event);
        drop(progress);
        run.stop.check()?;
        Ok(Verified { trust, found })
    }

    /// Opens the bundle if there is something to open it with.
    fn open(&self, bundle: &Bundle, run: &Run) -> Result<Option<Opened>> {
        let only_certificate = self.keys.key.is_none() && self.keys.certificate.is_some();
        if self.without_key || only_certificate {
            return Ok(None);
        }
        let Some(user) = self.keys.private_key(run)? else {
            return Err(Error::usage(
                "there is no key to open the bundle, and no certificate to check its signature",
            )
            .advise(Advice::GiveKeyOrCheckParts));
        };
        bundle.open(&user, self.keys.certificate(run)?).map(Some)
    }
}

impl Verified {
    /// Whether nothing is wrong, as far as it was checked.
    pub fn is_good(&self) -> bool {
        self.found.is_good() && !self.trust.is_bad()
    }

    /// Insists on nothing being wrong.
    ///
    /// # Errors
    /// The bundle does not verify; or could not be read.
    pub fn check(self, bundle: &Bundle) -> Result<()> {
        if self.is_good() {
            return Ok(());
        }
        let place = bundle.place();
        let Verified { trust, found } = self;
        let has_bad_parts = !found.parts.is_empty();
        let errors = found.parts.into_iter().chain(found.image.and_then(std::result::Result::err));
        let mut errors: Vec<_> = errors.collect();
        // A disk that cannot be read, or a service that refuses, is no proof against the bundle.
        if !trust.is_bad() && errors.iter().all(|error| !error.is_mismatch()) {
            let what = format!("`{place}` cannot be verified");
            return Err(Error::failed(what).because(errors.swap_remove(0)));
        }
        let error = Error::mismatch(format!("`{place}` does not verify"));
        Err(if has_bad_parts { error.advise(Advice::CopyAgainOrSalvage) } else { error })
    }
}
