//! The loaded configuration, and its renewal.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region as SdkRegion, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::service_config::ServiceConfigKey;

use crate::endpoint::{Endpoint, Service};
use crate::error::SetupError;
use crate::exchange::{self, OnExchange};
use crate::patience::Patience;
use crate::secrets::Secrets;
use crate::settings::Settings;
use crate::tls;

type Loading = Pin<Box<dyn Future<Output = SdkConfig> + Send>>;

/// The way to AWS: region, endpoints, credentials, HTTP client, time limits.
///
/// Cloning is cheap; clones share everything. Its configuration is loaded again by a [`Renewable`](crate::Renewable), when
/// a service calls the credentials expired: whatever wrote the old ones to a file, or started the session, may have new ones.
#[derive(Clone)]
pub struct Aws(Arc<Inner>);

struct Inner {
    load: Box<dyn Fn() -> Loading + Send + Sync>,
    endpoints: HashMap<Service, Endpoint>,
    secrets: Secrets,
    limits: Limits,
    current: RwLock<(u64, SdkConfig)>,
    renewal: tokio::sync::Mutex<()>,
}

/// What of the settings is asked for later.
#[derive(Clone, Copy)]
struct Limits {
    connect: Option<Duration>,
    stall: Duration,
    patience: Patience,
}

impl Limits {
    fn of(settings: &Settings) -> Limits {
        Limits { connect: settings.connect, stall: settings.stall, patience: settings.patience }
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws")
            .field("region", &self.region())
            .field("endpoints", &self.0.endpoints)
            .finish_non_exhaustive()
    }
}

impl Aws {
    /// Loads the configuration: what was typed and, for the rest, what AWS's own tools find in `AWS_*` variables, in
    /// `~/.aws` and on the instance.
    ///
    /// `on_exchange` is called for each request that any service's client sends, and for those that fetch credentials.
    ///
    /// # Errors
    /// An endpoint in the environment or the profile that is no URL (the SDK alone would ignore it, and send the
    /// requests to AWS); a machine whose certificates cannot be read.
    pub async fn load(
        settings: Settings,
        on_exchange: Option<OnExchange>,
    ) -> Result<Aws, SetupError> {
        let http = tls::http_client()?;
        let http = match on_exchange {
            Some(on_exchange) => exchange::reporting(http, on_exchange),
            None => http,
        };
        let limits = Limits::of(&settings);
        let typed = settings.endpoint.clone();
        let load = move || -> Loading {
            let (settings, http) = (settings.clone(), http.clone());
            Box::pin(async move { load(&settings, http).await })
        };
        let config = load().await;
        Aws::new(Box::new(load), config, typed, limits)
    }

    /// The way to AWS by a configuration of the SDK's that the caller made. For a renewal its provider of credentials is
    /// asked again. Of `settings`, only the time limits and the patience are used.
    ///
    /// # Errors
    /// An endpoint in the configuration that is no URL.
    pub fn from_config(config: SdkConfig, settings: &Settings) -> Result<Aws, SetupError> {
        let again = config.clone();
        let load = move || -> Loading {
            let cache = IdentityCache::lazy().build();
            let config = again.clone().into_builder().identity_cache(cache).build();
            Box::pin(std::future::ready(config))
        };
        Aws::new(Box::new(load), config, None, Limits::of(settings))
    }

    /// No way at all, for work in directories alone: there are no credentials and no region, and nothing is looked for.
    pub fn offline() -> Aws {
        let settings = Settings::new();
        let config = SdkConfig::builder().behavior_version(BehaviorVersion::v2026_01_12()).build();
        let again = config.clone();
        Aws(Arc::new(Inner {
            load: Box::new(move || Box::pin(std::future::ready(again.clone()))),
            endpoints: HashMap::new(),
            secrets: Secrets::default(),
            limits: Limits::of(&settings),
            current: RwLock::new((0, config)),
            renewal: tokio::sync::Mutex::default(),
        }))
    }

    fn new(
        load: Box<dyn Fn() -> Loading + Send + Sync>,
        config: SdkConfig,
        typed: Option<Endpoint>,
        limits: Limits,
    ) -> Result<Aws, SetupError> {
        let mut endpoints = HashMap::new();
        for service in [Service::S3, Service::Ec2, Service::Ebs, Service::Sts] {
            let endpoint = match &typed {
                Some(typed) => Some(typed.clone()),
                None => set_endpoint(&config, service)?,
            };
            endpoints.extend(endpoint.map(|endpoint| (service, endpoint)));
        }
        let secrets = Secrets::default();
        let current = RwLock::new((0, watched(config, &secrets)));
        let renewal = tokio::sync::Mutex::default();
        Ok(Aws(Arc::new(Inner { load, endpoints, secrets, limits, current, renewal })))
    }

    /// The region that is configured, if one is. It may be a text that is no region's name.
    pub fn region(&self) -> Option<String> {
        self.current().1.region().map(ToString::to_string)
    }

    /// The endpoint of a service, if one is configured; otherwise the region decides.
    pub fn endpoint(&self, service: Service) -> Option<&Endpoint> {
        self.0.endpoints.get(&service)
    }

    /// The longest time that connecting may take, if one was set.
    pub fn connect(&self) -> Option<Duration> {
        self.0.limits.connect
    }

    /// How long a transfer may make no progress, or an answer may take.
    pub fn stall(&self) -> Duration {
        self.0.limits.stall
    }

    /// How often and how long something is tried.
    pub fn patience(&self) -> Patience {
        self.0.limits.patience
    }

    /// A service's message without secrets that it may quote.
    pub fn without_secrets(&self, message: &str) -> String {
        self.0.secrets.taken_out(message)
    }

    /// Whether there are credentials. They are looked for, which may ask the instance or start a program.
    pub async fn has_credentials(&self) -> bool {
        match self.config().credentials_provider() {
            Some(provider) => provider.provide_credentials().await.is_ok(),
            None => false,
        }
    }

    /// Whether the credentials that were used last belong to a session, which can expire.
    pub fn has_session(&self) -> bool {
        self.0.secrets.has_session()
    }

    /// The current configuration, for a client of a service. The SDK's retries are off in it.
    pub fn config(&self) -> SdkConfig {
        self.current().1
    }

    /// The configuration for clients, with the SDK's retries off, and its number, which grows with each renewal.
    pub(crate) fn current(&self) -> (u64, SdkConfig) {
        self.0.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Loads the configuration again, unless that has happened since the one of this number.
    pub(crate) async fn renew(&self, used: u64) {
        let _turn = self.0.renewal.lock().await;
        if self.current().0 != used {
            return;
        }
        let config = watched((self.0.load)().await, &self.0.secrets);
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = (used + 1, config);
    }
}

/// The configuration with its credentials watched and the SDK's own retries off.
fn watched(config: SdkConfig, secrets: &Secrets) -> SdkConfig {
    let provider = config.credentials_provider().map(|provider| secrets.watch(provider));
    let mut builder = config.into_builder().retry_config(RetryConfig::disabled());
    builder.set_credentials_provider(provider);
    builder.build()
}

async fn load(settings: &Settings, http: SharedHttpClient) -> SdkConfig {
    let connect = settings.connect.unwrap_or(Duration::from_secs(5));
    let timeouts = TimeoutConfig::builder().connect_timeout(connect).build();
    // A program that fetches credentials may take longer than the five seconds of the SDK.
    let identities = IdentityCache::lazy().load_timeout(settings.stall).build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http.clone())
        .identity_cache(identities)
        .timeout_config(timeouts);
    if let Some(profile) = &settings.profile {
        // The usual chain would take keys from the environment first.
        let config = ProviderConfig::without_region().with_http_client(http);
        let config = config.load_default_region().await;
        let provider = ProfileFileCredentialsProvider::builder().configure(&config);
        let provider = provider.profile_name(profile).build();
        loader = loader.profile_name(profile).credentials_provider(provider);
    }
    if let Some(credentials) = &settings.credentials {
        loader = loader.credentials_provider(credentials.clone());
    }
    if let Some(region) = &settings.region {
        loader = loader.region(SdkRegion::new(region.to_string()));
    }
    if let Some(endpoint) = &settings.endpoint {
        loader = loader.endpoint_url(endpoint.as_str());
    }
    loader.load().await
}

/// The endpoint that the environment or the profile names for a service, or for all of them.
///
/// The loader's own reading of the variable and the profile's line for all services ignores what is no URL; so they are
/// read here again, by the SDK's reader for one service, which falls back to them and checks nothing.
fn set_endpoint(config: &SdkConfig, service: Service) -> Result<Option<Endpoint>, SetupError> {
    let key = ServiceConfigKey::builder()
        .service_id(service.name())
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let set = key.ok().and_then(|key| config.service_config()?.load_config(key));
    let set = set.filter(|url| !url.is_empty());
    let set = set.or_else(|| config.endpoint_url().map(str::to_owned));
    let parsed = set.map(|url| url.parse::<Endpoint>()).transpose();
    parsed.map_err(|error| SetupError::Endpoint { service: service.name(), text: error.text })
}
