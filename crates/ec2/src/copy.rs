//! A copy of an AMI in another region.

use aws_sdk_ec2::Client;
use baler_aws::Region;

use crate::client::Ec2;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::names::{AmiId, AmiName};
use crate::tags::tags_of_image;

const ACTION: &str = "CopyImage";

/// A copy that is to be made, in the region of the [`Ec2`] that makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copying {
    /// The image.
    pub source: AmiId,
    /// Its region.
    pub source_region: Region,
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
    /// The token by which EC2 recognises a repeated request: 128 characters at most, and new for each copy.
    pub client_token: String,
}

impl Copying {
    /// A copy with the required settings only.
    pub fn new(
        source: AmiId,
        source_region: Region,
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
    ///
    /// # Errors
    /// A token that is empty or too long; EC2's refusals; those of the way to EC2.
    pub async fn copy(
        &self,
        wanted: &Copying,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<AmiId, Error> {
        if !(1..=128).contains(&wanted.client_token.len()) {
            let message = "the client token has 1 to 128 characters";
            return Err(Error::new(ACTION, ErrorKind::Refused, message));
        }
        let request = |client: Client| {
            client
                .copy_image()
                .source_image_id(wanted.source.as_str())
                .source_region(wanted.source_region.as_str())
                .name(wanted.name.as_str())
                .client_token(&wanted.client_token)
                .set_description(wanted.description.clone())
                .set_encrypted(wanted.encrypted.then_some(true))
                .set_kms_key_id(wanted.kms_key.clone())
                .set_copy_image_tags(wanted.copy_tags.then_some(true))
                .set_tag_specifications(tags_of_image(&wanted.tags))
                .send()
        };
        let answer = self.call(ACTION, on_event, request).await?;
        answer.image_id().and_then(|id| id.parse().ok()).ok_or_else(|| {
            Error::new(ACTION, ErrorKind::Unreadable, "the answer has no AMI's identifier")
        })
    }
}
