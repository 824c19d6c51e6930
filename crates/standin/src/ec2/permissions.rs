//! Launch permissions in `ModifyImageAttribute`.

use super::call::Call;
use super::refusal::{Refusal, refuse};

/// The parameters of a launch permission, and their elements.
const WHO: [(&str, &str); 4] = [
    ("UserId", "userId"),
    ("Group", "group"),
    ("OrganizationArn", "organizationArn"),
    ("OrganizationalUnitArn", "organizationalUnitArn"),
];

/// A kind, by its element, and the value.
type Permission = (String, String);

/// The launch permissions to add and to remove.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) add: Vec<Permission>,
    pub(super) remove: Vec<Permission>,
}

impl Changes {
    /// Reads them from either of the two forms of the call; each is checked.
    pub(super) fn read(call: &Call<'_>) -> Result<Self, Refusal> {
        let changes = Self {
            add: structured(call, "LaunchPermission.Add")?,
            remove: structured(call, "LaunchPermission.Remove")?,
        };
        let changes = changes.with_flat(call)?;
        for (kind, value) in changes.add.iter().chain(&changes.remove) {
            if !is_valid(kind, value) {
                let message =
                    format!("Invalid attribute item value \"{value}\" for {kind} item type.");
                return Err(refuse("InvalidAMIAttributeItemValue", message));
            }
        }
        Ok(changes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }

    /// Tells if the image is shared with everyone.
    pub(super) fn make_public(&self) -> bool {
        self.add.iter().any(|(kind, _)| kind == "group")
    }

    /// Adds those of the old form: `OperationType`, and lists of values.
    fn with_flat(mut self, call: &Call<'_>) -> Result<Self, Refusal> {
        for (parameter, element) in WHO {
            let parameter = if parameter == "Group" { "UserGroup" } else { parameter };
            for value in call.form.list(parameter) {
                let list = match call.form.get("OperationType") {
                    Some("add") => &mut self.add,
                    Some("remove") => &mut self.remove,
                    _ => {
                        return Err(refuse(
                            "InvalidParameterValue",
                            "operationType must be add or remove",
                        ));
                    }
                };
                list.push((element.to_owned(), value));
            }
        }
        Ok(self)
    }
}

/// The permissions of the new form, `LaunchPermission.Add.1.UserId`.
fn structured(call: &Call<'_>, list: &str) -> Result<Vec<Permission>, Refusal> {
    let mut permissions = Vec::new();
    for (name, value) in call.form.groups(list).into_iter().flatten() {
        let Some((_, element)) = WHO.iter().find(|(parameter, _)| *parameter == name) else {
            let message = format!("The parameter {list}.N.{name} is not recognized");
            return Err(refuse("UnknownParameter", message));
        };
        permissions.push(((*element).to_owned(), value));
    }
    Ok(permissions)
}

fn is_valid(kind: &str, value: &str) -> bool {
    match kind {
        "userId" => value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit()),
        "group" => value == "all",
        "organizationArn" => value.starts_with("arn:") && value.contains(":organization/"),
        _ => value.starts_with("arn:") && value.contains(":ou/"),
    }
}
