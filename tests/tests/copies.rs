//! Bundles that are copied, to S3, from there and within it; and those that are removed.

use std::fs;

use baler_tests::{Cloud, fixture, image};

const MANIFEST: &str = "disk.manifest.xml";

/// A user with a bundle of three parts in `here`, and AWS with these buckets.
fn cloud(buckets: &[(&str, &str)]) -> Cloud {
    let cloud = Cloud::with_buckets(buckets);
    let mut head = vec![0; 512];
    head[450] = 0x83;
    head[510..].copy_from_slice(&[0x55, 0xaa]);
    let noise = image::noise(21 << 20, 1);
    image::write(&cloud.user.path("disk"), 24 << 20, &[(0, &head), (1 << 20, &noise)]);
    cloud.bundle("disk", "here", &["--level", "fast"]).exits(0);
    cloud
}

fn key() -> String {
    fixture::key("user").to_str().expect("a path").to_owned()
}

fn files(prefix: &str) -> Vec<String> {
    let parts = (0..3).map(|part| format!("{prefix}disk.part.{part}"));
    std::iter::once(format!("{prefix}{MANIFEST}")).chain(parts).collect()
}

fn count(asked: &[String], operation: &str) -> usize {
    asked.iter().filter(|name| *name == operation).count()
}

#[test]
fn there_and_back_again() {
    let cloud = cloud(&[("images", "us-east-1")]);
    let (here, there) = (format!("here/{MANIFEST}"), format!("s3://images/web/{MANIFEST}"));
    let dry = cloud.run(["copy", &here, "s3://images/web", "--dry-run"]).exits(0);
    dry.prints("manifest  as it is");
    assert_eq!(cloud.puts(), 0);
    cloud.run(["copy", &here, "s3://images/web"]).exits(0).prints(&format!("{there}\n"));
    assert_eq!(cloud.state().keys("images"), files("web/"));
    let asked = cloud.asked(0);
    assert_eq!(count(&asked, "PutObject"), 4);
    assert_eq!(asked.last().map(String::as_str), Some("PutObject"), "the manifest comes last");
    let last = cloud.aws.requests().pop().expect("a request");
    assert_eq!(last.path, "/images/web/disk.manifest.xml");
    cloud.run(["register", &there, "--name", "web", "--key", &key()]).exits(0);
    // The same again sends nothing.
    let before = cloud.aws.requests().len();
    let again = cloud.run(["copy", &here, "s3://images/web", "--json"]).exits(0).json();
    assert_eq!((&again["sent"], &again["manifest_rewritten"]), (&0.into(), &false.into()));
    assert_eq!(count(&cloud.asked(before), "PutObject"), 1, "the manifest, which is the same");
    cloud.run(["copy", &there, "back"]).exits(0).prints(&format!("back/{MANIFEST}\n"));
    for name in files("") {
        let read = |directory: &str| {
            fs::read(cloud.user.path(format!("{directory}/{name}"))).expect("a file")
        };
        assert!(read("here") == read("back"), "{name}");
    }
    assert_eq!(cloud.user.list("back"), files(""));
}

#[test]
fn an_interrupted_copy_goes_on_where_it_ended() {
    let cloud = cloud(&[("images", "us-east-1")]);
    let here = format!("here/{MANIFEST}");
    cloud.run(["copy", &here, "s3://images/web"]).exits(0);
    let cloud = cloud.changed(|state| {
        state.lose("images", "web/disk.part.1");
        state.lose("images", "web/disk.manifest.xml");
    });
    let sent = cloud.run(["copy", &here, "s3://images/web", "--json"]).exits(0).json();
    let len = fs::metadata(cloud.user.path("here/disk.part.1")).expect("a part").len();
    assert_eq!(sent["sent"], len);
    let puts = cloud.aws.requests().into_iter().filter(|request| request.operation == "PutObject");
    let paths: Vec<_> = puts.map(|request| request.path).collect();
    assert_eq!(paths, ["/images/web/disk.part.1", "/images/web/disk.manifest.xml"]);
    let manifest = format!("s3://images/web/{MANIFEST}");
    cloud.run(["verify", &manifest, "--key", &key()]).exits(0);
    // From S3 to here the same.
    cloud.run(["copy", &manifest, "back"]).exits(0);
    fs::remove_file(cloud.user.path("back/disk.part.2")).expect("a part");
    cloud.run(["copy", &manifest, "back"]).exits(0).says("were there already");
    assert_eq!(cloud.user.list("back"), files(""));
}

#[test]
fn no_damaged_bundle_is_copied() {
    let cloud = cloud(&[("images", "us-east-1")]);
    let path = cloud.user.path("here/disk.part.1");
    let mut part = fs::read(&path).expect("a part");
    part[77] ^= 4;
    fs::write(&path, &part).expect("a part");
    let here = format!("here/{MANIFEST}");
    cloud
        .run(["copy", &here, "s3://images/web"])
        .exits(3)
        .prints_nothing()
        .says("part 1 (`disk.part.1`) is not what the manifest says");
    assert!(!cloud.state().keys("images").contains(&format!("web/{MANIFEST}")));
    fs::remove_file(&path).expect("a part");
    cloud.run(["copy", &here, "s3://images/web"]).exits(1).says("part 1 (`disk.part.1`)");
    assert!(!cloud.state().keys("images").contains(&format!("web/{MANIFEST}")));
}

#[test]
fn another_bundle_in_the_way_stays_without_force() {
    let cloud = cloud(&[("images", "us-east-1")]);
    let here = format!("here/{MANIFEST}");
    cloud.run(["copy", &here, "s3://images/web"]).exits(0);
    let old = cloud.state().data("images", "web/disk.manifest.xml");
    cloud.bundle("disk", "here", &["--force"]).exits(0);
    let other = cloud.run(["copy", &here, "s3://images/web"]).exits(1);
    other.says(&format!("`s3://images/web/{MANIFEST}` is another bundle")).says("--force");
    assert!(cloud.state().data("images", "web/disk.manifest.xml") == old);
    // Who may not put costs nobody the old bundle.
    let public = ["copy", &here, "s3://images/web", "--force", "--acl", "public-read"];
    cloud.run(public).exits(4).says("public ACLs are blocked");
    assert!(cloud.state().data("images", "web/disk.manifest.xml") == old);
    let before = cloud.aws.requests().len();
    cloud.run(["copy", &here, "s3://images/web", "--force"]).exits(0);
    let asked = cloud.asked(before);
    // Something is put and removed, to see that it can be; then the old manifest goes, before the first part.
    let first = asked.iter().position(|asked| asked == "PutObject").expect("a request");
    assert_eq!(asked[first..first + 3], ["PutObject", "DeleteObject", "DeleteObject"], "{asked:?}");
    cloud.run(["verify", &format!("s3://images/web/{MANIFEST}"), "--key", &key()]).exits(0);
    // Here as there.
    cloud.run(["copy", &format!("s3://images/web/{MANIFEST}"), "here"]).exits(0);
    cloud.bundle("disk", "here", &["--force"]).exits(0);
    cloud
        .run(["copy", &format!("s3://images/web/{MANIFEST}"), "here"])
        .exits(1)
        .says("is another bundle");
    cloud.run(["copy", &here, "here"]).exits(2).says("the bundle is in `here` already");
}

#[test]
fn s3_copies_within_itself_and_ec2_can_read_it_again() {
    let cloud = cloud(&[("images", "us-east-1"), ("far", "eu-west-1")]);
    cloud
        .run(["copy", &format!("here/{MANIFEST}"), "s3://images/web", "--acl", "private"])
        .exits(0);
    let from = format!("s3://images/web/{MANIFEST}");
    let register = |manifest: &str, region: &str| {
        cloud.run([
            "register",
            manifest,
            "--name",
            "web",
            "--region",
            region,
            "--virtualization",
            "hvm",
        ])
    };
    register(&from, "us-east-1").exits(4).says("EC2 may not read `s3://images/web/disk.");
    for (place, region) in [("s3://images/other", "us-east-1"), ("s3://far/web", "eu-west-1")] {
        let before = cloud.aws.requests().len();
        cloud.run(["copy", &from, place]).exits(0).prints(&format!("{place}/{MANIFEST}\n"));
        let asked = cloud.asked(before);
        assert_eq!(count(&asked, "CopyObject"), 3, "{asked:?}");
        assert_eq!(count(&asked, "GetObject"), 1, "the manifest alone: {asked:?}");
        assert_eq!(count(&asked, "PutObject"), 1, "the manifest alone: {asked:?}");
        let manifest = format!("{place}/{MANIFEST}");
        cloud.run(["verify", &manifest, "--key", &key()]).exits(0);
        register(&manifest, region).exits(0).prints("ami-");
        // What is there is not copied again.
        let before = cloud.aws.requests().len();
        cloud.run(["copy", &from, place]).exits(0);
        assert_eq!(count(&cloud.asked(before), "CopyObject"), 0);
    }
    assert_eq!(cloud.state().keys("far"), files("web/"));
}

#[test]
fn s3_makes_no_copy_of_a_damaged_bundle() {
    let cloud = cloud(&[("images", "us-east-1")]);
    cloud.run(["copy", &format!("here/{MANIFEST}"), "s3://images/web"]).exits(0);
    let mut part = cloud.state().data("images", "web/disk.part.2");
    part[0] ^= 1;
    let cloud = cloud.changed(|state| state.replace("images", "web/disk.part.2", &part));
    let from = format!("s3://images/web/{MANIFEST}");
    cloud.run(["copy", &from, "s3://images/other"]).exits(3).prints_nothing().says("disk.part.2");
    assert!(!cloud.state().keys("images").contains(&format!("other/{MANIFEST}")));
    let cloud = cloud.changed(|state| state.lose("images", "web/disk.part.2"));
    cloud
        .run(["copy", &from, "s3://images/third"])
        .exits(3)
        .says("there is no part")
        .says("disk.part.2");
    assert!(!cloud.state().keys("images").contains(&format!("third/{MANIFEST}")));
}

#[test]
fn a_manifest_with_another_kernel_is_signed_again() {
    let cloud = cloud(&[("images", "us-east-1")]);
    let here = format!("here/{MANIFEST}");
    let to = ["--kernel", "aki-919dcaf8", "--ramdisk", "ari-0123abcd"];
    let copy = [&["copy", &here, "s3://images/pv"][..], &to].concat();
    cloud.run(&copy).exits(2).prints_nothing().says("hint: pass --key");
    assert_eq!(cloud.state().keys("images"), [""; 0]);
    let json = cloud.run([&copy[..], &["--key", &key(), "--json"]].concat()).exits(0).json();
    assert_eq!(json["manifest_rewritten"], true);
    let manifest = format!("s3://images/pv/{MANIFEST}");
    cloud.run(["verify", &manifest, "--key", &key()]).exits(0).prints("signature  valid");
    let shown = cloud.run(["inspect", &manifest, "--json"]).exits(0).json();
    assert_eq!(shown["kernel_id"], "aki-919dcaf8");
    assert_eq!(shown["ramdisk_id"], "ari-0123abcd");
    // A kernel tells how it starts.
    let ami = cloud.run(["register", &manifest, "--name", "pv 1"]).exits(0).text();
    let images = cloud.run(["images", ami.trim(), "--json"]).exits(0).json();
    assert_eq!(images[0]["virtualization"], "paravirtual");
    assert!(
        fs::read(cloud.launch(ami.trim())).expect("a root")
            == fs::read(cloud.user.path("disk")).expect("an image")
    );
    let other = fixture::key("user1024");
    let other = other.to_str().expect("a path");
    cloud
        .run([&copy[..], &["--key", other, "--force"]].concat())
        .exits(1)
        .says("was not encrypted for this private key");
}

#[test]
fn in_another_partition_another_ec2_opens_it() {
    let buckets = [("images", "us-east-1"), ("gov", "us-gov-west-1"), ("china", "cn-north-1")];
    let cloud = cloud(&buckets);
    cloud.run(["copy", &format!("here/{MANIFEST}"), "s3://images/web"]).exits(0);
    let from = format!("s3://images/web/{MANIFEST}");
    for bucket in ["gov", "china"] {
        let to = format!("s3://{bucket}/web");
        let refused = cloud.run(["copy", &from, &to]).exits(2).prints_nothing();
        refused.says("the manifest must be rewritten and signed").says("hint: pass --key");
        assert_eq!(cloud.state().keys(bucket), [""; 0]);
        let copied = cloud.run(["copy", &from, &to, "--key", &key()]).exits(0);
        copied.says("the copy is for EC2's ");
        let manifest = format!("{to}/{MANIFEST}");
        cloud.run(["verify", &manifest, "--key", &key()]).exits(0);
        let wrapped = |bucket: &str| {
            let text = cloud.state().data(bucket, &format!("web/{MANIFEST}"));
            let text = String::from_utf8(text).expect("a manifest");
            let key = text.split("<ec2_encrypted_key").nth(1).expect("EC2's copy of the key");
            key.split("</ec2_encrypted_key>").next().expect("a key").to_owned()
        };
        assert_ne!(wrapped(bucket), wrapped("images"));
    }
    // The EC2 that answers here is in none of AWS's partitions.
    let certificate = cloud.aws.ec2_certificate();
    let certificate = certificate.to_str().expect("a path");
    let key = key();
    let options = ["--ec2-cert", certificate, "--key", &key];
    let to = ["copy", &from, "s3://gov/own"];
    cloud.run([&to[..], &options].concat()).exits(0);
    let manifest = format!("s3://gov/own/{MANIFEST}");
    let register = ["register", &manifest, "--name", "own", "--key", &key];
    let ami = cloud.run(register).exits(0).text();
    let root = fs::read(cloud.launch(ami.trim())).expect("a root");
    assert!(root == fs::read(cloud.user.path("disk")).expect("an image"));
}

#[test]
fn what_is_removed_is_exactly_the_bundle() {
    let cloud = cloud(&[("images", "us-east-1")]);
    for name in ["disk", "disk2"] {
        cloud.bundle("disk", "s3://images/web", &["--name", name]).exits(0);
    }
    let manifest = format!("s3://images/web/{MANIFEST}");
    let all = cloud.state().keys("images");
    let dry = cloud.run(["remove", &manifest, "--dry-run"]).exits(0).text();
    let names: Vec<_> = files("s3://images/web/");
    assert_eq!(dry.lines().collect::<Vec<_>>(), names);
    cloud.run(["remove", &manifest]).exits(2).prints_nothing().says("--yes").says("4 files");
    assert_eq!(cloud.state().keys("images"), all);
    let before = cloud.aws.requests().len();
    cloud.run(["remove", &manifest, "--yes"]).exits(0).does_not_say("versions");
    let requests = cloud.aws.requests();
    let mut deleted: Vec<_> = requests
        .iter()
        .skip(before)
        .filter(|request| request.method == "DELETE")
        .map(|request| &*request.path)
        .collect();
    assert_eq!(deleted[0], "/images/web/disk.manifest.xml");
    deleted.sort_unstable();
    assert_eq!(deleted, files("/images/web/"));
    let kept: Vec<_> = cloud.state().keys("images");
    assert_eq!(kept.len(), 4);
    assert!(kept.iter().all(|key| key.starts_with("web/disk2.")), "{kept:?}");
    cloud.run(["remove", &manifest, "--yes"]).exits(4).says("NoSuchKey");
    cloud.aws.deny(&["s3:DeleteObject"]).expect("the list of what is denied");
    cloud
        .run(["remove", "s3://images/web/disk2.manifest.xml", "--yes"])
        .exits(4)
        .says("DeleteObject `s3://images/web/disk2.manifest.xml`: AccessDenied");
    assert_eq!(cloud.state().keys("images").len(), 4);
    // A directory's the same way.
    cloud.run(["remove", &format!("here/{MANIFEST}"), "--yes", "--json"]).exits(0);
    assert_eq!(cloud.user.list("here"), [""; 0]);
}

#[test]
fn parts_without_a_manifest_are_removed_by_their_name() {
    let cloud = cloud(&[("images", "us-east-1")]);
    for name in ["disk", "disk2"] {
        cloud.bundle("disk", "s3://images/web", &["--name", name]).exits(0);
    }
    // More than a page of them, and what only looks like them.
    let cloud = cloud.changed(|state| {
        state.lose("images", "web/disk.manifest.xml");
        state.lose("images", "web/disk.part.0");
        for part in 1000..2100 {
            state.add("images", &format!("web/disk.part.{part}"), b"part");
        }
        for name in [
            "disk.part.",
            "disk.part.0.bak",
            "disk.party",
            "disk.manifest.xml.old",
            "deep/disk.part.7",
        ] {
            state.add("images", &format!("web/{name}"), b"other");
        }
    });
    cloud.run(["remove", "s3://images/web", "--prefix", "disk"]).exits(2).says("1102 files");
    let dry = cloud.run(["remove", "s3://images/web", "--prefix", "disk", "--dry-run"]).exits(0);
    assert_eq!(dry.text().lines().count(), 1102);
    cloud.run(["remove", "s3://images/web", "--prefix", "disk", "--yes"]).exits(0);
    let left = cloud.state().keys("images");
    assert_eq!(left.len(), 4 + 5, "{left:?}");
    cloud
        .run(["remove", "s3://images/web", "--prefix", "disk", "--yes"])
        .exits(1)
        .says("nothing of that name");
    cloud
        .run(["remove", "s3://images/web", "--prefix", "disk2", "--yes"])
        .exits(0)
        .prints("disk2.part.2");
    assert_eq!(cloud.state().keys("images").len(), 5);
    cloud.run(["remove", "s3://images/web", "--prefix", "a/b", "--yes"]).exits(2);
}

#[test]
fn a_bucket_that_keeps_versions_is_told() {
    let cloud = cloud(&[("images", "us-east-1")]);
    cloud.bundle("disk", "s3://images/web", &[]).exits(0);
    let cloud = cloud.changed(|state| {
        state.bucket("images", "us-east-1", |set| set["versioning"] = "Enabled".into());
    });
    let manifest = format!("s3://images/web/{MANIFEST}");
    let removed = cloud.run(["remove", &manifest, "--yes", "--json"]).exits(0);
    assert_eq!(removed.json()["versioned"], true);
    removed.says("cost storage until their versions are deleted too");
    assert_eq!(cloud.state().keys("images"), [""; 0]);
}
