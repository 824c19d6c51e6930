//! How a classic command ends: its codes.

use std::fmt;

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
    #[cfg(feature = "aws")]
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
    pub(super) code: Code,
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
