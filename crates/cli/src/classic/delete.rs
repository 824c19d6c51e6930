//! `ec2-delete-bundle`: a bundle goes from S3.

use baler::{Bundle, InS3, Place, Removal};

use super::command::{COMMON, Command, Tools};
use super::fail::{Code, Failure, Usage};
use super::options::{Options, Spec, flag, value};
use super::prompt::{self, Reply};
use super::s3::{self, BucketRegion};
use super::session::{Session, given, require};
use super::{check, local};
use crate::report::say;

pub(super) static COMMAND: Command = Command {
    name: "ec2-delete-bundle",
    tools: Tools::Ami,
    aliases: &[],
    about: "Delete a bundle from S3",
    usage: "-b BUCKET[/PREFIX] (-m PATH | -p PREFIX) [OPTIONS]",
    new: "baler remove s3://BUCKET/PREFIX/NAME.manifest.xml",
    options: &[OWN, s3::CREDENTIALS, s3::PLACE, COMMON],
    notes: "The manifest is deleted first, then exactly its parts. Without -y it asks for confirmation, even with --batch.",
    run,
};

const OWN: &[Spec] = &[
    s3::BUCKET,
    value(
        Some('m'),
        "manifest",
        "PATH",
        check::file,
        "A local copy of the manifest",
        "the first argument",
    ),
    value(Some('p'), "prefix", "PREFIX", check::name, "The bundle's name", "--prefix"),
    flag("clear", "Delete the bucket too, if it is then empty", ""),
    flag("yes", "Do not ask for confirmation", "--yes").short('y'),
];

/// The files to delete.
enum Wanted {
    /// Those of a bundle's name.
    Prefix(String),
    /// Those of a local manifest.
    Listed(Box<Bundle>),
}

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
    let directory = Place::S3(place.clone());
    let wanted = match prefix {
        Some(prefix) => Wanted::Prefix(prefix),
        None => Wanted::Listed(Box::new(local::bundle(&options, "", &session.run())?)),
    };
    let run = s3::connect(session, &options, &BucketRegion::of(session, &options)?)?;
    let removal = match &wanted {
        Wanted::Prefix(prefix) => Removal::of_prefix(&directory, prefix, &run)?,
        Wanted::Listed(bundle) => Removal::of_listed(&directory, bundle, &run)?,
    };
    if removal.names().is_empty() {
        session.line("No files to delete.")?;
    } else {
        session.line("Deleting files:")?;
        removal.names().iter().try_for_each(|name| session.line(&format!("   - {name}")))?;
        if !options.has("yes") && !is_confirmed(session)? {
            return session.complete();
        }
        if removal.is_versioned() {
            say(
                "the bucket keeps versions: deleted objects are only hidden, and still cost storage",
            );
        }
        removal.run(&run)?;
        removal.names().iter().try_for_each(|name| session.line(&format!("Deleted {name}")))?;
    }
    if options.has("clear") {
        session.line(&format!("Attempting to delete bucket {}...", place.bucket))?;
        run.wait(async {
            match InS3::find(&place, &run.aws().await?).await? {
                Some(found) => found.delete_bucket().await,
                None => Ok(()),
            }
        })?;
    }
    session.complete()
}

/// Whether somebody says that all of it may go.
fn is_confirmed(session: &Session) -> anyhow::Result<bool> {
    match prompt::ask("Continue [y/N]: ", &session.face.stop)? {
        Reply::Line(answer) => Ok(answer.starts_with(['y', 'Y'])),
        Reply::Timeout => {
            say("nobody answered in time: nothing was deleted");
            Ok(false)
        }
        Reply::Nobody => Err(Failure::new(
            Code::Other,
            "standard input has no answer, and -y was not given; nothing was deleted",
        )
        .into()),
    }
}
