//! `DescribeImages`.

use std::ops::Range;

use super::ami::View;
use super::call::Call;
use super::filters::Filter;
use super::form::{Form, Table};
use super::refusal::{Refusal, internal, refuse};
use super::registry::Registry;
use super::xml::Xml;
use crate::id::held;

const PARAMETERS: [&str; 8] = [
    "ImageId.",
    "Owner.",
    "ExecutableBy.",
    "Filter.",
    "MaxResults",
    "NextToken",
    "IncludeDeprecated",
    "IncludeDisabled",
];

/// The elements of an image that are plain text, in the order in which they come.
const FIELDS: [&str; 21] = [
    "architecture",
    "creationDate",
    "imageLocation",
    "imageOwnerAlias",
    "imageType",
    "kernelId",
    "ramdiskId",
    "description",
    "enaSupport",
    "hypervisor",
    "name",
    "platform",
    "rootDeviceName",
    "rootDeviceType",
    "sriovNetSupport",
    "virtualizationType",
    "bootMode",
    "tpmSupport",
    "imdsSupport",
    "sourceImageId",
    "sourceImageRegion",
];

/// The images that a call asks for.
struct Selection {
    /// Empty for all.
    ids: Vec<String>,
    owners: Vec<String>,
    executable_by: Vec<String>,
    filters: Vec<Filter>,
}

/// `DescribeImages`.
pub(super) fn images(call: &Call<'_>) -> Result<Xml, Refusal> {
    let form = &call.form;
    form.only(&PARAMETERS)?;
    let ids = form.list("ImageId");
    let limit = limit(form, &ids)?;
    let mut registry = held(&call.world.ec2);
    look_up(&mut registry, &call.region, &ids)?;
    let selection = Selection {
        ids,
        owners: form.list("Owner"),
        executable_by: form.list("ExecutableBy"),
        filters: Filter::read_all(form)?,
    };
    let (account, ready) = (&call.world.account, registry.ready());
    let mut chosen = Vec::new();
    for (place, image) in registry.images.iter().enumerate() {
        let view = View { image, account, ready };
        let of_region = image.region == call.region && !image.deregistered;
        if of_region && selection.contains(&view, registry.delay) {
            chosen.push(place);
        }
    }
    if selection.ids.is_empty() {
        let delay = registry.delay;
        let of_region = registry.images.iter_mut().filter(|image| image.region == call.region);
        of_region.filter(|image| image.seen < delay).for_each(|image| image.seen += 1);
    }
    let page = page(form, limit, chosen.len())?;
    let mut xml = Xml::default();
    xml.within("imagesSet", |xml| {
        for place in chosen.get(page.clone()).unwrap_or_default() {
            let image = &mut registry.images[*place];
            xml.within("item", |xml| write(xml, &View { image, account, ready }));
            image.seen = image.seen.saturating_add(1);
        }
    });
    if page.end < chosen.len() {
        xml.leaf("nextToken", &format!("page-{}", page.end));
    }
    registry.save().map_err(|error| internal(&error))?;
    Ok(xml)
}

/// The greatest number of images in an answer.
fn limit(form: &Form, ids: &[String]) -> Result<Option<usize>, Refusal> {
    let limit = form.get("MaxResults").map(|limit| limit.parse::<usize>().unwrap_or_default());
    if limit.is_some_and(|limit| !(1..=1000).contains(&limit)) {
        return Err(refuse(
            "InvalidParameterValue",
            "The parameter maxResults must be between 1 and 1000",
        ));
    }
    if limit.is_some() && !ids.is_empty() {
        return Err(refuse(
            "InvalidParameterCombination",
            "The parameter imageIds cannot be used with the parameter maxResults",
        ));
    }
    Ok(limit)
}

/// Looks up the images that are asked for by id: all of them, before one is refused, so that each has been described then.
fn look_up(registry: &mut Registry, region: &str, ids: &[String]) -> Result<(), Refusal> {
    let delay = registry.delay;
    let mut outcome = Ok(());
    for id in ids {
        let found = registry.image(region, id).and_then(|image| {
            if image.seen < delay {
                image.seen += 1;
                return Err(refuse(
                    "InvalidAMIID.NotFound",
                    format!("The image id '[{id}]' does not exist"),
                ));
            }
            Ok(())
        });
        outcome = outcome.and(found);
    }
    outcome
}

/// The places of an answer's images among those that were chosen.
fn page(form: &Form, limit: Option<usize>, count: usize) -> Result<Range<usize>, Refusal> {
    let start = match form.get("NextToken") {
        None => 0,
        Some(token) => {
            let start = token.strip_prefix("page-").and_then(|start| start.parse::<usize>().ok());
            start.ok_or_else(|| {
                refuse("InvalidParameterValue", "The token is not one of this service")
            })?
        }
    };
    Ok(start..limit.map_or(count, |limit| (start + limit).min(count)))
}

impl Selection {
    /// Tells if an image is asked for, and may be seen.
    fn contains(&self, view: &View<'_>, delay: u32) -> bool {
        let View { image, account, .. } = *view;
        let (owner, alias) = (view.owner(), image.fields.get("imageOwnerAlias"));
        let fits = |wanted: &String| {
            wanted == owner || Some(wanted) == alias || wanted == "self" && owner == account
        };
        let listed =
            if self.ids.is_empty() { image.seen >= delay } else { self.ids.contains(&image.id) };
        let shared = image.permits("userId", account);
        let may_launch = |who: &String| match who.as_str() {
            "self" => shared,
            "all" => view.is_public(),
            user => image.permits("userId", user),
        };
        listed
            && (owner == account || view.is_public() || shared)
            && (self.owners.is_empty() || self.owners.iter().any(fits))
            && (self.executable_by.is_empty() || self.executable_by.iter().any(may_launch))
            && self.filters.iter().all(|filter| filter.passes(view))
    }
}

fn write(xml: &mut Xml, view: &View<'_>) {
    let View { image, .. } = *view;
    xml.leaf("imageId", &image.id);
    xml.leaf("imageState", view.state());
    xml.leaf("imageOwnerId", view.owner());
    xml.leaf("isPublic", &view.is_public().to_string());
    for name in FIELDS {
        if let Some(text) = image.fields.get(name) {
            xml.leaf(name, text);
        }
    }
    xml.leaf("platformDetails", "Linux/UNIX");
    xml.leaf("usageOperation", "RunInstances");
    if view.state() == "failed" {
        xml.within("stateReason", |xml| {
            xml.leaf("code", "Client.InvalidManifest");
            xml.leaf("message", "the stand-in was told to let it fail");
        });
    }
    xml.within("blockDeviceMapping", |xml| {
        for mapping in &image.mappings {
            xml.within("item", |xml| write_mapping(xml, mapping));
        }
    });
    if !image.product_codes.is_empty() {
        xml.within("productCodes", |xml| {
            for code in &image.product_codes {
                xml.within("item", |xml| xml.leaf("productCode", code));
            }
        });
    }
    if !image.tags.is_empty() {
        xml.within("tagSet", |xml| {
            for (key, value) in &image.tags {
                xml.within("item", |xml| {
                    xml.leaf("key", key);
                    xml.leaf("value", value);
                });
            }
        });
    }
    if image.protected {
        xml.leaf("deregistrationProtection", "enabled-without-cooldown");
    }
}

fn write_mapping(xml: &mut Xml, mapping: &Table) {
    for (name, value) in mapping.iter().filter(|(name, _)| !name.starts_with("ebs.")) {
        xml.leaf(name, value);
    }
    let ebs: Vec<_> = mapping
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("ebs.")?, value)))
        .collect();
    if !ebs.is_empty() {
        xml.within("ebs", |xml| ebs.iter().for_each(|(name, value)| xml.leaf(name, value)));
    }
}
