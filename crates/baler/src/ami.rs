//! AMIs: EC2 itself, and how a bundle becomes an AMI.

use std::time::Duration;

use baler_ec2::{
    Ami, AmiId, AmiName, DeviceName, Ec2, Event as Ec2Event, Location, Mapping, Query, Region,
    Registered, Registration, Virtualization,
};
use baler_manifest::Contents;

use crate::advice::Advice;
use crate::error::{Context, Error, Result};
use crate::event::Event;
use crate::input::MAX_IMAGE;
use crate::run::Run;

/// The AMI that a bundle is to become.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewAmi {
    /// Its name.
    pub name: AmiName,
    /// All else.
    pub options: AmiOptions,
}

impl NewAmi {
    /// An AMI of this name.
    pub fn new(name: AmiName, options: AmiOptions) -> NewAmi {
        NewAmi { name, options }
    }
}

/// Properties of an AMI, beyond its bundle.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AmiOptions {
    /// The description.
    pub description: Option<String>,
    /// The way its instances start; `None`: decided by the manifest's kernel and the image's layout.
    pub virtualization: Option<Virtualization>,
    /// The root device; else the manifest's.
    pub root_device: Option<DeviceName>,
    /// Instance store volumes behind devices.
    pub mappings: Vec<Mapping>,
    /// Whether the image has a driver for enhanced networking with ENA.
    pub ena: bool,
    /// Whether the image has a driver for the older enhanced networking.
    pub sriov: bool,
    /// Whether instances answer metadata requests only with a token.
    pub imds_v2: bool,
    /// The tags of the AMI.
    pub tags: Vec<(String, String)>,
    /// Whether the job waits until the AMI is available.
    pub wait: bool,
}

/// Hands EC2's events on to a run's.
pub fn reporter(run: &Run) -> impl Fn(Ec2Event) + Sync + use<> {
    let on_event = run.on_event();
    move |event| match event {
        Ec2Event::Retry { attempt, wait, why, .. } => {
            on_event(Event::Retry { error: &why, wait, next: attempt + 1, most: None });
        }
        Ec2Event::Clock { by, ahead } => on_event(Event::Clock { by, ahead }),
        Ec2Event::LookingUp { name } => on_event(Event::LookingUp(name.as_str())),
        Ec2Event::Waiting { ami, state } => {
            on_event(Event::Waiting { ami: ami.as_str(), state: state.as_deref() });
        }
        _ => {}
    }
}

/// The longest wait for an AMI.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Which bundle becomes an AMI, and under what name.
pub(crate) struct Wanted<'a> {
    pub(crate) name: AmiName,
    /// The manifest's place, as EC2 takes it.
    pub(crate) location: String,
    pub(crate) contents: &'a Contents,
    /// What the image's layout says.
    pub(crate) layout: Option<Virtualization>,
}

impl AmiOptions {
    /// An AMI about which nothing more is said.
    pub fn new() -> AmiOptions {
        AmiOptions::default()
    }

    /// The request to EC2.
    pub(crate) fn registration(&self, wanted: Wanted<'_>, run: &Run) -> Result<Registration> {
        let contents = wanted.contents;
        let virtualization = match self.virtualization {
            Some(virtualization) => virtualization,
            None if contents.kernel_id.is_some() => Virtualization::Paravirtual,
            None => wanted.layout.ok_or_else(|| {
                Error::usage("the manifest does not say whether instances start from their disk or from a kernel")
                    .advise(Advice::GiveVirtualization)
            })?,
        };
        if virtualization == Virtualization::Paravirtual && contents.kernel_id.is_none() {
            run.report(Event::NoKernel);
        }
        let location = Location::of_manifest(&wanted.location);
        let location = location.context(Error::usage("naming the manifest"))?;
        let mut registration = Registration::new(wanted.name, location, virtualization);
        registration.description.clone_from(&self.description);
        registration.architecture = Some(contents.architecture.clone());
        registration.root_device.clone_from(&self.root_device);
        registration.mappings.clone_from(&self.mappings);
        registration.ena = self.ena;
        registration.sriov = self.sriov;
        registration.imds_v2 = self.imds_v2;
        registration.tags.clone_from(&self.tags);
        registration.check()?;
        Ok(registration)
    }

    /// Registers, and waits if that is wanted.
    pub(crate) async fn register(
        &self,
        ec2: &Ec2,
        registration: &Registration,
        run: &Run,
    ) -> Result<AmiId> {
        let report = reporter(run);
        let name = &registration.name;
        let registered = ec2.register(registration, &report).await;
        let registered = registered
            .with_context(|| format!("registering `{}` as `{name}`", registration.source))?;
        let ami = registered.id().clone();
        run.report(Event::Registered {
            name: name.as_str(),
            ami: ami.as_str(),
            region: ec2.region(),
            is_new: matches!(registered, Registered::New(_)),
        });
        if self.wait {
            let waiting = || format!("waiting for {ami}");
            ec2.wait(&ami, PATIENCE, &report).await.with_context(waiting)?;
        }
        Ok(ami)
    }
}

/// The AMI, as EC2 shows it.
///
/// # Errors
/// That there is none, and what EC2 refuses.
pub async fn find(ec2: &Ec2, ami: &AmiId, run: &Run) -> Result<Ami> {
    let found = ec2.images(&Query::id(ami), &reporter(run)).await;
    let found = found.with_context(|| format!("looking for {ami}"))?;
    found.into_iter().next().ok_or_else(|| {
        Error::refused(format!("there is no {ami} in {}", ec2.region()))
            .advise(Advice::ChooseRegion(None))
    })
}

/// What a new bundle is registered with.
pub(crate) struct Submission {
    /// The manifest's place, as EC2 takes it.
    pub(crate) location: String,
    /// EC2 in the region of the bucket; `None` if the bucket would have to be made first.
    pub(crate) ec2: Option<Ec2>,
}

/// Refuses a name that an AMI has, before anything is sent.
pub(crate) fn check_name(ec2: &Ec2, name: &AmiName, run: &Run) -> Result<()> {
    let report = reporter(run);
    let looking = || format!("looking whether there is an AMI `{name}`");
    match run.wait(async { ec2.own_image(name, &report).await.with_context(looking) })? {
        None => Ok(()),
        Some(image) => {
            let region = ec2.region();
            Err(Error::refused(format!("`{name}` is {} in {region} already", image.id))
                .advise(Advice::AmiNameTaken))
        }
    }
}

/// Refuses an image that EC2 refuses.
pub(crate) fn check_size(contents: &Contents, allow_large: bool) -> Result<()> {
    if contents.size <= MAX_IMAGE || allow_large {
        return Ok(());
    }
    Err(Error::failed(format!(
        "the image has {} bytes, and the root of an S3-backed AMI at most 10 GiB ({MAX_IMAGE} bytes)",
        contents.size
    ))
    .advise(Advice::AllowLarge))
}

/// The region in which a bundle is registered: EC2 reads bundles of its own region only.
pub(crate) fn check_region(wanted: Option<&str>, bucket: &str) -> Result<Region> {
    match wanted {
        Some(wanted) if wanted != bucket => Err(Error::usage(format!(
            "the bundle is in {bucket}, and EC2 in {wanted} cannot read it"
        ))
        .advise(Advice::RegisterElsewhere {
            bucket: bucket.to_owned(),
            wanted: wanted.to_owned(),
        })),
        _ => bucket.parse().context("reading the bucket's region"),
    }
}
