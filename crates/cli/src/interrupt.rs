//! Interrupting: the first signal ends the work in order, the second at once.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, OnceLock};

use anyhow::Context;
use baler_bundle::{PartSink, PartSource, SealedPart};
use baler_image::{Extent, Image, ImageSink};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::exit::Exit;

static LEFT: OnceLock<&str> = OnceLock::new();

static HAPPENED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// How often something that waits looks whether it still should.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Takes Ctrl-C, a request to end and a hang-up as interrupts, unless the caller had them ignored (as `nohup` does).
pub(crate) fn watch() -> anyhow::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        if ignored.unwrap_or(0) >> (signal - 1) & 1 == 0 {
            signal_hook::flag::register_conditional_shutdown(
                signal,
                Exit::Interrupted as i32,
                HAPPENED.clone(),
            )
            .and_then(|_| signal_hook::flag::register(signal, HAPPENED.clone()))
            .context("watching for interrupts")?;
        }
    }
    Ok(())
}

/// What to say of an interrupt from now on, where something is left.
pub(crate) fn leave(message: &'static str) {
    // The first word stands: it was the one that was true when the work began.
    let _ = LEFT.set(message);
}

/// What to say of an interrupt.
pub(crate) fn message() -> &'static str {
    LEFT.get().copied().unwrap_or("interrupted; nothing unfinished was left under its final name")
}

/// Whether a signal came.
pub(crate) fn happened() -> bool {
    HAPPENED.load(Relaxed)
}

/// An error once a signal came. Its kind is not `Interrupted`, which loops everywhere take for «try again».
pub(crate) fn check() -> io::Result<()> {
    if happened() { Err(io::Error::other("interrupted")) } else { Ok(()) }
}

/// Looks for an interrupt before each thing that it does.
pub(crate) struct Interruptible<T>(pub(crate) T);

impl Image for Interruptible<Box<dyn Image>> {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn extents(&self) -> &[Extent] {
        self.0.extents()
    }

    fn read_at(&mut self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        check()?;
        self.0.read_at(buf, offset)
    }
}

impl ImageSink for Interruptible<Box<dyn ImageSink>> {
    fn begin(&mut self, len: u64, extents: Option<&[Extent]>) -> io::Result<()> {
        check()?;
        self.0.begin(len, extents)
    }

    fn write_at(&mut self, data: &[u8], offset: u64) -> io::Result<()> {
        check()?;
        self.0.write_at(data, offset)
    }

    fn commit(self: Box<Self>) -> io::Result<()> {
        check()?;
        self.0.commit()
    }
}

impl<S: PartSource> PartSource for Interruptible<S> {
    fn get(&self, filename: &str) -> io::Result<Vec<u8>> {
        check()?;
        self.0.get(filename)
    }
}

impl<S: PartSink> PartSink for Interruptible<&mut S> {
    fn put(&mut self, part: SealedPart) -> io::Result<()> {
        check()?;
        self.0.put(part)
    }
}

/// Opens a small file that is read whole: it may be a pipe, whose writer has not come yet and never may.
pub(crate) fn open_waiting(path: &Path) -> io::Result<Waiting<File>> {
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map(Waiting)
}

/// Standard input or output, or another pipe, that does not wait past an interrupt for the other end of a pipe.
pub(crate) struct Waiting<T>(pub(crate) T);

impl<T: AsFd> Waiting<T> {
    fn wait(&self, wanted: PollFlags) -> io::Result<()> {
        loop {
            check()?;
            let mut fds = [PollFd::new(&self.0, wanted)];
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
        self.0.read(buf)
    }
}

impl<T: AsFd + Write> Write for Waiting<T> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.wait(PollFlags::OUT)?;
        // A pipe that is ready takes a page without waiting, not more.
        self.0.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
