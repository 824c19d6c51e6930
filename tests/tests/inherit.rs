//! What is taken from the metadata of the instance that runs.

use std::process::Command;

use baler_tests::{Cloud, capture, fixture, image};

/// A user on an instance whose metadata says so.
fn cloud(set: impl FnOnce(&mut baler_standin::Metadata)) -> Cloud {
    let cloud = Cloud::with_buckets(&[("images", "us-east-1")]);
    image::write(&cloud.user.path("disk"), 1 << 20, &[(0, b"x")]);
    let mut metadata = cloud.aws.metadata();
    metadata.account = "111122223333".to_owned();
    metadata.region = "cn-north-1".to_owned();
    set(&mut metadata);
    cloud.aws.set_metadata(metadata);
    cloud
}

/// `baler bundle ARGS --dry-run`, where only the instance says what is not given.
fn bundling(cloud: &Cloud, args: &[&str]) -> Command {
    let mut command = cloud.baler(["bundle", "--dry-run", "--arch", "x86_64", "--key"]);
    command.arg(fixture::key("user")).args(args);
    let names = ["AWS_EC2_METADATA_DISABLED", "AWS_REGION", "AWS_DEFAULT_REGION"];
    for name in names {
        command.env_remove(name);
    }
    command
}

/// The machine's own root without all that takes long to walk.
const OWN_ROOT: [&str; 4] = ["/", "out", "--exclude", "/*/*"];

fn asked_imds(cloud: &Cloud) -> usize {
    cloud.aws.requests().iter().filter(|request| request.service == "imds").count()
}

#[test]
fn account_and_region_are_the_instances() {
    let cloud = cloud(|_| {});
    capture(&mut bundling(&cloud, &["disk", "out"]))
        .exits(0)
        .says("from the instance's metadata: account 111122223333\n")
        .says("from the instance's metadata: region cn-north-1\n")
        .prints("account       111122223333\n")
        .prints("ec2 key       china\n");
    // What is typed, or set, is so.
    let given = ["disk", "out", "--account", "123456789012", "--region", "us-east-1"];
    capture(&mut bundling(&cloud, &given))
        .exits(0)
        .does_not_say("metadata")
        .prints("account       123456789012\n");
    capture(bundling(&cloud, &["disk", "out"]).env("AWS_REGION", "eu-west-1"))
        .exits(0)
        .does_not_say("metadata: region")
        .prints("account       111122223333\n");
    let before = asked_imds(&cloud);
    capture(&mut bundling(&cloud, &["disk", "out", "--no-inherit"])).exits(2).says("--account");
    assert_eq!(asked_imds(&cloud), before);
}

#[test]
fn version_1_is_used_only_where_it_is_allowed() {
    // A service with version 2 is asked with a token each time.
    let new = cloud(|_| {});
    capture(&mut bundling(&new, &["disk", "out"])).exits(0);
    let requests = new.aws.requests();
    let first = requests.iter().find(|request| request.service == "imds").expect("a request");
    assert_eq!((&*first.method, &*first.path), ("PUT", "/latest/api/token"));
    assert!(requests.iter().all(|request| request.status != Some(401)));
    // One whose tokens do not come.
    let old = cloud(|metadata| {
        metadata.hang_token = true;
        metadata.version_1 = true;
    });
    capture(&mut bundling(&old, &["disk", "out"])).exits(0).says("account 111122223333");
    let mut strict = bundling(&old, &["disk", "out"]);
    strict.env("AWS_EC2_METADATA_V1_DISABLED", "true");
    capture(&mut strict).exits(2).does_not_say("111122223333").says("--account");
}

#[test]
fn metadata_that_is_switched_off_stops_nothing() {
    let cloud = cloud(|metadata| metadata.enabled = false);
    let refused = capture(&mut bundling(&cloud, &["disk", "out"])).exits(2);
    refused.says("nothing is inherited from the instance's metadata: ").says("--account");
    let given = ["disk", "out", "--account", "123456789012"];
    capture(&mut bundling(&cloud, &given)).exits(0).prints("account       123456789012\n");
    // Nobody is there at all.
    let mut nobody = bundling(&cloud, &OWN_ROOT);
    nobody.args(["--account", "123456789012"]);
    nobody.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1");
    let ran = capture(&mut nobody).exits(0);
    let lines: Vec<_> = ran.stderr.lines().filter(|line| line.contains("metadata")).collect();
    assert_eq!(
        lines,
        ["baler: this is not an EC2 instance, or it has no metadata: nothing is inherited"]
    );
    let mut wrong = bundling(&cloud, &["disk", "out"]);
    wrong.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "https://user@example.com/x");
    capture(&mut wrong).says("metadata").prints_nothing();
}

#[test]
fn metadata_never_comes_through_a_proxy() {
    let cloud = cloud(|_| {});
    let mut command = bundling(&cloud, &["disk", "out"]);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"]
    {
        command.env(name, "http://127.0.0.1:1");
    }
    capture(&mut command).exits(0).says("account 111122223333");
}

#[test]
fn the_machines_own_root_inherits_what_it_was_started_from() {
    let cloud = cloud(|metadata| {
        metadata.kernel_id = Some("aki-919dcaf8".to_owned());
        metadata.ramdisk_id = Some("ari-0123abcd".to_owned());
        metadata.ancestor_ami_ids = vec!["ami-01234567".to_owned()];
        metadata.product_codes = vec!["774F4FF8".to_owned()];
        metadata.block_devices.push(("ebs1".to_owned(), "sdf".to_owned()));
        metadata.block_devices.push(("ephemeral0".to_owned(), "sdb".to_owned()));
    });
    let told = [
        "account 111122223333",
        "kernel aki-919dcaf8",
        "ramdisk ari-0123abcd",
        "product code 774F4FF8",
        "ancestor ami-01234567",
        "ancestor ami-0123456789abcdef0",
        "block device mapping ami=sda1",
        "block device mapping root=/dev/sda1",
        "block device mapping ephemeral0=sdb",
    ];
    let mut ran = capture(&mut bundling(&cloud, &OWN_ROOT)).exits(0);
    for line in told {
        ran = ran.says(&format!("from the instance's metadata: {line}\n"));
    }
    ran.does_not_say("ebs1").says("EC2 may refuse to register a manifest with product codes");
    // Each can be overridden.
    let mut given = bundling(&cloud, &OWN_ROOT);
    given.args([
        "--kernel",
        "aki-11111111",
        "--ramdisk",
        "ari-11111111",
        "--product-codes",
        "AAAA",
    ]);
    given.args(["--ancestor", "ami-11111111", "-B", "ami=sda2,root=/dev/sda2"]);
    given.args(["--account", "123456789012", "--region", "us-east-1"]);
    capture(&mut given).exits(0).does_not_say("from the instance's metadata");
    capture(bundling(&cloud, &OWN_ROOT).arg("--no-inherit")).exits(2).says("--account");
    // Another source has none of it.
    let other = capture(&mut bundling(&cloud, &["disk", "out"])).exits(0);
    other.does_not_say("kernel").does_not_say("ancestor");
}

#[test]
fn the_instances_role_is_enough() {
    let cloud = cloud(|metadata| metadata.region = "us-east-1".to_owned());
    let mut command =
        cloud.baler(["bundle", "disk", "s3://images/web", "--arch", "x86_64", "--key"]);
    command.arg(fixture::key("user"));
    let regions = ["AWS_REGION", "AWS_DEFAULT_REGION"];
    let others = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"];
    for name in regions.into_iter().chain(others) {
        command.env_remove(name);
    }
    let ran = capture(&mut command).exits(0);
    let ran = ran.says("account 111122223333").prints("s3://images/web/disk.manifest.xml\n");
    let role = cloud.aws.metadata().role.expect("a role");
    for secret in [role.secret_key, role.token] {
        assert!(!ran.stderr.contains(&secret) && !ran.text().contains(&secret));
    }
}
