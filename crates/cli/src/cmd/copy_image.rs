//! `baler copy-image`: EC2 copies an AMI to another region.

use anyhow::Context;
use baler_ec2::{AmiId, AmiName, Copying, RegionName};
use getrandom::SysRng;
use getrandom::rand_core::TryRng;
use serde_json::json;

use super::deregister::find;
use crate::ami::{self, PATIENCE};
use crate::aws::{self, Aws, AwsArgs};
use crate::exit::{Exit, Trouble};
use crate::report::{self, Console};

/// Copy an AMI to another region
///
/// Launch permissions are not copied, and tags only with --copy-tags. Prints the new AMI's id.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The AMI, ami-…
    ami: AmiId,

    /// The region that it is copied to
    #[arg(long, value_name = "REGION", value_parser = aws::region)]
    to: String,

    /// The copy's name [default: the AMI's]
    #[arg(long)]
    name: Option<AmiName>,

    /// What the copy is for
    #[arg(long, value_name = "TEXT", value_parser = ami::description)]
    description: Option<String>,

    /// Encrypt the copy's snapshots; an AMI whose root is in S3 has none
    #[arg(long)]
    encrypt: bool,

    /// With this key of KMS [default: the account's]
    #[arg(long, value_name = "KEY", requires = "encrypt")]
    kms_key: Option<String>,

    /// Copy the AMI's tags too
    #[arg(long)]
    copy_tags: bool,

    /// A tag of the copy; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = ami::tag)]
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
    pub(crate) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let aws = Aws::connect(&self.aws, console)?;
        let here = ami::ec2(&aws, None)?;
        let (from, to): (RegionName, RegionName) = (here.region().parse()?, self.to.parse()?);
        if from == to {
            return Err(Trouble::usage(format!("{} is in {from} already", self.ami))
                .hint("name another region with --to")
                .into());
        }
        let there = here.in_region(&to).context("preparing to talk to EC2")?;
        let image = aws.run(find(&here, &self.ami, console))?;
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
            .hint("leave --encrypt away: bundles are encrypted as they are")
            .into());
        }
        let mut wanted = Copying::new(self.ami.clone(), from.clone(), name, token()?);
        wanted.description = self.description;
        wanted.encrypted = self.encrypt;
        wanted.kms_key = self.kms_key;
        wanted.copy_tags = self.copy_tags;
        wanted.tags = self.tags;
        let tell = ami::tell(*console);
        let copying = || format!("copying {} from {from} to {to}", self.ami);
        let copy = aws.run(async { there.copy(&wanted, &tell).await.with_context(copying) })?;
        console.note(&format!("{copy} in {to} is the copy of {}", self.ami));
        let tags = if self.copy_tags { "" } else { ", nor its tags" };
        console
            .note(&format!("its launch permissions are not copied{tags}; `baler share` sets them"));
        if image.is_s3_backed() {
            console.note("its bundle is in a bucket that EC2 keeps in this account: amis-for-…; deleting the AMI leaves it there");
        }
        if self.wait {
            let waiting = || format!("waiting for {copy}");
            aws.run(async { there.wait(&copy, PATIENCE, &tell).await.with_context(waiting) })?;
        }
        match self.json {
            true => report::json(
                &json!({ "ami": copy.as_str(), "region": to.as_str(), "source": self.ami.as_str() }),
            )?,
            false => report::result(&format!("{copy}\n"))?,
        }
        Ok(Exit::Done)
    }
}

/// What tells EC2 that a request that is repeated is the same one.
fn token() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    SysRng.try_fill_bytes(&mut bytes).context("choosing a token")?;
    Ok(format!("baler-{:032x}", u128::from_le_bytes(bytes)))
}
