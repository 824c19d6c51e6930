//! The connection to S3, over the way to AWS.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Region, StalledStreamProtectionConfig};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use baler_aws::{Aws, Renewable, Service, is_host};

use super::error::failed;
use crate::error::{Error, Kind};

/// The slowest transfer that is accepted, in bytes a second, beyond the time without any progress that is allowed.
const SLOWEST: u64 = 64 << 10;

/// A client for one bucket.
pub(super) type S3Client = Renewable<Client>;

/// The way to S3.
#[derive(Clone, Debug)]
pub struct Connection {
    aws: Aws,
}

impl Connection {
    /// S3 as `aws` reaches it. A transfer that makes no progress for [`Aws::stall`] has failed.
    pub fn new(aws: Aws) -> Connection {
        Connection { aws }
    }

    /// The region that is configured.
    pub fn region(&self) -> Option<String> {
        self.aws.region()
    }

    /// The endpoint that is configured, if one is.
    pub(super) fn endpoint(&self) -> Option<&str> {
        self.aws.endpoint(Service::S3).map(|endpoint| endpoint.as_str())
    }

    pub(super) fn stall(&self) -> Duration {
        self.aws.stall()
    }

    /// A client for a bucket in a region.
    pub(super) fn client(&self, bucket: &str, region: &str) -> S3Client {
        let (stall, is_host, region) = (self.stall(), is_host(bucket), region.to_owned());
        Renewable::new(&self.aws, Service::S3, move |config, endpoint| {
            let patient = StalledStreamProtectionConfig::enabled().grace_period(stall).build();
            let mut builder = aws_sdk_s3::config::Builder::from(config)
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region(Region::new(region.clone()))
                .stalled_stream_protection(patient)
                .force_path_style(endpoint.is_some() || !is_host);
            builder.set_endpoint_url(endpoint.map(str::to_owned));
            Client::from_conf(builder.build())
        })
    }

    /// Sends a request, and allows it as much time as `len` bytes may take; once more with renewed credentials if these
    /// have expired.
    pub(super) async fn send<T, E, F>(
        &self,
        client: &S3Client,
        operation: &'static str,
        on: &str,
        len: usize,
        request: impl Fn(Client) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let most = self.stall() + Duration::from_secs(len as u64 / SLOWEST);
        let send = |client| {
            let request = request(client);
            async move {
                match tokio::time::timeout(most, request).await {
                    Ok(answer) => answer.map_err(|error| self.failed(operation, on, &error)),
                    Err(_) => Err(unanswered(operation, on, most)),
                }
            }
        };
        client.call(send, |error: &Error| error.kind == Kind::Expired).await
    }

    /// The error that a failed request is, without secrets.
    pub(super) fn failed<E>(
        &self,
        operation: &'static str,
        on: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let error = failed(operation, on, error);
        Error { reason: self.aws.without_secrets(&error.reason), ..error }
    }
}

/// The error of a request that is not answered in time.
pub(super) fn unanswered(operation: &'static str, on: &str, after: Duration) -> Error {
    let reason = format!("there is no answer after {} s", after.as_secs());
    Error::new(operation, on, Kind::Unreachable, reason)
}
