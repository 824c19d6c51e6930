//! `baler image`: a root tree becomes a disk image.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use baler_image::{Image, ImageSink};
use baler_volume::script::customise;
use serde_json::json;

use crate::args;
use crate::args::volume::VolumeArgs;
use crate::exit::{Exit, Trouble};
use crate::interrupt::{self, Interruptible};
use crate::keys;
use crate::machine;
use crate::output;
use crate::report::{self, Console, size};
use crate::volume::{self, Request, Volume};

/// Make a disk image of a root tree: partition table, boot loader and file system
///
/// Nothing is mounted and nothing is copied first: the image is written in one pass, sparse. Prints its path.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The root tree: a directory, / for the machine that runs
    root: PathBuf,

    /// Where the image goes: a file, a block device, or - for standard output
    destination: PathBuf,

    /// The image's length: 8GiB, or a number of MiB [default: as long as the source's disk or file system]
    #[arg(long, short, value_parser = args::size)]
    size: Option<u64>,

    #[command(flatten)]
    volume: VolumeArgs,

    /// Run a program that changes the file system before the image gets its name, with the directory where it is mounted
    /// as its only argument
    ///
    /// Only root can: it is the one thing for which the image is mounted, in a mount namespace of its own that ends with
    /// the program. If the program fails there is no image. For a bundle, give the image to `baler bundle` afterwards.
    #[arg(long, value_name = "PROGRAM")]
    script: Option<PathBuf>,

    /// Overwrite an existing file
    #[arg(long, short)]
    force: bool,

    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let is_stdout = self.destination.as_os_str() == "-";
        if self.json && is_stdout && !self.dry_run {
            return Err(Trouble::usage("standard output cannot hold both the image and the JSON")
                .hint("name a file for the image, or leave --json away")
                .into());
        }
        let mut never = keys::private_paths(None);
        never.extend((!is_stdout).then(|| self.destination.clone()));
        let request = self.request(never)?;
        if self.volume.list {
            volume::list(&request, self.json, console)?;
            return Ok(Exit::Done);
        }
        let (mut volume, script) = self.open(&request, console)?;
        if self.dry_run {
            match self.json {
                true => report::json(&volume.json())?,
                false => report::result(&volume.text())?,
            }
            return Ok(Exit::Done);
        }
        let len = volume.image().len();
        let changed = self.write(volume, script.as_deref(), console)?;
        console.note(&format!("imaged {}", size(len)));
        let destination = self.destination.to_string_lossy();
        match (is_stdout, self.json) {
            // Standard output holds the image.
            (true, _) => {}
            (false, true) => {
                report::json(&json!({ "image": destination, "size": len, "changed": changed }))?;
            }
            (false, false) => report::path(&self.destination)?,
        }
        Ok(Exit::Done)
    }

    /// What `ec2-bundle-vol` makes where it is to leave an image.
    pub(crate) fn classic(
        root: PathBuf,
        destination: PathBuf,
        size: u64,
        volume: VolumeArgs,
        script: Option<PathBuf>,
    ) -> Args {
        let (size, force, dry_run, json) = (Some(size), false, false, false);
        Args { root, destination, size, volume, script, force, dry_run, json }
    }

    /// What is to be made, without what must `never` be in it.
    pub(crate) fn request(&self, never: Vec<PathBuf>) -> anyhow::Result<Request<'_>> {
        let (root, args, now) = (&*self.root, &self.volume, machine::now()?);
        Ok(Request { root, args, size: self.size, never, now, overwrite: self.force })
    }

    /// Plans the image, and finds the program that will change it.
    pub(crate) fn open(
        &self,
        request: &Request<'_>,
        console: &Console,
    ) -> anyhow::Result<(Volume, Option<PathBuf>)> {
        // What is in the way is told before the tree is walked; the new file must not be there yet when it is.
        if !self.dry_run {
            self.sink()?;
        }
        let script = self.script.as_deref().map(|script| self.check_script(script)).transpose()?;
        Ok((volume::open(request, console)?, script))
    }

    fn sink(&self) -> anyhow::Result<Box<dyn ImageSink>> {
        output::open(&self.destination, "root.img", self.force)
    }

    /// Writes the image; gives the number of files that changed meanwhile.
    pub(crate) fn write(
        &self,
        mut volume: Volume,
        script: Option<&Path>,
        console: &Console,
    ) -> anyhow::Result<usize> {
        // A link is written through, with a program on the way and without one.
        let destination = match self.destination.canonicalize() {
            Ok(path) if self.destination.as_os_str() != "-" => path,
            _ => self.destination.clone(),
        };
        let place = script.map(|_| Workshop::beside(&destination)).transpose()?;
        let sink = match &place {
            Some(place) => output::open(&place.image(), "root.img", false)?,
            None => self.sink()?,
        };
        let len = volume.image().len();
        let (start, root_len) = volume.root_place();
        let (image, outcome) = volume.into_image();
        let root = self.root.display();
        let progress = console.progress(format!("imaging {root}"), len);
        copy(image, sink, |bytes| progress.add(bytes))
            .with_context(|| format!("imaging `{root}` to `{}`", self.destination.display()))?;
        drop(progress);
        if let (Some(script), Some(place)) = (script, place) {
            place.finish(script, start, root_len, self.force, &destination)?;
        }
        outcome.tell(console)
    }
}

impl Args {
    /// The program's path from everywhere.
    fn check_script(&self, script: &Path) -> anyhow::Result<PathBuf> {
        let shown = script.display();
        if self.destination.as_os_str() == "-" || is_block_device(&self.destination) {
            return Err(Trouble::usage(
                "--script changes an image in a file, which is not where it would go",
            )
            .hint("name a file for the image")
            .into());
        }
        if !rustix::process::geteuid().is_root() {
            return Err(Trouble::usage("--script mounts the image, which only root may")
                .hint("become root, or leave --script away")
                .into());
        }
        let path = script
            .canonicalize()
            .with_context(|| Trouble::usage(format!("looking for the program `{shown}`")))?;
        let is_program = path
            .metadata()
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
        match is_program {
            true => Ok(path),
            false => Err(Trouble::usage(format!("`{shown}` is no program"))
                .hint("chmod +x makes it one")
                .into()),
        }
    }
}

/// A hidden directory beside an image in which it is changed before it has its name; removed with what is in it.
struct Workshop {
    directory: tempfile::TempDir,
}

impl Workshop {
    fn beside(destination: &Path) -> anyhow::Result<Workshop> {
        let parent = destination.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        let mut prefix = OsString::from(".");
        prefix.push(destination.file_name().unwrap_or_default());
        prefix.push(".");
        let directory =
            tempfile::Builder::new().prefix(&prefix).suffix(".partial").tempdir_in(parent);
        let directory = directory.with_context(|| format!("writing to `{}`", parent.display()))?;
        Ok(Workshop { directory })
    }

    fn image(&self) -> PathBuf {
        self.directory.path().join("root.img")
    }

    /// Runs the program and gives the image its name.
    fn finish(
        self,
        script: &Path,
        start: u64,
        len: u64,
        overwrite: bool,
        destination: &Path,
    ) -> anyhow::Result<()> {
        let doing = || Trouble::failed(format!("running `{}` on the image", script.display()));
        customise(&self.image(), start, len, script).with_context(doing)?;
        interrupt::check()?;
        let naming = || format!("creating `{}`", destination.display());
        match overwrite {
            true => fs::rename(self.image(), destination).with_context(naming),
            // Unlike a rename, a link does not replace what is there.
            false => fs::hard_link(self.image(), destination).with_context(naming),
        }
    }
}

/// Reads an image once and writes it.
fn copy(
    image: Box<dyn Image>,
    sink: Box<dyn ImageSink>,
    on_bytes: impl Fn(u64),
) -> anyhow::Result<()> {
    let mut image = Interruptible(image);
    let mut sink: Box<dyn ImageSink> = Box::new(Interruptible(sink));
    let extents = image.extents().to_vec();
    sink.begin(image.len(), Some(&extents))?;
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    for extent in &extents {
        on_bytes(extent.offset - at);
        at = extent.offset;
        while at < extent.end() {
            let len = (extent.end() - at).min(buffer.len() as u64) as usize;
            image.read_at(&mut buffer[..len], at)?;
            sink.write_at(&buffer[..len], at)?;
            on_bytes(len as u64);
            at += len as u64;
        }
    }
    sink.commit()?;
    Ok(())
}

fn is_block_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.file_type().is_block_device())
}
