//! An image becomes a bundle, in a directory or in S3.

use std::path::{Path, PathBuf};

use baler_bundle::{Event as PackEvent, Level, PackOptions, Packed, manifest_filename, pack};
use baler_image::Image as _;
use baler_manifest::{CipherIv, CipherKey, Contents, Fingerprint, PrivateKey};
use baler_volume::Recipe;
use getrandom::SysRng;
#[cfg(feature = "aws")]
use {
    crate::advice::Advice,
    crate::ami::{self, NewAmi, Wanted},
    crate::error::Error,
    crate::layout::layout,
    baler_ec2::{AmiId, Registration},
};

use super::destination::{Destination, Sink};
use crate::error::{Context, Result};
use crate::event::{Event, Work};
use crate::input::{self, ImagePlace, Input};
use crate::keys::{self, Keys, OpeningKey, UserKey};
use crate::place::Place;
use crate::run::Run;
use crate::tree::TreeImage;

/// The plan of a bundle, made once from the job.
#[derive(Debug)]
pub struct BundlePlan {
    pub(super) source: ImagePlace,
    pub(super) recipe: Option<Recipe>,
    pub(super) report: Option<PathBuf>,
    pub(super) length: Option<u64>,
    pub(super) is_plain: bool,
    pub(super) destination: Destination,
    pub(super) allow_large: bool,
    pub(super) overwrite: bool,
    pub(super) level: Level,
    pub(super) jobs: usize,
    pub(super) mtime: u64,
    pub(super) keys: Keys,
    /// `None` while there is none: one is made when it is certain that it will be used.
    pub(super) user: Option<UserKey>,
    pub(super) ec2: OpeningKey,
    pub(super) manifest: Contents,
    #[cfg(feature = "aws")]
    pub(super) register: Option<Submitting>,
}

/// The AMI that the bundle becomes.
#[cfg(feature = "aws")]
#[derive(Debug)]
pub(super) struct Submitting {
    pub(super) ami: NewAmi,
    /// What EC2 will be asked for, once all of it is known.
    pub(super) registration: Option<Registration>,
}

impl BundlePlan {
    /// What the manifest says, but for what comes of the work.
    pub fn contents(&self) -> &Contents {
        &self.manifest
    }

    /// The image.
    pub fn source(&self) -> &ImagePlace {
        &self.source
    }

    /// Where the bundle goes.
    pub fn place(&self) -> Place {
        self.destination.place()
    }

    /// Where the manifest will be.
    pub fn manifest_place(&self) -> Place {
        self.place().join(&manifest_filename(&self.manifest.name))
    }

    /// The file of the user's key; `None` if a new one would be made.
    pub fn key_path(&self) -> Option<&Path> {
        self.user.as_ref().map(|user| user.path.as_path())
    }

    /// The name of EC2's key that opens the bundle.
    pub fn ec2_name(&self) -> &str {
        &self.ec2.name
    }

    /// The request to EC2.
    #[cfg(feature = "aws")]
    pub fn registration(&self) -> Option<&Registration> {
        self.register.as_ref()?.registration.as_ref()
    }

    /// Refuses what is in the way, before anything is read or made.
    ///
    /// # Errors
    /// A file of a bundle of that name.
    pub fn check(&self, run: &Run) -> Result<()> {
        let inputs: Vec<_> = self.source.path().into_iter().chain(self.key_path()).collect();
        self.destination.check(&self.manifest.name, &inputs, self.overwrite, run)
    }

    /// Opens the image, or plans the one of a root tree.
    ///
    /// # Errors
    /// What reading it says, and an image that EC2 refuses.
    pub fn open(&self, run: &Run) -> Result<Input> {
        let mut input = match (&self.recipe, self.source.path()) {
            (Some(recipe), _) => {
                let report = self.report.as_deref();
                Input::Tree(Box::new(TreeImage::plan(recipe, report, self.overwrite, run)?))
            }
            (None, Some(path)) if self.is_plain => {
                let file = std::fs::File::open(path);
                let file = file.with_context(|| format!("reading the image `{}`", self.source))?;
                Input::File(input::open_plain(file, path, None, run)?)
            }
            (None, _) => input::open(&self.source, self.length, run)?,
        };
        input::check_size(input.image().len(), &self.source, self.allow_large)?;
        input::warn_if_in_use(&input, &self.source, run);
        Ok(input)
    }

    /// Makes sure, as far as can be seen, that the bundle can be registered.
    ///
    /// # Errors
    /// An AMI that has the name, and what EC2 would refuse.
    #[cfg(feature = "aws")]
    pub fn prepare(&mut self, input: &mut Input, run: &Run) -> Result<()> {
        let name = &self.manifest.name;
        let Some(register) = &mut self.register else { return Ok(()) };
        let Some(submission) = self.destination.submission(name, run)? else { return Ok(()) };
        let options = &register.ami.options;
        let layout = if options.virtualization.is_none() {
            layout(input.image()).context("looking at the image's layout")?
        } else {
            None
        };
        let (name, location) = (register.ami.name.clone(), submission.location);
        let wanted = Wanted { name, location, contents: &self.manifest, layout };
        let registration = options.registration(wanted, run)?;
        if let Some(ec2) = &submission.ec2 {
            ami::check_name(ec2, &registration.name, run)?;
        }
        register.registration = Some(registration);
        Ok(())
    }

    /// There is nothing to prepare.
    ///
    /// # Errors
    /// None.
    #[cfg(not(feature = "aws"))]
    pub fn prepare(&mut self, _: &mut Input, _: &Run) -> Result<()> {
        Ok(())
    }

    /// Makes the bundle.
    ///
    /// # Errors
    /// What reading, writing and registering says. Nothing unfinished is left under its final name.
    pub fn make(mut self, input: Input, run: &Run) -> Result<Made> {
        let is_new = self.destination.make()?;
        let made = self.make_there(input, run);
        if is_new && made.is_err() {
            self.destination.unmake();
        }
        made
    }

    fn make_there(&mut self, mut input: Input, run: &Run) -> Result<Made> {
        self.destination.check_space(&mut input, self.level, run)?;
        let user = match self.user.take() {
            Some(user) => user.key,
            None => keys::make_first_key(&self.keys, run)?,
        };
        let name = &self.manifest.name;
        let mut sink = self.destination.sink(name, self.overwrite, run)?;
        match self.pack(input, &mut sink, &user, run) {
            Ok(Sealed { manifest, packed, changed }) => {
                let place = sink.commit(name, manifest, run)?;
                run.report(Event::Bundled {
                    size: packed.size,
                    parts: packed.parts.len(),
                    bundled_size: packed.bundled_size,
                    ec2_key: &self.ec2.name,
                });
                let fingerprint = user.public().fingerprint();
                let ec2_name = self.ec2.name.clone();
                Ok(Made {
                    #[cfg(feature = "aws")]
                    ami: self.submit(&place, run)?,
                    name: name.clone(),
                    place,
                    packed,
                    fingerprint,
                    ec2_name,
                    changed,
                })
            }
            Err(error) => {
                sink.abandon(name, run);
                Err(error)
            }
        }
    }

    /// Registers the bundle that was made, if that is wanted.
    #[cfg(feature = "aws")]
    fn submit(&self, place: &Place, run: &Run) -> Result<Option<AmiId>> {
        let Some(Submitting { ami, registration: Some(registration), .. }) = &self.register else {
            return Ok(None);
        };
        let submission = self.destination.submission(&self.manifest.name, run)?;
        let Some(ec2) = submission.and_then(|submission| submission.ec2) else { return Ok(None) };
        let registered = run.wait(ami.options.register(&ec2, registration, run));
        let ami = registered.with_context(|| {
            Error::failed(format!("the bundle is at `{place}`, but there is no AMI of it"))
                .finally(Advice::Register(place.clone()))
        })?;
        Ok(Some(ami))
    }

    /// Makes the parts, and the text of the manifest.
    fn pack(&self, input: Input, sink: &mut Sink, user: &PrivateKey, run: &Run) -> Result<Sealed> {
        let key = CipherKey::generate(&mut SysRng).context("making the image's key")?;
        let iv = CipherIv::generate(&mut SysRng).context("making the image's key")?;
        let (image, outcome) = input.into_image();
        let mut image = run.stop.watch(image);
        let name = &self.manifest.name;
        let mut options = PackOptions::new(name, &key, &iv);
        options.level = self.level;
        options.mtime = self.mtime;
        options.jobs = self.jobs;
        let progress = run.begin(Work::new("bundling", name, image.len()));
        let on_event = |event| {
            if let PackEvent::Image(bytes) = event {
                progress.add(bytes);
            }
        };
        let doing = || format!("bundling `{}` into `{}`", self.source, self.destination.place());
        let mut watched = run.stop.watch(&mut *sink);
        let mut packed = pack(&mut image, &options, &mut watched, &on_event).with_context(doing)?;
        drop(progress);
        sink.renumber(&mut packed.parts).with_context(doing)?;
        let changed = outcome.map_or(Ok(0), |outcome| outcome.finish(run))?;

        let mut contents = self.manifest.clone();
        contents.digest = packed.digest;
        contents.size = packed.size;
        contents.bundled_size = packed.bundled_size;
        contents.parts.clone_from(&packed.parts);
        contents.ec2_key = self.ec2.key.wrap(key.bytes(), &mut SysRng)?;
        contents.ec2_iv = self.ec2.key.wrap(iv.bytes(), &mut SysRng)?;
        contents.user_key = user.public().wrap(key.bytes(), &mut SysRng)?;
        contents.user_iv = user.public().wrap(iv.bytes(), &mut SysRng)?;
        let manifest = baler_manifest::write(&contents, Some(user), &mut SysRng)
            .context("writing the manifest")?;
        run.stop.check()?;
        Ok(Sealed { manifest, packed, changed })
    }
}

/// Parts that are made, and the manifest that will make a bundle of them.
struct Sealed {
    manifest: String,
    packed: Packed,
    /// The number of files that changed meanwhile.
    changed: usize,
}

/// A bundle that was made.
#[derive(Debug)]
#[non_exhaustive]
pub struct Made {
    /// The bundle's name.
    pub name: String,
    /// The manifest's place.
    pub place: Place,
    /// What there is to say of the parts.
    pub packed: Packed,
    /// The fingerprint of the user's key.
    pub fingerprint: Fingerprint,
    /// The name of EC2's key that opens the bundle.
    pub ec2_name: String,
    /// The number of files of a root tree that changed while they were read.
    pub changed: usize,
    /// The AMI that was registered.
    #[cfg(feature = "aws")]
    pub ami: Option<AmiId>,
}
