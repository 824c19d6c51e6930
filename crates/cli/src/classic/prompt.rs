//! Questions, which wait half a minute for an answer.

use std::time::Duration;

pub(super) use crate::report::Reply;

use baler::Stop;

use super::fail::{Code, Declined, Failure};
use crate::report;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks on standard output, without a new line, and reads a line from standard input.
pub(super) fn ask(question: &str, stop: &Stop) -> anyhow::Result<Reply> {
    report::ask(question, PATIENCE, stop)
}

/// Asks whether to go on.
pub(super) fn go_on(stop: &Stop) -> anyhow::Result<()> {
    match ask("Are you sure you want to continue? [y/N]", stop)? {
        Reply::Line(answer) if answer.starts_with(['y', 'Y']) => Ok(()),
        Reply::Timeout => Err(timed_out().into()),
        Reply::Line(_) => Err(Declined.into()),
        Reply::Nobody => {
            Err(Failure::new(Code::Other, "standard input has no answer; --batch asks nothing")
                .into())
        }
    }
}

pub(super) fn timed_out() -> Failure {
    Failure::new(Code::Timeout, "nobody answered in time; --batch asks nothing")
}
