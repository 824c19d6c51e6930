//! `ec2-describe-images`: the images that there are, a line with tabs for each thing that is known of them.

use std::collections::HashSet;

use anyhow::Context;
use baler_ec2::{AccountId, Ami, ImageId, ImageMapping, ImageVolume, Query};

use super::{Api, COMMON, Lines, filled, wrong};
use crate::classic::command::{Command, Tools};
use crate::classic::fail::Usage;
use crate::classic::options::{Options, Spec, anything, flag, value};
use crate::classic::session::Session;
use crate::report;

pub(in crate::classic) static COMMAND: Command = Command {
    name: "ec2-describe-images",
    tools: Tools::Api,
    aliases: &["ec2dim"],
    about: "List images: your own and those shared with you, or others",
    usage: "[IMAGE...] [OPTIONS]",
    new: "baler images [AMI...]",
    options: &[OWN, COMMON],
    notes: "Without -a, -o, -x and ids it lists what the account owns or has explicit permission to launch. \
            Filters with the same name are alternatives; filters with different names must all match.",
    run,
};

const OWN: &[Spec] = &[
    flag("all", "List all images that the account may launch", "").short('a'),
    value(
        Some('o'),
        "owner",
        "OWNER",
        anything,
        "The owner: an account, self, amazon, aws-marketplace; may be repeated",
        "--owner",
    ),
    value(
        Some('x'),
        "executable-by",
        "USER",
        anything,
        "Who may launch them: an account, self, all; may be repeated",
        "",
    ),
    value(
        Some('F'),
        "filter",
        "NAME=VALUE",
        anything,
        "One of EC2's filters; * and ? are wildcards; may be repeated",
        "--bundle, --root, --name",
    ),
];

const HEAD: [&str; 15] = [
    "Type",
    "ImageID",
    "Name",
    "Owner",
    "State",
    "Accessibility",
    "ProductCodes",
    "Architecture",
    "ImageType",
    "KernelID",
    "RamdiskID",
    "Platform",
    "RootDeviceType",
    "VirtualizationType",
    "Hypervisor",
];

fn run(session: &Session, options: Options) -> anyhow::Result<()> {
    let options = filled(options, &["owner", "executable-by", "filter"], session)?;
    let queries = queries(&options)?;
    let api = Api::connect(session, &options)?;
    let (mut images, mut seen) = (Vec::new(), HashSet::new());
    for query in &queries {
        let found = api.run.wait(async { Ok(api.ec2.images(query, &api.reporter()).await?) });
        let found = found.context("looking for images")?;
        images.extend(found.into_iter().filter(|image| seen.insert(image.id.clone())));
    }
    let (lines, tags) = (Lines::of(&options), !options.has("hide-tags"));
    let mut text = lines.head(&HEAD);
    images.iter().for_each(|image| text += &lines_of(image, lines, tags));
    report::result(&text)
}

/// What EC2 is asked: once, or for what is one's own and for what was shared.
fn queries(options: &Options) -> anyhow::Result<Vec<Query>> {
    let ids: Vec<_> = options.rest.iter().map(|id| id.to_string_lossy()).collect();
    let ids = ids.iter().map(|id| id.parse::<ImageId>().map_err(|why| Usage(why.to_string())));
    let mut base = Query::new();
    base.ids = ids.collect::<Result<_, _>>()?;
    base.owners = who(options, "owner", is_owner)?;
    base.executable_by = who(options, "executable-by", |text| matches!(text, "self" | "all"))?;
    base.filters = filters(options)?;
    let is_selective =
        !base.ids.is_empty() || !base.owners.is_empty() || !base.executable_by.is_empty();
    match (options.has("all"), is_selective) {
        (true, true) => {
            Err(Usage("--all excludes --owner, --executable-by and names".to_owned()).into())
        }
        (true, false) | (false, true) => Ok(vec![base]),
        (false, false) => {
            let (mut own, mut shared) = (base.clone(), base);
            own.owners = vec!["self".to_owned()];
            shared.executable_by = vec!["self".to_owned()];
            Ok(vec![own, shared])
        }
    }
}

/// Accounts, and some words.
fn who(options: &Options, long: &str, is_word: fn(&str) -> bool) -> anyhow::Result<Vec<String>> {
    let texts = options.all(long).map(|text| text.to_string_lossy());
    texts
        .map(|text| match text.parse::<AccountId>() {
            _ if is_word(&text) => Ok(text.into_owned()),
            Ok(account) => Ok(account.to_string()),
            Err(why) => Err(wrong(long, &text, format!("{why}; or a word such as `self`"))),
        })
        .collect()
}

/// `self`, `amazon`, and what else AWS may call its accounts.
fn is_owner(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

/// Filters by their names, in the order of the names' first use.
fn filters(options: &Options) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    let mut filters: Vec<(String, Vec<String>)> = Vec::new();
    for text in options.all("filter").map(|text| text.to_string_lossy()) {
        let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
        let (name, value) = pair.ok_or_else(|| {
            wrong("filter", &text, "a filter is NAME=VALUE, such as `architecture=x86_64`")
        })?;
        match filters.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push(value.to_owned()),
            None => filters.push((name.to_owned(), vec![value.to_owned()])),
        }
    }
    Ok(filters)
}

fn lines_of(image: &Ami, lines: Lines, tags: bool) -> String {
    let owner = image.owner_alias.as_deref().or(image.owner.as_deref());
    let name = image.name.as_deref().map(|name| match owner {
        Some(owner) => format!("{owner}/{name}"),
        None => name.to_owned(),
    });
    let codes = image.product_codes.join(",");
    let mut text = lines.line(&[
        Some("IMAGE"),
        Some(&image.id),
        name.as_deref().or(image.location.as_deref()),
        owner,
        image.state.as_deref(),
        Some(if image.public { "public" } else { "private" }),
        Some(&codes),
        image.architecture.as_deref(),
        image.image_type.as_deref(),
        image.kernel.as_deref(),
        image.ramdisk.as_deref(),
        image.platform.as_deref(),
        image.root_device_type.as_deref(),
        image.virtualization_type.as_deref(),
        image.hypervisor.as_deref(),
    ]);
    image.mappings.iter().for_each(|mapping| text += &mapping_line(mapping, lines));
    for (key, value) in image.tags.iter().filter(|_| tags) {
        let columns = ["TAG", "image", &image.id, key, value];
        text += &lines.line(&columns.map(Some));
    }
    text
}

fn mapping_line(mapping: &ImageMapping, lines: Lines) -> String {
    let (kind, device) = (Some("BLOCKDEVICEMAPPING"), Some(mapping.device.as_str()));
    match &mapping.volume {
        ImageVolume::Virtual(name) => {
            lines.line(&[kind, Some("EPHEMERAL"), device, Some(name.as_str())])
        }
        ImageVolume::Ebs { snapshot, size, volume_type, iops, delete_on_termination, .. } => {
            let (size, iops) = (size.map(|n| n.to_string()), iops.map(|n| n.to_string()));
            lines.line(&[
                kind,
                Some("EBS"),
                device,
                None,
                snapshot.as_deref(),
                size.as_deref(),
                Some(if *delete_on_termination { "true" } else { "false" }),
                volume_type.as_deref(),
                iops.as_deref(),
            ])
        }
        // Nothing is behind the device: that is no mapping to tell of.
        _ => String::new(),
    }
}
