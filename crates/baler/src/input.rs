//! Where an image comes from: a file, compressed or not, a block device, or a stream.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use baler_image::{Compression, FileImage, Image, StreamImage, measure, open_file};

use crate::advice::Advice;
use crate::error::{Context, Error, Result};
use crate::event::{Event, Work};
use crate::run::{Progress, Run};
use crate::tree::{Outcome, TreeImage};

/// EC2's limit for the root of an S3-backed AMI.
pub const MAX_IMAGE: u64 = 10 << 30;

/// Where an image is, or goes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ImagePlace {
    /// A root tree (a directory), a file or a block device.
    Path(PathBuf),
    /// An open file: standard input or output.
    Stream(Arc<File>),
}

impl ImagePlace {
    /// The path, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            ImagePlace::Path(path) => Some(path),
            ImagePlace::Stream(_) => None,
        }
    }

    /// Whether it is a root tree.
    pub fn is_tree(&self) -> bool {
        self.path().is_some_and(Path::is_dir)
    }
}

/// The path, or `-`.
impl fmt::Display for ImagePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImagePlace::Path(path) => path.display().fmt(f),
            ImagePlace::Stream(_) => f.write_str("-"),
        }
    }
}

impl From<PathBuf> for ImagePlace {
    fn from(path: PathBuf) -> ImagePlace {
        ImagePlace::Path(path)
    }
}

/// An open source of a bundle.
pub enum Input {
    /// A file or device, which can be read at any position.
    File(FileImage),
    /// A stream, which can be read once, from its start.
    Stream(StreamImage),
    /// An image that is made of a root tree while it is read.
    Tree(Box<TreeImage>),
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Input::File(_) => "File",
            Input::Stream(_) => "Stream",
            Input::Tree(_) => "Tree",
        })
    }
}

impl Input {
    /// The image.
    pub fn image(&mut self) -> &mut dyn Image {
        match self {
            Input::File(image) => image,
            Input::Stream(image) => image,
            Input::Tree(tree) => tree.image(),
        }
    }

    /// The image, and of a root tree what happened to its files while they were read.
    pub(crate) fn into_image(self) -> (Box<dyn Image>, Option<Outcome>) {
        match self {
            Input::File(image) => (Box::new(image), None),
            Input::Stream(image) => (Box::new(image), None),
            Input::Tree(tree) => {
                let (image, outcome) = tree.into_image();
                (image, Some(outcome))
            }
        }
    }
}

/// Opens an image; `len` is its length where only the user can know it.
pub(crate) fn open(place: &ImagePlace, len: Option<u64>, run: &Run) -> Result<Input> {
    let path = place.path().unwrap_or(Path::new("-"));
    let opening = || format!("reading the image `{place}`");
    let stream = match place {
        ImagePlace::Path(path) => return open_seekable(open_file(path)?, path, len, run),
        ImagePlace::Stream(stream) => stream.try_clone().with_context(opening)?,
    };
    if stream.metadata().with_context(opening)?.is_file() {
        return open_seekable(stream, path, len, run);
    }
    let Some(len) = len else {
        return Err(Error::usage("the length of an image on standard input must be given")
            .advise(Advice::GiveLength));
    };
    let mut reader = run.stop.waiting(stream);
    let magic = magic(&mut reader).with_context(opening)?;
    let compression = Compression::detect(&magic);
    let reader = io::Cursor::new(magic).chain(reader);
    let reader: Box<dyn Read + Send> = match compression {
        Some(compression) => compression.decoder(reader).with_context(opening)?,
        None => Box::new(reader),
    };
    Ok(Input::Stream(StreamImage::new(reader, len, None)))
}

fn magic(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut magic = Vec::new();
    reader.take(Compression::MAGIC_LEN as u64).read_to_end(&mut magic)?;
    Ok(magic)
}

fn open_seekable(mut file: File, path: &Path, len: Option<u64>, run: &Run) -> Result<Input> {
    let opening = || format!("reading the image `{}`", path.display());
    let compression = Compression::detect(&magic(&mut file).with_context(opening)?);
    file.rewind().with_context(opening)?;
    let Some(compression) = compression else {
        return open_plain(file, path, len, run).map(Input::File);
    };
    // The archive's header wants the length first, and no compressed format tells it reliably: it takes a pass.
    let (len, extents) = match len {
        Some(len) => (len, None),
        None => {
            let stored = file.metadata().with_context(opening)?.len();
            let shown = path.display().to_string();
            let progress = run.begin(Work::new("measuring", &shown, stored));
            let counted = Counted { file: file.try_clone().with_context(opening)?, progress };
            let decoder = compression.decoder(counted).with_context(opening)?;
            let measured = measure(decoder, &mut |_| run.stop.check())
                .with_context(|| format!("decompressing `{shown}` with {compression}"))?;
            (measured.len, Some(measured.extents))
        }
    };
    file.rewind().with_context(opening)?;
    let decoder = compression.decoder(file).with_context(opening)?;
    run.report(Event::Compressed { path, compression, len });
    Ok(Input::Stream(StreamImage::new(decoder, len, extents)))
}

/// An image as its bytes are, compressed or not.
pub(crate) fn open_plain(
    file: File,
    path: &Path,
    len: Option<u64>,
    run: &Run,
) -> Result<FileImage> {
    let stored = file.metadata().map_or(0, |metadata| metadata.len());
    let shown = path.display().to_string();
    let progress = run.begin(Work::new("looking for data in", &shown, stored));
    let mut at = 0;
    let image = FileImage::from_file_with(file, path, &mut |reached| {
        progress.add(reached.saturating_sub(at));
        at = reached;
        run.stop.check()
    })?;
    drop(progress);
    match len {
        Some(len) if len != image.len() => Err(Error::usage(format!(
            "the length is given as {len} bytes, but `{shown}` has {}",
            image.len()
        ))
        .advise(Advice::OmitLength)),
        _ => Ok(image),
    }
}

/// Shows how much of a compressed file was read.
struct Counted {
    file: File,
    progress: Progress,
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read(buf)?;
        self.progress.add(len as u64);
        Ok(len)
    }
}

/// Refuses an image that EC2 would refuse.
pub(crate) fn check_size(len: u64, image: &ImagePlace, allow_large: bool) -> Result<()> {
    if len == 0 {
        return Err(Error::failed(format!("the image `{image}` has 0 bytes"))
            .advise(Advice::say("there is nothing to bundle; was it written yet?")));
    }
    if len > MAX_IMAGE && !allow_large {
        return Err(Error::failed(format!(
            "the image `{image}` has {len} bytes, and EC2 takes at most 10 GiB ({MAX_IMAGE} bytes)"
        ))
        .advise(Advice::AllowLarge));
    }
    Ok(())
}

/// Warns of an image that may change while it is read.
pub(crate) fn warn_if_in_use(input: &Input, place: &ImagePlace, run: &Run) {
    if let (Input::File(image), Some(path)) = (input, place.path())
        && image.is_in_use().unwrap_or(false)
    {
        run.report(Event::InUse(path));
    }
}
