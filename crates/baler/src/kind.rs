//! The sorts of failures.

/// The sort of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The job failed.
    Failed,
    /// The request is invalid or incomplete.
    Usage,
    /// A bundle is not what its manifest says, or its manifest is not what was signed.
    Mismatch,
    /// A service refused.
    Refused,
    /// The caller asked to stop.
    Interrupted,
}
