//! `baler register`: a bundle in S3 becomes an AMI.

use baler::RegisterJob;
use baler_ec2::AmiName;
use serde_json::json;

use crate::args::ami::AmiArgs;
use crate::args::aws::AwsArgs;
use crate::args::keys::KeyArgs;
use crate::args::values::{BundleArg, Jobs};
use crate::codes::Exit;
use crate::face::Face;
use crate::report;

/// Register a bundle in S3 as an AMI
///
/// First, the manifest is read, the parts are counted, and EC2's permission to read them is checked. If the AMI exists
/// already, its id is printed and nothing is changed.
///
/// Prints the AMI's id.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    bundle: BundleArg,

    /// The AMI's name: 3 to 128 letters, digits and ( ) [ ] . / - ' @ _ and spaces; unique in the account and region
    #[arg(long, short)]
    name: AmiName,

    /// Read all parts and compare them with the manifest first
    #[arg(long)]
    verify: bool,

    /// Register an image of more than 10 GiB; EC2 refuses it, other clouds may accept it
    #[arg(long)]
    allow_large: bool,

    /// Do not check whether the ACLs let EC2 read the bundle
    #[arg(long)]
    ignore_acl: bool,

    /// Ask EC2 whether it would be allowed, and register nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    ami: AmiArgs,

    #[command(flatten)]
    keys: KeyArgs,

    #[command(flatten)]
    jobs: Jobs,

    #[command(flatten)]
    aws: AwsArgs,
}

impl Args {
    pub(crate) fn run(self, face: &Face) -> anyhow::Result<Exit> {
        let run = face.run_on(&self.aws);
        let place = &self.bundle.manifest;
        let mut job = RegisterJob::new(self.name.clone());
        job.ami = self.ami.options();
        job.verify = self.verify;
        job.allow_large = self.allow_large;
        job.ignore_acl = self.ignore_acl;
        job.is_dry = self.dry_run;
        job.keys = self.keys.keys(face);
        job.jobs = self.jobs.count();
        let found = job.run(place, &run)?;
        let (name, region) = (self.name.as_str(), found.region.as_str());
        let virtualization = found.virtualization.as_str();
        let ami = found.ami.as_ref().map(ToString::to_string);
        if self.dry_run {
            face.console.note(&format!(
                "would register `{place}` as `{name}`, {virtualization}, in {region}; EC2 would allow it"
            ));
        }
        if self.json {
            let mut answer = json!({
                "ami": ami, "region": region, "name": name, "manifest": place.to_string(),
                "virtualization": virtualization,
            });
            if self.dry_run {
                answer["dry_run"] = true.into();
            }
            report::json(&answer)?;
        } else if let Some(ami) = ami {
            report::result(&format!("{ami}\n"))?;
        }
        Ok(Exit::Done)
    }
}
