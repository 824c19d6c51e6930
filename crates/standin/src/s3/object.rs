//! Objects: put, get, head, copy, delete, and their ACLs.

use std::fs::File;

use futures_util::stream;
use http::{HeaderMap, HeaderValue};
use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::flow::Chunks;
use super::headers::{Conditions, encryption, kept};
use super::refusal::{internal, no_such_bucket, no_such_key, refused};
use super::service::Service;
use super::storage::{Bucket, Version};
use super::upload::Received;
use super::{acl, checksum};
use crate::id;

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
        let Received { file, size, digests } =
            self.receive(&req.headers, body, req.trailing_headers.as_ref()).await?;
        let version = Version {
            data: self.world.storage.keep(file).map_err(internal)?,
            size,
            etag: digests.etag,
            headers: kept(&req.headers),
            checksums: digests.checksums,
            grants,
            encryption,
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
            server_side_encryption: Some(version.encryption.algorithm.into()),
            ssekms_key_id: version.encryption.kms_key,
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
            let replaced = take(versions, &version.id);
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
        let (version, file) = self.open(&input)?;
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
            server_side_encryption: Some(version.encryption.algorithm.clone().into()),
            ssekms_key_id: version.encryption.kms_key.clone(),
            version_id: (version.id != "null").then(|| version.id.clone()),
            ..GetObjectOutput::default()
        }))
    }

    /// The version that a request asks for, and its bytes.
    fn open(&self, input: &GetObjectInput) -> S3Result<(Version, File)> {
        let buckets = self.world.storage.buckets();
        let bucket = buckets.get(&input.bucket).ok_or_else(no_such_bucket)?;
        let version = self.version(bucket, &input.key, input.version_id.as_deref())?;
        Conditions { exists: input.if_match.clone(), absent: None }.check(Some(version))?;
        if let Some(ETagCondition::ETag(etag)) = &input.if_none_match
            && etag.value() == version.etag
        {
            return Err(refused(304, "NotModified", "Not Modified"));
        }
        // Opened under the lock: from here on the bytes stay, whatever happens to the object.
        Ok((version.clone(), self.world.storage.read(version).map_err(internal)?))
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
            server_side_encryption: Some(version.encryption.algorithm.clone().into()),
            ssekms_key_id: version.encryption.kms_key.clone(),
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
            let into = buckets.get(&input.bucket).ok_or_else(no_such_bucket)?;
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
            let grants = acl::granted(asked, &self.owner, into)?;
            let encryption = encryption(&req.headers, into);
            // One file for both; nothing ever writes into it.
            let data = self.world.storage.link(version).map_err(internal)?;
            Version { data, grants, encryption, ..version.clone() }
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
            server_side_encryption: Some(version.encryption.algorithm.into()),
            ssekms_key_id: version.encryption.kms_key,
            version_id: (version.id != "null").then_some(version.id),
            ..CopyObjectOutput::default()
        }))
    }

    /// Removes a version, or adds a delete marker.
    pub(super) fn remove(&self, name: &str, key: &str, version: Option<&str>) -> S3Result<Removed> {
        let mut buckets = self.world.storage.buckets();
        let bucket = buckets.get_mut(name).ok_or_else(no_such_bucket)?;
        let versioning = bucket.settings.versioning.clone();
        if version.is_some() || versioning.is_none() {
            // A key that is not there can only get a delete marker.
            if !bucket.objects.contains_key(key) {
                return Ok(Removed { marker: false, version_id: None });
            }
        }
        let versions = bucket.objects.entry(key.to_owned()).or_default();
        let wanted = version.or(versioning.is_none().then_some("null"));
        let (data, outcome) = if let Some(wanted) = wanted {
            let marker = versions.iter().any(|version| version.id == wanted && version.marker);
            let version_id = version.map(str::to_owned);
            (take(versions, wanted), Removed { marker, version_id })
        } else {
            let versioned = versioning.as_deref() == Some("Enabled");
            let id = if versioned { id::random(16) } else { "null".to_owned() };
            let data = take(versions, &id);
            let marker =
                Version { id: id.clone(), marker: true, modified: id::now(), ..Version::default() };
            versions.push(marker);
            (data, Removed { marker: true, version_id: Some(id) })
        };
        self.world.storage.save_object(name, key, versions).map_err(internal)?;
        if versions.is_empty() {
            bucket.objects.remove(key);
        }
        data.iter().for_each(|data| self.world.storage.forget(data));
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

/// The outcome of removing.
pub(super) struct Removed {
    /// A delete marker was added or removed.
    pub(super) marker: bool,
    /// The id of the version that was added or removed, where there is one to name.
    pub(super) version_id: Option<String>,
}

/// Takes the versions with an id out of the list; the names of their bytes come back.
fn take(versions: &mut Vec<Version>, id: &str) -> Vec<String> {
    let data = versions.iter().filter(|version| version.id == id);
    let data = data.map(|version| version.data.clone()).collect();
    versions.retain(|version| version.id != id);
    data
}

fn metadata(version: &Version) -> Option<Metadata> {
    let user = version.headers.iter().filter_map(|(name, value)| {
        name.strip_prefix("x-amz-meta-").map(|name| (name.to_owned(), value.clone()))
    });
    let user: Metadata = user.collect();
    (!user.is_empty()).then_some(user)
}

fn with_header(mut error: S3Error, name: &'static str, value: &'static str) -> S3Error {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/xml"));
    headers.insert(name, HeaderValue::from_static(value));
    error.set_headers(headers);
    error
}
