//! Standard input and output as places of images.

use std::fs::File;
#[cfg(feature = "aws")]
use std::io::Read;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use baler::ImagePlace;
#[cfg(feature = "aws")]
use baler::{Stop, text::size};

use crate::exit::Trouble;

/// Where an image comes from: a path, or `-` for standard input.
pub(crate) fn input(path: &Path) -> anyhow::Result<ImagePlace> {
    if path != Path::new("-") {
        return Ok(path.to_owned().into());
    }
    let stdin = io::stdin().as_fd().try_clone_to_owned().context("opening standard input")?;
    Ok(ImagePlace::Stream(Arc::new(File::from(stdin))))
}

/// Where an image goes to: a path, or `-` for standard output.
pub(crate) fn output(path: &Path) -> anyhow::Result<ImagePlace> {
    if path != Path::new("-") {
        return Ok(path.to_owned().into());
    }
    let stdout = io::stdout();
    if stdout.is_terminal() {
        return Err(Trouble::usage("standard output is a terminal: no image is written to it")
            .hint("redirect it, or name a file")
            .into());
    }
    let stdout = stdout.as_fd().try_clone_to_owned().context("opening standard output")?;
    Ok(ImagePlace::Stream(Arc::new(File::from(stdout))))
}

/// Standard error, where a program of the user's may print.
pub(crate) fn errors() -> anyhow::Result<Arc<File>> {
    let stderr = io::stderr().as_fd().try_clone_to_owned().context("opening standard error")?;
    Ok(Arc::new(File::from(stderr)))
}

/// More than any list has that somebody types; endless input is refused.
#[cfg(feature = "aws")]
const MOST_LINES: u64 = 1 << 20;

/// The lines of standard input that are not empty.
#[cfg(feature = "aws")]
pub(crate) fn lines(stop: &Stop) -> Result<Vec<String>, String> {
    let mut text = String::new();
    let mut input = stop.waiting(io::stdin()).take(MOST_LINES + 1);
    input.read_to_string(&mut text).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => "standard input is not UTF-8".to_owned(),
        _ => format!("standard input cannot be read: {error}"),
    })?;
    if text.len() as u64 > MOST_LINES {
        return Err(format!("standard input has more than {}", size(MOST_LINES)));
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.map(str::to_owned).collect())
}
