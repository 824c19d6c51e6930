//! What the manifest says of the image.

use baler::{Provenance, ids};
use baler_manifest::BlockDeviceMapping;

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Manifest")]
pub(crate) struct ManifestArgs {
    /// The architecture of the image [default: this machine's]
    #[arg(long, short = 'r', value_parser = ["i386", "x86_64", "arm64"])]
    arch: Option<String>,

    /// Your AWS account, 12 digits [default: the instance's; with a place in S3, that of the credentials]
    #[arg(long, short = 'u', value_name = "ID", env = "EC2_USER_ID")]
    account: Option<String>,

    /// The kernel to boot with, aki-…
    #[arg(long, value_name = "ID", value_parser = ids::boot_id)]
    kernel: Option<String>,

    /// The ramdisk to boot with, ari-…
    #[arg(long, value_name = "ID", value_parser = ids::boot_id)]
    ramdisk: Option<String>,

    /// The instance's devices: ami=sda1,root=/dev/sda1,ephemeral0=sdb
    #[arg(short = 'B', long = "block-device-mapping", value_name = "VIRTUAL=DEVICE,...", value_delimiter = ',',
        value_parser = ids::mapping)]
    mappings: Vec<BlockDeviceMapping>,

    /// Product codes; EC2 may refuse a manifest with product codes
    #[arg(long, value_name = "CODE,...", value_delimiter = ',')]
    product_codes: Vec<String>,

    /// An AMI that this image descends from, ami-…
    #[arg(long = "ancestor", value_name = "ID", value_delimiter = ',', value_parser = ids::image_id)]
    ancestors: Vec<String>,

    /// Do not use the instance's metadata [default: for the source /, everything that is not given is read from it; for
    /// other sources, only account and region]
    #[cfg(feature = "aws")]
    #[arg(long)]
    pub(crate) no_inherit: bool,
}

impl ManifestArgs {
    /// The properties of the image for the library.
    pub(crate) fn provenance(&self) -> Provenance {
        let mut known = Provenance::new();
        known.account = self.account.clone().filter(|account| !account.is_empty());
        known.architecture.clone_from(&self.arch);
        known.kernel.clone_from(&self.kernel);
        known.ramdisk.clone_from(&self.ramdisk);
        known.product_codes.clone_from(&self.product_codes);
        known.ancestors.clone_from(&self.ancestors);
        known.mappings.clone_from(&self.mappings);
        known
    }
}
