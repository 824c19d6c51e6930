//! `baler images`: the AMIs that there are.

use baler::ami::reporter;
use baler::text::plain;
use baler_ec2::{Ami, AmiId, ImageVolume, Query};
use serde_json::{Value, json};

use crate::args::aws::AwsArgs;
use crate::args::values::location;
use crate::codes::Exit;
use crate::face::Face;
use crate::report;

/// List your own AMIs, or those that are named
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// List these AMIs, ami-…, of any owner
    amis: Vec<AmiId>,

    /// List only AMIs that were registered from this bundle
    #[arg(long, value_name = "s3://…", value_parser = location)]
    bundle: Option<baler_store::Location>,

    /// List only AMIs with this type of root device
    #[arg(long, value_name = "TYPE", value_parser = ["instance-store", "ebs"])]
    root: Option<String>,

    /// List only AMIs with this name; * and ? are wildcards
    #[arg(long)]
    name: Option<String>,

    /// The owner: self, amazon, or an account; may be repeated
    #[arg(long, default_value = "self")]
    owner: Vec<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    aws: AwsArgs,
}

impl Args {
    pub(crate) fn run(self, face: &Face) -> anyhow::Result<Exit> {
        let run = face.run_on(&self.aws);
        let ec2 = run.ec2(None)?;
        let mut query = Query::new();
        query.ids = self.amis.iter().cloned().map(Into::into).collect();
        query.owners = if self.amis.is_empty() { self.owner } else { Vec::new() };
        query.include_disabled = true;
        if let Some(bundle) = &self.bundle {
            query = query.filter("manifest-location", bundle.path());
        }
        if let Some(root) = self.root {
            query = query.filter("root-device-type", root);
        }
        if let Some(name) = self.name {
            query = query.filter("name", name);
        }
        let mut images = run.wait(async { Ok(ec2.images(&query, &reporter(&run)).await?) })?;
        images.sort_by(|one, other| (&one.created, &one.id).cmp(&(&other.created, &other.id)));
        if self.json {
            report::json(&Value::Array(images.iter().map(as_json).collect()))?;
        } else if images.is_empty() {
            face.console.note(&format!("no AMIs in {}", ec2.region()));
        } else {
            report::result(&table(&images))?;
        }
        Ok(Exit::Done)
    }
}

const HEAD: [&str; 7] = ["AMI", "STATE", "CREATED", "ARCH", "TYPE", "ROOT", "NAME"];

/// Columns as wide as what is in them; the manifest in a line of its own.
fn table(images: &[Ami]) -> String {
    let text = |value: &Option<String>| plain(value.as_deref().unwrap_or("-"));
    let rows: Vec<[String; 7]> = images
        .iter()
        .map(|image| {
            let state = if image.public {
                format!("{}, public", text(&image.state))
            } else {
                text(&image.state)
            };
            [
                image.id.to_string(),
                state,
                text(&image.created).chars().take(19).collect(),
                text(&image.architecture),
                text(&image.virtualization_type),
                text(&image.root_device_type),
                text(&image.name),
            ]
        })
        .collect();
    let head = HEAD.map(str::to_owned);
    let width = |column: usize| {
        std::iter::once(&head)
            .chain(&rows)
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; 7] = std::array::from_fn(width);
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut lines = line(&head);
    for (row, image) in rows.iter().zip(images) {
        lines += &line(row);
        if let Some(location) = image.location.as_ref().filter(|_| image.is_s3_backed()) {
            lines += &format!("  s3://{}\n", plain(location));
        }
        if let Some(reason) = &image.state_reason {
            lines += &format!("  {}\n", plain(reason));
        }
    }
    lines
}

fn as_json(image: &Ami) -> Value {
    let mappings: Vec<_> = image
        .mappings
        .iter()
        .map(|mapping| {
            let device = &mapping.device;
            match &mapping.volume {
                ImageVolume::Virtual(name) => json!({ "device": device, "virtual_name": name }),
                ImageVolume::Ebs { snapshot, .. } => {
                    json!({ "device": device, "snapshot": snapshot })
                }
                _ => json!({ "device": device }),
            }
        })
        .collect();
    let tags: serde_json::Map<_, _> =
        image.tags.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
    json!({
        "ami": image.id.as_str(), "name": image.name, "description": image.description, "manifest": image.location,
        "state": image.state, "state_reason": image.state_reason, "owner": image.owner, "public": image.public,
        "architecture": image.architecture, "virtualization": image.virtualization_type,
        "root_device_type": image.root_device_type, "root_device": image.root_device_name,
        "kernel": image.kernel, "ramdisk": image.ramdisk, "created": image.created, "deprecated": image.deprecated,
        "ena": image.ena, "sriov": image.sriov, "imds_support": image.imds_support, "boot_mode": image.boot_mode,
        "platform": image.platform_details, "source_ami": image.source_image, "source_region": image.source_region,
        "mappings": mappings, "product_codes": image.product_codes, "tags": tags,
    })
}
