//! What the manifest says of the image: as it was typed and, on an instance, as that was started.

use anyhow::Context;
use baler_ec2::Metadata;
use baler_manifest::{AccountId, BlockDeviceMapping, Bundler, Contents};

use super::destination::Destination;
use crate::cmd::mapping;
use crate::exit::Trouble;
use crate::machine;
use crate::report::{self, Console};

/// What the manifest says of the image.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Manifest")]
pub(super) struct ManifestArgs {
    /// The architecture of the machine in the image [default: this machine's]
    #[arg(long, short = 'r', value_parser = ["i386", "x86_64", "arm64"])]
    arch: Option<String>,

    /// Your AWS account, 12 digits [default: the instance's; with a place in S3, that of the credentials]
    #[arg(long, short = 'u', value_name = "ID", env = "EC2_USER_ID")]
    account: Option<String>,

    /// The kernel to boot with, aki-…
    #[arg(long, value_name = "ID", value_parser = mapping::boot_id)]
    kernel: Option<String>,

    /// The ramdisk to boot with, ari-…
    #[arg(long, value_name = "ID", value_parser = mapping::boot_id)]
    ramdisk: Option<String>,

    /// Which devices the instance sees: ami=sda1,root=/dev/sda1,ephemeral0=sdb
    #[arg(short = 'B', long = "block-device-mapping", value_name = "VIRTUAL=DEVICE,...", value_delimiter = ',',
        value_parser = mapping::mapping)]
    mappings: Vec<BlockDeviceMapping>,

    /// Product codes (EC2 may refuse a manifest that has some)
    #[arg(long, value_name = "CODE,...", value_delimiter = ',')]
    product_codes: Vec<String>,

    /// An AMI that this image descends from, ami-…
    #[arg(long = "ancestor", value_name = "ID", value_delimiter = ',', value_parser = mapping::image_id)]
    ancestors: Vec<String>,

    /// Take nothing from the metadata of the instance that runs; else what is not given is taken from there for the source
    /// /, and account and region for other sources
    #[arg(long)]
    no_inherit: bool,
}

impl ManifestArgs {
    /// Asks the instance for what was not typed; gives its region.
    ///
    /// The kernel, the ramdisk and the like are those of the machine that runs, so only its own root has them.
    pub(super) async fn inherit(
        &mut self,
        is_own_root: bool,
        wants_region: bool,
        console: &Console,
    ) -> anyhow::Result<Option<String>> {
        let wants_account = self.account.as_ref().is_none_or(String::is_empty);
        let is_wanted = is_own_root || wants_account || wants_region && machine::is_of_ec2();
        if self.no_inherit || !is_wanted {
            return Ok(None);
        }
        match self.ask(is_own_root, wants_account, wants_region, console).await {
            Ok(Some(region)) => Ok(region),
            Ok(None) if is_own_root => {
                console.note("this is no EC2 instance, or it has no metadata: nothing is inherited from there");
                Ok(None)
            }
            Ok(None) => Ok(None),
            Err(error) if error.is::<Trouble>() => Err(error),
            // A firewall, another cloud, metadata that is switched off.
            Err(error) => {
                console
                    .note(&format!("nothing is inherited from the instance's metadata: {error:#}"));
                Ok(None)
            }
        }
    }

    /// What there is to inherit; `None` if there is nobody to ask.
    async fn ask(
        &mut self,
        is_own_root: bool,
        wants_account: bool,
        wants_region: bool,
        console: &Console,
    ) -> anyhow::Result<Option<Option<String>>> {
        let Some(metadata) = machine::metadata().await? else { return Ok(None) };
        let mut region = None;
        if let Some(identity) = metadata.identity().await? {
            if wants_account {
                self.account = Some(inherited(console, "account", identity.account.to_string()));
            }
            if wants_region {
                region = Some(inherited(console, "region", identity.region.to_string()));
            }
            if let (true, None, Some(arch)) = (is_own_root, &self.arch, identity.architecture) {
                self.arch = Some(inherited(console, "architecture", arch));
            }
        }
        if is_own_root {
            self.inherit_image(&metadata, console).await?;
        }
        Ok(Some(region))
    }

    /// What the AMI says that the machine was started from. Nothing of it is lost silently: all is told.
    async fn inherit_image(
        &mut self,
        metadata: &Metadata,
        console: &Console,
    ) -> Result<(), baler_ec2::MetadataError> {
        let good = |id: &String| mapping::image_id(id).is_ok();
        if self.kernel.is_none() {
            let kernel = metadata.kernel().await?.filter(good);
            self.kernel = kernel.map(|kernel| inherited(console, "kernel", kernel));
        }
        if self.ramdisk.is_none() {
            let ramdisk = metadata.ramdisk().await?.filter(good);
            self.ramdisk = ramdisk.map(|ramdisk| inherited(console, "ramdisk", ramdisk));
        }
        if self.product_codes.is_empty() {
            let codes = metadata.product_codes().await?;
            self.product_codes =
                codes.into_iter().map(|code| inherited(console, "product code", code)).collect();
        }
        if self.ancestors.is_empty() {
            let ancestors = metadata
                .ancestors()
                .await?
                .into_iter()
                .chain(metadata.ami_id().await?)
                .filter(good);
            self.ancestors = ancestors.map(|ami| inherited(console, "ancestor", ami)).collect();
        }
        if self.mappings.is_empty() {
            for (name, device) in metadata.block_device_mapping().await? {
                let pair = format!("{name}={device}");
                // EBS volumes of this one instance are none of the image's.
                if let Some(found) =
                    mapping::mapping(&pair).ok().filter(|_| !name.starts_with("ebs"))
                {
                    inherited(console, "block device mapping", pair);
                    self.mappings.push(found);
                }
            }
        }
        Ok(())
    }

    /// The manifest, but for what comes of the work.
    pub(super) fn contents(
        self,
        name: String,
        destination: &Destination,
        console: &Console,
    ) -> anyhow::Result<Contents> {
        let account = match self.account.filter(|account| !account.is_empty()) {
            Some(account) => account,
            None => destination.account(console)?.ok_or_else(|| {
                Trouble::usage("which AWS account the image belongs to has to be in its manifest")
                    .hint("pass --account, or set EC2_USER_ID; `aws sts get-caller-identity` prints it")
            })?,
        };
        let account: AccountId = account
            .parse()
            .with_context(|| Trouble::usage(format!("reading the account `{account}`")))?;
        if !self.product_codes.is_empty() {
            console.warn("EC2 may refuse to register a manifest with product codes");
        }
        for missing in mapping::missing(&self.mappings) {
            console.warn(&format!("the block device mapping has no `{missing}`"));
        }
        let version =
            concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));
        let bundler = Bundler {
            name: "baler".to_owned(),
            version: version.to_owned(),
            release: env!("CARGO_PKG_VERSION_PATCH").to_owned(),
        };
        let architecture = self.arch.map_or_else(machine::architecture, Ok)?;
        let mut contents = Contents::draft(bundler, &name, &account, architecture);
        contents.mappings = self.mappings;
        contents.kernel_id = self.kernel;
        contents.ramdisk_id = self.ramdisk;
        contents.product_codes = self.product_codes;
        contents.ancestry = self.ancestors;
        Ok(contents)
    }
}

fn inherited(console: &Console, what: &str, value: String) -> String {
    console.note(&format!("from the instance's metadata: {what} {}", report::plain(&value)));
    value
}
