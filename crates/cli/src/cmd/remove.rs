//! `baler remove`: a bundle is deleted, and nothing else.

use baler::text::count;
use baler::{Place, Removal};
use serde_json::json;

use crate::args::aws::AwsArgs;
use crate::args::values::place;
use crate::codes::Exit;
use crate::exit::Trouble;
use crate::face::Face;
use crate::report;

/// Delete a bundle: its manifest first, then exactly the parts that it lists
///
/// An AMI that was registered from the bundle no longer starts then: run `baler deregister` first.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The bundle's manifest; with --prefix, the place of a bundle without a manifest
    #[arg(value_name = "BUNDLE", value_parser = place())]
    bundle: Place,

    /// Delete the parts of the bundle with this name, and its manifest if it exists, without reading it
    #[arg(long, value_name = "NAME")]
    prefix: Option<String>,

    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,

    /// Print what would be deleted, and delete nothing
    #[arg(long)]
    dry_run: bool,

    /// Print what was deleted as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    aws: AwsArgs,
}

impl Args {
    pub(crate) fn run(self, face: &Face) -> anyhow::Result<Exit> {
        let run = face.run_on(&self.aws);
        let removal = match &self.prefix {
            None => Removal::of_manifest(&self.bundle, &run)?,
            Some(prefix) => {
                self.bundle.check_not_manifest()?;
                Removal::of_prefix(&self.bundle, prefix, &run)?
            }
        };
        if removal.names().is_empty() {
            let place = removal.directory();
            return Err(
                Trouble::failed(format!("there is nothing of that name in `{place}`")).into()
            );
        }
        removal.warn(&run);
        if self.dry_run {
            return self.print(&removal, "would delete", face);
        }
        if !self.yes && !ask(&removal, face)? {
            return Err(Trouble::failed("nothing was deleted").into());
        }
        removal.run(&run)?;
        self.print(&removal, "deleted", face)
    }

    fn print(&self, removal: &Removal, did: &str, face: &Face) -> anyhow::Result<Exit> {
        let places = removal.places();
        if self.json {
            let names: Vec<_> = places.iter().map(ToString::to_string).collect();
            let deleted = if self.dry_run { "would_delete" } else { "deleted" };
            report::json(&json!({ deleted: names, "versioned": removal.is_versioned() }))?;
        } else {
            places.iter().try_for_each(report::place)?;
        }
        face.console.note(&format!("{did} {}", count(places.len(), "file")));
        Ok(Exit::Done)
    }
}

/// Asks whether all of it may go.
fn ask(removal: &Removal, face: &Face) -> anyhow::Result<bool> {
    let files = count(removal.names().len(), "file");
    for place in removal.places() {
        face.console.note(&format!("  {place}"));
    }
    let answer = face.console.confirm(&format!("permanently delete {files}?"), &face.stop)?;
    answer.ok_or_else(|| {
        let what = format!("deleting {files} from `{}` must be confirmed", removal.directory());
        Trouble::usage(what).hint("pass --yes; --dry-run lists them").into()
    })
}
