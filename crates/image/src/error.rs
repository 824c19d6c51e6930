use std::{error, fmt, fs::FileType, io, os::unix::fs::FileTypeExt, path::PathBuf};

/// Why an image could not be opened, or its target not be created.
///
/// Each names the path; none repeats its source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It could not be opened: it is not there, or may not be read or written.
    #[error("cannot open `{}`", path.display())]
    Open {
        /// What was to be opened.
        path: PathBuf,
        /// Why it was not.
        source: io::Error,
    },
    /// It is something that no image can be read from or written to in this way.
    #[error("`{}` is {found}, not {wanted}", path.display())]
    Kind {
        /// What was to be opened or created.
        path: PathBuf,
        /// What it is: `a directory`, `a character device`…
        found: &'static str,
        /// What it would have to be: `a file or a block device`…
        wanted: &'static str,
    },
    /// Its length could not be found.
    #[error("cannot find the length of `{}`", path.display())]
    Length {
        /// The image, or the device.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The data in it could not be told from its holes: it could not be read, it was cut while it was read, or the
    /// caller stopped the search.
    #[error("cannot find the data in `{}`", path.display())]
    Scan {
        /// The image.
        path: PathBuf,
        /// Why not; what the caller's `progress` answered, if it was that.
        source: io::Error,
    },
    /// The device is mounted, or the kernel or another program has claimed it: swap, LVM, RAID, a partition of it.
    #[error("`{}` is mounted or in use", path.display())]
    InUse {
        /// The device.
        path: PathBuf,
    },
    /// There is a file of this name, and it was not to be overwritten.
    #[error("`{}` exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The temporary file, under which an image is written until it is complete, could not be made.
    #[error("cannot create a temporary file in `{}`", dir.display())]
    Create {
        /// The directory of the image.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// What `file_type` is, with its article, as [`Error::Kind`] says it.
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

/// An [`io::Error`] of the same kind as `source`, which says what failed and keeps `source` as its source.
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
