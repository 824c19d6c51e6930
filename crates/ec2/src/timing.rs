//! Time limits.

use std::time::Duration;

use baler_aws::Patience;

/// A request that EC2 itself never answers is given up after so many attempts, whatever the budget: a host's name may be
/// wrong, or another program may listen there.
const UNANSWERED_ATTEMPTS: u32 = 6;

/// The time limits of [`Ec2`](crate::Ec2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// Until there is a connection. 10 s by default.
    pub connect: Duration,
    /// From the start of an attempt to the end of its answer. 60 s by default.
    pub attempt: Duration,
    /// The repetitions of one request. By default 100 attempts, of which EC2 does not answer 6, in 3 minutes.
    pub patience: Patience,
    /// From one look at a pending image to the next. 5 s by default.
    pub poll: Duration,
}

impl Timing {
    /// The defaults.
    pub fn new() -> Self {
        let mut patience = Patience::new();
        patience.attempts = 100;
        patience.unanswered = UNANSWERED_ATTEMPTS;
        patience.budget = Duration::from_secs(180);
        Self {
            connect: Duration::from_secs(10),
            attempt: Duration::from_secs(60),
            patience,
            poll: Duration::from_secs(5),
        }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self::new()
    }
}
