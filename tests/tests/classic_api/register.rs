//! What `ec2-register` takes, and what becomes of it.

use crate::*;

#[test]
fn what_is_registered_is_what_was_said() {
    let cloud = cloud();
    let mut n = 0;
    for (options, field, value) in [
        ("", "name", "NAME"),
        ("-d text", "description", "text"),
        ("-dtext", "description", "text"),
        ("--description text", "description", "text"),
        ("--description=text", "description", "text"),
        ("--desc text", "description", "text"),
        ("-d x -d text", "description", "text"),
        ("-a x86_64", "architecture", "x86_64"),
        ("--architecture i386", "architecture", "i386"),
        ("--arch=arm64", "architecture", "arm64"),
        ("--root-device-name /dev/xvda", "rootDeviceName", "/dev/xvda"),
        ("--root sda1", "rootDeviceName", "sda1"),
        ("--sriov simple", "sriovNetSupport", "simple"),
        ("--sr=simple", "sriovNetSupport", "simple"),
        ("-K none.pem -C none.pem --connection-timeout 0 --request-timeout 0", "name", "NAME"),
        ("--private-key=none.pem --cert none.pem --conn 5 --req 60", "name", "NAME"),
    ] {
        for name in ["-n", "--name"] {
            n += 1;
            let ami = register(&cloud, &format!("{name} web-{n} {options}"));
            let found = &kept(&cloud, &ami)["fields"];
            let value = value.replace("NAME", &format!("web-{n}"));
            assert_eq!(found[field], value, "{options}: {found}");
            assert_eq!(found["virtualizationType"], "hvm");
        }
    }
    for option in ["-b", "--block-device-mapping", "--block"] {
        n += 1;
        let options = format!(
            "-n web-{n} {option} /dev/sdb=ephemeral0 {option} sdc=ephemeral3 {option} xvdd=none"
        );
        let ami = register(&cloud, &options);
        let wanted = json!([
            { "deviceName": "/dev/sdb", "virtualName": "ephemeral0" },
            { "deviceName": "sdc", "virtualName": "ephemeral3" },
            { "deviceName": "xvdd", "noDevice": "" },
        ]);
        assert_eq!(kept(&cloud, &ami)["mappings"], wanted);
    }
    let kernels = "--kernel aki-919dcaf8 --ramdisk ari-a51cf9cc";
    let line = format!("ec2reg {MANIFEST} -n web-pv {kernels} -a x86_64");
    let ami = id_in(&typed(&cloud, &line).exits(0).says_nothing());
    let found = &kept(&cloud, &ami)["fields"];
    assert_eq!(found["virtualizationType"], "paravirtual");
    assert_eq!(
        (&found["kernelId"], &found["ramdiskId"]),
        (&json!("aki-919dcaf8"), &json!("ari-a51cf9cc"))
    );
}

#[test]
fn it_is_paravirtual_if_nothing_is_said_and_that_is() {
    let cloud = cloud();
    for (options, kind, is_said) in [
        ("", "paravirtual", true),
        ("-a x86_64", "paravirtual", true),
        ("--virtualization-type paravirtual", "paravirtual", false),
        ("--virt hvm", "hvm", false),
        ("--kernel aki-919dcaf8", "paravirtual", false),
        ("-a arm64", "hvm", false),
    ] {
        let ran = typed(&cloud, &format!("ec2-register {MANIFEST} {options}")).exits(0);
        let ami = id_in(&ran);
        assert_eq!(image_of(&cloud, &ami)["virtualization"], kind, "{options}");
        match is_said {
            true => {
                assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
                ran.says("ec2-register: warning: ").says("needs --virtualization-type hvm");
            }
            false => drop(ran.says_nothing()),
        }
        typed(&cloud, &format!("ec2-deregister {ami}")).exits(0);
    }
}

#[test]
fn an_image_without_a_name_is_called_like_its_manifest() {
    let cloud = cloud();
    let ami = register(&cloud, "");
    assert_eq!(image_of(&cloud, &ami)["name"], "images/web/disk");
    // The same again is the same image, however its place is written.
    for place in [MANIFEST, &format!("/{MANIFEST}"), &format!("s3://{MANIFEST}")] {
        let again = typed(&cloud, &format!("ec2-register {place} --virtualization-type hvm"));
        let again =
            again.exits(0).says("`images/web/disk` is ").says("already; nothing was registered");
        assert_eq!(id_in(&again), ami);
    }
    // What EC2 takes in a key, and not in a name.
    cloud.run(["copy", &format!("s3://{MANIFEST}"), "s3://images/a+b"]).exits(0);
    let line = "ec2-register images/a+b/disk.manifest.xml --virtualization-type hvm";
    let other = id_in(&typed(&cloud, line).exits(0).says_nothing());
    let name = image_of(&cloud, &other)["name"].as_str().expect("a name").to_owned();
    assert!(name.starts_with("images/a-b/disk-") && name.len() == 24, "{name}");
    // A name that another has.
    let line =
        "ec2-register images/a+b/disk.manifest.xml -n images/web/disk --virtualization-type hvm";
    typed(&cloud, line).exits(1).prints_nothing().says(&format!("is taken by {ami}"));
}

#[test]
fn an_image_is_made_from_snapshots() {
    let cloud = cloud();
    let (root, data) = (cloud.aws.add_snapshot("us-east-1"), cloud.aws.add_snapshot("us-east-1"));
    let (root, data) = (root.expect("a snapshot"), data.expect("a snapshot"));
    let whole = |device: &str, snapshot: &str| json!({ "deviceName": device, "ebs.deleteOnTermination": "true", "ebs.snapshotId": snapshot });
    for (n, (options, root_device, mappings)) in [
        (format!("-s {root}"), "/dev/sda1", json!([whole("/dev/sda1", &root)])),
        (format!("--snapshot {root} --root /dev/xvda"), "/dev/xvda", json!([whole("/dev/xvda", &root)])),
        (
            format!("-s {root} -b /dev/sdb=ephemeral0 -b /dev/sdf={data} -b sdg=:100:false:io1:1000"),
            "/dev/sda1",
            json!([
                { "deviceName": "/dev/sdb", "virtualName": "ephemeral0" },
                whole("/dev/sda1", &root),
                whole("/dev/sdf", &data),
                { "deviceName": "sdg", "ebs.deleteOnTermination": "false", "ebs.iops": "1000", "ebs.volumeSize": "100",
                  "ebs.volumeType": "io1" },
            ]),
        ),
        (
            format!("--block-device-mapping /dev/sda1={root}:20::gp2"),
            "/dev/sda1",
            json!([{ "deviceName": "/dev/sda1", "ebs.deleteOnTermination": "true", "ebs.snapshotId": root,
                     "ebs.volumeSize": "20", "ebs.volumeType": "gp2" }]),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let line = format!("ec2-register -n ebs-{n} -a x86_64 --virtualization-type hvm {options}");
        let ami = id_in(&typed(&cloud, &line).exits(0).says_nothing());
        let found = kept(&cloud, &ami);
        assert_eq!(found["mappings"], mappings, "{options}");
        let fields = &found["fields"];
        assert_eq!((&fields["rootDeviceType"], &fields["rootDeviceName"]), (&json!("ebs"), &json!(root_device)));
    }
    let line = format!("ec2-register -n i386 -s {root} --virtualization-type hvm");
    let ami =
        id_in(&typed(&cloud, &line).exits(0).says("without --architecture, EC2 assumes i386"));
    assert_eq!(image_of(&cloud, &ami)["architecture"], "i386");
    let both = "are both for the root device";
    for (options, says) in [
        (format!("-n ebs -s {root} -b /dev/sda1={root}"), both),
        (format!("-n ebs -s {root} -b sda1=:8"), both),
        (format!("-n ebs -s {root} -b sda1=none"), both),
        (format!("-n ebs -s {root} --root sdf -b /dev/sdf={data}"), both),
        (
            format!("-n ebs -b /dev/sdf={root}"),
            "the root device is `/dev/sda1`, and no snapshot is behind it",
        ),
        ("-n ebs -b /dev/sda1=:8".to_owned(), "no snapshot is behind it"),
        (format!("-s {root}"), "missing mandatory parameter: --name"),
        (format!("{MANIFEST} -s {root}"), "a manifest and --snapshot exclude each other"),
        (format!("{MANIFEST} -b sdf={root}"), "cannot have EBS volumes, as for sdf"),
        ("-n ebs".to_owned(), "missing argument: a manifest, or else --snapshot"),
        ("-n ebs -b sdb=ephemeral0".to_owned(), "missing argument: a manifest, or else --snapshot"),
        (String::new(), "missing argument: a manifest"),
        (
            "-n ebs -s snap-0123456789abcdef0 -a x86_64 --virt hvm".to_owned(),
            "InvalidSnapshot.NotFound",
        ),
    ] {
        typed(&cloud, &format!("ec2-register {options}")).exits(1).prints_nothing().says(says);
    }
}
