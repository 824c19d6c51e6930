//! Names of block devices as EC2 knows them.

use std::fmt;
use std::str::FromStr;

use baler_aws::NameError;

use crate::boot::Virtualization;

const RULE: &str =
    "EC2 names devices `sda` to `sdz`, `sda1` to `sda15`, `xvda` to `xvdz` and `xvdba` to `xvdcz`";

/// The name of a block device, such as `/dev/sdb` or `xvda1`, as it was typed.
///
/// Parsing accepts what some kind of machine has; [`DeviceName::check`] asks for one kind. It is EC2's name: the guest's
/// kernel may call the device otherwise (`sdb` is `xvdb`, or an NVMe name).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceName(String);

impl DeviceName {
    /// The name as it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without its `/dev/`.
    pub fn short(&self) -> &str {
        self.0.strip_prefix("/dev/").unwrap_or(&self.0)
    }

    /// Checks that machines of this kind have a device of that name.
    ///
    /// HVM has whole disks only, apart from the root `sda1`; paravirtual has no letters after the first one.
    ///
    /// # Errors
    /// The rule that the name breaks.
    pub fn check(&self, virtualization: Virtualization) -> Result<(), NameError> {
        let error = |rule: &str| NameError::new("a device of such a machine", &self.0, rule);
        let Some((disk, number)) = split(self.short()) else { return Err(error(RULE)) };
        match virtualization {
            Virtualization::Hvm
                if !number.is_empty() && !matches!(self.short(), "sda1" | "sda2") =>
            {
                let near = format!("{}{disk}", &self.0[..self.0.len() - self.short().len()]);
                Err(error("HVM machines have whole disks, no partitions but `sda1`").suggest(near))
            }
            Virtualization::Hvm if disk.starts_with("hd") => {
                Err(error("HVM machines have `sda` to `sdz`, `xvda` to `xvdz`, `xvdba` to `xvdcz`"))
            }
            Virtualization::Paravirtual if disk.len() > letters(disk) + 1 => {
                Err(error("paravirtual machines have `sda` to `sdz` and `sda1` to `sdz15`"))
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for DeviceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let short = text.strip_prefix("/dev/").unwrap_or(text);
        if split(short).is_some() {
            return Ok(Self(text.to_owned()));
        }
        let rule = if short.starts_with("nvme") {
            "NVMe names are the guest's; EC2 names devices `sda` to `sdz` and `xvda` to `xvdz`"
        } else {
            RULE
        };
        let error = NameError::new("a device name", text, rule);
        Err(match near(short) {
            Some(near) => error.suggest(format!("{}{near}", &text[..text.len() - short.len()])),
            None => error,
        })
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The length of the driver's name with which a disk's name starts.
fn letters(disk: &str) -> usize {
    if disk.starts_with("xvd") { 3 } else { 2 }
}

/// A device's disk and the number of its partition, or nothing if EC2 has no such device.
fn split(short: &str) -> Option<(&str, &str)> {
    let (disk, number) =
        short.split_at(short.find(|c: char| c.is_ascii_digit()).unwrap_or(short.len()));
    let driver = ["xvd", "sd", "hd"].into_iter().find(|driver| disk.starts_with(driver))?;
    let disk_fits = match &disk.as_bytes()[driver.len()..] {
        [b'a'..=b'z'] => true,
        [b'b' | b'c', b'a'..=b'z'] => driver == "xvd" && number.is_empty(),
        _ => false,
    };
    let number_fits = number.is_empty()
        || !number.starts_with('0') && number.parse::<u8>().is_ok_and(|n| (1..=15).contains(&n));
    (disk_fits && number_fits).then_some((disk, number))
}

/// What was probably meant: letters that look like digits behind the disk, upper case, a zero for an `o`.
fn near(short: &str) -> Option<String> {
    let lower = short.trim().to_ascii_lowercase();
    if split(&lower).is_some() {
        return Some(lower);
    }
    let at = letters(&lower) + 1;
    let (disk, rest) = lower.split_at_checked(at)?;
    let rest: String = rest
        .chars()
        .map(|c| match c {
            'l' | 'i' => '1',
            'o' => '0',
            'z' => '2',
            other => other,
        })
        .collect();
    let near = format!("{disk}{rest}");
    split(&near).is_some().then_some(near)
}
