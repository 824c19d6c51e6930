//! Names and identifiers of images, kernels, snapshots and organizations.

use baler_aws::{NameError, checked_text};

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
    /// An organization: `arn:aws:organizations::123456789012:organization/o-a1b2c3d4e5`.
    OrganizationArn, |text| organization_arn("an organization's ARN", "organization/o-", 1, text)
}
checked_text! {
    /// An organizational unit: `arn:aws:organizations::123456789012:ou/o-a1b2c3d4e5/ou-ab12-cdef3456`.
    OrganizationalUnitArn, |text| organization_arn("an organizational unit's ARN", "ou/o-", 2, text)
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
