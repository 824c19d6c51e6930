//! `ec2-deregister`: an AMI goes.

use anyhow::Context;
use baler_ec2::{AmiId, ImageId};

use super::{Api, COMMON, Lines, filled, only_image};
use crate::classic::options::Options;
use crate::classic::session::Session;
use crate::classic::{Command, Tools};
use crate::exit::Trouble;

pub(super) const COMMAND: Command = Command {
    name: "ec2-deregister",
    tools: Tools::Api,
    aliases: &["ec2dereg"],
    about: "Deregister an AMI",
    usage: "AMI [OPTIONS]",
    new: "baler deregister AMI",
    options: &[COMMON],
    notes: "Its bundle in S3 stays, and so do its snapshots: `baler deregister` can delete them too.",
    run,
};

fn run(session: &Session, options: Options) -> anyhow::Result<()> {
    let options = filled(options, &[])?;
    let id: ImageId = only_image(&options)?;
    let ami: AmiId = id.as_str().parse().map_err(|_| {
        Trouble::usage(format!("{id} is no AMI: kernels and RAM disks are AWS's own, and stay"))
    })?;
    let api = Api::connect(session, &options)?;
    let done = api.aws.run(async { Ok(api.ec2.deregister(&ami, false, &api.tell()).await?) });
    done.with_context(|| format!("deregistering {ami}"))?;
    Lines::of(&options).image(ami.as_str())
}
