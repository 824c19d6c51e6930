//! The client: sends a request, understands the answer, and tries again where that helps.

use std::error::Error as _;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use aws_sdk_ec2::config::timeout::TimeoutConfig;
use aws_sdk_ec2::config::{BehaviorVersion, Region as SdkRegion, StalledStreamProtectionConfig};
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_types::SdkConfig;
use baler_aws::{Attempts, Aws, Endpoint, Region, Renewable, Service, SetupError};

use crate::answer::Whole;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::path::KeepPath;
use crate::timing::Timing;
use crate::understand::{Asked, Clocks};

/// EC2 in one region.
///
/// Cloning is cheap; clones share the connections and the credentials. [`Ec2::in_region`] is the same for another
/// region.
#[derive(Clone)]
pub struct Ec2 {
    aws: Aws,
    region: String,
    endpoint: String,
    /// The one that is configured, if one is.
    given: Option<Endpoint>,
    client: Arc<Renewable<Client>>,
    /// The seconds that have to be added to the machine's clock for EC2's. The SDK signs with them by itself; this
    /// is for telling a wrong clock from other refusals.
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
    /// EC2 in this region or, without one, in the region that is configured. Nothing is sent.
    ///
    /// Without a configured endpoint, the endpoint follows from the region's name.
    ///
    /// # Errors
    /// [`SetupError::NoRegion`]; [`SetupError::Region`] for a configured text that is no region's name, if no endpoint
    /// is configured either.
    pub fn new(aws: &Aws, region: Option<&Region>) -> Result<Self, SetupError> {
        let region = match region {
            Some(region) => region.to_string(),
            None => aws.region().ok_or(SetupError::NoRegion)?,
        };
        Self::at(aws, region, aws.endpoint(Service::Ec2).cloned(), Timing::new())
    }

    fn at(
        aws: &Aws,
        region: String,
        given: Option<Endpoint>,
        timing: Timing,
    ) -> Result<Self, SetupError> {
        let endpoint = match &given {
            Some(given) => given.to_string(),
            None => of_region(aws, &region.parse()?)?,
        };
        let client = Arc::new(client(aws, region.clone(), given.clone(), timing));
        let (aws, clock_offset) = (aws.clone(), Arc::default());
        Ok(Self { aws, region, endpoint, given, client, clock_offset, timing })
    }

    /// The same with other time limits.
    #[must_use]
    pub fn with_timing(self, timing: Timing) -> Self {
        let (region, given) = (self.region.clone(), self.given.clone());
        Self { client: Arc::new(client(&self.aws, region, given, timing)), timing, ..self }
    }

    /// The same for another region, with the same credentials.
    ///
    /// A configured endpoint stays, apart from the region's name in its host.
    ///
    /// # Errors
    /// A region without an endpoint.
    pub fn in_region(&self, region: &Region) -> Result<Self, SetupError> {
        let given = self.given.as_ref().map(|given| given.moved(&self.region, region.as_str()));
        Self::at(&self.aws, region.to_string(), given, self.timing)
    }

    /// The region's name.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The URL that requests are sent to.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The time limits.
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    /// Sends a request that may be repeated until it is answered.
    pub(crate) async fn call<T, E, F>(
        &self,
        action: &'static str,
        on_event: &(dyn Fn(Event) + Sync),
        request: impl Fn(Client) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.call_noting(action, on_event, &mut false, request).await
    }

    /// The same, and notes whether there was an attempt that EC2 may have carried out without an answer.
    pub(crate) async fn call_noting<T, E, F>(
        &self,
        action: &'static str,
        on_event: &(dyn Fn(Event) + Sync),
        unclear: &mut bool,
        request: impl Fn(Client) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let mut attempts = Attempts::new(self.timing.patience);
        loop {
            let error = match self.once(action, on_event, &request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            *unclear |= error.is_unclear();
            wait_for_next(&mut attempts, error, on_event).await?;
        }
    }

    /// Sends a request once, and once more if it was refused for the clock or for expired credentials.
    pub(crate) async fn once<T, E, F>(
        &self,
        action: &'static str,
        on_event: &(dyn Fn(Event) + Sync),
        request: impl Fn(Client) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let mut corrected = false;
        loop {
            let lease = self.client.lease();
            let error = match self.send(action, request(lease.client.clone())).await {
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
                // Keys without a session do not expire: there the clock is wrong, by less than can be told.
                ErrorKind::Expired => self.aws.has_session(),
                _ => false,
            };
            if corrected || !helps {
                return Err(error);
            }
            if error.kind == ErrorKind::Expired {
                self.client.renew(&lease).await;
            }
            corrected = true;
        }
    }

    async fn send<T, E>(
        &self,
        action: &'static str,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Error>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let limit = self.timing.attempt;
        match tokio::time::timeout(limit, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let asked = Asked { action, endpoint: &self.endpoint, clocks: self.clocks() };
                Err(asked.understand(&error, &self.aws))
            }
            Err(_) => {
                let what = format!("no answer from `{}` within {limit:?}", self.endpoint);
                Err(Error::new(action, ErrorKind::Unreachable, what))
            }
        }
    }

    /// The machine's time, and EC2's as far as it is known.
    fn clocks(&self) -> Clocks {
        let machine = SystemTime::now();
        let offset = self.clock_offset.load(Ordering::Relaxed);
        let by = Duration::from_secs(offset.unsigned_abs());
        let signed = if offset < 0 { machine.checked_sub(by) } else { machine.checked_add(by) };
        Clocks { machine, signed: signed.unwrap_or(machine) }
    }
}

/// Waits for the right time of the next attempt.
///
/// # Errors
/// The error itself, if there should be no other attempt.
pub(crate) async fn wait_for_next(
    attempts: &mut Attempts,
    error: Error,
    on_event: &(dyn Fn(Event) + Sync),
) -> Result<(), Error> {
    let Some(wait) = attempts.failed(error.pause, error.code.is_some()) else { return Err(error) };
    if !error.is_worth_repeating() {
        return Err(error);
    }
    let (action, attempt) = (error.action, attempts.made());
    on_event(Event::Retry { action, attempt, wait, why: with_cause(&error) });
    tokio::time::sleep(wait).await;
    Ok(())
}

/// An error in one line: its message and its root.
fn with_cause(error: &Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    match causes.last() {
        Some(root) => format!("{error}: {root}"),
        None => error.to_string(),
    }
}

/// The SDK's client for a region.
fn client(aws: &Aws, region: String, given: Option<Endpoint>, timing: Timing) -> Renewable<Client> {
    Renewable::new(aws, Service::Ec2, move |config: &SdkConfig, _| {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(timing.connect)
            .read_timeout(timing.attempt)
            .build();
        let mut builder = aws_sdk_ec2::config::Builder::from(config)
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(SdkRegion::new(region.clone()))
            .timeout_config(timeouts)
            // The limit of an attempt is enough.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(given) = &given {
            let endpoint = given.to_string();
            builder = builder.endpoint_url(&endpoint).interceptor(KeepPath { endpoint });
        } else {
            builder.set_endpoint_url(None);
        }
        if let Some(http) = config.http_client() {
            builder = builder.http_client(Whole(http));
        }
        Client::from_conf(builder.build())
    })
}

/// The endpoint of EC2 in a region, as the SDK's client resolves it.
fn of_region(aws: &Aws, region: &Region) -> Result<String, SetupError> {
    let config = aws.config();
    let params = Params::builder()
        .region(region.as_str())
        .use_fips(config.use_fips().unwrap_or(false))
        .use_dual_stack(config.use_dual_stack().unwrap_or(false))
        .build()
        .map_err(|error| SetupError::NoEndpoint(error.into()))?;
    let resolver = DefaultResolver::new();
    // It only computes, and is ready at once.
    let resolving = pin!(resolver.resolve_endpoint(&params));
    match resolving.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(endpoint)) => Ok(endpoint.url().to_owned()),
        Poll::Ready(Err(error)) => Err(SetupError::NoEndpoint(error)),
        Poll::Pending => Err(SetupError::NoEndpoint("it is not known yet".into())),
    }
}
