//! `baler inspect`: what is in a manifest, as text or JSON.

use std::fmt::Write as _;

use baler::Bundle;
use baler::text::{plain, size};
use baler_manifest::{Contents, Signature};
use serde_json::json;

#[cfg(feature = "aws")]
use crate::args::aws::AwsArgs;
use crate::args::values::BundleArg;
use crate::codes::Exit;
use crate::face::Face;
use crate::report;

/// Print what a bundle's manifest says
///
/// The manifest is read strictly, but neither its signature nor the parts are checked: `baler verify` does that.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    bundle: BundleArg,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    aws: AwsArgs,
}

impl Args {
    pub(crate) fn run(self, face: &Face) -> anyhow::Result<Exit> {
        #[cfg(feature = "aws")]
        let run = face.run_on(&self.aws);
        #[cfg(not(feature = "aws"))]
        let run = face.run();
        let bundle = Bundle::read(&self.bundle.manifest, &run)?;
        if self.json {
            report::json(&as_json(&bundle))?
        } else {
            report::result(&as_text(&bundle))?
        }
        Ok(Exit::Done)
    }
}

fn is_signed(bundle: &Bundle) -> bool {
    matches!(bundle.manifest().signature(), Signature::Rsa(_))
}

fn as_json(bundle: &Bundle) -> serde_json::Value {
    let Contents { bundler, mappings, parts, .. } = bundle.contents();
    let contents = bundle.contents();
    json!({
        "version": bundle.manifest().version().to_string(),
        "bundler": { "name": bundler.name, "version": bundler.version, "release": bundler.release },
        "name": contents.name,
        "type": contents.image_type.to_string(),
        "architecture": contents.architecture,
        "account": contents.account,
        "size": contents.size,
        "bundled_size": contents.bundled_size,
        "sha1": contents.digest.to_string(),
        "kernel_id": contents.kernel_id,
        "ramdisk_id": contents.ramdisk_id,
        "kernel_name": contents.kernel_name,
        "product_codes": contents.product_codes,
        "ancestors": contents.ancestry,
        "block_device_mappings": mappings
            .iter()
            .map(|mapping| json!({ "virtual": mapping.virtual_name, "device": mapping.device }))
            .collect::<Vec<_>>(),
        "user_key_bits": contents.user_key.len() * 8,
        "ec2_key_bits": contents.ec2_key.len() * 8,
        "signed": is_signed(bundle),
        "parts": parts
            .iter()
            .map(|part| json!({ "filename": part.filename, "sha1": part.digest.to_string() }))
            .collect::<Vec<_>>(),
    })
}

fn as_text(bundle: &Bundle) -> String {
    let contents = bundle.contents();
    let bundler = &contents.bundler;
    let key = |wrapped: &[u8]| match wrapped.len() * 8 {
        0 => "none".to_owned(),
        bits => format!("RSA, {bits} bits"),
    };
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<14}{}", plain(value));
    };
    line("name", &contents.name);
    line("type", &contents.image_type.to_string());
    line("architecture", &contents.architecture);
    line("account", &contents.account);
    line("size", &format!("{} ({})", contents.size, size(contents.size)));
    line("bundled size", &format!("{} ({})", contents.bundled_size, size(contents.bundled_size)));
    line("SHA-1", &contents.digest.to_string());
    for (name, value) in [
        ("kernel", &contents.kernel_id),
        ("ramdisk", &contents.ramdisk_id),
        ("kernel name", &contents.kernel_name),
    ] {
        value.iter().for_each(|value| line(name, value));
    }
    contents.product_codes.iter().for_each(|code| line("product code", code));
    contents.ancestry.iter().for_each(|ancestor| line("ancestor", ancestor));
    for mapping in &contents.mappings {
        line("mapping", &format!("{}={}", mapping.virtual_name, mapping.device));
    }
    line("user's key", &key(&contents.user_key));
    line("EC2's key", &key(&contents.ec2_key));
    line(
        "signature",
        if is_signed(bundle) { "there is one (baler verify checks it)" } else { "none" },
    );
    line("manifest", &format!("version {}", bundle.manifest().version()));
    line("made by", &format!("{} {} release {}", bundler.name, bundler.version, bundler.release));
    for part in &contents.parts {
        line("part", &format!("{}  {}", part.digest, part.filename));
    }
    text
}
