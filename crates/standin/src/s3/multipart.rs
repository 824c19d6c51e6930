//! Multipart uploads, as far as other programs' uploads need them: Baler's parts are objects of their own.
//!
//! An upload that is not complete is forgotten when the stand-in stops.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use md5::{Digest as _, Md5};
use s3s::crypto::{Checksum as _, Crc64Nvme};
use s3s::dto::*;
use s3s::{S3Request, S3Result, s3_error};

use super::headers::{Conditions, encryption, kept};
use super::refusal::{internal, no_such_bucket, no_such_upload};
use super::service::Service;
use super::storage::Version;
use super::upload::Upload;
use super::{acl, checksum};
use crate::id::{self, held};

/// The least length of every part but the last.
const LEAST: u64 = 5 << 20;

impl Service {
    pub(super) fn begin(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<CreateMultipartUploadOutput> {
        let CreateMultipartUploadInput { bucket, key, .. } = req.input;
        let (grants, encryption) = self.see(&bucket, |found| {
            Ok((
                acl::granted(acl::asked(&req.headers)?, &self.owner, found)?,
                encryption(&req.headers, found),
            ))
        })?;
        let upload = Upload {
            bucket: bucket.clone(),
            key: key.clone(),
            headers: kept(&req.headers),
            grants,
            encryption,
            parts: BTreeMap::new(),
        };
        let id = id::random(16);
        held(&self.world.uploads).insert(id.clone(), upload);
        Ok(CreateMultipartUploadOutput {
            bucket: Some(bucket),
            key: Some(key),
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        })
    }

    pub(super) async fn part(&self, req: S3Request<UploadPartInput>) -> S3Result<UploadPartOutput> {
        let UploadPartInput { bucket, key, part_number, upload_id, body, .. } = req.input;
        if !(1..=10_000).contains(&part_number) {
            return Err(s3_error!(
                InvalidArgument,
                "Part number must be an integer between 1 and 10000, inclusive"
            ));
        }
        let known = |upload: &Upload| upload.is_of(&bucket, &key);
        if !held(&self.world.uploads).get(&upload_id).is_some_and(known) {
            return Err(no_such_upload());
        }
        let received = self.receive(&req.headers, body, req.trailing_headers.as_ref()).await?;
        let sums = checksum::answer(&received.digests.checksums);
        let output = UploadPartOutput {
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            e_tag: Some(ETag::Strong(received.digests.etag.clone())),
            ..UploadPartOutput::default()
        };
        if let Some(upload) = held(&self.world.uploads).get_mut(&upload_id) {
            upload.parts.insert(part_number, received);
        }
        Ok(output)
    }

    pub(super) fn complete(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let CompleteMultipartUploadInput { bucket, key, upload_id, multipart_upload, .. } =
            req.input;
        let conditions = Conditions { exists: req.input.if_match, absent: req.input.if_none_match };
        self.see(&bucket, |found| conditions.check(found.current(&key)))?;
        let listed = multipart_upload.and_then(|listed| listed.parts).unwrap_or_default();
        let mut uploads = held(&self.world.uploads);
        let upload = uploads.get(&upload_id).filter(|upload| upload.is_of(&bucket, &key));
        let version = self.join(upload.ok_or_else(no_such_upload)?, &listed)?;
        uploads.remove(&upload_id);
        drop(uploads);
        let version = self.commit(&bucket, &key, version, &conditions)?;
        let sums = checksum::answer(&version.checksums);
        Ok(CompleteMultipartUploadOutput {
            location: Some(format!("/{bucket}/{key}")),
            bucket: Some(bucket),
            key: Some(key),
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_type: sums.checksum_type,
            e_tag: Some(ETag::Strong(version.etag)),
            server_side_encryption: Some(version.encryption.algorithm.into()),
            ssekms_key_id: version.encryption.kms_key,
            version_id: (version.id != "null").then_some(version.id),
            ..CompleteMultipartUploadOutput::default()
        })
    }

    /// The parts that are listed, one behind the other.
    fn join(&self, upload: &Upload, listed: &[CompletedPart]) -> S3Result<Version> {
        if listed.is_empty() {
            return Err(s3_error!(MalformedXML, "A completed upload has parts"));
        }
        if !listed.is_sorted_by(|one, two| one.part_number < two.part_number) {
            return Err(s3_error!(
                InvalidPartOrder,
                "The list of parts was not in ascending order."
            ));
        }
        let mut whole = self.world.storage.upload().map_err(internal)?;
        let (mut digests, mut size, mut sum) = (Md5::new(), 0, Crc64Nvme::new());
        for (place, part) in listed.iter().enumerate() {
            let missing =
                || s3_error!(InvalidPart, "One or more of the specified parts could not be found");
            let received =
                upload.parts.get(&part.part_number.unwrap_or_default()).ok_or_else(missing)?;
            if part.e_tag.as_ref().map(ETag::value) != Some(&received.digests.etag) {
                return Err(missing());
            }
            if received.size < LEAST && place + 1 < listed.len() {
                return Err(s3_error!(
                    EntityTooSmall,
                    "Your proposed upload is smaller than the minimum allowed size"
                ));
            }
            let mut file = File::open(received.file.path()).map_err(internal)?;
            size += io::copy(&mut file, &mut Summed(&mut whole, &mut sum)).map_err(internal)?;
            digests.update(id::unhex(&received.digests.etag).unwrap_or_default());
        }
        Ok(Version {
            data: self.world.storage.keep(whole).map_err(internal)?,
            size,
            etag: format!("{}-{}", id::hex(&digests.finalize()), listed.len()),
            headers: upload.headers.clone(),
            checksums: BTreeMap::from([("crc64nvme".to_owned(), id::base64(&sum.finalize()))]),
            grants: upload.grants.clone(),
            encryption: upload.encryption.clone(),
            ..Version::default()
        })
    }

    pub(super) fn abort(&self, input: &AbortMultipartUploadInput) -> S3Result<()> {
        self.see(&input.bucket, |_| Ok(())).map_err(|_| no_such_bucket())?;
        let gone = held(&self.world.uploads).remove(&input.upload_id);
        gone.map(drop).ok_or_else(no_such_upload)
    }
}

/// A file, and the checksum of what is written into it.
struct Summed<'a, W>(&'a mut W, &'a mut Crc64Nvme);

impl<W: io::Write> io::Write for Summed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(bytes)?;
        self.1.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
