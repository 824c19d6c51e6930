//! Requests and answers: signatures, errors of every form, repetitions.

use std::error::Error as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_types::SdkConfig;
use baler_ec2::{AmiId, Ec2, ErrorKind, Event, Permission, Query, SetupError};

use crate::server::*;

async fn error_of(reply: Reply) -> baler_ec2::Error {
    let server = Server::giving([reply]);
    let mut timing = quick();
    timing.patience.budget = Duration::ZERO;
    let ec2 = server.ec2().with_timing(timing);
    ec2.images(&Query::own(), &ignore).await.expect_err("an error")
}

#[tokio::test]
async fn requests_are_signed_forms() {
    let server = Server::giving([described(&[])]);
    server.ec2().images(&Query::own().filter("name", "a b"), &ignore).await.expect("no images");
    let [asked] = &server.asked()[..] else { panic!("{:?}", server.asked()) };
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/"));
    assert_eq!(asked.header("content-type"), "application/x-www-form-urlencoded");
    assert!(asked.header("user-agent").starts_with("baler/"));
    let authorization = asked.header("authorization");
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/"));
    assert!(authorization.contains("/us-east-1/ec2/aws4_request"), "{authorization}");
    assert!(authorization.contains("host"), "{authorization}");
    assert_eq!(format!("http://{}", asked.header("host")), server.url);
    let form = asked.form();
    for (name, value) in [
        ("Action", "DescribeImages"),
        ("Version", "2016-11-15"),
        ("Owner.1", "self"),
        ("IncludeDisabled", "true"),
        ("Filter.1.Name", "name"),
        ("Filter.1.Value.1", "a b"),
        ("MaxResults", "1000"),
    ] {
        assert_eq!(form.get(name).map(String::as_str), Some(value), "{name}: {form:?}");
    }
}

#[tokio::test]
async fn an_endpoint_may_have_a_path() {
    let server = Server::start(|_| described(&[]));
    for path in ["", "/", "/services/Cloud", "/services/Cloud/"] {
        let ec2 = ec2_at(&format!("{}{path}", server.url), credentials(None));
        ec2.images(&Query::own(), &ignore).await.expect("no images");
        let asked = server.asked();
        let expected = if path.is_empty() { "/" } else { path };
        assert_eq!(asked.last().expect("a request").path, expected);
    }
}

#[tokio::test]
async fn errors_have_a_kind() {
    for (status, code, kind) in [
        (403, "UnauthorizedOperation", ErrorKind::Denied),
        (401, "AuthFailure", ErrorKind::Denied),
        (403, "SignatureDoesNotMatch", ErrorKind::Denied),
        (400, "InvalidAMIID.NotFound", ErrorKind::NotFound),
        (400, "InvalidAMIID.Unavailable", ErrorKind::NotFound),
        (400, "InvalidManifest", ErrorKind::Refused),
        (400, "InvalidParameterValue", ErrorKind::Refused),
        (503, "RequestLimitExceeded", ErrorKind::Transient),
        (400, "Throttling", ErrorKind::Transient),
        (500, "InternalError", ErrorKind::Transient),
        (503, "Unavailable", ErrorKind::Transient),
        (500, "Unheard", ErrorKind::Transient),
        (400, "RequestExpired", ErrorKind::Expired),
        (400, "ExpiredTokenException", ErrorKind::Expired),
    ] {
        let error = error_of(refusal(status, code, "It is so.")).await;
        assert_eq!(error.kind, kind, "{code}");
        assert_eq!((error.action, error.status), ("DescribeImages", Some(status)));
        assert_eq!(
            error.to_string(),
            format!("`DescribeImages` was answered with `{code}`: It is so (request req-1)")
        );
    }
}

#[tokio::test]
async fn errors_survive_what_is_no_error_of_ec2() {
    for (status, body, kind) in [
        (403, "", ErrorKind::Denied),
        (404, "<html><body>not here</body></html>", ErrorKind::Refused),
        (500, "<!DOCTYPE html><html><p>broken</html>", ErrorKind::Transient),
        (502, "<html><h1>502 Bad Gateway</h1></html>", ErrorKind::Transient),
        (503, "", ErrorKind::Transient),
        (200, "", ErrorKind::Unreadable),
        (200, "<html><body>log in</body></html>", ErrorKind::Unreadable),
        (200, "<DescribeImagesResponse><imagesSet>", ErrorKind::Unreadable),
        (302, "", ErrorKind::Refused),
    ] {
        let error = error_of(reply(status, body)).await;
        assert_eq!((&error.kind, error.status), (&kind, Some(status)), "{status} {body}");
        assert!(error.code.is_none() && !error.message.is_empty());
        assert!(error.to_string().contains("http://127.0.0.1"), "{error}");
    }
    let error = error_of(refusal(400, "InvalidManifest", "")).await;
    assert!(error.message.contains("without a reason"), "{error}");
    // The form of newer services, and a number in the headers only.
    let body = "<ErrorResponse><Error><Code>X</Code><Message>m</Message></Error>\
                <RequestId>r</RequestId></ErrorResponse>";
    let error = error_of(reply(400, body)).await;
    assert_eq!((error.code.as_deref(), error.request_id.as_deref()), (Some("X"), Some("r")));
    let error = error_of(with_header(500, "x-amzn-requestid", "h", "")).await;
    assert_eq!(error.request_id.as_deref(), Some("h"));
}

/// The page of a proxy, and the answer to something else, are successes of nothing; also where no answer is needed.
#[tokio::test]
async fn only_the_answer_to_a_request_is_a_success() {
    let ami: AmiId = "ami-0123456789abcdef0".parse().expect("an id");
    for body in ["<html/>", "<html><body>log in</body></html>", "<Other/>", "<XResponse/>"] {
        let server = Server::start(move |_| reply(200, body));
        let mut timing = quick();
        timing.patience.budget = Duration::ZERO;
        let ec2 = server.ec2().with_timing(timing);
        let shared = ec2.share(&ami, &[Permission::Public], &[], &ignore).await.map(drop);
        let reset = ec2.reset(&ami, &ignore).await;
        let permissions = ec2.permissions(&ami, &ignore).await.map(drop);
        let deregistered = ec2.deregister(&ami, false, &ignore).await.map(drop);
        for result in [shared, reset, permissions, deregistered] {
            assert_eq!(result.expect_err(body).kind, ErrorKind::Unreadable, "{body}");
        }
    }
}

#[tokio::test]
async fn secrets_are_nowhere() {
    let message = format!(
        "The request signature does not match. token SESSIONTOKEN {SECRET}\n\nThe Canonical String for \
         this request should have been 'x-amz-security-token:SESSIONTOKEN'"
    );
    let server = Server::giving([refusal(403, "SignatureDoesNotMatch", &message)]);
    let ec2 = ec2_at(&server.url, credentials(Some("SESSIONTOKEN")));
    let error = ec2.images(&Query::own(), &ignore).await.expect_err("an error");
    assert_eq!(error.message, "The request signature does not match. token … …");
    assert_eq!(server.asked()[0].header("x-amz-security-token"), "SESSIONTOKEN");
    for text in [format!("{error:?}"), format!("{ec2:?}"), format!("{error}")] {
        assert!(!text.contains(SECRET) && !text.contains("SESSIONTOKEN"), "{text}");
    }
}

#[tokio::test]
async fn what_passes_is_repeated() {
    let server = Server::giving([
        refusal(503, "RequestLimitExceeded", "Request limit exceeded."),
        reply(502, "<html>"),
        Reply::Lost,
        reply(200, "<html/>"),
        described(&[]),
    ]);
    let events = Events::default();
    server.ec2().images(&Query::own(), &events.keep()).await.expect("an answer");
    let attempts: Vec<_> = events
        .all()
        .into_iter()
        .map(|event| match event {
            Event::Retry { action: "DescribeImages", attempt, wait, why } => {
                assert!(wait <= quick().patience.longest_pause && !why.is_empty());
                attempt
            }
            event => panic!("{event:?}"),
        })
        .collect();
    assert_eq!(attempts, [1, 2, 3, 4]);
    assert_eq!(server.asked().len(), 5);
}

#[tokio::test]
async fn what_does_not_pass_is_not_repeated() {
    for code in ["UnauthorizedOperation", "InvalidParameterValue", "InvalidAMIID.NotFound"] {
        let server = Server::giving([refusal(400, code, "No.")]);
        server.ec2().images(&Query::own(), &ignore).await.expect_err("an error");
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn the_budget_ends_repetitions() {
    let server = Server::start(|_| refusal(503, "Unavailable", "Busy."));
    let mut timing = quick();
    timing.patience.budget = Duration::from_millis(60);
    let ec2 = server.ec2().with_timing(timing);
    let begun = Instant::now();
    let error = ec2.images(&Query::own(), &ignore).await.expect_err("an error");
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert!(server.asked().len() > 2, "{}", server.asked().len());
}

#[tokio::test]
async fn an_endpoint_that_nobody_is_at_is_given_up() {
    let url = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}", listener.local_addr().expect("its address"))
    };
    let ec2 = ec2_at(&url, credentials(None));
    let events = Events::default();
    let error = ec2.images(&Query::own(), &events.keep()).await.expect_err("an error");
    assert_eq!((&error.kind, events.all().len()), (&ErrorKind::Unreachable, 5));
    let Event::Retry { why, .. } = &events.all()[0] else { panic!("{:?}", events.all()) };
    assert!(why.contains("refused"), "{why}");
    assert!(error.to_string().contains(&url) && error.source().is_some(), "{error}");
    assert!(error.advice().expect("advice").contains("network"));
}

#[tokio::test]
async fn an_endpoint_that_is_not_ec2_is_given_up() {
    let server = Server::start(|_| reply(500, "<html>"));
    let error = server.ec2().images(&Query::own(), &ignore).await.expect_err("an error");
    assert_eq!((&error.kind, server.asked().len()), (&ErrorKind::Transient, 6));
}

#[tokio::test]
async fn an_attempt_has_a_limit() {
    let server = Server::giving([]);
    let mut timing = quick();
    timing.attempt = Duration::from_millis(50);
    timing.patience.budget = Duration::from_millis(10);
    let ec2 = server.ec2().with_timing(timing);
    let error = ec2.images(&Query::own(), &ignore).await.expect_err("an error");
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.to_string().contains("within 50ms"), "{error}");
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_once() {
    let date = "Mon, 05 Jan 2015 10:00:00 GMT";
    let body = "<Response><Errors><Error><Code>RequestExpired</Code><Message>Request has expired.\
                </Message></Error></Errors></Response>";
    // A server whose clock is that wrong says so in each answer.
    let dated = || {
        let Reply::Answer(mut answer) = described(&[]) else { panic!("an answer") };
        answer.headers_mut().insert("date", date.parse().expect("a header"));
        Reply::Answer(answer)
    };
    let server = Server::giving([with_header(400, "date", date, body), dated(), dated()]);
    let (ec2, events) = (server.ec2(), Events::default());
    ec2.images(&Query::own(), &events.keep()).await.expect("an answer");
    ec2.images(&Query::own(), &events.keep()).await.expect("an answer");
    assert!(matches!(events.all()[..], [Event::Clock { ahead: true, .. }]), "{:?}", events.all());
    let asked = server.asked();
    assert!(!asked[0].header("x-amz-date").starts_with("2015"));
    assert!(asked[1].header("x-amz-date").starts_with("20150105T10"), "{:?}", asked[1].headers);
    assert!(asked[2].header("x-amz-date").starts_with("20150105T10"));

    let server = Server::start(move |_| with_header(400, "date", date, body));
    let error = server.ec2().images(&Query::own(), &ignore).await.expect_err("an error");
    assert_eq!(server.asked().len(), 2);
    assert_eq!(error.kind, ErrorKind::Expired, "with EC2's own time it is not the clock");
}

/// A provider that gives a new session each time.
#[derive(Debug, Default)]
struct Sessions(AtomicU32, Option<Duration>);

impl ProvideCredentials for Sessions {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let token = format!("session-{}", self.0.fetch_add(1, Ordering::Relaxed) + 1);
        let expiry = self.1.map(|after| SystemTime::now() + after);
        future::ProvideCredentials::ready(Ok(Credentials::new("A", "S", Some(token), expiry, "t")))
    }
}

#[tokio::test]
async fn credentials_are_kept_until_they_end() {
    for (lasting, tokens) in [
        (None, ["session-1", "session-2", "session-2"]),
        (Some(Duration::from_secs(3600)), ["session-1", "session-2", "session-2"]),
        (Some(Duration::from_secs(5)), ["session-1", "session-2", "session-3"]),
    ] {
        let server = Server::giving([
            refusal(400, "RequestExpired", "Request has expired."),
            described(&[]),
            described(&[]),
        ]);
        let sessions = Sessions(AtomicU32::new(0), lasting);
        let ec2 = ec2_at(&server.url, SharedCredentialsProvider::new(sessions));
        for _ in 0..2 {
            ec2.images(&Query::own(), &ignore).await.expect("an answer");
        }
        let asked = server.asked();
        let used: Vec<_> = asked.iter().map(|asked| asked.header("x-amz-security-token")).collect();
        assert_eq!(used, tokens, "{lasting:?}");
    }
}

fn endpoint_of(config: SdkConfig, region: Option<&str>) -> Result<String, SetupError> {
    let region = region.map(|region| region.parse().expect("a region"));
    Ec2::new(&aws(config), region.as_ref()).map(|ec2| ec2.endpoint().to_owned())
}

#[test]
fn a_client_needs_a_region_or_an_endpoint() {
    let whole = config(credentials(None));
    let mut builder = whole.to_builder();
    builder.set_region(None::<aws_types::region::Region>);
    assert!(matches!(endpoint_of(builder.build(), None), Err(SetupError::NoRegion)));
    let odd = aws_types::region::Region::new("nowhere.example.org");
    let odd = whole.to_builder().region(odd).build();
    assert!(matches!(endpoint_of(odd.clone(), None), Err(SetupError::Region(_))));
    for config in [whole, odd] {
        let given = config.to_builder().endpoint_url("http://127.0.0.1:9").build();
        assert_eq!(endpoint_of(given, None).expect("a client"), "http://127.0.0.1:9");
        // The SDK by itself would ignore it, and send to AWS.
        let bad = config.to_builder().endpoint_url("127.0.0.1:9").build();
        let error = baler_aws::Aws::from_config(bad, &baler_aws::Settings::new());
        let error = error.expect_err("no scheme");
        assert!(matches!(&error, SetupError::Endpoint { text, .. } if text == "127.0.0.1:9"));
        assert!(error.to_string().contains("`127.0.0.1:9`"), "{error}");
    }
}

#[test]
fn regions_tell_their_endpoints() {
    let config = |fips, dual| {
        let builder = config(credentials(None)).into_builder();
        builder.use_fips(fips).use_dual_stack(dual).build()
    };
    for (region, fips, dual, host) in [
        ("us-east-1", false, false, "ec2.us-east-1.amazonaws.com"),
        ("us-gov-west-1", false, false, "ec2.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", false, false, "ec2.cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1", false, false, "ec2.eusc-de-east-1.amazonaws.eu"),
        ("us-iso-east-1", false, false, "ec2.us-iso-east-1.c2s.ic.gov"),
        ("us-isob-east-1", false, false, "ec2.us-isob-east-1.sc2s.sgov.gov"),
        ("us-isof-south-1", false, false, "ec2.us-isof-south-1.csp.hci.ic.gov"),
        ("eu-isoe-west-1", false, false, "ec2.eu-isoe-west-1.cloud.adc-e.uk"),
        // A region that is newer than this program.
        ("eu-nowhere-7", false, false, "ec2.eu-nowhere-7.amazonaws.com"),
        ("us-east-1", false, true, "ec2.us-east-1.api.aws"),
        ("us-east-1", true, false, "ec2-fips.us-east-1.amazonaws.com"),
        ("us-east-1", true, true, "ec2-fips.us-east-1.api.aws"),
        ("cn-north-1", false, true, "ec2.cn-north-1.api.amazonwebservices.com.cn"),
        ("us-gov-west-1", true, true, "ec2-fips.us-gov-west-1.api.aws"),
        // GovCloud's own endpoints are validated, and have no other name.
        ("us-gov-west-1", true, false, "ec2.us-gov-west-1.amazonaws.com"),
    ] {
        let endpoint = endpoint_of(config(fips, dual), Some(region)).expect(region);
        assert_eq!(endpoint, format!("https://{host}"), "{region} {fips} {dual}");
    }
    let aws = aws(config(false, false));
    let moved = Ec2::new(&aws, None).expect("a client");
    let moved = moved.in_region(&"cn-north-1".parse().expect("a region")).expect("a client");
    assert_eq!(moved.endpoint(), "https://ec2.cn-north-1.amazonaws.com.cn");
    assert_eq!(moved.region(), "cn-north-1");
}

#[test]
fn requests_can_go_to_other_threads() {
    fn check(_: impl Send) {}
    let ec2 = Ec2::new(&aws(config(credentials(None))), None).expect("a client");
    let location = baler_ec2::Location::of_manifest("b/k").expect("a location");
    let name = "a name".parse().expect("a name");
    let wanted = baler_ec2::Registration::new(name, location, baler_ec2::Virtualization::Hvm);
    check(ec2.register(&wanted, &ignore));
    let endpoint = baler_ec2::Metadata::default_endpoint();
    check(baler_ec2::Metadata::connect(&endpoint, baler_ec2::Metadata::BUDGET, false));
}
