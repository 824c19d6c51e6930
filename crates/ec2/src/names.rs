//! What is checked when it is typed: names, identifiers, locations, and what EC2 allows in them.
//!
//! Each type is made by parsing only, so a value of it keeps EC2's rule. The error tells the rule, and where one is
//! near, what was probably meant.

use std::fmt;
use std::str::FromStr;

mod device;
mod ebs;
mod mapping;

pub use device::DeviceName;
pub use ebs::EbsVolume;
pub use mapping::{Mapping, Volume};

/// A text that is not what it should be: says the rule, and what was probably meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: {rule}{}", .suggestion.as_ref().map(|s| format!("; did you mean `{s}`?")).unwrap_or_default())]
pub struct NameError {
    /// What it should be, with its article.
    pub what: &'static str,
    /// What was given.
    pub text: String,
    /// The rule that it breaks.
    pub rule: String,
    /// A text that keeps the rule and is near, if there is one.
    pub suggestion: Option<String>,
}

impl NameError {
    fn new(what: &'static str, text: &str, rule: impl Into<String>) -> Self {
        Self { what, text: text.to_owned(), rule: rule.into(), suggestion: None }
    }

    /// With a suggestion, unless it is the text itself.
    fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into()).filter(|s| *s != self.text && !s.is_empty());
        self
    }
}

/// Declares a text that keeps a rule: `check` takes what was typed and gives back what is kept.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> Result<String, NameError> = $check;
                check(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_text! {
    /// The name of an AMI: 3 to 128 characters of those that RegisterImage's reference lists.
    AmiName, ami_name
}
checked_text! {
    /// The identifier of an AMI, such as `ami-0123456789abcdef0`.
    AmiId, |text| identifier("an AMI id", "ami", text)
}
checked_text! {
    /// The identifier of an image of any kind: an AMI's, a kernel's (`aki-…`) or a RAM disk's (`ari-…`).
    ImageId, image_id
}
checked_text! {
    /// The identifier of a snapshot, such as `snap-0123456789abcdef0`.
    SnapshotId, |text| identifier("a snapshot id", "snap", text)
}
checked_text! {
    /// The identifier of a kernel image (PV-GRUB, as a rule), such as `aki-5c21674b`.
    KernelId, |text| identifier("a kernel id", "aki", text)
}
checked_text! {
    /// The identifier of a RAM disk image, such as `ari-a51cf9cc`.
    RamdiskId, |text| identifier("a RAM disk id", "ari", text)
}
checked_text! {
    /// An account: 12 digits. Dashes, as in `1234-5678-9012`, are accepted and dropped.
    AccountId, account
}
checked_text! {
    /// The name of a region, by its shape: `us-east-1`, `us-gov-west-1`, `eusc-de-east-1`.
    ///
    /// There is no list of regions, so that new ones work.
    RegionName, region
}
checked_text! {
    /// An organization: `arn:aws:organizations::123456789012:organization/o-a1b2c3d4e5`.
    OrganizationArn, |text| organization_arn("an organization's ARN", "organization/o-", 1, text)
}
checked_text! {
    /// An organizational unit: `arn:aws:organizations::123456789012:ou/o-a1b2c3d4e5/ou-ab12-cdef3456`.
    OrganizationalUnitArn, |text| organization_arn("an organizational unit's ARN", "ou/o-", 2, text)
}
checked_text! {
    /// Where a manifest lies: `bucket/key`. The `s3://` before it is accepted and dropped.
    Location, location
}

fn ami_name(text: &str) -> Result<String, NameError> {
    const ALLOWED: &str = "()[] ./-'@_";
    let error = |rule: String| NameError::new("an AMI name", text, rule);
    let fits = |c: char| c.is_ascii_alphanumeric() || ALLOWED.contains(c);
    if let Some(wrong) = text.chars().find(|c| !fits(*c)) {
        let near: String = text.chars().map(|c| if fits(c) { c } else { '-' }).collect();
        let rule = format!("`{wrong}` is not allowed; letters, digits, spaces and ()[]./-'@_ are");
        return Err(error(rule).suggest(near));
    }
    match text.len() {
        3..=128 if text.trim() == text => Ok(text.to_owned()),
        3..=128 => Err(error("it begins or ends with a space".to_owned()).suggest(text.trim())),
        len => Err(error(format!("it has 3 to 128 characters, not {len}"))),
    }
}

/// Eight hexadecimal digits until 2016 and seventeen since; EC2 keeps the old ones for ever.
fn identifier(what: &'static str, prefix: &str, text: &str) -> Result<String, NameError> {
    let fits = |text: &str| {
        text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-')).is_some_and(|digits| {
            matches!(digits.len(), 8 | 17)
                && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    if fits(text) {
        return Ok(text.to_owned());
    }
    let rule = format!("it is `{prefix}-` and 8 or 17 lower-case hexadecimal digits");
    let near = text.trim().to_ascii_lowercase();
    let error = NameError::new(what, text, rule);
    Err(if fits(&near) { error.suggest(near) } else { error })
}

fn image_id(text: &str) -> Result<String, NameError> {
    let prefix = ["aki", "ari"].into_iter().find(|prefix| text.starts_with(prefix));
    identifier("an image id", prefix.unwrap_or("ami"), text)
}

impl From<AmiId> for ImageId {
    fn from(ami: AmiId) -> Self {
        Self(ami.0)
    }
}

fn account(text: &str) -> Result<String, NameError> {
    let error = || NameError::new("an account", text, "it is 12 digits, or 1234-5678-9012");
    let digits = match text.split('-').collect::<Vec<_>>()[..] {
        [digits] => digits.to_owned(),
        [a, b, c] if a.len() == 4 && b.len() == 4 => [a, b, c].concat(),
        _ => return Err(error()),
    };
    match digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_digit()) {
        true => Ok(digits),
        false => Err(error()),
    }
}

fn region(text: &str) -> Result<String, NameError> {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    let fits = |text: &str| {
        let words: Vec<_> = text.split('-').collect();
        let Some((number, words)) = words.split_last() else { return false };
        (2..=3).contains(&words.len())
            && words.iter().all(|word| is_word(word))
            && matches!(number.as_bytes(), [b'1'..=b'9'] | [b'1'..=b'9', b'0'..=b'9'])
    };
    if fits(text) {
        return Ok(text.to_owned());
    }
    let error = NameError::new("a region", text, "it looks like `us-east-1` or `us-gov-west-1`");
    // A zone is a region and a letter; upper case and underscores come from other tools' settings.
    let near = text.trim().to_ascii_lowercase().replace('_', "-");
    let near = near.trim_end_matches(|c: char| c.is_ascii_lowercase());
    Err(if fits(near) { error.suggest(near) } else { error })
}

fn organization_arn(
    what: &'static str,
    prefix: &'static str,
    ids: usize,
    text: &str,
) -> Result<String, NameError> {
    let is_id = |id: &str| {
        !id.is_empty()
            && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let fits = match text.splitn(6, ':').collect::<Vec<_>>()[..] {
        ["arn", partition, "organizations", "", owner, resource] => {
            let path = resource.strip_prefix(prefix).unwrap_or_default();
            let parts: Vec<_> = path.split('/').collect();
            partition.starts_with("aws")
                && owner.len() == 12
                && owner.bytes().all(|b| b.is_ascii_digit())
                && parts.len() == ids
                && parts.iter().all(|part| is_id(part))
                && (ids == 1 || parts[ids - 1].starts_with("ou-"))
        }
        _ => false,
    };
    let rule = match ids {
        1 => "it is `arn:PARTITION:organizations::ACCOUNT:organization/o-…`",
        _ => "it is `arn:PARTITION:organizations::ACCOUNT:ou/o-…/ou-…`",
    };
    if fits { Ok(text.to_owned()) } else { Err(NameError::new(what, text, rule)) }
}

fn location(text: &str) -> Result<String, NameError> {
    let error = |rule: &str| NameError::new("a manifest's location", text, rule);
    let path = text.strip_prefix("s3://").unwrap_or(text);
    if path.contains("://") {
        return Err(error("it is `bucket/key`, without a scheme and a host"));
    }
    let Some((bucket, key)) = path.split_once('/').filter(|(b, k)| !b.is_empty() && !k.is_empty())
    else {
        return Err(error("it is `bucket/key`"));
    };
    // EC2 answers to an empty part of the path as to a manifest that it may not read.
    if key.split('/').any(str::is_empty) {
        let parts: Vec<_> = key.split('/').filter(|part| !part.is_empty()).collect();
        let near = format!("{bucket}/{}", parts.join("/"));
        return Err(error("EC2 finds no manifest behind a double slash").suggest(near));
    }
    match path.chars().any(char::is_control) {
        true => Err(error("it has a control character")),
        false => Ok(path.to_owned()),
    }
}

#[cfg(test)]
mod tests;
