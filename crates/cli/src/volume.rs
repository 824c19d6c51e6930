//! A root tree becomes an image: what the verbs do with a directory, and what is said of it meanwhile.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use baler_image::Image;
use baler_volume::Advice;
use baler_volume::lint::{Finding, Severity};
use baler_volume::recipe::{Event, Recipe, RecipeError, RecipeErrorKind};
use baler_volume::walk::Change;

use crate::args::volume::VolumeArgs;
use crate::exit::Trouble;
use crate::interrupt;
use crate::report::tree::{self, Lines, Outcome, Report};
use crate::report::{Console, Progress, plan, size};

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

impl Request<'_> {
    fn recipe(&self) -> anyhow::Result<Recipe> {
        self.args.recipe(self.root, self.size, self.never.clone(), self.now)
    }

    fn write_report(&self, entries: usize, changes: &[Change]) -> anyhow::Result<Option<Report>> {
        let path = self.args.report.as_deref();
        path.map(|path| Report::write(path, entries, changes, self.overwrite)).transpose()
    }
}

/// A tree that is ready to be read as an image.
pub(crate) struct Volume {
    planned: baler_volume::Volume,
    report: Option<Report>,
}

impl Volume {
    pub(crate) fn image(&mut self) -> &mut dyn Image {
        self.planned.image()
    }

    pub(crate) fn into_image(self) -> (Box<dyn Image>, Outcome) {
        let (image, troubles) = self.planned.into_image();
        (image, Outcome { troubles, report: self.report })
    }

    /// Where the file system begins in the image, and its length.
    pub(crate) fn root_place(&self) -> (u64, u64) {
        let place = self.planned.root_place();
        (place.start, place.end - place.start)
    }

    /// How the disk is divided: `mbr`, `gpt` or `none`.
    pub(crate) fn division(&self) -> String {
        self.planned.division().to_string()
    }

    /// What is left out or changed.
    pub(crate) fn changes(&self) -> &[Change] {
        self.planned.changes()
    }

    /// `/etc/fstab` in the image.
    pub(crate) fn fstab(&self) -> &str {
        self.planned.fstab()
    }

    /// What would be done, as `--dry-run` prints it.
    pub(crate) fn text(&self) -> String {
        plan::text(self.planned.summary())
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> serde_json::Value {
        let hint = |finding: &Finding| finding.advice.as_ref().map(words);
        plan::json(self.planned.summary(), hint)
    }
}

/// Walks a tree and plans its image; no file is read but those that the filter and the boot chain look into.
pub(crate) fn open(request: &Request<'_>, console: &Console) -> anyhow::Result<Volume> {
    let mut teller = Teller { root: request.root, console, progress: None };
    let gathered = request.recipe()?.gather(&mut |event| teller.tell(&event)).map_err(failed)?;
    let report = request.write_report(gathered.entries(), gathered.changes())?;
    let planned = gathered.plan(&mut |event| teller.tell(&event)).map_err(failed)?;
    Ok(Volume { planned, report })
}

/// Prints what happens to each path, and why.
pub(crate) fn list(request: &Request<'_>, json: bool, console: &Console) -> anyhow::Result<()> {
    let mut lines = Lines::new(json);
    let mut teller = Teller { root: request.root, console, progress: None };
    let listed = request.recipe()?.list(&mut |event| match event {
        Event::Entry(entry) => {
            interrupt::check()?;
            lines.add(entry)
        }
        event => teller.tell(&event),
    });
    let walk = listed.map_err(failed).context("listing what would happen")?;
    lines.finish()?;
    request.write_report(walk.tree.len(), &walk.changes)?;
    Ok(())
}

/// Tells what happens on the way, on the console.
struct Teller<'a> {
    root: &'a Path,
    console: &'a Console,
    /// Shown while entries are walked.
    progress: Option<Progress>,
}

impl Teller<'_> {
    fn tell(&mut self, event: &Event<'_>) -> io::Result<()> {
        let console = self.console;
        if let Event::Entry(_) = event {
            let root = self.root.display();
            let begin = || console.counter(format!("walking {root}"), "entries");
            self.progress.get_or_insert_with(begin).add(1);
            return interrupt::check();
        }
        self.progress = None;
        match event {
            Event::Changes { kind, changes } => {
                tree::changes(kind, changes, event.severity(), console);
            }
            Event::NoSourceDisk => {
                console.note(&format!("{event} (--partition mbr or gpt makes a disk)"));
            }
            Event::Shortened { source, needed, .. } => console.note(&format!(
                "the source has {}, EC2 takes at most 10 GiB, the tree needs {}: the image will have 10 GiB (--size says otherwise)",
                size(*source),
                size(*needed)
            )),
            Event::Planned(summary) => console.note(&plan::line(summary)),
            event => {
                if event.severity() == Severity::Note {
                    console.note(&event.to_string());
                } else {
                    console.warn(&event.to_string());
                }
                if let Some(advice) = event.advice() {
                    console.hint(&words(&advice));
                }
            }
        }
        Ok(())
    }
}

/// An error with its exit code and its hint.
fn failed(error: RecipeError) -> anyhow::Error {
    let error = match error {
        RecipeError::Stopped(error) => return error.into(),
        error => error,
    };
    let trouble = match error.kind() {
        RecipeErrorKind::Usage => Trouble::usage(error.to_string()),
        _ => Trouble::failed(error.to_string()),
    };
    let trouble = match error.advice() {
        Some(advice) => trouble.hint(words(&advice)),
        None => trouble,
    };
    anyhow::Error::new(error).context(trouble)
}

/// What to do, with the options of this command line.
fn words(advice: &Advice) -> String {
    let text = match advice {
        Advice::ChooseLength { needed } => {
            return format!("pass --size {needed} or more, or leave something out with --exclude");
        }
        Advice::SmallerInodes { most, block_size } => {
            return format!("pass --inode-size {most} or less, or --block-size {block_size}");
        }
        Advice::OtherLength => "pass --size",
        Advice::Exclude => "leave it out with --exclude",
        Advice::ExcludeOrLargerBlocks => {
            "leave it out with --exclude, or pass a larger --block-size"
        }
        Advice::ExcludeOrLargerInodes => {
            "leave it out with --exclude, or pass a larger --block-size or --inode-size"
        }
        Advice::OmitInodeSize => {
            "leave --inode-size away, unless the image's GRUB reads larger ones"
        }
        Advice::Tolerate => "become root, or pass --tolerate to leave out what cannot be read",
        Advice::RepairOrNoBootLoader => {
            "repair that first; or pass --bootloader none for an image that need not boot; or bundle the disk itself, block by block, on another machine"
        }
        Advice::FindBootLoader => {
            "name a disk that boots with --boot-disk, install GRUB 2 (grub-pc-bin, grub-common), or pass --bootloader none"
        }
        Advice::KeepBootLoader => "leave --bootloader none away",
        Advice::Partition => "pass --partition mbr or gpt, or leave --bootloader away",
        Advice::MakeDisk => "pass --partition mbr or gpt",
        Advice::OmitUuid => "leave --uuid away, or pass one that `uuidgen` makes",
        Advice::KeepUuid => "leave --uuid away, or pass --bootloader build",
        Advice::FixFstab => "pass --fix-fstab",
        Advice::GrubLegacyProfile => "pass --fs-profile grub-legacy",
        Advice::KeepHostKeys => {
            "let the machine run `ssh-keygen -A` when it boots, or keep its keys with --include '/etc/ssh/ssh_host_*'"
        }
        Advice::WriteReport => "pass --report FILE",
        Advice::Say(text) => text,
        _ => "see `baler help image`",
    };
    text.to_owned()
}
