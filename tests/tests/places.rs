//! Bundles in S3 and elsewhere: made there, copied, read where they lie, and removed.

use std::fs;

use baler_tests::{Cloud, capture, fixture, image};

/// The bundle's image: a partition table, and two parts and a bit that do not compress.
const LEN: u64 = 24 << 20;

fn write_disk(cloud: &Cloud, name: &str, seed: u64) {
    let mut head = vec![0; 512];
    head[450] = 0x83;
    head[510..].copy_from_slice(&[0x55, 0xaa]);
    let noise = image::noise(21 << 20, seed);
    image::write(&cloud.user.path(name), LEN, &[(0, &head), (1 << 20, &noise)]);
}

fn cloud(buckets: &[(&str, &str)]) -> Cloud {
    let cloud = Cloud::with_buckets(buckets);
    write_disk(&cloud, "disk", 1);
    cloud
}

fn key() -> String {
    fixture::key("user").to_str().expect("a path").to_owned()
}

#[test]
fn a_root_tree_becomes_an_ami_in_one_command_and_no_file() {
    let cloud = Cloud::new();
    let tree = cloud.user.home().with_file_name("tree");
    fs::create_dir_all(tree.join("etc")).expect("a tree");
    fs::write(tree.join("etc/hostname"), "web\n").expect("a file");
    let bundle = |more: &[&str]| {
        let mut command = cloud.bundling(tree.to_str().expect("a path"), "s3://images/web");
        let options =
            ["--size", "64MiB", "--partition", "none", "--create-bucket", "--register", "web 1"];
        capture(command.args(options).args(more))
    };
    let told = ["--virtualization", "paravirtual", "--kernel", "aki-919dcaf8"];
    let dry = bundle(&[&["--dry-run"], &told[..]].concat()).exits(0);
    dry.prints("s3://images/web/tree.manifest.xml").says("would make the bucket `images`");
    assert_eq!(cloud.puts(), 0, "a dry run changes nothing");
    let options = [
        "--tag",
        "Name=web",
        "--tag",
        "env=test=1",
        "--description",
        "the web",
        "--imds-v2",
        "--wait",
        "--json",
    ];
    let made = bundle(&[&options, &told[..]].concat()).exits(0).says("waiting").json();
    assert_eq!(made["manifest"], "s3://images/web/tree.manifest.xml");
    assert_eq!(cloud.user.list("."), [""; 0], "nothing is written here");
    let images = cloud.run(["images", "--json"]).exits(0).json();
    let ami = &images[0];
    assert_eq!(ami["ami"], made["ami"]);
    assert_eq!(ami["name"], "web 1");
    assert_eq!(ami["description"], "the web");
    assert_eq!(ami["state"], "available");
    assert_eq!(ami["imds_support"], "v2.0");
    assert_eq!(ami["virtualization"], "paravirtual");
    assert_eq!(ami["kernel"], "aki-919dcaf8");
    assert_eq!(ami["tags"], serde_json::json!({ "Name": "web", "env": "test=1" }));
    let root = cloud.launch(made["ami"].as_str().expect("an AMI"));
    let head = fs::read(root).expect("a root");
    assert_eq!(head.len(), 64 << 20);
    assert_eq!(head[1080..1082], [0x53, 0xef], "an ext file system");
    bundle(&told).exits(1).says("`s3://images/web/tree.manifest.xml` exists").says("--force");
    // A name that is taken is no reason to send a bundle.
    bundle(&[&["--name", "other"], &told[..]].concat())
        .exits(4)
        .prints_nothing()
        .says("`web 1` is ami-")
        .says("choose another name");
    assert!(cloud.state().keys("images").iter().all(|key| key.starts_with("web/tree.")));
    let asked = cloud.asked(0).into_iter().filter(|name| name == "RegisterImage");
    assert_eq!(asked.count(), 1);
    // What goes wrong after the bundle was sent leaves it, and says how to go on.
    cloud.aws.deny(&["ec2:RegisterImage"]).expect("the list of what is denied");
    let mut command = cloud.bundling(tree.to_str().expect("a path"), "s3://images/web");
    let options =
        ["--size", "64MiB", "--partition", "none", "--name", "other", "--register", "web 2"];
    capture(command.args(options).args(told))
        .exits(4)
        .prints_nothing()
        .says("the bundle is at `s3://images/web/other.manifest.xml`, but there is no AMI of it")
        .says("UnauthorizedOperation")
        .says("`baler register s3://images/web/other.manifest.xml --name NAME` makes one");
}

#[test]
fn force_takes_the_old_manifest_away_first_and_old_parts_last() {
    let cloud = cloud(&[("images", "us-east-1")]);
    cloud.bundle("disk", "s3://images/web", &[]).exits(0);
    cloud.bundle("disk", "s3://images/web", &["--name", "disk2"]).exits(0);
    let small = image::noise(1 << 20, 2);
    image::write(&cloud.user.path("disk"), 2 << 20, &[(0, &small)]);
    cloud.bundle("disk", "s3://images/web", &[]).exits(1).says("disk.manifest.xml` exists");
    // Who may not put costs nobody the old bundle.
    let public = cloud.bundle("disk", "s3://images/web", &["--force", "--acl", "public-read"]);
    public
        .exits(4)
        .says("public ACLs are blocked")
        .does_not_say("the old bundle of that name is gone");
    cloud.run(["verify", "s3://images/web/disk.manifest.xml", "--key", &key()]).exits(0);
    let before = cloud.aws.requests().len();
    cloud.bundle("disk", "s3://images/web", &["--force"]).exits(0);
    let changes: Vec<_> = cloud
        .aws
        .requests()
        .into_iter()
        .skip(before)
        .filter(|request| matches!(&*request.method, "PUT" | "DELETE"))
        .map(|request| {
            let name = request.path.rsplit('/').next().expect("a name").to_owned();
            format!("{} {name}", request.method)
        })
        .collect();
    // First it is tried whether something can be put there.
    let (tried, changes) = changes.split_at(2);
    assert!(tried[0].starts_with("PUT .baler-check-"), "{tried:?}");
    assert!(tried[1].starts_with("DELETE .baler-check-"), "{tried:?}");
    assert_eq!(
        changes,
        [
            "DELETE disk.manifest.xml",
            "PUT disk.part.0",
            "PUT disk.manifest.xml",
            "DELETE disk.part.1",
            "DELETE disk.part.2"
        ]
    );
    let keys = cloud.state().keys("images");
    assert_eq!(keys.iter().filter(|key| key.starts_with("web/disk.")).count(), 2);
    assert_eq!(keys.iter().filter(|key| key.starts_with("web/disk2.")).count(), 4);
    cloud.run(["verify", "s3://images/web/disk.manifest.xml", "--key", &key()]).exits(0);
    cloud.run(["verify", "s3://images/web/disk2.manifest.xml", "--key", &key()]).exits(0);
}

#[test]
fn what_lies_in_s3_is_read_without_copies() {
    let cloud = cloud(&[("images", "us-east-1")]);
    let manifest = "s3://images/a/b/disk.manifest.xml";
    cloud.bundle("disk", "s3://images/a/b/", &[]).exits(0).prints(manifest);
    let image = fs::read(cloud.user.path("disk")).expect("an image");
    fs::remove_file(cloud.user.path("disk")).expect("an image");
    cloud.run(["inspect", manifest]).exits(0).prints("disk.part.2");
    let json = cloud.run(["inspect", manifest, "--json"]).exits(0).json();
    assert_eq!(json["size"], LEN);
    cloud.run(["verify", manifest, "--key", &key()]).exits(0).prints("image      good");
    assert_eq!(cloud.user.list("."), [""; 0]);
    cloud.run(["unbundle", manifest, "out", "--key", &key()]).exits(0);
    assert!(fs::read(cloud.user.path("out")).expect("an image") == image);
    let piped = cloud.run(["unbundle", manifest, "-", "--key", &key()]).exits(0);
    assert!(piped.stdout == image);
    assert_eq!(cloud.user.list("."), ["out"]);
    cloud.run(["inspect", "s3://images/a/b/other.manifest.xml"]).exits(4).says("NoSuchKey");
    cloud.run(["inspect", "s3://images/a/b/disk.part.0"]).exits(3);
    cloud.run(["inspect", "s3://images"]).exits(2).says("not a manifest");
    cloud
        .run(["inspect", "s3://no-such/a.manifest.xml"])
        .exits(4)
        .says("there is no bucket `no-such`");
}

#[test]
fn a_part_that_is_missing_or_another_one_is_named() {
    let cloud = cloud(&[("images", "us-east-1")]);
    let manifest = "s3://images/web/disk.manifest.xml";
    cloud.bundle("disk", "s3://images/web", &[]).exits(0);
    let mut part = cloud.state().data("images", "web/disk.part.1");
    part[5000] ^= 1;
    let cloud = cloud.changed(|state| state.replace("images", "web/disk.part.1", &part));
    let verified = cloud.run(["verify", manifest, "--key", &key()]).exits(3);
    verified.prints("parts      1 of 3 wrong").prints("part 1 (`disk.part.1`)");
    let unbundled = cloud.run(["unbundle", manifest, "out", "--key", &key()]).exits(3);
    unbundled.says("part 1 (`disk.part.1`)");
    assert_eq!(cloud.user.list("."), ["disk"], "nothing unfinished is left");
    let register = ["register", manifest, "--name", "web", "--virtualization", "hvm"];
    cloud
        .run([&register[..], &["--verify"]].concat())
        .exits(3)
        .says("part 1 (`disk.part.1`)")
        .says("was not registered");
    let copy = ["copy", manifest, "here"];
    cloud.run(copy).exits(3).says("part 1 (`disk.part.1`)");
    assert!(!cloud.user.list("here").contains(&"disk.manifest.xml".to_owned()));
    // Whoever cuts it says so by its length.
    let cloud = cloud.changed(|state| state.replace("images", "web/disk.part.1", &part[1..]));
    cloud.run(register).exits(3).says("bytes together, and the manifest says");
    let cloud = cloud.changed(|state| state.lose("images", "web/disk.part.1"));
    let verify = cloud.run(["verify", manifest, "--key", &key()]);
    verify.exits(3).prints("part 1 (`disk.part.1`)").prints("NoSuchKey");
    cloud.run(register).exits(3).says("has no part `disk.part.1`").says("baler copy");
    cloud.run(["images"]).exits(0).prints_nothing();
}
