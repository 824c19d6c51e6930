//! Images as EC2 describes them.

use crate::error::{Error, ErrorKind};
use crate::names::{AmiId, AmiName, ImageId};
use crate::query::Form;
use crate::xml::Element;
use crate::{Ec2, Event};

const ACTION: &str = "DescribeImages";

/// The most that EC2 gives at once.
const PAGE: u32 = 1000;

/// More pages than any account has; a service that goes on for ever is stopped here.
const MOST_PAGES: usize = 10_000;

/// An image. Texts are EC2's own, and `None` where it says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Image {
    /// Its identifier: `ami-…`, or `aki-…` and `ari-…` of a kernel and of a RAM disk, which are images too.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// What its owner says of it.
    pub description: Option<String>,
    /// Where its manifest is, `bucket/key`, if it is S3-backed; `account/name` otherwise.
    pub location: Option<String>,
    /// `available`, `pending`, `failed` and others.
    pub state: Option<String>,
    /// Why it is in this state.
    pub state_reason: Option<String>,
    /// The account of its owner.
    pub owner: Option<String>,
    /// What AWS calls that account, if it has a name for it: `amazon` and others.
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
    /// `v2.0` if its instances ask for a token before they tell metadata.
    pub imds_support: Option<String>,
    /// `legacy-bios`, `uefi` or `uefi-preferred`.
    pub boot_mode: Option<String>,
    /// `windows`, and nothing for all others.
    pub platform: Option<String>,
    /// `xen` and others.
    pub hypervisor: Option<String>,
    /// What is billed: `Linux/UNIX` and others.
    pub platform_details: Option<String>,
    /// The image of which this is a copy.
    pub source_image: Option<String>,
    /// The region of that image.
    pub source_region: Option<String>,
    /// What is behind its devices.
    pub mappings: Vec<ImageMapping>,
    /// Its product codes.
    pub product_codes: Vec<String>,
    /// Its tags: keys and values.
    pub tags: Vec<(String, String)>,
}

/// A device of an image, and what is behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageMapping {
    /// The device.
    pub device: String,
    /// What is behind it.
    pub volume: ImageVolume,
}

/// What is behind a device of an image.
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
        /// How many operations a second it is made for.
        iops: Option<u64>,
        /// Whether it is encrypted.
        encrypted: bool,
        /// Whether it ends with its instance.
        delete_on_termination: bool,
    },
    /// Nothing.
    NoDevice,
}

impl Image {
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

    fn from_item(item: &Element) -> Option<Self> {
        let reason = item.child("stateReason");
        Some(Self {
            id: item.string("imageId")?,
            name: item.string("name"),
            description: item.string("description"),
            location: item.string("imageLocation"),
            state: item.string("imageState"),
            state_reason: reason.and_then(|r| r.string("message").or_else(|| r.string("code"))),
            owner: item.string("imageOwnerId"),
            owner_alias: item.string("imageOwnerAlias"),
            image_type: item.string("imageType"),
            architecture: item.string("architecture"),
            virtualization_type: item.string("virtualizationType"),
            root_device_type: item.string("rootDeviceType"),
            root_device_name: item.string("rootDeviceName"),
            kernel: item.string("kernelId"),
            ramdisk: item.string("ramdiskId"),
            public: item.flag("isPublic"),
            created: item.string("creationDate"),
            deprecated: item.string("deprecationTime"),
            ena: item.flag("enaSupport"),
            sriov: item.string("sriovNetSupport"),
            imds_support: item.string("imdsSupport"),
            boot_mode: item.string("bootMode"),
            platform: item.string("platform"),
            hypervisor: item.string("hypervisor"),
            platform_details: item.string("platformDetails"),
            source_image: item.string("sourceImageId"),
            source_region: item.string("sourceImageRegion"),
            mappings: item
                .items("blockDeviceMapping")
                .filter_map(ImageMapping::from_item)
                .collect(),
            product_codes: item
                .items("productCodes")
                .filter_map(|code| code.string("productCode"))
                .collect(),
            tags: item
                .items("tagSet")
                .filter_map(|tag| {
                    Some((tag.string("key")?, tag.string("value").unwrap_or_default()))
                })
                .collect(),
        })
    }
}

impl ImageMapping {
    fn from_item(item: &Element) -> Option<Self> {
        let volume = match (item.child("ebs"), item.string("virtualName")) {
            (Some(ebs), _) => ImageVolume::Ebs {
                snapshot: ebs.string("snapshotId"),
                size: ebs.text("volumeSize").and_then(|size| size.parse().ok()),
                volume_type: ebs.string("volumeType"),
                iops: ebs.text("iops").and_then(|iops| iops.parse().ok()),
                encrypted: ebs.flag("encrypted"),
                delete_on_termination: ebs.flag("deleteOnTermination"),
            },
            (None, Some(name)) => ImageVolume::Virtual(name),
            (None, None) => ImageVolume::NoDevice,
        };
        Some(Self { device: item.string("deviceName")?, volume })
    }
}

/// Which images are wanted: those that fit everything that is said here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Whose: accounts, `self`, `amazon` and others of EC2's words. Without any: all that the caller may launch.
    pub owners: Vec<String>,
    /// Who may launch them: accounts, `self` for those that were shared with the caller by name, `all` for public ones.
    pub executable_by: Vec<String>,
    /// Only these. One that does not exist is an error.
    pub ids: Vec<ImageId>,
    /// Filters by EC2's names for them (`root-device-type`, `manifest-location`, `name`), each with the values of which
    /// one must fit. `*` and `?` stand for any characters.
    pub filters: Vec<(String, Vec<String>)>,
    /// Also those that are disabled.
    pub include_disabled: bool,
    /// Also those of others that are deprecated.
    pub include_deprecated: bool,
}

impl Query {
    /// The caller's own images, disabled ones among them.
    pub fn own() -> Self {
        Self { owners: vec!["self".to_owned()], include_disabled: true, ..Self::default() }
    }

    /// One image.
    pub fn id(ami: &AmiId) -> Self {
        Self {
            ids: vec![ami.clone().into()],
            include_disabled: true,
            include_deprecated: true,
            ..Self::default()
        }
    }

    /// With one more filter.
    pub fn filter(mut self, name: &str, value: impl Into<String>) -> Self {
        self.filters.push((name.to_owned(), vec![value.into()]));
        self
    }

    fn form(&self) -> Form {
        let mut form = Form::new(ACTION)
            .with_list("Owner", &self.owners)
            .with_list("ExecutableBy", &self.executable_by)
            .with_list("ImageId", &self.ids)
            .with_some("IncludeDisabled", self.include_disabled.then_some(true))
            .with_some("IncludeDeprecated", self.include_deprecated.then_some(true))
            // EC2 refuses pages of a list of identifiers.
            .with_some("MaxResults", self.ids.is_empty().then_some(PAGE));
        for (n, (name, values)) in (1..).zip(&self.filters) {
            form.push(format!("Filter.{n}.Name"), name);
            form = form.with_list(&format!("Filter.{n}.Value"), values);
        }
        form
    }
}

impl Ec2 {
    /// The images that fit, in EC2's order. All pages are read.
    pub async fn images(
        &self,
        query: &Query,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<Vec<Image>, Error> {
        let first = query.form();
        let mut images = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let form = first.clone().with_some("NextToken", next.as_ref());
            let answer = self.call(&form, on_event).await?;
            for item in answer.items("imagesSet") {
                images.push(Image::from_item(item).ok_or_else(|| {
                    Error::new(ACTION, ErrorKind::Unreadable, "an image has no identifier")
                })?);
            }
            let token = answer.string("nextToken");
            if token.is_none() || token == next {
                break;
            }
            next = token;
        }
        Ok(images)
    }

    /// The caller's image of this name, disabled or not. There is one at most.
    pub async fn own_image(
        &self,
        name: &AmiName,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<Option<Image>, Error> {
        // No character that an AMI's name may have stands for others in a filter.
        let images = self.images(&Query::own().filter("name", name.as_str()), on_event).await?;
        let fits = |image: &Image| image.name.as_deref() == Some(name.as_str());
        Ok(images.into_iter().find(fits))
    }
}
