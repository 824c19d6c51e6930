//! The client: signs a form, sends it, understands the answer, and tries again where that helps.

use std::error::Error as _;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector};
use aws_types::SdkConfig;
use aws_types::sdk_config::{SharedAsyncSleep, SharedTimeSource};
use http::Uri;
use tokio::time::Instant;

use crate::Event;
use crate::error::{Error, ErrorKind, SetupError};
use crate::names::RegionName;
use crate::xml::Element;

mod connector;
mod credentials;
mod endpoint;
mod form;
mod send;

pub(crate) use form::Form;

/// A request that EC2 itself never answers is given up after so many attempts, whatever the budget: a host's name may be
/// wrong, or something else may be at it.
const UNANSWERED_ATTEMPTS: u32 = 6;

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Until there is a connection. 10 s by default.
    pub connect: Duration,
    /// From the start of an attempt to the end of its answer. 60 s by default.
    pub attempt: Duration,
    /// How often a request is sent at most. 100 by default.
    pub attempts: u32,
    /// For a request with all of its attempts; none is begun later than this. 3 min by default.
    pub budget: Duration,
    /// The longest pause after the first attempt; it doubles with each one. 500 ms by default.
    pub first_pause: Duration,
    /// The longest pause of all. 20 s by default.
    pub longest_pause: Duration,
    /// From one look at a pending image to the next. 5 s by default.
    pub poll: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            attempt: Duration::from_secs(60),
            attempts: 100,
            budget: Duration::from_secs(180),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(20),
            poll: Duration::from_secs(5),
        }
    }
}

impl Timing {
    /// How long to wait after the attempt of this number, counted from 1: anything from nothing to the longest pause
    /// of that attempt, so that many callers do not come back together.
    pub(crate) fn pause(&self, attempt: u32) -> Duration {
        let doubled = self.first_pause.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        let longest = doubled.min(self.longest_pause);
        // The keys of a new hash map are random, and this needs no better numbers.
        let random = RandomState::new().hash_one(attempt) >> 32;
        longest.mul_f64(random as f64 / f64::from(u32::MAX))
    }
}

/// EC2 in one region.
///
/// Cloning is cheap; clones share the connections and the credentials. [`Ec2::in_region`] is the same for another
/// region.
#[derive(Clone)]
pub struct Ec2 {
    region: String,
    endpoint: Uri,
    /// Where there is no other endpoint for another region.
    endpoint_was_given: bool,
    fips: bool,
    dual_stack: bool,
    user_agent: String,
    keyring: Arc<credentials::Keyring>,
    client: SharedHttpClient,
    connector: SharedHttpConnector,
    clock: Option<SharedTimeSource>,
    timer: Option<SharedAsyncSleep>,
    /// What has to be added to the machine's clock to have EC2's, in seconds.
    clock_offset: Arc<AtomicI64>,
    timing: Timing,
}

impl fmt::Debug for Ec2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ec2")
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .field("timing", &self.timing)
            .finish_non_exhaustive()
    }
}

impl Ec2 {
    /// EC2 as the SDK's configuration has it: its region, credentials, HTTP client and clock.
    ///
    /// Without an endpoint, here or in the configuration, it follows from the region's name. Nothing is sent.
    pub fn new(config: &SdkConfig, endpoint: Option<String>) -> Result<Self, SetupError> {
        let region = config.region().ok_or(SetupError::NoRegion)?.as_ref().to_owned();
        let fips = config.use_fips().unwrap_or(false);
        let dual_stack = config.use_dual_stack().unwrap_or(false);
        let given = endpoint.or_else(|| config.endpoint_url().map(str::to_owned));
        let endpoint_was_given = given.is_some();
        let endpoint = match given {
            Some(given) => given,
            None => endpoint::of_region(&region.parse::<RegionName>()?, fips, dual_stack),
        };
        let provider = config.credentials_provider().ok_or(SetupError::NoCredentials)?;
        let client = config.http_client().ok_or(SetupError::NoHttpClient)?;
        let (clock, timer) = (config.time_source(), config.sleep_impl());
        let timing = Timing::default();
        let connector = connector::connector(&client, clock.clone(), timer.clone(), &timing)
            .map_err(SetupError::HttpClient)?;
        let mut user_agent = concat!("baler/", env!("CARGO_PKG_VERSION")).to_owned();
        if let Some(name) = config.app_name() {
            user_agent = format!("{user_agent} app/{}", name.as_ref());
        }
        Ok(Self {
            region,
            endpoint: endpoint::given(&endpoint)?,
            endpoint_was_given,
            fips,
            dual_stack,
            user_agent,
            keyring: Arc::new(credentials::Keyring::new(provider)),
            client,
            connector,
            clock,
            timer,
            clock_offset: Arc::default(),
            timing,
        })
    }

    /// The same with other time limits.
    pub fn with_timing(mut self, timing: Timing) -> Result<Self, SetupError> {
        self.connector =
            connector::connector(&self.client, self.clock.clone(), self.timer.clone(), &timing)
                .map_err(SetupError::HttpClient)?;
        self.timing = timing;
        Ok(self)
    }

    /// The same for another region, with the same credentials.
    ///
    /// An endpoint that was given stays, apart from the region's name in its host.
    pub fn in_region(&self, region: &RegionName) -> Result<Self, SetupError> {
        let endpoint = match self.endpoint_was_given {
            true => endpoint::moved(&self.endpoint.to_string(), &self.region, region.as_str()),
            false => endpoint::of_region(region, self.fips, self.dual_stack),
        };
        let endpoint = endpoint::given(&endpoint)?;
        Ok(Self { region: region.as_str().to_owned(), endpoint, ..self.clone() })
    }

    /// The region's name.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Where requests go.
    pub fn endpoint(&self) -> &Uri {
        &self.endpoint
    }

    /// How long things may take.
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    /// EC2's time, as far as it is known.
    fn now(&self) -> SystemTime {
        let now = self.machine_time();
        let offset = self.clock_offset.load(Ordering::Relaxed);
        let by = Duration::from_secs(offset.unsigned_abs());
        if offset < 0 { now.checked_sub(by) } else { now.checked_add(by) }.unwrap_or(now)
    }

    fn machine_time(&self) -> SystemTime {
        self.clock.as_ref().map_or_else(SystemTime::now, |clock| clock.now())
    }

    /// Sends a request that may be repeated until it is answered.
    pub(crate) async fn call(
        &self,
        form: &Form,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<Element, Error> {
        self.call_noting(form, on_event, &mut false).await
    }

    /// The same, and notes whether there was an attempt of which it is not known whether EC2 carried it out.
    pub(crate) async fn call_noting(
        &self,
        form: &Form,
        on_event: &(dyn Fn(Event) + Sync),
        unclear: &mut bool,
    ) -> Result<Element, Error> {
        let mut patience = Patience::new(self.timing);
        loop {
            let error = match self.once(form, on_event).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            *unclear |= error.is_unclear();
            patience.after(error, on_event).await?;
        }
    }

    /// Sends a request once, and once more if it was turned away for the clock or for credentials that have ended.
    pub(crate) async fn once(
        &self,
        form: &Form,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<Element, Error> {
        let mut corrected = false;
        loop {
            let used = self.keyring.get(form.action, self.now()).await?;
            let error = match self.send(form, &used).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let helps = match error.kind {
                ErrorKind::Skewed { by, ahead } => {
                    let seconds = i64::try_from(by.as_secs()).unwrap_or_default();
                    let offset = if ahead { -seconds } else { seconds };
                    self.clock_offset.store(offset, Ordering::Relaxed);
                    on_event(Event::Clock { by, ahead });
                    true
                }
                ErrorKind::Expired => self.keyring.drop_expired(&used).await,
                _ => false,
            };
            if corrected || !helps {
                return Err(error);
            }
            corrected = true;
        }
    }
}

/// What is left of a request's budget.
pub(crate) struct Patience {
    timing: Timing,
    begun: Instant,
    attempt: u32,
    unanswered: u32,
}

impl Patience {
    pub(crate) fn new(timing: Timing) -> Self {
        Self { timing, begun: Instant::now(), attempt: 0, unanswered: 0 }
    }

    /// Waits for the right time of the next attempt, or gives the error back if there should be none.
    pub(crate) async fn after(
        &mut self,
        error: Error,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<(), Error> {
        self.attempt += 1;
        self.unanswered += u32::from(error.code.is_none());
        let wait = self.timing.pause(self.attempt);
        let is_over = self.attempt >= self.timing.attempts
            || self.begun.elapsed() + wait > self.timing.budget;
        if !error.is_worth_repeating() || is_over || self.unanswered >= UNANSWERED_ATTEMPTS {
            return Err(error);
        }
        let (action, attempt) = (error.action, self.attempt);
        on_event(Event::Retry { action, attempt, wait, why: with_cause(&error) });
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// An error in one line: what it says, and what is at the root of it.
fn with_cause(error: &Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    match causes.last() {
        Some(root) => format!("{error}: {root}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_below_the_longest() {
        let timing = Timing::default();
        for attempt in [1, 2, 5, 10, 60, u32::MAX] {
            let longest = timing.first_pause * (1 << (attempt - 1).min(6));
            for _ in 0..50 {
                assert!(timing.pause(attempt) <= longest.min(timing.longest_pause));
            }
        }
        let many: std::collections::BTreeSet<_> = (0..20).map(|_| timing.pause(6)).collect();
        assert!(many.len() > 10, "{many:?}");
    }
}
