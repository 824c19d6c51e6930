//! The SDK's HTTP client, used without the rest of the SDK.
//!
//! A client gives out its connector only for a full set of an SDK client's components, of which it reads the clock and
//! the timer. The others have to be there: [`Inert`] is all of them, and refuses whatever it is asked for.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{
    AuthScheme, AuthSchemeEndpointConfig, AuthSchemeId, Sign,
};
use aws_smithy_runtime_api::client::endpoint::{
    EndpointFuture, EndpointResolverParams, ResolveEndpoint,
};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::identity::{
    Identity, IdentityFuture, ResolveCachedIdentity, ResolveIdentity, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::retries::{RetryStrategy, ShouldAttempt};
use aws_smithy_runtime_api::client::runtime_components::{
    GetIdentityResolver, RuntimeComponents, RuntimeComponentsBuilder,
};
use aws_smithy_types::config_bag::ConfigBag;
use aws_types::sdk_config::{SharedAsyncSleep, SharedTimeSource};

use super::Timing;

const SCHEME: AuthSchemeId = AuthSchemeId::new("inert");

/// The connector of a client, with time limits on connecting and on the answer.
///
/// Without the SDK's timer the client could not keep them; then only the limit on the whole attempt is left, which is
/// kept elsewhere.
pub(super) fn connector(
    client: &SharedHttpClient,
    clock: Option<SharedTimeSource>,
    timer: Option<SharedAsyncSleep>,
    timing: &Timing,
) -> Result<SharedHttpConnector, BoxError> {
    let mut settings = HttpConnectorSettings::builder();
    if timer.is_some() {
        settings = settings.connect_timeout(timing.connect).read_timeout(timing.attempt);
    }
    let mut builder = RuntimeComponentsBuilder::new("baler")
        .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![SCHEME])))
        .with_auth_scheme(Inert)
        .with_endpoint_resolver(Some(Inert))
        .with_identity_cache(Some(Inert))
        .with_identity_resolver(SCHEME, Inert)
        .with_retry_strategy(Some(Inert));
    builder.set_time_source(clock).set_sleep_impl(timer);
    let components = builder.build()?;
    Ok(client.http_connector(&settings.build(), &components))
}

/// The components that a connector needs to exist and never asks.
#[derive(Debug, Clone, Copy)]
struct Inert;

fn refusal() -> BoxError {
    "this component is not for use".into()
}

impl ResolveEndpoint for Inert {
    fn resolve_endpoint<'a>(&'a self, _: &'a EndpointResolverParams) -> EndpointFuture<'a> {
        EndpointFuture::ready(Err(refusal()))
    }
}

impl AuthScheme for Inert {
    fn scheme_id(&self) -> AuthSchemeId {
        SCHEME
    }

    fn identity_resolver(&self, _: &dyn GetIdentityResolver) -> Option<SharedIdentityResolver> {
        None
    }

    fn signer(&self) -> &dyn Sign {
        self
    }
}

impl Sign for Inert {
    fn sign_http_request(
        &self,
        _: &mut HttpRequest,
        _: &Identity,
        _: AuthSchemeEndpointConfig<'_>,
        _: &RuntimeComponents,
        _: &ConfigBag,
    ) -> Result<(), BoxError> {
        Err(refusal())
    }
}

impl ResolveIdentity for Inert {
    fn resolve_identity<'a>(
        &'a self,
        _: &'a RuntimeComponents,
        _: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::ready(Err(refusal()))
    }
}

impl ResolveCachedIdentity for Inert {
    fn resolve_cached_identity<'a>(
        &'a self,
        _: SharedIdentityResolver,
        _: &'a RuntimeComponents,
        _: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::ready(Err(refusal()))
    }
}

impl RetryStrategy for Inert {
    fn should_attempt_initial_request(
        &self,
        _: &RuntimeComponents,
        _: &ConfigBag,
    ) -> Result<ShouldAttempt, BoxError> {
        Ok(ShouldAttempt::No)
    }

    fn should_attempt_retry(
        &self,
        _: &InterceptorContext,
        _: &RuntimeComponents,
        _: &ConfigBag,
    ) -> Result<ShouldAttempt, BoxError> {
        Ok(ShouldAttempt::No)
    }
}
