//! A bundle becomes an image again.

use baler_bundle::{
    Error as UnpackError, Event as PackEvent, Salvage, UnpackOptions, salvage, unpack,
};

use crate::advice::Advice;
use crate::bundle::{Bundle, Trust};
use crate::error::{Error, Result};
use crate::event::{Event, Work};
use crate::input::ImagePlace;
use crate::keys::Keys;
use crate::output;
use crate::pace::default_jobs;
use crate::run::Run;

/// A job that opens a bundle.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UnbundleJob {
    /// The destination.
    pub destination: ImagePlace,
    /// The key that the bundle was made for, and the signer's certificate.
    pub keys: Keys,
    /// Reports a signature that is wrong, missing or cannot be checked instead of refusing it.
    pub ignore_signature: bool,
    /// Writes what can be read of a damaged bundle, and zeros for the rest.
    pub keep_going: bool,
    /// Overwrites a file of that name.
    pub overwrite: bool,
    /// The number of threads that inflate.
    pub jobs: usize,
}

/// An image that was written.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unbundled {
    /// The length in bytes.
    pub size: u64,
    /// The result of the check of the signature.
    pub trust: Trust,
    /// The missing bytes, if the job was to keep going.
    pub salvage: Option<Salvage>,
}

impl UnbundleJob {
    /// To that place, strictly.
    pub fn new(destination: impl Into<ImagePlace>, keys: Keys) -> UnbundleJob {
        UnbundleJob {
            destination: destination.into(),
            keys,
            ignore_signature: false,
            keep_going: false,
            overwrite: false,
            jobs: default_jobs(),
        }
    }

    /// Checks, decrypts and writes the image. A file appears under its name only once all of it was right, or the job was
    /// to keep going.
    ///
    /// # Errors
    /// The first thing that is wrong with the bundle, its signature or the place.
    pub fn run(&self, bundle: &Bundle, run: &Run) -> Result<Unbundled> {
        let user = self.keys.required_key(run)?;
        let opened = bundle.open(&user, self.keys.certificate(run)?)?;
        let trust = bundle.trust(&self.keys, Some(&opened), run)?;
        self.check_trust(bundle, trust, run)?;

        let contents = bundle.contents();
        if let Some(path) = self.destination.path().filter(|path| bundle.has(path)) {
            let path = path.display();
            return Err(Error::usage(format!("`{path}` is a file of the bundle itself"))
                .advise(Advice::say("name another file for the image")));
        }
        let sink = output::open(&self.destination, &contents.name, self.overwrite, run)?;
        let sink = Box::new(run.stop.watch(sink));
        let source = run.stop.watch(bundle.parts(run)?);
        let mut options = UnpackOptions::new(opened.key(), opened.iv());
        options.jobs = self.jobs;
        let progress = run.begin(Work::new("unbundling", &contents.name, contents.size));
        let on_event = |event| {
            if let PackEvent::Image(bytes) = event {
                progress.add(bytes);
            }
        };
        let failed = |error| self.failed(bundle, error);
        let size = contents.size;
        let salvage = if self.keep_going {
            Some(salvage(contents, &options, &source, sink, &on_event).map_err(failed)?)
        } else {
            unpack(contents, &options, &source, sink, &on_event).map_err(failed)?;
            None
        };
        Ok(Unbundled { size, trust, salvage })
    }

    fn check_trust(&self, bundle: &Bundle, trust: Trust, run: &Run) -> Result<()> {
        let place = bundle.place();
        let what = match trust {
            Trust::Valid => return Ok(()),
            Trust::Unsigned => format!("the manifest `{place}` is not signed"),
            Trust::Broken => format!(
                "the signature of `{place}` is wrong: it was changed, or someone else signed it"
            ),
            Trust::Unchecked => bundle.unchecked(),
        };
        if self.ignore_signature || self.keep_going {
            run.report(Event::Untrusted(&what));
            return Ok(());
        }
        Err(if trust == Trust::Unchecked {
            Error::usage(what).advise(Advice::GiveSigner)
        } else {
            Error::mismatch(what).advise(Advice::IgnoreSignature)
        })
    }

    fn failed(&self, bundle: &Bundle, error: UnpackError) -> Error {
        let what = format!("unbundling `{}` to `{}`", bundle.place(), self.destination);
        let outer = match (error.is_mismatch(), self.keep_going) {
            (true, false) => Error::mismatch(what).advise(Advice::VerifyOrSalvage),
            (true, true) => Error::mismatch(what),
            (false, _) => Error::failed(what),
        };
        outer.because(error)
    }
}
