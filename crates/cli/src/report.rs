//! What a person sees: messages and progress, on standard error; and what a program reads, on standard output.

pub(crate) mod bundle;
mod output;
pub(crate) mod plan;
pub(crate) mod tree;

#[cfg(feature = "aws")]
use std::io::BufRead;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use baler::text::{plain, size};
use baler::{Advice, Event, Left, Severity, Stop, Work};
use baler_volume::Event as TreeEvent;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub(crate) use output::{json, path, place, result};
pub(crate) use plan::Words;

/// How often a line tells the progress where there is no terminal.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// What came of a question.
pub(crate) enum Reply {
    Line(String),
    /// Standard input is at its end.
    Nobody,
    Timeout,
}

/// Asks on standard output, without a new line, and reads a line from standard input.
pub(crate) fn ask(question: &str, patience: Duration, stop: &Stop) -> anyhow::Result<Reply> {
    result(question)?;
    // Not through a buffer, which would take what the next question is answered with.
    let stdin = io::stdin();
    let deadline = Instant::now() + patience;
    let mut line = Vec::new();
    loop {
        stop.check().map_err(baler::Error::from).context("waiting for an answer")?;
        if Instant::now() >= deadline {
            return Ok(Reply::Timeout);
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
            Ok(0) if line.is_empty() => return Ok(Reply::Nobody),
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) => line.push(byte[0]),
            Err(errno) => return Err(io::Error::from(errno)).context("reading the answer"),
        }
    }
    Ok(Reply::Line(String::from_utf8_lossy(&line).trim().to_owned()))
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

/// Standard error, for one face: how it names itself, how much it says, how it words advice.
#[derive(Clone)]
pub(crate) struct Console {
    /// Who speaks.
    name: &'static str,
    quiet: bool,
    debug: bool,
    retries: Retries,
    words: Words,
    /// Events that this face does not speak of.
    is_silent: fn(&Event<'_>) -> bool,
    shown: Arc<Mutex<Option<Progress>>>,
    left: Arc<Mutex<Option<Left>>>,
}

/// How it is reported that something is tried again.
#[derive(Clone, Copy)]
enum Retries {
    /// As everything else.
    Notes,
    /// As the classic tools did, on both outputs.
    Lines,
    Nothing,
}

impl Console {
    pub(crate) fn new(quiet: bool, debug: bool, words: Words) -> Console {
        Console {
            name: "baler",
            quiet,
            debug,
            retries: Retries::Notes,
            words,
            is_silent: |_| false,
            shown: Arc::default(),
            left: Arc::default(),
        }
    }

    /// That of a classic command, which reports what is tried again only if it is asked to.
    pub(crate) fn classic(self, name: &'static str, retries: bool) -> Console {
        let retries = if retries { Retries::Lines } else { Retries::Nothing };
        let is_silent = |event: &Event<'_>| {
            matches!(event, Event::Inherited { .. } | Event::Unmapped(_) | Event::ProductCodes)
        };
        Console { name, retries, is_silent, ..self }
    }

    /// Words an event of the library.
    pub(crate) fn event(&self, event: &Event<'_>) {
        match event {
            Event::Began(work) => {
                let progress = self.progress(work);
                *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
            }
            Event::Advanced(more) => {
                let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
                shown.iter().for_each(|progress| progress.add(*more));
            }
            Event::Ended => {
                self.shown.lock().unwrap_or_else(PoisonError::into_inner).take();
            }
            Event::Leaves(left) => {
                let mut known = self.left.lock().unwrap_or_else(PoisonError::into_inner);
                // The first word stands: it was the one that was true when the work began.
                known.get_or_insert(*left);
            }
            // Those of S3; EC2's have no limit, and are notes for all.
            Event::Retry { error, wait, most: Some(_), .. }
                if !matches!(self.retries, Retries::Notes) =>
            {
                if let Retries::Lines = self.retries {
                    say(&error.to_string());
                    // Where standard output is closed, the work continues.
                    let _ = result(&format!("Retrying in {:.0}s ...\n", wait.as_secs_f32()));
                }
            }
            Event::Changed(files) => {
                tree::troubles(files).iter().for_each(|line| self.warn(line));
            }
            Event::Tree(TreeEvent::Changes { kind, changes }) => {
                let severity = event.severity();
                tree::changes(kind, changes).iter().for_each(|line| self.say(severity, line));
            }
            Event::Tree(TreeEvent::Planned(summary)) => self.note(&plan::line(summary)),
            event if (self.is_silent)(event) => {}
            event => {
                let severity = event.severity();
                self.say(severity, &event.to_string());
                if severity > Some(Severity::Note) || !self.quiet {
                    event.advice().iter().for_each(|advice| self.advise(advice));
                }
            }
        }
    }

    /// What to say of an interruption.
    pub(crate) fn left(&self) -> Option<Left> {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each advice is called for what was typed.
    pub(crate) fn words(&self) -> &Words {
        &self.words
    }

    fn say(&self, severity: Option<Severity>, text: &str) {
        match severity {
            Some(Severity::Warning) => self.warn(text),
            Some(Severity::Note) => self.note(text),
            Some(Severity::Debug) => self.debug(text),
            None => {}
        }
    }

    fn advise(&self, advice: &Advice) {
        if let Some(words) = (self.words)(advice) {
            self.hint(&words);
        }
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
        self.line("hint: ", hint);
    }

    /// A step, for those who look for what is wrong.
    fn debug(&self, message: &str) {
        if self.debug {
            self.line("debug: ", message);
        }
    }

    /// Asks the person at the terminal, and takes anything but a yes for a no; `None` if there is nobody to ask.
    #[cfg(feature = "aws")]
    pub(crate) fn confirm(&self, question: &str, stop: &Stop) -> anyhow::Result<Option<bool>> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Ok(None);
        }
        self.line("", &format!("{question} [y/N]"));
        let mut answer = String::new();
        let mut typed = io::BufReader::new(stop.waiting(stdin));
        typed.read_line(&mut answer).context("reading the answer")?;
        Ok(Some(matches!(answer.trim(), "y" | "Y" | "yes")))
    }

    fn line(&self, kind: &str, message: &str) {
        // Where standard error is closed there is nobody to tell.
        let _ = writeln!(io::stderr(), "{}: {kind}{}", self.name, plain(message));
    }

    /// Begins to show how far a piece of work is.
    fn progress(&self, work: &Work<'_>) -> Progress {
        let what = work.to_string();
        let Some(total) = work.total else {
            let template = "{msg}: {human_pos} entries";
            return self
                .show(&what, None, template, |what, done, _| format!("{what}: {done} entries"));
        };
        let template = "{msg} {wide_bar} {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta} left";
        self.show(&what, Some(total), template, move |what, done, elapsed| {
            heartbeat(what, done, total, elapsed)
        })
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
            let (seen, console) = (done.clone(), self.clone());
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
struct Progress {
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
    fn add(&self, more: u64) {
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
}
