//! The items of metadata, by their meaning.

use baler_aws::{AccountId, Region};
use serde_json::Value;

use super::error::MetadataError;
use super::service::{META_DATA, Metadata};

/// The instance, from its identity document.
///
/// The document's signature is not checked: it proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// The account that launched it.
    pub account: AccountId,
    /// Its region.
    pub region: Region,
    /// `i386`, `x86_64` or `arm64`.
    pub architecture: Option<String>,
    /// The AMI that it was launched from.
    pub image_id: Option<String>,
    /// The instance.
    pub instance_id: Option<String>,
    /// The instance's type.
    pub instance_type: Option<String>,
}

impl Metadata {
    /// The instance, or `None` if it has no identity document.
    ///
    /// # Errors
    /// [`MetadataError::Document`] and those of [`Metadata::get`].
    pub async fn identity(&self) -> Result<Option<Identity>, MetadataError> {
        let Some(text) = self.get("dynamic/instance-identity/document").await? else {
            return Ok(None);
        };
        let document: Value =
            serde_json::from_str(&text).map_err(|error| MetadataError::Document(Some(error)))?;
        let told = |name: &str| document.get(name).and_then(Value::as_str).map(str::to_owned);
        let account = told("accountId").and_then(|account| account.parse().ok());
        let region = told("region").and_then(|region| region.parse().ok());
        let (Some(account), Some(region)) = (account, region) else {
            return Err(MetadataError::Document(None));
        };
        Ok(Some(Identity {
            account,
            region,
            architecture: told("architecture"),
            image_id: told("imageId"),
            instance_id: told("instanceId"),
            instance_type: told("instanceType"),
        }))
    }

    /// The AMI that the instance was launched from.
    ///
    /// # Errors
    /// As [`Metadata::get`].
    pub async fn ami_id(&self) -> Result<Option<String>, MetadataError> {
        self.item("ami-id").await
    }

    /// The AMIs that this one was made from, if its manifest names them.
    ///
    /// # Errors
    /// As [`Metadata::get`].
    pub async fn ancestors(&self) -> Result<Vec<String>, MetadataError> {
        self.lines("ancestor-ami-ids").await
    }

    /// The kernel image that the instance boots; HVM has none.
    ///
    /// # Errors
    /// As [`Metadata::get`].
    pub async fn kernel(&self) -> Result<Option<String>, MetadataError> {
        self.item("kernel-id").await
    }

    /// The RAM disk image that the instance boots with; HVM has none.
    ///
    /// # Errors
    /// As [`Metadata::get`].
    pub async fn ramdisk(&self) -> Result<Option<String>, MetadataError> {
        self.item("ramdisk-id").await
    }

    /// The product codes of the AMI.
    ///
    /// # Errors
    /// As [`Metadata::get`].
    pub async fn product_codes(&self) -> Result<Vec<String>, MetadataError> {
        self.lines("product-codes").await
    }

    /// The block device mapping: virtual names (`ami`, `root`, `ephemeral0`, `swap`) and devices (`sda1`, `/dev/sda1`),
    /// in the service's order.
    ///
    /// It may name more instance store volumes than the instance has.
    ///
    /// # Errors
    /// As [`Metadata::get`].
    pub async fn block_device_mapping(&self) -> Result<Vec<(String, String)>, MetadataError> {
        let mut mapping = Vec::new();
        for name in self.lines("block-device-mapping/").await? {
            let device = self.item(&format!("block-device-mapping/{name}")).await?;
            mapping.extend(device.map(|device| (name, device)));
        }
        Ok(mapping)
    }

    /// The instance's region. Services that are older than 2020 tell only the zone, which is the region and a letter.
    ///
    /// # Errors
    /// As [`Metadata::get`].
    pub async fn region(&self) -> Result<Option<Region>, MetadataError> {
        if let Some(region) = self.item("placement/region").await? {
            return Ok(region.parse().ok());
        }
        let zone = self.item("placement/availability-zone").await?;
        Ok(zone.and_then(|zone| region_of_zone(&zone)))
    }

    /// One value, or `None` if it is not set.
    async fn item(&self, name: &str) -> Result<Option<String>, MetadataError> {
        let text = self.get(&format!("{META_DATA}{name}")).await?;
        Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
    }

    async fn lines(&self, name: &str) -> Result<Vec<String>, MetadataError> {
        let text = self.get(&format!("{META_DATA}{name}")).await?.unwrap_or_default();
        Ok(text
            .lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect())
    }
}

/// `us-east-1a` is in `us-east-1`, and so is the local zone `us-east-1-bos-1a`.
fn region_of_zone(zone: &str) -> Option<Region> {
    let whole = zone.trim_end_matches(|c: char| c.is_ascii_lowercase());
    // A local zone of a region with a short name has the form of a region itself; so the shortest one is taken.
    let ends = zone.match_indices('-').map(|(at, _)| &zone[..at]).chain([whole]);
    ends.filter_map(|text| text.parse().ok()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_in_regions() {
        for (zone, region) in [
            ("us-east-1a", Some("us-east-1")),
            ("us-gov-west-1b", Some("us-gov-west-1")),
            ("us-west-2-lax-1a", Some("us-west-2")),
            ("us-east-1-wl1-bos-wlz-1", Some("us-east-1")),
            ("nowhere", None),
            ("", None),
        ] {
            assert_eq!(region_of_zone(zone).as_ref().map(Region::as_str), region, "{zone}");
        }
    }
}
