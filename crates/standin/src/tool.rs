//! Child processes: `openssl`, `gzip`, `tar` and `sha1sum` do what EC2 does, so that none of Baler's code checks itself.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::process::{Child, Command, Output, Stdio};

/// A program with its arguments, started with pipes for input and output.
pub(crate) fn start<S: AsRef<OsStr>>(
    program: &str,
    arguments: &[S],
    input: Stdio,
) -> io::Result<Child> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the stand-in opens bundles with other programs than Baler's on purpose"
    )]
    let mut command = Command::new(program);
    let child =
        command.args(arguments).stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    child.map_err(|error| io::Error::new(error.kind(), format!("cannot run `{program}`: {error}")))
}

/// Runs a program to its end; what it said is the error if it fails.
pub(crate) fn run<S: AsRef<OsStr>>(
    program: &str,
    arguments: &[S],
    input: &[u8],
) -> io::Result<Vec<u8>> {
    let mut child = start(program, arguments, Stdio::piped())?;
    if let Some(mut pipe) = child.stdin.take() {
        // A program that wants no more input says why in its own words.
        let _ = pipe.write_all(input);
    }
    finish(program, child.wait_with_output()?)
}

/// The output of a program; its complaint is the error if it failed.
pub(crate) fn finish(program: &str, output: Output) -> io::Result<Vec<u8>> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("`{program}` failed ({}): {}", output.status, complaint.trim())))
}
