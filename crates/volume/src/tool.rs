//! The one door for child processes.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// It could not be started.
    #[error("{doing}: starting `{}`", program.display())]
    Start {
        /// What it was to do.
        doing: &'static str,
        /// Which one.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It said no.
    #[error("{doing}: `{}` failed ({status}): {stderr}", program.display())]
    Failed {
        /// What it was to do.
        doing: &'static str,
        /// Which one.
        program: PathBuf,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// The end of what it said.
        stderr: String,
    },
}

/// Where programs of the system are, whatever `PATH` says.
const DIRECTORIES: [&str; 6] =
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"];

/// The first of these programs that the machine has.
pub(crate) fn find(names: &[&str]) -> Option<PathBuf> {
    let mut places = names.iter().flat_map(|name| DIRECTORIES.map(|dir| Path::new(dir).join(name)));
    places.find(|path| path.is_file())
}

/// Runs a program without a shell and with an empty environment.
pub(crate) fn run<S: AsRef<OsStr>>(
    doing: &'static str,
    program: &Path,
    args: &[S],
) -> Result<(), ToolError> {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    let mut command = Command::new(program);
    command.args(args).env_clear().env("LC_ALL", "C").stdin(Stdio::null());
    let output = command.output().map_err(|source| ToolError::Start {
        doing,
        program: program.to_owned(),
        source,
    })?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = stderr.lines().rev().take(3).collect();
    Err(ToolError::Failed {
        doing,
        program: program.to_owned(),
        status: output.status,
        stderr: lines.into_iter().rev().collect::<Vec<_>>().join("; "),
    })
}
