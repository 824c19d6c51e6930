//! Standard output: results, and nothing else.

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::Context;
use baler::Place;

/// Prints results, on standard output and nowhere else.
pub(crate) fn result(text: &str) -> anyhow::Result<()> {
    bytes(text.as_bytes())
}

/// Prints a path, byte for byte: the next command in a script has to find the file.
pub(crate) fn path(path: &Path) -> anyhow::Result<()> {
    bytes(&[path.as_os_str().as_bytes(), b"\n"].concat())
}

/// Prints where something is.
pub(crate) fn place(place: &Place) -> anyhow::Result<()> {
    match place {
        Place::Path(file) => path(file),
        #[cfg(feature = "aws")]
        Place::S3(place) => result(&format!("{place}\n")),
    }
}

/// Standard output, for results that are too long to be put together first.
pub(crate) type Output = io::Stdout;

pub(crate) fn output() -> Output {
    io::stdout()
}

fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).context("writing to standard output")
}

/// Prints a result as JSON, on one line.
pub(crate) fn json(value: &serde_json::Value) -> anyhow::Result<()> {
    result(&format!("{value}\n"))
}
