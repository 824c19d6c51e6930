//! The EC2 API tools, as far as they are for images: what scripts type, and the lines and codes that they look at.

mod classic_api {
    mod access;
    mod describe;
    mod refused;
    mod register;
}

use std::os::unix::fs::symlink;
use std::process::Command;

use baler_tests::{Cloud, Ran, State, baler_binary, capture, feed, image};
use serde_json::{Value, json};

/// All commands, with all of their names.
const COMMANDS: [&[&str]; 4] = [
    &["ec2-register", "ec2reg"],
    &["ec2-deregister", "ec2dereg"],
    &["ec2-describe-images", "ec2dim"],
    &["ec2-modify-image-attribute", "ec2mimatt", "ec2matt"],
];

const MANIFEST: &str = "images/web/disk.manifest.xml";

/// A bundle in S3.
fn cloud() -> Cloud {
    let cloud = Cloud::with_buckets(&[("images", "us-east-1")]);
    image::write(&cloud.user.path("disk"), 1 << 20, &[(0, &image::noise(5000, 3))]);
    cloud.bundle("disk", "s3://images/web", &[]).exits(0);
    cloud
}

/// Types a command as a shell would, words between spaces.
fn typed(cloud: &Cloud, line: &str) -> Ran {
    cloud.run(line.split_whitespace())
}

/// The id that `ec2-register` prints.
#[track_caller]
fn id_in(ran: &Ran) -> String {
    let text = ran.text();
    let id = text.strip_prefix("IMAGE\t").and_then(|rest| rest.strip_suffix('\n'));
    let id = id.unwrap_or_else(|| panic!("{}\n{text}{}", ran.line, ran.stderr));
    assert!(id.starts_with("ami-") && id.len() == 21, "{text}");
    id.to_owned()
}

#[track_caller]
fn register(cloud: &Cloud, options: &str) -> String {
    let line = format!("ec2-register {MANIFEST} --virtualization-type hvm {options}");
    id_in(&typed(cloud, &line).exits(0).says_nothing())
}

/// What EC2 has, as `baler images` tells it.
fn image_of(cloud: &Cloud, ami: &str) -> Value {
    cloud.run(["images", ami, "--json"]).exits(0).json()[0].clone()
}

/// What EC2 itself keeps of an image.
fn kept(cloud: &Cloud, ami: &str) -> Value {
    let mut found = Value::Null;
    cloud.state().ec2(|ec2| {
        let images = ec2["images"].as_array().expect("images");
        found = images.iter().find(|image| image["id"] == ami).expect("the image").clone();
    });
    found
}

#[test]
fn an_image_is_registered_shared_and_deregistered_by_all_names() {
    let cloud = cloud();
    for [reg, matt, dim, dereg] in [
        ["ec2-register", "ec2-modify-image-attribute", "ec2-describe-images", "ec2-deregister"],
        ["ec2reg", "ec2mimatt", "ec2dim", "ec2dereg"],
        ["ec2reg", "ec2matt", "ec2dim", "ec2dereg"],
    ] {
        let registered =
            typed(&cloud, &format!("{reg} {MANIFEST} -n web --virtualization-type hvm"));
        let ami = id_in(&registered.exits(0).says_nothing());
        let image = image_of(&cloud, &ami);
        assert_eq!((&image["name"], &image["manifest"]), (&json!("web"), &json!(MANIFEST)));
        let share = |options: &str| typed(&cloud, &format!("{matt} {ami} -l {options}"));
        let shared = share("-a 111122223333").exits(0).says_nothing().text();
        assert_eq!(shared, format!("launchPermission\t{ami}\tADD\tuserId\t111122223333\n"));
        let shared = share("-a all").exits(0).says_nothing().text();
        assert_eq!(shared, format!("launchPermission\t{ami}\tADD\tgroup\tall\n"));
        assert_eq!(image_of(&cloud, &ami)["public"], true);
        let described = typed(&cloud, &format!("{dim} {ami}")).exits(0).says_nothing().text();
        assert!(described.contains("\tpublic\t"), "{described}");
        let show = || cloud.run(["share", &ami, "--show"]).exits(0).text();
        assert_eq!(show(), "all\n111122223333\n");
        let taken = share("-r all").exits(0).says_nothing().text();
        assert_eq!(taken, format!("launchPermission\t{ami}\tREMOVE\tgroup\tall\n"));
        assert_eq!(show(), "111122223333\n");
        let gone = typed(&cloud, &format!("{dereg} {ami}")).exits(0).says_nothing().text();
        assert_eq!(gone, format!("IMAGE\t{ami}\n"));
        assert_eq!(cloud.run(["images", "--json"]).exits(0).json(), json!([]));
        // What is not there any more is a failure like every other.
        for line in
            [format!("{dereg} {ami}"), format!("{dim} {ami}"), format!("{matt} {ami} -l -a all")]
        {
            typed(&cloud, &line).exits(1).prints_nothing().says("InvalidAMIID.Unavailable");
        }
    }
    // The bundle is still there.
    assert_eq!(cloud.state().keys("images").len(), 2);
}

#[test]
fn a_command_answers_to_its_name_in_path() {
    let cloud = cloud();
    for name in COMMANDS.iter().copied().flatten() {
        let link = cloud.user.path(name);
        symlink(baler_binary(), &link).expect("a link");
        let help = capture(cloud.command(&link).arg("-?")).exits(0).says_nothing().text();
        assert!(help.contains("\nUsage: ec2-") && help.contains("--aws-access-key"), "{help}");
    }
    let link = cloud.user.path("ec2dim");
    capture(&mut cloud.command(link)).exits(0).prints_nothing().says_nothing();
}

#[test]
fn each_command_helps() {
    let cloud = cloud();
    for name in COMMANDS.iter().copied().flatten() {
        let help = typed(&cloud, &format!("{name} --help")).exits(0).says_nothing().text();
        for same in ["-?", "-h", "--hel", "-H -?", "x y z --no-such --help", "-? --no-such"] {
            let ran = typed(&cloud, &format!("{name} {same}"));
            match same.contains("no-such") {
                true => ran.exits(1).prints_nothing().says("invalid option: --no-such"),
                false => ran.exits(0).says_nothing().prints(&help),
            };
        }
        typed(&cloud, &format!("help {name}"))
            .exits(0)
            .prints(
                "
Usage: ec2-",
            )
            .prints(" baler ");
    }
    typed(&cloud, "help classic").exits(0).prints("\nec2-register, ec2reg ");
    assert_eq!(cloud.asked(0).iter().filter(|name| name.contains("Image")).count(), 0);
}

#[test]
fn every_command_prints_headers() {
    let cloud = cloud();
    let ami = register(&cloud, "-n web");
    // The name is taken: EC2 would say no more than that.
    typed(&cloud, &format!("ec2reg {MANIFEST} -n web --virt hvm"))
        .exits(1)
        .prints_nothing()
        .says(&format!("ERROR: `web` is {ami} already\n"));
    let text = typed(&cloud, &format!("ec2reg -H {MANIFEST} -n other --virt hvm")).exits(0).text();
    assert!(text.starts_with("Type\tImageID\nIMAGE\tami-"), "{text}");
    let share = format!("ec2matt {ami} --headers --launch --add 1111-2222-3333 --add=all");
    let wanted = "Attribute\tImageID\tOperation\tItemType\tValue\n\
                  launchPermission\tAMI\tADD\tuserId\t111122223333\nlaunchPermission\tAMI\tADD\tgroup\tall\n";
    let text = typed(&cloud, &share).exits(0).says_nothing().text();
    assert_eq!(text, wanted.replace("AMI", &ami));
    let text =
        typed(&cloud, &format!("ec2matt {ami} --launch-permission --remove all")).exits(0).text();
    assert_eq!(text, format!("launchPermission\t{ami}\tREMOVE\tgroup\tall\n"));
    let text = typed(&cloud, &format!("ec2dereg -H {ami}")).exits(0).says_nothing().text();
    assert_eq!(text, format!("Type\tImageID\nIMAGE\t{ami}\n"));
}
