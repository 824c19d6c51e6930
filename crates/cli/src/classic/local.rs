//! Bundles that are on this machine.

use std::path::{Path, PathBuf};

use baler::{Bundle, Place, Run};

use super::options::Options;
use super::session::required;

/// The bundle of a manifest on this machine, with its parts in another directory if one was typed.
pub(super) fn bundle(options: &Options, directory: &str, run: &Run) -> anyhow::Result<Bundle> {
    let manifest = PathBuf::from(required(options, "manifest")?);
    let bundle = Bundle::read(&Place::Path(manifest), run)?;
    Ok(match (options.os(directory), directory) {
        (Some(directory), _) => bundle.with_parts_in(Path::new(directory)),
        // Of old, here and not beside the manifest.
        (None, "source") => bundle.with_parts_in(Path::new(".")),
        (None, _) => bundle,
    })
}
