//! Images as EC2 describes them.

use aws_sdk_ec2::types;

use crate::names::AmiId;

/// An image. Texts are EC2's own, and `None` where it says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ami {
    /// Its identifier: `ami-…`, or `aki-…` and `ari-…` of a kernel and of a RAM disk, which are images too.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Its owner's description.
    pub description: Option<String>,
    /// Where its manifest is, `bucket/key`, if it is S3-backed; `account/name` otherwise.
    pub location: Option<String>,
    /// `available`, `pending`, `failed` and others.
    pub state: Option<String>,
    /// The reason for this state.
    pub state_reason: Option<String>,
    /// The account of its owner.
    pub owner: Option<String>,
    /// AWS's name for that account, if it has one: `amazon` and others.
    pub owner_alias: Option<String>,
    /// `machine`, `kernel` or `ramdisk`.
    pub image_type: Option<String>,
    /// `x86_64` and others.
    pub architecture: Option<String>,
    /// `hvm` or `paravirtual`.
    pub virtualization_type: Option<String>,
    /// `instance-store` or `ebs`.
    pub root_device_type: Option<String>,
    /// The root device's name.
    pub root_device_name: Option<String>,
    /// The kernel that it boots, if it is paravirtual.
    pub kernel: Option<String>,
    /// The RAM disk of that kernel.
    pub ramdisk: Option<String>,
    /// Whether everyone may launch it.
    pub public: bool,
    /// When it was made, in ISO 8601.
    pub created: Option<String>,
    /// When it is or was deprecated, in ISO 8601.
    pub deprecated: Option<String>,
    /// Whether it may be launched with enhanced networking (ENA).
    pub ena: bool,
    /// `simple` if it may be launched with the older enhanced networking.
    pub sriov: Option<String>,
    /// `v2.0` if metadata requires a token on its instances.
    pub imds_support: Option<String>,
    /// `legacy-bios`, `uefi` or `uefi-preferred`.
    pub boot_mode: Option<String>,
    /// `windows`, and nothing for all others.
    pub platform: Option<String>,
    /// `xen` and others.
    pub hypervisor: Option<String>,
    /// The platform that is billed: `Linux/UNIX` and others.
    pub platform_details: Option<String>,
    /// The image of which this is a copy.
    pub source_image: Option<String>,
    /// The region of that image.
    pub source_region: Option<String>,
    /// The volumes behind its devices.
    pub mappings: Vec<ImageMapping>,
    /// Its product codes.
    pub product_codes: Vec<String>,
    /// Its tags: keys and values.
    pub tags: Vec<(String, String)>,
}

/// A device of an image, and the volume behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageMapping {
    /// The device.
    pub device: String,
    /// The volume behind it.
    pub volume: ImageVolume,
}

/// The volume behind a device of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageVolume {
    /// An instance store volume: `ephemeral0`.
    Virtual(String),
    /// An EBS volume.
    Ebs {
        /// The snapshot that it is made from.
        snapshot: Option<String>,
        /// Its size in GiB.
        size: Option<u64>,
        /// `gp3` and others.
        volume_type: Option<String>,
        /// The operations a second that it is made for.
        iops: Option<u64>,
        /// Whether it is encrypted.
        encrypted: bool,
        /// Whether it ends with its instance.
        delete_on_termination: bool,
    },
    /// Nothing.
    NoDevice,
}

impl Ami {
    /// Whether instances can be launched from it.
    pub fn is_available(&self) -> bool {
        self.state.as_deref() == Some("available")
    }

    /// Its identifier as that of an AMI, unless it is a kernel or a RAM disk.
    pub fn ami(&self) -> Option<AmiId> {
        self.id.parse().ok()
    }

    /// Whether it was made from a bundle.
    pub fn is_s3_backed(&self) -> bool {
        self.root_device_type.as_deref() == Some("instance-store")
    }

    /// The snapshots that it is made from.
    pub fn snapshots(&self) -> impl Iterator<Item = &str> {
        self.mappings.iter().filter_map(|mapping| match &mapping.volume {
            ImageVolume::Ebs { snapshot, .. } => snapshot.as_deref(),
            _ => None,
        })
    }

    /// The image of an answer, unless it has no identifier.
    pub(crate) fn of_answer(image: types::Image) -> Option<Self> {
        let reason = image.state_reason.as_ref();
        let reason =
            reason.and_then(|reason| text(reason.message()).or_else(|| text(reason.code())));
        Some(Self {
            id: text(image.image_id())?,
            name: text(image.name()),
            description: text(image.description()),
            location: text(image.image_location()),
            state: text(image.state().map(|state| state.as_str())),
            state_reason: reason,
            owner: text(image.owner_id()),
            owner_alias: text(image.image_owner_alias()),
            image_type: text(image.image_type().map(|kind| kind.as_str())),
            architecture: text(image.architecture().map(|name| name.as_str())),
            virtualization_type: text(image.virtualization_type().map(|name| name.as_str())),
            root_device_type: text(image.root_device_type().map(|name| name.as_str())),
            root_device_name: text(image.root_device_name()),
            kernel: text(image.kernel_id()),
            ramdisk: text(image.ramdisk_id()),
            public: image.public() == Some(true),
            created: text(image.creation_date()),
            deprecated: text(image.deprecation_time()),
            ena: image.ena_support() == Some(true),
            sriov: text(image.sriov_net_support()),
            imds_support: text(image.imds_support().map(|version| version.as_str())),
            boot_mode: text(image.boot_mode().map(|mode| mode.as_str())),
            platform: text(image.platform().map(|name| name.as_str())),
            hypervisor: text(image.hypervisor().map(|name| name.as_str())),
            platform_details: text(image.platform_details()),
            source_image: text(image.source_image_id()),
            source_region: text(image.source_image_region()),
            mappings: image
                .block_device_mappings()
                .iter()
                .filter_map(ImageMapping::of_answer)
                .collect(),
            product_codes: image
                .product_codes()
                .iter()
                .filter_map(|code| text(code.product_code_id()))
                .collect(),
            tags: image
                .tags()
                .iter()
                .filter_map(|tag| Some((text(tag.key())?, text(tag.value()).unwrap_or_default())))
                .collect(),
        })
    }
}

/// A text of EC2's, which says nothing if it is empty.
fn text(text: Option<&str>) -> Option<String> {
    text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

impl ImageMapping {
    fn of_answer(mapping: &types::BlockDeviceMapping) -> Option<Self> {
        let number = |number: Option<i32>| number.and_then(|number| number.try_into().ok());
        let volume = match (mapping.ebs(), text(mapping.virtual_name())) {
            (Some(ebs), _) => ImageVolume::Ebs {
                snapshot: text(ebs.snapshot_id()),
                size: number(ebs.volume_size()),
                volume_type: text(ebs.volume_type().map(|kind| kind.as_str())),
                iops: number(ebs.iops()),
                encrypted: ebs.encrypted() == Some(true),
                delete_on_termination: ebs.delete_on_termination() == Some(true),
            },
            (None, Some(name)) => ImageVolume::Virtual(name),
            (None, None) => ImageVolume::NoDevice,
        };
        Some(Self { device: text(mapping.device_name())?, volume })
    }
}
