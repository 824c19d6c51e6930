//! `ec2-deregister`: an AMI goes.

use anyhow::Context;
use baler_ec2::{AmiId, ImageId};

use super::{Api, COMMON, Lines, filled, only_image};
use crate::classic::command::{Command, Tools};
use crate::classic::options::Options;
use crate::classic::session::Session;
use crate::exit::Trouble;

pub(in crate::classic) static COMMAND: Command = Command {
    name: "ec2-deregister",
    tools: Tools::Api,
    aliases: &["ec2dereg"],
    about: "Deregister an AMI",
    usage: "AMI [OPTIONS]",
    new: "baler deregister AMI",
    options: &[COMMON],
    notes: "Its bundle in S3 and its snapshots are kept: `baler deregister` can delete them too.",
    run,
};

fn run(session: &Session, options: Options) -> anyhow::Result<()> {
    let options = filled(options, &[], session)?;
    let id: ImageId = only_image(&options)?;
    let ami: AmiId = id.as_str().parse().map_err(|_| {
        Trouble::usage(format!("{id} is not an AMI: kernels and RAM disks belong to AWS"))
    })?;
    let api = Api::connect(session, &options)?;
    let done = api.run.wait(async { Ok(api.ec2.deregister(&ami, false, &api.reporter()).await?) });
    done.with_context(|| format!("deregistering {ami}"))?;
    Lines::of(&options).image(ami.as_str())
}
