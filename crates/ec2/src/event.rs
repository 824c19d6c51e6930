//! Events that are worth telling while they happen.

use std::time::Duration;

use crate::names::{AmiId, AmiName};

/// Something that happens on the way to an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A request failed for a reason that passes, and will be sent again.
    Retry {
        /// The request, by EC2's name for it.
        action: &'static str,
        /// The number of the attempt that failed, from 1.
        attempt: u32,
        /// The pause before the next one.
        wait: Duration,
        /// The error, in one line.
        why: String,
    },
    /// The machine's clock is wrong; requests are signed with EC2's time from now on.
    Clock {
        /// The difference.
        by: Duration,
        /// Whether the machine's clock is ahead.
        ahead: bool,
    },
    /// It is not known whether the image was registered, so its name is looked up.
    LookingUp {
        /// The name.
        name: AmiName,
    },
    /// The image is not available yet.
    Waiting {
        /// The image.
        ami: AmiId,
        /// The state it is in, or nothing while EC2 does not show it.
        state: Option<String>,
    },
}
