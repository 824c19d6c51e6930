//! `--debug`: each request that goes to AWS, and its answer, without what is secret in them.

use std::time::Instant;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use crate::report::Console;

/// The same client, which tells what it does if that is wanted.
pub(super) fn told(client: SharedHttpClient, console: &Console) -> SharedHttpClient {
    match console.is_debug() {
        true => SharedHttpClient::new(Told { inner: client, console: *console }),
        false => client,
    }
}

struct Told<T> {
    inner: T,
    console: Console,
}

impl<T> std::fmt::Debug for Told<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Told")
    }
}

impl HttpClient for Told<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Told { inner, console: self.console })
    }
}

impl HttpConnector for Told<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (what, console, begun) = (shown(&request), self.console, Instant::now());
        let answer = self.inner.call(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await;
            let took = begun.elapsed().as_millis();
            match &answer {
                Ok(answer) => {
                    let ids = ["x-amz-request-id", "x-amzn-requestid", "x-amzn-request-id"];
                    let id = ids.iter().find_map(|name| answer.headers().get(*name));
                    let id = id.map_or_else(String::new, |id| format!(", request {id}"));
                    console.debug(&format!("{what}: {}{id}, {took} ms", answer.status()));
                }
                Err(error) => console.debug(&format!("{what}: {error:?}, {took} ms")),
            }
            answer
        })
    }
}

/// The method and where it goes to: neither headers nor a body, which have signatures, keys and tokens in them, nor a
/// query, which may. Where containers get their credentials, the path is a secret too.
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
