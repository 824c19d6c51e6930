//! Block device mappings as EC2's command lines take them: `DEVICE=VALUE`.

use std::fmt;
use std::str::FromStr;

use baler_aws::NameError;

use super::device::DeviceName;

/// A device of the machine, and the volume behind it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Mapping {
    /// The device.
    pub device: DeviceName,
    /// The volume behind it.
    pub volume: Volume,
}

/// A volume that can be behind a device of an S3-backed AMI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Volume {
    /// An instance store volume, `ephemeral0` to `ephemeral23`. More than the machine has are ignored by EC2.
    Ephemeral(u8),
    /// Nothing: removes the mapping that the manifest has there.
    NoDevice,
}

const WHAT: &str = "a block device mapping";
const LAST_EPHEMERAL: u8 = 23;

impl FromStr for Mapping {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let error = |rule: &str| NameError::new(WHAT, text, rule);
        let Some((device, value)) = text.split_once('=') else {
            return Err(error("it is `DEVICE=VALUE`, such as `/dev/sdb=ephemeral0`"));
        };
        // Manifests have them the other way round, and so have the options of `bundle`.
        if ephemeral(device).is_some() && value.parse::<DeviceName>().is_ok() {
            let near = format!("{value}={device}");
            return Err(error("the device comes first here").suggest(near));
        }
        let device: DeviceName = device.parse()?;
        if value.starts_with("snap-") || value.starts_with(':') {
            return Err(error(
                "it is an EBS volume, and an S3-backed AMI has instance store \
                 volumes only; attach EBS volumes when an instance is launched",
            ));
        }
        let volume = match value {
            "none" => Volume::NoDevice,
            value => Volume::Ephemeral(ephemeral(value).ok_or_else(|| {
                error("behind the `=` is `ephemeral0` to `ephemeral23`, or `none`")
            })?),
        };
        Ok(Self { device, volume })
    }
}

fn ephemeral(text: &str) -> Option<u8> {
    let number = text.strip_prefix("ephemeral")?;
    let plain =
        number.bytes().all(|b| b.is_ascii_digit()) && (number == "0" || !number.starts_with('0'));
    number.parse().ok().filter(|n| plain && *n <= LAST_EPHEMERAL)
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.device, self.volume)
    }
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ephemeral(n) => write!(f, "ephemeral{n}"),
            Self::NoDevice => f.write_str("none"),
        }
    }
}
