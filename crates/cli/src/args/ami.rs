//! What an AMI is to be, beyond its bundle.

use baler::AmiOptions;
use baler_ec2::{DeviceName, Mapping, Virtualization};

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "AMI")]
pub(crate) struct AmiArgs {
    /// A description of the AMI
    #[arg(long, value_name = "TEXT", value_parser = description)]
    pub(crate) description: Option<String>,

    /// Start instances from their disk (hvm) or from a kernel (paravirtual) [default: by the image's layout]
    #[arg(long, value_name = "TYPE", value_parser = ["hvm", "paravirtual"])]
    pub(crate) virtualization: Option<String>,

    /// The root device [default: the manifest's]
    #[arg(long, value_name = "DEVICE")]
    pub(crate) root_device: Option<DeviceName>,

    /// Map a device to an instance store volume, `/dev/sdb=ephemeral0`, or to none, `/dev/sdb=none`; may be repeated
    #[arg(long, value_name = "DEVICE=VOLUME")]
    pub(crate) map: Vec<Mapping>,

    /// The image has a driver for enhanced networking with ENA
    #[arg(long)]
    pub(crate) ena: bool,

    /// The image has a driver for the older enhanced networking; cannot be undone
    #[arg(long)]
    pub(crate) sriov: bool,

    /// Instances answer metadata requests only with a token (IMDSv2)
    #[arg(long)]
    pub(crate) imds_v2: bool,

    /// A tag of the AMI; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    pub(crate) tags: Vec<(String, String)>,

    /// Wait until the AMI is available
    #[arg(long)]
    pub(crate) wait: bool,
}

pub(crate) fn description(text: &str) -> Result<String, String> {
    match text.chars().count() {
        0..=255 => Ok(text.to_owned()),
        count => Err(format!("a description has at most 255 characters, and this one has {count}")),
    }
}

/// `KEY=VALUE`, by EC2's rules.
pub(crate) fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a tag is `KEY=VALUE`")?;
    let rule = match (key.chars().count(), value.chars().count()) {
        (0, _) => "a tag's key must not be empty",
        (128.., _) => "a tag's key has at most 127 characters",
        (_, 256..) => "a tag's value has at most 255 characters",
        _ if key.to_ascii_lowercase().starts_with("aws:") => {
            "keys that begin with `aws:` are reserved for AWS"
        }
        _ => return Ok((key.to_owned(), value.to_owned())),
    };
    Err(rule.to_owned())
}

impl AmiArgs {
    /// One of the options that was given, if there is one.
    pub(crate) fn used(&self) -> Option<&'static str> {
        [
            ("--description", self.description.is_some()),
            ("--virtualization", self.virtualization.is_some()),
            ("--root-device", self.root_device.is_some()),
            ("--map", !self.map.is_empty()),
            ("--ena", self.ena),
            ("--sriov", self.sriov),
            ("--imds-v2", self.imds_v2),
            ("--tag", !self.tags.is_empty()),
            ("--wait", self.wait),
        ]
        .into_iter()
        .find_map(|(name, is_used)| is_used.then_some(name))
    }

    /// The options for the library.
    pub(crate) fn options(&self) -> AmiOptions {
        let mut options = AmiOptions::new();
        options.description.clone_from(&self.description);
        options.virtualization = self.virtualization.as_deref().map(|word| match word {
            "hvm" => Virtualization::Hvm,
            _ => Virtualization::Paravirtual,
        });
        options.root_device.clone_from(&self.root_device);
        options.mappings.clone_from(&self.map);
        options.ena = self.ena;
        options.sriov = self.sriov;
        options.imds_v2 = self.imds_v2;
        options.tags.clone_from(&self.tags);
        options.wait = self.wait;
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_keep_the_rules() {
        assert_eq!(tag("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        for text in [
            "a",
            "=b",
            "aws:x=y",
            &format!("{}=x", "k".repeat(128)),
            &format!("k={}", "v".repeat(256)),
        ] {
            assert!(tag(text).is_err(), "{text}");
        }
        assert!(description(&"x".repeat(256)).is_err());
    }
}
