//! `baler share`: who may launch an AMI.

use anyhow::Context;
use baler::ami::reporter;
use baler_ec2::{AccountId, AmiId, OrganizationArn, OrganizationalUnitArn, Permission};
use serde_json::json;

use crate::args::aws::AwsArgs;
use crate::codes::Exit;
use crate::exit::Trouble;
use crate::face::Face;
use crate::report;

/// Allow others to launch an AMI, revoke that, or show who may
///
/// Prints who may launch it, one per line. To grant or revoke a permission twice is not an error.
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

    /// Revoke the permission
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
    pub(crate) fn run(self, face: &Face) -> anyhow::Result<Exit> {
        let (ami, json, show, remove) = (self.ami.clone(), self.json, self.show, self.remove);
        let run = face.run_on(&self.aws);
        let wanted = self.permissions();
        if wanted.is_empty() && !show {
            return Err(Trouble::usage(format!(
                "no account or organization is given to share {ami} with"
            ))
            .hint("pass --account, --public, --org or --org-unit; or --show")
            .into());
        }
        let ec2 = run.ec2(None)?;
        let report = reporter(&run);
        if !show {
            let (add, take) = if remove { (&[][..], &wanted[..]) } else { (&wanted[..], &[][..]) };
            let shared = run.wait(async { Ok(ec2.share(&ami, add, take, &report).await?) });
            shared.with_context(|| format!("sharing {ami}"))?;
        }
        let found = run.wait(async { Ok(ec2.permissions(&ami, &report).await?) });
        let found = found.with_context(|| format!("reading who may launch {ami}"))?;
        if wanted.contains(&Permission::Public) && !remove {
            face.console.note("everyone can launch it now, and read everything in it");
        }
        let names: Vec<_> = found.iter().map(ToString::to_string).collect();
        if json {
            report::json(&json!({ "ami": ami.as_str(), "launch_permissions": names }))?;
        } else {
            let lines = names.iter().map(|name| format!("{name}\n"));
            report::result(&lines.collect::<String>())?;
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
