//! `ec2-bundle-vol`: the machine that runs, or a mounted root, becomes a bundle.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use anyhow::Context;
use baler_volume::recipe::ClassicFstab;
use baler_volume::walk::{Change, Reason};

use super::bundle;
use super::bundle_image;
use super::check;
use super::fail::{Code, Failure, Usage};
use super::options::{Options, Spec, Takes, anything, flag, value};
use super::session::{Session, require};
use super::{COMMON, Command, Tools};
use crate::args::volume::{Classic, FilterArg, PartitionArg, VolumeArgs};
use crate::cmd::image;
use crate::input::Input;
use crate::machine;
use crate::report::say;
use crate::volume::{self, Request, Volume};

pub(super) static COMMAND: Command = Command {
    name: "ec2-bundle-vol",
    tools: Tools::Ami,
    aliases: &[],
    about: "Bundle the machine that runs, or a root that is mounted: make an image of it, and a bundle of that",
    usage: "-c PATH -k PATH -u ACCOUNT [OPTIONS]",
    new: "baler bundle / DIR",
    options: &[OWN, bundle::OPTIONS, COMMON],
    notes: "The image goes straight into the bundle: there is no file of it, unless --clone-only or --script wants one, which is \
            then DIR/PREFIX and stays. Hard links, ACLs and files at the top whose names begin with a dot are copied too. \
            A directory that is excluded stays as an empty directory.",
    run,
};

const OWN: &[Spec] = &[
    flag("all", "Follow file systems that are not local too", "--all").short('a'),
    value(
        Some('e'),
        "exclude",
        "PATH,...",
        anything,
        "Leave out these paths of the volume; * and ? stand for what the shell's do",
        "--exclude",
    ),
    value(
        Some('i'),
        "include",
        "PATH,...",
        anything,
        "Keep these files, whatever is filtered and excluded",
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
            "How the disk is divided [default: as the one that the volume is on]",
            "--partition",
        )
    }
    .short('P'),
    value(
        Some('S'),
        "script",
        "FILE",
        check::program,
        "Run this program on the image, with the directory where it is mounted",
        "baler image --script",
    ),
    value(
        None,
        "fstab",
        "PATH",
        check::file,
        "Put this file in the place of /etc/fstab",
        "--fstab",
    ),
    flag("generate-fstab", "Put a new file in the place of /etc/fstab", "--generate-fstab"),
    value(
        None,
        "grub-config",
        "PATH",
        check::file,
        "Put this file in the place of /boot/grub/menu.lst, on a disk that is divided",
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
    match job.is_left() {
        true => job.through_file(session, &options),
        false => job.straight(session, &options),
    }
}

/// What is to be done.
struct Job {
    root: PathBuf,
    directory: PathBuf,
    name: String,
    size: u64,
    volume: VolumeArgs,
    /// What was typed of excludes.
    excluded: Vec<String>,
    script: Option<PathBuf>,
    is_clone_only: bool,
    is_auto: bool,
    /// The manifest, and what could not be inherited.
    manifest: Option<(baler_manifest::Contents, Vec<&'static str>)>,
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
        let arch = match is_clone_only {
            true => super::session::given(options, "arch").unwrap_or_default(),
            false => bundle::architecture(session, options)?,
        };
        let wants_inherit = options.switch("inherit").unwrap_or(true) && !is_clone_only;
        let manifest = match is_clone_only {
            true => None,
            false => {
                let mut contents = bundle::contents(options, &name, arch.clone())?;
                let missing = match wants_inherit {
                    true => machine::wait(inherit(&mut contents))?,
                    false => Vec::new(),
                };
                Some((contents, missing))
            }
        };
        let is_auto = !options.has("partition");
        let volume = volume_args(options, &root, (&excludes, includes), &arch);
        Ok(Job {
            root,
            directory,
            name,
            size: size.saturating_mul(1 << 20),
            volume,
            excluded: listed(options, "exclude")
                .map(|item| item.to_string_lossy().into_owned())
                .collect(),
            script: options.os("script").map(PathBuf::from),
            is_clone_only,
            is_auto,
            manifest,
        })
    }

    /// Whether the image is wanted as a file.
    fn is_left(&self) -> bool {
        self.is_clone_only || self.script.is_some()
    }

    fn image(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// What must not be in the image: itself, the bundle, and the user's key.
    fn never(&self, options: &Options) -> Vec<PathBuf> {
        let bundle = baler_bundle::bundle_files(&self.directory, &self.name).unwrap_or_default();
        let key = options.os("privatekey").map(Path::new);
        let image = self.image();
        let image = image.symlink_metadata().is_ok().then_some(image);
        let left = baler_bundle::leftovers(&self.directory).unwrap_or_default();
        let own = bundle.into_iter().chain(image).chain(left);
        own.chain(crate::keys::private_paths(key)).collect()
    }

    /// The tree goes into the bundle as it is read.
    fn straight(self, session: &Session, options: &Options) -> anyhow::Result<()> {
        self.say_partition(session)?;
        let (root, args, now) = (&*self.root, &self.volume, machine::now()?);
        let never = self.never(options);
        let request = Request { root, args, size: Some(self.size), never, now, overwrite: true };
        let Some((contents, missing)) = self.manifest.clone() else { return Ok(()) };
        let plan = bundle::plan(session, options, root, args.clone(), contents, &self.directory)?;
        let volume = volume::open(&request, &session.console)?;
        self.say_plan(session, &volume, &self.name)?;
        bundle::make(session, plan, Input::Volume(Box::new(volume)), &missing)
    }

    /// The image becomes a file, and that a bundle.
    fn through_file(self, session: &Session, options: &Options) -> anyhow::Result<()> {
        let image = self.image();
        if image.symlink_metadata().is_ok() {
            let what = format!("`{}` is in the way of the image", image.display());
            return Err(Failure::new(Code::Other, what).into());
        }
        self.say_partition(session)?;
        let (root, volume, script) = (self.root.clone(), self.volume.clone(), self.script.clone());
        let args = image::Args::classic(root, image.clone(), self.size, volume, script);
        let request = args.request(self.never(options))?;
        let (volume, script) = args.open(&request, &session.console)?;
        self.say_plan(session, &volume, &image.display().to_string())?;
        if let Some(script) = &script {
            session.line(&format!("Customizing cloned volume with script {}", script.display()))?;
        }
        let made = args.write(volume, script.as_deref(), &session.console);
        made.with_context(|| Failure::new(Code::Failed, "the image was not made"))?;
        session.line(&format!("Image file created: {}", image.display()))?;
        session.line("Volume cloning done.")?;
        let Some((contents, missing)) = self.manifest else {
            session.line("Bundling is skipped, because of \"--clone-only\".")?;
            return session.complete();
        };
        let none = VolumeArgs::default();
        let plan = bundle::plan(session, options, &image, none, contents, &self.directory)?;
        let input = Input::File(bundle_image::open(session, &image)?);
        bundle::make(session, plan, input, &missing)
    }

    fn say_partition(&self, session: &Session) -> anyhow::Result<()> {
        let root = self.root.display();
        if self.volume.partition == PartitionArg::None {
            return session.line("Not partitioning boot device.");
        }
        session.line(&format!("Setting partition type to bundle \"{root}\" with..."))?;
        match self.is_auto {
            true => session.line(&format!("Auto-detecting partition type for \"{root}\"")),
            false => Ok(()),
        }
    }

    /// What was found, and what will be done.
    fn say_plan(&self, session: &Session, volume: &Volume, image: &str) -> anyhow::Result<()> {
        let division = volume.division();
        if self.volume.partition != PartitionArg::None {
            if self.is_auto {
                session.line(&format!("Partition label detected: \"{division}\""))?;
            }
            session.line(&format!("Using partition type \"{division}\""))?;
        }
        session.line(&format!("Copying {} into the image file {image}...", self.root.display()))?;
        session.line("Excluding: ")?;
        for path in self.left_out(volume) {
            session.indented(&path)?;
        }
        if self.volume.fstab.is_some() || self.volume.classic.fstab.is_some() {
            session.line("/etc/fstab:")?;
            volume.fstab().lines().try_for_each(|line| session.indented(line))?;
        }
        if division != "none" {
            session.line(&format!("Installing GRUB on root device with {division} boot scheme"))?;
            match &self.volume.classic.menu {
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
    let files = crate::report::count(filtered.len(), "path");
    say(&format!("{files} filtered by name; --no-filter keeps them, -i some of them"));
}

/// What is inherited from the instance; that it has no metadata ends the run before anything is read.
async fn inherit(contents: &mut baler_manifest::Contents) -> anyhow::Result<Vec<&'static str>> {
    let unreachable = || {
        Failure::new(
            Code::Metadata,
            "the instance's metadata cannot be read; --no-inherit goes without",
        )
    };
    let metadata = machine::metadata().await.with_context(unreachable)?.ok_or_else(unreachable)?;
    bundle::inherit(&metadata, contents).await.with_context(unreachable)
}

fn volume_args(
    options: &Options,
    root: &Path,
    (excludes, includes): (&[String], Vec<String>),
    arch: &str,
) -> VolumeArgs {
    let partition = match options.text("partition").as_deref() {
        Some("mbr") => PartitionArg::Mbr,
        Some("gpt") => PartitionArg::Gpt,
        Some(_) => PartitionArg::None,
        None if is_mount_point(root) => PartitionArg::Auto,
        // As ever: a directory is on no disk to do as it does.
        None => PartitionArg::Gpt,
    };
    let is_i386 = super::session::given(options, "arch").is_some() && arch == "i386";
    let variant = if is_i386 { ClassicFstab::I386 } else { ClassicFstab::Default };
    let fstab = options.os("fstab").map(PathBuf::from);
    let generated = options.has("generate-fstab").then_some(variant);
    let always = ALWAYS.iter().map(|path| (*path).to_owned());
    VolumeArgs {
        exclude: always.chain(excludes.iter().cloned()).collect(),
        include: includes,
        filter: if options.has("no-filter") { FilterArg::None } else { FilterArg::Classic },
        all: options.has("all"),
        partition,
        classic: Classic {
            keeps_old_fstab: fstab.is_some() || generated.is_some(),
            fstab: generated,
            menu: options
                .os("grub-config")
                .map(PathBuf::from)
                .filter(|_| partition != PartitionArg::None),
        },
        fstab,
        ..VolumeArgs::default()
    }
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
            _ => return Err(wrong("it goes up").into()),
        }
    }
    if bare.as_os_str().is_empty() {
        return Err(wrong("it is all of the volume").into());
    }
    let text = bare.to_str().ok_or_else(|| wrong("it is not UTF-8"))?;
    if root.join(text).symlink_metadata().is_ok() {
        return Ok(format!("/{}", escaped(text)));
    }
    // A pattern may stand for nothing: an empty directory is none to fail for.
    match text.contains(['*', '?', '[', '{']) {
        true => Ok(format!("/{text}")),
        false => Err(wrong("there is nothing of that name in the volume").into()),
    }
}

/// A path whose special characters mean themselves.
fn escaped(path: &str) -> String {
    let special = |c| matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | '!');
    path.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}
