//! The tree below a root as it is to be in the image.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

mod options;

mod outcome;

mod error;

mod names;

mod attributes;

mod entry;

mod crossing;

mod essential;

#[cfg(test)]
mod tests;

pub use error::WalkError;
pub use options::{Follow, WalkOptions};
pub use outcome::{Action, Change, Reason, Walk, WalkEvent};

/// Walks through the tree below `root`, and tells what happens to each entry.
///
/// No link is followed, no file is changed, and what changes meanwhile does no harm. Entries are found in the order of
/// their names, so that the same tree gives the same [`Walk::tree`]. Files' data is not read, but for what the filter looks
/// into.
///
/// Entries that cannot be read are left out and are in [`Walk::changes`]; the caller decides whether that is an error.
///
/// # Errors
/// The root cannot be opened, or `on_event` returned an error.
pub fn walk(
    root: &Path,
    options: &WalkOptions,
    on_event: &mut dyn FnMut(WalkEvent<'_>) -> io::Result<()>,
) -> Result<Walk, WalkError> {
    let error = |source: io::Error| WalkError::Root { path: root.to_owned(), source };
    let handle: OwnedFd = open_root(root).map_err(error)?;
    // Mounts are named by paths without links in them.
    let path = root.canonicalize().map_err(error)?;
    let mut walker =
        entry::Walker::new(handle, &path, options, on_event).map_err(|failure| match failure {
            entry::Failure::Errno(errno) => error(errno.into()),
            entry::Failure::Walk(error) => error,
        })?;
    walker.visit_all()?;
    walker.add_essential()?;
    Ok(walker.finish())
}

fn open_root(root: &Path) -> io::Result<OwnedFd> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    match open(root, flags | OFlags::NOATIME, Mode::empty()) {
        Err(rustix::io::Errno::PERM) => Ok(open(root, flags, Mode::empty())?),
        result => Ok(result?),
    }
}
