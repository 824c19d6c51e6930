//! EBS volumes as the EC2 API tools' command lines take them: `DEVICE=[SNAPSHOT]:[GIB]:[true|false]:[TYPE[:IOPS]]`.

use std::fmt;
use std::str::FromStr;

use baler_aws::NameError;

use super::device::DeviceName;
use super::ids::SnapshotId;

/// A device of the machine with an EBS volume behind it: made from a snapshot, or empty and of some size.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct EbsVolume {
    /// The device.
    pub device: DeviceName,
    /// The snapshot that it is made from.
    pub snapshot: Option<SnapshotId>,
    /// Its size in GiB; the snapshot's without it.
    pub size: Option<u32>,
    /// Whether it ends with its instance.
    pub delete_on_termination: bool,
    /// `gp3`, `io1` and others; EC2's choice without it.
    pub volume_type: Option<String>,
    /// The operations a second that it is made for, where the type has a choice.
    pub iops: Option<u32>,
}

const WHAT: &str = "an EBS volume behind a device";
const RULE: &str = "it is `DEVICE=[SNAPSHOT]:[GIB]:[true|false]:[TYPE[:IOPS]]`";

impl EbsVolume {
    /// A volume that is as its snapshot is, and ends with its instance.
    pub fn of_snapshot(device: DeviceName, snapshot: SnapshotId) -> Self {
        Self {
            device,
            snapshot: Some(snapshot),
            size: None,
            delete_on_termination: true,
            volume_type: None,
            iops: None,
        }
    }
}

impl FromStr for EbsVolume {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let error = |rule: &str| NameError::new(WHAT, text, rule);
        let (device, value) = text.split_once('=').ok_or_else(|| error(RULE))?;
        let fields: Vec<_> = value.split(':').collect();
        if fields.len() > 5 {
            return Err(error(RULE));
        }
        let field = |n: usize| fields.get(n).copied().filter(|field| !field.is_empty());
        let number = |n: usize, rule: &str| {
            let parsed = field(n).map(|field| field.parse().ok().filter(|number| *number > 0));
            parsed.map(|number: Option<u32>| number.ok_or_else(|| error(rule))).transpose()
        };
        let delete_on_termination = match field(2) {
            None | Some("true") => true,
            Some("false") => false,
            Some(_) => return Err(error("whether it ends with its instance is `true` or `false`")),
        };
        let is_word =
            |word: &str| word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let volume = Self {
            device: device.parse()?,
            snapshot: field(0).map(str::parse).transpose()?,
            size: number(1, "its size is a number of GiB")?,
            delete_on_termination,
            volume_type: field(3).map(str::to_owned),
            iops: number(4, "behind its type is the number of operations a second")?,
        };
        match (&volume.volume_type, volume.iops) {
            (Some(kind), _) if !is_word(kind) => {
                Err(error("its type is one of EC2's words, such as `gp3` or `io1`"))
            }
            (None, Some(_)) => Err(error("operations a second go with a type, such as `io1`")),
            _ if volume.snapshot.is_none() && volume.size.is_none() => {
                Err(error("it has a snapshot or a size"))
            }
            _ => Ok(volume),
        }
    }
}

impl fmt::Display for EbsVolume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.device)?;
        self.snapshot.iter().try_for_each(|snapshot| snapshot.fmt(f))?;
        f.write_str(":")?;
        self.size.iter().try_for_each(|size| size.fmt(f))?;
        write!(f, ":{}:", self.delete_on_termination)?;
        self.volume_type.iter().try_for_each(|kind| kind.fmt(f))?;
        self.iops.iter().try_for_each(|iops| write!(f, ":{iops}"))
    }
}
