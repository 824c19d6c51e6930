//! The EC2 instance that runs, and what a manifest inherits from its metadata.

use baler_ec2::{Metadata, MetadataError};

use crate::error::{Context, Error, Result};
use crate::event::Event;
use crate::ids;
use crate::kind::Kind;
use crate::provenance::Provenance;
use crate::run::Run;
use crate::text::plain;

/// What is asked for. The kernel, the RAM disk and the like are those of the instance, so only its own root has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) is_own_root: bool,
    pub(crate) account: bool,
    pub(crate) region: bool,
}

/// Whether this is an instance of EC2's, without asking anybody: by what its firmware or its hypervisor says, or because
/// the caller's environment names a metadata service.
pub(crate) fn is_of_ec2(run: &Run) -> bool {
    let says = |path: &str, what: &str| {
        std::fs::read_to_string(path).is_ok_and(|text| text.to_lowercase().starts_with(what))
    };
    run.environment.metadata.endpoint.is_some()
        || says("/sys/class/dmi/id/sys_vendor", "amazon ec2")
        || says("/sys/class/dmi/id/bios_version", "4.2.amazon")
        || says("/sys/hypervisor/uuid", "ec2")
}

/// The instance's metadata; `None` where there is none, or where it is to be left alone.
///
/// # Errors
/// An address that is none, and metadata that cannot be read.
pub async fn metadata(run: &Run) -> Result<Option<Metadata>> {
    let settings = &run.environment.metadata;
    if settings.is_disabled {
        return Ok(None);
    }
    let endpoint = match &settings.endpoint {
        Some(url) => url
            .parse()
            .with_context(|| Error::usage("reading AWS_EC2_METADATA_SERVICE_ENDPOINT"))?,
        None => Metadata::default_endpoint(),
    };
    Ok(Metadata::connect(&endpoint, Metadata::BUDGET, !settings.is_v1_disabled).await?)
}

/// Asks the instance for what is missing, and reports each thing that is found.
///
/// # Errors
/// Settings that make no sense. An instance that does not answer is no error, but is reported.
pub(crate) async fn inherit(known: &mut Provenance, asked: Asked, run: &Run) -> Result<()> {
    match ask(known, asked, run).await {
        Ok(true) => Ok(()),
        Ok(false) => {
            if asked.is_own_root {
                run.report(Event::NotInherited(None));
            }
            Ok(())
        }
        Err(error) if error.kind() == Kind::Usage => Err(error),
        // A firewall, another cloud, metadata that is switched off.
        Err(error) => {
            run.report(Event::NotInherited(Some(&error)));
            Ok(())
        }
    }
}

/// Whether there is an instance to ask.
async fn ask(known: &mut Provenance, asked: Asked, run: &Run) -> Result<bool> {
    let Some(metadata) = metadata(run).await? else { return Ok(false) };
    if let Some(identity) = metadata.identity().await? {
        if asked.account {
            known.account = inherited("account", identity.account.to_string(), run);
        }
        if asked.region {
            known.region = inherited("region", identity.region.to_string(), run);
        }
        if let (true, None, Some(found)) =
            (asked.is_own_root, &known.architecture, identity.architecture)
        {
            known.architecture = inherited("architecture", found, run);
        }
    }
    if asked.is_own_root {
        inherit_image(&metadata, known, run).await?;
    }
    Ok(true)
}

fn inherited(what: &'static str, value: String, run: &Run) -> Option<String> {
    run.report(Event::Inherited { what, value: &plain(&value) });
    Some(value)
}

/// Takes what is missing from what the metadata says of the AMI that the instance was started from, and reports each
/// thing that is found; gives the names of the items that are not there.
///
/// # Errors
/// Metadata that cannot be read.
pub async fn inherit_image(
    metadata: &Metadata,
    known: &mut Provenance,
    run: &Run,
) -> std::result::Result<Vec<&'static str>, MetadataError> {
    let is_good = |id: &String| ids::image_id(id).is_ok();
    let mut missing = Vec::new();
    let mut note = |is_there: bool, item| {
        if !is_there {
            missing.push(item);
        }
    };
    let needs_ancestors = known.ancestors.is_empty();
    if needs_ancestors {
        let found = metadata.ancestors().await?;
        note(!found.is_empty(), "ancestor-ami-ids");
        known.ancestors = found.into_iter().filter(is_good).collect();
    }
    if known.kernel.is_none() {
        let found = metadata.kernel().await?.filter(is_good);
        note(found.is_some(), "kernel-id");
        known.kernel = found.and_then(|kernel| inherited("kernel", kernel, run));
    }
    if known.ramdisk.is_none() {
        let found = metadata.ramdisk().await?.filter(is_good);
        note(found.is_some(), "ramdisk-id");
        known.ramdisk = found.and_then(|ramdisk| inherited("ramdisk", ramdisk, run));
    }
    if known.product_codes.is_empty() {
        let found = metadata.product_codes().await?;
        note(!found.is_empty(), "product-codes");
        let codes = found.into_iter().filter_map(|code| inherited("product code", code, run));
        known.product_codes = codes.collect();
    }
    if known.mappings.is_empty() {
        let found = metadata.block_device_mapping().await?;
        note(!found.is_empty(), "block-device-mapping");
        // EBS volumes of this one instance do not belong to the image.
        for (name, device) in found.into_iter().filter(|(name, _)| !name.starts_with("ebs")) {
            let pair = format!("{name}={device}");
            if let Ok(mapping) = ids::mapping(&pair) {
                inherited("block device mapping", pair, run);
                known.mappings.push(mapping);
            }
        }
    }
    let ami = metadata.ami_id().await?;
    note(ami.is_some(), "ami-id");
    if needs_ancestors {
        known.ancestors.extend(ami.filter(is_good));
        for ancestor in &known.ancestors {
            inherited("ancestor", ancestor.clone(), run);
        }
    }
    Ok(missing)
}
