//! `ec2-delete-bundle`: a bundle goes from S3.

use anyhow::Context;

use super::check;
use super::fail::{Code, Failure, Usage};
use super::options::{Options, Spec, flag, value};
use super::prompt::{self, Answer};
use super::s3::{self, Region};
use super::session::{Session, given, require};
use super::unbundle::local_bundle;
use super::{COMMON, Command, Tools};
use crate::cmd::remove::Plan;
use crate::report::say;

pub(super) static COMMAND: Command = Command {
    name: "ec2-delete-bundle",
    tools: Tools::Ami,
    aliases: &[],
    about: "Delete a bundle from S3",
    usage: "-b BUCKET[/PREFIX] (-m PATH | -p PREFIX) [OPTIONS]",
    new: "baler remove s3://BUCKET/PREFIX/NAME.manifest.xml",
    options: &[OWN, s3::CREDENTIALS, s3::PLACE, COMMON],
    notes: "The manifest is deleted first, and then exactly its parts. Without -y it asks, with --batch too.",
    run,
};

const OWN: &[Spec] = &[
    s3::BUCKET,
    value(
        Some('m'),
        "manifest",
        "PATH",
        check::file,
        "A copy of the manifest, here",
        "the first argument",
    ),
    value(Some('p'), "prefix", "PREFIX", check::name, "The bundle's name", "--prefix"),
    flag("clear", "Delete the bucket too, if it is empty then", ""),
    flag("yes", "Do not ask", "--yes").short('y'),
];

fn run(session: &Session, options: Options) -> anyhow::Result<()> {
    require(&options, &["bucket"])?;
    let prefix = match (given(&options, "manifest"), given(&options, "prefix")) {
        (Some(_), Some(_)) => {
            return Err(Usage("--manifest and --prefix exclude each other".to_owned()).into());
        }
        (None, None) => {
            return Err(
                Usage("missing mandatory parameter: --manifest or --prefix".to_owned()).into()
            );
        }
        (_, prefix) => prefix,
    };
    let place = s3::place(&options, "bucket")?;
    let bundle = match prefix {
        None => Some(local_bundle(&options, "")?),
        Some(_) => None,
    };
    let aws = s3::connect(session, &options, &Region::of(&options)?)?;
    let remote = aws.run(aws.open(&place))?;
    let plan = match (&bundle, &prefix) {
        (Some(bundle), _) => Plan::of_listed(&aws, &place, &remote, bundle)?,
        (None, prefix) => {
            Plan::of_prefix(&aws, &place, &remote, prefix.as_deref().unwrap_or_default())?
        }
    };
    if plan.names.is_empty() {
        session.line("No files to delete.")?;
    } else {
        session.line("Deleting files:")?;
        plan.names.iter().try_for_each(|name| session.line(&format!("   - {name}")))?;
        if !options.has("yes") && !is_confirmed()? {
            return session.complete();
        }
        if plan.is_versioned {
            say("the bucket keeps versions: what is deleted is only hidden, and goes on costing");
        }
        plan.delete().with_context(|| plan.unfinished())?;
        plan.names.iter().try_for_each(|name| session.line(&format!("Deleted {name}")))?;
    }
    if options.has("clear") {
        session.line(&format!("Attempting to delete bucket {}...", place.bucket))?;
        let retry = aws.retry();
        aws.run(async { Ok(retry.run(|| remote.bucket.delete()).await?) })?;
    }
    session.complete()
}

/// Whether somebody says that all of it may go.
fn is_confirmed() -> anyhow::Result<bool> {
    match prompt::ask("Continue [y/N]: ")? {
        Answer::Line(answer) => Ok(answer.starts_with(['y', 'Y'])),
        Answer::Timeout => {
            say("nobody answered in time: nothing was deleted");
            Ok(false)
        }
        Answer::Nobody => Err(Failure::new(
            Code::Other,
            "there is nobody to ask, and -y was not given; nothing was deleted",
        )
        .into()),
    }
}
