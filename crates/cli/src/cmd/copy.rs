//! `baler copy`: a bundle goes from one place to another.

use std::path::PathBuf;

use baler::text::{count, plain, size};
use baler::{Bundle, Copied, CopyJob, Place, ids};
use serde_json::json;

use crate::args::aws::AwsArgs;
use crate::args::bucket::BucketArgs;
use crate::args::keys::KeyArgs;
use crate::args::values::{BundleArg, place};
use crate::codes::Exit;
use crate::exit::Trouble;
use crate::face::Face;
use crate::report;

/// Copy a bundle: to S3, from S3, or from one bucket to another
///
/// Parts that are there already are not sent again: after an interruption, run the same command again to continue. Each
/// part is compared with the manifest. The manifest is copied last.
///
/// Prints the manifest's place.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    bundle: BundleArg,

    /// The destination: a directory, or s3://BUCKET/PREFIX
    #[arg(value_name = "DEST", value_parser = place())]
    destination: Place,

    /// Another kernel to boot with, aki-…; the manifest is signed again
    #[arg(long, value_name = "ID", value_parser = ids::boot_id, help_heading = "Manifest")]
    kernel: Option<String>,

    /// Another ramdisk to boot with, ari-…; the manifest is signed again
    #[arg(long, value_name = "ID", value_parser = ids::boot_id, help_heading = "Manifest")]
    ramdisk: Option<String>,

    /// The certificate of the EC2 that will open it, for a cloud or a region whose key is not built in; the manifest is
    /// signed again
    #[arg(long, value_name = "FILE", help_heading = "Manifest")]
    ec2_cert: Option<PathBuf>,

    /// Wrap the image's key again, for EC2 in the destination's region; the manifest is signed again. This is the
    /// default between two buckets in regions where EC2 has different keys
    #[arg(long, help_heading = "Manifest")]
    rewrap: bool,

    /// The profile whose credentials read the bundle, if those for the destination cannot
    #[arg(long, value_name = "NAME", help_heading = "AWS")]
    from_profile: Option<String>,

    /// Sign the manifest again even if the old signature is wrong, missing, or cannot be checked
    #[arg(long, help_heading = "Manifest")]
    ignore_signature: bool,

    /// Overwrite another bundle with this name
    #[arg(long, short)]
    force: bool,

    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    keys: KeyArgs,

    #[command(flatten)]
    bucket: BucketArgs,

    #[command(flatten)]
    aws: AwsArgs,
}

impl Args {
    pub(crate) fn run(self, face: &Face) -> anyhow::Result<Exit> {
        self.destination.check_not_manifest()?;
        let run = face.run_on(&self.aws);
        let place = &self.bundle.manifest;
        let bundle = match &self.from_profile {
            Some(profile) => CopyJob::read_with_profile(place, profile, &run)?,
            None => Bundle::read(place, &run)?,
        };
        if let (Some(path), Some(option)) = (self.destination.path(), self.bucket.used()) {
            let what = format!("{option} is for S3, and `{}` is a directory", path.display());
            return Err(Trouble::usage(what).hint("omit it, or copy to s3://BUCKET/PREFIX").into());
        }
        let mut job = CopyJob::new(self.destination.clone());
        job.kernel.clone_from(&self.kernel);
        job.ramdisk.clone_from(&self.ramdisk);
        job.ec2_certificate.clone_from(&self.ec2_cert);
        job.rewrap = self.rewrap;
        job.ignore_signature = self.ignore_signature;
        job.overwrite = self.force;
        job.is_dry = self.dry_run;
        job.keys = self.keys.keys(face);
        job.bucket = self.bucket.options();
        let copied = job.run(&bundle, &run)?;
        let there = self.destination.join(bundle.filename()?);
        if self.dry_run {
            self.print_plan(&bundle, &there, &copied)?;
        } else {
            self.print(&bundle, &there, &copied, face)?;
        }
        Ok(Exit::Done)
    }

    fn print_plan(&self, bundle: &Bundle, there: &Place, copied: &Copied) -> anyhow::Result<()> {
        let contents = bundle.contents();
        if self.json {
            return report::json(&json!({
                "from": bundle.place().to_string(), "to": there.to_string(), "parts": contents.parts.len(),
                "bundled_size": contents.bundled_size, "manifest_rewritten": copied.is_rewritten,
            }));
        }
        let manifest = if copied.is_rewritten { "written anew and signed" } else { "as it is" };
        report::result(&format!(
            "from      {}\nto        {}\nparts     {}, {} together\nmanifest  {manifest}\n",
            plain(&bundle.place().to_string()),
            plain(&there.to_string()),
            contents.parts.len(),
            size(contents.bundled_size),
        ))
    }

    fn print(
        &self,
        bundle: &Bundle,
        there: &Place,
        copied: &Copied,
        face: &Face,
    ) -> anyhow::Result<()> {
        let parts = count(bundle.contents().parts.len(), "part");
        let kept = match copied.kept {
            0 => String::new(),
            kept => format!("; {} were there already", size(kept)),
        };
        face.console.note(&format!("copied {parts}, {}{kept}", size(copied.sent)));
        if self.json {
            report::json(&json!({
                "manifest": there.to_string(), "sent": copied.sent, "kept": copied.kept,
                "manifest_rewritten": copied.is_rewritten,
            }))
        } else {
            report::place(there)
        }
    }
}
