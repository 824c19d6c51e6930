//! What a manifest says of an image beyond its bytes.

use baler_manifest::BlockDeviceMapping;

/// What a manifest says of an image beyond its bytes; `None` and empty where it is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Provenance {
    /// The account that the image belongs to, 12 digits.
    pub account: Option<String>,
    /// The region of the instance that runs.
    pub region: Option<String>,
    /// The architecture: `i386`, `x86_64` or `arm64`.
    pub architecture: Option<String>,
    /// The kernel to boot with, `aki-…`.
    pub kernel: Option<String>,
    /// The RAM disk to boot with, `ari-…`.
    pub ramdisk: Option<String>,
    /// Product codes.
    pub product_codes: Vec<String>,
    /// The AMIs that the image descends from, `ami-…`.
    pub ancestors: Vec<String>,
    /// Which devices the instance sees.
    pub mappings: Vec<BlockDeviceMapping>,
}

impl Provenance {
    /// Nothing is known.
    pub fn new() -> Provenance {
        Provenance::default()
    }
}
