//! `RegisterImage`: from a manifest in S3, or, with less care, from a snapshot.

use super::manifest::{Manifest, is_device};
use super::xml::Xml;
use super::{Call, Image, Refusal, Table, internal, is_id, refuse};
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

/// Parameters that are kept as they are: the parameter, the element, and the values that are allowed.
const KEPT: [(&str, &str, &[&str]); 9] = [
    ("Architecture", "architecture", &["i386", "x86_64", "arm64", "x86_64_mac", "arm64_mac"]),
    ("VirtualizationType", "virtualizationType", &["hvm", "paravirtual"]),
    ("SriovNetSupport", "sriovNetSupport", &["simple"]),
    ("EnaSupport", "enaSupport", &["true", "false"]),
    ("BootMode", "bootMode", &["legacy-bios", "uefi", "uefi-preferred"]),
    ("TpmSupport", "tpmSupport", &["v2.0"]),
    ("ImdsSupport", "imdsSupport", &["v2.0"]),
    ("KernelId", "kernelId", &[]),
    ("RamdiskId", "ramdiskId", &[]),
];

/// The operation.
pub(super) fn register(call: &Call<'_>) -> Result<Xml, Refusal> {
    let form = &call.form;
    form.only(&PARAMETERS)?;
    let name = form.need("Name")?;
    check_name(name)?;
    let mut fields = Table::new();
    for (parameter, element, allowed) in KEPT {
        let Some(value) = form.get(parameter) else { continue };
        if !allowed.is_empty() && !allowed.contains(&value) {
            return Err(refuse(
                "InvalidParameterValue",
                format!("Invalid value '{value}' for {element}."),
            ));
        }
        fields.insert(element.to_owned(), value.to_owned());
    }
    for (element, prefix, code) in [
        ("kernelId", "aki-", "InvalidKernelId.Malformed"),
        ("ramdiskId", "ari-", "InvalidRamdiskId.Malformed"),
    ] {
        if let Some(id) = fields.get(element).filter(|id| !is_id(id, prefix)) {
            return Err(refuse(code, format!("Invalid id: \"{id}\" (expecting \"{prefix}...\")")));
        }
    }
    let description = form.get("Description").unwrap_or_default();
    if description.chars().count() > 255 {
        return Err(refuse(
            "InvalidParameterValue",
            "The description is longer than 255 characters.",
        ));
    }
    let hvm = fields.get("virtualizationType").is_some_and(|kind| kind == "hvm");
    for element in ["sriovNetSupport", "enaSupport"] {
        if !hvm && fields.get(element).is_some_and(|value| value != "false") {
            return Err(refuse(
                "InvalidParameterCombination",
                format!("{element} needs the virtualization type hvm."),
            ));
        }
    }
    let mut mappings = mappings(call)?;
    let tags = call.tags(&["image"])?;
    let root = form.get("RootDeviceName").map(str::to_owned);
    let mut product_codes = Vec::new();
    if let Some(location) = form.get("ImageLocation") {
        if mappings.iter().any(|mapping| mapping.contains_key("ebs.snapshotId")) {
            let message =
                "An image with an imageLocation has no EBS snapshots in its block device mapping.";
            return Err(refuse("InvalidBlockDeviceMapping", message));
        }
        let manifest = Manifest::fetch(call.world, &call.region, location)?;
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                fields.entry(name.to_owned()).or_insert(value);
            }
        };
        add("architecture", Some(manifest.architecture.clone()));
        add("kernelId", manifest.kernel.clone());
        add("ramdiskId", manifest.ramdisk.clone());
        add("imageLocation", Some(location.strip_prefix('/').unwrap_or(location).to_owned()));
        add("imageType", Some(manifest.kind.clone()));
        add("rootDeviceType", Some("instance-store".to_owned()));
        let in_manifest = manifest
            .mappings
            .iter()
            .find(|(name, _)| name == "root")
            .map(|(_, device)| device.clone());
        add("rootDeviceName", root.or(in_manifest));
        for mapping in manifest.tables() {
            if !mappings.iter().any(|given| given.get("deviceName") == mapping.get("deviceName")) {
                mappings.push(mapping);
            }
        }
        product_codes = manifest.product_codes;
    } else {
        from_snapshot(call, &mut fields, &mappings, root)?;
    }
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
    let image = Image { fields, mappings, tags, product_codes, ..Image::default() };
    let id = enrol(call, image)?;
    let mut xml = Xml::default();
    xml.leaf("imageId", &id);
    Ok(xml)
}

/// Gives an image its id and keeps it, if no other has its name.
pub(super) fn enrol(call: &Call<'_>, mut image: Image) -> Result<String, Refusal> {
    let mut registry = held(&call.world.ec2);
    let name = image.fields.get("name").cloned().unwrap_or_default();
    let same = |other: &&Image| {
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
        if let Some(id) = mapping.get("ebs.snapshotId").filter(|id| !is_id(id, "snap-")) {
            return Err(refuse(
                "InvalidSnapshotID.Malformed",
                format!("Invalid id: \"{id}\" (expecting \"snap-...\")"),
            ));
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

/// What an image on EBS needs; the snapshot is taken at its word.
fn from_snapshot(
    call: &Call<'_>,
    fields: &mut Table,
    mappings: &[Table],
    root: Option<String>,
) -> Result<(), Refusal> {
    let missing = || {
        refuse(
            "MissingParameter",
            "The request must contain the parameter imageLocation or a root device",
        )
    };
    let root = root.ok_or_else(missing)?;
    let mapping = mappings.iter().find(|mapping| mapping.get("deviceName") == Some(&root));
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
        return Err(refuse(
            "InvalidSnapshot.NotFound",
            format!("The snapshot '{snapshot}' does not exist."),
        ));
    }
    let location = format!("{}/{}", call.world.account, call.form.get("Name").unwrap_or_default());
    for (name, value) in [
        ("rootDeviceName", root.as_str()),
        ("rootDeviceType", "ebs"),
        ("imageType", "machine"),
        ("architecture", "i386"),
        ("imageLocation", &location),
    ] {
        fields.entry(name.to_owned()).or_insert_with(|| value.to_owned());
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
