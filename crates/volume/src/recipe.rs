//! From a root tree to an image of a disk, in two steps: [`Recipe::gather`] walks the tree, [`Gathered::plan`] decides
//! what the image is. Between them a caller can show or write down what will not be in the image. The image is made when
//! it is read.

use std::collections::BTreeMap;
use std::io;

use baler_tree::Time;

mod wishes;

mod event;

mod error;

mod source_disk;

mod boot;

mod edits;

mod summary;

mod volume;

mod gathered;

#[cfg(test)]
mod tests;

pub use error::{RecipeError, RecipeErrorKind};
pub use event::Event;
pub use gathered::Gathered;
pub use summary::Summary;
pub use volume::Volume;
pub use wishes::{BootLoader, ClassicFstab, Fstab, Recipe};

use crate::filter::Patterns;
use crate::mounts::Mounts;
use crate::walk::{Action, Change, Walk, WalkError, WalkOptions, walk};
use event::OnEvent;
use source_disk::SourceDisk;

impl Recipe {
    /// Looks at the disk of the source and walks through the tree. Nothing is changed or written.
    ///
    /// # Errors
    /// The recipe makes no sense, the tree or a disk cannot be read, or `on_event` failed, which stops the
    /// walk. Single entries that cannot be read are in [`Gathered::changes`].
    pub fn gather(
        &self,
        on_event: &mut dyn FnMut(Event<'_>) -> io::Result<()>,
    ) -> Result<Gathered, RecipeError> {
        let mounts = what_is_mounted(on_event)?;
        let source = SourceDisk::find(self, &mounts, on_event)?;
        source.check_sizes(self)?;
        let mut walk = self.walk(&mounts, on_event)?;
        if self.forget_access_times {
            walk.tree.forget_reading();
        }
        tell_changes(&walk, on_event).map_err(RecipeError::Stopped)?;
        Ok(Gathered { recipe: self.clone(), mounts, source, walk })
    }

    /// Walks through the tree and does nothing more: what happens to each path, and why, is in [`Event::Entry`].
    ///
    /// # Errors
    /// A pattern cannot be used, the tree cannot be read, or `on_event` failed, which stops the walk.
    pub fn list(
        &self,
        on_event: &mut dyn FnMut(Event<'_>) -> io::Result<()>,
    ) -> Result<Walk, RecipeError> {
        let mounts = what_is_mounted(on_event)?;
        self.walk(&mounts, on_event)
    }

    fn walk(&self, mounts: &Mounts, on_event: OnEvent<'_>) -> Result<Walk, RecipeError> {
        let options = WalkOptions {
            mounts: mounts.clone(),
            follow: self.follow,
            patterns: Patterns::new(&self.exclude, &self.exclude_tree, &self.include)?,
            filter: self.filter,
            never: self.never.clone(),
            tolerate: self.tolerate,
            now: Time { seconds: self.now as i64, nanos: 0 },
        };
        let walked = walk(&self.root, &options, &mut |entry| on_event(Event::Entry(&entry)));
        walked.map_err(|error| match error {
            WalkError::Stopped(error) => RecipeError::Stopped(error),
            error @ WalkError::Root { .. } => RecipeError::Root(error),
            error => RecipeError::Walk(error),
        })
    }
}

/// Reads the table of mounts; without `/proc`, as in a bare chroot, everything is taken for one file system.
fn what_is_mounted(on_event: OnEvent<'_>) -> Result<Mounts, RecipeError> {
    match Mounts::of_this_process() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            on_event(Event::NoMountTable).map_err(RecipeError::Stopped)?;
            Ok(Mounts::default())
        }
        result => result.map_err(RecipeError::Mounts),
    }
}

/// Tells what will not be in the image as it is in the tree, all of a kind together.
fn tell_changes(walk: &Walk, on_event: OnEvent<'_>) -> io::Result<()> {
    let mut kinds: BTreeMap<&'static str, Vec<&Change>> = BTreeMap::new();
    for change in walk.changes.iter().filter(|change| change.action != Action::Added) {
        kinds.entry(change.reason.word()).or_default().push(change);
    }
    kinds.iter().try_for_each(|(kind, changes)| on_event(Event::Changes { kind, changes }))
}
