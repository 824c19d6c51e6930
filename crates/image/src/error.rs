use std::{error, fmt, fs::FileType, io, os::unix::fs::FileTypeExt, path::PathBuf};

/// An error of opening an image, or of creating its destination.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file or device could not be opened: it does not exist, or may not be read or written.
    #[error("cannot open `{}`", path.display())]
    Open {
        /// The file or device.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// An image cannot be read from or written to something of this kind.
    #[error("`{}` is {found}, not {wanted}", path.display())]
    Kind {
        /// The file or device that was to be opened or created.
        path: PathBuf,
        /// The kind that was found: `a directory`, `a character device`…
        found: &'static str,
        /// The kind that is required: `a file or a block device`…
        wanted: &'static str,
    },
    /// The length of the image or device could not be found.
    #[error("cannot find the length of `{}`", path.display())]
    Length {
        /// The image, or the device.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The data of the image could not be found: the image could not be read, was cut while it was read, or the caller
    /// stopped the search.
    #[error("cannot find the data in `{}`", path.display())]
    Scan {
        /// The image.
        path: PathBuf,
        /// The reason; the error that `progress` returned, if it did.
        source: io::Error,
    },
    /// The device is mounted, or the kernel or another program has claimed it: swap, LVM, RAID, a partition of it.
    #[error("`{}` is mounted or in use", path.display())]
    InUse {
        /// The device.
        path: PathBuf,
    },
    /// A file of this name exists, and was not to be overwritten.
    #[error("`{}` exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The temporary file that holds an image until it is complete could not be made.
    #[error("cannot create a temporary file in `{}`", dir.display())]
    Create {
        /// The directory of the image.
        dir: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// Names `file_type`, with its article, for [`Error::Kind`].
pub(crate) fn kind_of(file_type: FileType) -> &'static str {
    match file_type {
        t if t.is_dir() => "a directory",
        t if t.is_file() => "a file",
        t if t.is_block_device() => "a block device",
        t if t.is_char_device() => "a character device",
        t if t.is_fifo() => "a pipe",
        t if t.is_socket() => "a socket",
        _ => "something else",
    }
}

/// Makes an [`io::Error`] of the same kind as `source`, which says what failed and keeps `source` as its source.
pub(crate) fn failed(what: impl Into<String>, source: io::Error) -> io::Error {
    io::Error::new(source.kind(), Failed { what: what.into(), source })
}

#[derive(Debug)]
struct Failed {
    what: String,
    source: io::Error,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl error::Error for Failed {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.source)
    }
}
