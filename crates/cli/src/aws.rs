//! The way to AWS: credentials, region, endpoint and TLS; and the runtime that all of it runs on.

mod wire;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::error::ProvideErrorMetadata;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::timeout::TimeoutConfig;
use baler_store::{
    Bucket, BucketTrouble, Connection, Location, Patience, Renew, Retry, S3, Store, Wrapped,
};
use base64ct::{Base64, Encoding as _};

use crate::exit::Trouble;
use crate::interrupt;
use crate::report::Console;

/// How AWS is reached.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "AWS")]
pub(crate) struct AwsArgs {
    /// The region [else: $AWS_REGION, $AWS_DEFAULT_REGION, the profile's, the instance's]
    #[arg(long, value_parser = region)]
    pub(crate) region: Option<String>,

    /// The profile in ~/.aws to take credentials and region from [else: $AWS_PROFILE]
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// Another service that speaks S3's and EC2's protocol [else: $AWS_ENDPOINT_URL, the profile's]
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    pub(crate) endpoint_url: Option<String>,

    /// How often a request is made that fails for a reason that may pass
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) attempts: u32,

    /// How many seconds nothing may move before an attempt has failed
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: u64,

    /// Those of a classic command, which are typed.
    #[arg(skip)]
    pub(crate) credentials: Option<SharedCredentialsProvider>,
}

impl AwsArgs {
    /// What is meant where nothing of it can be said.
    pub(crate) fn classic() -> AwsArgs {
        AwsArgs { attempts: Patience::default().attempts, timeout: 60, ..AwsArgs::default() }
    }
}

/// `https://HOST`, or `http://HOST:PORT`.
pub(crate) fn endpoint(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_host = |rest: &str| {
        let host = rest.split('/').next().unwrap_or_default();
        !host.is_empty()
            && !rest.contains(|c: char| c.is_whitespace() || c.is_control() || "?#@".contains(c))
    };
    match rest.is_some_and(is_host) {
        true => Ok(text.to_owned()),
        false => Err("an endpoint is `https://HOST` or `http://HOST:PORT`".to_owned()),
    }
}

/// A region's name, or what used to stand for one.
pub(crate) fn region(text: &str) -> Result<String, String> {
    match text {
        "US" => Ok("us-east-1".to_owned()),
        "EU" => Ok("eu-west-1".to_owned()),
        name => name
            .parse::<baler_ec2::RegionName>()
            .map(|name| name.to_string())
            .map_err(|error| error.to_string()),
    }
}

/// The way to AWS, open.
pub(crate) struct Aws {
    runtime: tokio::runtime::Runtime,
    config: SdkConfig,
    connection: Connection,
    patience: Patience,
    stall: Duration,
    is_endpoint_typed: bool,
    console: Console,
}

/// A place in S3, found.
pub(crate) struct Remote {
    /// The objects there; what is transient is tried again.
    pub(crate) store: Arc<dyn Store>,
    /// The same without that, for what only S3 has.
    pub(crate) s3: Arc<S3>,
    pub(crate) bucket: Bucket,
}

impl Aws {
    pub(crate) fn connect(args: &AwsArgs, console: &Console) -> anyhow::Result<Aws> {
        let runtime = runtime()?;
        let is_typed = args.endpoint_url.is_some();
        let (args, http) = (args.clone(), wire::told(http_client()?, console));
        let patience = Patience { attempts: args.attempts, ..Patience::default() };
        let stall = Duration::from_secs(args.timeout);
        let load = move || {
            let (args, http) = (args.clone(), http.clone());
            Box::pin(async move { load(&args, http).await })
                as std::pin::Pin<Box<dyn Future<Output = SdkConfig> + Send>>
        };
        let config = runtime.block_on(load());
        let renew: Renew = Arc::new(move || {
            let loading = load();
            Box::pin(async move { for_s3(loading.await, is_typed) })
        });
        let connection = Connection::new(for_s3(config.clone(), is_typed), renew, stall);
        let (is_endpoint_typed, console) = (is_typed, *console);
        Ok(Aws { runtime, config, connection, patience, stall, is_endpoint_typed, console })
    }

    /// No way at all, for what is done in directories alone: nobody is asked for credentials or a region.
    pub(crate) fn offline(console: &Console) -> anyhow::Result<Aws> {
        let config = SdkConfig::builder().build();
        let nothing = config.clone();
        let renew: Renew = Arc::new(move || Box::pin(std::future::ready(nothing.clone())));
        let (patience, stall) = (Patience::default(), Duration::from_secs(60));
        let connection = Connection::new(config.clone(), renew, stall);
        let (runtime, is_endpoint_typed, console) = (runtime()?, false, *console);
        Ok(Aws { runtime, config, connection, patience, stall, is_endpoint_typed, console })
    }

    /// Waits for what the network does, or for an interrupt.
    pub(crate) fn run<T>(
        &self,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        self.runtime.block_on(async {
            tokio::select! {
                result = work => result,
                () = interrupted() => Err(anyhow!("interrupted")),
            }
        })
    }

    /// The account that the credentials are of.
    pub(crate) fn account(&self) -> anyhow::Result<Option<String>> {
        self.run(async {
            let region = self.config.region().cloned().or(Some(Region::from_static("us-east-1")));
            let config = self.config.clone().into_builder().region(region).build();
            let asking = aws_sdk_sts::Client::new(&config).get_caller_identity().send();
            let found = tokio::time::timeout(self.stall, asking).await;
            let found = found
                .map_err(|_| anyhow!("asking whose the credentials are: there is no answer"))?;
            // The service's own words, which have no secret in them; else what is at the root.
            let found = found.map_err(|error| match (error.code(), error.message()) {
                (Some(code), message) => anyhow!("{code}: {}", message.unwrap_or_default()),
                (None, _) => anyhow!(error),
            });
            Ok(found.context("asking whose the credentials are")?.account)
        })
    }

    pub(crate) fn handle(&self) -> tokio::runtime::Handle {
        self.runtime.handle().clone()
    }

    pub(crate) fn config(&self) -> &SdkConfig {
        &self.config
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn patience(&self) -> Patience {
        self.patience
    }

    /// Whether the endpoint was typed, and goes before what is set.
    pub(crate) fn is_endpoint_typed(&self) -> bool {
        self.is_endpoint_typed
    }

    /// How long nothing may move.
    pub(crate) fn stall(&self) -> Duration {
        self.stall
    }

    /// Tries again what is transient, and tells.
    pub(crate) fn retry(&self) -> Retry {
        let (console, attempts) = (self.console, self.patience.attempts);
        Retry::new(self.patience, move |again| {
            console.retry(again.error, again.wait, again.attempts + 1, attempts);
        })
    }

    /// Finds the bucket, wherever it is.
    pub(crate) async fn find(&self, bucket: &str) -> anyhow::Result<Option<Bucket>> {
        Ok(self.retry().run(|| self.connection.find(bucket)).await?)
    }

    /// Makes the bucket.
    pub(crate) async fn create(
        &self,
        bucket: &str,
        region: Option<&str>,
    ) -> anyhow::Result<Bucket> {
        Ok(self.retry().run(|| self.connection.create(bucket, region)).await?)
    }

    /// What would keep EC2 from reading what is put into a bucket.
    pub(crate) async fn troubles(&self, bucket: &Bucket) -> anyhow::Result<Vec<BucketTrouble>> {
        Ok(self.retry().run(|| bucket.troubles()).await?)
    }

    /// Mends a bucket.
    pub(crate) async fn fix(&self, bucket: &Bucket, trouble: &BucketTrouble) -> anyhow::Result<()> {
        Ok(self.retry().run(|| bucket.fix(trouble)).await?)
    }

    /// The objects at a place whose bucket was found.
    pub(crate) fn at(&self, place: &Location, bucket: Bucket) -> Remote {
        let s3 = S3::new(self.connection.clone(), place.clone(), bucket.region().to_owned());
        let s3 = Arc::new(s3);
        Remote { store: Arc::new(Wrapped::new(s3.clone(), self.retry())), s3, bucket }
    }

    /// The objects at a place.
    ///
    /// # Errors
    /// Above all that there is no such bucket.
    pub(crate) async fn open(&self, place: &Location) -> anyhow::Result<Remote> {
        match self.find(&place.bucket).await? {
            Some(bucket) => Ok(self.at(place, bucket)),
            None => Err(Trouble::refused(format!("there is no bucket `{}`", place.bucket))
                .hint(
                    "check its name, and whether the credentials are of the account that you mean",
                )
                .into()),
        }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().context("starting the threads for the network")
}

/// Ends when a signal has come.
pub(crate) async fn interrupted() {
    while !interrupt::happened() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn load(args: &AwsArgs, http: SharedHttpClient) -> SdkConfig {
    let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http.clone())
        .timeout_config(timeouts);
    if let Some(profile) = &args.profile {
        // What is typed goes before what is set: the usual chain would take keys from the environment first.
        let config = ProviderConfig::without_region().with_http_client(http);
        let config = config.load_default_region().await;
        let provider = ProfileFileCredentialsProvider::builder().configure(&config);
        let provider = provider.profile_name(profile).build();
        loader = loader.profile_name(profile).credentials_provider(provider);
    }
    if let Some(credentials) = &args.credentials {
        loader = loader.credentials_provider(credentials.clone());
    }
    if let Some(region) = &args.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(url) = &args.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    loader.load().await
}

/// S3 may be asked elsewhere than the other services.
fn for_s3(config: SdkConfig, is_typed: bool) -> SdkConfig {
    match std::env::var("AWS_ENDPOINT_URL_S3") {
        Ok(url) if !url.is_empty() && !is_typed => config.into_builder().endpoint_url(url).build(),
        _ => config,
    }
}

/// Speaks TLS with the machine's roots of trust or, where it has none, with Mozilla's.
fn http_client() -> anyhow::Result<SharedHttpClient> {
    let has_own = !rustls_native_certs::load_native_certs().certs.is_empty();
    let trust = match has_own {
        true => TrustStore::default(),
        false => webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .fold(TrustStore::empty(), |trust, der| trust.with_pem_certificate(pem(der))),
    };
    let context = TlsContext::builder().with_trust_store(trust).build();
    let context = context.context("preparing TLS")?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .build_https())
}

fn pem(der: &[u8]) -> String {
    let text = Base64::encode_string(der);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let lines: String = lines.map(|line| format!("{line}\n")).collect();
    format!("-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_names_of_regions_are_known() {
        for (text, name) in
            [("US", "us-east-1"), ("EU", "eu-west-1"), ("ap-southeast-2", "ap-southeast-2")]
        {
            assert_eq!(region(text).as_deref(), Ok(name));
        }
        for text in ["", "us_east_1", "useast1", "us-east-1a", "x"] {
            assert!(region(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_roots_that_are_built_in_are_taken() {
        let first = webpki_root_certs::TLS_SERVER_ROOT_CERTS.first().unwrap();
        let parsed = baler_manifest::PublicKey::from_bytes(pem(first).as_bytes());
        // Some root has an elliptic curve, which is no RSA key, but it is read as a certificate.
        let text = parsed.map_or_else(|error| error.to_string(), |_| String::new());
        assert!(!text.contains("PEM"), "{text}");
        assert!(webpki_root_certs::TLS_SERVER_ROOT_CERTS.len() > 100);
    }
}
