//! A program changes a file system that was made, before anyone else sees it.
//!
//! The one place where something is mounted. It is mounted in a mount namespace of its own, which only the thread here
//! and the programs that it starts are in: nobody else sees it, and when the last of them ends, in whatever way, the
//! kernel unmounts it and lets go of the loop device.

use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::tool::{self, ToolError};

/// Why a program did not change the file system.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// No mount namespace can be had.
    #[error("making a mount namespace, which only root may")]
    Namespace(#[source] std::io::Error),
    /// There is no directory to mount it on.
    #[error("making a mount point")]
    MountPoint(#[source] std::io::Error),
    /// The machine has no `mount`.
    #[error("this machine has no `{0}`, which mounting an image takes")]
    NoTool(&'static str),
    /// `mount`, `umount` or the program itself failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
}

/// Mounts the file system in these bytes of `image`, and runs `program` with the mount point for its only argument.
///
/// The mount point is a new directory in `temporary`. The program has the environment of this process; what it prints on
/// its standard output goes to `output`, and its standard error is that of this process.
///
/// # Errors
/// The program failed, or the image could not be mounted or unmounted; then the image is not to be used.
pub fn customise(
    image: &Path,
    place: Range<u64>,
    program: &Path,
    temporary: &Path,
    output: impl Into<Stdio>,
) -> Result<(), ScriptError> {
    // Kept, so that nobody removes what is in it: programs leave things mounted there, parts of this machine too.
    let point = tempfile::tempdir_in(temporary).map_err(ScriptError::MountPoint)?.keep();
    let output = output.into();
    let done = std::thread::scope(|scope| {
        let thread = scope.spawn(|| in_namespace(image, &place, program, &point, output));
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    // Out here nothing was ever mounted on it, and it is empty. If it is not, it stays.
    let _ = std::fs::remove_dir(&point);
    done
}

fn in_namespace(
    image: &Path,
    place: &Range<u64>,
    program: &Path,
    point: &Path,
    output: Stdio,
) -> Result<(), ScriptError> {
    unshare().map_err(ScriptError::Namespace)?;
    let find = |name| tool::find(&[name]).ok_or(ScriptError::NoTool(name));
    let (mount, umount): (PathBuf, PathBuf) = (find("mount")?, find("umount")?);
    // What is mounted from here on is not to be seen outside, even where mounts are shared.
    tool::run("making mounts private", &mount, &["--make-rprivate", "/"])?;
    let (offset, len) = (place.start, place.end - place.start);
    let options = format!("loop,offset={offset},sizelimit={len}");
    let args: [&OsStr; 6] = [
        "-t".as_ref(),
        "ext4".as_ref(),
        "-o".as_ref(),
        options.as_ref(),
        image.as_os_str(),
        point.as_os_str(),
    ];
    tool::run("mounting the image", &mount, &args)?;
    let done = tool::run_shown("customising the image", program, &[point], output);
    // With what the program left mounted below it.
    let unmounted =
        tool::run("unmounting the image", &umount, &["--recursive".as_ref(), point.as_os_str()]);
    done?;
    unmounted?;
    Ok(())
}

#[expect(unsafe_code, reason = "rustix asks the caller to know about tables of file descriptors")]
fn unshare() -> std::io::Result<()> {
    use rustix::thread::{UnshareFlags, unshare_unsafe};
    // SAFETY: the table of file descriptors stays shared; mounts and the working directory alone become the thread's own.
    Ok(unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?)
}
