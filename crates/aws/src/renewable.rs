//! A service's client that is made again when the configuration is renewed, and the first one: STS.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aws_config::{BehaviorVersion, Region as SdkRegion, SdkConfig};

use crate::aws::Aws;
use crate::endpoint::Service;
use crate::error::AccountError;
use crate::fault::{Failure, Fault};
use crate::names::AccountId;
use crate::patience::{Attempts, Patience};

/// A client as it was at one time.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Lease<C> {
    /// The client.
    pub client: C,
    number: u64,
}

type Make<C> = Arc<dyn Fn(&SdkConfig, Option<&str>) -> C + Send + Sync>;

/// A client of one service, which follows the renewals of an [`Aws`].
pub struct Renewable<C> {
    aws: Aws,
    service: Service,
    make: Make<C>,
    made: RwLock<Lease<C>>,
}

impl<C> fmt::Debug for Renewable<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewable").field("service", &self.service).finish_non_exhaustive()
    }
}

impl<C: Clone> Renewable<C> {
    /// A client that `make` makes of a configuration and the service's endpoint, if one is configured.
    ///
    /// The configuration has the SDK's retries off, and must keep them off: repetition is the caller's.
    pub fn new(
        aws: &Aws,
        service: Service,
        make: impl Fn(&SdkConfig, Option<&str>) -> C + Send + Sync + 'static,
    ) -> Renewable<C> {
        let (number, config) = aws.current();
        let endpoint = aws.endpoint(service).map(|endpoint| endpoint.as_str());
        let client = make(&config, endpoint);
        let made = RwLock::new(Lease { client, number });
        Renewable { aws: aws.clone(), service, make: Arc::new(make), made }
    }

    /// The way to AWS that it follows.
    pub fn aws(&self) -> &Aws {
        &self.aws
    }

    /// The client of the current configuration.
    pub fn client(&self) -> C {
        self.lease().client
    }

    /// The client of the current configuration, for [`Renewable::renew`].
    pub fn lease(&self) -> Lease<C> {
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (number, config) = self.aws.current();
        if made.number == number {
            return made;
        }
        let endpoint = self.aws.endpoint(self.service).map(|endpoint| endpoint.as_str());
        let made = Lease { client: (self.make)(&config, endpoint), number };
        *self.made.write().unwrap_or_else(PoisonError::into_inner) = made.clone();
        made
    }

    /// Loads the configuration again, since a service calls the credentials of this client expired. If another call has
    /// done that already, nothing happens.
    pub async fn renew(&self, used: &Lease<C>) {
        self.aws.renew(used.number).await;
    }

    /// Calls, and calls once more with a renewed configuration if the error of the first call `is_expired`.
    ///
    /// # Errors
    /// The error of the last call.
    pub async fn call<T, E, F>(
        &self,
        call: impl Fn(C) -> F,
        is_expired: impl Fn(&E) -> bool,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let lease = self.lease();
        match call(lease.client.clone()).await {
            Err(error) if is_expired(&error) => {}
            result => return result,
        }
        self.renew(&lease).await;
        call(self.client()).await
    }
}

/// The attempts of the question whose the credentials are.
const ATTEMPTS: u32 = 3;

impl Aws {
    /// The account of the credentials, as the service STS tells it; `None` if it tells none.
    ///
    /// # Errors
    /// Whatever keeps STS from answering, after up to three attempts and the time limit for one answer.
    pub async fn account(&self) -> Result<Option<AccountId>, AccountError> {
        let client = Renewable::new(self, Service::Sts, |config, endpoint| {
            let region = config.region().cloned().unwrap_or(SdkRegion::from_static("us-east-1"));
            let mut builder = aws_sdk_sts::config::Builder::from(config)
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region(region);
            builder.set_endpoint_url(endpoint.map(str::to_owned));
            aws_sdk_sts::Client::from_conf(builder.build())
        });
        let asking = ask(&client, Patience { attempts: ATTEMPTS, ..self.patience() });
        let stall = self.stall();
        let failed = |failure| AccountError { failure };
        let asked = tokio::time::timeout(stall, asking).await;
        let account = asked.unwrap_or_else(|_| Err(Failure::timed_out(stall))).map_err(failed)?;
        Ok(account.and_then(|account| account.parse().ok()))
    }
}

async fn ask(
    client: &Renewable<aws_sdk_sts::Client>,
    patience: Patience,
) -> Result<Option<String>, Failure> {
    let is_expired = |failure: &Failure| failure.fault() == Some(Fault::Expired);
    let mut attempts = Attempts::new(patience);
    loop {
        let asked = client.call(
            |client: aws_sdk_sts::Client| async move {
                let told = client.get_caller_identity().send().await;
                told.map_err(|error| Failure::of(&error))
            },
            is_expired,
        );
        let failure = match asked.await {
            Ok(told) => return Ok(told.account),
            Err(failure) => failure,
        };
        let (asked, was_answered) = match &failure {
            Failure::Refused(refusal) => (refusal.pause, true),
            Failure::NoAnswer { .. } => (None, false),
        };
        let may_pass = matches!(failure.fault(), Some(Fault::Transient | Fault::Unreachable));
        match attempts.failed(asked, was_answered).filter(|_| may_pass) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(without_secrets(client.aws(), failure)),
        }
    }
}

fn without_secrets(aws: &Aws, failure: Failure) -> Failure {
    match failure {
        Failure::Refused(mut refusal) => {
            refusal.message = refusal.message.map(|message| aws.without_secrets(&message));
            Failure::Refused(refusal)
        }
        failure => failure,
    }
}
