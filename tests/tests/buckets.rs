//! Buckets: found wherever they are, made, recognised when EC2 could not read from them, and tried out.

use baler_tests::{Cloud, State, image};

/// An image of one part that has a partition table.
fn disk(cloud: &Cloud) {
    let mut head = vec![0; 512];
    head[450] = 0x83;
    head[510..].copy_from_slice(&[0x55, 0xaa]);
    let noise = image::noise(1 << 20, 7);
    image::write(&cloud.user.path("disk"), 2 << 20, &[(0, &head), (1 << 20, &noise)]);
}

/// A user with an image, and AWS with a bucket that is set up so.
fn cloud(bucket: &str, region: &str, set: impl FnOnce(&mut serde_json::Value)) -> Cloud {
    let make = |options: &mut baler_standin::Options| {
        State::new(&options.directory).bucket(bucket, region, set);
    };
    let cloud = Cloud::with(make);
    disk(&cloud);
    cloud
}

#[test]
fn a_bucket_without_acls_is_recognised_before_anything_is_sent() {
    let cloud = cloud("today", "us-east-1", |set| set["ownership"] = "BucketOwnerEnforced".into());
    for more in [&[][..], &["--dry-run"]] {
        cloud
            .bundle("disk", "s3://today/web", more)
            .exits(4)
            .prints_nothing()
            .says("BucketOwnerEnforced")
            .says("--fix-bucket")
            .says("aws s3api put-bucket-ownership-controls --bucket today --ownership-controls");
    }
    assert_eq!(cloud.puts(), 0);
    cloud
        .run(["check", "s3://today/web"])
        .exits(4)
        .prints("wrong   its object ownership is BucketOwnerEnforced")
        .says("or run `aws s3api put-bucket-ownership-controls --bucket today");
    assert_eq!(cloud.state().keys("today"), [""; 0]);
    // Who does not need EC2 to read it needs no ACLs.
    cloud.bundle("disk", "s3://today/own", &["--acl", "none"]).exits(0);
    let mended = cloud.bundle("disk", "s3://today/web", &["--fix-bucket"]).exits(0);
    mended.says("changed the bucket `today`");
    cloud
        .run([
            "register",
            "s3://today/web/disk.manifest.xml",
            "--name",
            "web",
            "--virtualization",
            "hvm",
        ])
        .exits(0);
    cloud.run(["check", "s3://today/web"]).exits(0).says_nothing();
}

#[test]
fn a_bucket_that_encrypts_with_kms_is_recognised_before_anything_is_sent() {
    let cloud = cloud("today", "us-east-1", |set| set["encryption"] = "aws:kms".into());
    cloud
        .bundle("disk", "s3://today/web", &[])
        .exits(4)
        .prints_nothing()
        .says("a key of KMS")
        .says("aws s3api put-bucket-encryption --bucket today");
    assert_eq!(cloud.puts(), 0);
    cloud
        .bundle("disk", "s3://today/web", &["--fix-bucket", "--dry-run"])
        .exits(0)
        .says("would change");
    assert_eq!(cloud.puts(), 0);
    cloud.bundle("disk", "s3://today/web", &["--fix-bucket"]).exits(0).says("changed the bucket");
    cloud.bundle("disk", "s3://today/web", &["--force"]).exits(0);
}

#[test]
fn both_troubles_are_told_and_mended_at_once() {
    let cloud = cloud("today", "us-east-1", |set| {
        set["ownership"] = "BucketOwnerEnforced".into();
        set["encryption"] = "aws:kms".into();
    });
    let refused = cloud.bundle("disk", "s3://today/web", &[]).exits(4);
    refused.says("BucketOwnerEnforced").says("a key of KMS");
    cloud.bundle("disk", "s3://today/web", &["--fix-bucket"]).exits(0);
    cloud.run(["check", "s3://today/web"]).exits(0);
}

#[test]
fn a_bucket_is_found_in_whatever_region_it_is() {
    let cloud = cloud("far-away", "ap-southeast-2", |_| {});
    let manifest = "s3://far-away/web/disk.manifest.xml";
    let options = ["--register", "web", "--wait"];
    let made = cloud.bundle("disk", "s3://far-away/web", &options).exits(0).text();
    let ami = made.lines().nth(1).expect("an AMI");
    cloud.run(["inspect", manifest]).exits(0).prints("disk.part.0");
    // The AMI is where the bundle is.
    cloud.run(["images"]).exits(0).prints_nothing().says("no AMIs in us-east-1");
    cloud.run(["images", "--region", "ap-southeast-2"]).exits(0).prints(ami);
    cloud
        .bundle("disk", "s3://far-away/other", &["--region", "eu-west-1"])
        .exits(0)
        .says("the bucket `far-away` is in ap-southeast-2, not in eu-west-1");
    cloud
        .run([
            "register",
            manifest,
            "--name",
            "x y z",
            "--region",
            "eu-west-1",
            "--virtualization",
            "hvm",
        ])
        .exits(2)
        .says("the bundle is in ap-southeast-2, and EC2 in eu-west-1 cannot read it")
        .says("--region ap-southeast-2");
    cloud.run(["check", "s3://far-away"]).exits(0).prints("bucket  far-away in ap-southeast-2\n");
}

#[test]
fn a_new_bucket_is_made_where_it_is_wanted_with_acls() {
    let cloud = Cloud::new();
    disk(&cloud);
    cloud
        .bundle("disk", "s3://new.one/a", &[])
        .exits(4)
        .says("there is no bucket `new.one`")
        .says("--create-bucket");
    let dry = cloud.bundle("disk", "s3://new.one/a", &["--create-bucket", "--dry-run"]).exits(0);
    dry.says("would make the bucket `new.one`").prints("s3://new.one/a/disk.manifest.xml");
    assert_eq!(cloud.puts(), 0);
    let options = ["--create-bucket", "--region", "eu-central-1"];
    cloud
        .bundle("disk", "s3://new.one/a", &options)
        .exits(0)
        .says("made the bucket `new.one` in eu-central-1");
    cloud.run(["check", "s3://new.one/a", "--json"]).exits(0).prints(r#""region":"eu-central-1""#);
    // One that is there is used.
    cloud
        .bundle("disk", "s3://new.one/b", &["--create-bucket"])
        .exits(0)
        .does_not_say("made the bucket");
    let verify = ["verify", "s3://new.one/a/disk.manifest.xml", "--no-key"];
    cloud.run(verify).exits(0);
}

#[test]
fn what_no_new_bucket_may_be_called_an_old_one_may() {
    let cloud = cloud("Old_Bucket", "us-east-1", |set| set["ownership"] = serde_json::Value::Null);
    cloud.bundle("disk", "s3://Old_Bucket/web", &[]).exits(0);
    cloud.run(["verify", "s3://Old_Bucket/web/disk.manifest.xml", "--no-key"]).exits(0);
    cloud
        .bundle("disk", "s3://Other_Bucket/web", &["--create-bucket"])
        .exits(2)
        .says("the name of a new bucket has lower-case letters, digits, `.` and `-`, unlike `Other_Bucket`");
}

#[test]
fn check_names_exactly_the_action_that_is_missing() {
    let cloud = cloud("images", "us-east-1", |_| {});
    let place = "s3://images/web";
    let checked = cloud.run(["check", place]).exits(0).says_nothing().text();
    assert_eq!(checked.lines().filter(|line| line.starts_with("good ")).count(), 8, "{checked}");
    for (action, required) in [
        ("s3:ListBucket", true),
        ("s3:PutObject", true),
        ("s3:PutObjectAcl", true),
        ("s3:GetObject", true),
        ("s3:DeleteObject", true),
        ("s3:GetObjectAcl", false),
        ("s3:GetBucketOwnershipControls", false),
        ("s3:GetEncryptionConfiguration", false),
    ] {
        cloud.aws.deny(&[action]).expect("the list of what is denied");
        let text = cloud.run(["check", place]).exits(if required { 4 } else { 0 });
        let missing: Vec<_> = text
            .text()
            .lines()
            .filter(|line| line.starts_with("missing"))
            .map(|line| line.split_whitespace().nth(1).expect("an action").to_owned())
            .collect();
        assert_eq!(missing, [action], "{}", text.text());
        if required {
            text.says(&format!("hint: allow {action} on it\n"));
        }
        let json = cloud.run(["check", place, "--json"]).json();
        assert_eq!(json["good"], !required);
        let permissions = json["permissions"].as_array().expect("a list");
        let missing: Vec<_> = permissions.iter().filter(|it| it["result"] == "missing").collect();
        assert_eq!(missing.len(), 1, "{json}");
        assert_eq!(missing[0]["action"], action);
        assert_eq!(missing[0]["required"], required);
        assert!(
            missing[0]["why"].as_str().is_some_and(|why| why.contains("AccessDenied")),
            "{json}"
        );
    }
    cloud.aws.deny(&[]).expect("the list of what is denied");
    // The one object that could not be removed is left, and hidden.
    let left = cloud.state().keys("images");
    assert!(left.iter().all(|key| key.starts_with("web/.baler-check-")), "{left:?}");
    cloud
        .run(["check", "s3://nobody-has-this"])
        .exits(4)
        .says("there is no bucket `nobody-has-this`");
}

#[test]
fn the_first_refusal_is_told_whole() {
    let cloud = cloud("images", "us-east-1", |_| {});
    for (action, operation) in [("s3:PutObject", "PutObject"), ("s3:PutObjectAcl", "PutObject")] {
        cloud.aws.deny(&[action]).expect("the list of what is denied");
        let before = cloud.aws.requests().len();
        cloud
            .bundle("disk", "s3://images/web", &[])
            .exits(4)
            .prints_nothing()
            .says(&format!("{operation} `s3://images/web/disk.part.0`: AccessDenied: "))
            .says("(HTTP 403, request ")
            .says("hint: the credentials need s3:PutObject and, for the ACL, s3:PutObjectAcl");
        let sent = cloud.asked(before).into_iter().filter(|name| name == "PutObject").count();
        assert_eq!(sent, 1, "what is forbidden is not tried again");
        assert_eq!(cloud.state().keys("images"), [""; 0]);
    }
    cloud.aws.deny(&["s3:CreateBucket"]).expect("the list of what is denied");
    cloud
        .bundle("disk", "s3://not-yet", &["--create-bucket"])
        .exits(4)
        .says("CreateBucket `s3://not-yet`: AccessDenied")
        .says("s3:CreateBucket");
    // Who may only write can bundle.
    let denied =
        ["s3:ListBucket", "s3:GetBucketOwnershipControls", "s3:GetEncryptionConfiguration"];
    cloud.aws.deny(&denied).expect("the list of what is denied");
    cloud.bundle("disk", "s3://images/web", &[]).exits(0);
    let keys = cloud.state().keys("images");
    // It comes upon the bundle only when it puts, and leaves it as it is.
    cloud.bundle("disk", "s3://images/web", &[]).exits(4).says("--force");
    assert_eq!(cloud.state().keys("images"), keys);
    assert_eq!(keys, ["web/disk.manifest.xml", "web/disk.part.0"]);
}
