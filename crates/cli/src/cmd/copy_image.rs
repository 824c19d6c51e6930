//! `baler copy-image`: EC2 copies an AMI to another region.

use anyhow::Context;
use baler::ami::{self, reporter};
use baler_ec2::{AmiId, AmiName, Copying, Region};
use getrandom::SysRng;
use getrandom::rand_core::TryRng;
use serde_json::json;

use crate::args::ami::{description, tag};
use crate::args::aws::AwsArgs;
use crate::args::values::region;
use crate::codes::Exit;
use crate::exit::Trouble;
use crate::face::Face;
use crate::report;

/// Copy an AMI to another region
///
/// Launch permissions are not copied, and tags only with --copy-tags. Prints the new AMI's id.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The AMI, ami-…
    ami: AmiId,

    /// The destination region
    #[arg(long, value_name = "REGION", value_parser = region)]
    to: String,

    /// The copy's name [default: the AMI's]
    #[arg(long)]
    name: Option<AmiName>,

    /// A description of the copy
    #[arg(long, value_name = "TEXT", value_parser = description)]
    description: Option<String>,

    /// Encrypt the copy's snapshots; an AMI whose root is in S3 has none
    #[arg(long)]
    encrypt: bool,

    /// The KMS key for --encrypt [default: the account's]
    #[arg(long, value_name = "KEY", requires = "encrypt")]
    kms_key: Option<String>,

    /// Copy the AMI's tags too
    #[arg(long)]
    copy_tags: bool,

    /// A tag of the copy; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,

    /// Wait until the copy is available
    #[arg(long)]
    wait: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    aws: AwsArgs,
}

impl Args {
    pub(crate) fn run(self, face: &Face) -> anyhow::Result<Exit> {
        let run = face.run_on(&self.aws);
        let here = run.ec2(None)?;
        let (from, to): (Region, Region) = (here.region().parse()?, self.to.parse()?);
        if from == to {
            return Err(Trouble::usage(format!("{} is in {from} already", self.ami))
                .hint("name another region with --to")
                .into());
        }
        let there = here.in_region(&to).context("preparing to talk to EC2")?;
        let image = run.wait(ami::find(&here, &self.ami, &run))?;
        let name = match self.name {
            Some(name) => name,
            None => image
                .name
                .as_deref()
                .ok_or_else(|| {
                    Trouble::usage(format!("{} has no name", self.ami)).hint("pass --name")
                })?
                .parse()
                .context(Trouble::usage("naming the copy").hint("pass --name"))?,
        };
        if self.encrypt && image.is_s3_backed() {
            return Err(Trouble::usage(format!(
                "{} has its root in S3, and EC2 encrypts snapshots only",
                self.ami
            ))
            .hint("omit --encrypt: bundles are always encrypted")
            .into());
        }
        let mut wanted = Copying::new(self.ami.clone(), from.clone(), name, token()?);
        wanted.description = self.description;
        wanted.encrypted = self.encrypt;
        wanted.kms_key = self.kms_key;
        wanted.copy_tags = self.copy_tags;
        wanted.tags = self.tags;
        let report = reporter(&run);
        let copying = || format!("copying {} from {from} to {to}", self.ami);
        let copy =
            run.wait(async { Ok(there.copy(&wanted, &report).await?) }).with_context(copying)?;
        face.console.note(&format!("{copy} in {to} is the copy of {}", self.ami));
        let tags = if self.copy_tags { "" } else { ", nor its tags" };
        face.console
            .note(&format!("its launch permissions are not copied{tags}; `baler share` sets them"));
        if image.is_s3_backed() {
            face.console.note("its bundle is in a bucket that EC2 made in this account, amis-for-…; it stays when the AMI is deregistered");
        }
        if self.wait {
            let waiting = || format!("waiting for {copy}");
            run.wait(async { Ok(there.wait(&copy, ami::PATIENCE, &report).await?) })
                .with_context(waiting)?;
        }
        if self.json {
            report::json(
                &json!({ "ami": copy.as_str(), "region": to.as_str(), "source": self.ami.as_str() }),
            )?;
        } else {
            report::result(&format!("{copy}\n"))?;
        }
        Ok(Exit::Done)
    }
}

/// A token by which EC2 recognises a repeated request.
fn token() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    SysRng.try_fill_bytes(&mut bytes).context("choosing a token")?;
    Ok(format!("baler-{:032x}", u128::from_le_bytes(bytes)))
}
