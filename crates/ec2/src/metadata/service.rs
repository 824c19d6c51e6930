//! The metadata service: tokens, requests, repetitions.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::error::{LONGEST, MetadataError};

const TOKEN_PATH: &str = "/latest/api/token";
pub(super) const META_DATA: &str = "meta-data/";

/// The life of a token: six hours, the longest that the service gives.
const TOKEN_SECONDS: &str = "21600";
const TOKEN_TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
const TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");

/// The attempts at a busy service, and the pause after the first one, which doubles.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest path that is requested.
const LONGEST_PATH: usize = 512;

/// The metadata service of the instance that this runs on.
#[derive(Debug)]
pub struct Metadata {
    client: Client<HttpConnector, Empty<Bytes>>,
    endpoint: Uri,
    limit: Duration,
    /// None with version 1.
    token: Mutex<Option<HeaderValue>>,
}

/// The answer to one request: its status and its body.
type Reply = (StatusCode, Bytes);

impl Metadata {
    /// The endpoint on every instance of EC2.
    pub const ENDPOINT: &str = "http://169.254.169.254";

    /// [`Metadata::ENDPOINT`] as a URI.
    pub fn default_endpoint() -> Uri {
        Uri::from_static(Self::ENDPOINT)
    }

    /// The time that finding out whether there is a service may take.
    pub const BUDGET: Duration = Duration::from_secs(1);

    /// Looks for the service; `None` if there is no answer within the budget.
    ///
    /// Version 1, without tokens, is used only if it is allowed and a token was refused as by a service that has none
    /// (403, 404, 405), or did not come. The budget is also the limit of each later request.
    ///
    /// # Errors
    /// [`MetadataError::Endpoint`]; [`MetadataError::NoToken`] where version 1 is not allowed or not offered.
    pub async fn connect(
        endpoint: &Uri,
        budget: Duration,
        allow_v1: bool,
    ) -> Result<Option<Self>, MetadataError> {
        let plain = endpoint.scheme_str() == Some("http") && endpoint.query().is_none();
        let plain = plain && endpoint.authority().is_some_and(|a| !a.as_str().contains('@'));
        if !plain || !matches!(endpoint.path(), "" | "/") {
            return Err(MetadataError::Endpoint(endpoint.to_string()));
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(budget));
        connector.set_nodelay(true);
        let client =
            Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        let metadata =
            Self { client, endpoint: endpoint.clone(), limit: budget, token: Mutex::new(None) };
        let end = Instant::now() + budget;
        // So that time is left for version 1.
        let token_end = if allow_v1 { end - budget * 2 / 5 } else { end };
        let refusal = match timeout_at(token_end, metadata.new_token()).await {
            Ok(Ok(())) => return Ok(Some(metadata)),
            Ok(Err(MetadataError::NoToken { status })) => Some(status),
            Ok(Err(MetadataError::Lost { .. })) => return Ok(None),
            Ok(Err(error)) => return Err(error),
            Err(_) => None,
        };
        match refusal {
            Some(status) if !allow_v1 || !matches!(status, 403..=405) => {
                return Err(MetadataError::NoToken { status });
            }
            None if !allow_v1 => return Ok(None),
            _ => {}
        }
        let index = metadata.request(Method::GET, META_DATA, None);
        match timeout_at(end, index).await {
            Ok(Ok((StatusCode::OK, _))) => Ok(Some(metadata)),
            // It is there, and insists on tokens, or has been switched off.
            Ok(Ok((status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN), _))) => {
                let status = refusal.unwrap_or(status.as_u16());
                Err(MetadataError::NoToken { status })
            }
            _ => Ok(None),
        }
    }

    /// Whether tokens are used: version 2.
    pub fn has_token(&self) -> bool {
        self.token().is_some()
    }

    /// The text at a path below `latest/`, such as `meta-data/ami-id`, or `None` if there is none.
    ///
    /// # Errors
    /// A refusal, an answer that does not come, is too long or is no text, and a path that the service cannot have.
    pub async fn get(&self, path: &str) -> Result<Option<String>, MetadataError> {
        if !is_path(path) {
            return Err(MetadataError::Path(path.to_owned()));
        }
        let mut renewed = false;
        let mut attempt = 1;
        loop {
            let token = self.token();
            let has_token = token.is_some();
            let asked = timeout(self.limit, self.request(Method::GET, path, token)).await;
            let (status, body) = asked.unwrap_or_else(|_| Err(lost(path, None)))?;
            match status {
                StatusCode::OK => return text(path, &body).map(Some),
                StatusCode::NOT_FOUND => return Ok(None),
                StatusCode::UNAUTHORIZED if has_token && !renewed => {
                    renewed = true;
                    timeout(self.limit, self.new_token())
                        .await
                        .unwrap_or_else(|_| Err(lost(TOKEN_PATH, None)))?;
                }
                status if is_busy(status) && attempt < ATTEMPTS => {
                    sleep(FIRST_PAUSE * (1 << (attempt - 1))).await;
                    attempt += 1;
                }
                status => {
                    let (path, status) = (path.to_owned(), status.as_u16());
                    return Err(MetadataError::Refused { path, status });
                }
            }
        }
    }

    /// Fetches a token.
    async fn new_token(&self) -> Result<(), MetadataError> {
        let mut attempt = 1;
        let body = loop {
            match self.request(Method::PUT, TOKEN_PATH, None).await? {
                (StatusCode::OK, body) => break body,
                (status, _) if is_busy(status) && attempt < ATTEMPTS => {
                    sleep(FIRST_PAUSE * (1 << (attempt - 1))).await;
                    attempt += 1;
                }
                (status, _) => return Err(MetadataError::NoToken { status: status.as_u16() }),
            }
        };
        let text = text(TOKEN_PATH, &body)?;
        let mut token = HeaderValue::from_str(text.trim())
            .ok()
            .filter(|token| !token.is_empty())
            .ok_or_else(|| MetadataError::NotText { path: TOKEN_PATH.to_owned() })?;
        token.set_sensitive(true);
        *self.token.lock().unwrap_or_else(|broken| broken.into_inner()) = Some(token);
        Ok(())
    }

    fn token(&self) -> Option<HeaderValue> {
        self.token.lock().unwrap_or_else(|broken| broken.into_inner()).clone()
    }

    /// Sends one request. Paths without a slash before them are below `latest/`.
    async fn request(
        &self,
        method: Method,
        path: &str,
        token: Option<HeaderValue>,
    ) -> Result<Reply, MetadataError> {
        let lost = |error: Box<dyn std::error::Error + Send + Sync>| lost(path, Some(error));
        let authority = self.endpoint.authority().map(|a| a.as_str()).unwrap_or_default();
        let full = if path.starts_with('/') { path.to_owned() } else { format!("/latest/{path}") };
        let mut request =
            Request::builder().method(method.clone()).uri(format!("http://{authority}{full}"));
        if method == Method::PUT {
            request = request.header(TOKEN_TTL, TOKEN_SECONDS);
        }
        if let Some(token) = token {
            request = request.header(TOKEN, token);
        }
        let request = request.body(Empty::new()).map_err(|error| lost(error.into()))?;
        let answer = self.client.request(request).await.map_err(|error| lost(error.into()))?;
        let status = answer.status();
        match Limited::new(answer.into_body(), LONGEST).collect().await {
            Ok(body) => Ok((status, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(MetadataError::TooLong { path: path.to_owned() })
            }
            Err(error) => Err(lost(error)),
        }
    }
}

fn is_busy(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

fn lost(path: &str, source: Option<Box<dyn std::error::Error + Send + Sync>>) -> MetadataError {
    MetadataError::Lost { path: path.to_owned(), source }
}

fn text(path: &str, body: &Bytes) -> Result<String, MetadataError> {
    match std::str::from_utf8(body) {
        Ok(text) if !text.contains('\0') => Ok(text.to_owned()),
        _ => Err(MetadataError::NotText { path: path.to_owned() }),
    }
}

/// Whether this is a path of metadata. Parts of it may come from the service.
fn is_path(path: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b);
    (1..=LONGEST_PATH).contains(&path.len())
        && path.bytes().all(fits)
        && !path.starts_with('/')
        && path.trim_end_matches('/').split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for good in ["meta-data/", "meta-data/ami-id", "dynamic/instance-identity/document"] {
            assert!(is_path(good), "{good}");
        }
        for bad in ["", "/latest", "a//b", "a/../b", "a b", "a?b", "a#b", "a%2e", "\u{e9}", "."] {
            assert!(!is_path(bad), "{bad}");
        }
        assert!(!is_path(&"a".repeat(513)));
    }
}
