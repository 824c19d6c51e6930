//! EC2's images: the query API of version 2016-11-15, as far as a bundle needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use http::Response;
use http::request::Parts;
use s3s::Body;
use serde_json::{Value, json};

use crate::fault::reply;
use crate::id;
use crate::s3::acl;
use crate::s3::storage::{read_json, table, text, write_json};
use crate::server::error;
use crate::sign::{self, Flaw};
use crate::world::World;

mod attributes;
mod copy;
mod describe;
mod form;
pub(crate) mod manifest;
mod register;
pub(crate) mod xml;

pub(crate) use form::{Form, Refusal, Table, refuse};
use xml::Xml;

/// An image.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    pub(crate) id: String,
    pub(crate) region: String,
    /// What `DescribeImages` says about it, by the names of its elements.
    pub(crate) fields: Table,
    /// Block device mappings; what is of EBS begins with `ebs.`.
    pub(crate) mappings: Vec<Table>,
    pub(crate) tags: Table,
    /// Who may launch it: `userId`, `group`, `organizationArn` or `organizationalUnitArn`, and the value.
    pub(crate) permissions: BTreeSet<(String, String)>,
    pub(crate) product_codes: Vec<String>,
    /// How often it has been described.
    pub(crate) seen: u32,
    pub(crate) deregistered: bool,
    pub(crate) protected: bool,
    /// The client token of the copy that made it.
    pub(crate) token: String,
}

/// A region's settings and snapshots.
#[derive(Clone, Debug, Default)]
pub(crate) struct Region {
    pub(crate) block_public: bool,
    pub(crate) snapshots: BTreeSet<String>,
}

/// All images, and where they are kept.
#[derive(Debug)]
pub(crate) struct Registry {
    path: PathBuf,
    pub(crate) images: Vec<Image>,
    pub(crate) regions: BTreeMap<String, Region>,
    pub(crate) pending: u32,
    pub(crate) delay: u32,
}

impl Registry {
    /// Reads `ec2.json` in a directory.
    pub(crate) fn open(directory: &Path, pending: u32, delay: u32) -> io::Result<Self> {
        let path = directory.join("ec2.json");
        let value = if path.exists() { read_json(&path)? } else { Value::Null };
        let images =
            value["images"].as_array().into_iter().flatten().map(Image::from_json).collect();
        let mut regions = BTreeMap::new();
        for (name, region) in value["regions"].as_object().into_iter().flatten() {
            let block_public = region["block_public"].as_bool().unwrap_or_default();
            let snapshots =
                region["snapshots"].as_array().into_iter().flatten().map(text).collect();
            regions.insert(name.clone(), Region { block_public, snapshots });
        }
        Ok(Self { path, images, regions, pending, delay })
    }

    /// Writes `ec2.json`.
    pub(crate) fn save(&self) -> io::Result<()> {
        let images: Vec<Value> = self.images.iter().map(Image::to_json).collect();
        let region = |region: &Region| json!({ "block_public": region.block_public, "snapshots": region.snapshots });
        let regions: BTreeMap<_, _> =
            self.regions.iter().map(|(name, found)| (name, region(found))).collect();
        write_json(&self.path, &json!({ "images": images, "regions": regions }))
    }

    /// An image of a region that is there and can be changed.
    pub(crate) fn image(&mut self, region: &str, id: &str) -> Result<&mut Image, Refusal> {
        if !is_id(id, "ami-") {
            return Err(refuse(
                "InvalidAMIID.Malformed",
                format!("Invalid id: \"{id}\" (expecting \"ami-...\")"),
            ));
        }
        let found = self.images.iter_mut().find(|image| image.id == id && image.region == region);
        let missing =
            || refuse("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist"));
        let image = found.ok_or_else(missing)?;
        if image.deregistered {
            return Err(refuse(
                "InvalidAMIID.Unavailable",
                format!("The image ID '{id}' is no longer available"),
            ));
        }
        Ok(image)
    }
}

/// Whether a text is an id of this kind: 8 or 17 hexadecimal digits behind the prefix.
pub(crate) fn is_id(id: &str, prefix: &str) -> bool {
    let digits = id.strip_prefix(prefix).unwrap_or_default();
    matches!(digits.len(), 8 | 17)
        && digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

impl Image {
    fn to_json(&self) -> Value {
        json!({
            "id": self.id, "region": self.region, "fields": self.fields, "mappings": self.mappings, "tags": self.tags,
            "permissions": self.permissions, "product_codes": self.product_codes, "seen": self.seen,
            "deregistered": self.deregistered, "protected": self.protected, "token": self.token,
        })
    }

    fn from_json(value: &Value) -> Self {
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
}

/// A call: who asks for what, where.
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

    /// The tags for a kind of resource in `TagSpecification`.
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

/// What went wrong in the stand-in itself.
pub(crate) fn internal(error: &io::Error) -> Refusal {
    Refusal { status: 500, code: "InternalError".to_owned(), message: error.to_string() }
}

/// Answers a request.
pub(crate) fn answer(parts: &Parts, text: &[u8], world: &World) -> Response<Body> {
    let scope = match sign::verify(parts, text, |key| world.secrets(key)) {
        Ok(scope) => scope,
        Err(Flaw::Missing) => {
            return error(
                "ec2",
                400,
                "MissingAuthenticationToken",
                "The request must contain either a valid access key ID or X.509 certificate.",
            );
        }
        Err(Flaw::Skewed) => return error("ec2", 400, "RequestExpired", "Request has expired."),
        Err(Flaw::UnknownKey | Flaw::Wrong) => {
            return error(
                "ec2",
                401,
                "AuthFailure",
                "AWS was not able to validate the provided access credentials",
            );
        }
    };
    if parts.headers.get("x-amz-security-token").is_some_and(|token| token == "expired") {
        return error("ec2", 400, "RequestExpired", "Request has expired.");
    }
    let owner = acl::canonical(&world.account);
    let call = Call { world, region: scope.region, form: Form::read(text), owner };
    let action = call.form.get("Action").unwrap_or_default().to_owned();
    match carry_out(&call, &action) {
        Ok(xml) => {
            let (id, inner) = (id::request(), xml.0);
            let space = "http://ec2.amazonaws.com/doc/2016-11-15/";
            let text = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{action}Response xmlns=\"{space}\"><requestId>{id}</requestId>{inner}</{action}Response>"
            );
            reply(200, "text/xml;charset=UTF-8", text)
        }
        Err(Refusal { status, code, message }) => error("ec2", status, &code, &message),
    }
}

fn carry_out(call: &Call<'_>, action: &str) -> Result<Xml, Refusal> {
    if call.form.get("Version") != Some("2016-11-15") {
        return Err(refuse(
            "NoSuchVersion",
            "The requested version is not supported by the stand-in.",
        ));
    }
    let operation = match action {
        "RegisterImage" => register::register,
        "DescribeImages" => describe::images,
        "DeregisterImage" => attributes::deregister,
        "ModifyImageAttribute" => attributes::modify,
        "DescribeImageAttribute" => attributes::describe,
        "ResetImageAttribute" => attributes::reset,
        "EnableImageDeregistrationProtection" => attributes::protect,
        "DisableImageDeregistrationProtection" => attributes::unprotect,
        "GetImageBlockPublicAccessState" => attributes::block_state,
        "EnableImageBlockPublicAccess" => attributes::block,
        "DisableImageBlockPublicAccess" => attributes::unblock,
        "CopyImage" => copy::copy,
        "DescribeSnapshots" => describe::snapshots,
        "DeleteSnapshot" => attributes::delete_snapshot,
        "CreateTags" => attributes::create_tags,
        "DescribeRegions" => describe::regions,
        _ => {
            return Err(refuse(
                "InvalidAction",
                format!("The action {action} is not valid for this web service."),
            ));
        }
    };
    call.may(&format!("ec2:{action}"))?;
    if call.form.flag("DryRun") {
        let message = "Request would have succeeded, but DryRun flag is set.".to_owned();
        return Err(Refusal { status: 412, code: "DryRunOperation".to_owned(), message });
    }
    let operation: fn(&Call<'_>) -> Result<Xml, Refusal> = operation;
    operation(call)
}
