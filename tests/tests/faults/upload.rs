//! A bundle on its way into S3.

use baler_standin::Fault;
use baler_tests::Cloud;

use crate::small::{PARTS, bundle, files, objects};
use crate::table::{Row, Table, answer, each, on, row, status, text};

const PUT: &str = "PutObject";
const PART: &str = "disk.part.05";
const MANIFEST: &str = "disk.manifest.xml";
const PAGE: &str = "<html><body>log in</body></html>";
const LONG_AGO: (&str, &str) = ("date", "Wed, 01 Jan 2025 00:00:00 GMT");

/// A success with the digest of other bytes.
fn other_digest() -> Fault {
    let digest = ("x-amz-checksum-sha1".to_owned(), "AAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned());
    let (code, message, body) = (String::new(), String::new(), Some(String::new()));
    Fault::Status { status: 200, code, message, headers: vec![digest], body }
}

/// A user with a bundle in `out` and a bucket.
fn cloud() -> Cloud {
    let cloud = Cloud::new();
    bundle(&cloud, "out");
    cloud.run(["copy", "out/disk.manifest.xml", "s3://images/whole", "--create-bucket"]).exits(0);
    cloud
}

/// What may pass, for a request that stores an object: over by the next attempt.
fn passing(on: impl Fn(Fault) -> baler_standin::Rule) -> Vec<Row> {
    let elsewhere = [("location", "http://127.0.0.1:1/")];
    let once = |name, fault| row(name, on(fault), 0);
    vec![
        once("503 SlowDown once", status(503, "SlowDown", "Slow down.")).tries(2).says("SlowDown"),
        row("503 SlowDown twice", on(status(503, "SlowDown", "")).count(2), 0).tries(3),
        once("503 with Retry-After", answer(503, "SlowDown", "", &[("retry-after", "1")]))
            .tries(2)
            .says("in 1.0 s"),
        once("500 InternalError", status(500, "InternalError", "We failed.")).tries(2),
        once("500 without a body", Fault::Empty { status: 500 }).tries(2),
        once("502, a page", Fault::Html).tries(2),
        once("307 TemporaryRedirect", answer(307, "TemporaryRedirect", "", &elsewhere)).tries(2),
        once("409 ConditionalRequestConflict", status(409, "ConditionalRequestConflict", "Retry."))
            .tries(2),
        once("400 RequestTimeout", status(400, "RequestTimeout", "Idle.")).tries(2),
        once("400 BadDigest: changed on the way", status(400, "BadDigest", "Not it.")).tries(2),
        once("reset before the body", Fault::ResetRequest { after: 0 }).tries(2),
        once("reset within the body", Fault::ResetRequest { after: 1000 }).tries(2),
        once("reply lost, after it was stored", Fault::DropReply).tries(2),
        once("session expired once", Fault::Expired).tries(2),
        once("200, empty", text(200, "")).tries(2).says("is not there"),
        once("200, a page", text(200, PAGE)).tries(2).says("is not there"),
        once("200, another digest", other_digest()).tries(2).says("other bytes"),
        once("201", text(201, "")).tries(2),
        once("204", Fault::Empty { status: 204 }).tries(2),
        once("205", Fault::Empty { status: 205 }).tries(2),
        once("206", Fault::Empty { status: 206 }).tries(2),
    ]
}

/// What does not pass.
fn lasting(on: impl Fn(Fault) -> baler_standin::Rule) -> Vec<Row> {
    let always = |name, fault, exit| row(name, on(fault).count(0), exit).says("PutObject `s3://");
    let no =
        |name, code, hint| always(name, status(403, code, "No."), 4).tries(1).says(code).says(hint);
    let elsewhere = [("x-amz-bucket-region", "eu-west-1")];
    vec![
        always("503 SlowDown for ever", status(503, "SlowDown", "Slow down."), 4).tries(3),
        always("500 InternalError for ever", status(500, "InternalError", ""), 4).tries(3),
        always("502, a page, for ever", Fault::Html, 4).tries(3),
        always("200, empty, for ever", text(200, ""), 1).tries(3).says("is not there"),
        always("200, a page, for ever", text(200, PAGE), 1).tries(3).says("a proxy may have"),
        always("200, another digest, for ever", other_digest(), 1).tries(3),
        always("204 for ever", Fault::Empty { status: 204 }, 1).tries(3),
        always("reset for ever", Fault::ResetRequest { after: 1000 }, 1).tries(3),
        always("reply lost for ever", Fault::DropReply, 1).tries(3),
        always("ExpiredToken for ever", Fault::Expired, 4).tries(2).says("new credentials"),
        always("RequestTimeTooSkewed", answer(403, "RequestTimeTooSkewed", "", &[LONG_AGO]), 4)
            .tries(1)
            .says("clock is"),
        always("301 PermanentRedirect", answer(301, "PermanentRedirect", "", &elsewhere), 4)
            .tries(1)
            .says("--region eu-west-1"),
        always("400 without a body", Fault::Empty { status: 400 }, 4).tries(1).without_hint(),
        always("400 with a new code", status(400, "NewCode", "Never heard of."), 4)
            .tries(1)
            .says("NewCode: Never heard of.")
            .without_hint(),
        no("AccessDenied", "AccessDenied", "s3:PutObject"),
        no("InvalidAccessKeyId", "InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
        no("SignatureDoesNotMatch", "SignatureDoesNotMatch", "secret access key"),
        no("a bucket without ACLs", "AccessControlListNotSupported", "--fix-bucket"),
    ]
}

fn upload(title: &'static str, rows: &[Row], prefix: &str) {
    each(title, rows, cloud, |cloud, table, number, row| {
        let prefix = format!("{prefix}-{number}");
        let place = format!("s3://images/{prefix}");
        let mut command = cloud.baler(["copy", "out/disk.manifest.xml", &place]);
        let ran = table.run(row, command.args(["--attempts", "3", "--timeout", "2"]));
        let there = objects(cloud, "images", &prefix);
        if ran.code == Some(0) {
            let is_whole = there == files(cloud, "out");
            return table.insist(row, is_whole, "another bundle is there", &ran);
        }
        // Only one whose answer was lost may have come, and it comes last.
        let is_seen = there.contains_key(MANIFEST);
        let may_be_seen = row.fault() == &Fault::DropReply && there.len() > PARTS;
        table.insist(row, !is_seen || may_be_seen, "a manifest is there", &ran);
        let names_object = ran.stderr.contains("`s3://images");
        table.insist(row, names_object, "the object is not named", &ran);
    });
}

#[test]
fn the_put_of_a_part() {
    let on_part = |fault| on(PUT, PART, fault);
    upload("copy, PUT of a part", &passing(on_part), "part");
    upload("copy, PUT of a part", &lasting(on_part), "bad-part");
}

/// What is asked before something is sent, and what is set on what is there already.
#[test]
fn the_questions_before() {
    let slow = || status(503, "SlowDown", "Slow down.");
    let denied = || status(403, "AccessDenied", "No.");
    let head = |fault| on("HeadBucket", "", fault);
    let rows = [
        row("503 once", head(slow()), 0).tries(2),
        row("reset once", head(Fault::ResetRequest { after: 0 }), 0).tries(2),
        row("reply lost", head(Fault::DropReply), 0).tries(2),
        row("503 for ever", head(slow()).count(0), 4).tries(3).says("HeadBucket `s3://images`"),
        row("reset for ever", head(Fault::ResetRequest { after: 0 }).count(0), 1).tries(3),
        // Whoever may not list may still write.
        row("403", head(denied()).count(0), 0).tries(1),
    ];
    upload("copy, HEAD of bucket", &rows, "head-bucket");
    let head = |fault| on("HeadObject", MANIFEST, fault);
    let rows = [
        row("503 once", head(slow()), 0).tries(2),
        row("500, no body", head(Fault::Empty { status: 500 }), 0).tries(2),
        row("reset once", head(Fault::ResetRequest { after: 0 }), 0).tries(2),
        // Why, a GET has to tell; by then it is over.
        row("expired once", head(Fault::Expired), 0).tries(1),
        row("503 for ever", head(slow()).count(0), 4).tries(3).says("HeadObject `s3://images/"),
        row("reset for ever", head(Fault::ResetRequest { after: 0 }).count(0), 1).tries(3),
    ];
    upload("copy, HEAD of object", &rows, "head");
    let list = |fault| on("ListObjectsV2", "", fault);
    let rows = [
        row("503 once", list(slow()), 0).tries(2),
        row("reset once", list(Fault::ResetRequest { after: 0 }), 0).tries(2),
        row("answer cut short", list(Fault::Truncate { after: 100 }), 0).tries(2),
        row("answer reset", list(Fault::ResetReply { after: 100 }), 0).tries(2),
        row("no XML", list(text(200, "<html>")), 0).tries(2),
        row("stalls", list(Fault::Stall { after: 50, seconds: 600.0 }), 0).tries(2),
        row("drips", list(Fault::Slow { bytes_per_second: 4000 }), 0).tries(1),
        // Each part is looked for instead.
        row("403", list(denied()).count(0), 0).tries(1),
        row("503 for ever", list(slow()).count(0), 0).tries(3),
    ];
    upload("copy, LIST", &rows, "list");
    // Services that do not know a setting answer with the bucket's listing.
    let listing = || {
        text(
            200,
            "<?xml version=\"1.0\"?><ListBucketResult><Name>images</Name><IsTruncated>false</IsTruncated></ListBucketResult>",
        )
    };
    for (title, setting, prefix) in [
        ("copy, object ownership", "GetBucketOwnershipControls", "ownership"),
        ("copy, encryption", "GetBucketEncryption", "encryption"),
    ] {
        let rows = [
            row("a listing", on(setting, "", listing()).count(0), 0).tries(1),
            row("a page", on(setting, "", text(200, PAGE)), 0).tries(2),
            row("a page for ever", on(setting, "", text(200, PAGE)).count(0), 4).tries(3),
        ];
        upload(title, &rows, prefix);
    }
}

/// What is there already is only given to EC2 to read.
#[test]
fn the_acl_of_what_is_there() {
    let cloud = cloud();
    let mut table = Table::new(&cloud, "copy again, PUT of ACL");
    let grant = |fault| on("PutObjectAcl", PART, fault);
    let rows = [
        row("503 once", grant(status(503, "SlowDown", "")), 0).tries(2),
        row("reply lost", grant(Fault::DropReply), 0).tries(2),
        row("a page for ever", grant(Fault::Html).count(0), 4).tries(3).says("PutObjectAcl"),
        row("403", grant(status(403, "AccessDenied", "")).count(0), 4)
            .tries(1)
            .says("s3:PutObjectAcl"),
    ];
    for row in &rows {
        let mut command = cloud.baler(["copy", "out/disk.manifest.xml", "s3://images/whole"]);
        let ran = table.run(row, command.args(["--attempts", "3", "--timeout", "2"]));
        let is_whole = objects(&cloud, "images", "whole") == files(&cloud, "out");
        table.insist(row, is_whole, "the bundle is another one", &ran);
    }
    table.end();
}

#[test]
fn the_put_of_the_manifest() {
    let on_manifest = |fault| on(PUT, MANIFEST, fault);
    upload("copy, PUT of manifest", &passing(on_manifest), "manifest");
    upload("copy, PUT of manifest", &lasting(on_manifest), "bad-manifest");
}
