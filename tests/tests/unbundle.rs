//! `baler unbundle` and `baler verify`: where the image goes, and what is said of a damaged bundle.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use baler_tests::{Ran, User, capture, fixture, image, skip};
use serde_json::json;

const BUNDLE: &str = "bundle/disk.manifest.xml";

const LEN: u64 = 24 << 20;

/// A user with the image `disk` and its bundle of three parts.
fn user() -> User {
    let user = User::new();
    image::write(&user.path("disk"), LEN, &[(1 << 20, &image::noise(21 << 20, 1))]);
    user.bundle("disk", "bundle", &["--level", "1"]).exits(0);
    assert_eq!(user.list("bundle").len(), 4);
    user
}

/// Runs `unbundle` for a bundle that does not unbundle: nothing is left of it.
fn refused(user: &User, more: &[&str]) -> Ran {
    let before = user.list("");
    let ran = user.unbundle(BUNDLE, "back", more);
    assert_ne!(ran.code, Some(0), "{}", ran.line);
    assert_eq!(user.list(""), before, "{}", ran.line);
    ran.prints_nothing()
}

#[test]
fn an_existing_file_is_not_overwritten_unasked() {
    let user = user();
    fs::write(user.path("back"), "precious").expect("a file");
    refused(&user, &[]).exits(1).says("`back` exists").says("hint: pass --force to overwrite it");
    assert_eq!(fs::read_to_string(user.path("back")).expect("it"), "precious");
    user.unbundle(BUNDLE, "back", &["--force"]).exits(0).prints("back\n");
    image::assert_same(&user.path("disk"), &user.path("back"));
    let mode = user.path("back").metadata().expect("the image").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600, "an image holds its machine's secrets");

    // A file that is not replaced by a good image is not touched.
    fs::write(user.path("back"), "precious").expect("a file");
    fs::remove_file(user.path("bundle/disk.part.2")).expect("a part");
    refused(&user, &["--force"]).exits(3).says("disk.part.2");
    assert_eq!(fs::read_to_string(user.path("back")).expect("it"), "precious");
}

#[test]
fn where_an_image_cannot_go() {
    let user = user();
    fs::create_dir(user.path("directory")).expect("a directory");
    user.unbundle(BUNDLE, "directory", &[])
        .exits(2)
        .says("`directory` is a directory")
        .says("hint: name a file in it: `directory/disk`");
    user.unbundle(BUNDLE, "no/such/directory", &[]).exits(1).says("no/such").prints_nothing();
    user.unbundle(BUNDLE, "/dev/null", &[]).exits(1).says("`/dev/null` is a character device");
    user.unbundle(BUNDLE, "", &[]).exits(2);
    assert_eq!(user.list("directory"), [""; 0]);
    // A link that leads nowhere is something that exists; one that leads to a file is that file.
    symlink("elsewhere", user.path("link")).expect("a link");
    user.unbundle(BUNDLE, "link", &[]).exits(1).says("`link` exists");
    fs::write(user.path("elsewhere"), "").expect("a file");
    user.unbundle(BUNDLE, "link", &["--force"]).exits(0);
    image::assert_same(&user.path("disk"), &user.path("elsewhere"));
    assert!(user.path("link").is_symlink());
}

#[test]
fn what_is_not_a_bundle() {
    let user = user();
    for verb in ["unbundle", "verify", "inspect"] {
        let run = |bundle: &str| {
            let destination: &[_] = if verb == "unbundle" { &["back"] } else { &[] };
            let key: &[_] = if verb == "inspect" { &[] } else { &["--key"] };
            let mut command = user.baler([&[verb, bundle], destination, key].concat());
            if !key.is_empty() {
                command.arg(fixture::key("user"));
            }
            let ran = capture(&mut command).prints_nothing();
            assert!(!user.path("back").exists(), "{}", ran.line);
            ran
        };
        run("bundle")
            .exits(2)
            .says("`bundle` is a directory")
            .says("hint: a bundle is named by its");
        run("none.xml").exits(1).says("reading the manifest `none.xml`").says("No such file");
        run("bundle/disk.part.0").exits(3).says("reading the manifest `bundle/disk.part.0`");
        run("/dev/null").exits(3).says("/dev/null");
        // A stream without end.
        run("/dev/zero").exits(3).says("/dev/zero");
    }
}

#[test]
fn json_says_where_the_image_is() {
    let user = user();
    let json = user.unbundle(BUNDLE, "back", &["--json"]).exits(0).json();
    assert_eq!(json, json!({ "image": "back", "size": LEN }));
    let json = user.verify(BUNDLE, &["--json"]).exits(0).json();
    assert_eq!(json["image"], "good");
    // Standard output has the image, and nothing else.
    user.unbundle(BUNDLE, "-", &["--json"]).exits(2).prints_nothing().says("hint: name a file");
    let ran = user.unbundle(BUNDLE, "-", &[]).exits(0);
    assert!(ran.stdout == fs::read(user.path("disk")).expect("the image"));
}

#[test]
fn a_bundle_is_opened_from_where_it_is() {
    let user = user();
    let mut command = user.baler(["unbundle", "disk.manifest.xml", "../back", "--key"]);
    capture(command.arg(fixture::key("user")).current_dir(user.path("bundle"))).exits(0);
    image::assert_same(&user.path("disk"), &user.path("back"));
    // The parts' names are in the manifest; that of the manifest means nothing.
    fs::rename(user.path(BUNDLE), user.path("bundle/renamed")).expect("a rename");
    user.verify("bundle/renamed", &[]).exits(0);
}

/// What is done to a part, and what is then said of it.
type Damage = (&'static str, fn(&mut Vec<u8>), &'static str);

/// Damages parts in several ways, and insists on each being named.
fn check(damage: &[Damage]) {
    let user = user();
    for (part, change, _) in damage {
        let path = user.path("bundle").join(part);
        let mut bytes = fs::read(&path).expect("the part");
        change(&mut bytes);
        // What has nothing in it any more is not there.
        fs::remove_file(&path).expect("the part");
        if !bytes.is_empty() {
            fs::write(&path, bytes).expect("the damaged part");
        }
    }
    let (first, _, message) = damage[0];
    refused(&user, &[]).exits(3).says(first).says(message);

    let certificate = fixture::certificate("user").to_string_lossy().into_owned();
    let all_wrong = format!("parts      {} of 3 wrong", damage.len());
    let check = |ran: Ran, signature: &str| {
        let ran = ran.exits(3).says("does not verify").prints(&all_wrong).prints(signature);
        for (part, _, message) in damage {
            let text = ran.text();
            let line = text.lines().find(|line| line.contains(part));
            assert!(line.is_some_and(|line| line.contains(message)), "{part} {message}\n{text}");
        }
    };
    check(user.verify(BUNDLE, &[]), "signature  valid");
    check(user.run(["verify", BUNDLE, "--cert", &certificate]), "signature  valid");
    check(user.run(["verify", BUNDLE, "--no-key", "--jobs", "1"]), "signature  not checked");
    let json = user.verify(BUNDLE, &["--json"]).exits(3).json();
    assert_eq!(json["verifies"], false);
    let bad = json["bad_parts"].as_array().expect("a list");
    assert_eq!(bad.len(), damage.len(), "{json}");
    for ((part, _, message), bad) in damage.iter().zip(bad) {
        let bad = bad.as_str().expect("a text");
        assert!(bad.contains(part) && bad.contains(message), "{bad}");
    }
}

#[test]
fn a_part_with_a_wrong_byte_is_named() {
    check(&[("disk.part.1", |bytes| bytes[5_000_000] ^= 1, "SHA-1 is")]);
}

#[test]
fn a_part_that_is_cut_is_named() {
    check(&[("disk.part.1", |bytes| bytes.truncate(10_000_000), "SHA-1 is")]);
}

#[test]
fn a_part_that_is_missing_is_named() {
    check(&[("disk.part.0", Vec::clear, "No such file")]);
}

#[test]
fn a_part_that_is_too_long_is_named() {
    check(&[("disk.part.2", |bytes| bytes.push(0), "SHA-1 is")]);
}

/// No part is longer than any part ever was: this one is not even read.
#[test]
fn a_part_of_a_terabyte_is_not_read() {
    let user = user();
    let part = fs::File::create(user.path("bundle/disk.part.1")).expect("the part");
    if part.set_len(1 << 40).is_err() {
        return skip("the file system has no files of a terabyte");
    }
    refused(&user, &[]).exits(3).says("part 1 (`disk.part.1`)").says("1099511627776 bytes");
    user.verify(BUNDLE, &[]).exits(3).prints("parts      1 of 3 wrong").prints("disk.part.1");
}

#[test]
fn all_bad_parts_are_named() {
    check(&[
        ("disk.part.0", |bytes| bytes[0] ^= 0x80, "SHA-1 is"),
        ("disk.part.1", Vec::clear, "No such file"),
        ("disk.part.2", |bytes| bytes.truncate(1), "SHA-1 is"),
    ]);
}

#[test]
fn a_part_that_is_no_file_is_named_and_not_waited_for() {
    let user = user();
    let part = user.path("bundle/disk.part.1");
    fs::remove_file(&part).expect("the part");
    baler_tests::run("mkfifo", [&part]);
    refused(&user, &[]).says("disk.part.1").says("not a regular file");
    user.verify(BUNDLE, &[]).prints("parts      1 of 3 wrong").prints("disk.part.1");
    fs::remove_file(&part).expect("the pipe");
    fs::create_dir(&part).expect("a directory");
    refused(&user, &[]).says("disk.part.1");
}

#[test]
fn parts_in_the_wrong_order_are_named() {
    let user = user();
    let part = |index| user.path(format!("bundle/disk.part.{index}"));
    fs::rename(part(0), user.path("aside")).expect("a rename");
    fs::rename(part(1), part(0)).expect("a rename");
    fs::rename(user.path("aside"), part(1)).expect("a rename");
    refused(&user, &[]).exits(3).says("part 0 (`disk.part.0`)");
    user.verify(BUNDLE, &[]).exits(3).prints("parts      2 of 3 wrong");
}
