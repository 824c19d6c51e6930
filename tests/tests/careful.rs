//! What must never happen to a bundle that someone has, whatever is typed and whatever is in a manifest.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;

use baler_tests::{Cloud, capture, fixture, image};

const MANIFEST: &str = "disk.manifest.xml";

/// A user with a bundle of three parts in `here`.
fn cloud() -> Cloud {
    let cloud = Cloud::new();
    let noise = image::noise(21 << 20, 1);
    image::write(&cloud.user.path("disk"), 24 << 20, &[(1 << 20, &noise)]);
    cloud.bundle("disk", "here", &["--level", "1"]).exits(0);
    cloud
}

fn edit(cloud: &Cloud, path: &str, from: &str, to: &str) {
    let path = cloud.user.path(path);
    let text = fs::read_to_string(&path).expect("a manifest");
    assert!(text.contains(from), "{from}");
    fs::write(path, text.replace(from, to)).expect("a manifest");
}

fn key() -> String {
    fixture::key("user").to_str().expect("a path").to_owned()
}

#[test]
fn a_manifest_that_someone_else_changed_is_not_signed_anew() {
    let cloud = cloud();
    edit(&cloud, "here/disk.manifest.xml", "<user>123456789012", "<user>999999999999");
    let (from, key) = (format!("here/{MANIFEST}"), key());
    let copy = ["copy", &from, "there", "--kernel", "aki-919dcaf8", "--key", &key];
    cloud.run(copy).exits(3).says("signature").says("--ignore-signature").prints_nothing();
    assert!(cloud.user.list("there").is_empty());
    cloud.run(copy.iter().copied().chain(["--ignore-signature"])).exits(0);
}

#[test]
fn the_bucket_decides_which_ec2_opens_it() {
    let cloud = cloud();
    let key = key();
    let bundle = ["bundle", "disk", "s3://images/web", "--account", "123456789012", "--key", &key];
    let with =
        |more: &[&'static str]| cloud.run(bundle.iter().copied().chain(more.iter().copied()));
    with(&["--create-bucket", "--region", "us-east-1"]).exits(0).says("its commercial key");
    with(&["--force", "--region", "us-gov-west-1"])
        .exits(2)
        .says("has another key")
        .prints_nothing();
    // The bundle that was there still is.
    cloud.run(["verify", "s3://images/web/disk.manifest.xml", "--key", &key]).exits(0);
}

#[test]
fn a_damaged_source_costs_no_good_copy() {
    let cloud = cloud();
    let from = format!("here/{MANIFEST}");
    cloud.run(["copy", &from, "there"]).exits(0);
    cloud.run(["copy", &from, "s3://images/web", "--create-bucket"]).exits(0);
    cloud.run(["copy", "s3://images/web/disk.manifest.xml", "s3://images/good"]).exits(0);
    // Other manifests of the same bundle, so that --force has something to overwrite.
    let key = key();
    for place in ["other", "s3://images/other"] {
        cloud.run(["copy", &from, place, "--kernel", "aki-919dcaf8", "--key", &key]).exits(0);
    }
    fs::write(cloud.user.path("other/disk.part.1"), b"damage").expect("a part");
    let damaged = format!("other/{MANIFEST}");
    cloud.run(["copy", &damaged, "there", "--force"]).exits(3).says("part 1");
    fs::remove_file(cloud.user.path("other/disk.part.0")).expect("a part");
    cloud.run(["copy", &damaged, "there", "--force"]).exits(3).says("part 0");
    cloud.run(["copy", &damaged, "s3://images/good", "--force"]).exits(3).says("part 0");
    for whole in ["there/disk.manifest.xml", "s3://images/good/disk.manifest.xml"] {
        cloud.run(["verify", whole, "--key", &key]).exits(0);
    }
    // Under another name of the same directory.
    let again = ["copy", &from, "./here/", "--force", "--kernel", "aki-919dcaf8", "--key", &key];
    cloud.run(again).exits(2).says("already");
    cloud.run(["verify", &from, "--key", &key]).exits(0);
}

#[test]
fn what_a_manifest_merely_lists_is_not_removed() {
    let cloud = cloud();
    fs::write(cloud.user.path("here/database.dump"), b"precious").expect("a file");
    fs::copy(cloud.user.path("here/disk.manifest.xml"), cloud.user.path("here/evil.manifest.xml"))
        .expect("a manifest");
    // A manifest beside another one of the same parts.
    cloud.run(["remove", "here/evil.manifest.xml", "--yes"]).exits(1).says("disk.manifest.xml");
    fs::remove_file(cloud.user.path("here/disk.manifest.xml")).expect("the manifest");
    edit(&cloud, "here/evil.manifest.xml", "<filename>disk.part.2", "<filename>database.dump");
    cloud.run(["remove", "here/evil.manifest.xml", "--yes"]).exits(3).says("database.dump");
    assert_eq!(fs::read(cloud.user.path("here/database.dump")).expect("the file"), b"precious");
    assert!(cloud.user.path("here/disk.part.0").exists());
}

#[test]
fn a_bundle_that_another_ami_starts_from_stays() {
    let cloud = cloud();
    let place = "s3://images/web/disk.manifest.xml";
    cloud.run(["copy", &format!("here/{MANIFEST}"), "s3://images/web", "--create-bucket"]).exits(0);
    let register = |name: &str| {
        let args = ["register", place, "--name", name, "--virtualization", "hvm", "--wait"];
        cloud.run(args).exits(0).text().trim().to_owned()
    };
    let (one, two) = (register("web one"), register("web two"));
    let deregister = |ami: &str| cloud.run(["deregister", ami, "--delete-bundle", "--yes"]);
    deregister(&one).exits(1).says(&two).says("the same bundle");
    cloud.run(["deregister", &one]).exits(0);
    deregister(&two).exits(0);
    cloud.run(["verify", place, "--no-key"]).exits(4);
}

#[test]
fn what_would_stop_it_stops_a_dry_run_too() {
    let cloud = cloud();
    let from = format!("here/{MANIFEST}");
    cloud.run(["copy", &from, "s3://images/web", "--create-bucket"]).exits(0);
    let key = key();
    let other = ["copy", &from, "other", "--kernel", "aki-919dcaf8", "--key", &key];
    cloud.run(other).exits(0);
    let copy = ["copy", "other/disk.manifest.xml", "s3://images/web", "--dry-run"];
    cloud.run(copy).exits(1).says("is another bundle").prints_nothing();
    cloud.run(copy.iter().copied().chain(["--force"])).exits(0);
    let register = ["--register", "web", "--dry-run", "--name", "two"];
    cloud.bundle("disk", "s3://images/web", &register).exits(2).says("--virtualization");
    let hvm = [&register[..], &["--virtualization", "hvm"]].concat();
    let told = cloud.bundle("disk", "s3://images/web", &hvm).exits(0).text();
    assert!(told.contains("ami           web, hvm\n"), "{told}");
    cloud
        .run([
            "register",
            "s3://images/web/disk.manifest.xml",
            "--name",
            "web",
            "--virtualization",
            "hvm",
        ])
        .exits(0);
    cloud.bundle("disk", "s3://images/web", &hvm).exits(4).says("already");
}

#[test]
fn force_over_nothing_tells_of_no_old_bundle() {
    let cloud = cloud();
    cloud.run(["copy", &format!("here/{MANIFEST}"), "s3://images/web", "--create-bucket"]).exits(0);
    cloud.aws.deny(&["s3:PutObject"]).expect("the list of what is denied");
    let ran = cloud.bundle("disk", "s3://images/new", &["--force"]).exits(4).says("s3:PutObject");
    assert!(!ran.stderr.contains("old bundle"), "{}", ran.stderr);
}

#[test]
fn what_is_done_in_directories_asks_nobody() {
    let cloud = cloud();
    let metadata = TcpListener::bind("127.0.0.1:0").expect("a port");
    metadata.set_nonblocking(true).expect("a port");
    let address = metadata.local_addr().expect("a port");
    let offline = |args: &[&str]| {
        let mut command = cloud.user.baler(args);
        // Region and credentials would have to come from an instance.
        command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{address}"));
        capture(command.env_remove("AWS_EC2_METADATA_DISABLED")).exits(0);
    };
    offline(&["copy", &format!("here/{MANIFEST}"), "there"]);
    offline(&["remove", "there/disk.manifest.xml", "--yes"]);
    assert!(cloud.user.list("there").is_empty());
    let asked = metadata.accept().map_err(|error| error.kind());
    assert!(matches!(asked, Err(ErrorKind::WouldBlock)), "{asked:?}");
}
