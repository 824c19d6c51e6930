//! Changes of images that are registered: permissions, descriptions, tags, protection, deregistering.

use super::ami::Ami;
use super::call::Call;
use super::form::Table;
use super::permissions::Changes;
use super::refusal::{Refusal, internal, refuse};
use super::snapshots::uses;
use super::xml::Xml;
use crate::id::held;

/// Changes the image of a call, and keeps the change.
fn change<T>(
    call: &Call<'_>,
    change: impl FnOnce(&mut Ami) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let id = call.form.need("ImageId")?;
    let mut registry = held(&call.world.ec2);
    let outcome = change(registry.image(&call.region, id)?)?;
    registry.save().map_err(|error| internal(&error))?;
    Ok(outcome)
}

/// `DeregisterImage`. What is in S3 stays there.
pub(super) fn deregister(call: &Call<'_>) -> Result<Xml, Refusal> {
    call.form.only(&["ImageId", "DeleteAssociatedSnapshots"])?;
    let id = call.form.need("ImageId")?.to_owned();
    let image = change(call, |image| {
        if image.protected {
            let message = format!("The image '{id}' has deregistration protection enabled.");
            return Err(refuse("OperationNotPermitted", message));
        }
        image.deregistered = true;
        Ok(image.clone())
    })?;
    let mut xml = Xml::done();
    if call.form.flag("DeleteAssociatedSnapshots") {
        let mut registry = held(&call.world.ec2);
        let mut results = Vec::new();
        for snapshot in image.mappings.iter().filter_map(|mapping| mapping.get("ebs.snapshotId")) {
            let used = registry.images.iter().any(|other| uses(other, snapshot));
            let denied = call.world.is_denied("ec2:DeleteSnapshot");
            let result = if denied {
                "missing-permissions"
            } else if used {
                "skipped"
            } else {
                "success"
            };
            if result == "success" {
                registry.regions.entry(call.region.clone()).or_default().snapshots.remove(snapshot);
            }
            results.push((snapshot.clone(), result));
        }
        registry.save().map_err(|error| internal(&error))?;
        xml.within("deleteSnapshotResultSet", |xml| {
            for (snapshot, result) in &results {
                xml.within("item", |xml| {
                    xml.leaf("snapshotId", snapshot);
                    xml.leaf("returnCode", result);
                });
            }
        });
    }
    Ok(xml)
}

/// The parameters of `ModifyImageAttribute`.
const MODIFY: [&str; 13] = [
    "ImageId",
    "Attribute",
    "OperationType",
    "UserId.",
    "UserGroup.",
    "OrganizationArn.",
    "OrganizationalUnitArn.",
    "LaunchPermission.",
    "Description.",
    "Description",
    "Value",
    "ImdsSupport.",
    "ProductCode.",
];

/// `ModifyImageAttribute`: one attribute in a call.
pub(super) fn modify(call: &Call<'_>) -> Result<Xml, Refusal> {
    let form = &call.form;
    form.only(&MODIFY)?;
    let of_attribute =
        |name: &str| form.get("Value").filter(|_| form.get("Attribute") == Some(name));
    let description = form
        .get("Description.Value")
        .or_else(|| form.get("Description"))
        .or_else(|| of_attribute("description"));
    let imds = form.get("ImdsSupport.Value").or_else(|| of_attribute("imdsSupport"));
    let permissions = Changes::read(call)?;
    let given = [description.is_some(), imds.is_some(), !permissions.is_empty()];
    let problem = match given.into_iter().filter(|given| *given).count() {
        0 => Some("No attributes specified."),
        1 => None,
        _ => Some("Fields for multiple attribute types specified"),
    };
    if let Some(problem) = problem {
        return Err(refuse("InvalidParameterCombination", problem));
    }
    if permissions.make_public() && is_blocked(call) {
        let message = "You can't publicly share this image because block public access for AMIs is enabled for this account in this Region.";
        return Err(refuse("OperationNotPermitted", message));
    }
    if imds.is_some_and(|value| value != "v2.0") {
        return Err(refuse("InvalidParameterValue", "The value of imdsSupport must be v2.0"));
    }
    change(call, |image| {
        if permissions.make_public() && !image.product_codes.is_empty() {
            let message = "Images with product codes cannot be made public.";
            return Err(refuse("OperationNotPermitted", message));
        }
        image.permissions.extend(permissions.add.clone());
        image.permissions.retain(|permission| !permissions.remove.contains(permission));
        for (element, value) in [("description", description), ("imdsSupport", imds)] {
            if let Some(value) = value {
                image.fields.insert(element.to_owned(), value.to_owned());
            }
        }
        Ok(())
    })?;
    Ok(Xml::done())
}

/// `DescribeImageAttribute`.
pub(super) fn describe(call: &Call<'_>) -> Result<Xml, Refusal> {
    call.form.only(&["ImageId", "Attribute"])?;
    let attribute = call.form.need("Attribute")?.to_owned();
    let id = call.form.need("ImageId")?;
    let mut registry = held(&call.world.ec2);
    let image = registry.image(&call.region, id)?;
    let mut xml = Xml::default();
    xml.leaf("imageId", id);
    let field = match attribute.as_str() {
        "launchPermission" => {
            xml.within("launchPermission", |xml| {
                for (kind, value) in &image.permissions {
                    xml.within("item", |xml| xml.leaf(kind, value));
                }
            });
            return Ok(xml);
        }
        "productCodes" => {
            xml.within("productCodes", |xml| {
                image
                    .product_codes
                    .iter()
                    .for_each(|code| xml.within("item", |xml| xml.leaf("productCode", code)));
            });
            return Ok(xml);
        }
        "blockDeviceMapping" => {
            return Err(refuse(
                "AuthFailure",
                "Unauthorized attempt to access restricted resource",
            ));
        }
        "kernel" => "kernelId",
        "ramdisk" => "ramdiskId",
        name @ ("description" | "sriovNetSupport" | "bootMode" | "tpmSupport" | "imdsSupport") => {
            name
        }
        _ => {
            return Err(refuse(
                "InvalidParameterValue",
                format!("Invalid value '{attribute}' for attribute."),
            ));
        }
    };
    let value: Option<&String> = image.fields.get(field);
    xml.within(&attribute, |xml| value.into_iter().for_each(|value| xml.leaf("value", value)));
    Ok(xml)
}

/// `ResetImageAttribute`: launch permissions only.
pub(super) fn reset(call: &Call<'_>) -> Result<Xml, Refusal> {
    call.form.only(&["ImageId", "Attribute"])?;
    if call.form.need("Attribute")? != "launchPermission" {
        return Err(refuse("InvalidParameterValue", "Only launchPermission can be reset."));
    }
    change(call, |image| {
        image.permissions.clear();
        Ok(())
    })?;
    Ok(Xml::done())
}

fn protection(call: &Call<'_>, protected: bool) -> Result<Xml, Refusal> {
    call.form.only(&["ImageId", "WithCooldown"])?;
    change(call, |image| {
        image.protected = protected;
        Ok(())
    })?;
    let mut xml = Xml::default();
    xml.leaf("return", if protected { "enabled-without-cooldown" } else { "disabled" });
    Ok(xml)
}

/// `EnableImageDeregistrationProtection`.
pub(super) fn protect(call: &Call<'_>) -> Result<Xml, Refusal> {
    protection(call, true)
}

/// `DisableImageDeregistrationProtection`.
pub(super) fn unprotect(call: &Call<'_>) -> Result<Xml, Refusal> {
    protection(call, false)
}

/// Tells if the region blocks public images.
fn is_blocked(call: &Call<'_>) -> bool {
    held(&call.world.ec2).regions.get(&call.region).is_some_and(|region| region.block_public)
}

fn block_answer(blocked: bool) -> Xml {
    let mut xml = Xml::default();
    let state = if blocked { "block-new-sharing" } else { "unblocked" };
    xml.leaf("imageBlockPublicAccessState", state);
    xml
}

/// `GetImageBlockPublicAccessState`.
pub(super) fn block_state(call: &Call<'_>) -> Result<Xml, Refusal> {
    call.form.only(&[])?;
    let mut xml = block_answer(is_blocked(call));
    xml.leaf("managedBy", "account");
    Ok(xml)
}

fn set_block(call: &Call<'_>, blocked: bool) -> Result<Xml, Refusal> {
    call.form.only(&["ImageBlockPublicAccessState"])?;
    let mut registry = held(&call.world.ec2);
    registry.regions.entry(call.region.clone()).or_default().block_public = blocked;
    registry.save().map_err(|error| internal(&error))?;
    Ok(block_answer(blocked))
}

/// `EnableImageBlockPublicAccess`.
pub(super) fn block(call: &Call<'_>) -> Result<Xml, Refusal> {
    set_block(call, true)
}

/// `DisableImageBlockPublicAccess`.
pub(super) fn unblock(call: &Call<'_>) -> Result<Xml, Refusal> {
    set_block(call, false)
}

/// `CreateTags`, on images.
pub(super) fn create_tags(call: &Call<'_>) -> Result<Xml, Refusal> {
    call.form.only(&["ResourceId.", "Tag."])?;
    let ids = call.form.list("ResourceId");
    let mut tags = Table::new();
    for mut group in call.form.groups("Tag") {
        tags.insert(
            group.remove("Key").unwrap_or_default(),
            group.remove("Value").unwrap_or_default(),
        );
    }
    if ids.is_empty() || tags.is_empty() {
        return Err(refuse(
            "MissingParameter",
            "The request must contain the parameters resourceIdSet and tagSet",
        ));
    }
    let mut registry = held(&call.world.ec2);
    for id in &ids {
        registry.image(&call.region, id)?;
    }
    for id in &ids {
        registry.image(&call.region, id)?.tags.extend(tags.clone());
    }
    registry.save().map_err(|error| internal(&error))?;
    Ok(Xml::done())
}
