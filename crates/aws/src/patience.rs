//! The one policy of retries: how often, how long, and with which pauses something is tried.

use std::time::Duration;

use tokio::time::Instant;

/// How often, and for how long, something is tried: with pauses of random length whose upper limit doubles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Patience {
    /// The most attempts of one operation, at least 1. 10 by default.
    pub attempts: u32,
    /// The most attempts that the service itself does not answer: a host's name may be wrong, or another program may
    /// listen there. As many as `attempts` by default.
    pub unanswered: u32,
    /// The longest first pause. 500 ms by default.
    pub first_pause: Duration,
    /// The longest pause of all. 20 s by default.
    pub longest_pause: Duration,
    /// The time after the first attempt at which no other one is begun. 15 min by default.
    pub budget: Duration,
}

/// The longest pause that a service can ask for.
const MOST_ASKED: Duration = Duration::from_secs(60);

impl Patience {
    /// The defaults.
    pub fn new() -> Patience {
        Patience {
            attempts: 10,
            unanswered: u32::MAX,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(20),
            budget: Duration::from_secs(900),
        }
    }

    /// The pause after this attempt, counted from 1: anything up to the longest pause of that attempt, so that many
    /// clients do not return together.
    fn pause(&self, attempt: u32) -> Duration {
        let doubled = self.first_pause.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        let longest = doubled.min(self.longest_pause);
        let mut random = [0; 2];
        // Without randomness, all wait equally long.
        let share = getrandom::fill(&mut random)
            .map_or(1.0, |()| f64::from(u16::from_le_bytes(random)) / 65535.0);
        longest.mul_f64(share.max(0.05))
    }
}

impl Default for Patience {
    fn default() -> Patience {
        Patience::new()
    }
}

/// The attempts of one operation so far.
#[derive(Debug)]
pub struct Attempts {
    patience: Patience,
    begun: Instant,
    made: u32,
    unanswered: u32,
}

impl Attempts {
    /// None so far; the operation begins now.
    pub fn new(patience: Patience) -> Attempts {
        Attempts { patience, begun: Instant::now(), made: 0, unanswered: 0 }
    }

    /// Counts an attempt that failed for a reason that may pass. Returns the pause before the next attempt, or `None`
    /// if there should be no other one.
    ///
    /// `asked` is the pause that the service asked for, of which a minute is kept at most; `was_answered` tells whether
    /// the service itself gave the answer.
    pub fn failed(&mut self, asked: Option<Duration>, was_answered: bool) -> Option<Duration> {
        self.made = self.made.saturating_add(1);
        self.unanswered += u32::from(!was_answered);
        let pause = asked
            .map(|asked| asked.min(MOST_ASKED))
            .unwrap_or_else(|| self.patience.pause(self.made));
        let is_over = self.made >= self.patience.attempts
            || self.unanswered >= self.patience.unanswered
            || self.begun.elapsed() + pause > self.patience.budget;
        (!is_over).then_some(pause)
    }

    /// The number of attempts that were counted.
    pub fn made(&self) -> u32 {
        self.made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_below_the_longest() {
        let patience = Patience::new();
        for attempt in [1, 2, 5, 10, 60, u32::MAX] {
            let longest = patience.first_pause * (1 << (attempt - 1).min(6));
            for _ in 0..50 {
                let pause = patience.pause(attempt);
                assert!(pause <= longest.min(patience.longest_pause));
                assert!(pause >= longest.min(patience.longest_pause) / 21);
            }
        }
        let many: std::collections::BTreeSet<_> = (0..20).map(|_| patience.pause(6)).collect();
        assert!(many.len() > 10, "{many:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_end() {
        let patience = Patience { attempts: 4, unanswered: 2, ..Patience::new() };
        let mut attempts = Attempts::new(patience);
        assert_eq!(
            attempts.failed(Some(Duration::from_secs(7)), true),
            Some(Duration::from_secs(7))
        );
        assert_eq!(attempts.failed(Some(Duration::from_secs(999)), true), Some(MOST_ASKED));
        assert!(attempts.failed(None, true).is_some());
        assert_eq!(attempts.failed(None, true), None);
        assert_eq!(attempts.made(), 4);
        // Nobody answers.
        let mut attempts = Attempts::new(patience);
        assert!(attempts.failed(None, false).is_some());
        assert_eq!(attempts.failed(None, false), None);
        // The time is over.
        let mut attempts = Attempts::new(patience);
        tokio::time::advance(patience.budget).await;
        assert_eq!(attempts.failed(None, true), None);
    }
}
