//! A root tree becomes a disk image.

use std::ffi::OsString;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use baler_image::{Image as _, ImageSink};
use baler_volume::Recipe;
use baler_volume::script::customise;

use crate::advice::Advice;
use crate::error::{Context, Error, Result};
use crate::event::Work;
use crate::input::ImagePlace;
use crate::output;
use crate::place::directory_of;
use crate::run::{Progress, Run};
use crate::stop::Watched;
use crate::tree::TreeImage;

/// A job that makes a disk image.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImageJob {
    /// The recipe for the root tree.
    pub recipe: Recipe,
    /// A file for the report, as JSON: what is left out, and why.
    pub report: Option<PathBuf>,
    /// The destination.
    pub destination: ImagePlace,
    /// A program that changes the file system before the image has its name.
    pub script: Option<PathBuf>,
    /// Where the program's standard output goes; `None` for nowhere.
    pub script_output: Option<Arc<File>>,
    /// Overwrites a file of that name.
    pub overwrite: bool,
    /// Plans the image, and makes nothing.
    pub is_dry: bool,
}

/// An image that is ready to be written.
#[derive(Debug)]
pub struct ImagePlan {
    tree: TreeImage,
    script: Option<PathBuf>,
}

impl ImagePlan {
    /// The plan of the image, and what is left out or changed.
    pub fn tree(&mut self) -> &mut TreeImage {
        &mut self.tree
    }
}

/// An image that was written.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Written {
    /// Its length in bytes.
    pub size: u64,
    /// The number of files that changed while they were read.
    pub changed: usize,
}

impl ImageJob {
    /// Of a root tree, to a place.
    pub fn new(recipe: Recipe, destination: impl Into<ImagePlace>) -> ImageJob {
        let destination = destination.into();
        ImageJob {
            recipe,
            report: None,
            destination,
            script: None,
            script_output: None,
            overwrite: false,
            is_dry: false,
        }
    }

    /// Makes the image: [`plan`](ImageJob::plan) and [`write`](ImageJob::write).
    ///
    /// # Errors
    /// Those of these steps.
    pub fn run(&self, run: &Run) -> Result<Written> {
        self.write(self.plan(run)?, run)
    }

    /// The recipe, with what must never be in the image: itself.
    pub fn tree_recipe(&self) -> Recipe {
        let mut recipe = self.recipe.clone();
        recipe.never.extend(self.destination.path().map(Path::to_owned));
        recipe.never.extend(self.report.clone());
        recipe
    }

    /// Plans the image, and finds the program that will change it.
    ///
    /// # Errors
    /// What is in the way, and what walking the tree and planning its image says.
    pub fn plan(&self, run: &Run) -> Result<ImagePlan> {
        // What is in the way is reported before the tree is walked; the new file must not be there yet when it is.
        if !self.is_dry {
            self.sink(run)?;
        }
        let script = self.script.as_deref().map(|script| self.check_script(script)).transpose()?;
        let report = self.report.as_deref();
        let tree = TreeImage::plan(&self.tree_recipe(), report, self.overwrite, run)?;
        Ok(ImagePlan { tree, script })
    }

    fn sink(&self, run: &Run) -> Result<Box<dyn ImageSink>> {
        output::open(&self.destination, "root.img", self.overwrite, run)
    }

    /// Writes the image.
    ///
    /// # Errors
    /// What reading and writing says, and a program that fails. Then there is no image.
    pub fn write(&self, plan: ImagePlan, run: &Run) -> Result<Written> {
        let ImagePlan { mut tree, script } = plan;
        // A link is written through, with a program on the way and without one.
        let destination = self
            .destination
            .path()
            .map(|path| path.canonicalize().unwrap_or_else(|_| path.to_owned()));
        let workshop = match (&script, &destination) {
            (Some(_), Some(destination)) => Some(Workshop::beside(destination)?),
            _ => None,
        };
        let sink = match &workshop {
            Some(workshop) => output::open(&workshop.image().into(), "root.img", false, run)?,
            None => self.sink(run)?,
        };
        let size = tree.image().len();
        let root_place = tree.volume().root_place();
        let (image, outcome) = tree.into_image();
        let root = self.recipe.root.display().to_string();
        let progress = run.begin(Work::new("imaging", &root, size));
        copy(run.stop.watch(image), Box::new(run.stop.watch(sink)), &progress)
            .with_context(|| format!("imaging `{root}` to `{}`", self.destination))?;
        drop(progress);
        if let (Some(script), Some(workshop), Some(destination)) = (script, workshop, destination) {
            self.customise(&workshop, &script, root_place, run)?;
            workshop.finish(&destination, self.overwrite)?;
        }
        Ok(Written { size, changed: outcome.finish(run)? })
    }

    /// Runs the program on the file system in these bytes of the image.
    fn customise(
        &self,
        workshop: &Workshop,
        script: &Path,
        place: Range<u64>,
        run: &Run,
    ) -> Result<()> {
        let doing = || format!("running `{}` on the image", script.display());
        let output = match &self.script_output {
            Some(file) => Stdio::from(file.try_clone().with_context(doing)?),
            None => Stdio::null(),
        };
        let temporary = &self.recipe.temporary;
        customise(&workshop.image(), place, script, temporary, output).with_context(doing)?;
        Ok(run.stop.check()?)
    }

    /// The program's path from everywhere.
    fn check_script(&self, script: &Path) -> Result<PathBuf> {
        let shown = script.display();
        let is_file = self.destination.path().is_some_and(|path| !is_block_device(path));
        if !is_file {
            return Err(Error::usage(
                "a program can only change an image that is written to a file",
            )
            .advise(Advice::say("name a file for the image")));
        }
        if !rustix::process::geteuid().is_root() {
            return Err(Error::usage(
                "the program needs the image mounted, and only root can mount it",
            )
            .advise(Advice::OmitScript));
        }
        let path = script
            .canonicalize()
            .with_context(|| Error::usage(format!("looking for the program `{shown}`")))?;
        let is_program = path
            .metadata()
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
        if is_program {
            return Ok(path);
        }
        Err(Error::usage(format!("`{shown}` is not a program"))
            .advise(Advice::say("make it executable: `chmod +x`")))
    }
}

/// A hidden directory beside an image in which it is changed before it has its name; removed with what is in it.
struct Workshop {
    directory: tempfile::TempDir,
}

impl Workshop {
    fn beside(destination: &Path) -> Result<Workshop> {
        let parent = directory_of(destination);
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

    /// Gives the image its name.
    fn finish(self, destination: &Path, overwrite: bool) -> Result<()> {
        let naming = || format!("creating `{}`", destination.display());
        if overwrite {
            fs::rename(self.image(), destination).with_context(naming)
        } else {
            // Unlike a rename, a link does not replace what is there.
            fs::hard_link(self.image(), destination).with_context(naming)
        }
    }
}

/// Reads an image once and writes it.
fn copy(
    mut image: Watched<Box<dyn baler_image::Image>>,
    mut sink: Box<dyn ImageSink>,
    progress: &Progress,
) -> Result<()> {
    let extents = image.extents().to_vec();
    sink.begin(image.len(), Some(&extents))?;
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    for extent in &extents {
        progress.add(extent.offset - at);
        at = extent.offset;
        while at < extent.end() {
            let len = (extent.end() - at).min(buffer.len() as u64) as usize;
            image.read_at(&mut buffer[..len], at)?;
            sink.write_at(&buffer[..len], at)?;
            progress.add(len as u64);
            at += len as u64;
        }
    }
    sink.commit()?;
    Ok(())
}

fn is_block_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.file_type().is_block_device())
}
