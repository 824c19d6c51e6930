//! Trying again what may go better a moment later.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::around::{Around, Call, Operation};
use crate::{Error, Kind};

/// What is told before something is tried again.
#[derive(Debug)]
pub struct Again<'a> {
    /// What went wrong.
    pub error: &'a Error,
    /// How often it was tried so far.
    pub attempts: u32,
    /// How long is waited now.
    pub wait: Duration,
}

/// How often, and for how long, something is tried: with exponential waits of random length.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The most attempts of one operation, at least 1.
    pub attempts: u32,
    /// The longest first wait; it doubles each time.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
    /// The time after which nothing is begun again, since the operation's first attempt.
    pub budget: Duration,
}

impl Default for Patience {
    /// Ten attempts in a quarter of an hour.
    fn default() -> Patience {
        Patience {
            attempts: 10,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(20),
            budget: Duration::from_secs(900),
        }
    }
}

type Tell = Box<dyn Fn(&Again<'_>) + Send + Sync>;

/// Tries again what is transient, and nothing else.
pub struct Retry {
    patience: Patience,
    tell: Tell,
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl Retry {
    /// With so much patience; `tell` hears of each attempt that failed and is made again.
    pub fn new(patience: Patience, tell: impl Fn(&Again<'_>) + Send + Sync + 'static) -> Retry {
        Retry { patience, tell: Box::new(tell) }
    }

    /// Does something until it works, is refused, or patience ends.
    ///
    /// # Errors
    /// The last one.
    pub async fn run<T, F: Future<Output = Result<T, Error>>>(
        &self,
        call: impl Fn() -> F,
    ) -> Result<T, Error> {
        let begun = Instant::now();
        let mut attempts = 0;
        loop {
            let error = match call().await {
                Err(error) if error.is_transient() => error,
                result => return result,
            };
            attempts += 1;
            let wait = self.wait(attempts, &error.kind);
            if attempts >= self.patience.attempts || begun.elapsed() + wait > self.patience.budget {
                return Err(error);
            }
            (self.tell)(&Again { error: &error, attempts, wait });
            tokio::time::sleep(wait).await;
        }
    }

    /// Anything up to the longest wait, so that many clients do not come back at once; or what the service asked for.
    fn wait(&self, attempts: u32, kind: &Kind) -> Duration {
        if let Kind::Transient(Some(asked)) = kind {
            return *asked;
        }
        let Patience { base, cap, .. } = self.patience;
        let most = base.saturating_mul(1 << (attempts - 1).min(16)).min(cap);
        let mut random = [0; 2];
        // Without randomness all wait equally long.
        let share = getrandom::fill(&mut random)
            .map_or(1.0, |()| f64::from(u16::from_le_bytes(random)) / 65535.0);
        most.mul_f64(share.max(0.05))
    }
}

#[async_trait]
impl Around for Retry {
    async fn look<'a, T: Send + 'a>(
        &self,
        _: Operation<'a>,
        call: Call<'a, T>,
    ) -> Result<T, Error> {
        self.run(call).await
    }
}
