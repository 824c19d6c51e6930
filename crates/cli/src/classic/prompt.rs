//! Questions, which wait half a minute for an answer.

use std::io;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::fail::{Code, Declined, Failure};
use crate::{interrupt, report};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of a question.
pub(super) enum Answer {
    Line(String),
    /// Standard input is at its end.
    Nobody,
    Timeout,
}

/// Asks on standard output, without a new line, and reads a line from standard input.
pub(super) fn ask(question: &str) -> anyhow::Result<Answer> {
    report::result(question)?;
    // Not through a buffer, which would take what the next question is answered with.
    let stdin = io::stdin();
    let deadline = Instant::now() + PATIENCE;
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

/// Asks whether to go on.
pub(super) fn go_on() -> anyhow::Result<()> {
    match ask("Are you sure you want to continue? [y/N]")? {
        Answer::Line(answer) if answer.starts_with(['y', 'Y']) => Ok(()),
        Answer::Timeout => Err(timed_out().into()),
        Answer::Line(_) | Answer::Nobody => Err(Declined.into()),
    }
}

pub(super) fn timed_out() -> Failure {
    Failure::new(Code::Timeout, "nobody answered in time; --batch asks nothing")
}
