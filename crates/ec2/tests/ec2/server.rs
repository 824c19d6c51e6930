//! A server that answers as each test wants, a client's configuration for it, and EC2's answers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::sdk_config::SharedCredentialsProvider;
use baler_aws::{Aws, Settings};
use baler_ec2::{Ec2, Event, Timing};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};

pub(crate) const SECRET: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY";

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The parameters of a form.
    pub(crate) fn form(&self) -> BTreeMap<String, String> {
        let pairs = self.body.split('&').map(|pair| pair.split_once('=').expect("a pair"));
        pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
    }

    pub(crate) fn action(&self) -> String {
        self.form().remove("Action").unwrap_or_default()
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digits: Vec<_> = if byte == b'%' { rest.by_ref().take(2).collect() } else { vec![] };
        match std::str::from_utf8(&digits).ok().filter(|d| !d.is_empty()) {
            Some(digits) => bytes.push(u8::from_str_radix(digits, 16).expect("two digits")),
            None if byte == b'+' => bytes.push(b' '),
            None => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).expect("text")
}

/// What comes back.
pub(crate) enum Reply {
    Answer(Response<Full<Bytes>>),
    /// The connection is closed without an answer.
    Lost,
    /// There is never an answer.
    Hang,
}

pub(crate) fn reply(status: u16, body: impl Into<Bytes>) -> Reply {
    with_header(status, "content-type", "text/xml", body)
}

pub(crate) fn with_header(status: u16, name: &str, value: &str, body: impl Into<Bytes>) -> Reply {
    let response = Response::builder().status(status).header(name, value);
    Reply::Answer(response.body(Full::new(body.into())).expect("an answer"))
}

/// EC2's form of an error.
pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Reply {
    reply(
        status,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code>\
             <Message>{message}</Message></Error></Errors><RequestID>req-1</RequestID></Response>"
        ),
    )
}

/// EC2's form of an answer to an action.
pub(crate) fn answer(action: &str, inner: &str) -> Reply {
    reply(
        200,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{action}Response \
             xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>req-2</requestId>{inner}\
             </{action}Response>"
        ),
    )
}

/// An answer of DescribeImages with these images: identifier, name, location, state.
pub(crate) fn described(images: &[(&str, &str, &str, &str)]) -> Reply {
    let items: String = images
        .iter()
        .map(|(id, name, location, state)| {
            format!(
                "<item><imageId>{id}</imageId><name>{name}</name><imageLocation>{location}</imageLocation>\
                 <imageState>{state}</imageState></item>"
            )
        })
        .collect();
    answer("DescribeImages", &format!("<imagesSet>{items}</imagesSet>"))
}

/// A server on loopback, and all that it was asked.
pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Starts it. It goes on until the tests end.
    pub(crate) fn start(mut handler: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        listener.set_nonblocking(true).expect("a listener");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        let handler = Arc::new(Mutex::new(move |asked: Asked| {
            log.lock().expect("the log").push(asked.clone());
            handler(&asked)
        }));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                while let Ok((stream, _)) = listener.accept().await {
                    let handler = handler.clone();
                    tokio::spawn(async move {
                        let service = service_fn(move |request| serve(request, handler.clone()));
                        let http = hyper::server::conn::http1::Builder::new();
                        // What a test lets go of in the middle is no error here.
                        let _ = http.serve_connection(TokioIo::new(stream), service).await;
                    });
                }
            });
        });
        Self { url, asked }
    }

    /// One that gives these answers, one after the other, and hangs afterwards.
    pub(crate) fn giving(replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut replies = replies.into_iter().collect::<Vec<_>>().into_iter();
        Self::start(move |_| replies.next().unwrap_or(Reply::Hang))
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("the log").clone()
    }

    pub(crate) fn actions(&self) -> Vec<String> {
        self.asked().iter().map(Asked::action).collect()
    }

    pub(crate) fn ec2(&self) -> Ec2 {
        ec2_at(&self.url, credentials(None))
    }
}

async fn serve(
    request: Request<Incoming>,
    handler: Arc<Mutex<impl FnMut(Asked) -> Reply>>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let asked = Asked {
        method: head.method,
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).expect("text"),
    };
    let reply = (handler.lock().expect("the handler"))(asked);
    match reply {
        Reply::Answer(answer) => Ok(answer),
        Reply::Lost => Err(std::io::Error::other("lost")),
        Reply::Hang => {
            std::future::pending::<Result<_, Infallible>>().await.map_err(|e| match e {})
        }
    }
}

/// EC2 at a URL, with time limits for tests.
pub(crate) fn ec2_at(url: &str, credentials: SharedCredentialsProvider) -> Ec2 {
    let config = config(credentials).into_builder().endpoint_url(url).build();
    Ec2::new(&aws(config), None).expect("a client").with_timing(quick())
}

pub(crate) fn aws(config: SdkConfig) -> Aws {
    Aws::from_config(config, &Settings::new()).expect("a configuration")
}

/// Time limits for tests.
pub(crate) fn quick() -> Timing {
    let mut timing = Timing::new();
    timing.connect = Duration::from_secs(5);
    timing.attempt = Duration::from_secs(5);
    timing.patience.budget = Duration::from_secs(5);
    timing.patience.first_pause = Duration::from_millis(2);
    timing.patience.longest_pause = Duration::from_millis(8);
    timing.poll = Duration::from_millis(2);
    timing
}

pub(crate) fn credentials(token: Option<&str>) -> SharedCredentialsProvider {
    let token = token.map(str::to_owned);
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", SECRET, token, None, "tests");
    SharedCredentialsProvider::new(credentials)
}

pub(crate) fn config(credentials: SharedCredentialsProvider) -> SdkConfig {
    let client = http_client_fn(|_, _| {
        SharedHttpConnector::new(Plain(Client::builder(TokioExecutor::new()).build_http()))
    });
    SdkConfig::builder()
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .http_client(client)
        .build()
}

/// Plain HTTP for the SDK.
#[derive(Debug)]
struct Plain(Client<hyper_util::client::legacy::connect::HttpConnector, SdkBody>);

impl HttpConnector for Plain {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = request.try_into_http1x().expect("a request");
        let answer = self.0.request(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await.map_err(|error| ConnectorError::io(error.into()))?;
            let answer = answer.map(SdkBody::from_body_1_x);
            HttpResponse::try_from(answer).map_err(|error| ConnectorError::io(error.into()))
        })
    }
}

/// Where events go that nobody asks for.
pub(crate) fn ignore(_: Event) {}

/// A place for events.
#[derive(Default)]
pub(crate) struct Events(Mutex<Vec<Event>>);

impl Events {
    pub(crate) fn keep(&self) -> impl Fn(Event) + Sync {
        |event| self.0.lock().expect("the events").push(event)
    }

    pub(crate) fn all(&self) -> Vec<Event> {
        self.0.lock().expect("the events").clone()
    }
}
