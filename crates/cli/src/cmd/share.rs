//! `baler share`: who may launch an AMI.

use anyhow::Context;
use baler_ec2::{AccountId, AmiId, OrganizationArn, OrganizationalUnitArn, Permission};
use serde_json::json;

use crate::ami;
use crate::aws::{Aws, AwsArgs};
use crate::exit::{Exit, Trouble};
use crate::report::{self, Console};

/// Let others launch an AMI, or take that back, or show who may
///
/// Prints who may launch it, one a line; with --remove and without, what is so already is no error.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The AMI, ami-…
    ami: AmiId,

    /// An account, 12 digits; may be repeated
    #[arg(long = "account", value_name = "ID", value_delimiter = ',')]
    accounts: Vec<AccountId>,

    /// Everyone
    #[arg(long)]
    public: bool,

    /// An organization, by its ARN; may be repeated
    #[arg(long = "org", value_name = "ARN")]
    organizations: Vec<OrganizationArn>,

    /// An organizational unit, by its ARN; may be repeated
    #[arg(long = "org-unit", value_name = "ARN")]
    units: Vec<OrganizationalUnitArn>,

    /// Take the permission back
    #[arg(long)]
    remove: bool,

    /// Only show who may launch it
    #[arg(long, conflicts_with_all = ["accounts", "public", "organizations", "units", "remove"])]
    show: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    aws: AwsArgs,
}

impl Args {
    pub(crate) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let (ami, json, show, remove) = (self.ami.clone(), self.json, self.show, self.remove);
        let aws = Aws::connect(&self.aws, console)?;
        let wanted = self.permissions();
        if wanted.is_empty() && !show {
            return Err(Trouble::usage(format!("with whom {ami} is to be shared was not said"))
                .hint("pass --account, --public, --org or --org-unit; or --show")
                .into());
        }
        let ec2 = ami::ec2(&aws, None)?;
        let tell = ami::tell(*console);
        let found = aws.run(async {
            if !show {
                let (add, take) =
                    if remove { (&[][..], &wanted[..]) } else { (&wanted[..], &[][..]) };
                ec2.share(&ami, add, take, &tell)
                    .await
                    .with_context(|| format!("sharing {ami}"))?;
            }
            let looking = || format!("looking who may launch {ami}");
            ec2.permissions(&ami, &tell).await.with_context(looking)
        })?;
        if wanted.contains(&Permission::Public) && !remove {
            console.note("everyone can launch it now, and read all that is in it");
        }
        let names: Vec<_> = found.iter().map(ToString::to_string).collect();
        match json {
            true => report::json(&json!({ "ami": ami.as_str(), "launch_permissions": names }))?,
            false => {
                report::result(&names.iter().map(|name| format!("{name}\n")).collect::<String>())?
            }
        }
        Ok(Exit::Done)
    }

    fn permissions(self) -> Vec<Permission> {
        let public = self.public.then_some(Permission::Public);
        let accounts = self.accounts.into_iter().map(Permission::Account);
        let organizations = self.organizations.into_iter().map(Permission::Organization);
        let units = self.units.into_iter().map(Permission::OrganizationalUnit);
        public.into_iter().chain(accounts).chain(organizations).chain(units).collect()
    }
}
