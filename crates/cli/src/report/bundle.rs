//! A bundle that would be made, and one that was made.

use baler::text::{count, plain, size};
use baler::{BundlePlan, Input, Made};
use baler_bundle::bundled_size_bound;
use baler_image::Image;
use serde_json::{Value, json};

use super::plan::{self, Words};

/// What would be done, as `--dry-run` prints it.
pub(crate) fn planned_text(planned: &BundlePlan, input: &mut Input) -> String {
    let volume = match input {
        Input::Tree(tree) => plan::text(tree.volume().summary()),
        _ => String::new(),
    };
    let image = input.image();
    let key = planned.key_path().map(|path| path.display().to_string());
    let key = key.unwrap_or_else(|| "none yet: one would be made".to_owned());
    let ami = ami(planned);
    let ami = ami.map_or_else(String::new, |ami| {
        format!("ami           {}, {}\n", ami.name, ami.virtualization)
    });
    let contents = planned.contents();
    format!(
        "{volume}image         {} ({}, {} of data in {})\nmanifest      {}\narchitecture  {}\naccount       {}\n\
         bundled size  at most {}\nkey           {}\nec2 key       {}\n{ami}",
        plain(&planned.source().to_string()),
        size(image.len()),
        size(data(image)),
        count(image.extents().len(), "extent"),
        plain(&planned.manifest_place().to_string()),
        contents.architecture,
        contents.account,
        size(bundled_size_bound(image)),
        plain(&key),
        planned.ec2_name(),
    )
}

/// The same for programs.
pub(crate) fn planned_json(planned: &BundlePlan, input: &mut Input, words: &Words) -> Value {
    let volume = match input {
        Input::Tree(tree) => Some(plan::json(tree.volume().summary(), words)),
        _ => None,
    };
    let image = input.image();
    let contents = planned.contents();
    let mut plan = json!({
        "image": planned.source().to_string(), "size": image.len(), "data": data(image),
        "extents": image.extents().len(), "manifest": planned.manifest_place().to_string(),
        "architecture": contents.architecture, "account": contents.account,
        "bundled_size_at_most": bundled_size_bound(image),
        "key": planned.key_path().map(|path| path.display().to_string()), "ec2_key": planned.ec2_name(),
    });
    if let Some(ami) = ami(planned) {
        plan["ami"] = json!({ "name": ami.name, "virtualization": ami.virtualization });
    }
    if let Some(volume) = volume {
        plan["volume"] = volume;
    }
    plan
}

fn data(image: &dyn Image) -> u64 {
    image.extents().iter().map(|extent| extent.len).sum()
}

/// The AMI that the bundle would become.
struct Ami {
    name: String,
    virtualization: &'static str,
}

#[cfg(feature = "aws")]
fn ami(planned: &BundlePlan) -> Option<Ami> {
    let wanted = planned.registration()?;
    let (name, virtualization) = (wanted.name.to_string(), wanted.virtualization.as_str());
    Some(Ami { name, virtualization })
}

#[cfg(not(feature = "aws"))]
fn ami(_: &BundlePlan) -> Option<Ami> {
    None
}

/// A bundle that was made, for programs.
pub(crate) fn made_json(made: &Made) -> Value {
    let packed = &made.packed;
    let parts = packed
        .parts
        .iter()
        .map(|part| json!({ "filename": part.filename, "sha1": part.digest.to_string() }));
    let parts: Vec<_> = parts.collect();
    #[cfg(feature = "aws")]
    let ami = made.ami.as_ref().map(ToString::to_string);
    #[cfg(not(feature = "aws"))]
    let ami = None::<String>;
    json!({
        "manifest": made.place.to_string(), "name": made.name, "size": packed.size,
        "bundled_size": packed.bundled_size, "sha1": packed.digest.to_string(), "parts": parts,
        "key_fingerprint": made.fingerprint.to_string(), "ec2_key": made.ec2_name, "changed": made.changed,
        "ami": ami,
    })
}
