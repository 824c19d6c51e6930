use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::thread;

use baler_standin::{Options, Standin};

use crate::client::{Fixture, hex, md5};

const EC2: &str = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c";
const ACLS: (&str, &str) = ("x-amz-object-ownership", "BucketOwnerPreferred");

#[test]
fn objects_come_back_as_they_went() {
    let fixture = Fixture::new();
    let client = fixture.client();
    client.s3("PUT", "/box", &[], b"").is_fine();
    let put = client.s3(
        "PUT",
        "/box/a/b%20c",
        &[("content-type", "text/x"), ("x-amz-meta-who", "me")],
        b"hello",
    );
    assert_eq!(put.header("etag"), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    let got = client.s3("GET", "/box/a/b%20c", &[("x-amz-checksum-mode", "ENABLED")], b"");
    assert_eq!((got.status, got.body.as_slice()), (200, &b"hello"[..]));
    assert_eq!(got.header("content-type"), Some("text/x"));
    assert_eq!(got.header("x-amz-meta-who"), Some("me"));
    assert!(got.header("x-amz-checksum-crc64nvme").is_some());
    assert_eq!(client.s3("HEAD", "/box/a/b%20c", &[], b"").header("content-length"), Some("5"));
    assert_eq!(client.s3("GET", "/box/a/b%20c", &[("range", "bytes=1-2")], b"").text(), "el");
    client.s3("GET", "/box/a/b%20c", &[("range", "bytes=9-")], b"").is(416, "InvalidRange");
    client.s3("GET", "/box/none", &[], b"").is(404, "NoSuchKey");
    client.s3("GET", "/none/none", &[], b"").is(404, "NoSuchBucket");
    assert_eq!(client.s3("DELETE", "/box/a/b%20c", &[], b"").status, 204);
    assert_eq!(client.s3("DELETE", "/box/a/b%20c", &[], b"").status, 204);
    client.s3("GET", "/box/a/b%20c", &[], b"").is(404, "NoSuchKey");
}

#[test]
fn wrong_uploads_leave_nothing() {
    let fixture = Fixture::new();
    let client = fixture.client();
    client.s3("PUT", "/box", &[], b"").is_fine();
    for (name, value, code) in [
        ("x-amz-checksum-sha1", "98O8HYCOBHMq2eZZczgTKfuNEE4=", "BadDigest"),
        ("x-amz-checksum-crc32", "AAAAAA==", "BadDigest"),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=", "BadDigest"),
        ("x-amz-checksum-sha256", "short", "InvalidRequest"),
        ("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==", "BadDigest"),
        ("content-md5", "short", "InvalidDigest"),
    ] {
        client.s3("PUT", "/box/k", &[(name, value)], b"body").is(400, code);
        assert_eq!(client.s3("HEAD", "/box/k", &[], b"").status, 404, "{name}");
    }
    let other = hex(&[7; 32]);
    let wrong = client.s3("PUT", "/box/k", &[("x-amz-content-sha256", &other)], b"body");
    wrong.is(400, "XAmzContentSHA256Mismatch");
    let mut stream = client.begin("s3", "PUT", "/box/k", &[], &[1; 100_000]).unwrap();
    stream.write_all(&[1; 60_000]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    assert_eq!(client.s3("HEAD", "/box/k", &[], b"").status, 404);
}

#[test]
fn checksums_may_come_last() {
    let fixture = Fixture::new();
    let client = fixture.client();
    client.s3("PUT", "/box", &[], b"").is_fine();
    let headers = [
        ("content-encoding", "aws-chunked"),
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-decoded-content-length", "5"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
    ];
    let put = |trailer: &str| {
        let body = format!("5\r\nhello\r\n0\r\n{trailer}\r\n");
        client.s3("PUT", "/box/k", &headers, body.as_bytes())
    };
    put("x-amz-checksum-crc32:AAAAAA==\r\n").is(400, "BadDigest");
    put("").is(400, "MalformedTrailerError");
    assert_eq!(client.s3("HEAD", "/box/k", &[], b"").status, 404);
    put("x-amz-checksum-crc32:NhCmhg==\r\n").is_fine();
    let got = client.s3("GET", "/box/k", &[("x-amz-checksum-mode", "ENABLED")], b"");
    assert_eq!(
        (got.text().as_str(), got.header("x-amz-checksum-crc32")),
        ("hello", Some("NhCmhg=="))
    );
    assert_eq!(got.header("content-encoding"), None);
}

#[test]
fn uploads_can_have_parts() {
    let fixture = Fixture::new();
    let client = fixture.client();
    client.s3("PUT", "/box", &[ACLS], b"").is_fine();
    let begun = client.s3("POST", "/box/k?uploads", &[("x-amz-acl", "aws-exec-read")], b"");
    let id = begun.is_fine().element("UploadId");
    let parts = [vec![1; 5 << 20], vec![2; 10]];
    let mut list = String::new();
    for (part, number) in parts.iter().zip(1..) {
        let sent =
            client.s3("PUT", &format!("/box/k?partNumber={number}&uploadId={id}"), &[], part);
        let etag = sent.is_fine().header("etag").unwrap().to_owned();
        list += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    let complete = |list: &str| {
        let space = "http://s3.amazonaws.com/doc/2006-03-01/";
        let body =
            format!("<CompleteMultipartUpload xmlns=\"{space}\">{list}</CompleteMultipartUpload>");
        client.s3("POST", &format!("/box/k?uploadId={id}"), &[], body.as_bytes())
    };
    complete(&list.replace("<PartNumber>2", "<PartNumber>3")).is(400, "InvalidPart");
    assert!(complete(&list).is_fine().element("ETag").contains("-2"));
    complete(&list).is(404, "NoSuchUpload");
    assert_eq!(client.s3("GET", "/box/k", &[], b"").body, parts.concat());
    assert!(client.s3("GET", "/box/k?acl", &[], b"").text().contains(EC2));
}

#[test]
fn uploads_can_be_conditional() {
    let fixture = Fixture::new();
    let client = fixture.client();
    client.s3("PUT", "/box", &[], b"").is_fine();
    client.s3("PUT", "/box/k", &[("if-none-match", "*")], b"one").is_fine();
    client.s3("PUT", "/box/k", &[("if-none-match", "*")], b"two").is(412, "PreconditionFailed");
    client.s3("PUT", "/box/k", &[("if-match", "\"00\"")], b"two").is(412, "PreconditionFailed");
    assert_eq!(client.s3("GET", "/box/k", &[], b"").text(), "one");
}

#[test]
fn acls_are_what_ownership_makes_of_them() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let exec = [("x-amz-acl", "aws-exec-read")];
    let bad = client.s3("PUT", "/bad", &[("x-amz-acl", "private")], b"");
    bad.is(400, "InvalidBucketAclWithObjectOwnership");
    client.s3("PUT", "/off", &[], b"").is_fine();
    client.s3("PUT", "/on1", &[ACLS], b"").is_fine();
    client.s3("PUT", "/off/k", &exec, b"x").is(400, "AccessControlListNotSupported");
    client.s3("PUT", "/off/k", &[("x-amz-acl", "bucket-owner-full-control")], b"x").is_fine();
    client.s3("PUT", "/on1/k", &exec, b"x").is_fine();
    let acl = client.s3("GET", "/on1/k?acl", &[], b"");
    assert!(acl.text().contains(EC2) && acl.text().contains("READ"), "{}", acl.text());
    let from = ("x-amz-copy-source", "/on1/k");
    client.s3("PUT", "/off/c", &[from, exec[0]], b"").is(400, "AccessControlListNotSupported");
    client.s3("PUT", "/on1/c", &[from], b"").is_fine();
    assert!(
        !client.s3("GET", "/on1/c?acl", &[], b"").text().contains(EC2),
        "a copy has its own ACL"
    );
    client.s3("PUT", "/on1/p", &[("x-amz-acl", "public-read")], b"x").is(403, "AccessDenied");
    client
        .s3("PUT", "/on1/p", &[("x-amz-acl", "ec2-bundle-read")], b"x")
        .is(400, "InvalidArgument");
    client.s3("PUT", "/on1/c?acl", &exec, b"").is(400, "InvalidRequest");
    let empty = ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==");
    client.s3("PUT", "/on1/c?acl", &[exec[0], empty], b"").is_fine();
    assert!(client.s3("GET", "/on1/c?acl", &[], b"").text().contains(EC2));
    // Turned off, ACLs show the owner only; turned on again, they are what they were.
    let turn = |ownership: &str| {
        let body = format!(
            "<OwnershipControls xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Rule><ObjectOwnership>{ownership}</ObjectOwnership></Rule></OwnershipControls>"
        );
        client
            .s3(
                "PUT",
                "/on1?ownershipControls",
                &[("content-md5", &md5(body.as_bytes()))],
                body.as_bytes(),
            )
            .is_fine();
    };
    turn("BucketOwnerEnforced");
    assert!(!client.s3("GET", "/on1/k?acl", &[], b"").text().contains(EC2));
    turn("ObjectWriter");
    assert!(client.s3("GET", "/on1/k?acl", &[], b"").text().contains(EC2));
    assert_eq!(
        client.s3("GET", "/on1?ownershipControls", &[], b"").element("ObjectOwnership"),
        "ObjectWriter"
    );
}

#[test]
fn buckets_lie_in_regions() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let europe = client.region("eu-west-1");
    let constraint = |region: &str| {
        format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        )
    };
    europe.s3("PUT", "/euro", &[], b"").is(400, "IllegalLocationConstraintException");
    client
        .s3("PUT", "/euro", &[], constraint("us-east-1").as_bytes())
        .is(400, "InvalidLocationConstraint");
    europe.s3("PUT", "/euro", &[], constraint("eu-west-1").as_bytes()).is_fine();
    europe
        .s3("PUT", "/euro", &[], constraint("eu-west-1").as_bytes())
        .is(409, "BucketAlreadyOwnedByYou");
    let elsewhere = client.s3("PUT", "/euro/k", &[], b"x");
    elsewhere.is(301, "PermanentRedirect");
    assert_eq!(elsewhere.header("x-amz-bucket-region"), Some("eu-west-1"));
    assert_eq!(elsewhere.element("Endpoint"), "euro.s3.eu-west-1.amazonaws.com");
    let head = client.s3("HEAD", "/euro", &[], b"");
    assert_eq!((head.status, head.header("x-amz-bucket-region")), (301, Some("eu-west-1")));
    assert_eq!(
        europe.s3("HEAD", "/euro", &[], b"").header("x-amz-bucket-region"),
        Some("eu-west-1")
    );
    assert!(europe.s3("GET", "/euro?location", &[], b"").text().contains("eu-west-1"));
    fixture.standin.deny(&["s3:ListBucket"]).unwrap();
    let head = europe.s3("HEAD", "/euro", &[], b"");
    assert_eq!((head.status, head.header("x-amz-bucket-region")), (403, Some("eu-west-1")));
}

#[test]
fn signatures_are_checked() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let mut other = client.clone();
    other.secret_key.push('x');
    other.s3("GET", "/", &[], b"").is(403, "SignatureDoesNotMatch");
    assert!(!other.s3("GET", "/", &[], b"").element("Message").is_empty());
    let mut other = client.clone();
    other.access_key = "AKIAUNKNOWN".to_owned();
    other.s3("GET", "/", &[], b"").is(403, "InvalidAccessKeyId");
    for late in [1200, -1200] {
        let mut other = client.clone();
        other.late = late;
        other.s3("GET", "/", &[], b"").is(403, "RequestTimeTooSkewed");
    }
    client.s3("GET", "/", &[("x-amz-security-token", "expired")], b"").is(400, "ExpiredToken");
    client.s3("GET", "/", &[("x-amz-security-token", "good")], b"").is_fine();
}

#[test]
fn denied_actions_are_denied() {
    let fixture = Fixture::new();
    let client = fixture.client();
    client.s3("PUT", "/box", &[ACLS], b"").is_fine();
    fixture.standin.deny(&["s3:PutObjectAcl"]).unwrap();
    client.s3("PUT", "/box/k", &[("x-amz-acl", "aws-exec-read")], b"x").is(403, "AccessDenied");
    client.s3("PUT", "/box/k", &[], b"x").is_fine();
    fixture.standin.deny(&["s3:DeleteObject"]).unwrap();
    client.s3("DELETE", "/box/k", &[], b"").is(403, "AccessDenied");
    let body = b"<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>k</Key></Object></Delete>";
    client.s3("POST", "/box?delete", &[], body).is(400, "InvalidRequest");
    client.s3("POST", "/box?delete", &[("content-md5", &md5(b"other"))], body).is(400, "BadDigest");
    let deleted = client.s3("POST", "/box?delete", &[("content-md5", &md5(body))], body);
    assert_eq!((deleted.status, deleted.element("Code").as_str()), (200, "AccessDenied"));
    fixture.standin.deny(&["s3:*"]).unwrap();
    client.s3("GET", "/box/k", &[], b"").is(403, "AccessDenied");
    fixture.standin.deny(&["s3:ListBucket"]).unwrap();
    client.s3("GET", "/box/none", &[], b"").is(403, "AccessDenied");
    fixture.standin.deny(&[]).unwrap();
    client.s3("GET", "/box/none", &[], b"").is(404, "NoSuchKey");
}

#[test]
fn listings_have_pages() {
    let fixture = Fixture::new();
    let client = fixture.client();
    client.s3("PUT", "/box", &[], b"").is_fine();
    let keys: Vec<String> = (0..1005).map(|number| format!("k{number:04}")).collect();
    thread::scope(|scope| {
        for keys in keys.chunks(300) {
            let client = client.clone();
            scope.spawn(move || {
                keys.iter()
                    .for_each(|key| drop(client.s3("PUT", &format!("/box/{key}"), &[], b"x")))
            });
        }
    });
    let first = client.s3("GET", "/box?list-type=2", &[], b"");
    assert_eq!(
        (first.element("KeyCount").as_str(), first.element("IsTruncated").as_str()),
        ("1000", "true")
    );
    let token = first.element("NextContinuationToken");
    let second =
        client.s3("GET", &format!("/box?continuation-token={token}&list-type=2"), &[], b"");
    assert_eq!(
        (second.element("KeyCount").as_str(), second.element("IsTruncated").as_str()),
        ("5", "false")
    );
    client
        .s3("GET", "/box?continuation-token=bogus&list-type=2", &[], b"")
        .is(400, "InvalidArgument");
    client.s3("DELETE", "/box", &[], b"").is(409, "BucketNotEmpty");
}

#[test]
fn versions_stay_behind_a_marker() {
    let fixture = Fixture::new();
    let client = fixture.client();
    client.s3("PUT", "/box", &[], b"").is_fine();
    let body = b"<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status></VersioningConfiguration>";
    client.s3("PUT", "/box?versioning", &[], body).is_fine();
    let one =
        client.s3("PUT", "/box/k", &[], b"one").header("x-amz-version-id").unwrap().to_owned();
    client.s3("PUT", "/box/k", &[], b"two").is_fine();
    let gone = client.s3("DELETE", "/box/k", &[], b"");
    assert_eq!(gone.header("x-amz-delete-marker"), Some("true"));
    let missing = client.s3("GET", "/box/k", &[], b"");
    assert_eq!(missing.is(404, "NoSuchKey").header("x-amz-delete-marker"), Some("true"));
    assert_eq!(client.s3("GET", &format!("/box/k?versionId={one}"), &[], b"").text(), "one");
    assert_eq!(client.s3("GET", "/box?list-type=2", &[], b"").element("KeyCount"), "0");
    let all = client.s3("GET", "/box?versions", &[], b"").text();
    assert_eq!((all.matches("<Version>").count(), all.matches("<DeleteMarker>").count()), (2, 1));
    client.s3("DELETE", "/box", &[], b"").is(409, "BucketNotEmpty");
}

#[test]
fn everything_survives_a_restart() {
    let fixture = Fixture::new();
    let client = fixture.client();
    client.s3("PUT", "/box", &[ACLS], b"").is_fine();
    client.s3("PUT", "/box/../../k", &[("x-amz-acl", "aws-exec-read")], b"x").is_fine();
    let path = fixture.directory.path().join("state");
    assert!(Standin::start(Options::new(&path)).is_err(), "one stand-in at a time");
    let Fixture { standin, directory } = fixture;
    drop(standin);
    let fixture = Fixture { standin: Standin::start(Options::new(&path)).unwrap(), directory };
    let client = fixture.client();
    assert_eq!(client.s3("GET", "/box/../../k", &[], b"").text(), "x");
    assert!(client.s3("GET", "/box/../../k?acl", &[], b"").text().contains(EC2));
}

#[test]
fn buckets_can_be_in_the_name_of_the_host() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    client.s3("PUT", "/box", &[], b"").is_fine();
    client.host = Some(format!("box.localhost:{}", client.address.rsplit(':').next().unwrap()));
    client.s3("PUT", "/k", &[], b"x").is_fine();
    client.host = None;
    assert_eq!(client.s3("GET", "/box/k", &[], b"").text(), "x");
    let operations: Vec<String> =
        fixture.standin.requests().into_iter().map(|request| request.operation).collect();
    assert_eq!(operations, ["CreateBucket", "PutObject", "GetObject"]);
}

#[test]
fn many_uploads_at_a_time() {
    let fixture = Fixture::new();
    let client = fixture.client();
    client.s3("PUT", "/box", &[], b"").is_fine();
    let body = vec![5; 10 << 20];
    thread::scope(|scope| {
        for number in 0..8 {
            let (client, body) = (client.clone(), &body);
            scope.spawn(move || {
                client.s3("PUT", &format!("/box/{number}"), &[], body).is_fine().status
            });
        }
    });
    assert_eq!(client.s3("GET", "/box/7", &[], b"").body, body);
}
