//! Stopping: a token that is passed to all that takes long, and what looks at it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use baler_bundle::{PartSink, PartSource, SealedPart};
use baler_image::{Extent, Image, ImageSink};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How often something that waits looks at the token.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// A request to stop. Clones are the same request.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

/// The error of work that was stopped; always inside an [`io::Error`] or an [`Error`](crate::Error).
#[derive(Debug)]
pub(crate) struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Stopped {}

impl Stop {
    /// Nobody has asked to stop yet.
    pub fn new() -> Stop {
        Stop::default()
    }

    /// Asks for a stop. Work ends in order within a second, leaving nothing half-made under its final name.
    pub fn request(&self) {
        self.0.store(true, Relaxed);
    }

    /// The flag itself, for a signal handler to set.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }

    /// Whether a stop was asked for.
    pub fn is_requested(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// Fails once a stop was asked for.
    ///
    /// # Errors
    /// An error that is not of the kind `Interrupted`, which loops everywhere take for «try again».
    pub fn check(&self) -> io::Result<()> {
        if self.is_requested() { Err(io::Error::other(Stopped)) } else { Ok(()) }
    }

    /// Waits until a stop is asked for.
    #[cfg(feature = "aws")]
    pub(crate) async fn requested(&self) {
        while !self.is_requested() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// The same thing, which looks at this token before each step.
    pub(crate) fn watch<T>(&self, inner: T) -> Watched<T> {
        Watched { inner, stop: self.clone() }
    }

    /// A pipe, which does not wait past a stop for its other end.
    pub fn waiting<T: AsFd>(&self, inner: T) -> Waiting<T> {
        Waiting { inner, stop: self.clone() }
    }

    /// Opens a small file that is read whole: it may be a pipe, whose writer has not come yet and never may.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(&self, path: &Path) -> io::Result<Waiting<File>> {
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
        Ok(self.waiting(file))
    }
}

/// Something that looks for a stop before each thing that it does.
pub(crate) struct Watched<T> {
    inner: T,
    stop: Stop,
}

impl Image for Watched<Box<dyn Image>> {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn extents(&self) -> &[Extent] {
        self.inner.extents()
    }

    fn read_at(&mut self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.stop.check()?;
        self.inner.read_at(buf, offset)
    }
}

impl ImageSink for Watched<Box<dyn ImageSink>> {
    fn begin(&mut self, len: u64, extents: Option<&[Extent]>) -> io::Result<()> {
        self.stop.check()?;
        self.inner.begin(len, extents)
    }

    fn write_at(&mut self, data: &[u8], offset: u64) -> io::Result<()> {
        self.stop.check()?;
        self.inner.write_at(data, offset)
    }

    fn commit(self: Box<Self>) -> io::Result<()> {
        self.stop.check()?;
        self.inner.commit()
    }
}

impl<S: PartSource> PartSource for Watched<S> {
    fn get(&self, filename: &str) -> io::Result<Vec<u8>> {
        self.stop.check()?;
        self.inner.get(filename)
    }
}

impl<S: PartSink> PartSink for Watched<&mut S> {
    fn put(&mut self, part: SealedPart) -> io::Result<()> {
        self.stop.check()?;
        self.inner.put(part)
    }
}

/// Standard input or output, or another pipe, that does not wait past a stop for the other end.
#[derive(Debug)]
pub struct Waiting<T> {
    inner: T,
    stop: Stop,
}

impl<T: AsFd> Waiting<T> {
    fn wait(&self, wanted: PollFlags) -> io::Result<()> {
        loop {
            self.stop.check()?;
            let mut fds = [PollFd::new(&self.inner, wanted)];
            match poll(&mut fds, Some(&LOOK)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl<T: AsFd + Read> Read for Waiting<T> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.wait(PollFlags::IN)?;
        self.inner.read(buf)
    }
}

impl<T: AsFd + Write> Write for Waiting<T> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.wait(PollFlags::OUT)?;
        // A pipe that is ready takes a page without waiting, not more.
        self.inner.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
