//! Where an image comes from: a file, compressed or not, a block device, or standard input.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::Context;
use baler_image::{Compression, FileImage, Image, StreamImage, measure, open_file};

use crate::exit::Trouble;
use crate::interrupt::{self, Waiting};
use crate::report::tree::Outcome;
use crate::report::{Console, size};
use crate::volume::Volume;

/// What is to be bundled, opened.
pub(crate) enum Input {
    /// It can be read anywhere.
    File(FileImage),
    /// It can be read once, from its start.
    Stream(StreamImage),
    /// It is made of a root tree, as it is read.
    Volume(Box<Volume>),
}

impl Input {
    pub(crate) fn image(&mut self) -> &mut dyn Image {
        match self {
            Input::File(image) => image,
            Input::Stream(image) => image,
            Input::Volume(volume) => volume.image(),
        }
    }

    /// The image, and of a root tree what there is to say when it was read.
    pub(crate) fn into_image(self) -> (Box<dyn Image>, Option<Outcome>) {
        match self {
            Input::File(image) => (Box::new(image), None),
            Input::Stream(image) => (Box::new(image), None),
            Input::Volume(volume) => {
                let (image, outcome) = volume.into_image();
                (image, Some(outcome))
            }
        }
    }
}

/// Opens `path`, or standard input for `-`; `len` is the image's length where only the user can know it.
pub(crate) fn open(path: &Path, len: Option<u64>, console: &Console) -> anyhow::Result<Input> {
    let opening = || format!("reading the image `{}`", path.display());
    if path != Path::new("-") {
        return open_seekable(open_file(path)?, path, len, console);
    }
    let stdin = File::from(io::stdin().as_fd().try_clone_to_owned().with_context(opening)?);
    let kind = stdin.metadata().with_context(opening)?.file_type();
    if kind.is_file() {
        return open_seekable(stdin, path, len, console);
    }
    let Some(len) = len else {
        return Err(Trouble::usage(
            "the length of an image on standard input has to be known beforehand",
        )
        .hint("pass --size with the image's length, uncompressed: `--size 8GiB`")
        .into());
    };
    let mut reader = Waiting(stdin);
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

fn open_seekable(
    mut file: File,
    path: &Path,
    len: Option<u64>,
    console: &Console,
) -> anyhow::Result<Input> {
    let opening = || format!("reading the image `{}`", path.display());
    let compression = Compression::detect(&magic(&mut file).with_context(opening)?);
    file.rewind().with_context(opening)?;
    let Some(compression) = compression else {
        return open_plain(file, path, len, console).map(Input::File);
    };
    // The archive's header wants the length first, and no compressed format tells it reliably: it takes a pass.
    let (len, extents) = match len {
        Some(len) => (len, None),
        None => {
            let stored = file.metadata().with_context(opening)?.len();
            let progress = console.progress(format!("measuring {}", path.display()), stored);
            let counted = Counted { file: file.try_clone().with_context(opening)?, progress };
            let decoder = compression.decoder(counted).with_context(opening)?;
            let measured = measure(decoder, &mut |_| interrupt::check())
                .with_context(|| unpacking(compression, path))?;
            (measured.len, Some(measured.extents))
        }
    };
    file.rewind().with_context(opening)?;
    let decoder = compression.decoder(file).with_context(opening)?;
    console.note(&format!(
        "`{}` is compressed with {compression}: the image has {}",
        path.display(),
        size(len)
    ));
    Ok(Input::Stream(StreamImage::new(decoder, len, extents)))
}

fn unpacking(compression: Compression, path: &Path) -> String {
    format!("decompressing `{}` with {compression}", path.display())
}

/// More than any list has that somebody types; what goes on for ever is refused.
const MOST_LINES: u64 = 1 << 20;

/// The lines of standard input that are not empty.
pub(crate) fn lines() -> Result<Vec<String>, String> {
    let mut text = String::new();
    let mut input = Waiting(io::stdin()).take(MOST_LINES + 1);
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

/// An image as its bytes are, compressed or not.
pub(crate) fn open_plain(
    file: File,
    path: &Path,
    len: Option<u64>,
    console: &Console,
) -> anyhow::Result<FileImage> {
    let stored = file.metadata().map_or(0, |metadata| metadata.len());
    let progress = console.progress(format!("looking for data in {}", path.display()), stored);
    let mut at = 0;
    let image = FileImage::from_file_with(file, path, &mut |reached| {
        progress.add(reached.saturating_sub(at));
        at = reached;
        interrupt::check()
    })?;
    drop(progress);
    match len {
        Some(len) if len != image.len() => Err(Trouble::usage(format!(
            "--size says {len} bytes, but `{}` has {}",
            path.display(),
            image.len()
        ))
        .hint("leave --size away: it is for standard input")
        .into()),
        _ => Ok(image),
    }
}

/// Shows how much of a compressed file was read.
struct Counted {
    file: File,
    progress: crate::report::Progress,
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read(buf)?;
        self.progress.add(len as u64);
        Ok(len)
    }
}

/// EC2's limit for the root of an S3-backed AMI.
pub(crate) const MAX_IMAGE: u64 = 10 << 30;

/// Refuses an image that EC2 would refuse.
pub(crate) fn check_size(len: u64, image: &Path, allow_large: bool) -> anyhow::Result<()> {
    let image = image.display();
    if len == 0 {
        return Err(Trouble::failed(format!("the image `{image}` has 0 bytes"))
            .hint("there is nothing to bundle; was it written yet?")
            .into());
    }
    if len > MAX_IMAGE && !allow_large {
        return Err(Trouble::failed(format!(
            "the image `{image}` has {}, and EC2 takes at most 10 GiB",
            size(len)
        ))
        .hint("make it smaller, or pass --allow-large if the bundle is not for EC2")
        .into());
    }
    Ok(())
}

/// Warns of an image that may change while it is read.
pub(crate) fn warn_if_in_use(input: &Input, path: &Path, console: &Console) {
    if let Input::File(image) = input
        && image.is_in_use().unwrap_or(false)
    {
        console.warn(&format!(
            "`{}` is mounted or in use: what is written to it while it is bundled may tear the image",
            path.display()
        ));
    }
}
