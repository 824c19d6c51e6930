//! `CopyImage`: bundles are copied object by object, into a bucket that EC2 makes for it.

use std::io;

use super::ami::Ami;
use super::call::Call;
use super::manifest::{Manifest, split};
use super::refusal::{Refusal, internal, refuse};
use super::register::{check_name, enrol};
use super::xml::Xml;
use crate::id::{self, held};
use crate::s3::acl::{self, Asked};
use crate::s3::bucket::fresh;
use crate::s3::storage::{Bucket, Encryption, Version};

const PARAMETERS: [&str; 9] = [
    "Name",
    "SourceImageId",
    "SourceRegion",
    "ClientToken",
    "Description",
    "Encrypted",
    "KmsKeyId",
    "CopyImageTags",
    "TagSpecification.",
];

/// The rights that a copy of a bundle needs.
const ACTIONS: [&str; 5] =
    ["s3:ListAllMyBuckets", "s3:GetObject", "s3:PutObject", "s3:PutObjectAcl", "s3:GetBucketAcl"];

/// The operation; it is called in the region that the copy is for.
pub(super) fn copy(call: &Call<'_>) -> Result<Xml, Refusal> {
    let form = &call.form;
    form.only(&PARAMETERS)?;
    let name = form.need("Name")?.to_owned();
    check_name(&name)?;
    let (id, region) = (form.need("SourceImageId")?, form.need("SourceRegion")?);
    let token = form.get("ClientToken").unwrap_or_default().to_owned();
    let mut xml = Xml::default();
    if let Some(earlier) = earlier(call, &token, id, &name)? {
        xml.leaf("imageId", &earlier);
        return Ok(xml);
    }
    let source = available(call, region, id)?;
    let mut tags = call.tags(&["image", "snapshot"])?;
    if form.flag("CopyImageTags") {
        for (key, value) in &source.tags {
            tags.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    let mut copy =
        Ami { permissions: Default::default(), seen: 0, protected: false, token, tags, ..source };
    for (element, value) in [
        ("name", name.as_str()),
        ("sourceImageId", id),
        ("sourceImageRegion", region),
        ("description", form.get("Description").unwrap_or_default()),
    ] {
        copy.fields.insert(element.to_owned(), value.to_owned());
    }
    if copy.fields.get("rootDeviceType").is_some_and(|kind| kind == "instance-store") {
        let location = copy.fields.get("imageLocation").cloned().unwrap_or_default();
        let location = copy_bundle(call, region, &location)?;
        copy.fields.insert("imageLocation".to_owned(), location);
    }
    xml.leaf("imageId", &enrol(call, copy)?);
    Ok(xml)
}

/// The copy that an earlier call with the same client token has made.
fn earlier(
    call: &Call<'_>,
    token: &str,
    source: &str,
    name: &str,
) -> Result<Option<String>, Refusal> {
    let registry = held(&call.world.ec2);
    let same =
        |image: &&Ami| image.region == call.region && !token.is_empty() && image.token == token;
    let Some(image) = registry.images.iter().find(same) else { return Ok(None) };
    let field = |element: &str| image.fields.get(element).map(String::as_str);
    if field("sourceImageId") != Some(source) || field("name") != Some(name) {
        return Err(refuse(
            "IdempotentParameterMismatch",
            "The client token was used with other parameters.",
        ));
    }
    Ok(Some(image.id.clone()))
}

/// The source of a copy; it must not be pending or failed.
fn available(call: &Call<'_>, region: &str, id: &str) -> Result<Ami, Refusal> {
    let mut registry = held(&call.world.ec2);
    let ready = registry.ready();
    let source = registry.image(region, id)?.clone();
    if source.seen < ready || source.fields.contains_key("imageState") {
        return Err(refuse(
            "InvalidAMIID.Unavailable",
            format!("The image ID '{id}' is not available"),
        ));
    }
    Ok(source)
}

/// Copies manifest and parts; returns the location of the new manifest.
fn copy_bundle(call: &Call<'_>, region: &str, location: &str) -> Result<String, Refusal> {
    let manifest = Manifest::fetch(call.world, region, location)?;
    let (from, key) = split(location)?;
    let (folder, name) = key.rsplit_once('/').map_or(("", key), |(folder, name)| (folder, name));
    for action in ACTIONS {
        call.may(action)?;
    }
    let into = bucket(call)?;
    let prefix = id::random(8);
    let names = manifest.parts.iter().map(|(name, _)| name.as_str()).chain([name]);
    for name in names {
        let key = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        let copy = format!("{prefix}/{name}");
        let (from, into) =
            (Object { bucket: from, key: &key }, Object { bucket: &into, key: &copy });
        copy_object(call, from, into).map_err(|error| internal(&error))?;
    }
    Ok(format!("{into}/{prefix}/{name}"))
}

/// The bucket and the key of an object.
#[derive(Clone, Copy)]
struct Object<'a> {
    bucket: &'a str,
    key: &'a str,
}

fn copy_object(call: &Call<'_>, from: Object<'_>, into: Object<'_>) -> io::Result<()> {
    let storage = &call.world.storage;
    let missing = || io::Error::other(format!("`{}/{}` is not there", from.bucket, from.key));
    let mut buckets = storage.buckets();
    let version = buckets.get(from.bucket).and_then(|bucket| bucket.current(from.key));
    let version = version.ok_or_else(missing)?.clone();
    let data = storage.link(&version)?;
    let grants =
        acl::resolve(Asked::Canned("aws-exec-read".to_owned()), &call.owner).unwrap_or_default();
    let copy = Version {
        id: "null".to_owned(),
        data,
        grants,
        modified: id::now(),
        encryption: Encryption::aes256(),
        ..version
    };
    let bucket = buckets.get_mut(into.bucket).ok_or_else(missing)?;
    let versions = vec![copy];
    storage.save_object(into.bucket, into.key, &versions)?;
    bucket.objects.insert(into.key.to_owned(), versions);
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
