//! A root tree becomes an image: what the verbs do with a directory.

use std::path::{Path, PathBuf};

use anyhow::Context;
use baler_ext4::{FileSystem, Plan, Profile, Time};
use baler_image::Image;
use baler_volume::fstab::NewRoot;
use baler_volume::lint::{Finding, Severity, Subject, lint};
use baler_volume::{
    Change, DiskImage, Filter, Follow, Layout, Mounts, Patterns, Troubles, Walk, WalkError,
    WalkEvent, WalkOptions, walk,
};

use uuid::Uuid;

use crate::exit::Trouble;
use crate::interrupt;
use crate::machine;
use crate::report::{self, Console};
use args::{FilterArg, VolumeArgs};

pub(crate) mod args;

mod boot;

mod edits;

mod facts;

mod format;

mod site;

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
    /// Whether a report that is there may be overwritten.
    pub(crate) overwrite: bool,
}

/// A tree that is ready to be read as an image.
pub(crate) struct Volume {
    image: Box<dyn Image>,
    outcome: Outcome,
    facts: facts::Facts,
    /// What is left out or changed.
    pub(crate) changes: Vec<Change>,
    /// `/etc/fstab` in the image.
    pub(crate) fstab: String,
}

/// What can be said of the tree's files when the image was read.
pub(crate) struct Outcome {
    troubles: Troubles,
    report: Option<tell::Report>,
}

impl Outcome {
    /// Tells which files were not read as they were seen; returns their number.
    pub(crate) fn tell(&self, console: &Console) -> anyhow::Result<usize> {
        let troubles = self.troubles.list();
        tell::troubles(&troubles, console);
        if let Some(report) = &self.report {
            report.complete(&troubles)?;
        }
        Ok(troubles.len())
    }
}

impl Volume {
    pub(crate) fn image(&mut self) -> &mut dyn Image {
        &mut *self.image
    }

    pub(crate) fn into_image(self) -> (Box<dyn Image>, Outcome) {
        (self.image, self.outcome)
    }

    /// Where the file system begins in the image, and its length.
    pub(crate) fn root_place(&self) -> (u64, u64) {
        self.facts.root_place()
    }

    /// How the disk is divided: `mbr`, `gpt` or `none`.
    pub(crate) fn division(&self) -> &'static str {
        self.facts.division()
    }

    /// What would be done, as `--dry-run` prints it.
    pub(crate) fn text(&self) -> String {
        self.facts.text()
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> serde_json::Value {
        self.facts.json()
    }
}

/// Walks a tree and plans its image; no file is read but those that the filter and the boot chain look into.
pub(crate) fn open(request: &Request<'_>, console: &Console) -> anyhow::Result<Volume> {
    let mounts = what_is_mounted(console)?;
    let site = site::Site::find(request, &mounts, console)?;
    site.check_sizes(request.args)?;
    let mut walk = gather(request, &mounts, console)?;
    if machine::is_clock_stopped() {
        walk.tree.forget_reading();
    }
    tell::changes(&walk, console);
    let report = write_report(&walk, request)?;
    check_readable(&walk, request)?;
    let boot = boot::choose(request, &site, &mounts, &walk.tree, console)?;
    let options = site.options(request, &boot, &walk.tree, console)?;
    let old_fs = site.fs_type();
    let root = edits::apply(request, &boot, &options, old_fs, &mut walk, console)?;
    let length = site.length(request, &walk.tree, &options, console);
    let layout = boot.layout(length, options.uuid).context("dividing the disk")?;
    let options = site.sized(request.args, options, layout.root_len);
    let findings = look_over(&mut walk, &layout, &root, options.profile, old_fs);
    tell::findings(&findings, console);
    check_bootable(&findings, old_fs, request)?;
    let facts = facts::Facts::new(request, &walk, &layout, &options, findings);
    let fstab = edits::read(&mut walk, b"etc/fstab").unwrap_or_default();
    let fstab = String::from_utf8_lossy(&fstab).into_owned();
    let Walk { tree, files, changes } = walk;
    let troubles = files.troubles();
    let plan = Plan::new(tree, options).map_err(|error| site::does_not_fit(error, &layout))?;
    let facts = facts.planned(&plan);
    console.note(&facts.summary());
    let image: Box<dyn Image> = match layout.table {
        None => Box::new(FileSystem::new(plan, files)),
        Some(_) => {
            let file_system = FileSystem::new(plan, files);
            Box::new(DiskImage::new(layout.len, layout.pieces, file_system, layout.start))
        }
    };
    Ok(Volume { image, outcome: Outcome { troubles, report }, facts, changes, fstab })
}

/// Prints what happens to each path, and why.
pub(crate) fn list(request: &Request<'_>, json: bool, console: &Console) -> anyhow::Result<()> {
    let mounts = what_is_mounted(console)?;
    let mut lines = tell::Lines::new(json);
    let result = walk_with(request, &mounts, &mut |event| {
        interrupt::check()?;
        lines.add(&event)
    });
    let walk = result.context("listing what would happen")?;
    lines.finish()?;
    write_report(&walk, request)?;
    Ok(())
}

fn write_report(walk: &Walk, request: &Request<'_>) -> anyhow::Result<Option<tell::Report>> {
    let path = request.args.report.as_deref();
    path.map(|path| tell::Report::write(path, walk, request.overwrite)).transpose()
}

/// What is mounted; without `/proc`, as in a bare chroot, everything is taken for one file system.
fn what_is_mounted(console: &Console) -> anyhow::Result<Mounts> {
    match Mounts::of_this_process() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            console.warn(
                "/proc is not mounted: what is mounted below the root cannot be told from it",
            );
            Ok(Mounts::default())
        }
        result => result.context("reading what is mounted"),
    }
}

fn gather(request: &Request<'_>, mounts: &Mounts, console: &Console) -> anyhow::Result<Walk> {
    let progress = console.counter(format!("walking {}", request.root.display()), "entries");
    let walk = walk_with(request, mounts, &mut |_| {
        progress.add(1);
        interrupt::check()
    })?;
    Ok(walk)
}

fn walk_with(
    request: &Request<'_>,
    mounts: &Mounts,
    on_event: &mut dyn FnMut(WalkEvent<'_>) -> std::io::Result<()>,
) -> anyhow::Result<Walk> {
    let args = request.args;
    let patterns = Patterns::new(&args.exclude, &args.exclude_tree, &args.include)
        .context(Trouble::usage("reading the patterns").hint(
            "patterns are the shell's: `*`, `**`, `?`, `[a-z]`, `{a,b}`; a backslash takes a character as it is",
        ))?;
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
        mounts: mounts.clone(),
        follow,
        patterns,
        filter,
        never: request.never.iter().chain(&args.report).cloned().collect(),
        tolerate: args.tolerate,
        now: Time { seconds: request.now as i64, nanos: 0 },
    };
    walk(request.root, &options, on_event).map_err(|error| match error {
        WalkError::Stopped(source) => source.into(),
        WalkError::Root { ref source, .. } => {
            let hint = match source.kind() {
                std::io::ErrorKind::PermissionDenied => "become root, or name a tree that is yours",
                _ => "name the directory that holds the root tree, / for this machine",
            };
            anyhow::Error::new(error).context(Trouble::failed("walking the tree").hint(hint))
        }
        error => error.into(),
    })
}

/// Looks for what would keep the image from booting.
fn look_over(
    walk: &mut Walk,
    layout: &Layout,
    root: &NewRoot,
    profile: Profile,
    old_fs: Option<&str>,
) -> Vec<Finding> {
    /// An initramfs has some 100 MiB at most.
    const MOST: u64 = 256 << 20;
    let Walk { tree, files, .. } = walk;
    let subject = Subject { tree, layout, root, profile, old_fs };
    lint(&subject, &mut |node| edits::read_node(tree, files, node, MOST).ok())
}

/// Refuses to replace a file system that is not ext2, ext3 or ext4 by one with which the machine would not boot.
fn check_bootable(
    findings: &[Finding],
    old_fs: Option<&str>,
    request: &Request<'_>,
) -> anyhow::Result<()> {
    let is_other = old_fs.is_some_and(|fs_type| !fs_type.starts_with("ext"));
    let wants_none = request.args.bootloader == args::BootloaderArg::None;
    let error = findings.iter().find(|finding| finding.severity == Severity::Error);
    match error.filter(|_| is_other && !wants_none) {
        Some(error) => Err(Trouble::failed(format!(
            "the root is {} and would be ext4 in the image, which would not boot: {}",
            old_fs.unwrap_or_default(),
            error.text
        ))
        .hint("repair that first; or pass --bootloader none for an image that need not boot; or bundle the disk itself, block by block, on another machine")
        .into()),
        None => Ok(()),
    }
}

/// Refuses a tree of which something could not be read.
fn check_readable(walk: &Walk, request: &Request<'_>) -> anyhow::Result<()> {
    let count = walk.unreadable().count();
    let Some(first) = walk.unreadable().next().filter(|_| !request.args.tolerate) else {
        return Ok(());
    };
    let what = match count {
        1 => String::new(),
        count => format!(", and {}", report::count(count - 1, "other")),
    };
    Err(Trouble::failed(format!(
        "`{}` is {}{what}",
        request.root.join(tell::path(&first.path)).display(),
        first.reason
    ))
    .hint("become root, or pass --tolerate to leave out what cannot be read")
    .into())
}

/// An identifier that nobody else has.
pub(crate) fn random_uuid() -> anyhow::Result<Uuid> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("making a UUID")?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}
