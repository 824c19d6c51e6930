//! An AMI that is to be registered, as data: checked, and made into a request.

use std::fmt;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::register_image::builders::RegisterImageFluentBuilder;
use aws_sdk_ec2::types::{
    ArchitectureValues, BlockDeviceMapping, BootModeValues, EbsBlockDevice, ImdsSupportValues,
    VolumeType,
};
use baler_aws::Location;

use crate::boot::{BootMode, Virtualization};
use crate::error::{Error, ErrorKind};
use crate::image::Ami;
use crate::names::{AmiId, AmiName, DeviceName, EbsVolume, KernelId, Mapping, RamdiskId, Volume};
use crate::tags::tags_of_image;

pub(crate) const ACTION: &str = "RegisterImage";

/// The source of an AMI.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AmiSource {
    /// A bundle in S3: where its manifest is.
    Manifest(Location),
    /// EBS volumes. The one behind the root device has a snapshot.
    Volumes(Vec<EbsVolume>),
}

impl AmiSource {
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

impl fmt::Display for AmiSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest(location) => f.write_str(&location.path()),
            Self::Volumes(volumes) => {
                let snapshots = volumes.iter().filter_map(|volume| volume.snapshot.as_ref());
                let snapshots: Vec<_> = snapshots.map(|snapshot| snapshot.as_str()).collect();
                f.write_str(&snapshots.join(", "))
            }
        }
    }
}

/// An AMI that is to be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registration {
    /// The AMI's name. An account has it once in a region.
    pub name: AmiName,
    /// Its source.
    pub source: AmiSource,
    /// The purpose of the AMI: 255 characters at most.
    pub description: Option<String>,
    /// `x86_64` and others; the manifest's without it.
    pub architecture: Option<String>,
    /// The way it boots. EC2's default would be paravirtual, so it is always sent.
    pub virtualization: Virtualization,
    /// The kernel image; the manifest's without it. Only for paravirtual ones.
    pub kernel: Option<KernelId>,
    /// The RAM disk image; the manifest's without it. Only for paravirtual ones.
    pub ramdisk: Option<RamdiskId>,
    /// The root device; the manifest's without it.
    pub root_device: Option<DeviceName>,
    /// Instance store volumes behind devices, besides those of the source.
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

impl Registration {
    /// A registration of a bundle with nothing but what there has to be.
    pub fn new(name: AmiName, location: Location, virtualization: Virtualization) -> Self {
        Self::of(name, AmiSource::Manifest(location), virtualization)
    }

    /// A registration of EBS volumes with nothing but what there has to be: which of them is the root, and its snapshot.
    pub fn of_volumes(
        name: AmiName,
        root: DeviceName,
        volumes: Vec<EbsVolume>,
        virtualization: Virtualization,
    ) -> Self {
        let of = Self::of(name, AmiSource::Volumes(volumes), virtualization);
        Self { root_device: Some(root), ..of }
    }

    fn of(name: AmiName, source: AmiSource, virtualization: Virtualization) -> Self {
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

    /// Finds contradictions before EC2 does. Nothing is sent.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`], with the contradiction.
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
        if let (AmiSource::Volumes(_), None) = (&self.source, self.root_volume()) {
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

    /// The request that registers it.
    pub(crate) fn request(&self, client: &Client) -> RegisterImageFluentBuilder {
        let mut request = client
            .register_image()
            .name(self.name.as_str())
            .set_image_location(self.source.manifest().map(Location::path))
            .set_description(self.description.clone())
            .set_architecture(self.architecture.as_deref().map(ArchitectureValues::from))
            .virtualization_type(self.virtualization.as_str())
            .set_kernel_id(self.kernel.as_ref().map(ToString::to_string))
            .set_ramdisk_id(self.ramdisk.as_ref().map(ToString::to_string))
            .set_root_device_name(self.root_device.as_ref().map(ToString::to_string))
            .set_ena_support(self.ena.then_some(true))
            .set_sriov_net_support(self.sriov.then(|| "simple".to_owned()))
            .set_imds_support(self.imds_v2.then_some(ImdsSupportValues::V20))
            .set_boot_mode(self.boot_mode.map(|mode| BootModeValues::from(mode.as_str())))
            .set_tag_specifications(tags_of_image(&self.tags));
        for mapping in &self.mappings {
            let device = BlockDeviceMapping::builder().device_name(mapping.device.as_str());
            let device = match mapping.volume {
                Volume::Ephemeral(_) => device.virtual_name(mapping.volume.to_string()),
                // It is there, and empty.
                Volume::NoDevice => device.no_device(""),
            };
            request = request.block_device_mappings(device.build());
        }
        for volume in self.source.volumes() {
            let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
            let ebs = EbsBlockDevice::builder()
                .set_snapshot_id(volume.snapshot.as_ref().map(ToString::to_string))
                .set_volume_size(volume.size.map(number))
                .delete_on_termination(volume.delete_on_termination)
                .set_volume_type(volume.volume_type.as_deref().map(VolumeType::from))
                .set_iops(volume.iops.map(number));
            let device = BlockDeviceMapping::builder().device_name(volume.device.as_str());
            request = request.block_device_mappings(device.ebs(ebs.build()).build());
        }
        request
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
    fn is_source_of(&self, image: &Ami) -> bool {
        match &self.source {
            AmiSource::Manifest(location) => {
                let there = image.location.as_deref().unwrap_or_default();
                there.trim_start_matches('/') == location.path()
            }
            AmiSource::Volumes(_) => {
                let root = self.root_volume().and_then(|volume| volume.snapshot.as_ref());
                root.is_some_and(|root| image.snapshots().any(|there| there == root.as_str()))
            }
        }
    }

    /// The AMI, if the image that has the name is made from the same source.
    pub(crate) fn claim(&self, image: Ami) -> Result<AmiId, Error> {
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
