//! All AMIs and snapshots, in one JSON file.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::ami::Ami;
use super::refusal::{Refusal, check_id, refuse};
use crate::json;

/// A region's settings and snapshots.
#[derive(Clone, Debug, Default)]
pub(crate) struct Region {
    pub(crate) block_public: bool,
    pub(crate) snapshots: BTreeSet<String>,
}

/// All AMIs, and the file that keeps them.
#[derive(Debug)]
pub(crate) struct Registry {
    path: PathBuf,
    pub(crate) images: Vec<Ami>,
    pub(crate) regions: BTreeMap<String, Region>,
    /// The number of descriptions in which a new image is pending.
    pub(crate) pending: u32,
    /// The number of descriptions from which a new image is missing.
    pub(crate) delay: u32,
}

impl Registry {
    /// Reads `ec2.json` in a directory.
    pub(crate) fn open(directory: &Path, pending: u32, delay: u32) -> io::Result<Self> {
        let path = directory.join("ec2.json");
        let value = if path.exists() { json::read(&path)? } else { Value::Null };
        let images = value["images"].as_array().into_iter().flatten().map(Ami::from_json).collect();
        let mut regions = BTreeMap::new();
        for (name, region) in value["regions"].as_object().into_iter().flatten() {
            let block_public = region["block_public"].as_bool().unwrap_or_default();
            let snapshots =
                region["snapshots"].as_array().into_iter().flatten().map(json::text).collect();
            regions.insert(name.clone(), Region { block_public, snapshots });
        }
        Ok(Self { path, images, regions, pending, delay })
    }

    /// Writes `ec2.json`.
    pub(crate) fn save(&self) -> io::Result<()> {
        let images: Vec<Value> = self.images.iter().map(Ami::to_json).collect();
        let region = |region: &Region| json!({ "block_public": region.block_public, "snapshots": region.snapshots });
        let regions: BTreeMap<_, _> =
            self.regions.iter().map(|(name, found)| (name, region(found))).collect();
        json::write(&self.path, &json!({ "images": images, "regions": regions }))
    }

    /// The number of descriptions after which an image is available.
    pub(crate) fn ready(&self) -> u32 {
        self.delay.saturating_add(self.pending)
    }

    /// An image of a region; one that was deregistered is refused.
    pub(crate) fn image(&mut self, region: &str, id: &str) -> Result<&mut Ami, Refusal> {
        check_id(id, "ami-", "InvalidAMIID.Malformed")?;
        let found = self.images.iter_mut().find(|image| image.id == id && image.region == region);
        let missing =
            || refuse("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist"));
        let image = found.ok_or_else(missing)?;
        if image.deregistered {
            return Err(refuse(
                "InvalidAMIID.Unavailable",
                format!("The image ID '{id}' is no longer available"),
            ));
        }
        Ok(image)
    }
}
