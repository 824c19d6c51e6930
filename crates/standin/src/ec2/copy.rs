//! `CopyImage`: bundles are copied object by object, into a bucket that EC2 makes for it.

use super::manifest::{Manifest, split};
use super::register::{check_name, enrol};
use super::xml::Xml;
use super::{Call, Image, Refusal, internal, refuse};
use crate::id::{self, held};
use crate::s3::acl::{self, Asked};
use crate::s3::bucket::fresh;
use crate::s3::storage::{Bucket, Version};

/// The operation; it is called in the region that the copy is for.
pub(super) fn copy(call: &Call<'_>) -> Result<Xml, Refusal> {
    let form = &call.form;
    form.only(&[
        "Name",
        "SourceImageId",
        "SourceRegion",
        "ClientToken",
        "Description",
        "Encrypted",
        "KmsKeyId",
        "CopyImageTags",
        "TagSpecification.",
    ])?;
    let name = form.need("Name")?.to_owned();
    check_name(&name)?;
    let (id, region) = (form.need("SourceImageId")?, form.need("SourceRegion")?);
    let token = form.get("ClientToken").unwrap_or_default().to_owned();
    let mut xml = Xml::default();
    let (source, ready) = {
        let mut registry = held(&call.world.ec2);
        let same = |image: &&Image| {
            image.region == call.region && !token.is_empty() && image.token == token
        };
        if let Some(image) = registry.images.iter().find(same) {
            if image.fields.get("sourceImageId").map(String::as_str) != Some(id)
                || image.fields.get("name") != Some(&name)
            {
                return Err(refuse(
                    "IdempotentParameterMismatch",
                    "The client token was used with other parameters.",
                ));
            }
            xml.leaf("imageId", &image.id);
            return Ok(xml);
        }
        let ready = registry.delay.saturating_add(registry.pending);
        (registry.image(region, id)?.clone(), ready)
    };
    if source.seen < ready || source.fields.contains_key("imageState") {
        return Err(refuse(
            "InvalidAMIID.Unavailable",
            format!("The image ID '{id}' is not available"),
        ));
    }
    let mut tags = call.tags(&["image", "snapshot"])?;
    if form.flag("CopyImageTags") {
        for (key, value) in &source.tags {
            tags.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    let mut copy =
        Image { permissions: Default::default(), seen: 0, protected: false, token, tags, ..source };
    copy.fields.insert("name".to_owned(), name);
    copy.fields.insert("sourceImageId".to_owned(), id.to_owned());
    copy.fields.insert("sourceImageRegion".to_owned(), region.to_owned());
    copy.fields
        .insert("description".to_owned(), form.get("Description").unwrap_or_default().to_owned());
    if copy.fields.get("rootDeviceType").is_some_and(|kind| kind == "instance-store") {
        let location = copy.fields.get("imageLocation").cloned().unwrap_or_default();
        let location = copy_bundle(call, region, &location)?;
        copy.fields.insert("imageLocation".to_owned(), location);
    }
    xml.leaf("imageId", &enrol(call, copy)?);
    Ok(xml)
}

/// Copies manifest and parts; returns the location of the new manifest.
fn copy_bundle(call: &Call<'_>, region: &str, location: &str) -> Result<String, Refusal> {
    let manifest = Manifest::fetch(call.world, region, location)?;
    let (from, key) = split(location)?;
    let (folder, name) = key.rsplit_once('/').map_or(("", key), |(folder, name)| (folder, name));
    for action in [
        "s3:ListAllMyBuckets",
        "s3:GetObject",
        "s3:PutObject",
        "s3:PutObjectAcl",
        "s3:GetBucketAcl",
    ] {
        call.may(action)?;
    }
    let into = bucket(call)?;
    let place = id::random(8);
    let names = manifest.parts.iter().map(|(name, _)| name.as_str()).chain([name]);
    for name in names {
        let key = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        let target = format!("{place}/{name}");
        copy_object(call, from, &key, &into, &target).map_err(|error| internal(&error))?;
    }
    Ok(format!("{into}/{place}/{name}"))
}

fn copy_object(
    call: &Call<'_>,
    from: &str,
    key: &str,
    into: &str,
    target: &str,
) -> std::io::Result<()> {
    let storage = &call.world.storage;
    let missing = || std::io::Error::other(format!("`{from}/{key}` is not there"));
    let mut buckets = storage.buckets();
    let version =
        buckets.get(from).and_then(|bucket| bucket.current(key)).ok_or_else(missing)?.clone();
    let data = storage.link(&version)?;
    let grants =
        acl::resolve(Asked::Canned("aws-exec-read".to_owned()), &call.owner).unwrap_or_default();
    let encryption = "AES256".to_owned();
    let copy = Version {
        id: "null".to_owned(),
        data,
        grants,
        modified: id::now(),
        encryption,
        kms_key: None,
        ..version
    };
    let bucket = buckets.get_mut(into).ok_or_else(missing)?;
    let versions = vec![copy];
    storage.save_object(into, target, &versions)?;
    bucket.objects.insert(target.to_owned(), versions);
    Ok(())
}

/// The bucket for copies into this region; EC2 makes it for the first one.
fn bucket(call: &Call<'_>) -> Result<String, Refusal> {
    let start = format!("amis-for-{}-in-{}-", call.world.account, call.region);
    let mut buckets = call.world.storage.buckets();
    if let Some(name) = buckets.keys().find(|name| name.starts_with(&start)) {
        return Ok(name.clone());
    }
    call.may("s3:CreateBucket")?;
    call.may("s3:PutBucketOwnershipControls")?;
    let name = format!("{start}{}", id::random(4));
    let mut settings = fresh(&call.region, &call.owner);
    settings.ownership = Some("BucketOwnerPreferred".to_owned());
    call.world.storage.save_bucket(&name, &settings).map_err(|error| internal(&error))?;
    buckets.insert(name.clone(), Bucket { settings, objects: Default::default() });
    Ok(name)
}
