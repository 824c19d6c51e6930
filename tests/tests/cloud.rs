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
