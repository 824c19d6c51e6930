//! A root tree becomes an image: the recipe is followed, and what happens to its files is reported.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use baler_image::Image;
use baler_volume::reader::{FileTrouble, Troubles};
use baler_volume::walk::{Change, WalkEvent};
use baler_volume::{Event as TreeEvent, Recipe, Volume};
use serde_json::{Value, json};

use crate::advice::Advice;
use crate::error::{Context, Error, Result};
use crate::event::{Event, Work};
use crate::place::directory_of;
use crate::run::Run;

/// A root tree that is ready to be read as an image.
#[derive(Debug)]
pub struct TreeImage {
    volume: Volume,
    report: Option<Report>,
}

/// What can be said of a tree's files when the image was read.
pub(crate) struct Outcome {
    troubles: Troubles,
    report: Option<Report>,
}

impl TreeImage {
    /// Walks a tree and plans its image; no file is read but those that the filter and the boot chain look into. What is
    /// left out or changed is written to `report`, which is overwritten only if that is allowed.
    pub(crate) fn plan(
        recipe: &Recipe,
        report: Option<&Path>,
        overwrite: bool,
        run: &Run,
    ) -> Result<TreeImage> {
        let root = recipe.root.display().to_string();
        let progress = run.begin(Work::uncounted("walking", &root));
        let gathered = recipe.gather(&mut |event| {
            match event {
                TreeEvent::Entry(_) => progress.add(1),
                event => run.report(Event::Tree(event)),
            }
            run.stop.check()
        })?;
        drop(progress);
        let (entries, changes) = (gathered.entries(), gathered.changes());
        let write = |path| Report::write(path, entries, changes, overwrite);
        let report = report.map(write).transpose()?;
        let volume = gathered.plan(&mut |event| {
            run.report(Event::Tree(event));
            run.stop.check()
        })?;
        Ok(TreeImage { volume, report })
    }

    /// Reports what happens to each path, and why, and makes nothing.
    ///
    /// # Errors
    /// What walking the tree says, and `on_entry`, whose error stops the walk.
    pub fn list(
        recipe: &Recipe,
        report: Option<&Path>,
        overwrite: bool,
        run: &Run,
        on_entry: &mut dyn FnMut(&WalkEvent<'_>) -> io::Result<()>,
    ) -> Result<()> {
        let walk = recipe.list(&mut |event| {
            run.stop.check()?;
            match event {
                TreeEvent::Entry(entry) => on_entry(entry),
                event => {
                    run.report(Event::Tree(event));
                    Ok(())
                }
            }
        });
        let walk = walk.context("listing what would happen")?;
        if let Some(path) = report {
            Report::write(path, walk.tree.len(), &walk.changes, overwrite)?;
        }
        Ok(())
    }

    /// The image.
    pub fn image(&mut self) -> &mut dyn Image {
        self.volume.image()
    }

    /// The plan of the image, and what is left out or changed.
    pub fn volume(&self) -> &Volume {
        &self.volume
    }

    pub(crate) fn into_image(self) -> (Box<dyn Image>, Outcome) {
        let (image, troubles) = self.volume.into_image();
        (image, Outcome { troubles, report: self.report })
    }
}

impl Outcome {
    /// Reports which files were not read as they were seen; gives their number.
    pub(crate) fn finish(&self, run: &Run) -> Result<usize> {
        let troubles = self.troubles.list();
        if !troubles.is_empty() {
            run.report(Event::Changed(&troubles));
        }
        if let Some(report) = &self.report {
            report.complete(&troubles)?;
        }
        Ok(troubles.len())
    }
}

/// A file that says what is left out or changed, and why.
#[derive(Debug)]
struct Report {
    to: PathBuf,
    entries: usize,
    changes: Vec<Value>,
}

impl Report {
    /// Writes what the walk found.
    fn write(to: &Path, entries: usize, changes: &[Change], overwrite: bool) -> Result<Report> {
        let changes = changes.iter().map(change).collect();
        let report = Report { to: to.to_owned(), entries, changes };
        report.put(&[], overwrite)?;
        Ok(report)
    }

    /// Writes it again, when all is read, with the files that were not read as they were seen.
    fn complete(&self, troubles: &[FileTrouble]) -> Result<()> {
        // What went through a pipe cannot be taken back.
        let is_needed = !troubles.is_empty() && self.to.is_file();
        if is_needed { self.put(troubles, true) } else { Ok(()) }
    }

    fn put(&self, troubles: &[FileTrouble], overwrite: bool) -> Result<()> {
        let to = &self.to;
        let doing = || {
            Error::failed(format!("writing the report `{}`", to.display()))
                .advise(Advice::WriteReportElsewhere)
        };
        if to.metadata().is_ok_and(|found| !found.is_file()) {
            // A pipe or a terminal: what is there has to stay what it is.
            let file = OpenOptions::new().write(true).open(to).with_context(doing)?;
            return self.write_to(file, troubles).with_context(doing);
        }
        let file = tempfile::NamedTempFile::new_in(directory_of(to)).with_context(doing)?;
        self.write_to(file.as_file(), troubles).with_context(doing)?;
        let persisted = if overwrite { file.persist(to) } else { file.persist_noclobber(to) };
        persisted.map_err(|error| error.error).with_context(doing)?;
        Ok(())
    }

    fn write_to(&self, to: impl Write, troubles: &[FileTrouble]) -> io::Result<()> {
        let read: Vec<_> = troubles
            .iter()
            .map(|trouble| named(&trouble.path, json!({ "why": trouble.kind.to_string() })))
            .collect();
        let report =
            json!({ "entries": self.entries, "changes": self.changes, "changed_while_read": read });
        let mut to = BufWriter::new(to);
        serde_json::to_writer_pretty(&mut to, &report)?;
        to.write_all(b"\n")?;
        to.flush()
    }
}

fn change(change: &Change) -> Value {
    let what = json!({
        "action": change.action.to_string(),
        "reason": change.reason.word(),
        "why": change.reason.to_string(),
    });
    named(&change.path, what)
}

/// Adds a path; where text cannot name it, its bytes too.
pub fn named(path: &[u8], mut what: Value) -> Value {
    what["path"] = json!(format!("/{}", String::from_utf8_lossy(path)));
    if std::str::from_utf8(path).is_err() {
        what["path_bytes"] = json!(path);
    }
    what
}
