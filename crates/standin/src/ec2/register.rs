//! `RegisterImage`: from a manifest in S3, or, with less care, from a snapshot.

use super::ami::Ami;
use super::call::Call;
use super::form::{Form, Table};
use super::manifest::{Manifest, is_device};
use super::refusal::{Refusal, check_id, internal, refuse};
use super::snapshots;
use super::xml::Xml;
use crate::id::{self, held};

const PARAMETERS: [&str; 17] = [
    "Name",
    "Description",
    "ImageLocation",
    "Architecture",
    "KernelId",
    "RamdiskId",
    "RootDeviceName",
    "BlockDeviceMapping.",
    "VirtualizationType",
    "SriovNetSupport",
    "EnaSupport",
    "BootMode",
    "TpmSupport",
    "UefiData",
    "ImdsSupport",
    "BillingProduct.",
    "TagSpecification.",
];

/// A parameter that becomes a field of the image as it is.
struct Kept {
    parameter: &'static str,
    element: &'static str,
    form: Values,
    /// Only for images with the virtualization type `hvm`, except for the value `false`.
    hvm_only: bool,
}

/// The values that a parameter may have.
enum Values {
    OneOf(&'static [&'static str]),
    /// An id with this prefix, and the code of the refusal of any other.
    Id(&'static str, &'static str),
}

const fn one_of(
    parameter: &'static str,
    element: &'static str,
    values: &'static [&'static str],
) -> Kept {
    Kept { parameter, element, form: Values::OneOf(values), hvm_only: false }
}

/// The parameters that are kept, in the order in which they are checked.
const KEPT: [Kept; 9] = [
    one_of("Architecture", "architecture", &["i386", "x86_64", "arm64", "x86_64_mac", "arm64_mac"]),
    one_of("VirtualizationType", "virtualizationType", &["hvm", "paravirtual"]),
    Kept { hvm_only: true, ..one_of("SriovNetSupport", "sriovNetSupport", &["simple"]) },
    Kept { hvm_only: true, ..one_of("EnaSupport", "enaSupport", &["true", "false"]) },
    one_of("BootMode", "bootMode", &["legacy-bios", "uefi", "uefi-preferred"]),
    one_of("TpmSupport", "tpmSupport", &["v2.0"]),
    one_of("ImdsSupport", "imdsSupport", &["v2.0"]),
    Kept {
        parameter: "KernelId",
        element: "kernelId",
        form: Values::Id("aki-", "InvalidKernelId.Malformed"),
        hvm_only: false,
    },
    Kept {
        parameter: "RamdiskId",
        element: "ramdiskId",
        form: Values::Id("ari-", "InvalidRamdiskId.Malformed"),
        hvm_only: false,
    },
];

/// The operation.
pub(super) fn register(call: &Call<'_>) -> Result<Xml, Refusal> {
    let form = &call.form;
    form.only(&PARAMETERS)?;
    let name = form.need("Name")?;
    check_name(name)?;
    let mut image = Ami { fields: kept(form)?, ..Ami::default() };
    let description = form.get("Description").unwrap_or_default();
    if description.chars().count() > 255 {
        return Err(refuse(
            "InvalidParameterValue",
            "The description is longer than 255 characters.",
        ));
    }
    let hvm = image.fields.get("virtualizationType").is_some_and(|kind| kind == "hvm");
    check_hvm(&image.fields, hvm)?;
    image.mappings = mappings(call)?;
    image.tags = call.tags(&["image"])?;
    match form.get("ImageLocation") {
        Some(location) => from_manifest(call, &mut image, location)?,
        None => from_snapshot(call, &mut image)?,
    }
    let fields = &mut image.fields;
    fields.entry("virtualizationType".to_owned()).or_insert_with(|| "paravirtual".to_owned());
    if fields["architecture"].starts_with("arm64") && !hvm {
        return Err(refuse(
            "InvalidParameterCombination",
            "arm64 needs the virtualization type hvm.",
        ));
    }
    fields.insert("name".to_owned(), name.to_owned());
    if !description.is_empty() {
        fields.insert("description".to_owned(), description.to_owned());
    }
    let mut xml = Xml::default();
    xml.leaf("imageId", &enrol(call, image)?);
    Ok(xml)
}

/// The fields that come from parameters; a value that is not allowed is refused.
fn kept(form: &Form) -> Result<Table, Refusal> {
    let mut fields = Table::new();
    for Kept { parameter, element, form: values, .. } in &KEPT {
        let Some(value) = form.get(parameter) else { continue };
        match values {
            Values::OneOf(allowed) if allowed.contains(&value) => {}
            Values::OneOf(_) => {
                let message = format!("Invalid value '{value}' for {element}.");
                return Err(refuse("InvalidParameterValue", message));
            }
            Values::Id(prefix, code) => check_id(value, prefix, code)?,
        }
        fields.insert((*element).to_owned(), value.to_owned());
    }
    Ok(fields)
}

/// Refuses enhanced networking for images that are not `hvm`.
fn check_hvm(fields: &Table, hvm: bool) -> Result<(), Refusal> {
    for Kept { element, .. } in KEPT.iter().filter(|kept| kept.hvm_only && !hvm) {
        if fields.get(*element).is_some_and(|value| value != "false") {
            let message = format!("{element} needs the virtualization type hvm.");
            return Err(refuse("InvalidParameterCombination", message));
        }
    }
    Ok(())
}

/// Completes an image with what the manifest at its location says; parameters come first.
fn from_manifest(call: &Call<'_>, image: &mut Ami, location: &str) -> Result<(), Refusal> {
    if image.mappings.iter().any(|mapping| mapping.contains_key("ebs.snapshotId")) {
        let message =
            "An image with an imageLocation has no EBS snapshots in its block device mapping.";
        return Err(refuse("InvalidBlockDeviceMapping", message));
    }
    let manifest = Manifest::fetch(call.world, &call.region, location)?;
    let tables = manifest.tables();
    let root = call.form.get("RootDeviceName").map(str::to_owned);
    let root = root.or_else(|| manifest.device("root").map(str::to_owned));
    for (element, value) in [
        ("architecture", Some(manifest.architecture)),
        ("kernelId", manifest.kernel),
        ("ramdiskId", manifest.ramdisk),
        ("imageLocation", Some(location.strip_prefix('/').unwrap_or(location).to_owned())),
        ("imageType", Some(manifest.kind)),
        ("rootDeviceType", Some("instance-store".to_owned())),
        ("rootDeviceName", root),
    ] {
        if let Some(value) = value {
            image.fields.entry(element.to_owned()).or_insert(value);
        }
    }
    for mapping in tables {
        let device = mapping.get("deviceName");
        if !image.mappings.iter().any(|given| given.get("deviceName") == device) {
            image.mappings.push(mapping);
        }
    }
    image.product_codes = manifest.product_codes;
    Ok(())
}

/// Gives an image its id and keeps it, if no other has its name.
pub(super) fn enrol(call: &Call<'_>, mut image: Ami) -> Result<String, Refusal> {
    let mut registry = held(&call.world.ec2);
    let name = image.fields.get("name").cloned().unwrap_or_default();
    let same = |other: &&Ami| {
        other.region == call.region
            && !other.deregistered
            && other.fields.get("name") == Some(&name)
    };
    if let Some(other) = registry.images.iter().find(same) {
        let message = format!("AMI name {name} is already in use by AMI {}", other.id);
        return Err(refuse("InvalidAMIName.Duplicate", message));
    }
    image.id = format!("ami-{}", &id::random(9)[..17]);
    image.region.clone_from(&call.region);
    image.fields.insert("creationDate".to_owned(), id::date(id::now()));
    image.fields.insert("hypervisor".to_owned(), "xen".to_owned());
    for mapping in &image.mappings {
        if let Some(snapshot) = mapping.get("ebs.snapshotId") {
            registry
                .regions
                .entry(call.region.clone())
                .or_default()
                .snapshots
                .insert(snapshot.clone());
        }
    }
    let id = image.id.clone();
    registry.images.push(image);
    registry.save().map_err(|error| internal(&error))?;
    Ok(id)
}

/// An image's name: 3 to 128 characters of a small set.
pub(super) fn check_name(name: &str) -> Result<(), Refusal> {
    let count = name.chars().count();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "()[] ./-'@_".contains(c);
    if !(3..=128).contains(&count) || !name.chars().all(allowed) {
        let message = "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '[', ']', ' ', '.', '/', '-', ''', '@' and '_'";
        return Err(refuse("InvalidAMIName.Malformed", message));
    }
    Ok(())
}

fn mappings(call: &Call<'_>) -> Result<Vec<Table>, Refusal> {
    let invalid = |message: String| refuse("InvalidBlockDeviceMapping", message);
    let mut mappings = Vec::new();
    for group in call.form.groups("BlockDeviceMapping") {
        let mut mapping = Table::new();
        for (name, value) in group {
            // `Ebs.SnapshotId` becomes `ebs.snapshotId`.
            let small: Vec<String> = name.split('.').map(small).collect();
            mapping.insert(small.join("."), value);
        }
        let device = mapping.get("deviceName").cloned().unwrap_or_default();
        // Some give the virtual name `ami` a name without `/dev/`; that is as good.
        if !is_device(&device) {
            return Err(invalid(format!("Invalid device name {device}")));
        }
        if let Some(id) = mapping.get("ebs.snapshotId") {
            check_id(id, "snap-", "InvalidSnapshotID.Malformed")?;
        }
        if mappings.iter().any(|other: &Table| other["deviceName"] == device) {
            return Err(invalid(format!(
                "The device '{device}' is used in more than one block-device mapping"
            )));
        }
        mappings.push(mapping);
    }
    Ok(mappings)
}

fn small(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().into_iter().flat_map(char::to_lowercase).chain(chars).collect()
}

/// Completes an image whose root is a snapshot, the content of which is not looked at.
fn from_snapshot(call: &Call<'_>, image: &mut Ami) -> Result<(), Refusal> {
    let missing = || {
        refuse(
            "MissingParameter",
            "The request must contain the parameter imageLocation or a root device",
        )
    };
    let root = call.form.get("RootDeviceName").ok_or_else(missing)?;
    let device = |mapping: &&Table| mapping.get("deviceName").is_some_and(|device| device == root);
    let mapping = image.mappings.iter().find(device);
    let snapshot = mapping.and_then(|mapping| mapping.get("ebs.snapshotId"));
    let snapshot = snapshot.ok_or_else(|| {
        refuse(
            "InvalidBlockDeviceMapping",
            format!("The root device {root} has no snapshot in the block device mapping"),
        )
    })?;
    let known = held(&call.world.ec2)
        .regions
        .get(&call.region)
        .is_some_and(|region| region.snapshots.contains(snapshot));
    if !known {
        return Err(snapshots::missing(snapshot));
    }
    let location = format!("{}/{}", call.world.account, call.form.get("Name").unwrap_or_default());
    for (element, value) in [
        ("rootDeviceName", root),
        ("rootDeviceType", "ebs"),
        ("imageType", "machine"),
        ("architecture", "i386"),
        ("imageLocation", &location),
    ] {
        image.fields.entry(element.to_owned()).or_insert_with(|| value.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for name in ["abc", "a (b) [c] ./-'@_", &"x".repeat(128)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["ab", "a*b!", "äöü", &"x".repeat(129)] {
            assert_eq!(check_name(name).unwrap_err().code, "InvalidAMIName.Malformed", "{name}");
        }
    }

    #[test]
    fn parameters_become_elements() {
        assert_eq!(small("VirtualName"), "virtualName");
        assert_eq!(small(""), "");
    }
}
