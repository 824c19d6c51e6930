//! Where an image goes to: a file, a block device, or standard output.

use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use anyhow::Context;
use baler_image::{DeviceSink, Error, FileSink, ImageSink, StreamSink};

use crate::exit::Trouble;
use crate::interrupt::Waiting;

/// Opens `path` for writing, or standard output for `-`. `name` is what a file might be called.
pub(crate) fn open(path: &Path, name: &str, overwrite: bool) -> anyhow::Result<Box<dyn ImageSink>> {
    if path == Path::new("-") {
        let stdout = io::stdout();
        if stdout.is_terminal() {
            return Err(Trouble::usage(
                "standard output is a terminal, which is no place for an image",
            )
            .hint("redirect it, or name a file")
            .into());
        }
        let stdout =
            File::from(stdout.as_fd().try_clone_to_owned().context("opening standard output")?);
        return Ok(Box::new(StreamSink::new(Waiting(stdout))));
    }
    match fs::metadata(path) {
        Ok(found) if found.file_type().is_block_device() => match DeviceSink::open(path) {
            Err(error @ Error::InUse { .. }) => Err(error).context(
                Trouble::failed("opening the device").hint("unmount it, or name another device"),
            ),
            sink => Ok(Box::new(sink?)),
        },
        Ok(found) if found.is_dir() => {
            Err(Trouble::usage(format!("`{}` is a directory", path.display()))
                .hint(format!("name a file in it: `{}`", path.join(name).display()))
                .into())
        }
        _ => match FileSink::create(path, overwrite) {
            Err(error @ Error::Exists { .. }) => Err(error).context(
                Trouble::failed("creating the image").hint("pass --force to overwrite it"),
            ),
            Err(error @ Error::Create { .. }) => Err(error).context(
                Trouble::failed("creating the image")
                    .hint("the directory has to exist, and to be yours to write to"),
            ),
            sink => Ok(Box::new(sink?)),
        },
    }
}

/// Makes the directory if it is not there; tells whether it was made.
pub(crate) fn make_directory(path: &Path) -> anyhow::Result<bool> {
    match fs::create_dir(path) {
        Err(error) if !path.is_dir() => {
            let trouble = Trouble::failed(format!("creating the directory `{}`", path.display()));
            let trouble = match error.kind() {
                std::io::ErrorKind::NotFound => trouble.hint("the directory above it has to exist"),
                std::io::ErrorKind::AlreadyExists => {
                    trouble.hint("name a directory for the parts and the manifest")
                }
                _ => trouble,
            };
            Err(error).context(trouble)
        }
        result => Ok(result.is_ok()),
    }
}
