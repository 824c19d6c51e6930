//! Where an image goes to: a file, a block device, or a stream.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use baler_image::{DeviceSink, Error as ImageError, FileSink, ImageSink, StreamSink};

use crate::advice::Advice;
use crate::error::{Context, Error, Result};
use crate::input::ImagePlace;
use crate::place::Place;
use crate::run::Run;

/// Opens a place for writing. `name` is what a file in a directory might be called.
pub(crate) fn open(
    place: &ImagePlace,
    name: &str,
    overwrite: bool,
    run: &Run,
) -> Result<Box<dyn ImageSink>> {
    let path = match place {
        ImagePlace::Path(path) => path,
        ImagePlace::Stream(stream) => {
            let stream = stream.try_clone().context("opening standard output")?;
            return Ok(Box::new(StreamSink::new(run.stop.waiting(stream))));
        }
    };
    match fs::metadata(path) {
        Ok(found) if found.file_type().is_block_device() => match DeviceSink::open(path) {
            Err(error @ ImageError::InUse { .. }) => Err(error).context(
                Error::failed("opening the device")
                    .advise(Advice::say("unmount it, or name another device")),
            ),
            sink => Ok(Box::new(sink?)),
        },
        Ok(found) if found.is_dir() => {
            let inside = path.join(name);
            Err(Error::usage(format!("`{}` is a directory", path.display()))
                .advise(Advice::say(format!("name a file in it: `{}`", inside.display()))))
        }
        _ => match FileSink::create(path, overwrite) {
            Err(error @ ImageError::Exists { .. }) => Err(error)
                .context(Error::failed("creating the image").advise(Advice::AllowOverwrite)),
            Err(error @ ImageError::Create { .. }) => Err(error).context(
                Error::failed("creating the image")
                    .advise(Advice::say("the directory must exist and be writable")),
            ),
            sink => Ok(Box::new(sink?)),
        },
    }
}

/// Makes the directory if it is not there; whether it was made.
pub(crate) fn make_directory(path: &Path) -> Result<bool> {
    match fs::create_dir(path) {
        Err(error) if !path.is_dir() => {
            let outer = Error::failed(format!("creating the directory `{}`", path.display()));
            let outer = match error.kind() {
                io::ErrorKind::NotFound => {
                    outer.advise(Advice::say("the directory above it must exist"))
                }
                io::ErrorKind::AlreadyExists => {
                    outer.advise(Advice::say("name a directory for the parts and the manifest"))
                }
                _ => outer,
            };
            Err(outer.because(error))
        }
        result => Ok(result.is_ok()),
    }
}

impl Place {
    /// Refuses a manifest where a place for bundles is meant.
    ///
    /// # Errors
    /// That it names a manifest.
    pub fn check_not_manifest(&self) -> Result<()> {
        let is_manifest = match self {
            #[cfg(feature = "aws")]
            Place::S3(location) => location.key.ends_with(".manifest.xml"),
            Place::Path(path) => {
                path.as_os_str().as_encoded_bytes().ends_with(b".manifest.xml") && !path.is_dir()
            }
        };
        match self.split().filter(|_| is_manifest) {
            Some((above, _)) => {
                Err(Error::usage(format!("`{self}` names a manifest, not a place for bundles"))
                    .advise(Advice::say(format!("pass the place of the manifest: `{above}`"))))
            }
            None => Ok(()),
        }
    }
}
