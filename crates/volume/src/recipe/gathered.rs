use std::io;

use baler_ext4::{FileSystem, Plan, Profile};
use baler_image::Image;

use super::boot::Candidates;
use super::edits::{self, Edits};
use super::error::RecipeError;
use super::event::Event;
use super::source_disk::SourceDisk;
use super::summary::{Counted, Summary};
use super::volume::Volume;
use super::wishes::{BootLoader, Recipe};
use crate::disk::DiskImage;
use crate::fstab::NewRoot;
use crate::layout::Layout;
use crate::lint::{Finding, Severity, Subject, lint};
use crate::mounts::Mounts;
use crate::walk::{Action, Change, Walk};

/// A tree that was walked, and what is known of the disk that it comes from.
#[derive(Debug)]
pub struct Gathered {
    pub(super) recipe: Recipe,
    pub(super) mounts: Mounts,
    pub(super) source: SourceDisk,
    pub(super) walk: Walk,
}

impl Gathered {
    /// The entries that will not be in the image as they are in the tree, and why, in the order in which they were
    /// found.
    pub fn changes(&self) -> &[Change] {
        &self.walk.changes
    }

    /// The number of files, directories and others that will be in the image.
    pub fn entries(&self) -> usize {
        self.walk.tree.len()
    }

    /// Decides everything: the boot loader, the file system, the disk. No file of the tree is read but small ones that
    /// are edited, and those that the boot chain is looked up in.
    ///
    /// # Errors
    /// Something in the tree could not be read and [`Recipe::tolerate`] is not set, there is no boot loader, the tree
    /// does not fit, the machine would not boot any more, or `on_event` failed.
    pub fn plan(
        self,
        on_event: &mut dyn FnMut(Event<'_>) -> io::Result<()>,
    ) -> Result<Volume, RecipeError> {
        self.check_readable()?;
        let Gathered { recipe, mounts, source, mut walk } = self;
        let candidates = Candidates {
            recipe: &recipe,
            root_device: &source.root_device,
            disk: source.disk.as_ref(),
            mounts: &mounts,
            tree: &walk.tree,
            uuid: source.uuid,
            old_uuid: source.old_uuid(),
        };
        let boot = candidates.choose(on_event)?;
        let options = source.options(&recipe, &boot, &walk.tree, on_event)?;
        let old_fs = source.fs_type();
        let edits = Edits { recipe: &recipe, boot: &boot, options: &options, old_fs };
        let root = edits.apply(&mut walk, on_event)?;
        let length = source.length(&recipe, &walk.tree, &options, on_event)?;
        let layout = boot.layout(length, options.uuid).map_err(RecipeError::Layout)?;
        let findings = look_over(&mut walk, &layout, &root, options.profile, old_fs);
        for finding in &findings {
            on_event(Event::Finding(finding)).map_err(RecipeError::Stopped)?;
        }
        check_bootable(&findings, old_fs, &recipe)?;
        let counted = count(&recipe, &walk, findings);
        let fstab = edits::read(&mut walk, b"etc/fstab").unwrap_or_default();
        let fstab = String::from_utf8_lossy(&fstab).into_owned();
        let Walk { tree, files, changes } = walk;
        let troubles = files.troubles();
        let around = layout.len - layout.root_len;
        let plan = Plan::new(tree, layout.root_len, options)
            .map_err(|source| RecipeError::Plan { source, around })?;
        let summary = Summary::new(counted, &layout, &plan);
        on_event(Event::Planned(&summary)).map_err(RecipeError::Stopped)?;
        let file_system = FileSystem::new(plan, files);
        let image: Box<dyn Image> = match layout.table {
            None => Box::new(file_system),
            Some(_) => {
                Box::new(DiskImage::new(layout.len, layout.regions, file_system, layout.start))
            }
        };
        Ok(Volume { image, troubles, summary, changes, fstab })
    }

    /// Refuses a tree of which something could not be read.
    fn check_readable(&self) -> Result<(), RecipeError> {
        let mut unreadable = self.walk.unreadable();
        let Some(first) = unreadable.next().filter(|_| !self.recipe.tolerate) else {
            return Ok(());
        };
        Err(RecipeError::Unreadable {
            path: self.recipe.root.join(first.relative_path()),
            reason: first.reason.to_string(),
            others: unreadable.count(),
        })
    }
}

fn count(recipe: &Recipe, walk: &Walk, findings: Vec<Finding>) -> Counted {
    let is_less = |change: &&Change| !matches!(change.action, Action::Added | Action::Kept);
    Counted {
        root: recipe.root.clone(),
        entries: walk.tree.len(),
        left_out: walk.changes.iter().filter(is_less).count(),
        findings,
    }
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
    recipe: &Recipe,
) -> Result<(), RecipeError> {
    let Some(old) = old_fs.filter(|old| !old.starts_with("ext")) else { return Ok(()) };
    let error = findings.iter().find(|finding| finding.severity == Severity::Error);
    match error.filter(|_| recipe.boot_loader != BootLoader::None) {
        Some(error) => {
            Err(RecipeError::WouldNotBoot { old: old.to_owned(), finding: error.text.clone() })
        }
        None => Ok(()),
    }
}
