//! Objects: put, get, head, copy, delete, and their ACLs.

use futures_util::stream;
use http::{HeaderMap, HeaderValue};
use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};
use std::collections::BTreeMap;

use super::checksum;
use super::flow::{Chunks, Received};
use super::storage::{Bucket, Version};
use super::{Service, acl, internal, no_such_bucket, no_such_key, refused};
use crate::id;

/// Headers that are kept with an object and come back with it.
const KEPT: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "x-amz-storage-class",
];

impl Service {
    pub(super) async fn store(
        &self,
        req: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let PutObjectInput { bucket, key, body, if_match, if_none_match, .. } = req.input;
        let conditions = Conditions { exists: if_match, absent: if_none_match };
        let (grants, encryption) = {
            let buckets = self.world.storage.buckets();
            let found = buckets.get(&bucket).ok_or_else(no_such_bucket)?;
            conditions.check(found.current(&key))?;
            (
                acl::granted(acl::asked(&req.headers)?, &self.owner, found)?,
                encryption(&req.headers, found),
            )
        };
        if key.len() > 1024 {
            return Err(s3_error!(KeyTooLongError));
        }
        let Received { upload, size, etag, checksums } =
            self.receive(&req.headers, body, req.trailing_headers.as_ref()).await?;
        let headers = kept(&req.headers);
        let data = self.world.storage.keep(upload).map_err(internal)?;
        let (encryption, kms_key) = encryption;
        let version = Version {
            data,
            size,
            etag,
            headers,
            checksums,
            grants,
            encryption,
            kms_key,
            ..Version::default()
        };
        let version = self.commit(&bucket, &key, version, &conditions)?;
        let sums = checksum::answer(&version.checksums);
        Ok(S3Response::new(PutObjectOutput {
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            checksum_type: sums.checksum_type,
            e_tag: Some(ETag::Strong(version.etag)),
            server_side_encryption: Some(version.encryption.into()),
            ssekms_key_id: version.kms_key,
            version_id: (version.id != "null").then_some(version.id),
            ..PutObjectOutput::default()
        }))
    }

    /// Makes a version the current one, under the lock and if the conditions still hold.
    pub(crate) fn commit(
        &self,
        name: &str,
        key: &str,
        mut version: Version,
        conditions: &Conditions,
    ) -> S3Result<Version> {
        let mut buckets = self.world.storage.buckets();
        let outcome = (|| {
            let bucket = buckets.get_mut(name).ok_or_else(no_such_bucket)?;
            conditions.check(bucket.current(key))?;
            let versioned = bucket.settings.versioning.as_deref() == Some("Enabled");
            version.id = if versioned { id::random(16) } else { "null".to_owned() };
            version.modified = id::now();
            let versions = bucket.objects.entry(key.to_owned()).or_default();
            let mut replaced = Vec::new();
            versions.retain(|old| {
                let stays = old.id != version.id;
                if !stays {
                    replaced.push(old.data.clone());
                }
                stays
            });
            versions.push(version.clone());
            self.world.storage.save_object(name, key, versions).map_err(internal)?;
            replaced.iter().for_each(|data| self.world.storage.forget(data));
            Ok(())
        })();
        if let Err(error) = outcome {
            self.world.storage.forget(&version.data);
            return Err(error);
        }
        Ok(version)
    }

    pub(super) fn fetch(
        &self,
        req: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        let conditions = Conditions { exists: input.if_match, absent: None };
        let (version, file) = {
            let buckets = self.world.storage.buckets();
            let bucket = buckets.get(&input.bucket).ok_or_else(no_such_bucket)?;
            let version = self.version(bucket, &input.key, input.version_id.as_deref())?;
            conditions.check(Some(version))?;
            if let Some(ETagCondition::ETag(etag)) = &input.if_none_match
                && etag.value() == version.etag
            {
                return Err(refused(304, "NotModified", "Not Modified"));
            }
            // Opened under the lock: from here on the bytes stay, whatever happens to the object.
            (version.clone(), self.world.storage.read(version).map_err(internal)?)
        };
        let range = match &input.range {
            None => 0..version.size,
            Some(range) => range
                .check(version.size)
                .map_err(|_| s3_error!(InvalidRange, "The requested range is not satisfiable"))?,
        };
        let whole = range == (0..version.size);
        let content_range = input.range.map(|_| {
            format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), version.size)
        });
        // A checksum of the whole object says nothing about a range.
        let mode = input.checksum_mode.filter(|_| whole);
        let length = range.end - range.start;
        let sums = mode.map(|_| checksum::answer(&version.checksums)).unwrap_or_default();
        let of = |name: &str| version.headers.get(name).cloned();
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(StreamingBlob::wrap(stream::iter(
                Chunks::new(file, range.start, length).map_err(internal)?,
            ))),
            cache_control: of("cache-control"),
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            checksum_type: sums.checksum_type,
            content_disposition: of("content-disposition"),
            content_encoding: of("content-encoding"),
            content_language: of("content-language"),
            content_length: i64::try_from(length).ok(),
            content_range,
            content_type: of("content-type").or_else(|| Some("binary/octet-stream".to_owned())),
            e_tag: Some(ETag::Strong(version.etag.clone())),
            last_modified: Some(id::timestamp(version.modified)),
            metadata: metadata(&version),
            server_side_encryption: Some(version.encryption.clone().into()),
            ssekms_key_id: version.kms_key.clone(),
            version_id: (version.id != "null").then(|| version.id.clone()),
            ..GetObjectOutput::default()
        }))
    }

    pub(super) fn head(
        &self,
        req: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = req.input;
        let buckets = self.world.storage.buckets();
        let bucket = buckets.get(&input.bucket).ok_or_else(no_such_bucket)?;
        let version = self.version(bucket, &input.key, input.version_id.as_deref())?;
        Conditions { exists: input.if_match, absent: None }.check(Some(version))?;
        let sums =
            input.checksum_mode.map(|_| checksum::answer(&version.checksums)).unwrap_or_default();
        let of = |name: &str| version.headers.get(name).cloned();
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            cache_control: of("cache-control"),
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            checksum_type: sums.checksum_type,
            content_disposition: of("content-disposition"),
            content_encoding: of("content-encoding"),
            content_language: of("content-language"),
            content_length: i64::try_from(version.size).ok(),
            content_type: of("content-type").or_else(|| Some("binary/octet-stream".to_owned())),
            e_tag: Some(ETag::Strong(version.etag.clone())),
            last_modified: Some(id::timestamp(version.modified)),
            metadata: metadata(version),
            server_side_encryption: Some(version.encryption.clone().into()),
            ssekms_key_id: version.kms_key.clone(),
            version_id: (version.id != "null").then(|| version.id.clone()),
            ..HeadObjectOutput::default()
        }))
    }

    pub(super) fn copy(
        &self,
        req: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = req.input;
        let CopySource::Bucket { bucket: from, key: source, version_id } = &input.copy_source
        else {
            return Err(s3_error!(NotImplemented, "the stand-in copies from buckets only"));
        };
        let replace = input
            .metadata_directive
            .as_ref()
            .is_some_and(|directive| directive.as_str() == "REPLACE");
        let mut copy = {
            let buckets = self.world.storage.buckets();
            let found = buckets.get(from.as_ref()).ok_or_else(no_such_bucket)?;
            let version = self.version(found, source, version_id.as_deref())?;
            Conditions { exists: input.copy_source_if_match, absent: None }.check(Some(version))?;
            let target = buckets.get(&input.bucket).ok_or_else(no_such_bucket)?;
            let asked = acl::asked(&req.headers)?;
            let new = replace
                || asked != acl::Asked::Nothing
                || req.headers.contains_key("x-amz-server-side-encryption");
            if !new && **from == *input.bucket && **source == *input.key {
                return Err(s3_error!(
                    InvalidRequest,
                    "This copy request is illegal because it copies an object to itself"
                ));
            }
            let grants = acl::granted(asked, &self.owner, target)?;
            let (encryption, kms_key) = encryption(&req.headers, target);
            // One file for both; nothing ever writes into it.
            let data = self.world.storage.link(version).map_err(internal)?;
            Version { data, grants, encryption, kms_key, ..version.clone() }
        };
        if replace {
            copy.headers = kept(&req.headers);
        }
        let conditions = Conditions { exists: None, absent: None };
        let version = self.commit(&input.bucket, &input.key, copy, &conditions)?;
        let sums = checksum::answer(&version.checksums);
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(CopyObjectResult {
                checksum_crc32: sums.checksum_crc32,
                checksum_crc32c: sums.checksum_crc32c,
                checksum_crc64nvme: sums.checksum_crc64nvme,
                checksum_sha1: sums.checksum_sha1,
                checksum_sha256: sums.checksum_sha256,
                checksum_type: sums.checksum_type,
                e_tag: Some(ETag::Strong(version.etag)),
                last_modified: Some(id::timestamp(version.modified)),
            }),
            server_side_encryption: Some(version.encryption.into()),
            ssekms_key_id: version.kms_key,
            version_id: (version.id != "null").then_some(version.id),
            ..CopyObjectOutput::default()
        }))
    }

    /// Removes a version, or adds a delete marker: whether it is one, and its version id.
    pub(super) fn remove(
        &self,
        name: &str,
        key: &str,
        version: Option<&str>,
    ) -> S3Result<(bool, Option<String>)> {
        let mut buckets = self.world.storage.buckets();
        let bucket = buckets.get_mut(name).ok_or_else(no_such_bucket)?;
        let versioning = bucket.settings.versioning.clone();
        if version.is_some() || versioning.is_none() {
            // Only a delete marker can be had for a key that is not there.
            if !bucket.objects.contains_key(key) {
                return Ok((false, None));
            }
        }
        let versions = bucket.objects.entry(key.to_owned()).or_default();
        let wanted = version.or(versioning.is_none().then_some("null"));
        let mut removed = Vec::new();
        let outcome = if let Some(wanted) = wanted {
            let marker = versions.iter().any(|version| version.id == wanted && version.marker);
            removed.extend(
                versions
                    .iter()
                    .filter(|version| version.id == wanted)
                    .map(|version| version.data.clone()),
            );
            versions.retain(|version| version.id != wanted);
            (marker, version.map(str::to_owned))
        } else {
            let versioned = versioning.as_deref() == Some("Enabled");
            let id = if versioned { id::random(16) } else { "null".to_owned() };
            removed.extend(
                versions
                    .iter()
                    .filter(|version| version.id == id)
                    .map(|version| version.data.clone()),
            );
            versions.retain(|version| version.id != id);
            versions.push(Version {
                id: id.clone(),
                marker: true,
                modified: id::now(),
                ..Version::default()
            });
            (true, Some(id))
        };
        self.world.storage.save_object(name, key, versions).map_err(internal)?;
        if versions.is_empty() {
            bucket.objects.remove(key);
        }
        removed.iter().for_each(|data| self.world.storage.forget(data));
        Ok(outcome)
    }

    pub(super) fn object_acl(&self, input: &GetObjectAclInput) -> S3Result<GetObjectAclOutput> {
        let buckets = self.world.storage.buckets();
        let bucket = buckets.get(&input.bucket).ok_or_else(no_such_bucket)?;
        let version = self.version(bucket, &input.key, input.version_id.as_deref())?;
        Ok(GetObjectAclOutput {
            grants: Some(acl::shown(&version.grants, &self.owner, bucket)),
            owner: Some(acl::owner(&self.owner)),
            request_charged: None,
        })
    }

    pub(super) fn set_object_acl(&self, req: S3Request<PutObjectAclInput>) -> S3Result<()> {
        let input = req.input;
        let asked = match input.access_control_policy {
            Some(policy) => acl::asked_in(policy)?,
            None => acl::asked(&req.headers)?,
        };
        let mut buckets = self.world.storage.buckets();
        let bucket = buckets.get_mut(&input.bucket).ok_or_else(no_such_bucket)?;
        let id = self.version(bucket, &input.key, input.version_id.as_deref())?.id.clone();
        let grants = acl::granted(asked, &self.owner, bucket)?;
        let enforced = bucket.enforced();
        let versions = bucket.objects.get_mut(&input.key).ok_or_else(no_such_key)?;
        // Where ACLs are off, the ones from before stay as they were.
        for version in versions.iter_mut().filter(|version| version.id == id && !enforced) {
            version.grants.clone_from(&grants);
        }
        self.world.storage.save_object(&input.bucket, &input.key, versions).map_err(internal)
    }

    /// A version by its id, or the current one.
    fn version<'a>(
        &self,
        bucket: &'a Bucket,
        key: &str,
        id: Option<&str>,
    ) -> S3Result<&'a Version> {
        let Some(id) = id else {
            return bucket.current(key).ok_or_else(|| match bucket.objects.get(key) {
                // Without the right to list, nobody learns that a key is not there.
                _ if self.world.is_denied("s3:ListBucket") => {
                    s3_error!(AccessDenied, "Access Denied")
                }
                Some(_) => with_header(no_such_key(), "x-amz-delete-marker", "true"),
                None => no_such_key(),
            });
        };
        let mut versions = bucket.objects.get(key).into_iter().flatten();
        let version = versions.find(|version| version.id == id);
        let version = version
            .ok_or_else(|| s3_error!(NoSuchVersion, "The specified version does not exist."))?;
        if version.marker {
            let error = s3_error!(
                MethodNotAllowed,
                "The specified method is not allowed against this resource."
            );
            return Err(with_header(error, "x-amz-delete-marker", "true"));
        }
        Ok(version)
    }
}

/// `If-Match` and `If-None-Match`.
pub(crate) struct Conditions {
    pub(crate) exists: Option<ETagCondition>,
    pub(crate) absent: Option<ETagCondition>,
}

impl Conditions {
    /// Refuses where they do not hold.
    pub(crate) fn check(&self, current: Option<&Version>) -> S3Result<()> {
        let failed = || {
            s3_error!(
                PreconditionFailed,
                "At least one of the pre-conditions you specified did not hold"
            )
        };
        match (&self.exists, current) {
            (None, _) | (Some(ETagCondition::Any), Some(_)) => {}
            (Some(_), None) => return Err(no_such_key()),
            (Some(ETagCondition::ETag(etag)), Some(version)) if etag.value() == version.etag => {}
            _ => return Err(failed()),
        }
        match (&self.absent, current) {
            (Some(ETagCondition::Any), Some(_)) => Err(failed()),
            (Some(ETagCondition::ETag(_)), _) => Err(refused(
                501,
                "NotImplemented",
                "A header you provided implies functionality that is not implemented",
            )),
            _ => Ok(()),
        }
    }
}

/// The headers that an object keeps.
pub(super) fn kept(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::new();
    for (name, value) in headers {
        let name = name.as_str();
        if KEPT.contains(&name) || name.starts_with("x-amz-meta-") {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            // How the upload was framed is no property of the object.
            let value =
                if name == "content-encoding" { value.replace("aws-chunked", "") } else { value };
            let value = value.trim_matches([',', ' ']).to_owned();
            if !value.is_empty() {
                kept.insert(name.to_owned(), value);
            }
        }
    }
    kept
}

fn metadata(version: &Version) -> Option<Metadata> {
    let user = version.headers.iter().filter_map(|(name, value)| {
        name.strip_prefix("x-amz-meta-").map(|name| (name.to_owned(), value.clone()))
    });
    let user: Metadata = user.collect();
    (!user.is_empty()).then_some(user)
}

/// How an object is encrypted: as asked, or as the bucket has it.
pub(super) fn encryption(headers: &HeaderMap, bucket: &Bucket) -> (String, Option<String>) {
    let text =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    match text("x-amz-server-side-encryption") {
        Some(algorithm) => (algorithm, text("x-amz-server-side-encryption-aws-kms-key-id")),
        None => (bucket.settings.encryption.clone(), bucket.settings.kms_key.clone()),
    }
}

fn with_header(mut error: S3Error, name: &'static str, value: &'static str) -> S3Error {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/xml"));
    headers.insert(name, HeaderValue::from_static(value));
    error.set_headers(headers);
    error
}
