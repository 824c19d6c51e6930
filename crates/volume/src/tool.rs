//! The one door for child processes.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// The program could not be started.
    #[error("{doing}: starting `{}`", program.display())]
    Start {
        /// The work that it was to do.
        doing: &'static str,
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program failed.
    #[error("{doing}: `{}` failed ({status}): {stderr}", program.display())]
    Failed {
        /// The work that it was to do.
        doing: &'static str,
        /// The program.
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

/// Runs a program without a shell and with an empty environment; what it prints is kept for the error.
pub(crate) fn run<S: AsRef<OsStr>>(
    doing: &'static str,
    program: &Path,
    args: &[S],
) -> Result<(), ToolError> {
    let mut command = command(program, args);
    command.env_clear().env("LC_ALL", "C");
    let output = command.output().map_err(start_failed(doing, program))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = stderr.lines().rev().take(3).collect();
    let stderr = lines.into_iter().rev().collect::<Vec<_>>().join("; ");
    check(doing, program, output.status, stderr)
}

/// Runs a user's own program, in the user's environment; what it prints on standard output goes to `output`.
pub(crate) fn run_shown<S: AsRef<OsStr>>(
    doing: &'static str,
    program: &Path,
    args: &[S],
    output: Stdio,
) -> Result<(), ToolError> {
    let mut command = command(program, args);
    command.stdout(output);
    let status = command.status().map_err(start_failed(doing, program))?;
    check(doing, program, status, "see what it said".to_owned())
}

fn command<S: AsRef<OsStr>>(program: &Path, args: &[S]) -> Command {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    command
}

fn start_failed(doing: &'static str, program: &Path) -> impl FnOnce(io::Error) -> ToolError {
    let program = program.to_owned();
    move |source| ToolError::Start { doing, program, source }
}

fn check(
    doing: &'static str,
    program: &Path,
    status: std::process::ExitStatus,
    stderr: String,
) -> Result<(), ToolError> {
    if status.success() {
        return Ok(());
    }
    Err(ToolError::Failed { doing, program: program.to_owned(), status, stderr })
}
