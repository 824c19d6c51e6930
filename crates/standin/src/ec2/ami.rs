//! An AMI, and its form in the registry's file.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::form::Table;
use crate::json::{table, text};

/// An AMI; in EC2's own answers an image.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ami {
    pub(crate) id: String,
    pub(crate) region: String,
    /// The texts in `DescribeImages`, by the names of their elements.
    pub(crate) fields: Table,
    /// Block device mappings; the names of EBS's elements begin with `ebs.`.
    pub(crate) mappings: Vec<Table>,
    pub(crate) tags: Table,
    /// Launch permissions: `userId`, `group`, `organizationArn` or `organizationalUnitArn`, and the value.
    pub(crate) permissions: BTreeSet<(String, String)>,
    pub(crate) product_codes: Vec<String>,
    /// The number of times that it has been described.
    pub(crate) seen: u32,
    pub(crate) deregistered: bool,
    pub(crate) protected: bool,
    /// The client token of the copy that made it.
    pub(crate) token: String,
}

impl Ami {
    /// The form in the registry's file.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "id": self.id, "region": self.region, "fields": self.fields, "mappings": self.mappings, "tags": self.tags,
            "permissions": self.permissions, "product_codes": self.product_codes, "seen": self.seen,
            "deregistered": self.deregistered, "protected": self.protected, "token": self.token,
        })
    }

    /// Reads the form in the registry's file; a value that is missing is empty.
    pub(crate) fn from_json(value: &Value) -> Self {
        let flag = |name: &str| value[name].as_bool().unwrap_or_default();
        let list = |name: &str| value[name].as_array().cloned().unwrap_or_default();
        Self {
            id: text(&value["id"]),
            region: text(&value["region"]),
            fields: table(&value["fields"]),
            mappings: list("mappings").iter().map(table).collect(),
            tags: table(&value["tags"]),
            permissions: list("permissions")
                .iter()
                .map(|pair| (text(&pair[0]), text(&pair[1])))
                .collect(),
            product_codes: list("product_codes").iter().map(text).collect(),
            seen: value["seen"]
                .as_u64()
                .and_then(|seen| u32::try_from(seen).ok())
                .unwrap_or_default(),
            deregistered: flag("deregistered"),
            protected: flag("protected"),
            token: text(&value["token"]),
        }
    }

    /// Tells if there is such a launch permission.
    pub(crate) fn permits(&self, kind: &str, value: &str) -> bool {
        self.permissions.contains(&(kind.to_owned(), value.to_owned()))
    }
}

/// An AMI as its account sees it now.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) image: &'a Ami,
    pub(crate) account: &'a str,
    /// The number of descriptions after which an image is available.
    pub(crate) ready: u32,
}

impl View<'_> {
    /// The state that a test has set, or pending until the image has been described often enough.
    pub(crate) fn state(&self) -> &str {
        let pending = if self.image.seen < self.ready { "pending" } else { "available" };
        self.image.fields.get("imageState").map_or(pending, String::as_str)
    }

    /// The account that owns it: this one, unless its fields name another.
    pub(crate) fn owner(&self) -> &str {
        self.image.fields.get("imageOwnerId").map_or(self.account, String::as_str)
    }

    pub(crate) fn is_public(&self) -> bool {
        self.image.permits("group", "all")
    }
}
