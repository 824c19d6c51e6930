//! `baler remove`: a bundle is deleted, and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context;
use baler_bundle::{MAX_PART_LEN, is_bundle_file, manifest_filename, part_of};
use baler_store::{Directory, Entry, Location, Store, sha1_of};
use serde_json::json;

use crate::aws::{Aws, AwsArgs, Remote};
use crate::bundle::{Bundle, IN_FLIGHT, common_start};
use crate::exit::{Exit, Trouble};
use crate::interrupt;
use crate::place::{self, Place};
use crate::report::{self, Console};

/// Delete a bundle: its manifest first, then exactly the parts that it lists
///
/// The AMI that was registered from it, if there is one, no longer starts then: `baler deregister` first.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The bundle: its manifest; with --prefix, the place that bundles without a manifest are in
    #[arg(value_name = "BUNDLE", value_parser = place::place())]
    bundle: Place,

    /// Delete the parts of the bundle of that name, and its manifest if there is one, without reading it
    #[arg(long, value_name = "NAME")]
    prefix: Option<String>,

    /// Do not ask
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

/// What will be deleted, in this order.
pub(crate) struct Plan {
    aws: Arc<Aws>,
    store: Arc<dyn Store>,
    pub(super) directory: Place,
    pub(crate) names: Vec<String>,
    pub(crate) is_versioned: bool,
}

impl Args {
    pub(crate) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let plan = match &self.prefix {
            None => self.listed(console)?,
            Some(prefix) => self.found(prefix, console)?,
        };
        if plan.names.is_empty() {
            return Err(Trouble::failed(format!(
                "there is nothing of that name in `{}`",
                plan.directory
            ))
            .into());
        }
        plan.warn(console);
        if self.dry_run {
            return self.tell(&plan, "would delete", console);
        }
        if !self.yes && !ask(&plan, console)? {
            return Err(Trouble::failed("nothing was deleted").into());
        }
        interrupt::leave(
            "interrupted; the manifest is deleted, and some of the parts: `baler remove --prefix` deletes the others",
        );
        plan.delete().with_context(|| plan.unfinished())?;
        self.tell(&plan, "deleted", console)
    }

    /// What a manifest lists.
    fn listed(&self, console: &Console) -> anyhow::Result<Plan> {
        let bundle = Bundle::read(&self.bundle, &self.aws, console)?;
        match &bundle.remote {
            Some(_) => Plan::of_bundle(bundle),
            None => {
                let mut plan = self.here(bundle.directory.clone(), names(&bundle)?, console)?;
                plan.check(&bundle)?;
                Ok(plan)
            }
        }
    }

    /// What looks like a bundle of that name.
    fn found(&self, prefix: &str, console: &Console) -> anyhow::Result<Plan> {
        self.bundle.check_not_manifest()?;
        baler_manifest::check_name(prefix)
            .with_context(|| Trouble::usage(format!("`{prefix}` cannot be a bundle's name")))?;
        let directory = self.bundle.clone();
        let mut plan = match &directory {
            Place::Path(_) => self.here(directory, Vec::new(), console)?,
            Place::S3(place) => {
                let aws = Arc::new(Aws::connect(&self.aws, console)?);
                let remote = aws.run(aws.open(place))?;
                return Plan::of_prefix(&aws, place, &remote, prefix);
            }
        };
        plan.find(prefix)?;
        Ok(plan)
    }

    fn here(
        &self,
        directory: Place,
        names: Vec<String>,
        console: &Console,
    ) -> anyhow::Result<Plan> {
        let aws = Arc::new(Aws::offline(console)?);
        let path = directory.path().unwrap_or(std::path::Path::new(".")).to_owned();
        Ok(Plan {
            aws,
            store: Arc::new(Directory::new(path)),
            directory,
            names,
            is_versioned: false,
        })
    }

    fn tell(&self, plan: &Plan, did: &str, console: &Console) -> anyhow::Result<Exit> {
        let places = plan.places();
        if self.json {
            let names: Vec<_> = places.iter().map(ToString::to_string).collect();
            let deleted = if self.dry_run { "would_delete" } else { "deleted" };
            report::json(&json!({ deleted: names, "versioned": plan.is_versioned }))?;
        } else {
            places.iter().try_for_each(report::place)?;
        }
        console.note(&format!("{did} {}", report::count(places.len(), "file")));
        Ok(Exit::Done)
    }
}

/// A bundle's files, the manifest first.
fn names(bundle: &Bundle) -> anyhow::Result<Vec<String>> {
    let parts = bundle.manifest.contents().parts.iter().map(|part| part.filename.clone());
    Ok(std::iter::once(bundle.filename()?.to_owned()).chain(parts).collect())
}

impl Plan {
    /// What the manifest at a place in S3 lists.
    pub(super) fn of_manifest(
        aws: &Arc<Aws>,
        place: &Location,
        console: &Console,
    ) -> anyhow::Result<Plan> {
        let bundle = Bundle::read_with(&Place::S3(place.clone()), || Ok(aws.clone()))?;
        let plan = Plan::of_bundle(bundle)?;
        plan.warn(console);
        Ok(plan)
    }

    /// The parts that a manifest lists which lies elsewhere, and a manifest of its name.
    pub(crate) fn of_listed(
        aws: &Arc<Aws>,
        place: &Location,
        remote: &Remote,
        bundle: &Bundle,
    ) -> anyhow::Result<Plan> {
        let mut plan = Plan::empty(aws, place, remote)?;
        plan.names = names(bundle)?;
        plan.check(bundle)?;
        let manifest = bundle.filename()?;
        // Who may not look deletes it all the same: what is not there is no error.
        let found = plan.aws.run(async { Ok(plan.store.head(manifest).await) })?;
        if let Ok(None) = found {
            plan.names.retain(|name| name != manifest);
        }
        Ok(plan)
    }

    /// What is at that place and called like the files of a bundle of that name.
    pub(crate) fn of_prefix(
        aws: &Arc<Aws>,
        place: &Location,
        remote: &Remote,
        prefix: &str,
    ) -> anyhow::Result<Plan> {
        let mut plan = Plan::empty(aws, place, remote)?;
        plan.find(prefix)?;
        Ok(plan)
    }

    fn empty(aws: &Arc<Aws>, place: &Location, remote: &Remote) -> anyhow::Result<Plan> {
        let is_versioned =
            aws.run(async { Ok(remote.bucket.is_versioned().await == Some(true)) })?;
        let (store, directory) = (remote.store.clone(), Place::S3(place.clone()));
        Ok(Plan { aws: aws.clone(), store, directory, names: Vec::new(), is_versioned })
    }

    fn find(&mut self, prefix: &str) -> anyhow::Result<()> {
        let manifest = manifest_filename(prefix);
        let listed = self.aws.run(async { Ok(self.store.list(prefix).await?) });
        let listed = listed.with_context(|| format!("looking into `{}`", self.directory))?;
        let names = listed.into_iter().map(|entry| entry.name);
        self.names = names.filter(|name| is_bundle_file(name, prefix)).collect();
        // The manifest first.
        self.names.sort_by_key(|name| *name != manifest);
        Ok(())
    }

    fn of_bundle(bundle: Bundle) -> anyhow::Result<Plan> {
        let (names, directory) = (names(&bundle)?, bundle.directory.clone());
        let Some((aws, remote)) = &bundle.remote else {
            return Err(Trouble::failed(format!("`{directory}` is not in S3")).into());
        };
        let is_versioned =
            aws.run(async { Ok(remote.bucket.is_versioned().await == Some(true)) })?;
        let (aws, store) = (aws.clone(), remote.store.clone());
        let mut plan = Plan { aws, store, directory, names, is_versioned };
        plan.check(&bundle)?;
        Ok(plan)
    }

    /// Takes out what is not there, and refuses what a manifest may name that is no part of its bundle.
    fn check(&mut self, bundle: &Bundle) -> anyhow::Result<()> {
        let contents = bundle.manifest.contents();
        let own = manifest_filename(&contents.name);
        let (manifest, store) = (bundle.filename()?.to_owned(), &self.store);
        let begin = common_start(contents.parts.iter().map(|part| part.filename.as_str()));
        let there = self.aws.run(async {
            if manifest != own && store.head(&own).await?.is_some() {
                let place = self.directory.join(&own);
                let what = format!("the parts of `{}` are those of `{place}` too", bundle.place);
                return Err(Trouble::failed(what)
                    .hint(format!("`baler remove {place}` removes that bundle"))
                    .into());
            }
            for part in contents.parts.iter().filter(|part| part_of(&part.filename).is_none()) {
                // Whatever is called like this may be anything.
                let Some(meta) = store.head(&part.filename).await? else { continue };
                let sha1 = match meta.sha1 {
                    Some(sha1) => sha1,
                    None => sha1_of(&store.get(&part.filename, None, MAX_PART_LEN as u64).await?),
                };
                if sha1 != *part.digest.bytes() {
                    let place = self.directory.join(&part.filename);
                    let what = format!(
                        "`{place}`, which the manifest lists, is no part of this bundle; nothing was deleted"
                    );
                    return Err(Trouble::mismatch(what).into());
                }
            }
            // Who may not list deletes all that are named: what is not there is no error.
            let listed = store.list(begin).await.ok();
            let names = |found: Vec<Entry>| found.into_iter().map(|entry| entry.name).collect();
            Ok(listed.map(names))
        })?;
        let there: Option<BTreeSet<String>> = there;
        if let Some(there) = there {
            self.names.retain(|name| *name == manifest || there.contains(name));
        }
        Ok(())
    }

    fn warn(&self, console: &Console) {
        if self.is_versioned {
            console.warn(
                "the bucket keeps versions: what is deleted is only hidden, and goes on costing, until its versions are deleted too",
            );
        }
    }

    /// What to say of a removal that came to an end before its time. The hint is left to the reason.
    pub(crate) fn unfinished(&self) -> Trouble {
        let directory = &self.directory;
        let name = self.names.iter().find_map(|name| name.rsplit_once(".part."));
        Trouble::failed(match name {
            Some((name, _)) => format!(
                "deleting from `{directory}` (`baler remove --prefix {name} {directory}` deletes what is left)"
            ),
            None => format!("deleting from `{directory}`"),
        })
    }

    /// Where the files are that will be deleted.
    pub(super) fn places(&self) -> Vec<Place> {
        self.names.iter().map(|name| self.directory.join(name)).collect()
    }

    /// The first alone, and then the others, some at a time.
    pub(crate) fn delete(&self) -> anyhow::Result<()> {
        let Some((first, rest)) = self.names.split_first() else { return Ok(()) };
        self.aws.run(async {
            self.store.delete(first).await?;
            let mut tasks = tokio::task::JoinSet::new();
            for name in rest {
                interrupt::check()?;
                if tasks.len() >= IN_FLIGHT
                    && let Some(done) = tasks.join_next().await
                {
                    done.context("waiting")??;
                }
                let (store, name) = (self.store.clone(), name.clone());
                tasks.spawn(async move { anyhow::Ok(store.delete(&name).await?) });
            }
            while let Some(done) = tasks.join_next().await {
                done.context("waiting")??;
            }
            Ok(())
        })
    }
}

/// Asks whether all that is to go.
fn ask(plan: &Plan, console: &Console) -> anyhow::Result<bool> {
    let files = report::count(plan.names.len(), "file");
    for place in plan.places() {
        console.note(&format!("  {place}"));
    }
    console.confirm(&format!("delete {files} for ever?"))?.ok_or_else(|| {
        Trouble::usage(format!("deleting {files} from `{}` has to be confirmed", plan.directory))
            .hint("pass --yes; --dry-run lists them")
            .into()
    })
}
