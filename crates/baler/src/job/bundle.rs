//! What is wanted of a bundle, and what is decided of it before the image is looked at.

#[cfg(feature = "aws")]
use std::path::Path;
use std::path::PathBuf;

use baler_bundle::{Level, MAX_NAME_LEN, bundle_files, leftovers};
use baler_manifest::{AccountId, Bundler, Contents, check_draft, check_name};
use baler_volume::Recipe;
#[cfg(feature = "aws")]
use {
    crate::ami::NewAmi,
    crate::bucket::BucketOptions,
    crate::instance::{self, Asked},
};

use super::destination::Destination;
#[cfg(feature = "aws")]
use super::plan::Submitting;
use super::plan::{BundlePlan, Made};
use crate::advice::Advice;
use crate::error::{Context, Error, Result};
use crate::event::Event;
use crate::ids;
use crate::input::ImagePlace;
use crate::keys::{self, Keys, UserKey};
use crate::pace::default_jobs;
use crate::place::Place;
use crate::provenance::Provenance;
use crate::run::Run;

/// A job that makes a bundle.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BundleJob {
    /// The image.
    pub source: ImagePlace,
    /// The recipe for a root tree; `None` if the source is an image.
    pub recipe: Option<Recipe>,
    /// A file for the report, as JSON: what is left out of a root tree, and why.
    pub report: Option<PathBuf>,
    /// The destination.
    pub destination: Place,
    /// The bundle's name.
    pub name: String,
    /// The image's length, for a root tree and for a stream.
    pub length: Option<u64>,
    /// Bundles a compressed image as it is, without decompression.
    pub is_plain: bool,
    /// The compression level.
    pub level: Level,
    /// The number of threads that compress.
    pub jobs: usize,
    /// The time in the archive, in seconds since 1970.
    pub mtime: u64,
    /// Allows an image that is too large for EC2.
    pub allow_large: bool,
    /// Overwrites a bundle of that name.
    pub overwrite: bool,
    /// Plans the bundle, and makes nothing.
    pub is_dry: bool,
    /// The user's key and certificate; without a key, a new one is made.
    pub keys: Keys,
    /// Reports a certificate of another key instead of refusing it.
    pub allow_other_certificate: bool,
    /// The certificate of EC2, which goes before the region's.
    pub ec2_certificate: Option<PathBuf>,
    /// The region in which the bundle will be registered; the bucket's goes before it.
    pub region: Option<String>,
    /// Properties of the image for the manifest.
    pub provenance: Provenance,
    /// Takes missing properties from the metadata of the instance.
    pub inherit: bool,
    /// The program that the manifest names.
    pub bundler: Bundler,
    /// The AMI that the bundle becomes.
    #[cfg(feature = "aws")]
    pub register: Option<NewAmi>,
    /// The bucket.
    #[cfg(feature = "aws")]
    pub bucket: BucketOptions,
}

/// Baler, as manifests name it.
pub fn bundler() -> Bundler {
    Bundler {
        name: "baler".to_owned(),
        version: concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"))
            .to_owned(),
        release: env!("CARGO_PKG_VERSION_PATCH").to_owned(),
    }
}

impl BundleJob {
    /// Of an image, to a place, under a name.
    pub fn new(
        source: impl Into<ImagePlace>,
        destination: Place,
        name: impl Into<String>,
    ) -> BundleJob {
        BundleJob {
            source: source.into(),
            recipe: None,
            report: None,
            destination,
            name: name.into(),
            length: None,
            is_plain: false,
            level: Level::DEFAULT,
            jobs: default_jobs(),
            mtime: 0,
            allow_large: false,
            overwrite: false,
            is_dry: false,
            keys: Keys::new(),
            allow_other_certificate: false,
            ec2_certificate: None,
            region: None,
            provenance: Provenance::new(),
            inherit: false,
            bundler: bundler(),
            #[cfg(feature = "aws")]
            register: None,
            #[cfg(feature = "aws")]
            bucket: BucketOptions::new(),
        }
    }

    /// Makes the bundle: all of [`plan`](BundleJob::plan), [`BundlePlan::check`], [`BundlePlan::open`],
    /// [`BundlePlan::prepare`] and [`BundlePlan::make`].
    ///
    /// # Errors
    /// Those of these steps.
    pub fn run(self, run: &Run) -> Result<Made> {
        let mut plan = self.plan(run)?;
        plan.check(run)?;
        let mut input = plan.open(run)?;
        plan.prepare(&mut input, run)?;
        plan.make(input, run)
    }

    /// The recipe for the root tree, with what must never be in its image: the bundle that is written, and the user's keys.
    pub fn tree_recipe(&self) -> Option<Recipe> {
        let mut recipe = self.recipe.clone()?;
        let directory = self.destination.path();
        let own = directory.and_then(|path| bundle_files(path, &self.name).ok());
        let left = directory.and_then(|path| leftovers(path).ok());
        recipe.never.extend(own.into_iter().flatten().chain(left.into_iter().flatten()));
        recipe.never.extend(self.keys.private_paths());
        recipe.never.extend(self.report.clone());
        recipe.length = self.length;
        Some(recipe)
    }

    /// Refuses an AMI of a bundle that EC2 could not read.
    #[cfg(feature = "aws")]
    fn check_registration(&self) -> Result<()> {
        let acl = self.bucket.acl;
        match (&self.register, &self.destination) {
            (None, _) => Ok(()),
            (Some(_), Place::Path(path)) => {
                let path = path.display();
                let what =
                    format!("EC2 registers bundles that are in S3, and `{path}` is a directory");
                Err(Error::usage(what).advise(Advice::say("bundle to s3://BUCKET/PREFIX")))
            }
            (Some(_), Place::S3(_)) if !acl.lets_ec2_read() => {
                let what = format!("EC2 could not read objects with the ACL {acl}");
                Err(Error::usage(what)
                    .advise(Advice::say("the default ACL, aws-exec-read, lets EC2 read them")))
            }
            (Some(_), Place::S3(_)) => Ok(()),
        }
    }

    /// Decides everything that can be decided before the image is looked at.
    ///
    /// # Errors
    /// What does not fit together, a key that cannot be read, and a bucket that EC2 could not read from.
    pub fn plan(mut self, run: &Run) -> Result<BundlePlan> {
        self.destination.check_not_manifest()?;
        #[cfg(feature = "aws")]
        self.check_registration()?;
        let user = self.keys.private_key(run)?;
        self.check_certificate(user.as_ref(), run)?;
        check_name(&self.name).with_context(|| {
            Error::usage(format!("`{}` cannot be a bundle's name", self.name))
                .advise(Advice::ChooseName)
        })?;
        if self.name.len() > MAX_NAME_LEN {
            return Err(Error::usage(format!(
                "a bundle's name has at most {MAX_NAME_LEN} bytes, `{}` has {}",
                self.name,
                self.name.len()
            ))
            .advise(Advice::ChooseName));
        }
        let destination = self.find(run)?;
        // Where the bundle is, it is registered.
        let region = destination.region().or(self.region.as_deref());
        let region = region.or(self.provenance.region.as_deref());
        let certificate = self.ec2_certificate.as_deref();
        let ec2 = keys::ec2_key(certificate, region, &run.environment, &run.stop)?;
        let manifest = self.contents(&destination, run)?;
        check_draft(&manifest).context(Error::usage("the manifest could not be written"))?;
        if !manifest.product_codes.is_empty() {
            run.report(Event::ProductCodes);
        }
        for missing in ids::missing(&manifest.mappings) {
            run.report(Event::Unmapped(missing));
        }
        Ok(BundlePlan {
            recipe: self.tree_recipe(),
            report: self.report,
            source: self.source,
            length: self.length,
            is_plain: self.is_plain,
            destination,
            allow_large: self.allow_large,
            overwrite: self.overwrite,
            level: self.level,
            jobs: self.jobs,
            mtime: self.mtime,
            keys: self.keys,
            user,
            ec2,
            manifest,
            #[cfg(feature = "aws")]
            register: self.register.map(|ami| Submitting { ami, registration: None }),
        })
    }

    fn check_certificate(&self, user: Option<&UserKey>, run: &Run) -> Result<()> {
        let Some(user) = user else {
            if self.keys.certificate.is_none() {
                return Ok(());
            }
            return Err(Error::usage(
                "a certificate is given, but no private key that belongs to it",
            )
            .advise(Advice::GiveKey));
        };
        if !self.allow_other_certificate {
            return self.keys.check_pair(user, run);
        }
        if self.keys.certificate(run)?.is_some_and(|found| found != *user.key.public()) {
            run.report(Event::PairDiffers);
        }
        Ok(())
    }

    /// Asks the instance for what is missing, and finds the place.
    #[cfg(feature = "aws")]
    fn find(&mut self, run: &Run) -> Result<Destination> {
        let is_own_root = self
            .source
            .path()
            .is_some_and(|path| path.canonicalize().is_ok_and(|path| path == Path::new("/")));
        let wants_region = self.region.is_none()
            && self.destination.path().is_some()
            && run.environment.region.is_none();
        let asked =
            Asked { is_own_root, account: self.provenance.account.is_none(), region: wants_region };
        let is_wanted = is_own_root || asked.account || wants_region && instance::is_of_ec2(run);
        if self.inherit && is_wanted {
            run.wait(instance::inherit(&mut self.provenance, asked, run))?;
        }
        let destination = Destination::open(&self.destination, &self.bucket, self.is_dry, run)?;
        if let (Some(given), Some(bucket), None) =
            (&self.region, destination.region(), &self.ec2_certificate)
        {
            keys::check_same_ec2(given, bucket)?;
        }
        Ok(destination)
    }

    /// Finds the place.
    #[cfg(not(feature = "aws"))]
    fn find(&mut self, _: &Run) -> Result<Destination> {
        Ok(Destination::open(&self.destination))
    }

    /// The manifest, but for what comes of the work.
    #[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "S3 knows the account"))]
    fn contents(&self, destination: &Destination, run: &Run) -> Result<Contents> {
        let known = &self.provenance;
        let account = known.account.clone();
        #[cfg(feature = "aws")]
        let account = match account {
            Some(account) => Some(account),
            None => destination.account(run)?,
        };
        let account = account.ok_or_else(|| {
            Error::usage("the manifest must say which AWS account the image belongs to")
                .advise(Advice::GiveAccount)
        })?;
        let account: AccountId = account
            .parse()
            .with_context(|| Error::usage(format!("reading the account `{account}`")))?;
        let architecture = known.architecture.clone().or(run.environment.architecture.clone());
        let architecture = architecture.ok_or_else(|| {
            Error::usage("the manifest must say which architecture the image is for")
                .advise(Advice::GiveArchitecture)
        })?;
        let mut contents =
            Contents::draft(self.bundler.clone(), &self.name, &account, architecture);
        contents.mappings.clone_from(&known.mappings);
        contents.kernel_id.clone_from(&known.kernel);
        contents.ramdisk_id.clone_from(&known.ramdisk);
        contents.product_codes.clone_from(&known.product_codes);
        contents.ancestry.clone_from(&known.ancestors);
        Ok(contents)
    }
}
