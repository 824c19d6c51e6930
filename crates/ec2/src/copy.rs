//! An AMI goes to another region.

use crate::error::{Error, ErrorKind};
use crate::names::{AmiId, AmiName, RegionName};
use crate::query::Form;
use crate::{Ec2, Event};

const ACTION: &str = "CopyImage";

/// A copy that is wanted. It is asked for in the region where it will be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copying {
    /// The image.
    pub source: AmiId,
    /// Its region.
    pub source_region: RegionName,
    /// The copy's name.
    pub name: AmiName,
    /// The copy's description; the source's without it.
    pub description: Option<String>,
    /// Whether the copy's snapshots are encrypted. Not for S3-backed images.
    pub encrypted: bool,
    /// The key for that: an identifier, alias or ARN; the account's default without it.
    pub kms_key: Option<String>,
    /// Whether the caller's tags of the image are copied too.
    pub copy_tags: bool,
    /// Further tags of the copy.
    pub tags: Vec<(String, String)>,
    /// What tells EC2 that a repeated request is the same one: 128 characters at most, and new for each copy.
    pub client_token: String,
}

impl Copying {
    /// A copy with nothing but what there has to be.
    pub fn new(
        source: AmiId,
        source_region: RegionName,
        name: AmiName,
        client_token: impl Into<String>,
    ) -> Self {
        Self {
            source,
            source_region,
            name,
            description: None,
            encrypted: false,
            kms_key: None,
            copy_tags: false,
            tags: Vec::new(),
            client_token: client_token.into(),
        }
    }
}

impl Ec2 {
    /// Copies an image into this region, and returns the copy, which is not available for some time.
    ///
    /// Of an S3-backed image EC2 copies the bundle, into a bucket of the caller's that it makes. Launch permissions are
    /// not copied. However often the request has to be sent, there is one copy.
    pub async fn copy(
        &self,
        wanted: &Copying,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<AmiId, Error> {
        if !(1..=128).contains(&wanted.client_token.len()) {
            let message = "the client token has 1 to 128 characters";
            return Err(Error::new(ACTION, ErrorKind::Refused, message));
        }
        let form = Form::new(ACTION)
            .with("SourceImageId", &wanted.source)
            .with("SourceRegion", &wanted.source_region)
            .with("Name", &wanted.name)
            .with("ClientToken", &wanted.client_token)
            .with_some("Description", wanted.description.as_ref())
            .with_some("Encrypted", wanted.encrypted.then_some(true))
            .with_some("KmsKeyId", wanted.kms_key.as_ref())
            .with_some("CopyImageTags", wanted.copy_tags.then_some(true))
            .with_tags(&wanted.tags);
        let answer = self.call(&form, on_event).await?;
        answer.text("imageId").and_then(|id| id.parse().ok()).ok_or_else(|| {
            Error::new(ACTION, ErrorKind::Unreadable, "the answer has no AMI's identifier")
        })
    }
}
