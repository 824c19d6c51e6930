//! What a review of the first version found: each was once possible.

use std::fs;

use baler_tests::{User, capture, fixture, image};

fn user() -> User {
    let user = User::new();
    image::write(&user.path("disk.img"), 1 << 20, &[(0, b"boot"), (500_000, b"data")]);
    user
}

#[test]
fn a_forged_bundle_does_not_verify() {
    let user = user();
    user.run(["keys", "new", "--key", "forger.pem", "--cert", "forger.crt"]).exits(0);
    // Whoever has a certificate can make a bundle that its key opens, as EC2's does.
    let mut forge = user.baler(["bundle", "disk.img", "out", "--account", "123456789012"]);
    forge.args(["--key", "forger.pem", "--ec2-cert"]).arg(fixture::certificate("user"));
    capture(&mut forge).exits(0);
    let forged = "out/disk.img.manifest.xml";
    let ran = user.verify(forged, &[]).exits(2).prints_nothing();
    ran.says("cannot be checked").says("hint: pass the signer's certificate with --cert");
    user.unbundle(forged, "back", &[]).exits(2).says("cannot be checked");
    let cert = fixture::certificate("user");
    let cert = ["--cert", cert.to_str().expect("a path")];
    user.verify(forged, &cert).exits(3).prints("signature  wrong");
    user.verify(forged, &["--cert", "forger.crt"]).exits(0).prints("signature  valid");
    // The parts alone prove nothing, and the answer for programs says so.
    let ran = user.run(["verify", "--no-key", "--json", forged]).exits(0);
    assert!(ran.json()["verifies"].is_null());
}

#[test]
fn overwriting_removes_nothing_but_the_old_bundle() {
    let user = user();
    user.bundle("disk.img", "out", &[]).exits(0);
    fs::write(user.path("out/precious"), "precious").expect("a file");
    let path = user.path("out/disk.img.manifest.xml");
    let text = fs::read_to_string(&path).expect("a manifest");
    fs::write(&path, text.replace("disk.img.part.0<", "precious<")).expect("a manifest");
    // A part that an earlier run left behind goes.
    fs::write(user.path("out/disk.img.part.7"), "left").expect("a file");
    user.bundle("disk.img", "out", &["--force"]).exits(0);
    assert_eq!(user.list("out"), ["disk.img.manifest.xml", "disk.img.part.0", "precious"]);
}

#[test]
fn the_old_bundle_stays_where_the_new_one_cannot_be_moved() {
    let user = user();
    user.bundle("disk.img", "out", &[]).exits(0);
    fs::create_dir(user.path("out/disk.img.part.7")).expect("a directory");
    let ran = user.bundle("disk.img", "out", &["--force"]).exits(1);
    ran.says("`out/disk.img.part.7`");
    user.verify("out/disk.img.manifest.xml", &[]).exits(0);
    assert_eq!(user.list("out").len(), 3);
}

#[test]
fn nobody_is_written_over_himself() {
    let user = user();
    user.bundle("disk.img", "out", &[]).exits(0);
    for own in ["disk.img.part.0", "disk.img.manifest.xml"] {
        fs::hard_link(user.path("out").join(own), user.path("alias")).expect("a link");
        for destination in [&format!("out/{own}"), "alias"] {
            let ran = user.unbundle("out/disk.img.manifest.xml", destination, &["--force"]);
            ran.exits(2).says("is a file of the bundle itself");
        }
        fs::remove_file(user.path("alias")).expect("the link");
    }
    user.verify("out/disk.img.manifest.xml", &[]).exits(0);
    fs::create_dir(user.path("in")).expect("a directory");
    fs::rename(user.path("disk.img"), user.path("in/x.part.0")).expect("the image");
    let ran = user.bundle("in/x.part.0", "in", &["--name", "x", "--force"]).exits(2);
    ran.says("is an input, and the bundle would overwrite it");
    assert_eq!(user.list("in"), ["x.part.0"]);
}

#[test]
fn what_the_manifest_cannot_say_is_refused_before_the_work() {
    let user = user();
    for (args, why) in [
        (&["--name", " x"] as &[_], "the manifest could not be written"),
        (&["--product-codes", "a b"], "the manifest could not be written"),
        (&["-B", "ami=sda1,root=sda1,ami=sdb"], "the manifest could not be written"),
        (&["--size", "16EiB", "--allow-large"], "the size is too large"),
    ] {
        user.bundle("disk.img", "out", args).exits(2).says(why);
        assert!(!user.path("out").exists(), "{args:?}");
    }
}

#[test]
fn nothing_is_made_where_a_bundle_is_in_the_way() {
    let user = user();
    user.bundle("disk.img", "out", &[]).exits(0);
    for more in [&[] as &[_], &["--dry-run"]] {
        let mut bundle = user.baler(["bundle", "disk.img", "out", "--account", "123456789012"]);
        capture(bundle.args(more)).exits(1).says("exists").says("hint: pass --force");
        assert!(!user.configuration().exists(), "no key is made for nothing");
    }
}

#[test]
fn what_is_typed_goes_before_what_is_set() {
    let user = user();
    let ec2_key = |more: &[&str]| {
        let mut bundle = user.bundling("disk.img", "out");
        bundle.args(["--dry-run", "--json"]).args(more).env("AWS_REGION", "cn-north-1");
        bundle.env("EUCALYPTUS_CERT", fixture::certificate("ec2"));
        capture(&mut bundle).exits(0).json()["ec2_key"].as_str().expect("a name").to_owned()
    };
    assert!(ec2_key(&[]).starts_with("own ("));
    assert_eq!(ec2_key(&["--region", "us-gov-west-1"]), "govcloud");
    let mut bundle = user.bundling("disk.img", "out");
    let ran = capture(bundle.args(["--dry-run"]).env("AWS_REGION", "cn-north-1")).exits(0);
    ran.prints("ec2 key       china");
}
