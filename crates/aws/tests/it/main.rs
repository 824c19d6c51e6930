//! The way to AWS, against the stand-in: whose the credentials are, renewal, endpoints that are no URLs.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use baler_aws::{
    Aws, Exchange, Failure, Fault, OnExchange, Renewable, Service, Settings, SetupError,
};
use baler_standin::{Fault as Wrong, Options, Rule, Standin};

/// Sessions with a new token each time; the first one has expired.
#[derive(Debug, Default)]
struct Sessions {
    keys: (String, String),
    given: Arc<AtomicU32>,
}

impl ProvideCredentials for Sessions {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let number = self.given.fetch_add(1, Ordering::Relaxed);
        let token = if number == 0 { "expired".to_owned() } else { format!("session-{number}") };
        let (key, secret) = self.keys.clone();
        future::ProvideCredentials::ready(Ok(Credentials::new(key, secret, Some(token), None, "t")))
    }
}

fn config(standin: &Standin, provider: impl ProvideCredentials + 'static) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .endpoint_url(standin.url())
        .credentials_provider(SharedCredentialsProvider::new(provider))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

fn typed(standin: &Standin, secret: &str) -> Settings {
    let mut settings = Settings::new();
    settings.region = Some("eu-west-1".parse().expect("a region"));
    settings.endpoint = Some(standin.url().parse().expect("an endpoint"));
    let key = standin.access_key();
    settings.credentials = Some(Credentials::new(key, secret, None, None, "t"));
    settings
}

#[tokio::test]
async fn credentials_belong_to_an_account() {
    let directory = tempfile::tempdir().expect("a directory");
    let standin = Standin::start(Options::new(directory.path())).expect("a stand-in");
    let exchanges = Arc::new(Mutex::new(Vec::<Exchange>::new()));
    let kept = exchanges.clone();
    let on_exchange: OnExchange =
        Arc::new(move |exchange| kept.lock().expect("no panic").push(exchange.clone()));
    let settings = typed(&standin, standin.secret_key());
    let aws = Aws::load(settings, Some(on_exchange)).await.expect("a configuration");
    assert_eq!(aws.region().as_deref(), Some("eu-west-1"));
    assert!(aws.has_credentials().await && !aws.has_session());
    let account = aws.account().await.expect("an answer").expect("an account");
    assert_eq!(account.as_str(), "123456789012");
    let exchanges = exchanges.lock().expect("no panic");
    let [exchange] = &exchanges[..] else { panic!("{exchanges:?}") };
    assert_eq!(exchange.request, format!("POST {}/", standin.url()));
    assert_eq!(exchange.outcome, Ok(200));
}

#[tokio::test]
async fn a_refusal_is_told_without_secrets() {
    let directory = tempfile::tempdir().expect("a directory");
    let standin = Standin::start(Options::new(directory.path())).expect("a stand-in");
    let aws = Aws::load(typed(&standin, "another secret"), None).await.expect("a configuration");
    let error = aws.account().await.expect_err("a wrong secret");
    assert!(matches!(error.failure, Failure::Refused(_)), "{error:?}");
    let Failure::Refused(refusal) = &error.failure else { panic!("{error:?}") };
    assert_eq!(refusal.code.as_deref(), Some("SignatureDoesNotMatch"), "{error:?}");
    assert_eq!(error.failure.fault(), Some(Fault::Denied));
    assert!(!format!("{error} {error:?} {aws:?}").contains("another secret"));
}

#[tokio::test]
async fn a_session_that_has_ended_is_renewed_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let standin = Standin::start(Options::new(directory.path())).expect("a stand-in");
    let keys = (standin.access_key().to_owned(), standin.secret_key().to_owned());
    let given = Arc::new(AtomicU32::new(0));
    let sessions = Sessions { keys, given: given.clone() };
    let aws = Aws::from_config(config(&standin, sessions), &Settings::new()).expect("a way");
    aws.account().await.expect("an answer");
    assert!(aws.has_session());
    assert_eq!(given.load(Ordering::Relaxed), 2);
    // The clients of other services follow, and of two calls that find it expired one renews it.
    let made = Arc::new(AtomicU32::new(0));
    let count = made.clone();
    let client = Renewable::new(&aws, Service::Ec2, move |_, endpoint| {
        assert!(endpoint.is_some());
        count.fetch_add(1, Ordering::Relaxed)
    });
    let (one, other) = (client.lease(), client.lease());
    client.renew(&one).await;
    client.renew(&other).await;
    assert_eq!((client.client(), made.load(Ordering::Relaxed)), (1, 2));
}

#[tokio::test]
async fn a_busy_service_is_asked_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let standin = Standin::start(Options::new(directory.path())).expect("a stand-in");
    let busy = || {
        let (code, message) = ("Throttling".to_owned(), "Busy.".to_owned());
        Wrong::Status { status: 503, code, message, headers: Vec::new(), body: None }
    };
    standin.faults(vec![Rule::new(busy())]);
    let mut settings = typed(&standin, standin.secret_key());
    settings.patience.first_pause = std::time::Duration::from_millis(1);
    let aws = Aws::load(settings, None).await.expect("a configuration");
    aws.account().await.expect("an answer").expect("an account");
    standin.faults(vec![Rule::new(busy()).count(0)]);
    let error = aws.account().await.expect_err("it stays busy");
    assert_eq!(error.failure.fault(), Some(Fault::Transient), "{error:?}");
}

#[test]
fn an_endpoint_that_is_no_url_is_named() {
    let config = SdkConfig::builder().endpoint_url("me:secret@127.0.0.1").build();
    let error = Aws::from_config(config, &Settings::new()).expect_err("no endpoint");
    assert!(matches!(&error, SetupError::Endpoint { service: "S3", .. }), "{error:?}");
    assert!(error.to_string().contains("127.0.0.1") && error.advice().is_some(), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn offline_there_is_nothing() {
    let aws = Aws::offline();
    assert_eq!((aws.region(), aws.endpoint(Service::S3)), (None, None));
    assert!(!aws.has_credentials().await);
}
