//! The metadata service's rules, kept and broken.

use std::time::{Duration, Instant};

use baler_ec2::{Metadata, MetadataError};
use http::{Method, Uri};

use crate::server::*;

const BUDGET: Duration = Duration::from_secs(2);

fn plain(status: u16, body: &str) -> Reply {
    with_header(status, "content-type", "text/plain", body.to_owned())
}

fn give_token(asked: &Asked, token: &str) -> Reply {
    let seconds = asked.header("x-aws-ec2-metadata-token-ttl-seconds");
    match (asked.path.as_str(), seconds.parse::<u32>()) {
        ("/latest/api/token", Ok(1..=21600)) => {
            with_header(200, "x-aws-ec2-metadata-token-ttl-seconds", seconds, token.to_owned())
        }
        _ => plain(400, ""),
    }
}

/// A service with tokens and these items below `latest/`.
fn service(items: &'static [(&'static str, &'static str)]) -> Server {
    Server::start(move |asked| {
        if asked.method == Method::PUT {
            return give_token(asked, "token-1");
        }
        if asked.header("x-aws-ec2-metadata-token") != "token-1" {
            return plain(401, "");
        }
        let path = asked.path.strip_prefix("/latest/").unwrap_or_default();
        match items.iter().find(|(name, _)| *name == path) {
            Some((_, text)) => plain(200, text),
            None => plain(404, "<html>not found</html>"),
        }
    })
}

fn uri(server: &Server) -> Uri {
    server.url.parse().expect("a URL")
}

async fn connect(server: &Server) -> Metadata {
    let found = Metadata::connect(&uri(server), BUDGET, false).await;
    found.expect("no error").expect("a service")
}

#[tokio::test]
async fn a_machine_knows_itself() {
    let server = service(&[
        ("dynamic/instance-identity/document", include_str!("identity.json")),
        ("meta-data/ami-id", "ami-01234567\n"),
        ("meta-data/ancestor-ami-ids", "ami-00000001\nami-00000002"),
        ("meta-data/kernel-id", "aki-5c21674b"),
        ("meta-data/product-codes", "AAA\nBBB\n"),
        ("meta-data/block-device-mapping/", "ami\nephemeral0\nroot\nswap"),
        ("meta-data/block-device-mapping/ami", "sda1"),
        ("meta-data/block-device-mapping/ephemeral0", "sdb"),
        ("meta-data/block-device-mapping/root", "/dev/sda1"),
        ("meta-data/placement/availability-zone", "eu-west-1b"),
    ]);
    let metadata = connect(&server).await;
    assert!(metadata.has_token());
    let identity = metadata.identity().await.expect("no error").expect("an identity");
    assert_eq!(identity.account.as_str(), "123456789012");
    assert_eq!(identity.region.as_str(), "eu-west-1");
    assert_eq!(identity.architecture.as_deref(), Some("x86_64"));
    assert_eq!(identity.image_id.as_deref(), Some("ami-01234567"));
    assert_eq!(identity.instance_id.as_deref(), Some("i-0123456789abcdef0"));
    assert_eq!(identity.instance_type.as_deref(), Some("m3.medium"));
    assert_eq!(metadata.ami_id().await.expect("no error").as_deref(), Some("ami-01234567"));
    assert_eq!(metadata.ancestors().await.expect("no error"), ["ami-00000001", "ami-00000002"]);
    assert_eq!(metadata.kernel().await.expect("no error").as_deref(), Some("aki-5c21674b"));
    assert_eq!(metadata.ramdisk().await.expect("no error"), None);
    assert_eq!(metadata.product_codes().await.expect("no error"), ["AAA", "BBB"]);
    let mapping = metadata.block_device_mapping().await.expect("no error");
    let expected = [("ami", "sda1"), ("ephemeral0", "sdb"), ("root", "/dev/sda1")];
    assert_eq!(mapping, expected.map(|(name, device)| (name.to_owned(), device.to_owned())));
    let region = metadata.region().await.expect("no error").expect("a region");
    assert_eq!(region.as_str(), "eu-west-1");
    let puts: Vec<_> = server.asked().into_iter().filter(|a| a.method == Method::PUT).collect();
    assert_eq!(puts.len(), 1);
    assert_eq!(puts[0].header("x-aws-ec2-metadata-token-ttl-seconds"), "21600");
    assert_eq!(puts[0].header("x-forwarded-for"), "");
    assert!(!format!("{metadata:?}").contains("token-1"));
}

#[tokio::test]
async fn a_machine_that_knows_little() {
    let server = service(&[("meta-data/placement/region", "us-gov-west-1")]);
    let metadata = connect(&server).await;
    assert_eq!(metadata.identity().await.expect("no error"), None);
    assert!(metadata.ancestors().await.expect("no error").is_empty());
    assert!(metadata.block_device_mapping().await.expect("no error").is_empty());
    let region = metadata.region().await.expect("no error").expect("a region");
    assert_eq!(region.as_str(), "us-gov-west-1");
    for text in ["{", "{}", "[]", "{\"accountId\":\"123456789012\",\"region\":7}"] {
        let server = Server::start(move |asked| match asked.method {
            Method::PUT => give_token(asked, "t"),
            _ => plain(200, text),
        });
        let error = connect(&server).await.identity().await.expect_err(text);
        assert!(matches!(error, MetadataError::Document(_)), "{error}");
    }
}

#[tokio::test]
async fn a_token_that_has_ended_is_renewed_once() {
    let mut puts = 0;
    let server = Server::start(move |asked| {
        if asked.method == Method::PUT {
            puts += 1;
            return give_token(asked, &format!("token-{puts}"));
        }
        match asked.header("x-aws-ec2-metadata-token") {
            "token-2" if asked.path.ends_with("ami-id") => plain(200, "ami-01234567"),
            _ => plain(401, ""),
        }
    });
    let metadata = connect(&server).await;
    assert_eq!(metadata.ami_id().await.expect("no error").as_deref(), Some("ami-01234567"));
    assert_eq!(metadata.ami_id().await.expect("no error").as_deref(), Some("ami-01234567"));
    assert_eq!(server.asked().iter().filter(|asked| asked.method == Method::PUT).count(), 2);
    let error = metadata.kernel().await.expect_err("a refusal");
    assert!(matches!(error, MetadataError::Refused { status: 401, .. }), "{error}");
    assert_eq!(server.asked().iter().filter(|asked| asked.method == Method::PUT).count(), 3);
}

/// A service that has no tokens.
fn version_1(put: fn() -> Reply) -> Server {
    Server::start(move |asked| match (&asked.method, asked.path.as_str()) {
        (&Method::PUT, _) => put(),
        (_, "/latest/meta-data/") => plain(200, "ami-id\n"),
        (_, "/latest/meta-data/ami-id") => plain(200, "ami-01234567"),
        _ => plain(404, ""),
    })
}

#[tokio::test]
async fn version_1_is_for_those_who_allow_it() {
    let refusals: [fn() -> Reply; 4] =
        [|| plain(403, ""), || plain(404, ""), || plain(405, ""), || Reply::Hang];
    for put in refusals {
        let server = version_1(put);
        let found = Metadata::connect(&uri(&server), BUDGET, true).await;
        let metadata = found.expect("no error").expect("a service");
        assert!(!metadata.has_token());
        assert_eq!(metadata.ami_id().await.expect("no error").as_deref(), Some("ami-01234567"));
    }
    for put in &refusals[..3] {
        let server = version_1(*put);
        let error = Metadata::connect(&uri(&server), BUDGET, false).await.expect_err("no token");
        assert!(matches!(error, MetadataError::NoToken { status: 403..=405 }), "{error}");
        assert_eq!(server.asked().len(), 1);
    }
    // A service with tokens that turned ours down is not asked without one.
    let server = version_1(|| plain(400, ""));
    let error = Metadata::connect(&uri(&server), BUDGET, true).await.expect_err("no token");
    assert!(matches!(error, MetadataError::NoToken { status: 400 }), "{error}");
    // Switched off, or tokens are required and do not get through.
    for (put, status) in [(403, 403), (404, 401)] {
        let server = Server::start(move |asked| match asked.method {
            Method::PUT => plain(put, ""),
            _ => plain(status, ""),
        });
        let error = Metadata::connect(&uri(&server), BUDGET, true).await.expect_err("no token");
        assert!(matches!(error, MetadataError::NoToken { .. }), "{error}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_nothing_in_time() {
    let silent = Server::start(|_| Reply::Hang);
    let nobody: Uri = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}", listener.local_addr().expect("its address")).parse().expect("a URL")
    };
    let budget = Duration::from_millis(200);
    for endpoint in [uri(&silent), nobody] {
        for allow_v1 in [false, true] {
            let begun = Instant::now();
            let found = Metadata::connect(&endpoint, budget, allow_v1).await;
            assert!(found.expect("no error").is_none());
            assert!(begun.elapsed() < budget + Duration::from_secs(2), "{:?}", begun.elapsed());
        }
    }
    for bad in ["https://169.254.169.254", "http://a@b", "http://host/path", "/", "http://h/?x"] {
        let endpoint = bad.parse().expect(bad);
        let error = Metadata::connect(&endpoint, budget, false).await.expect_err(bad);
        assert!(matches!(error, MetadataError::Endpoint(_)), "{error}");
    }
}

#[tokio::test]
async fn a_busy_service_is_asked_again() {
    for status in [429, 503] {
        let mut gets = 0;
        let server = Server::start(move |asked| {
            if asked.method == Method::PUT {
                return give_token(asked, "t");
            }
            gets += 1;
            if gets < 3 { plain(status, "") } else { plain(200, "ami-01234567") }
        });
        let metadata = connect(&server).await;
        assert_eq!(metadata.ami_id().await.expect("no error").as_deref(), Some("ami-01234567"));
    }
    let server = Server::start(|asked| match asked.method {
        Method::PUT => give_token(asked, "t"),
        _ => plain(503, ""),
    });
    let error = connect(&server).await.ami_id().await.expect_err("it stays busy");
    assert!(matches!(error, MetadataError::Refused { status: 503, .. }), "{error}");
    assert_eq!(server.asked().len(), 5);
}

#[tokio::test]
async fn answers_that_are_no_metadata() {
    let server = Server::start(|asked| match asked.path.as_str() {
        _ if asked.method == Method::PUT => give_token(asked, "t"),
        "/latest/meta-data/ami-id" => plain(200, &"x".repeat(300 << 10)),
        "/latest/meta-data/kernel-id" => with_header(200, "x", "y", b"\xff\xfe".to_vec()),
        "/latest/meta-data/ramdisk-id" => plain(500, ""),
        "/latest/meta-data/block-device-mapping/" => plain(200, "../../user-data"),
        _ => Reply::Hang,
    });
    let metadata = connect(&server).await;
    let error = metadata.ami_id().await.expect_err("too long");
    assert!(matches!(error, MetadataError::TooLong { .. }), "{error}");
    let error = metadata.kernel().await.expect_err("not text");
    assert!(matches!(error, MetadataError::NotText { .. }), "{error}");
    let error = metadata.ramdisk().await.expect_err("an error");
    assert!(matches!(error, MetadataError::Refused { status: 500, .. }), "{error}");
    let error = metadata.block_device_mapping().await.expect_err("no path");
    assert!(matches!(error, MetadataError::Path(_)), "{error}");
    let error = metadata.ancestors().await.expect_err("no answer");
    assert!(matches!(error, MetadataError::Lost { .. }), "{error}");
}
