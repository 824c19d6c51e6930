//! A call of the query API, and its account's rights.

use super::form::{Form, Table};
use super::refusal::{Refusal, refuse};
use crate::world::World;

/// A call: the parameters, and the region that it was signed for.
pub(crate) struct Call<'a> {
    pub(crate) world: &'a World,
    pub(crate) region: String,
    pub(crate) form: Form,
    /// The canonical user that the account is.
    pub(crate) owner: String,
}

impl Call<'_> {
    /// Refuses what the account may not do.
    pub(crate) fn may(&self, action: &str) -> Result<(), Refusal> {
        if self.world.is_denied(action) {
            let message = format!(
                "You are not authorized to perform this operation. User: arn:aws:iam::{}:user/standin is not authorized to perform: {action}",
                self.world.account
            );
            return Err(Refusal { status: 403, code: "UnauthorizedOperation".to_owned(), message });
        }
        Ok(())
    }

    /// The tags of the image in `TagSpecification`, which may name these kinds of resources.
    pub(crate) fn tags(&self, kinds: &[&str]) -> Result<Table, Refusal> {
        let mut tags = Table::new();
        for group in self.form.groups("TagSpecification") {
            let kind = group.get("ResourceType").map(String::as_str).unwrap_or_default();
            if !kinds.contains(&kind) {
                let message =
                    format!("'{kind}' is not a valid taggable resource type for this operation.");
                return Err(refuse("InvalidParameterValue", message));
            }
            if kind != "image" {
                continue;
            }
            for number in 1.. {
                let Some(key) = group.get(&format!("Tag.{number}.Key")) else { break };
                let value = group.get(&format!("Tag.{number}.Value")).cloned().unwrap_or_default();
                tags.insert(key.clone(), value);
            }
        }
        if !tags.is_empty() {
            self.may("ec2:CreateTags")?;
        }
        Ok(tags)
    }
}
