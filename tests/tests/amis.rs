//! AMIs: registered from bundles, listed, shared, copied and deregistered.

use std::fs;

use baler_standin::{Fault, Rule};
use baler_tests::{Cloud, fixture, image};
use serde_json::json;

const MANIFEST: &str = "s3://images/web/disk.manifest.xml";

fn key() -> String {
    fixture::key("user").to_str().expect("a path").to_owned()
}

/// A bundle in S3 of one part, whose image begins with `head`.
fn cloud_with(head: &[(u64, &[u8])], more: &[&str]) -> Cloud {
    let cloud = Cloud::with_buckets(&[("images", "us-east-1")]);
    let noise = image::noise(1 << 20, 3);
    let data = [head, &[(1 << 20, &noise)]].concat();
    image::write(&cloud.user.path("disk"), 2 << 20, &data);
    cloud.bundle("disk", "s3://images/web", more).exits(0);
    cloud
}

/// One that has a partition table.
fn cloud() -> Cloud {
    let mut head = vec![0; 512];
    head[450] = 0x83;
    head[510..].copy_from_slice(&[0x55, 0xaa]);
    cloud_with(&[(0, &head)], &[])
}

/// Registers it as `web` and gives its id.
fn register(cloud: &Cloud, more: &[&str]) -> String {
    let options = ["register", MANIFEST, "--name", "web", "--virtualization", "hvm"];
    let text = cloud.run([&options[..], more].concat()).exits(0).text();
    text.trim().to_owned()
}

fn image_of(cloud: &Cloud, ami: &str) -> serde_json::Value {
    cloud.run(["images", ami, "--json"]).exits(0).json()[0].clone()
}

#[test]
fn how_it_starts_is_told_by_the_layout_the_kernel_or_the_user() {
    let ext4 = cloud_with(&[(1080, &[0x53, 0xef])], &[]);
    let mbr = cloud();
    let bare = cloud_with(&[], &[]);
    let pv = cloud_with(&[], &["--kernel", "aki-919dcaf8"]);
    let key = key();
    for (cloud, options, found) in [
        (&mbr, &["--key", &*key][..], "hvm"),
        (&ext4, &["--key", &key], "paravirtual"),
        (&ext4, &["--key", &key, "--virtualization", "hvm"], "hvm"),
        (&pv, &[], "paravirtual"),
    ] {
        let register = ["register", MANIFEST, "--name", "web"];
        let json = cloud.run([&register[..], options, &["--json"]].concat());
        let json = json.exits(0).json();
        assert_eq!(json["virtualization"], found, "{options:?}");
        let ami = json["ami"].as_str().expect("an AMI");
        assert_eq!(image_of(cloud, ami)["virtualization"], found);
        cloud.run(["deregister", ami]).exits(0);
    }
    for (cloud, options) in [(&mbr, &[][..]), (&bare, &["--key", &key])] {
        cloud
            .run([&["register", MANIFEST, "--name", "web"][..], options].concat())
            .exits(2)
            .prints_nothing()
            .says("the manifest does not say whether instances start")
            .says("--virtualization");
        assert_eq!(cloud.run(["images", "--json"]).exits(0).json(), json!([]));
    }
    // Another's key opens nothing, and that is said.
    let other = fixture::key("user1024");
    let other = other.to_str().expect("a path");
    mbr.run(["register", MANIFEST, "--name", "web", "--key", other])
        .exits(1)
        .says("was not encrypted for this private key");
}

#[test]
fn everything_that_an_ami_can_have_reaches_ec2() {
    let cloud = cloud();
    let options = [
        "--description",
        "the web: \"größer\"",
        "--root-device",
        "/dev/sda1",
        "--map",
        "/dev/sdb=ephemeral0",
        "--map",
        "/dev/sdc=none",
        "--ena",
        "--sriov",
        "--imds-v2",
        "--tag",
        "Name=the web",
        "--tag",
        "empty=",
        "--wait",
    ];
    let ami = image_of(&cloud, &register(&cloud, &options));
    assert_eq!(ami["description"], "the web: \"größer\"");
    assert_eq!(ami["state"], "available");
    assert_eq!(ami["root_device"], "/dev/sda1");
    assert_eq!((&ami["ena"], &ami["sriov"]), (&json!(true), &json!("simple")));
    assert_eq!(ami["imds_support"], "v2.0");
    assert_eq!(ami["tags"], json!({ "Name": "the web", "empty": "" }));
    assert_eq!(ami["manifest"], "images/web/disk.manifest.xml");
    let mappings = ami["mappings"].to_string();
    assert!(mappings.contains("/dev/sdb") && mappings.contains("ephemeral0"), "{mappings}");
}

#[test]
fn a_dry_run_registers_nothing_and_asks_ec2() {
    let cloud = cloud();
    let key = key();
    let dry = ["register", MANIFEST, "--name", "web", "--key", &key, "--dry-run"];
    cloud
        .run(dry)
        .exits(0)
        .prints_nothing()
        .says("would register")
        .says("hvm, in us-east-1; EC2 would allow it");
    let json = cloud.run([&dry[..], &["--json"]].concat()).exits(0).json();
    assert_eq!((&json["ami"], &json["dry_run"]), (&json!(null), &json!(true)));
    assert_eq!(json["virtualization"], "hvm");
    cloud.run(["images"]).exits(0).prints_nothing();
    cloud.aws.deny(&["ec2:RegisterImage"]).expect("the list of what is denied");
    cloud.run(dry).exits(4).says("UnauthorizedOperation").says("`ec2:RegisterImage`");
    cloud.run(&dry[..6]).exits(4).says("registering `").says("UnauthorizedOperation");
}

#[test]
fn a_name_is_given_once() {
    let cloud = cloud();
    let ami = register(&cloud, &[]);
    let before = cloud.aws.requests().len();
    assert_eq!(register(&cloud, &[]), ami);
    assert!(!cloud.asked(before).contains(&"RegisterImage".to_owned()));
    cloud.bundle("disk", "s3://images/other", &[]).exits(0);
    cloud
        .run(["register", "s3://images/other/disk.manifest.xml", "--name", "web", "--key", &key()])
        .exits(4)
        .prints_nothing()
        .says(&ami)
        .says("choose another name");
    cloud.run(["deregister", &ami]).exits(0);
    cloud
        .run(["register", "s3://images/other/disk.manifest.xml", "--name", "web", "--key", &key()])
        .exits(0);
}

#[test]
fn what_ec2_may_not_read_is_not_registered() {
    let cloud = cloud();
    let cloud = cloud.changed(|state| state.grant("images", "web/disk.part.0", &[]));
    let options = ["register", MANIFEST, "--name", "web", "--key", &key()];
    cloud
        .run(options)
        .exits(4)
        .prints_nothing()
        .says("EC2 may not read `s3://images/web/disk.part.0`")
        .says("aws-exec-read");
    assert!(!cloud.asked(0).contains(&"RegisterImage".to_owned()));
    // EC2 itself says it of a manifest, and what that means is explained.
    let cloud = cloud.changed(|state| state.grant("images", "web/disk.manifest.xml", &[]));
    cloud
        .run([&options[..], &["--ignore-acl"]].concat())
        .exits(4)
        .says("InvalidManifest")
        .says("hint: EC2 cannot read the manifest")
        .says("aws-exec-read");
    // Who may not see the ACLs leaves it to EC2.
    cloud.aws.deny(&["s3:GetObjectAcl"]).expect("the list of what is denied");
    cloud.run(options).exits(4).says("cannot check whether EC2 may read").says("InvalidManifest");
    cloud.run(["copy", MANIFEST, "here"]).exits(0);
    cloud.run(["copy", "here/disk.manifest.xml", "s3://images/web"]).exits(0);
    cloud.run(options).exits(0);
}

#[test]
fn what_ec2_cannot_start_is_refused_before_it_is_asked() {
    let cloud = Cloud::with_buckets(&[("images", "us-east-1")]);
    image::write(&cloud.user.path("disk"), (10 << 30) + 512, &[(0, b"x")]);
    let options = ["--allow-large", "--level", "fast"];
    cloud.bundle("disk", "s3://images/web", &[]).exits(1).says("10");
    // It is all hole: a part or two.
    cloud.bundle("disk", "s3://images/web", &options).exits(0);
    let options = ["register", MANIFEST, "--name", "web", "--virtualization", "hvm"];
    cloud
        .run(options)
        .exits(1)
        .says("the root of an S3-backed AMI at most 10")
        .says("--allow-large");
    assert!(!cloud.asked(0).contains(&"RegisterImage".to_owned()));
    cloud.run([&options[..], &["--allow-large"]].concat()).exits(4).says("InvalidManifest");
    cloud.run(["register", "here.manifest.xml", "--name", "web"]).exits(2).says("`baler copy`");
}

#[test]
fn an_ami_goes_and_what_is_left_of_it_is_told() {
    let cloud = cloud();
    let ami = register(&cloud, &[]);
    let dry = cloud.run(["deregister", &ami, "--delete-bundle", "--dry-run"]).exits(0);
    dry.prints(&format!("deregister  {ami} web\n")).prints(&format!("delete      {MANIFEST}\n"));
    let dry = cloud.run(["deregister", &ami, "--dry-run"]).exits(0);
    dry.prints(&format!("leave       {MANIFEST} (costs storage)\n"));
    let dry = ["deregister", &ami, "--delete-bundle", "--dry-run", "--json"];
    let dry = cloud.run(dry).exits(0).json();
    assert_eq!(dry["deleted"], json!([MANIFEST, "s3://images/web/disk.part.0"]));
    assert_eq!(dry["dry_run"], true);
    cloud
        .run(["deregister", &ami])
        .exits(0)
        .says(&format!("its bundle is left and costs storage: {MANIFEST}"))
        .says(&format!("hint: baler remove {MANIFEST}"));
    assert_eq!(cloud.state().keys("images").len(), 2);
    cloud
        .run(["deregister", &ami])
        .exits(4)
        .says("InvalidAMIID.Unavailable")
        .says("was deregistered");
    let ami = register(&cloud, &[]);
    let before = cloud.aws.requests().len();
    let done =
        cloud.run(["deregister", &ami, "--delete-bundle", "--yes", "--json"]).exits(0).json();
    assert_eq!(done["deleted"], json!([MANIFEST, "s3://images/web/disk.part.0"]));
    let asked = cloud.asked(before);
    let at = |name: &str| asked.iter().position(|asked| asked == name).expect("a request");
    assert!(at("DeregisterImage") < at("DeleteObject"), "{asked:?}");
    assert_eq!(cloud.state().keys("images"), [""; 0]);
    cloud.run(["deregister", "ami-0123456789abcdef0"]).exits(4).says("ami-0123456789abcdef0");
}

#[test]
fn a_bundle_that_cannot_be_read_keeps_its_ami() {
    let cloud = cloud();
    let ami = register(&cloud, &[]);
    let deregister = ["deregister", &ami, "--delete-bundle", "--yes"];
    cloud.aws.deny(&["s3:GetObject"]).expect("the list of what is denied");
    cloud.run(deregister).exits(4).says("AccessDenied");
    assert_eq!(image_of(&cloud, &ami)["name"], "web");
    cloud.aws.deny(&["ec2:DeregisterImage"]).expect("the list of what is denied");
    cloud.run(deregister).exits(4).says("`ec2:DeregisterImage`");
    assert_eq!(cloud.state().keys("images").len(), 2, "the bundle of an AMI that is there stays");
    // One that is gone already is no reason to stay.
    let cloud = cloud.changed(|state| state.lose("images", "web/disk.manifest.xml"));
    cloud.aws.deny(&[]).expect("the list of what is denied");
    cloud.run(deregister).exits(0).says("its bundle is gone already").says("NoSuchKey");
    cloud.run(["images"]).exits(0).prints_nothing();
}

#[test]
fn snapshots_are_left_or_deleted_as_is_wanted() {
    let cloud = cloud();
    let ami = register(&cloud, &[]);
    let snapshot = cloud.aws.add_snapshot("us-east-1").expect("a snapshot");
    let used = cloud.aws.add_snapshot("us-east-1").expect("a snapshot");
    // An image on EBS, as another program registers it.
    let cloud = cloud.changed(|state| {
        state.ec2(|ec2| {
            let mut image = ec2["images"][0].clone();
            for number in 1..=4 {
                let (id, name) = (format!("ami-0000000000000000{number}"), format!("ebs {number}"));
                image["id"] = id.into();
                let fields = &mut image["fields"];
                fields["name"] = name.as_str().into();
                fields["rootDeviceType"] = "ebs".into();
                fields["imageLocation"] = format!("123456789012/{name}").into();
                let mapping =
                    |device: &str, id: &str| json!({ "deviceName": device, "ebs.snapshotId": id });
                image["mappings"] = match name.as_str() {
                    "ebs 1" => json!([mapping("/dev/sda1", &snapshot), mapping("/dev/sdf", &used)]),
                    _ => json!([mapping("/dev/sda1", &used)]),
                };
                ec2["images"].as_array_mut().expect("images").push(image.clone());
            }
        });
    });
    let (one, two) = ("ami-00000000000000001", "ami-00000000000000002");
    cloud.run(["images", "--root", "ebs"]).exits(0).prints(one).prints(two);
    let dry = cloud.run(["deregister", one, "--delete-snapshots", "--dry-run"]).exits(0);
    dry.prints(&format!("delete      {snapshot}\n"));
    cloud
        .run(["deregister", one, "--delete-bundle", "--yes"])
        .exits(2)
        .says("its root device is not in S3");
    cloud.run(["deregister", one, "--delete-snapshots"]).exits(2).says("--yes");
    let gone = cloud.run(["deregister", one, "--delete-snapshots", "--yes", "--json"]).exits(4);
    assert_eq!(gone.json()["snapshots_left"], json!([used]));
    gone.says(&format!("the snapshot {used} is not deleted: another AMI uses it"));
    cloud
        .run(["deregister", two])
        .exits(0)
        .says(&format!("its snapshots are left and cost storage: {used}"));
    // What EC2 did not say to be deleted counts as left.
    let nothing = "<DeregisterImageResponse><return>true</return></DeregisterImageResponse>";
    let nothing = Fault::Status {
        status: 200,
        code: String::new(),
        message: String::new(),
        headers: Vec::new(),
        body: Some(nothing.to_owned()),
    };
    for (id, fault, said) in [
        ("ami-00000000000000003", nothing, "is not deleted: EC2's answer does not name it"),
        ("ami-00000000000000004", Fault::DropReply, "the snapshots may still exist"),
    ] {
        cloud.aws.faults(vec![Rule::new(fault).operation("DeregisterImage")]);
        let gone = cloud.run(["deregister", id, "--delete-snapshots", "--yes", "--json"]).exits(4);
        assert_eq!(gone.json()["snapshots_left"], json!([used]), "{id}");
        gone.says(said).says("are left, or may be");
    }
    cloud.run(["images", &ami]).exits(0).prints(&ami);
}

#[test]
fn images_are_listed() {
    let cloud = cloud();
    let ami = register(&cloud, &["--wait"]);
    let text = cloud.run(["images"]).exits(0).says_nothing().text();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("AMI ") && lines[0].ends_with("NAME"), "{text}");
    assert!(lines[1].starts_with(&format!("{ami}  available  20")), "{text}");
    assert!(lines[1].ends_with("x86_64  hvm   instance-store  web"), "{text}");
    assert_eq!(lines[2], format!("  {MANIFEST}"));
    for (options, is_found) in [
        (&["--root", "instance-store"][..], true),
        (&["--root", "ebs"], false),
        (&["--name", "w*"], true),
        (&["--name", "x*"], false),
        (&["--bundle", MANIFEST], true),
        (&["--bundle", "s3://images/other.manifest.xml"], false),
        (&["--owner", "self"], true),
        (&["--owner", "amazon"], false),
        (&["--region", "eu-west-1"], false),
    ] {
        let found = cloud.run([&["images", "--json"][..], options].concat()).exits(0).json();
        assert_eq!(found[0]["ami"] == ami.as_str(), is_found, "{options:?}: {found}");
    }
    cloud.aws.set_image_state(&ami, "failed").expect("an image");
    cloud.run(["images"]).exits(0).prints("  failed  ");
    cloud.aws.deny(&["ec2:DescribeImages"]).expect("the list of what is denied");
    cloud.run(["images"]).exits(4).prints_nothing().says("`ec2:DescribeImages`");
}

#[test]
fn an_ami_that_fails_is_not_waited_for() {
    let cloud = cloud();
    let ami = register(&cloud, &[]);
    cloud.aws.set_image_state(&ami, "failed").expect("an image");
    let options = ["register", MANIFEST, "--name", "web", "--virtualization", "hvm", "--wait"];
    cloud.run(options).exits(4).prints_nothing().says(&format!("waiting for {ami}")).says("failed");
}

#[test]
fn an_ami_is_shared_and_that_is_taken_back() {
    let cloud = cloud();
    let ami = register(&cloud, &[]);
    let share = |more: &[&str]| cloud.run([&["share", &ami][..], more].concat());
    share(&[]).exits(2).says("--account");
    share(&["--show"]).exits(0).prints_nothing();
    let org = "arn:aws:organizations::111122223333:organization/o-123example";
    share(&["--account", "111122223333,444455556666", "--org", org]).exits(0);
    let shown = share(&["--show", "--json"]).exits(0).json();
    assert_eq!(shown["launch_permissions"].as_array().map(Vec::len), Some(3), "{shown}");
    // What is so already is no error.
    share(&["--account", "111122223333"]).exits(0);
    share(&["--account", "444455556666", "--org", org, "--remove"])
        .exits(0)
        .prints("111122223333\n");
    share(&["--public"]).exits(0).prints("all\n").says("everyone can launch it now");
    cloud.run(["images"]).exits(0).prints(", public");
    share(&["--public", "--remove"]).exits(0).does_not_say("everyone");
    cloud.aws.block_public_images("us-east-1", true).expect("a setting");
    share(&["--public"])
        .exits(4)
        .says("OperationNotPermitted")
        .says("blocks public access for its images");
    share(&["--show"]).exits(0).prints("111122223333\n");
    cloud
        .run(["share", "ami-0123456789abcdef0", "--account", "111122223333"])
        .exits(4)
        .says("InvalidAMIID.NotFound");
}

#[test]
fn an_ami_is_copied_to_another_region_and_what_is_not_is_told() {
    let cloud = cloud();
    let ami = register(&cloud, &["--tag", "Name=web", "--wait"]);
    let copy = |more: &[&str]| cloud.run([&["copy-image", &ami, "--to"][..], more].concat());
    copy(&["us-east-1"]).exits(2).says("is in us-east-1 already");
    copy(&["eu-west-1", "--encrypt"]).exits(2).says("EC2 encrypts snapshots only");
    copy(&["eu-west-1", "--kms-key", "k"]).exits(2).says("--encrypt");
    let made = copy(&["eu-west-1", "--wait"]).exits(0);
    let copied = made.text().trim().to_owned();
    made.says("its launch permissions are not copied, nor its tags").says("amis-for-");
    let there = |id: &str| {
        cloud.run(["images", id, "--json", "--region", "eu-west-1"]).exits(0).json()[0].clone()
    };
    let image = there(&copied);
    assert_eq!((&image["name"], &image["tags"]), (&json!("web"), &json!({})));
    assert_eq!((&image["source_ami"], &image["source_region"]), (&json!(ami), &json!("us-east-1")));
    let options = [
        "eu-west-1",
        "--name",
        "web 2",
        "--copy-tags",
        "--tag",
        "env=x",
        "--description",
        "d",
        "--json",
    ];
    let made = copy(&options).exits(0).does_not_say("nor its tags").json();
    let image = there(made["ami"].as_str().expect("an AMI"));
    assert_eq!((&image["name"], &image["description"]), (&json!("web 2"), &json!("d")));
    assert_eq!(image["tags"], json!({ "Name": "web", "env": "x" }));
    // The same name there a second time.
    copy(&["eu-west-1"]).exits(4).prints_nothing().says("web");
    cloud
        .run(["copy-image", "ami-0123456789abcdef0", "--to", "eu-west-1"])
        .exits(4)
        .says("check the id and the region");
    cloud.aws.deny(&["ec2:CopyImage"]).expect("the list of what is denied");
    copy(&["eu-west-1", "--name", "web 3"]).exits(4).says("s3:PutBucketOwnershipControls");
}

#[test]
fn an_instance_starts_from_a_copy_too() {
    let cloud = cloud();
    let ami = register(&cloud, &[]);
    let copy = cloud.run(["copy-image", &ami, "--to", "eu-west-1"]).exits(0).text();
    let root = fs::read(cloud.launch(copy.trim())).expect("a root");
    assert!(root == fs::read(cloud.user.path("disk")).expect("an image"));
}
