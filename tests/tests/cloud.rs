//! The whole life of an AMI, against the stand-in for AWS.

use std::fs;

use baler_tests::{Cloud, fixture, image};

const LEN: u64 = 48 << 20;

/// A user with the image `disk`, of three parts, that has a partition table.
fn cloud() -> Cloud {
    let cloud = Cloud::new();
    let mut head = vec![0; 512];
    head[450] = 0x83;
    head[510..].copy_from_slice(&[0x55, 0xaa]);
    image::write(
        &cloud.user.path("disk"),
        LEN,
        &[(0, &head), (1 << 20, &image::noise(21 << 20, 1))],
    );
    cloud
}

#[test]
fn from_an_image_to_an_instance_and_back_to_nothing() {
    let cloud = cloud();
    let manifest = "s3://images/web/disk.manifest.xml";
    cloud.bundle("disk", "s3://images/web", &[]).exits(4).says("--create-bucket").prints_nothing();
    cloud
        .bundle("disk", "s3://images/web", &["--create-bucket"])
        .exits(0)
        .prints(&format!("{manifest}\n"));
    let key = fixture::key("user");
    let key = key.to_str().expect("a path");
    cloud.run(["verify", manifest, "--key", key]).exits(0);
    let ami = cloud
        .run(["register", manifest, "--name", "web 1", "--key", key, "--wait"])
        .exits(0)
        .text();
    let ami = ami.trim();
    // It is the same one when it is asked for again.
    cloud
        .run(["register", manifest, "--name", "web 1", "--key", key])
        .exits(0)
        .prints(&format!("{ami}\n"))
        .says("already");
    let listed = cloud.run(["images", "--json", "--bundle", manifest]).exits(0).json();
    assert_eq!(listed[0]["ami"], ami);
    assert_eq!(listed[0]["virtualization"], "hvm");
    assert_eq!(listed[0]["root_device_type"], "instance-store");
    assert_eq!(listed[0]["state"], "available");
    let root = cloud.launch(ami);
    assert!(
        fs::read(root).expect("a root") == fs::read(cloud.user.path("disk")).expect("an image")
    );

    cloud.run(["share", ami, "--account", "111122223333"]).exits(0).prints("111122223333\n");
    cloud.run(["share", ami, "--account", "111122223333", "--remove"]).exits(0).prints_nothing();
    cloud.run(["deregister", ami, "--delete-bundle"]).exits(2).says("--yes");
    cloud.run(["deregister", ami, "--delete-bundle", "--yes"]).exits(0);
    cloud.run(["images"]).exits(0).prints_nothing();
    cloud.run(["verify", manifest, "--key", key]).exits(4).says("NoSuchKey");
}

const SECRET: &str = "Zq7secretZq7/of+forty/letters/Zq7notTold";
const TOKEN: &str = "Zq7tokenZq7//////////of+a+session=Zq7notTold";

#[test]
fn no_secret_is_told_whatever_goes_wrong() {
    let cloud = Cloud::with(|options| options.secret_key = SECRET.to_owned());
    image::write(&cloud.user.path("disk"), 1 << 20, &[(0, &[0x55; 600])]);
    let bundle = |more: &[&str]| {
        let mut command = cloud.bundling("disk", "s3://images/web");
        command.args(more);
        command
    };
    let manifest = "s3://images/web/disk.manifest.xml";
    let baler = |args: &[&str]| cloud.baler(args);
    let mut wrong = baler(&["check", "s3://images/web"]);
    wrong.env("AWS_SECRET_ACCESS_KEY", format!("{SECRET}x"));
    let mut unknown = baler(&["images"]);
    unknown.env("AWS_ACCESS_KEY_ID", "AKIANOBODY0000000000");
    let mut nowhere = baler(&["inspect", manifest, "--attempts", "1"]);
    nowhere.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    let mut ec2 = baler(&["images", "--attempts", "1"]);
    ec2.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    let runs = [
        (bundle(&[]), 4),
        (bundle(&["--create-bucket", "--register", "web", "--virtualization", "hvm"]), 0),
        (bundle(&[]), 1),
        (baler(&["check", "s3://images/web"]), 0),
        (baler(&["check", "s3://images/web", "--json"]), 0),
        (baler(&["images"]), 0),
        (baler(&["inspect", "s3://images/none.manifest.xml"]), 4),
        (baler(&["deregister", "ami-0123456789abcdef0"]), 4),
        (baler(&["copy", manifest, "s3://no-such-bucket"]), 4),
        (baler(&["images", "--profile", "nobody"]), 1),
        (wrong, 4),
        (unknown, 4),
        (nowhere, 1),
        (ec2, 1),
    ];
    for (mut command, code) in runs {
        for (quiet, log) in [(true, None), (false, Some("trace"))] {
            command.env("AWS_SESSION_TOKEN", TOKEN).envs(log.map(|log| ("RUST_LOG", log)));
            command.env("SMITHY_LOG", "trace").env("RUST_BACKTRACE", "full");
            if quiet {
                command.arg("--quiet");
            }
            let mut ran = baler_tests::capture(&mut command);
            if quiet {
                // The line tells the environment, and the code is that of the first time.
                ran.line.clear();
                ran = ran.exits(code);
            }
            let said = ran.text() + &ran.stderr;
            for secret in ["Zq7secret", "Zq7token", "Zq7notTold"] {
                assert!(!said.contains(secret), "{said}");
            }
            for word in ["AWS4-HMAC-SHA256", "x-amz-security-token", "Signature="] {
                assert!(!said.contains(word), "{word}: {said}");
            }
        }
    }
}

#[test]
fn a_session_that_has_ended_is_told_as_such() {
    let cloud = cloud();
    for (args, code, hint) in [
        (&["check", "s3://images"][..], "ExpiredToken", "get new credentials"),
        (&["images"], "RequestExpired", "log in again"),
    ] {
        let mut command = cloud.baler(args);
        command.env("AWS_SESSION_TOKEN", "expired");
        baler_tests::capture(&mut command).exits(4).says(code).says(hint);
    }
}

#[test]
fn a_profile_that_is_typed_goes_before_keys_that_are_set() {
    let cloud = cloud();
    let directory = cloud.user.home().join(".aws");
    fs::create_dir(&directory).expect("a directory");
    let (key, secret) = (cloud.aws.access_key(), cloud.aws.secret_key());
    let text = format!(
        "[right]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n\
         [wrong]\naws_access_key_id = AKIANOBODY0000000000\naws_secret_access_key = {secret}\n"
    );
    fs::write(directory.join("credentials"), text).expect("a file");
    cloud.run(["images", "--profile", "wrong"]).exits(4);
    cloud.run(["images", "--profile", "nobody"]).exits(1).says("there are no credentials");
    let mut command = cloud.baler(["images", "--profile", "right"]);
    baler_tests::capture(command.env("AWS_ACCESS_KEY_ID", "AKIANOBODY0000000000")).exits(0);
    cloud.run(["check", "s3://images", "--profile", "right"]).exits(4).says("there is no bucket");
}

#[test]
fn an_endpoint_that_is_no_url_is_an_error_and_nothing_is_sent() {
    let cloud = cloud();
    let url = cloud.aws.url().replace("http://", "");
    for (name, args) in [
        ("AWS_ENDPOINT_URL", ["check", "s3://images"].as_slice()),
        ("AWS_ENDPOINT_URL", &["images"]),
        ("AWS_ENDPOINT_URL_S3", &["check", "s3://images"]),
        ("AWS_ENDPOINT_URL_EC2", &["images"]),
    ] {
        let mut command = cloud.baler(args);
        command.env(name, &url);
        baler_tests::capture(&mut command)
            .exits(2)
            .says(&format!("`{url}`"))
            .says("is no endpoint");
    }
    // So is one in the profile.
    let directory = cloud.user.home().join(".aws");
    fs::create_dir(&directory).expect("a directory");
    let text = format!("[profile bad]\nendpoint_url = {url}\nregion = us-east-1\n");
    fs::write(directory.join("config"), text).expect("a file");
    let mut command = cloud.baler(["images", "--profile", "bad"]);
    command.env_remove("AWS_ENDPOINT_URL");
    baler_tests::capture(&mut command).exits(2).says(&format!("`{url}`"));
    assert!(cloud.aws.requests().is_empty());
}
