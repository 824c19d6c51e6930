//! S3, on the frame of the crate `s3s`, which checks signatures and reads and writes XML; the operations are ours.

use s3s::dto::*;
use s3s::{S3, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

pub(crate) mod access;
pub(crate) mod acl;
pub(crate) mod bucket;
pub(crate) mod checksum;
mod flow;
mod headers;
mod list;
mod multipart;
mod object;
pub(crate) mod refusal;
pub(crate) mod service;
pub(crate) mod storage;
pub(crate) mod upload;

use object::Removed;
use service::Service;
use storage::Encryption;

fn answer<T>(output: T) -> S3Result<S3Response<T>> {
    Ok(S3Response::new(output))
}

#[async_trait::async_trait]
impl S3 for Service {
    async fn put_object(
        &self,
        req: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        self.store(req).await
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        answer(self.begin(req)?)
    }

    async fn upload_part(
        &self,
        req: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        answer(self.part(req).await?)
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        answer(self.complete(req)?)
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.abort(&req.input)?;
        answer(AbortMultipartUploadOutput::default())
    }

    async fn get_object(
        &self,
        req: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        self.fetch(req)
    }

    async fn head_object(
        &self,
        req: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        self.head(req)
    }

    async fn copy_object(
        &self,
        req: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        self.copy(req)
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let DeleteObjectInput { bucket, key, version_id, .. } = req.input;
        let Removed { marker, version_id } = self.remove(&bucket, &key, version_id.as_deref())?;
        answer(DeleteObjectOutput {
            delete_marker: marker.then_some(true),
            version_id,
            request_charged: None,
        })
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let DeleteObjectsInput { bucket, delete, .. } = req.input;
        if delete.objects.is_empty() || delete.objects.len() > 1000 {
            return Err(s3_error!(
                MalformedXML,
                "A list of keys to delete has between 1 and 1000 entries"
            ));
        }
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for ObjectIdentifier { key, version_id, .. } in delete.objects {
            // A key that may not be removed does not keep the others.
            let denied = self.world.is_denied("s3:DeleteObject");
            let outcome = if denied {
                Err(s3_error!(AccessDenied, "Access Denied"))
            } else {
                self.remove(&bucket, &key, version_id.as_deref())
            };
            match outcome {
                Ok(Removed { marker, version_id: id }) => deleted.push(DeletedObject {
                    delete_marker: marker.then_some(true),
                    delete_marker_version_id: id.filter(|_| marker),
                    key: Some(key),
                    version_id,
                }),
                Err(error) if *error.code() == S3ErrorCode::NoSuchBucket => return Err(error),
                Err(error) => errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    key: Some(key),
                    message: error.message().map(str::to_owned),
                    version_id,
                }),
            }
        }
        let deleted = (!delete.quiet.unwrap_or_default()).then_some(deleted);
        answer(DeleteObjectsOutput { deleted, errors: Some(errors), request_charged: None })
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        answer(self.list(req.input)?)
    }

    async fn list_objects(
        &self,
        req: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        answer(self.list_old(req.input)?)
    }

    async fn list_object_versions(
        &self,
        req: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        answer(self.versions(req.input)?)
    }

    async fn get_object_acl(
        &self,
        req: S3Request<GetObjectAclInput>,
    ) -> S3Result<S3Response<GetObjectAclOutput>> {
        answer(self.object_acl(&req.input)?)
    }

    async fn put_object_acl(
        &self,
        req: S3Request<PutObjectAclInput>,
    ) -> S3Result<S3Response<PutObjectAclOutput>> {
        self.set_object_acl(req)?;
        answer(PutObjectAclOutput::default())
    }

    async fn list_buckets(
        &self,
        req: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        answer(self.buckets(&req.input))
    }

    async fn create_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        answer(self.create(req)?)
    }

    async fn head_bucket(
        &self,
        req: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        let region = self.see(&req.input.bucket, |bucket| Ok(bucket.settings.region.clone()))?;
        answer(HeadBucketOutput { bucket_region: Some(region), ..HeadBucketOutput::default() })
    }

    async fn delete_bucket(
        &self,
        req: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        self.destroy(&req.input.bucket)?;
        answer(DeleteBucketOutput {})
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        let region = self.see(&req.input.bucket, |bucket| Ok(bucket.settings.region.clone()))?;
        let location_constraint = (region != "us-east-1").then(|| region.into());
        answer(GetBucketLocationOutput { location_constraint })
    }

    async fn get_bucket_acl(
        &self,
        req: S3Request<GetBucketAclInput>,
    ) -> S3Result<S3Response<GetBucketAclOutput>> {
        let owner = &self.owner;
        let grants = self.see(&req.input.bucket, |bucket| {
            Ok(acl::shown(&bucket.settings.grants, owner, bucket))
        })?;
        answer(GetBucketAclOutput { grants: Some(grants), owner: Some(acl::owner(owner)) })
    }

    async fn put_bucket_acl(
        &self,
        req: S3Request<PutBucketAclInput>,
    ) -> S3Result<S3Response<PutBucketAclOutput>> {
        self.set_bucket_acl(req.input, &req.headers)?;
        answer(PutBucketAclOutput::default())
    }

    async fn get_bucket_ownership_controls(
        &self,
        req: S3Request<GetBucketOwnershipControlsInput>,
    ) -> S3Result<S3Response<GetBucketOwnershipControlsOutput>> {
        let ownership =
            self.see(&req.input.bucket, |bucket| Ok(bucket.settings.ownership.clone()))?;
        let missing = || {
            s3_error!(
                OwnershipControlsNotFoundError,
                "The bucket ownership controls were not found"
            )
        };
        let object_ownership = ownership.ok_or_else(missing)?.into();
        let ownership_controls =
            Some(OwnershipControls { rules: vec![OwnershipControlsRule { object_ownership }] });
        answer(GetBucketOwnershipControlsOutput { ownership_controls })
    }

    async fn put_bucket_ownership_controls(
        &self,
        req: S3Request<PutBucketOwnershipControlsInput>,
    ) -> S3Result<S3Response<PutBucketOwnershipControlsOutput>> {
        let rules = &req.input.ownership_controls.rules;
        let rule = rules.first().ok_or_else(|| s3_error!(MalformedXML))?;
        let ownership = bucket::ownership_named(&rule.object_ownership)?;
        self.change(&req.input.bucket, |settings| {
            settings.ownership = Some(ownership);
            Ok(())
        })?;
        answer(PutBucketOwnershipControlsOutput::default())
    }

    async fn delete_bucket_ownership_controls(
        &self,
        req: S3Request<DeleteBucketOwnershipControlsInput>,
    ) -> S3Result<S3Response<DeleteBucketOwnershipControlsOutput>> {
        self.change(&req.input.bucket, |settings| {
            settings.ownership = None;
            Ok(())
        })?;
        answer(DeleteBucketOwnershipControlsOutput::default())
    }

    async fn get_bucket_encryption(
        &self,
        req: S3Request<GetBucketEncryptionInput>,
    ) -> S3Result<S3Response<GetBucketEncryptionOutput>> {
        let rules =
            self.see(&req.input.bucket, |bucket| Ok(bucket::encryption_of(&bucket.settings)))?;
        answer(GetBucketEncryptionOutput { server_side_encryption_configuration: Some(rules) })
    }

    async fn put_bucket_encryption(
        &self,
        req: S3Request<PutBucketEncryptionInput>,
    ) -> S3Result<S3Response<PutBucketEncryptionOutput>> {
        let rule = req.input.server_side_encryption_configuration.rules.into_iter().next();
        let default = rule.and_then(|rule| rule.apply_server_side_encryption_by_default);
        let default = default.ok_or_else(|| s3_error!(MalformedXML))?;
        if !matches!(default.sse_algorithm.as_str(), "AES256" | "aws:kms" | "aws:kms:dsse") {
            return Err(s3_error!(
                MalformedXML,
                "the encryption `{}` is not known",
                default.sse_algorithm.as_str()
            ));
        }
        self.change(&req.input.bucket, |settings| {
            settings.encryption = Encryption {
                algorithm: default.sse_algorithm.as_str().to_owned(),
                kms_key: default.kms_master_key_id,
            };
            Ok(())
        })?;
        answer(PutBucketEncryptionOutput::default())
    }

    async fn get_bucket_versioning(
        &self,
        req: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        let status =
            self.see(&req.input.bucket, |bucket| Ok(bucket.settings.versioning.clone()))?;
        answer(GetBucketVersioningOutput { status: status.map(Into::into), mfa_delete: None })
    }

    async fn put_bucket_versioning(
        &self,
        req: S3Request<PutBucketVersioningInput>,
    ) -> S3Result<S3Response<PutBucketVersioningOutput>> {
        let status =
            req.input.versioning_configuration.status.map(|status| status.as_str().to_owned());
        if !matches!(status.as_deref(), Some("Enabled" | "Suspended")) {
            return Err(s3_error!(IllegalVersioningConfigurationException));
        }
        self.change(&req.input.bucket, |settings| {
            settings.versioning = status;
            Ok(())
        })?;
        answer(PutBucketVersioningOutput::default())
    }

    async fn get_public_access_block(
        &self,
        req: S3Request<GetPublicAccessBlockInput>,
    ) -> S3Result<S3Response<GetPublicAccessBlockOutput>> {
        let block = self.see(&req.input.bucket, |bucket| bucket::block_of(&bucket.settings))?;
        answer(GetPublicAccessBlockOutput { public_access_block_configuration: Some(block) })
    }

    async fn put_public_access_block(
        &self,
        req: S3Request<PutPublicAccessBlockInput>,
    ) -> S3Result<S3Response<PutPublicAccessBlockOutput>> {
        let asked = req.input.public_access_block_configuration;
        let flags = [
            asked.block_public_acls,
            asked.ignore_public_acls,
            asked.block_public_policy,
            asked.restrict_public_buckets,
        ];
        self.change(&req.input.bucket, |settings| {
            settings.block = Some(flags.map(Option::unwrap_or_default));
            Ok(())
        })?;
        answer(PutPublicAccessBlockOutput::default())
    }

    async fn delete_public_access_block(
        &self,
        req: S3Request<DeletePublicAccessBlockInput>,
    ) -> S3Result<S3Response<DeletePublicAccessBlockOutput>> {
        self.change(&req.input.bucket, |settings| {
            settings.block = None;
            Ok(())
        })?;
        answer(DeletePublicAccessBlockOutput::default())
    }
}
