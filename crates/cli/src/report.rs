//! What a person sees: messages and progress, on standard error; and what a program reads, on standard output.

pub(crate) mod plan;
pub(crate) mod tree;

use std::io::{self, BufRead, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::interrupt::{self, Waiting};
use crate::place::Place;
use anyhow::Context;
use bytesize::ByteSize;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How often a line tells the progress where there is no terminal.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// A length as people read it: `1.5 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}

/// `1 part`, `3 parts`.
pub(crate) fn count(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Text from a manifest or a file name, without what would move the cursor, change colours, or show letters in another
/// order than they have.
pub(crate) fn plain(text: &str) -> String {
    let is_hidden = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let escape = |c: char| {
        if c.is_control() || is_hidden(c) { c.escape_default().to_string() } else { c.to_string() }
    };
    text.chars().map(escape).collect()
}

/// An error and its causes, in one line.
pub(crate) fn chain(error: &baler_bundle::Error) -> String {
    let links = std::iter::successors(Some(error as &dyn std::error::Error), |link| link.source());
    links.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

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
        Place::S3(location) => result(&format!("{location}\n")),
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

/// What came of a question.
pub(crate) enum Answer {
    Line(String),
    /// Standard input is at its end.
    Nobody,
    Timeout,
}

/// Asks on standard output, without a new line, and reads a line from standard input.
pub(crate) fn ask(question: &str, patience: Duration) -> anyhow::Result<Answer> {
    result(question)?;
    // Not through a buffer, which would take what the next question is answered with.
    let stdin = io::stdin();
    let deadline = Instant::now() + patience;
    let mut line = Vec::new();
    loop {
        interrupt::check().context("waiting for an answer")?;
        if Instant::now() >= deadline {
            return Ok(Answer::Timeout);
        }
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        let look = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        match poll(&mut fds, Some(&look)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(errno) => return Err(io::Error::from(errno)).context("waiting for an answer"),
        }
        let mut byte = [0];
        match rustix::io::read(&stdin, &mut byte) {
            Ok(0) if line.is_empty() => return Ok(Answer::Nobody),
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) => line.push(byte[0]),
            Err(errno) => return Err(io::Error::from(errno)).context("reading the answer"),
        }
    }
    Ok(Answer::Line(String::from_utf8_lossy(&line).trim().to_owned()))
}

/// Prints a line on standard error.
pub(crate) fn say(line: &str) {
    // Where it is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "{}", plain(line));
}

/// Whether somebody sees what is said.
pub(crate) fn is_seen() -> bool {
    io::stderr().is_terminal()
}

/// Standard error.
#[derive(Clone, Copy)]
pub(crate) struct Console {
    /// Who speaks.
    name: &'static str,
    quiet: bool,
    debug: bool,
    retries: Retries,
}

/// How it is told that something is tried again.
#[derive(Clone, Copy)]
enum Retries {
    /// As everything else.
    Notes,
    /// As the classic tools did, on both outputs.
    Lines,
    Nothing,
}

impl Console {
    pub(crate) fn new(quiet: bool, debug: bool) -> Console {
        Console { name: "baler", quiet, debug, retries: Retries::Notes }
    }

    /// That of a classic command, which tells of what is tried again only if it is asked to.
    pub(crate) fn classic(name: &'static str, quiet: bool, debug: bool, retries: bool) -> Console {
        let retries = if retries { Retries::Lines } else { Retries::Nothing };
        Console { name, quiet, debug, retries }
    }

    /// Something worth knowing.
    pub(crate) fn note(&self, message: &str) {
        if !self.quiet {
            self.line("", message);
        }
    }

    /// Something that may be wrong; told even where all else is quiet.
    pub(crate) fn warn(&self, message: &str) {
        self.line("warning: ", message);
    }

    pub(crate) fn error(&self, message: &str) {
        self.line("error: ", message);
    }

    pub(crate) fn hint(&self, hint: &str) {
        self.line("hint: ", &crate::classic::fail::hint_for(self.name, hint));
    }

    /// Whether each step is told.
    pub(crate) fn is_debug(&self) -> bool {
        self.debug
    }

    /// A step, for those who look for what is wrong.
    pub(crate) fn debug(&self, message: &str) {
        if self.debug {
            self.line("debug: ", message);
        }
    }

    /// What went wrong and is tried again, `next` of `most` times, after a while.
    pub(crate) fn retry(
        &self,
        error: &dyn std::fmt::Display,
        wait: Duration,
        next: u32,
        most: u32,
    ) {
        let seconds = wait.as_secs_f32();
        match self.retries {
            Retries::Notes => {
                self.note(&format!("{error}; trying again in {seconds:.1} s ({next} of {most})"));
            }
            Retries::Lines => {
                say(&error.to_string());
                // Where standard output is closed, the work goes on all the same.
                let _ = result(&format!("Retrying in {seconds:.0}s ...\n"));
            }
            Retries::Nothing => {}
        }
    }

    /// Asks the person at the terminal, and takes anything but a yes for a no; `None` if there is nobody to ask.
    pub(crate) fn confirm(&self, question: &str) -> anyhow::Result<Option<bool>> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Ok(None);
        }
        self.line("", &format!("{question} [y/N]"));
        let mut answer = String::new();
        let mut typed = io::BufReader::new(Waiting(stdin));
        typed.read_line(&mut answer).context("reading the answer")?;
        Ok(Some(matches!(answer.trim(), "y" | "Y" | "yes")))
    }

    fn line(&self, kind: &str, message: &str) {
        // Where standard error is closed there is nobody to tell.
        let _ = writeln!(io::stderr(), "{}: {kind}{}", self.name, plain(message));
    }

    /// Begins to show how far `what` is, of `total` bytes.
    pub(crate) fn progress(&self, what: String, total: u64) -> Progress {
        let template = "{msg} {wide_bar} {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta} left";
        self.show(&what, Some(total), template, move |what, done, elapsed| {
            heartbeat(what, done, total, elapsed)
        })
    }

    /// Begins to show how many `things` were seen; nobody knows how many there are.
    pub(crate) fn counter(&self, what: String, things: &'static str) -> Progress {
        let template = format!("{{msg}}: {{human_pos}} {things}");
        self.show(&what, None, &template, move |what, done, _| format!("{what}: {done} {things}"))
    }

    fn show(
        &self,
        what: &str,
        total: Option<u64>,
        template: &str,
        line: impl Fn(&str, u64, Duration) -> String + Send + 'static,
    ) -> Progress {
        let done = Arc::new(AtomicU64::new(0));
        let what = plain(what);
        if self.quiet {
            return Progress { done, shown: Shown::Nothing };
        }
        if !io::stderr().is_terminal() {
            let (stop, stopped) = sync_channel::<()>(0);
            let (seen, console) = (done.clone(), *self);
            let thread = std::thread::spawn(move || {
                let begun = Instant::now();
                while stopped.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                    let text = line(&what, seen.load(Relaxed), begun.elapsed());
                    console.note(&text);
                }
            });
            return Progress { done, shown: Shown::Lines { stop, thread } };
        }
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        bar.set_style(style.progress_chars("━╸ "));
        bar.set_message(what);
        bar.tick();
        bar.enable_steady_tick(Duration::from_millis(250));
        Progress { done, shown: Shown::Bar(bar) }
    }
}

fn heartbeat(what: &str, done: u64, total: u64, elapsed: Duration) -> String {
    let speed = done as f64 / elapsed.as_secs_f64().max(0.001);
    let percent = 100 * u128::from(done) / u128::from(total.max(1));
    let mut line = format!(
        "{what}: {} of {} ({percent} %), {}/s",
        size(done),
        size(total),
        size(speed as u64)
    );
    if speed >= 1.0 && done < total {
        line += &format!(", {:.0} s left", (total - done) as f64 / speed);
    }
    line
}

/// The progress of one job; it disappears when dropped.
pub(crate) struct Progress {
    done: Arc<AtomicU64>,
    shown: Shown,
}

enum Shown {
    Nothing,
    Bar(ProgressBar),
    Lines { stop: SyncSender<()>, thread: JoinHandle<()> },
}

impl Progress {
    /// So many more are done.
    pub(crate) fn add(&self, more: u64) {
        let done = self.done.fetch_add(more, Relaxed) + more;
        if let Shown::Bar(bar) = &self.shown {
            bar.set_position(done);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.shown, Shown::Nothing) {
            Shown::Nothing => {}
            Shown::Bar(bar) => bar.finish_and_clear(),
            Shown::Lines { stop, thread } => {
                drop(stop);
                // It does nothing that could panic.
                let _ = thread.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_tell_speed_and_time() {
        for (done, total, seconds, line) in [
            (0, 3 << 30, 5, "x: 0 B of 3.0 GiB (0 %), 0 B/s"),
            (1 << 30, 3 << 30, 4, "x: 1.0 GiB of 3.0 GiB (33 %), 256.0 MiB/s, 8 s left"),
            (3 << 30, 3 << 30, 4, "x: 3.0 GiB of 3.0 GiB (100 %), 768.0 MiB/s"),
            (0, 0, 0, "x: 0 B of 0 B (0 %), 0 B/s"),
        ] {
            assert_eq!(heartbeat("x", done, total, Duration::from_secs(seconds)), line);
        }
    }

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(plain("a\x1b[2Jb\r\n"), "a\\u{1b}[2Jb\\r\\n");
        assert_eq!(plain("a\u{202e}b\u{200b}"), "a\\u{202e}b\\u{200b}");
        assert_eq!(plain("größe"), "größe");
    }
}
