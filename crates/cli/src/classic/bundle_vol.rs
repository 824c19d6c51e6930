//! `ec2-bundle-vol`: the machine that runs, or a mounted root, becomes a bundle.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use anyhow::Context;
#[cfg(feature = "aws")]
use baler::instance;
use baler::text::count;
use baler::{ImageJob, Input, MAX_IMAGE, Provenance};
use baler_volume::filter::Filter;
use baler_volume::recipe::{ClassicFstab, Fstab};
use baler_volume::walk::{Change, Follow, Reason};
use baler_volume::{Division, Recipe, Volume};

use super::bundle;
use super::check;
use super::command::{COMMON, Command, Tools};
use super::fail::{Code, Failure, Usage};
use super::options::{Options, Spec, Takes, anything, flag, value};
use super::session::{Session, given, require};
use crate::args::volume::read_text;
use crate::report::say;
use crate::streams;

pub(super) static COMMAND: Command = Command {
    name: "ec2-bundle-vol",
    tools: Tools::Ami,
    aliases: &[],
    about: "Bundle this machine, or a mounted root: make an image of it, and bundle the image",
    usage: "-c PATH -k PATH -u ACCOUNT [OPTIONS]",
    new: "baler bundle / DIR",
    options: &[OWN, bundle::OPTIONS, COMMON],
    notes: "The image goes straight into the bundle. Only --clone-only and --script make an image file, DIR/PREFIX, which is \
            kept. Hard links, ACLs and files at the top whose names begin with a dot are copied too. An excluded \
            directory stays, but empty.",
    run,
};

const OWN: &[Spec] = &[
    flag("all", "Include file systems that are not local", "--all").short('a'),
    value(
        Some('e'),
        "exclude",
        "PATH,...",
        anything,
        "Leave out these paths of the volume; * and ? work as in the shell",
        "--exclude",
    ),
    value(
        Some('i'),
        "include",
        "PATH,...",
        anything,
        "Keep these files, even if they are filtered or excluded",
        "--include",
    ),
    flag(
        "no-filter",
        "Keep files that look like keys, swap files or histories by their names",
        "--filter none",
    ),
    value(
        Some('p'),
        "prefix",
        "PREFIX",
        check::name,
        "The bundle's name [default: image]",
        "--name",
    ),
    value(
        Some('s'),
        "size",
        "MB",
        check::number,
        "The image's length in MiB, at most 10240 [default: 10240]",
        "--size",
    ),
    Spec {
        takes: Takes::Switch,
        ..flag(
            "inherit",
            "Take kernel, ramdisk, product codes, mapping and ancestors from the instance's metadata",
            "--no-inherit",
        )
    },
    value(
        Some('v'),
        "volume",
        "DIR",
        check::directory,
        "The root [default: /]",
        "the first argument",
    ),
    Spec {
        takes: Takes::Word("TYPE", &["mbr", "gpt", "none"]),
        ..flag(
            "partition",
            "The partition table [default: that of the volume's disk]",
            "--partition",
        )
    }
    .short('P'),
    value(
        Some('S'),
        "script",
        "FILE",
        check::program,
        "Run this program with the directory where the image is mounted",
        "baler image --script",
    ),
    value(None, "fstab", "PATH", check::file, "Replace /etc/fstab with this file", "--fstab"),
    flag("generate-fstab", "Replace /etc/fstab with a new file", "--generate-fstab"),
    value(
        None,
        "grub-config",
        "PATH",
        check::file,
        "Replace /boot/grub/menu.lst with this file, if there is a partition table",
        "a file in the tree",
    ),
    flag("clone-only", "Make the image DIR/PREFIX, and no bundle", "baler image / FILE"),
];

/// What is never copied, but for the directory itself.
const ALWAYS: [&str; 5] = ["/dev", "/media", "/mnt", "/proc", "/sys"];

/// How long the image is if nobody says, and the most that EC2 takes: in MiB.
const MOST: u64 = 10_240;

fn run(session: &Session, options: Options) -> anyhow::Result<()> {
    let job = Job::new(session, &options)?;
    if job.is_left() {
        job.through_file(session, &options)
    } else {
        job.straight(session, &options)
    }
}

/// What is to be done.
struct Job {
    recipe: Recipe,
    directory: PathBuf,
    name: String,
    /// What was typed of excludes.
    excluded: Vec<String>,
    /// The menu of GRUB that was named.
    menu: Option<PathBuf>,
    script: Option<PathBuf>,
    is_clone_only: bool,
    is_auto: bool,
    /// What the manifest says, and the metadata that could not be read for it.
    known: Option<(Provenance, Vec<&'static str>)>,
}

impl Job {
    fn new(session: &Session, options: &Options) -> anyhow::Result<Job> {
        let is_clone_only = options.has("clone-only");
        if !is_clone_only {
            require(options, &["cert", "privatekey", "user"])?;
        }
        if options.has("generate-fstab") && options.has("fstab") {
            return Err(Usage("--fstab and --generate-fstab exclude each other".to_owned()).into());
        }
        let root = PathBuf::from(options.os("volume").unwrap_or(OsStr::new("/")));
        let excludes = paths(options, "exclude", &root)?;
        let includes = paths(options, "include", &root)?;
        let directory = bundle::destination(options)?;
        let name = options.text("prefix").unwrap_or_else(|| "image".to_owned());
        let size = options.text("size").and_then(|size| size.parse().ok()).unwrap_or(MOST);
        if size > MOST && !options.has("no-size-checks") {
            let what = format!("the image would have {size} MiB, and EC2 takes at most {MOST}");
            return Err(Failure::new(Code::Other, what).into());
        }
        let (arch, known) = if is_clone_only {
            (given(options, "arch").unwrap_or_default(), None)
        } else {
            let arch = bundle::architecture(session, options)?;
            let mut known = bundle::provenance(options, arch.clone())?;
            let missing = if options.switch("inherit").unwrap_or(true) {
                inherit(&mut known, session)?
            } else {
                Vec::new()
            };
            (arch, Some((known, missing)))
        };
        let mut recipe = recipe(session, options, &root, &arch)?;
        recipe.length = Some(size.saturating_mul(1 << 20));
        recipe.exclude.extend(excludes);
        recipe.include = includes;
        let is_disk = recipe.division != Some(Division::None);
        let menu = options.os("grub-config").map(PathBuf::from).filter(|_| is_disk);
        let stop = &session.face.stop;
        recipe.menu = menu.as_ref().map(|path| read_text(path, "GRUB menu", stop)).transpose()?;
        let excluded = listed(options, "exclude").map(|item| item.to_string_lossy().into_owned());
        let mut job = Job {
            recipe,
            directory,
            name,
            excluded: excluded.collect(),
            menu,
            script: options.os("script").map(PathBuf::from),
            is_clone_only,
            is_auto: !options.has("partition"),
            known,
        };
        job.recipe.never.extend(job.never(session, options));
        Ok(job)
    }

    /// Whether the image is wanted as a file.
    fn is_left(&self) -> bool {
        self.is_clone_only || self.script.is_some()
    }

    fn image(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// What must not be in the image: itself, the bundle, and the user's key.
    fn never(&self, session: &Session, options: &Options) -> Vec<PathBuf> {
        let bundle = baler_bundle::bundle_files(&self.directory, &self.name).unwrap_or_default();
        let image = self.image();
        let image = image.symlink_metadata().is_ok().then_some(image);
        let left = baler_bundle::leftovers(&self.directory).unwrap_or_default();
        let own = bundle.into_iter().chain(image).chain(left);
        own.chain(session.keys(options).private_paths()).collect()
    }

    /// The tree goes into the bundle as it is read.
    fn straight(self, session: &Session, options: &Options) -> anyhow::Result<()> {
        self.say_partition(session)?;
        let Some((known, missing)) = self.known.clone() else { return Ok(()) };
        let (run, root) = (session.run(), &self.recipe.root);
        let mut job = bundle::job(session, options, root, known, &self.directory, &self.name)?;
        job.length = self.recipe.length;
        job.recipe = Some(self.recipe.clone());
        let plan = job.plan(&run)?;
        let input = plan.open(&run)?;
        if let Input::Tree(tree) = &input {
            self.say_plan(session, tree.volume(), &self.name)?;
        }
        bundle::make(session, plan, input, &missing)
    }

    /// The image becomes a file, and that a bundle.
    fn through_file(self, session: &Session, options: &Options) -> anyhow::Result<()> {
        let image = self.image();
        if image.symlink_metadata().is_ok() {
            let what = format!("`{}` exists, and the image needs this name", image.display());
            return Err(Failure::new(Code::Other, what).into());
        }
        self.say_partition(session)?;
        let run = session.run();
        let mut job = ImageJob::new(self.recipe.clone(), image.clone());
        job.script.clone_from(&self.script);
        job.script_output = Some(streams::errors()?);
        let mut plan = job.plan(&run)?;
        self.say_plan(session, plan.tree().volume(), &image.display().to_string())?;
        if let Some(script) = &self.script {
            let script = script.canonicalize().unwrap_or_else(|_| script.clone());
            session.line(&format!("Customizing cloned volume with script {}", script.display()))?;
        }
        let made = job.write(plan, &run);
        made.with_context(|| Failure::new(Code::Failed, "the image was not made"))?;
        session.line(&format!("Image file created: {}", image.display()))?;
        session.line("Volume cloning done.")?;
        let Some((known, missing)) = self.known else {
            session.line("Bundling is skipped, because of \"--clone-only\".")?;
            return session.complete();
        };
        let job = bundle::job(session, options, &image, known, &self.directory, &self.name)?;
        let plan = job.plan(&run)?;
        let input = plan.open(&run)?;
        bundle::make(session, plan, input, &missing)
    }

    fn say_partition(&self, session: &Session) -> anyhow::Result<()> {
        let root = self.recipe.root.display();
        if self.recipe.division == Some(Division::None) {
            return session.line("Not partitioning boot device.");
        }
        session.line(&format!("Setting partition type to bundle \"{root}\" with..."))?;
        if self.is_auto {
            session.line(&format!("Auto-detecting partition type for \"{root}\""))?;
        }
        Ok(())
    }

    /// What was found, and what will be done.
    fn say_plan(&self, session: &Session, volume: &Volume, image: &str) -> anyhow::Result<()> {
        let division = volume.division();
        if self.recipe.division != Some(Division::None) {
            if self.is_auto {
                session.line(&format!("Partition label detected: \"{division}\""))?;
            }
            session.line(&format!("Using partition type \"{division}\""))?;
        }
        session.line(&format!(
            "Copying {} into the image file {image}...",
            self.recipe.root.display()
        ))?;
        session.line("Excluding: ")?;
        for path in self.left_out(volume) {
            session.indented(&path)?;
        }
        if !matches!(self.recipe.fstab, Fstab::Keep) {
            session.line("/etc/fstab:")?;
            volume.fstab().lines().try_for_each(|line| session.indented(line))?;
        }
        if division != Division::None {
            session.line(&format!("Installing GRUB on root device with {division} boot scheme"))?;
            match &self.menu {
                Some(path) => {
                    session.line(&format!("Using user supplied grub config {}", path.display()))?
                }
                None => session.line("Using default grub config")?,
            }
        }
        tell_filtered(volume.changes());
        Ok(())
    }

    /// Paths whose contents are not copied.
    fn left_out(&self, volume: &Volume) -> Vec<String> {
        let mut all: Vec<String> = ALWAYS.map(str::to_owned).into();
        if self.is_left() {
            all.push(self.image().display().to_string());
        }
        all.extend(self.excluded.iter().cloned());
        let mounts = volume.changes().iter().filter(|change| change.reason.word() == "mount");
        all.extend(mounts.map(|change| format!("/{}", String::from_utf8_lossy(&change.path))));
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|path| seen.insert(path.clone()));
        all
    }
}

/// What the filter took, which the old tool never said.
fn tell_filtered(changes: &[Change]) {
    const TOLD: usize = 8;
    let is_filtered = |change: &&Change| matches!(change.reason, Reason::Classic(_));
    let filtered: Vec<_> = changes.iter().filter(is_filtered).collect();
    if filtered.is_empty() {
        return;
    }
    for change in filtered.iter().take(TOLD) {
        say(&format!("filtered: /{} ({})", String::from_utf8_lossy(&change.path), change.reason));
    }
    let files = count(filtered.len(), "path");
    say(&format!("{files} filtered by name; --no-filter keeps them, -i some of them"));
}

/// What is inherited from the instance. One without metadata ends the run before anything is read.
#[cfg(feature = "aws")]
fn inherit(known: &mut Provenance, session: &Session) -> anyhow::Result<Vec<&'static str>> {
    let unreachable = || {
        Failure::new(
            Code::Metadata,
            "the instance's metadata cannot be read; with --no-inherit it is not needed",
        )
    };
    let run = session.run();
    let found = run.wait(async {
        let Some(metadata) = instance::metadata(&run).await? else { return Ok(None) };
        Ok(Some(instance::inherit_image(&metadata, known, &run).await?))
    });
    found.with_context(unreachable)?.with_context(unreachable)
}

/// There is nobody to inherit from.
#[cfg(not(feature = "aws"))]
fn inherit(_: &mut Provenance, _: &Session) -> anyhow::Result<Vec<&'static str>> {
    let what = "this baler was built without the feature `aws`, and cannot read metadata; with --no-inherit it is not needed";
    Err(Failure::new(Code::Metadata, what).into())
}

fn recipe(session: &Session, options: &Options, root: &Path, arch: &str) -> anyhow::Result<Recipe> {
    let environment = &session.face.environment;
    let mut recipe = Recipe::new(root);
    recipe.now = environment.now()?;
    recipe.forget_access_times = environment.is_clock_stopped();
    recipe.temporary.clone_from(&environment.temporary);
    recipe.longest = MAX_IMAGE;
    recipe.exclude = ALWAYS.map(str::to_owned).into();
    recipe.filter = if options.has("no-filter") { Filter::None } else { Filter::Classic };
    recipe.follow = if options.has("all") { Follow::All } else { Follow::Local };
    recipe.division = match options.text("partition").as_deref() {
        Some("mbr") => Some(Division::Mbr),
        Some("gpt") => Some(Division::Gpt),
        Some(_) => Some(Division::None),
        None if is_mount_point(root) => None,
        // As the old tool: a directory is on no disk whose division could be taken over.
        None => Some(Division::Gpt),
    };
    let is_i386 = given(options, "arch").is_some() && arch == "i386";
    let variant = if is_i386 { ClassicFstab::I386 } else { ClassicFstab::Default };
    recipe.fstab = match options.os("fstab") {
        Some(path) => Fstab::Replace(read_text(Path::new(path), "fstab", &session.face.stop)?),
        None if options.has("generate-fstab") => Fstab::Classic(variant),
        None => Fstab::Keep,
    };
    recipe.keep_old_fstab = !matches!(recipe.fstab, Fstab::Keep);
    Ok(recipe)
}

fn is_mount_point(path: &Path) -> bool {
    let device = |path: &Path| path.metadata().map(|found| (found.dev(), found.ino())).ok();
    let (own, above) = (device(path), device(&path.join("..")));
    match (own, above) {
        // The root lies in itself.
        (Some(own), Some(above)) => own.0 != above.0 || own.1 == above.1,
        _ => false,
    }
}

/// The last list of paths, as patterns from the volume's root; each has to be there.
fn paths(options: &Options, long: &str, root: &Path) -> anyhow::Result<Vec<String>> {
    listed(options, long).map(|item| pattern(long, item, root)).collect()
}

fn listed<'a>(options: &'a Options, long: &str) -> impl Iterator<Item = &'a OsStr> {
    let list = options.os(long).unwrap_or_default().as_bytes();
    list.split(|byte| *byte == b',').filter(|item| !item.is_empty()).map(OsStr::from_bytes)
}

fn pattern(long: &str, item: &OsStr, root: &Path) -> anyhow::Result<String> {
    let shown = item.to_string_lossy().into_owned();
    let wrong = |why: &str| Usage(format!("--{long} has invalid value '{shown}': {why}"));
    let mut bare = PathBuf::new();
    for part in Path::new(item).components() {
        match part {
            Component::Normal(name) => bare.push(name),
            Component::RootDir | Component::CurDir => {}
            _ => return Err(wrong("it contains `..`").into()),
        }
    }
    if bare.as_os_str().is_empty() {
        return Err(wrong("it is the whole volume").into());
    }
    let text = bare.to_str().ok_or_else(|| wrong("it is not UTF-8"))?;
    if root.join(text).symlink_metadata().is_ok() {
        return Ok(format!("/{}", escaped(text)));
    }
    // A pattern may stand for nothing: an empty directory is none to fail for.
    if text.contains(['*', '?', '[', '{']) {
        Ok(format!("/{text}"))
    } else {
        Err(wrong("it is not in the volume").into())
    }
}

/// A path whose special characters mean themselves.
fn escaped(path: &str) -> String {
    let special = |c| matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | '!');
    path.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}
