//! The path of an endpoint, as it was given.

use aws_sdk_ec2::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_ec2::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ec2::error::BoxError;

/// Sends requests to the endpoint's own path: the SDK adds a slash at its end, and other services than EC2 may know only
/// the path without one.
#[derive(Debug)]
pub(crate) struct KeepPath {
    pub(crate) endpoint: String,
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for KeepPath {
    fn name(&self) -> &'static str {
        "KeepPath"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let has_path = self.endpoint.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        let request = context.request_mut();
        if has_path && request.uri().strip_suffix('/') == Some(&self.endpoint) {
            request.set_uri(self.endpoint.as_str())?;
        }
        Ok(())
    }
}
