//! A root tree becomes an image: what the verbs do with a directory.

use std::path::{Path, PathBuf};

use anyhow::Context;
use baler_ext4::{FileSystem, Options, Plan, Profile, Time};
use baler_image::Image;
use baler_volume::{
    Filter, Follow, Mounts, Patterns, Troubles, Walk, WalkError, WalkEvent, WalkOptions,
    walk,
};

use crate::exit::Trouble;
use crate::interrupt;
use crate::report::{self, Console};
use uuid::Uuid;
use args::{FilterArg, VolumeArgs};

pub(crate) mod args;

mod tell;

/// What is to be made of which tree.
pub(crate) struct Request<'a> {
    pub(crate) root: &'a Path,
    pub(crate) args: &'a VolumeArgs,
    /// The length of the image, if it was said.
    pub(crate) size: Option<u64>,
    /// What must not be in it: the bundle or the image itself, keys.
    pub(crate) never: Vec<PathBuf>,
    pub(crate) now: u64,
}

/// A tree that is ready to be read as an image.
pub(crate) struct Volume {
    image: Box<dyn Image>,
    outcome: Outcome,
    facts: tell::Facts,
}

/// What can be said of the tree's files when the image was read.
pub(crate) struct Outcome {
    troubles: Troubles,
}

impl Outcome {
    /// Tells which files were not read as they were seen; returns their number.
    pub(crate) fn tell(&self, console: &Console) -> usize {
        tell::troubles(&self.troubles.list(), console)
    }
}

impl Volume {
    pub(crate) fn image(&mut self) -> &mut dyn Image {
        &mut *self.image
    }

    pub(crate) fn into_image(self) -> (Box<dyn Image>, Outcome) {
        (self.image, self.outcome)
    }

    /// `--dry-run`: what would be done.
    pub(crate) fn print(&self, json: bool) -> anyhow::Result<()> {
        self.facts.print(json)
    }
}

/// Walks a tree and plans its image; no file is read but those that the filter and the boot chain look into.
pub(crate) fn open(request: &Request<'_>, console: &Console) -> anyhow::Result<Volume> {
    let walk = gather(request, console)?;
    tell::changes(&walk, console);
    if let Some(path) = &request.args.report {
        tell::write_report(path, &walk)?;
    }
    check_readable(&walk, request)?;
    prepare(walk, request, console)
}

/// Prints what happens to each path, and why.
pub(crate) fn list(request: &Request<'_>) -> anyhow::Result<()> {
    let mut lines = tell::Lines::new();
    let result = walk_with(request, &mut |event| {
        interrupt::check()?;
        lines.add(&event)
    });
    let walk = result?;
    lines.finish()?;
    if let Some(path) = &request.args.report {
        tell::write_report(path, &walk)?;
    }
    Ok(())
}

fn gather(request: &Request<'_>, console: &Console) -> anyhow::Result<Walk> {
    let progress = console.counter(format!("walking {}", request.root.display()), "entries");
    let walk = walk_with(request, &mut |_| {
        progress.add(1);
        interrupt::check()
    })?;
    Ok(walk)
}

fn walk_with(
    request: &Request<'_>,
    on_event: &mut dyn FnMut(WalkEvent<'_>) -> std::io::Result<()>,
) -> anyhow::Result<Walk> {
    let args = request.args;
    let patterns = Patterns::new(&args.exclude, &args.exclude_tree, &args.include)
        .context(Trouble::usage("reading the patterns"))?;
    let follow = match (args.one_file_system, args.all) {
        (true, _) => Follow::OneFileSystem,
        (false, true) => Follow::All,
        (false, false) => Follow::Local,
    };
    let filter = match args.filter {
        FilterArg::Content => Filter::Content,
        FilterArg::Classic => Filter::Classic,
        FilterArg::None => Filter::None,
    };
    let options = WalkOptions {
        mounts: Mounts::of_this_process().context("reading what is mounted")?,
        follow,
        patterns,
        filter,
        never: request.never.clone(),
        tolerate: args.tolerate,
        now: Time { seconds: request.now as i64, nanos: 0 },
    };
    walk(request.root, &options, on_event).map_err(|error| match error {
        WalkError::Stopped(source) => source.into(),
        error => error.into(),
    })
}

/// Refuses a tree of which something could not be read.
fn check_readable(walk: &Walk, request: &Request<'_>) -> anyhow::Result<()> {
    let count = walk.unreadable().count();
    let Some(first) = walk.unreadable().next().filter(|_| !request.args.tolerate) else {
        return Ok(());
    };
    let what = match count {
        1 => String::new(),
        count => format!(", and {} more", report::count(count - 1, "entry")),
    };
    Err(Trouble::failed(format!(
        "`{}` is {}{what}",
        request.root.join(tell::path(&first.path)).display(),
        first.reason
    ))
    .hint("become root, or pass --tolerate to leave out what cannot be read")
    .into())
}

fn prepare(walk: Walk, request: &Request<'_>, console: &Console) -> anyhow::Result<Volume> {
    let Walk { tree, files, changes, .. } = walk;
    let troubles = files.troubles();
    let now = Time { seconds: request.now as i64, nanos: 0 };
    let uuid = request.args.uuid.map_or_else(random_uuid, Ok)?;
    let hash_seed = request.args.hash_seed.map_or_else(random_uuid, Ok)?;
    let mut options = Options::new(0, Profile::Modern, uuid, hash_seed, now);
    options.len = request.size.unwrap_or_else(|| Plan::enough(&tree, &options) * 5 / 4);
    options.len = options.len.next_multiple_of(1 << 20);
    let plan = Plan::new(tree, options).context("planning the file system")?;
    let usage = plan.usage();
    console.note(&format!("{usage:?}"));
    let facts = tell::Facts { changes: changes.len() };
    let image = Box::new(FileSystem::new(plan, files));
    Ok(Volume { image, outcome: Outcome { troubles }, facts })
}

/// An identifier that nobody else has.
fn random_uuid() -> anyhow::Result<Uuid> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("making a UUID")?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}
