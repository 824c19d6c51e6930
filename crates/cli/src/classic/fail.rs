//! How a classic command ends: its codes.

use std::ffi::OsStr;
use std::fmt;

use crate::exit;
use crate::interrupt;
use crate::report::say;

/// The old exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// A wrong option, or bundling itself.
    Failed = 1,
    /// Something is not there, or is in the way.
    File = 2,
    /// S3.
    S3 = 3,
    /// Nobody answered the prompt.
    Timeout = 5,
    /// No kernel or ramdisk stands for the old one.
    NoMapping = 6,
    /// The bucket is elsewhere.
    Location = 10,
    /// There is no instance metadata to inherit.
    Metadata = 12,
    /// Everything else.
    Other = 254,
    Interrupted = 255,
}

/// A link of an error's chain that says how the command ends.
#[derive(Debug)]
pub(super) struct Failure {
    code: Code,
    text: String,
}

impl Failure {
    pub(super) fn new(code: Code, text: impl Into<String>) -> Failure {
        Failure { code, text: text.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

/// What was typed is wrong.
#[derive(Debug)]
pub(super) struct Usage(pub(super) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// The question was answered with no, which is no failure.
#[derive(Debug)]
pub(super) struct Declined;

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("declined")
    }
}

impl std::error::Error for Declined {}

/// Prints an error as the old tools did, and gives the exit code.
pub(super) fn tell(tool: &str, error: &anyhow::Error) -> u8 {
    if interrupt::happened() {
        say(&format!("{tool} interrupted."));
        return Code::Interrupted as u8;
    }
    if error.is::<Declined>() {
        return 0;
    }
    if let Some(Usage(text)) = error.downcast_ref::<Usage>() {
        text.lines().for_each(say);
        say(&format!("Try '{tool} --help'"));
        return Code::Failed as u8;
    }
    let (message, hint) = exit::told(error);
    say(&format!("ERROR: {message}"));
    if let Some(hint) = hint {
        say(&format!("hint: {}", hint_for(tool, &hint)));
    }
    match error.downcast_ref::<Failure>() {
        Some(failure) => failure.code as u8,
        None if exit::is_of_s3(error) => Code::S3 as u8,
        None => Code::Other as u8,
    }
}

/// A hint as it can be followed: `baler` has options that the old tools never had.
pub(crate) fn hint_for(tool: &str, hint: &str) -> String {
    let Some(command) = super::find(OsStr::new(tool)) else { return hint.to_owned() };
    let mut words = hint.split(|c: char| c != '-' && !c.is_ascii_alphanumeric());
    let is_foreign = words.any(|word| {
        let long = word.strip_prefix("--").filter(|long| !long.is_empty());
        long.is_some_and(|long| command.specs().all(|spec| spec.long != long))
    });
    match is_foreign {
        true => format!("in `{}`, which does the same: {hint}", command.new),
        false => hint.to_owned(),
    }
}
