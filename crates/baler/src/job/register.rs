//! A bundle in S3 becomes an AMI.

use std::collections::HashMap;

use baler_bundle::{Event as PackEvent, UnpackOptions, unpack};
use baler_ec2::{AmiId, AmiName, Region, Virtualization};
use baler_store::{Kind as StoreKind, Location};

use crate::advice::Advice;
use crate::ami::{self, AmiOptions, Wanted};
use crate::aws::InS3;
use crate::bundle::{Bundle, Opened, Trust, common_start};
use crate::error::{Context, Error, Result};
use crate::event::{Event, Work};
use crate::keys::Keys;
use crate::layout::Head;
use crate::pace::IN_FLIGHT;
use crate::pace::default_jobs;
use crate::place::Place;
use crate::run::Run;

/// A job that registers a bundle.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RegisterJob {
    /// The AMI's name, which an account has once in a region.
    pub name: AmiName,
    /// Properties of the AMI, beyond its bundle.
    pub ami: AmiOptions,
    /// Reads all parts and compares them with the manifest first.
    pub verify: bool,
    /// Allows an image that is too large for EC2.
    pub allow_large: bool,
    /// Skips the check that EC2 may read the bundle.
    pub ignore_acl: bool,
    /// Asks EC2 whether it would be allowed, and registers nothing.
    pub is_dry: bool,
    /// The key to look into the image with, and the signer's certificate.
    pub keys: Keys,
    /// The number of threads that verify.
    pub jobs: usize,
}

/// An AMI that was registered, or would be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Registered {
    /// Its id; `None` if nothing was registered.
    pub ami: Option<AmiId>,
    /// Its region.
    pub region: Region,
    /// The way its instances start.
    pub virtualization: Virtualization,
}

impl RegisterJob {
    /// Under that name.
    pub fn new(name: AmiName) -> RegisterJob {
        RegisterJob {
            name,
            ami: AmiOptions::new(),
            verify: false,
            allow_large: false,
            ignore_acl: false,
            is_dry: false,
            keys: Keys::new(),
            jobs: default_jobs(),
        }
    }

    /// Reads the manifest, counts the parts, looks whether EC2 may read them, and registers. An AMI of that name and bundle
    /// that is there already is not registered again.
    ///
    /// # Errors
    /// What is wrong with the bundle, and what EC2 refuses.
    pub fn run(&self, place: &Place, run: &Run) -> Result<Registered> {
        let Place::S3(location) = place else {
            return Err(
                Error::usage("EC2 registers bundles that are in S3").advise(Advice::CopyToS3)
            );
        };
        let bundle = Bundle::read(place, run)?;
        let Some(stored) = &bundle.stored else {
            return Err(Error::failed("the bundle is not in S3"));
        };
        let contents = bundle.contents();
        ami::check_size(contents, self.allow_large)?;
        let wanted = run.region();
        let region = ami::check_region(wanted, stored.bucket.region())?;
        let opened = self.open(&bundle, run)?;
        self.check_signature(&bundle, opened.as_ref(), run)?;
        run.wait(check_parts(stored, &bundle))?;
        if !self.ignore_acl {
            run.wait(check_readable(stored, &bundle, run))?;
        }
        if self.verify {
            self.check_all(&bundle, run)?;
        }
        let layout = match (&opened, self.ami.virtualization) {
            (Some(opened), None) => look(&bundle, opened, run)?,
            _ => None,
        };
        self.submit(Found { location, stored, region, layout }, &bundle, run)
    }

    fn submit(&self, found: Found<'_>, bundle: &Bundle, run: &Run) -> Result<Registered> {
        let Found { location, stored, region, layout } = found;
        let (name, location) = (self.name.clone(), location.path());
        let wanted = Wanted { name, location, contents: bundle.contents(), layout };
        let registration = self.ami.registration(wanted, run)?;
        let ec2 = stored.aws.ec2(Some(region.as_str()))?;
        let virtualization = registration.virtualization;
        let ami = if self.is_dry {
            let report = ami::reporter(run);
            run.wait(async { Ok(ec2.rehearse(&registration, &report).await?) })?;
            None
        } else {
            Some(run.wait(self.ami.register(&ec2, &registration, run))?)
        };
        Ok(Registered { ami, region, virtualization })
    }

    /// Opens the bundle, if there is a key.
    fn open(&self, bundle: &Bundle, run: &Run) -> Result<Option<Opened>> {
        let Some(user) = self.keys.private_key(run)? else { return Ok(None) };
        match bundle.open(&user, self.keys.certificate(run)?) {
            Ok(opened) => Ok(Some(opened)),
            // The key in its usual place need not be that of this bundle.
            Err(_) if self.keys.key.is_none() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn check_signature(&self, bundle: &Bundle, opened: Option<&Opened>, run: &Run) -> Result<()> {
        let trust = bundle.trust(&self.keys, opened, run)?;
        if trust.is_bad() {
            let what = format!("the signature of `{}` is {}", bundle.place(), trust.word());
            return Err(Error::mismatch(what));
        }
        if trust == Trust::Unchecked {
            run.report(Event::SignatureUnchecked);
        }
        Ok(())
    }

    fn check_all(&self, bundle: &Bundle, run: &Run) -> Result<()> {
        let contents = bundle.contents();
        let progress = run.begin(Work::new("verifying", &contents.name, contents.bundled_size));
        let on_event = |event| {
            if let PackEvent::Part(bytes) = event {
                progress.add(bytes);
            }
        };
        bundle.check_parts(self.jobs, "was not registered", run, &on_event)
    }
}

/// What is known of a bundle before it is registered.
struct Found<'a> {
    location: &'a Location,
    stored: &'a InS3,
    region: Region,
    layout: Option<Virtualization>,
}

/// Whether all parts are there, and as long together as the manifest says.
async fn check_parts(stored: &InS3, bundle: &Bundle) -> Result<()> {
    let contents = bundle.contents();
    let looking = || format!("looking for the parts of `{}`", bundle.place());
    let names = contents.parts.iter().map(|part| part.filename.as_str());
    let lens: HashMap<_, _> = match stored.store.list(common_start(names.clone())).await {
        Ok(listed) => listed.into_iter().map(|entry| (entry.name, entry.len)).collect(),
        Err(error) if error.kind == StoreKind::Denied => {
            let mut found = HashMap::new();
            for name in names.clone() {
                if let Some(meta) = stored.store.head(name).await.with_context(looking)? {
                    found.insert(name.to_owned(), meta.len);
                }
            }
            found
        }
        Err(error) => return Err(error).with_context(looking),
    };
    let missing: Vec<_> = names.clone().filter(|name| !lens.contains_key(*name)).collect();
    if let Some(first) = missing.first() {
        let others = match missing.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        let what = format!("`{}` has no part `{first}`{others}", bundle.place());
        return Err(Error::mismatch(what).advise(Advice::CopyAgain));
    }
    let sum: u64 = names.filter_map(|name| lens.get(name)).sum();
    let expected = contents.bundled_size;
    if sum == expected {
        return Ok(());
    }
    Err(Error::mismatch(format!(
        "the parts of `{}` have {sum} bytes together, and the manifest says {expected}",
        bundle.place()
    ))
    .advise(Advice::Verify))
}

/// Whether EC2 may read all of it, as far as that can be seen.
async fn check_readable(stored: &InS3, bundle: &Bundle, run: &Run) -> Result<()> {
    let parts = bundle.contents().parts.iter().map(|part| part.filename.clone());
    let mut names = std::iter::once(bundle.filename()?.to_owned()).chain(parts);
    let mut tasks = tokio::task::JoinSet::new();
    let mut unseen = None;
    loop {
        while tasks.len() < IN_FLIGHT
            && let Some(name) = names.next()
        {
            let (s3, retry) = (stored.s3.clone(), stored.aws.retry());
            tasks.spawn(async move {
                let found = retry.run(|| s3.ec2_can_read(&name)).await;
                (name, found)
            });
        }
        let Some(done) = tasks.join_next().await else { break };
        let (name, found) = done.context("looking at an ACL")?;
        match found {
            Ok(true) => {}
            Ok(false) => {
                let place = bundle.directory().join(&name);
                return Err(Error::refused(format!("EC2 may not read `{place}`"))
                    .advise(Advice::SetAclOrIgnore));
            }
            // A service without ACLs, or one that does not show them: EC2 will say.
            Err(error) if matches!(error.kind, StoreKind::Unsupported | StoreKind::Denied) => {
                unseen = Some(error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(error) = &unseen {
        run.report(Event::AclUnseen(error));
    }
    Ok(())
}

/// Looks at how the image begins; that takes its first part.
fn look(bundle: &Bundle, opened: &Opened, run: &Run) -> Result<Option<Virtualization>> {
    let head = Head::default();
    let options = UnpackOptions::new(opened.key(), opened.iv());
    let source = run.stop.watch(bundle.parts_ahead(1, run)?);
    // It always ends with an error: the head has enough.
    let _ = unpack(bundle.contents(), &options, &source, Box::new(head.clone()), &|_| {});
    Ok(head.layout())
}
