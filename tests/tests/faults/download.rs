//! A bundle in S3 is read, copied there, and removed.

use std::fs;

use baler_standin::Fault;
use baler_tests::{Cloud, fixture, image};

use crate::small::{bundle, files, objects};
use crate::table::{Row, each, error_in_200, on, row, status, text};

const PART: &str = "disk.part.05";
const MANIFEST: &str = "disk.manifest.xml";
const BUNDLE: &str = "s3://images/whole/disk.manifest.xml";
const QUICKLY: [&str; 4] = ["--attempts", "3", "--timeout", "2"];

fn cloud() -> Cloud {
    let cloud = Cloud::new();
    bundle(&cloud, "out");
    cloud.run(["copy", "out/disk.manifest.xml", "s3://images/whole", "--create-bucket"]).exits(0);
    cloud
}

fn slow() -> Fault {
    status(503, "SlowDown", "Slow down.")
}

/// What befalls a GET: an answer that ends in the middle is no answer.
fn gets(object: &'static str) -> Vec<Row> {
    let get = |fault| on("GetObject", object, fault);
    let once = |name, fault| row(name, get(fault), 0).tries(2);
    let always =
        |name, fault, exit| row(name, get(fault).count(0), exit).tries(3).says("GetObject");
    vec![
        once("503 once", slow()),
        once("502, a page, once", Fault::Html),
        once("500 without a body", Fault::Empty { status: 500 }),
        once("reset before the answer", Fault::ResetRequest { after: 0 }),
        once("answer lost", Fault::DropReply),
        once("cut short", Fault::Truncate { after: 1000 }),
        once("cut before the body", Fault::Truncate { after: 0 }),
        once("reset within the body", Fault::ResetReply { after: 1000 }),
        once("a flipped bit", Fault::Flip { at: 1000 }),
        once("session expired once", Fault::Expired),
        row("drips", get(Fault::Slow { bytes_per_second: 60_000 }), 0).tries(1),
        always("503 for ever", slow(), 4),
        always("a page for ever", Fault::Html, 4),
        always("reset for ever", Fault::ResetRequest { after: 0 }, 1),
        always("cut short for ever", Fault::Truncate { after: 1000 }, 1),
        always("403", status(403, "AccessDenied", "No."), 4).tries(1).says("s3:GetObject"),
        always("ExpiredToken for ever", Fault::Expired, 4).tries(2).says("new credentials"),
    ]
}

/// What takes as long as `--timeout` says.
fn stalls() -> [Row; 3] {
    let get = |after| on("GetObject", PART, Fault::Stall { after, seconds: 600.0 });
    [
        row("stalls once", get(1000), 0).tries(2),
        row("stalls before the body", get(0), 0).tries(2),
        row("stalls for ever", get(1000).count(0), 1).tries(3).says("GetObject"),
    ]
}

#[test]
fn the_get_of_a_part_to_copy_it() {
    let rows: Vec<_> = gets(PART).into_iter().chain(stalls()).collect();
    each("copy down, GET of part", &rows, cloud, |cloud, table, number, row| {
        let directory = format!("down-{number}");
        let ran = table.run(row, cloud.baler(["copy", BUNDLE, &directory]).args(QUICKLY));
        let there = files(cloud, &directory);
        if ran.code == Some(0) {
            table.insist(row, there == files(cloud, "out"), "another bundle", &ran);
        } else {
            table.insist(row, !there.contains_key(MANIFEST), "a manifest is there", &ran);
            let names = ran.stderr.contains(&format!("`s3://images/whole/{PART}`"));
            table.insist(row, names, "the part is not named", &ran);
        }
    });
}

#[test]
fn the_get_of_the_manifest() {
    each("inspect, GET of manifest", &gets(MANIFEST), cloud, |cloud, table, _, row| {
        let ran = table.run(row, cloud.baler(["inspect", "--json", BUNDLE]).args(QUICKLY));
        let is_right = ran.code != Some(0) || ran.text().contains("\"disk\"");
        table.insist(row, is_right, "not what the manifest says", &ran);
    });
}

#[test]
fn the_get_of_a_part_to_verify_it() {
    let key = fixture::key("user");
    let missing = on("GetObject", PART, status(404, "NoSuchKey", "No.")).count(0);
    let missing = row("404: the part is missing", missing, 3).tries(1);
    let rows: Vec<_> = gets(PART).into_iter().chain([missing]).collect();
    each("verify, GET of part", &rows, cloud, |cloud, table, _, row| {
        let mut command = cloud.baler(["verify", BUNDLE, "--key"]);
        let ran = table.run(row, command.arg(&key).args(QUICKLY));
        let is_good = ran.text().contains("all 12 good");
        table.insist(row, is_good == (ran.code == Some(0)), "another verdict", &ran);
        let is_named = ran.code == Some(0) || ran.text().contains(PART);
        table.insist(row, is_named, "the part is not named", &ran);
    });
}

#[test]
fn the_get_of_a_part_to_unbundle_it() {
    let key = fixture::key("user");
    each("unbundle, GET of part", &gets(PART), cloud, |cloud, table, _, row| {
        let mut command = cloud.baler(["unbundle", BUNDLE, "back", "--key"]);
        let ran = table.run(row, command.arg(&key).args(QUICKLY));
        let back = cloud.user.path("back");
        if ran.code == Some(0) {
            image::assert_same(&back, &cloud.user.path("disk"));
            fs::remove_file(back).expect("an image");
        }
        table.insist(row, cloud.user.list("") == ["disk", "out"], "something is left", &ran);
    });
}

#[test]
fn the_removal() {
    let rows = [
        row("503 once", on("DeleteObject", PART, slow()), 0).tries(2),
        row("reset once", on("DeleteObject", PART, Fault::ResetRequest { after: 0 }), 0).tries(2),
        row("reply lost", on("DeleteObject", PART, Fault::DropReply), 0).tries(2),
        row("reply lost, manifest", on("DeleteObject", MANIFEST, Fault::DropReply), 0).tries(2),
        row("expired once", on("DeleteObject", PART, Fault::Expired), 0).tries(2),
        row("503 for ever", on("DeleteObject", PART, slow()).count(0), 4).tries(3),
        row("a page for ever", on("DeleteObject", PART, Fault::Html).count(0), 4).tries(3),
        row("403", on("DeleteObject", PART, status(403, "AccessDenied", "No.")).count(0), 4)
            .tries(1)
            .says("s3:DeleteObject"),
        row("403, manifest", on("DeleteObject", MANIFEST, status(403, "AccessDenied", "")), 4)
            .tries(1)
            .says("s3:DeleteObject"),
    ];
    each("remove, DELETE", &rows, cloud, |cloud, table, _, row| {
        let whole = files(cloud, "out");
        cloud.run(["copy", "out/disk.manifest.xml", "s3://images/whole"]).exits(0);
        let mut command = cloud.baler(["remove", "--yes", BUNDLE]);
        let ran = table.run(row, command.args(QUICKLY));
        let left = objects(cloud, "images", "whole");
        if ran.code == Some(0) {
            table.insist(row, left.is_empty(), "something is left", &ran);
        } else {
            table.insist(row, ran.stderr.contains("DeleteObject `s3://"), "not named", &ran);
            // A manifest without its parts is never seen, and is no bundle either if it is the one that stays.
            let is_whole = left == whole;
            table.insist(row, is_whole || !left.contains_key(MANIFEST), "half a bundle", &ran);
        }
    });
}

#[test]
fn the_copy_within_s3() {
    let copy = |fault| on("CopyObject", PART, fault);
    let broken = || text(200, "<?xml version=\"1.0\"?>\n<CopyObjectRes");
    let rows = [
        row("200 with an error", copy(error_in_200()), 0).tries(2),
        row("200 with half an answer", copy(broken()), 0).tries(2),
        row("503 once", copy(slow()), 0).tries(2),
        row("reset once", copy(Fault::ResetRequest { after: 0 }), 0).tries(2),
        // It is found there, and not copied again.
        row("reply lost", copy(Fault::DropReply), 0).tries(1),
        row("expired once", copy(Fault::Expired), 0).tries(2),
        row("200 with an error, for ever", copy(error_in_200()).count(0), 4).tries(3),
        row("503 for ever", copy(slow()).count(0), 4).tries(3),
        row("reset for ever", copy(Fault::ResetRequest { after: 0 }).count(0), 1).tries(3),
        row("403", copy(status(403, "AccessDenied", "No.")).count(0), 4)
            .tries(1)
            .says("s3:GetObject"),
    ];
    each("copy within, CopyObject", &rows, cloud, |cloud, table, number, row| {
        let (prefix, place) = (format!("copy-{number}"), format!("s3://images/copy-{number}"));
        let ran = table.run(row, cloud.baler(["copy", BUNDLE, &place]).args(QUICKLY));
        let there = objects(cloud, "images", &prefix);
        if ran.code == Some(0) {
            table.insist(row, there == files(cloud, "out"), "another bundle", &ran);
        } else {
            table.insist(row, !there.contains_key(MANIFEST), "a manifest is there", &ran);
            let names = ran.stderr.contains(&format!("CopyObject `{place}/{PART}`"));
            table.insist(row, names, "the object is not named", &ran);
        }
    });
}
