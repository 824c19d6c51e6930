//! A layer over an HTTP client that reports each request and its answer, without the secrets in them.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// A request that was sent, and what came back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exchange {
    /// The method and the URL: no headers, no body, no query, no user, and no path where the path is a secret.
    pub request: String,
    /// The status of the answer, or what went wrong.
    pub outcome: Result<u16, String>,
    /// The number of the request that AWS's support asks for, if the answer has one.
    pub request_id: Option<String>,
    /// The time until the answer's headers were there.
    pub took: Duration,
}

/// The receiver of all exchanges. It is called on the thread that sent the request.
pub type OnExchange = Arc<dyn Fn(&Exchange) + Send + Sync>;

/// The same client, which reports each exchange.
pub(crate) fn reporting(client: SharedHttpClient, on_exchange: OnExchange) -> SharedHttpClient {
    SharedHttpClient::new(Reporting { inner: client, on_exchange })
}

struct Reporting<T> {
    inner: T,
    on_exchange: OnExchange,
}

impl<T> fmt::Debug for Reporting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reporting")
    }
}

impl HttpClient for Reporting<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Reporting { inner, on_exchange: self.on_exchange.clone() })
    }
}

impl HttpConnector for Reporting<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (shown, begun) = (shown(&request), Instant::now());
        let (answer, on_exchange) = (self.inner.call(request), self.on_exchange.clone());
        HttpConnectorFuture::new(async move {
            let answer = answer.await;
            let took = begun.elapsed();
            let (outcome, request_id) = match &answer {
                Ok(answer) => {
                    let ids = ["x-amz-request-id", "x-amzn-requestid", "x-amzn-request-id"];
                    let id = ids.iter().find_map(|name| answer.headers().get(*name));
                    (Ok(answer.status().as_u16()), id.map(str::to_owned))
                }
                Err(error) => (Err(format!("{error:?}")), None),
            };
            on_exchange(&Exchange { request: shown, outcome, request_id, took });
            answer
        })
    }
}

/// The method and the URL: neither headers nor a body, which have signatures, keys and tokens in them, nor a query,
/// which may. Where containers get their credentials, the path is a secret too.
fn shown(request: &HttpRequest) -> String {
    let url = request.uri().split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.rsplit('@').next().unwrap_or_default();
    let path = if host.starts_with("169.254.170.") { "…" } else { path };
    format!("{} {scheme}://{host}/{path}", request.method())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        for (url, line) in [
            (
                "https://s3.amazonaws.com/b/k?X-Amz-Signature=abc",
                "GET https://s3.amazonaws.com/b/k",
            ),
            ("http://user:secret@127.0.0.1:80/b", "GET http://127.0.0.1:80/b"),
            ("http://169.254.170.2/v2/credentials/uuid", "GET http://169.254.170.2/…"),
            ("https://ec2.us-east-1.amazonaws.com", "GET https://ec2.us-east-1.amazonaws.com/"),
        ] {
            let mut request = HttpRequest::empty();
            request.set_uri(url).expect("a URL");
            assert_eq!(shown(&request), line);
        }
    }
}
