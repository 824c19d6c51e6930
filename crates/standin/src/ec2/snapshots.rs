//! `DescribeSnapshots` and `DeleteSnapshot`.

use super::ami::Ami;
use super::call::Call;
use super::refusal::{Refusal, check_id, internal, refuse};
use super::xml::Xml;
use crate::id::held;

/// `DescribeSnapshots`.
pub(super) fn describe(call: &Call<'_>) -> Result<Xml, Refusal> {
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
        check_id(id, "snap-", "InvalidSnapshotID.Malformed")?;
        if !known.contains(id) {
            return Err(missing(id));
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

/// Tells if an image that is registered has a snapshot in its mappings.
pub(super) fn uses(image: &Ami, snapshot: &str) -> bool {
    !image.deregistered
        && image
            .mappings
            .iter()
            .any(|mapping| mapping.get("ebs.snapshotId").is_some_and(|id| id == snapshot))
}

/// `DeleteSnapshot`.
pub(super) fn delete(call: &Call<'_>) -> Result<Xml, Refusal> {
    call.form.only(&["SnapshotId"])?;
    let id = call.form.need("SnapshotId")?;
    let mut registry = held(&call.world.ec2);
    if let Some(image) =
        registry.images.iter().find(|image| image.region == call.region && uses(image, id))
    {
        return Err(refuse(
            "InvalidSnapshot.InUse",
            format!("The snapshot {id} is currently in use by {}", image.id),
        ));
    }
    if !registry.regions.entry(call.region.clone()).or_default().snapshots.remove(id) {
        return Err(missing(id));
    }
    registry.save().map_err(|error| internal(&error))?;
    Ok(Xml::done())
}

/// The refusal of a snapshot that is not there.
pub(super) fn missing(id: &str) -> Refusal {
    refuse("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist."))
}
