//! What is done to images that are there: permissions, descriptions, tags, protection, deregistering.

use super::xml::Xml;
use super::{Call, Image, Refusal, Table, internal, refuse};
use crate::id::held;

/// The parameters of a launch permission, and their elements.
const WHO: [(&str, &str); 4] = [
    ("UserId", "userId"),
    ("Group", "group"),
    ("OrganizationArn", "organizationArn"),
    ("OrganizationalUnitArn", "organizationalUnitArn"),
];

/// Changes the image of a call, and keeps the change.
fn change<T>(
    call: &Call<'_>,
    change: impl FnOnce(&mut Image) -> Result<T, Refusal>,
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
            let result = match (denied, used) {
                (true, _) => "missing-permissions",
                (_, true) => "skipped",
                _ => "success",
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

fn uses(image: &Image, snapshot: &str) -> bool {
    !image.deregistered
        && image
            .mappings
            .iter()
            .any(|mapping| mapping.get("ebs.snapshotId").is_some_and(|id| id == snapshot))
}

/// `DeleteSnapshot`.
pub(super) fn delete_snapshot(call: &Call<'_>) -> Result<Xml, Refusal> {
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
        return Err(refuse(
            "InvalidSnapshot.NotFound",
            format!("The snapshot '{id}' does not exist."),
        ));
    }
    registry.save().map_err(|error| internal(&error))?;
    Ok(Xml::done())
}

/// `ModifyImageAttribute`: one attribute in a call.
pub(super) fn modify(call: &Call<'_>) -> Result<Xml, Refusal> {
    let form = &call.form;
    form.only(&[
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
    ])?;
    let attribute = form.get("Attribute");
    let description = form.get("Description.Value").or_else(|| form.get("Description"));
    let description =
        description.or_else(|| form.get("Value").filter(|_| attribute == Some("description")));
    let imds = form
        .get("ImdsSupport.Value")
        .or_else(|| form.get("Value").filter(|_| attribute == Some("imdsSupport")));
    let (add, remove) = permissions(call)?;
    let shares = !add.is_empty() || !remove.is_empty();
    match usize::from(description.is_some()) + usize::from(imds.is_some()) + usize::from(shares) {
        0 => return Err(refuse("InvalidParameterCombination", "No attributes specified.")),
        1 => {}
        _ => {
            return Err(refuse(
                "InvalidParameterCombination",
                "Fields for multiple attribute types specified",
            ));
        }
    }
    if add.iter().any(|(kind, _)| kind == "group") {
        let blocked = held(&call.world.ec2)
            .regions
            .get(&call.region)
            .is_some_and(|region| region.block_public);
        if blocked {
            let message = "You can't publicly share this image because block public access for AMIs is enabled for this account in this Region.";
            return Err(refuse("OperationNotPermitted", message));
        }
    }
    if imds.is_some_and(|value| value != "v2.0") {
        return Err(refuse("InvalidParameterValue", "The value of imdsSupport must be v2.0"));
    }
    change(call, |image| {
        if add.iter().any(|(kind, _)| kind == "group") && !image.product_codes.is_empty() {
            return Err(refuse(
                "OperationNotPermitted",
                "Images with product codes cannot be made public.",
            ));
        }
        image.permissions.extend(add.clone());
        image.permissions.retain(|permission| !remove.contains(permission));
        if let Some(text) = description {
            image.fields.insert("description".to_owned(), text.to_owned());
        }
        if let Some(value) = imds {
            image.fields.insert("imdsSupport".to_owned(), value.to_owned());
        }
        Ok(())
    })?;
    Ok(Xml::done())
}

type Permissions = Vec<(String, String)>;

/// The permissions to add and to remove, in either of the two forms of the call.
fn permissions(call: &Call<'_>) -> Result<(Permissions, Permissions), Refusal> {
    let (mut add, mut remove) = (Permissions::new(), Permissions::new());
    for (list, into) in
        [("LaunchPermission.Add", &mut add), ("LaunchPermission.Remove", &mut remove)]
    {
        for group in call.form.groups(list) {
            for (name, value) in group {
                let known = WHO.iter().find(|(parameter, _)| *parameter == name);
                let unknown = || {
                    refuse(
                        "UnknownParameter",
                        format!("The parameter {list}.N.{name} is not recognized"),
                    )
                };
                into.push((known.ok_or_else(unknown)?.1.to_owned(), value));
            }
        }
    }
    for (parameter, element) in WHO {
        let parameter = if parameter == "Group" { "UserGroup" } else { parameter };
        for value in call.form.list(parameter) {
            match call.form.get("OperationType") {
                Some("add") => add.push((element.to_owned(), value)),
                Some("remove") => remove.push((element.to_owned(), value)),
                _ => {
                    return Err(refuse(
                        "InvalidParameterValue",
                        "operationType must be add or remove",
                    ));
                }
            }
        }
    }
    for (kind, value) in add.iter().chain(&remove) {
        let good = match kind.as_str() {
            "userId" => value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit()),
            "group" => value == "all",
            "organizationArn" => value.starts_with("arn:") && value.contains(":organization/"),
            _ => value.starts_with("arn:") && value.contains(":ou/"),
        };
        if !good {
            let message = format!("Invalid attribute item value \"{value}\" for {kind} item type.");
            return Err(refuse("InvalidAMIAttributeItemValue", message));
        }
    }
    Ok((add, remove))
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

/// `GetImageBlockPublicAccessState`.
pub(super) fn block_state(call: &Call<'_>) -> Result<Xml, Refusal> {
    call.form.only(&[])?;
    let blocked =
        held(&call.world.ec2).regions.get(&call.region).is_some_and(|region| region.block_public);
    let mut xml = Xml::default();
    xml.leaf(
        "imageBlockPublicAccessState",
        if blocked { "block-new-sharing" } else { "unblocked" },
    );
    xml.leaf("managedBy", "account");
    Ok(xml)
}

fn set_block(call: &Call<'_>, blocked: bool) -> Result<Xml, Refusal> {
    call.form.only(&["ImageBlockPublicAccessState"])?;
    let mut registry = held(&call.world.ec2);
    registry.regions.entry(call.region.clone()).or_default().block_public = blocked;
    registry.save().map_err(|error| internal(&error))?;
    let mut xml = Xml::default();
    xml.leaf(
        "imageBlockPublicAccessState",
        if blocked { "block-new-sharing" } else { "unblocked" },
    );
    Ok(xml)
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
