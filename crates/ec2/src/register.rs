//! A bundle, or a snapshot, becomes an AMI.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::image::{Image, Query};
use crate::names::{
    AmiId, AmiName, DeviceName, EbsVolume, KernelId, Location, Mapping, RamdiskId, Volume,
};
use crate::query::{Form, Patience};
use crate::xml::Element;
use crate::{Ec2, Event};

const ACTION: &str = "RegisterImage";

/// How often a name is looked up after a lost answer: what was registered shows after a few seconds, not at once.
const LOOKUPS: u32 = 4;

/// How a machine boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Virtualization {
    /// From its disk, as hardware does.
    Hvm,
    /// From a kernel image outside of it, PV-GRUB as a rule.
    Paravirtual,
}

impl Virtualization {
    /// EC2's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hvm => "hvm",
            Self::Paravirtual => "paravirtual",
        }
    }
}

/// The firmware that a machine boots with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BootMode {
    /// A BIOS. The machines that can have an S3-backed AMI have no other.
    LegacyBios,
    /// UEFI.
    Uefi,
    /// UEFI where there is one.
    UefiPreferred,
}

impl BootMode {
    /// EC2's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LegacyBios => "legacy-bios",
            Self::Uefi => "uefi",
            Self::UefiPreferred => "uefi-preferred",
        }
    }
}

/// What an AMI is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A bundle in S3: where its manifest is.
    Manifest(Location),
    /// EBS volumes. The one behind the root device has a snapshot.
    Volumes(Vec<EbsVolume>),
}

impl Source {
    fn manifest(&self) -> Option<&Location> {
        match self {
            Self::Manifest(location) => Some(location),
            Self::Volumes(_) => None,
        }
    }

    fn volumes(&self) -> &[EbsVolume] {
        match self {
            Self::Manifest(_) => &[],
            Self::Volumes(volumes) => volumes,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest(location) => location.fmt(f),
            Self::Volumes(volumes) => {
                let snapshots = volumes.iter().filter_map(|volume| volume.snapshot.as_ref());
                let snapshots: Vec<_> = snapshots.map(|snapshot| snapshot.as_str()).collect();
                f.write_str(&snapshots.join(", "))
            }
        }
    }
}

/// What is to be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registration {
    /// The AMI's name. An account has it once in a region.
    pub name: AmiName,
    /// What it is made from.
    pub source: Source,
    /// What the AMI is for: 255 characters at most.
    pub description: Option<String>,
    /// `x86_64` and others; the manifest's without it.
    pub architecture: Option<String>,
    /// How it boots. EC2's default would be paravirtual, so it is always said.
    pub virtualization: Virtualization,
    /// The kernel image; the manifest's without it. Only for paravirtual ones.
    pub kernel: Option<KernelId>,
    /// The RAM disk image; the manifest's without it. Only for paravirtual ones.
    pub ramdisk: Option<RamdiskId>,
    /// The root device; the manifest's without it.
    pub root_device: Option<DeviceName>,
    /// Instance store volumes behind devices, besides what the source has.
    pub mappings: Vec<Mapping>,
    /// Whether the image has a driver for ENA. Only for HVM.
    pub ena: bool,
    /// Whether the image has a driver for the older enhanced networking. Only for HVM; EC2 never takes it back.
    pub sriov: bool,
    /// Whether its instances ask for a token before they tell metadata.
    pub imds_v2: bool,
    /// The firmware; EC2's choice without it.
    pub boot_mode: Option<BootMode>,
    /// Tags of the AMI: keys and values.
    pub tags: Vec<(String, String)>,
}

/// An AMI that is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registered {
    /// It was registered now.
    New(AmiId),
    /// It was there before, with the same name and manifest or root snapshot. Nothing was changed.
    Already(AmiId),
}

impl Registered {
    /// The AMI.
    pub fn id(&self) -> &AmiId {
        match self {
            Self::New(id) | Self::Already(id) => id,
        }
    }
}

impl Registration {
    /// A registration of a bundle with nothing but what there has to be.
    pub fn new(name: AmiName, location: Location, virtualization: Virtualization) -> Self {
        Self::of(name, Source::Manifest(location), virtualization)
    }

    /// A registration of EBS volumes with nothing but what there has to be: which of them is the root, and its snapshot.
    pub fn of_volumes(
        name: AmiName,
        root: DeviceName,
        volumes: Vec<EbsVolume>,
        virtualization: Virtualization,
    ) -> Self {
        let of = Self::of(name, Source::Volumes(volumes), virtualization);
        Self { root_device: Some(root), ..of }
    }

    fn of(name: AmiName, source: Source, virtualization: Virtualization) -> Self {
        Self {
            name,
            source,
            description: None,
            architecture: None,
            virtualization,
            kernel: None,
            ramdisk: None,
            root_device: None,
            mappings: Vec::new(),
            ena: false,
            sriov: false,
            imds_v2: false,
            boot_mode: None,
            tags: Vec::new(),
        }
    }

    /// Finds what contradicts itself, before EC2 does. Nothing is sent.
    pub fn check(&self) -> Result<(), Error> {
        let refused = |message: String| Err(Error::new(ACTION, ErrorKind::Refused, message));
        let is_hvm = self.virtualization == Virtualization::Hvm;
        if let Some(kernel) = self.kernel.as_ref().filter(|_| is_hvm) {
            return refused(format!(
                "an HVM image boots from its disk, not from kernel `{kernel}`"
            ));
        }
        if let Some(ramdisk) = self.ramdisk.as_ref().filter(|_| is_hvm) {
            return refused(format!(
                "an HVM image boots from its disk, not with RAM disk `{ramdisk}`"
            ));
        }
        if !is_hvm && (self.ena || self.sriov) {
            return refused("enhanced networking is for HVM images only".to_owned());
        }
        if let (Source::Volumes(_), None) = (&self.source, self.root_volume()) {
            let root = self.root_device.as_ref().map_or("none", DeviceName::as_str);
            return refused(format!("the root device is `{root}`, and no snapshot is behind it"));
        }
        let volumes = self.source.volumes().iter().map(|volume| &volume.device);
        let devices = self.mappings.iter().map(|mapping| &mapping.device).chain(volumes);
        for device in devices.clone().chain(&self.root_device) {
            device.check(self.virtualization).or_else(|error| refused(error.to_string()))?;
        }
        for (n, device) in devices.clone().enumerate() {
            if devices.clone().take(n).any(|other| other.short() == device.short()) {
                return refused(format!("device `{device}` is mapped twice"));
            }
        }
        if let Some(len) = self.description.as_ref().map(|d| d.chars().count()).filter(|n| *n > 255)
        {
            return refused(format!("the description has {len} characters, and EC2 keeps 255"));
        }
        for (key, value) in &self.tags {
            let fits = (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256;
            if !fits || key.starts_with("aws:") {
                return refused(format!(
                    "`{key}` is not a tag: it has 1 to 128 characters, its value 256 at most, and `aws:` is EC2's"
                ));
            }
        }
        Ok(())
    }

    fn form(&self) -> Form {
        let hvm_only = |yes: bool, value: &'static str| yes.then_some(value);
        let mut form = Form::new(ACTION)
            .with("Name", &self.name)
            .with_some("ImageLocation", self.source.manifest())
            .with_some("Description", self.description.as_ref())
            .with_some("Architecture", self.architecture.as_ref())
            .with("VirtualizationType", self.virtualization.as_str())
            .with_some("KernelId", self.kernel.as_ref())
            .with_some("RamdiskId", self.ramdisk.as_ref())
            .with_some("RootDeviceName", self.root_device.as_ref())
            .with_some("EnaSupport", hvm_only(self.ena, "true"))
            .with_some("SriovNetSupport", hvm_only(self.sriov, "simple"))
            .with_some("ImdsSupport", self.imds_v2.then_some("v2.0"))
            .with_some("BootMode", self.boot_mode.map(BootMode::as_str))
            .with_tags(&self.tags);
        let mut prefixes = (1..).map(|n: usize| format!("BlockDeviceMapping.{n}"));
        // The prefixes come second: what comes first is asked first, and ends it.
        for (mapping, prefix) in self.mappings.iter().zip(prefixes.by_ref()) {
            form.push(format!("{prefix}.DeviceName"), &mapping.device);
            match mapping.volume {
                Volume::Ephemeral(_) => form.push(format!("{prefix}.VirtualName"), mapping.volume),
                Volume::NoDevice => form.push(format!("{prefix}.NoDevice"), ""),
            }
        }
        for (volume, prefix) in self.source.volumes().iter().zip(prefixes) {
            form = form
                .with(format!("{prefix}.DeviceName"), &volume.device)
                .with_some(&format!("{prefix}.Ebs.SnapshotId"), volume.snapshot.as_ref())
                .with_some(&format!("{prefix}.Ebs.VolumeSize"), volume.size)
                .with(format!("{prefix}.Ebs.DeleteOnTermination"), volume.delete_on_termination)
                .with_some(&format!("{prefix}.Ebs.VolumeType"), volume.volume_type.as_ref())
                .with_some(&format!("{prefix}.Ebs.Iops"), volume.iops);
        }
        form
    }

    /// The volume that the machine starts from, if it is one with a snapshot.
    fn root_volume(&self) -> Option<&EbsVolume> {
        let root = self.root_device.as_ref()?;
        let volumes = self.source.volumes().iter();
        volumes
            .filter(|volume| volume.snapshot.is_some())
            .find(|volume| volume.device.short() == root.short())
    }

    /// Whether an image is made from the same.
    fn is_source_of(&self, image: &Image) -> bool {
        match &self.source {
            Source::Manifest(location) => {
                let there = image.location.as_deref().unwrap_or_default();
                there.trim_start_matches('/') == location.as_str()
            }
            Source::Volumes(_) => {
                let root = self.root_volume().and_then(|volume| volume.snapshot.as_ref());
                root.is_some_and(|root| image.snapshots().any(|there| there == root.as_str()))
            }
        }
    }

    /// Whether an image that has the name is the one that is wanted.
    fn claim(&self, image: Image) -> Result<AmiId, Error> {
        let Some(ami) = image.ami() else {
            let message = format!("the name `{}` is taken by `{}`, no AMI", self.name, image.id);
            return Err(Error::new(ACTION, ErrorKind::Refused, message));
        };
        if self.is_source_of(&image) {
            return Ok(ami);
        }
        let place = match &image.location {
            Some(location) => format!("whose manifest is `{location}`"),
            None => "which has no manifest".to_owned(),
        };
        let message = format!("the name `{}` is taken by {ami}, {place}", self.name);
        let kind = ErrorKind::NameTaken { ami, location: image.location };
        Err(Error::new(ACTION, kind, message))
    }
}

impl Ec2 {
    /// Registers a bundle or volumes, or finds that they are registered.
    ///
    /// The name is looked up first. After an answer that was lost it is looked up again, and only if it is not there the
    /// request is sent again; so there is never a second AMI, and an interrupted run can simply be repeated. An image
    /// of the name that is made from something else is [`ErrorKind::NameTaken`].
    pub async fn register(
        &self,
        wanted: &Registration,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<Registered, Error> {
        wanted.check()?;
        if let Some(image) = self.own_image(&wanted.name, on_event).await? {
            return wanted.claim(image).map(Registered::Already);
        }
        let form = wanted.form();
        let mut patience = Patience::new(*self.timing());
        let mut was_unclear = false;
        loop {
            let error = match self.once(&form, on_event).await.and_then(|a| registered(&a)) {
                Ok(ami) => return Ok(Registered::New(ami)),
                Err(error) => error,
            };
            // Somebody was faster: an earlier attempt of ours, or another run.
            if error.has_code("InvalidAMIName.Duplicate") {
                let made = if was_unclear { Registered::New } else { Registered::Already };
                return match self.find_registered(wanted, on_event).await {
                    Ok(Some(image)) => wanted.claim(image).map(made),
                    _ => Err(error),
                };
            }
            let unclear = error.is_unclear();
            if unclear {
                was_unclear = true;
                on_event(Event::LookingUp { name: wanted.name.clone() });
                match self.find_registered(wanted, on_event).await {
                    Ok(Some(image)) => return wanted.claim(image).map(Registered::New),
                    Ok(None) => {}
                    Err(_) => return Err(unknown(error, wanted)),
                }
            }
            patience
                .after(error, on_event)
                .await
                .map_err(|error| if unclear { unknown(error, wanted) } else { error })?;
        }
    }

    /// Asks EC2 whether the caller may register this, and registers nothing.
    ///
    /// EC2 checks permissions and parameters; it does not read the manifest.
    pub async fn rehearse(
        &self,
        wanted: &Registration,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<(), Error> {
        wanted.check()?;
        match self.call(&wanted.form().with("DryRun", true), on_event).await {
            Err(error) if error.has_code("DryRunOperation") => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(Error::new(ACTION, ErrorKind::Unreadable, "a dry run was carried out")),
        }
    }

    /// Waits until an image is available.
    ///
    /// What EC2 does not show yet is waited for like what is pending. An image that will never be available is
    /// [`ErrorKind::Failed`], with EC2's reason; after `patience` it is [`ErrorKind::Pending`].
    pub async fn wait(
        &self,
        ami: &AmiId,
        patience: Duration,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<Image, Error> {
        let begun = Instant::now();
        loop {
            let image = match self.images(&Query::id(ami), on_event).await {
                Ok(images) => images.into_iter().find(|image| image.id == ami.as_str()),
                Err(error) if error.has_code("InvalidAMIID.NotFound") => None,
                Err(error) => return Err(error),
            };
            let state = image.as_ref().and_then(|image| image.state.clone());
            match (image, state.as_deref()) {
                (Some(image), Some("available")) => return Ok(image),
                (_, None | Some("pending" | "transient")) => {}
                (Some(image), Some(state)) => return Err(failed(&image, state)),
                (None, Some(_)) => {}
            }
            if begun.elapsed() + self.timing().poll > patience {
                let is = state.as_deref().unwrap_or("not shown");
                let message = format!("{ami} is still {is} after {patience:?}");
                return Err(Error::new("DescribeImages", ErrorKind::Pending { state }, message));
            }
            on_event(Event::Waiting { ami: ami.clone(), state });
            tokio::time::sleep(self.timing().poll).await;
        }
    }

    /// Looks a name up that may have been registered a moment ago.
    async fn find_registered(
        &self,
        wanted: &Registration,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<Option<Image>, Error> {
        for n in 1..=LOOKUPS {
            if let Some(image) = self.own_image(&wanted.name, on_event).await? {
                return Ok(Some(image));
            }
            if n < LOOKUPS {
                // No jitter: the point is to let time pass.
                let longest = self.timing().longest_pause;
                tokio::time::sleep((self.timing().first_pause * (1 << n)).min(longest)).await;
            }
        }
        Ok(None)
    }
}

fn registered(answer: &Element) -> Result<AmiId, Error> {
    answer.text("imageId").and_then(|id| id.parse().ok()).ok_or_else(|| {
        Error::new(ACTION, ErrorKind::Unreadable, "the answer has no AMI's identifier")
    })
}

fn unknown(error: Error, wanted: &Registration) -> Error {
    error.and(&format!("whether `{}` was registered is not known", wanted.name))
}

fn failed(image: &Image, state: &str) -> Error {
    let reason = image.state_reason.as_deref().unwrap_or("EC2 gives no reason");
    let message = format!("{} is {state}: {}", image.id, reason.trim_end_matches('.'));
    Error::new("DescribeImages", ErrorKind::Failed { state: state.to_owned() }, message)
}
