//! The contents of a manifest, as values.

use std::fmt;
use std::str::FromStr;

use crate::{Advice, Sha1Digest};

/// The version of a manifest's format, its `version` element ([format](crate::format#the-manifest)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// `3`: no `machine_configuration`; `<image>` alone is signed.
    V3,
    /// `2007-08-29`, also written `20070829`: the architecture, and nothing else, in `machine_configuration`.
    V20070829,
    /// `2007-10-10`: the current one, and the one that is written.
    V20071010,
}

impl Version {
    /// Returns the version that the text of a `version` element names, if it is one of these.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        match text {
            "3" => Some(Self::V3),
            "20070829" | "2007-08-29" => Some(Self::V20070829),
            "20071010" | "2007-10-10" => Some(Self::V20071010),
            _ => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V3 => "3",
            Self::V20070829 => "2007-08-29",
            Self::V20071010 => "2007-10-10",
        })
    }
}

/// The purpose of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ImageType {
    /// A machine image: what an AMI is made of.
    Machine,
    /// A kernel image (AKI).
    Kernel,
    /// A ramdisk image (ARI).
    Ramdisk,
}

impl ImageType {
    /// Returns the type that the text of a `type` element names, if it is one of these.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        match text {
            "machine" => Some(Self::Machine),
            "kernel" => Some(Self::Kernel),
            "ramdisk" => Some(Self::Ramdisk),
            _ => None,
        }
    }
}

impl fmt::Display for ImageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Machine => "machine",
            Self::Kernel => "kernel",
            Self::Ramdisk => "ramdisk",
        })
    }
}

/// The program that made a bundle. No signature covers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundler {
    /// The name, `ec2-ami-tools` for example.
    pub name: String,
    /// The version, `1.5` for example.
    pub version: String,
    /// The release, a number within the version.
    pub release: String,
}

/// A block device mapping: the device of the instance that a virtual device becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockDeviceMapping {
    /// The virtual name: `ami`, `root`, `swap`, `ephemeral0`…
    pub virtual_name: String,
    /// The device: `sda1`, `/dev/sdb`…
    pub device: String,
}

/// One of the files that hold the encrypted image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The name: a bare file name, beside the manifest.
    pub filename: String,
    /// The SHA-1 of the file as it is stored.
    pub digest: Sha1Digest,
}

/// The contents of a manifest: as read from one, or as they will be written into one.
///
/// As read, all of it except the bundler is taken from the signed bytes. The order of [`parts`](Self::parts) is that of
/// the image. The [format](crate::format#the-manifest) says where in the document each value is.
///
/// [`draft`](Self::draft) makes one; its fields are assigned afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contents {
    /// The program that made the bundle.
    pub bundler: Bundler,
    /// The processor architecture, `x86_64` or `i386`. A manifest of version 3 has none and means `i386`.
    pub architecture: String,
    /// The block device mappings. They are written in the order of their virtual names.
    pub mappings: Vec<BlockDeviceMapping>,
    /// The kernel to boot with, `aki-…`.
    pub kernel_id: Option<String>,
    /// The ramdisk to boot with, `ari-…`.
    pub ramdisk_id: Option<String>,
    /// The product codes. One report says that EC2 refuses a manifest that has some.
    pub product_codes: Vec<String>,
    /// The bundle's name: the prefix of its files and the name of the archive's member.
    pub name: String,
    /// The account of the owner, as read. For writing it must be one that [`AccountId`] accepts.
    pub account: String,
    /// The purpose of the image.
    pub image_type: ImageType,
    /// The name of the kernel, in a kernel image.
    pub kernel_name: Option<String>,
    /// The ids of the AMIs that this one was made from, `ami-…`.
    pub ancestry: Vec<String>,
    /// The SHA-1 of the archive before it is compressed.
    pub digest: Sha1Digest,
    /// The length of the image in bytes, holes counted.
    pub size: u64,
    /// The sum of the lengths of the parts in bytes.
    pub bundled_size: u64,
    /// The cipher key, encrypted with EC2's public key; empty if the manifest has none.
    pub ec2_key: Vec<u8>,
    /// The cipher key, encrypted with the user's public key; empty if the manifest has none.
    pub user_key: Vec<u8>,
    /// The initialisation vector, encrypted with EC2's public key; empty if the manifest has none.
    pub ec2_iv: Vec<u8>,
    /// The initialisation vector, encrypted with the user's public key; empty if the manifest has none.
    pub user_iv: Vec<u8>,
    /// The parts, in the order of the image.
    pub parts: Vec<Part>,
}

impl Contents {
    /// Makes the contents of a new manifest of a machine image, before it is bundled.
    ///
    /// The results of bundling (digest, lengths, encrypted secrets, parts) are zero or empty until they are assigned.
    /// [`check_draft`](crate::check_draft) checks a draft, [`write()`](crate::write()) what became of it.
    pub fn draft(bundler: Bundler, name: &str, account: &AccountId, architecture: String) -> Self {
        Self {
            bundler,
            architecture,
            mappings: Vec::new(),
            kernel_id: None,
            ramdisk_id: None,
            product_codes: Vec::new(),
            name: name.to_owned(),
            account: account.to_string(),
            image_type: ImageType::Machine,
            kernel_name: None,
            ancestry: Vec::new(),
            digest: [0; 20].into(),
            size: 0,
            bundled_size: 0,
            ec2_key: Vec::new(),
            user_key: Vec::new(),
            ec2_iv: Vec::new(),
            user_iv: Vec::new(),
            parts: Vec::new(),
        }
    }
}

/// The id of an AWS account: 12 digits.
///
/// The console shows it as `1234-5678-9012`. EC2 refuses a manifest with hyphens in it, so they are dropped.
///
/// ```
/// let account: baler_manifest::AccountId = "1234-5678-9012".parse()?;
/// assert_eq!(account.as_str(), "123456789012");
/// # Ok::<(), baler_manifest::AccountError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountId(String);

impl AccountId {
    /// Returns the 12 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An error of reading the id of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The text looks like the id of an access key, which is often confused with it.
    #[error("an account id is 12 digits; this looks like an access key id")]
    AccessKey,
    /// The text is not 12 digits.
    #[error("an account id is 12 digits, with or without hyphens")]
    NotTwelveDigits,
}

impl AccountError {
    /// Returns what the user can do about it, if there is something to do.
    pub fn advice(&self) -> Option<Advice> {
        let sentence = "`aws sts get-caller-identity` prints the account id";
        matches!(self, Self::AccessKey).then(|| Advice::say(sentence))
    }
}

impl FromStr for AccountId {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        let digits: String = text.trim().chars().filter(|&c| c != '-').collect();
        if digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self(digits));
        }
        // `AKIA` begins a long-term key, `ASIA` a temporary one (IAM User Guide, "Unique identifiers").
        if digits.starts_with("AKIA") || digits.starts_with("ASIA") {
            return Err(AccountError::AccessKey);
        }
        Err(AccountError::NotTwelveDigits)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_ids() {
        for (text, expected) in [
            ("123456789012", Ok("123456789012")),
            (" 1234-5678-9012\n", Ok("123456789012")),
            ("000000000001", Ok("000000000001")),
            ("12345678901", Err(AccountError::NotTwelveDigits)),
            ("1234567890123", Err(AccountError::NotTwelveDigits)),
            ("12345678901x", Err(AccountError::NotTwelveDigits)),
            ("１２３４５６７８９０１２", Err(AccountError::NotTwelveDigits)),
            ("", Err(AccountError::NotTwelveDigits)),
            ("AKIAIOSFODNN7EXAMPLE", Err(AccountError::AccessKey)),
        ] {
            let account = text.parse::<AccountId>();
            assert_eq!(
                account.as_ref().map(AccountId::as_str).map_err(|error| *error),
                expected,
                "{text:?}"
            );
        }
    }

    #[test]
    fn versions_and_types_name_themselves() {
        for version in [Version::V3, Version::V20070829, Version::V20071010] {
            assert_eq!(Version::from_text(&version.to_string()), Some(version));
        }
        for kind in [ImageType::Machine, ImageType::Kernel, ImageType::Ramdisk] {
            assert_eq!(ImageType::from_text(&kind.to_string()), Some(kind));
        }
    }
}
