//! Buckets: creating and removing them, and their settings.

use http::HeaderMap;
use s3s::dto::*;
use s3s::{S3Request, S3Result, s3_error};

use super::acl;
use super::refusal::{internal, no_such_bucket, refused};
use super::service::Service;
use super::storage::{Bucket, Encryption, Settings};
use crate::id;

/// The settings of a bucket as S3 makes them since April 2023.
pub(crate) fn fresh(region: &str, owner: &str) -> Settings {
    Settings {
        region: region.to_owned(),
        created: id::now(),
        ownership: Some("BucketOwnerEnforced".to_owned()),
        grants: acl::private(owner),
        encryption: Encryption::aes256(),
        versioning: None,
        block: Some([true; 4]),
    }
}

impl Service {
    pub(super) fn create(&self, req: S3Request<CreateBucketInput>) -> S3Result<CreateBucketOutput> {
        let input = req.input;
        if !is_name(&input.bucket) {
            return Err(s3_error!(InvalidBucketName, "The specified bucket is not valid."));
        }
        let signed = req.region.as_ref().map_or("us-east-1", |region| region.as_str());
        let constraint =
            input.create_bucket_configuration.and_then(|config| config.location_constraint);
        let region = located(signed, constraint.as_ref().map(|constraint| constraint.as_str()))?;
        let mut settings = fresh(&region, &self.owner);
        if let Some(ownership) = input.object_ownership {
            settings.ownership = Some(ownership_named(&ownership)?);
        }
        let asked = acl::asked(&req.headers)?;
        let enforced = settings.ownership.as_deref() == Some("BucketOwnerEnforced");
        if asked != acl::Asked::Nothing && enforced {
            let message =
                "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
            return Err(s3_error!(InvalidBucketAclWithObjectOwnership, "{message}"));
        }
        settings.grants = acl::resolve(asked, &self.owner)?;
        if acl::is_public(&settings.grants) {
            let message = "Bucket cannot have public ACLs set with BlockPublicAccess enabled";
            return Err(refused(400, "InvalidBucketAclWithBlockPublicAccessError", message));
        }
        let mut buckets = self.world.storage.buckets();
        if let Some(old) = buckets.get(&input.bucket) {
            // The oldest region answers its owner as it did before the others were there.
            if old.settings.region != "us-east-1" || region != "us-east-1" {
                let message = "Your previous request to create the named bucket succeeded and you already own it.";
                return Err(s3_error!(BucketAlreadyOwnedByYou, "{message}"));
            }
        } else {
            self.world.storage.save_bucket(&input.bucket, &settings).map_err(internal)?;
            let objects = std::collections::BTreeMap::new();
            buckets.insert(input.bucket.clone(), Bucket { settings, objects });
        }
        Ok(CreateBucketOutput { location: Some(format!("/{}", input.bucket)) })
    }

    pub(super) fn destroy(&self, name: &str) -> S3Result<()> {
        let mut buckets = self.world.storage.buckets();
        let bucket = buckets.get(name).ok_or_else(no_such_bucket)?;
        if !bucket.objects.is_empty() {
            return Err(s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty"));
        }
        self.world.storage.remove_bucket(name).map_err(internal)?;
        buckets.remove(name);
        Ok(())
    }

    /// Looks at a bucket.
    pub(super) fn see<T>(
        &self,
        name: &str,
        look: impl FnOnce(&Bucket) -> S3Result<T>,
    ) -> S3Result<T> {
        look(self.world.storage.buckets().get(name).ok_or_else(no_such_bucket)?)
    }

    /// Changes a bucket's settings.
    pub(super) fn change(
        &self,
        name: &str,
        change: impl FnOnce(&mut Settings) -> S3Result<()>,
    ) -> S3Result<()> {
        let mut buckets = self.world.storage.buckets();
        let bucket = buckets.get_mut(name).ok_or_else(no_such_bucket)?;
        let mut settings = bucket.settings.clone();
        change(&mut settings)?;
        self.world.storage.save_bucket(name, &settings).map_err(internal)?;
        bucket.settings = settings;
        Ok(())
    }

    pub(super) fn buckets(&self, input: &ListBucketsInput) -> ListBucketsOutput {
        let buckets = self.world.storage.buckets();
        let wanted = |(name, bucket): &(&String, &Bucket)| {
            input.prefix.as_ref().is_none_or(|prefix| name.starts_with(prefix))
                && input
                    .bucket_region
                    .as_ref()
                    .is_none_or(|region| *region == bucket.settings.region)
        };
        let listed = buckets.iter().filter(wanted).map(|(name, bucket)| s3s::dto::Bucket {
            bucket_region: Some(bucket.settings.region.clone()),
            creation_date: Some(id::timestamp(bucket.settings.created)),
            name: Some(name.clone()),
        });
        ListBucketsOutput {
            buckets: Some(listed.collect()),
            owner: Some(acl::owner(&self.owner)),
            prefix: input.prefix.clone(),
            continuation_token: None,
        }
    }

    pub(super) fn set_bucket_acl(
        &self,
        input: PutBucketAclInput,
        headers: &HeaderMap,
    ) -> S3Result<()> {
        let asked = match input.access_control_policy {
            Some(policy) => acl::asked_in(policy)?,
            None => acl::asked(headers)?,
        };
        let (grants, enforced) = self.see(&input.bucket, |bucket| {
            Ok((acl::granted(asked, &self.owner, bucket)?, bucket.enforced()))
        })?;
        self.change(&input.bucket, |settings| {
            if !enforced {
                settings.grants = grants;
            }
            Ok(())
        })
    }
}

/// An ownership by its name.
pub(super) fn ownership_named(ownership: &ObjectOwnership) -> S3Result<String> {
    match ownership.as_str() {
        name @ ("BucketOwnerEnforced" | "BucketOwnerPreferred" | "ObjectWriter") => {
            Ok(name.to_owned())
        }
        name => Err(s3_error!(InvalidArgument, "the object ownership `{name}` is not known")),
    }
}

/// The region of a new bucket: the one that the request was signed for, with which the constraint in its body has to agree.
fn located(signed: &str, constraint: Option<&str>) -> S3Result<String> {
    let Some(constraint) = constraint.filter(|constraint| !constraint.is_empty()) else {
        if signed == "us-east-1" {
            return Ok(signed.to_owned());
        }
        let message = "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.";
        return Err(s3_error!(IllegalLocationConstraintException, "{message}"));
    };
    if constraint == "us-east-1" || constraint != "EU" && !is_region(constraint) {
        return Err(s3_error!(
            InvalidLocationConstraint,
            "The specified location-constraint is not valid"
        ));
    }
    let region = if constraint == "EU" { "eu-west-1" } else { constraint };
    if region == signed {
        return Ok(region.to_owned());
    }
    Err(s3_error!(
        IllegalLocationConstraintException,
        "The {constraint} location constraint is incompatible for the region specific endpoint this request was sent to."
    ))
}

/// Tells if a text has the shape of a region's name: `eu-west-1`, `us-gov-east-1`.
fn is_region(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let letters =
        |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    (3..=4).contains(&parts.len())
        && parts[0].len() == 2
        && parts[..parts.len() - 1].iter().all(letters)
        && parts[parts.len() - 1].parse::<u8>().is_ok()
}

/// Tells if a new bucket may have this name.
pub(crate) fn is_name(name: &str) -> bool {
    let edge = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| edge(Some(byte)) || *byte == b'.' || *byte == b'-')
        && edge(bytes.first())
        && edge(bytes.last())
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|start| name.starts_with(start))
        && !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"]
            .iter()
            .any(|end| name.ends_with(end))
}

pub(super) fn encryption_of(settings: &Settings) -> ServerSideEncryptionConfiguration {
    ServerSideEncryptionConfiguration {
        rules: vec![ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(ServerSideEncryptionByDefault {
                kms_master_key_id: settings.encryption.kms_key.clone(),
                sse_algorithm: settings.encryption.algorithm.clone().into(),
            }),
            bucket_key_enabled: Some(false),
        }],
    }
}

pub(super) fn block_of(settings: &Settings) -> S3Result<PublicAccessBlockConfiguration> {
    let missing = || {
        refused(
            404,
            "NoSuchPublicAccessBlockConfiguration",
            "The public access block configuration was not found",
        )
    };
    let [block_acls, ignore_acls, block_policy, restrict] = settings.block.ok_or_else(missing)?;
    Ok(PublicAccessBlockConfiguration {
        block_public_acls: Some(block_acls),
        block_public_policy: Some(block_policy),
        ignore_public_acls: Some(ignore_acls),
        restrict_public_buckets: Some(restrict),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_rules() {
        for name in ["abc", "my.bucket-1", "123"] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "ab",
            "Bad",
            "a..b",
            "-ab",
            "ab-",
            "192.168.1.1",
            "xn--abc",
            "abc-s3alias",
            "a_b",
            "a/b",
            "..",
        ] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn region_and_constraint_agree() {
        assert_eq!(located("us-east-1", None).unwrap(), "us-east-1");
        assert_eq!(located("eu-west-1", Some("EU")).unwrap(), "eu-west-1");
        assert_eq!(located("us-gov-west-1", Some("us-gov-west-1")).unwrap(), "us-gov-west-1");
        for (signed, constraint, code) in [
            ("eu-west-1", None, "IllegalLocationConstraintException"),
            ("eu-west-1", Some("eu-west-2"), "IllegalLocationConstraintException"),
            ("us-east-1", Some("us-east-1"), "InvalidLocationConstraint"),
            ("us-east-1", Some("mars-north-1"), "InvalidLocationConstraint"),
        ] {
            assert_eq!(
                located(signed, constraint).unwrap_err().code().as_str(),
                code,
                "{signed} {constraint:?}"
            );
        }
    }
}
