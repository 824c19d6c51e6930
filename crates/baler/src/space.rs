//! Whether there is room for a bundle, before it is begun.

use std::path::Path;

use baler_bundle::{Level, bundled_size_bound, estimate_bundled_size};

use crate::advice::Advice;
use crate::error::{Context, Error, Result};
use crate::event::Event;
use crate::input::Input;
use crate::run::Run;
use crate::text::size;

/// Refuses to begin where the bundle will not fit.
///
/// Its length is known only at its end. Where even an incompressible image would fit, it fits; else a sample of the image
/// is compressed. An image that can be read only once cannot be sampled.
pub(crate) fn check(directory: &Path, input: &mut Input, level: Level, run: &Run) -> Result<()> {
    let stat = rustix::fs::statvfs(directory)
        .with_context(|| format!("asking for the free space in `{}`", directory.display()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let most = bundled_size_bound(input.image());
    // Some network and user-space file systems have no idea, and say 0 of 0.
    if most <= free || stat.f_blocks == 0 {
        return Ok(());
    }
    if matches!(input, Input::Stream(_)) {
        run.report(Event::Tight { directory, free, most });
        return Ok(());
    }
    let needed = estimate_bundled_size(input.image(), level).context("sampling the image")?;
    if needed > free {
        return Err(Error::failed(format!(
            "`{}` has {} free, and the bundle needs about {}",
            directory.display(),
            size(free),
            size(needed)
        ))
        .advise(Advice::say("name a directory on another file system, or make room")));
    }
    Ok(())
}
