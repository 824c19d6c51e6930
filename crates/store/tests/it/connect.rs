//! A connection to a server on this machine.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_types::SdkConfig;
use aws_types::region::Region;
use baler_aws::{Aws, Settings};
use baler_store::Connection;

/// What leads to a server: with a key and its secret.
pub(crate) fn config(endpoint: &str, region: &str, key: &str, secret: &str) -> SdkConfig {
    let credentials = Credentials::new(key, secret, None, None, "test");
    SdkConfig::builder()
        .region(Region::new(region.to_owned()))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .time_source(SharedTimeSource::new(SystemTimeSource::new()))
        .build()
}

pub(crate) fn connect(config: SdkConfig) -> Connection {
    let mut settings = Settings::new();
    settings.stall = Duration::from_secs(5);
    Connection::new(Aws::from_config(config, &settings).expect("a configuration"))
}
