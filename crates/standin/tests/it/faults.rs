use std::io::ErrorKind;
use std::time::{Duration, Instant};

use baler_standin::{Fault, Rule};

use crate::client::{Fixture, plain};

fn fixture() -> Fixture {
    let fixture = Fixture::new();
    let client = fixture.client();
    client.s3("PUT", "/box", &[], b"").is_fine();
    client.s3("PUT", "/box/k", &[], b"0123456789").is_fine();
    fixture
}

fn slow_down() -> Fault {
    let (code, message) = ("SlowDown".to_owned(), String::new());
    Fault::Status {
        status: 503,
        code,
        message,
        headers: vec![("retry-after".to_owned(), "1".to_owned())],
        body: None,
    }
}

#[test]
fn answers_can_be_others() {
    let fixture = fixture();
    let client = fixture.client();
    fixture
        .standin
        .faults(vec![Rule::new(slow_down()).method("PUT").path("/box/").skip(1).count(2)]);
    let put = || client.s3("PUT", "/box/p", &[], &[1; 100_000]);
    put().is_fine();
    assert_eq!(put().is(503, "SlowDown").header("retry-after"), Some("1"));
    put().is(503, "SlowDown");
    put().is_fine();
    assert_eq!(fixture.standin.fired().len(), 2);
    fixture.standin.faults(vec![
        Rule::new(Fault::Html),
        Rule::new(Fault::Empty { status: 500 }),
        Rule::new(Fault::Expired),
    ]);
    assert_eq!(client.s3("GET", "/box/k", &[], b"").header("content-type"), Some("text/html"));
    let empty = client.s3("GET", "/box/k", &[], b"");
    assert_eq!((empty.status, empty.body.len()), (500, 0));
    client.s3("GET", "/box/k", &[], b"").is(400, "ExpiredToken");
    fixture.standin.faults(vec![
        Rule::new(slow_down()).operation("DescribeRegions"),
        Rule::new(Fault::Expired),
    ]);
    client.ec2("DescribeRegions", "").is(503, "SlowDown");
    client.ec2("DescribeRegions", "").is(400, "RequestExpired");
    client.ec2("DescribeRegions", "").is_fine();
}

#[test]
fn connections_can_break() {
    let fixture = fixture();
    let client = fixture.client();
    let put =
        |name: &str| client.send("s3", "PUT", &format!("/box/{name}"), &[], &vec![1; 4 << 20]);
    fixture.standin.faults(vec![Rule::new(Fault::ResetRequest { after: 100_000 })]);
    assert!(put("reset").is_err());
    client.s3("GET", "/box/reset", &[], b"").is(404, "NoSuchKey");
    fixture.standin.faults(vec![Rule::new(Fault::DropReply)]);
    assert!(put("dropped").is_err());
    client.s3("HEAD", "/box/dropped", &[], b"").is_fine();
    let get = || client.send("s3", "GET", "/box/dropped", &[], b"");
    for fault in [
        Fault::Truncate { after: 1 << 20 },
        Fault::ResetReply { after: 1 << 20 },
        Fault::Truncate { after: 0 },
    ] {
        fixture.standin.faults(vec![Rule::new(fault.clone())]);
        let reset = matches!(fault, Fault::ResetReply { .. });
        let kind = if reset { ErrorKind::ConnectionReset } else { ErrorKind::UnexpectedEof };
        assert_eq!(get().unwrap_err().kind(), kind, "{fault:?}");
        assert_eq!(get().unwrap().body.len(), 4 << 20);
    }
}

#[test]
fn bodies_can_be_bent() {
    let fixture = fixture();
    let client = fixture.client();
    let get = || client.s3("GET", "/box/k", &[], b"").text();
    fixture.standin.faults(vec![Rule::new(Fault::Flip { at: 3 })]);
    assert_eq!(get(), "0122456789");
    for fault in [Fault::Stall { after: 4, seconds: 0.3 }, Fault::Slow { bytes_per_second: 30 }] {
        fixture.standin.faults(vec![Rule::new(fault)]);
        let start = Instant::now();
        assert_eq!(get(), "0123456789");
        assert!(start.elapsed() > Duration::from_millis(250));
    }
}

#[test]
fn rules_come_over_http() {
    let fixture = fixture();
    let (client, url) = (fixture.client(), fixture.standin.url());
    let rules = br#"[{"method":"GET","contains":"k","count":0,"do":"status","status":500,"code":"InternalError","message":""}]"#;
    assert_eq!(plain(&url, "PUT", "/__faults", &[], rules).status, 200);
    client.s3("GET", "/box/k", &[], b"").is(500, "InternalError");
    client.s3("GET", "/box/k", &[], b"").is(500, "InternalError");
    assert_eq!(plain(&url, "GET", "/__faults", &[], b"").text().matches("\"rule\":0").count(), 2);
    assert_eq!(plain(&url, "PUT", "/__faults", &[], b"[{\"do\":\"nothing\"}]").status, 400);
    assert_eq!(plain(&url, "PUT", "/__faults", &[], b"[]").status, 200);
    assert_eq!(plain(&url, "PUT", "/__deny", &[], b"[\"s3:GetObject\"]").status, 200);
    client.s3("GET", "/box/k", &[], b"").is(403, "AccessDenied");
}
