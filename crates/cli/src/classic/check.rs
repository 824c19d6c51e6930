//! What a value of an option has to be, looked at as soon as it is read.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A file that is there.
pub(super) fn file(value: &OsStr) -> Result<(), String> {
    match Path::new(value).metadata() {
        Ok(found) if found.is_dir() => Err("it is a directory, not a file".to_owned()),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err("there is no such file".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// An image that is there: not a pipe, which has no length.
pub(super) fn image(value: &OsStr) -> Result<(), String> {
    use std::os::unix::fs::FileTypeExt;
    file(value)?;
    match Path::new(value).metadata().map(|found| found.file_type()) {
        Ok(kind) if kind.is_file() || kind.is_block_device() => Ok(()),
        _ => Err("it is neither a file nor a block device".to_owned()),
    }
}

/// A directory that is there.
pub(super) fn directory(value: &OsStr) -> Result<(), String> {
    match Path::new(value).metadata() {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err("it is not a directory".to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err("there is no such directory".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// A program that is there.
pub(super) fn program(value: &OsStr) -> Result<(), String> {
    file(value)?;
    let mode = Path::new(value).metadata().map_or(0, |found| found.permissions().mode());
    if mode & 0o111 != 0 { Ok(()) } else { Err("it is not executable".to_owned()) }
}

/// A bare name.
pub(super) fn name(value: &OsStr) -> Result<(), String> {
    match value.to_str().map(baler_manifest::check_name) {
        _ if value.as_bytes().contains(&b'/') => Err("it has a '/' in it".to_owned()),
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("it is not UTF-8".to_owned()),
    }
}

/// An account, with hyphens or without.
pub(super) fn account(value: &OsStr) -> Result<(), String> {
    let account = value.to_string_lossy().parse::<baler_manifest::AccountId>();
    account.map(|_| ()).map_err(|error| match error.advice() {
        Some(baler_manifest::Advice::Say(words)) => format!("{error}: {words}"),
        _ => error.to_string(),
    })
}

/// A number of MiB, up to what EC2 takes.
pub(super) fn number(value: &OsStr) -> Result<(), String> {
    match value.to_str().map(str::parse::<u64>) {
        Some(Ok(1..)) => Ok(()),
        _ => Err("it is not a number above 0".to_owned()),
    }
}

/// A number as C writes it: with `0` before it, it is octal.
#[cfg(feature = "aws")]
pub(super) fn part(value: &OsStr) -> Result<(), String> {
    c_number(value)
        .map(|_| ())
        .ok_or_else(|| "it is not a number; 010 is octal, as in C".to_owned())
}

/// What the number is.
#[cfg(feature = "aws")]
pub(super) fn c_number(value: &OsStr) -> Option<usize> {
    let text = value.to_str()?;
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.strip_prefix('0') {
        Some("") => Some(0),
        Some(octal) if is_digits(octal) => usize::from_str_radix(octal, 8).ok(),
        None if is_digits(text) => text.parse().ok(),
        _ => None,
    }
}

/// `VIRTUAL=DEVICE`, with commas between several.
pub(super) fn mapping(value: &OsStr) -> Result<(), String> {
    mappings(value).map(|_| ())
}

/// The pairs. Devices that EC2 would refuse after the whole upload are refused now.
pub(super) fn mappings(value: &OsStr) -> Result<Vec<baler_manifest::BlockDeviceMapping>, String> {
    let text = value.to_str().ok_or("it is not UTF-8")?;
    text.split(',').map(baler::ids::mapping).collect()
}

/// Who may read what is uploaded.
#[cfg(feature = "aws")]
pub(super) const ACLS: &[&str] = &["public-read", "aws-exec-read"];

/// A region, as it is called now or was.
pub(super) fn region(value: &OsStr) -> Result<(), String> {
    match value.to_str() {
        Some("") => Ok(()),
        Some(text) => crate::args::values::region(text).map(|_| ()),
        None => Err("it is not UTF-8".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "aws")]
    #[test]
    fn numbers_of_parts_are_those_of_c() {
        for (text, number) in [
            ("4", Some(4)),
            ("04", Some(4)),
            ("010", Some(8)),
            ("0", Some(0)),
            ("08", None),
            ("09", None),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1x", None),
        ] {
            assert_eq!(c_number(OsStr::new(text)), number, "{text:?}");
        }
    }

    #[test]
    fn names_and_accounts() {
        for (text, good) in [("image", true), ("a/b", false), ("", false), ("..", false)] {
            assert_eq!(name(OsStr::new(text)).is_ok(), good, "{text:?}");
        }
        for (text, good) in [("123456789012", true), ("1234-5678-9012", true), ("12345", false)] {
            assert_eq!(account(OsStr::new(text)).is_ok(), good, "{text:?}");
        }
    }

    #[test]
    fn mappings_are_pairs() {
        for text in [
            "ami=sda1,root=/dev/sda1,ephemeral0=sda2,swap=sda3",
            "ami=0,root=/dev/dsk/c0d0s0,ephemeral0=1",
        ] {
            assert!(mapping(OsStr::new(text)).is_ok(), "{text}");
        }
        for text in ["", "ami", "ami=", "root=/dev/xvdal", "ami=sda1,"] {
            assert!(mapping(OsStr::new(text)).is_err(), "{text}");
        }
    }
}
