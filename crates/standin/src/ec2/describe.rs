//! `DescribeImages`, `DescribeSnapshots` and `DescribeRegions`.

use super::form::fits;
use super::xml::Xml;
use super::{Call, Image, Refusal, Table, internal, is_id, refuse};
use crate::id::held;

/// The regions that `DescribeRegions` tells of; every other works as well.
const REGIONS: [&str; 6] =
    ["ap-northeast-1", "eu-central-1", "eu-west-1", "us-east-1", "us-west-1", "us-west-2"];

/// The elements of an image that are plain text, in the order in which they come.
const FIELDS: [&str; 21] = [
    "architecture",
    "creationDate",
    "imageLocation",
    "imageOwnerAlias",
    "imageType",
    "kernelId",
    "ramdiskId",
    "description",
    "enaSupport",
    "hypervisor",
    "name",
    "platform",
    "rootDeviceName",
    "rootDeviceType",
    "sriovNetSupport",
    "virtualizationType",
    "bootMode",
    "tpmSupport",
    "imdsSupport",
    "sourceImageId",
    "sourceImageRegion",
];

/// `DescribeImages`.
pub(super) fn images(call: &Call<'_>) -> Result<Xml, Refusal> {
    let form = &call.form;
    form.only(&[
        "ImageId.",
        "Owner.",
        "ExecutableBy.",
        "Filter.",
        "MaxResults",
        "NextToken",
        "IncludeDeprecated",
        "IncludeDisabled",
    ])?;
    let ids = form.list("ImageId");
    let limit = form.get("MaxResults").map(|limit| limit.parse::<usize>().unwrap_or_default());
    if limit.is_some_and(|limit| !(1..=1000).contains(&limit)) {
        return Err(refuse(
            "InvalidParameterValue",
            "The parameter maxResults must be between 1 and 1000",
        ));
    }
    if limit.is_some() && !ids.is_empty() {
        return Err(refuse(
            "InvalidParameterCombination",
            "The parameter imageIds cannot be used with the parameter maxResults",
        ));
    }
    let mut registry = held(&call.world.ec2);
    let (delay, ready) = (registry.delay, registry.delay.saturating_add(registry.pending));
    // All ids are looked at before one is refused: each has been described by then.
    let mut outcome = Ok(());
    for id in &ids {
        let found = registry.image(&call.region, id).and_then(|image| {
            if image.seen < delay {
                image.seen += 1;
                return Err(refuse(
                    "InvalidAMIID.NotFound",
                    format!("The image id '[{id}]' does not exist"),
                ));
            }
            Ok(())
        });
        outcome = outcome.and(found);
    }
    outcome?;
    let owners = form.list("Owner");
    let account = &call.world.account;
    let executable = form.list("ExecutableBy");
    let filters = filters(call)?;
    let mut chosen = Vec::new();
    for (place, image) in registry.images.iter().enumerate() {
        let listed = if ids.is_empty() { image.seen >= delay } else { ids.contains(&image.id) };
        let (owner, alias) = (owner(image, account), image.fields.get("imageOwnerAlias"));
        let fits = |wanted: &String| {
            wanted == owner || Some(wanted) == alias || wanted == "self" && owner == account
        };
        let owned = owners.is_empty() || owners.iter().any(fits);
        let shared = image.permissions.contains(&("userId".to_owned(), account.clone()));
        let visible = owner == account || is_public(image) || shared;
        let allowed = executable.is_empty()
            || executable.iter().any(|who| match who.as_str() {
                "self" => shared,
                "all" => image.permissions.contains(&("group".to_owned(), "all".to_owned())),
                user => image.permissions.contains(&("userId".to_owned(), user.to_owned())),
            });
        let of_region = image.region == call.region && !image.deregistered;
        if of_region
            && owned
            && visible
            && listed
            && allowed
            && filters.iter().all(|(name, values)| passes(image, account, ready, name, values))
        {
            chosen.push(place);
        }
    }
    if ids.is_empty() {
        for image in registry
            .images
            .iter_mut()
            .filter(|image| image.region == call.region && image.seen < delay)
        {
            image.seen += 1;
        }
    }
    let start = match form.get("NextToken") {
        None => 0,
        Some(token) => {
            let start = token.strip_prefix("page-").and_then(|start| start.parse::<usize>().ok());
            start.ok_or_else(|| {
                refuse("InvalidParameterValue", "The token is not one of this service")
            })?
        }
    };
    let end = limit.map_or(chosen.len(), |limit| (start + limit).min(chosen.len()));
    let mut xml = Xml::default();
    xml.within("imagesSet", |xml| {
        for place in chosen.get(start..end).unwrap_or_default() {
            let image = &mut registry.images[*place];
            let state = state(image, ready);
            image.seen = image.seen.saturating_add(1);
            xml.within("item", |xml| write(xml, image, account, &state));
        }
    });
    if end < chosen.len() {
        xml.leaf("nextToken", &format!("page-{end}"));
    }
    registry.save().map_err(|error| internal(&error))?;
    Ok(xml)
}

/// An image's state: what was laid down, or pending until it has been seen often enough.
fn state(image: &Image, ready: u32) -> String {
    let fixed = image.fields.get("imageState").cloned();
    fixed.unwrap_or_else(|| if image.seen < ready { "pending" } else { "available" }.to_owned())
}

/// Whose it is: the account's, unless its state says otherwise.
fn owner<'a>(image: &'a Image, account: &'a str) -> &'a str {
    image.fields.get("imageOwnerId").map_or(account, String::as_str)
}

fn is_public(image: &Image) -> bool {
    image.permissions.contains(&("group".to_owned(), "all".to_owned()))
}

fn filters(call: &Call<'_>) -> Result<Vec<(String, Vec<String>)>, Refusal> {
    let mut filters = Vec::new();
    for group in call.form.groups("Filter") {
        let name = group.get("Name").cloned().unwrap_or_default();
        let values: Vec<String> = group
            .iter()
            .filter(|(name, _)| name.starts_with("Value."))
            .map(|(_, value)| value.clone())
            .collect();
        let known = [
            "architecture",
            "creation-date",
            "description",
            "image-id",
            "image-type",
            "is-public",
            "kernel-id",
            "manifest-location",
            "name",
            "owner-id",
            "ramdisk-id",
            "root-device-name",
            "root-device-type",
            "state",
            "virtualization-type",
            "tag-key",
        ];
        if !known.contains(&name.as_str()) && !name.starts_with("tag:") {
            return Err(refuse("InvalidParameterValue", format!("The filter '{name}' is invalid")));
        }
        filters.push((name, values));
    }
    Ok(filters)
}

fn passes(image: &Image, account: &str, ready: u32, name: &str, values: &[String]) -> bool {
    let field = |name: &str| image.fields.get(name).cloned().into_iter().collect::<Vec<_>>();
    let found = match name {
        "image-id" => vec![image.id.clone()],
        "is-public" => vec![is_public(image).to_string()],
        "manifest-location" => field("imageLocation"),
        "owner-id" => vec![owner(image, account).to_owned()],
        "state" => vec![state(image, ready)],
        "tag-key" => image.tags.keys().cloned().collect(),
        "architecture" | "description" | "name" => field(name),
        "creation-date" => field("creationDate"),
        "image-type" => field("imageType"),
        "kernel-id" => field("kernelId"),
        "ramdisk-id" => field("ramdiskId"),
        "root-device-name" => field("rootDeviceName"),
        "root-device-type" => field("rootDeviceType"),
        "virtualization-type" => field("virtualizationType"),
        other => {
            let key = other.strip_prefix("tag:").unwrap_or_default();
            image.tags.get(key).cloned().into_iter().collect()
        }
    };
    found.iter().any(|found| values.iter().any(|value| fits(value, found)))
}

fn write(xml: &mut Xml, image: &Image, account: &str, state: &str) {
    xml.leaf("imageId", &image.id);
    xml.leaf("imageState", state);
    xml.leaf("imageOwnerId", owner(image, account));
    xml.leaf("isPublic", &is_public(image).to_string());
    for name in FIELDS {
        if let Some(text) = image.fields.get(name) {
            xml.leaf(name, text);
        }
    }
    xml.leaf("platformDetails", "Linux/UNIX");
    xml.leaf("usageOperation", "RunInstances");
    if state == "failed" {
        xml.within("stateReason", |xml| {
            xml.leaf("code", "Client.InvalidManifest");
            xml.leaf("message", "the stand-in was told to let it fail");
        });
    }
    xml.within("blockDeviceMapping", |xml| {
        for mapping in &image.mappings {
            xml.within("item", |xml| write_mapping(xml, mapping));
        }
    });
    if !image.product_codes.is_empty() {
        xml.within("productCodes", |xml| {
            for code in &image.product_codes {
                xml.within("item", |xml| xml.leaf("productCode", code));
            }
        });
    }
    if !image.tags.is_empty() {
        xml.within("tagSet", |xml| {
            for (key, value) in &image.tags {
                xml.within("item", |xml| {
                    xml.leaf("key", key);
                    xml.leaf("value", value);
                });
            }
        });
    }
    if image.protected {
        xml.leaf("deregistrationProtection", "enabled-without-cooldown");
    }
}

fn write_mapping(xml: &mut Xml, mapping: &Table) {
    for (name, value) in mapping.iter().filter(|(name, _)| !name.starts_with("ebs.")) {
        xml.leaf(name, value);
    }
    let ebs: Vec<_> = mapping
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("ebs.")?, value)))
        .collect();
    if !ebs.is_empty() {
        xml.within("ebs", |xml| ebs.iter().for_each(|(name, value)| xml.leaf(name, value)));
    }
}

/// `DescribeSnapshots`.
pub(super) fn snapshots(call: &Call<'_>) -> Result<Xml, Refusal> {
    call.form.only(&[
        "SnapshotId.",
        "Owner.",
        "RestorableBy.",
        "Filter.",
        "MaxResults",
        "NextToken",
    ])?;
    let registry = held(&call.world.ec2);
    let known = registry
        .regions
        .get(&call.region)
        .map(|region| region.snapshots.clone())
        .unwrap_or_default();
    let ids = call.form.list("SnapshotId");
    for id in &ids {
        if !is_id(id, "snap-") {
            return Err(refuse(
                "InvalidSnapshotID.Malformed",
                format!("Invalid id: \"{id}\" (expecting \"snap-...\")"),
            ));
        }
        if !known.contains(id) {
            return Err(refuse(
                "InvalidSnapshot.NotFound",
                format!("The snapshot '{id}' does not exist."),
            ));
        }
    }
    let mut xml = Xml::default();
    xml.within("snapshotSet", |xml| {
        for id in known.iter().filter(|id| ids.is_empty() || ids.contains(id)) {
            xml.within("item", |xml| {
                xml.leaf("snapshotId", id);
                xml.leaf("status", "completed");
                xml.leaf("progress", "100%");
                xml.leaf("ownerId", &call.world.account);
                xml.leaf("volumeSize", "10");
            });
        }
    });
    Ok(xml)
}

/// `DescribeRegions`.
pub(super) fn regions(call: &Call<'_>) -> Result<Xml, Refusal> {
    call.form.only(&["RegionName.", "Filter.", "AllRegions"])?;
    let names = call.form.list("RegionName");
    let mut xml = Xml::default();
    xml.within("regionInfo", |xml| {
        for name in REGIONS
            .iter()
            .filter(|name| names.is_empty() || names.iter().any(|wanted| wanted == *name))
        {
            xml.within("item", |xml| {
                xml.leaf("regionName", name);
                xml.leaf("regionEndpoint", &format!("ec2.{name}.amazonaws.com"));
                xml.leaf("optInStatus", "opt-in-not-required");
            });
        }
    });
    Ok(xml)
}
