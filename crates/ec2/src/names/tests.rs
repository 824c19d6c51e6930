use std::fmt::Debug;
use std::str::FromStr;

use baler_aws::NameError;

use super::*;
use crate::boot::Virtualization;

fn good<T: FromStr<Err = NameError> + ToString + Debug>(cases: &[&str]) {
    for case in cases {
        assert_eq!(case.parse::<T>().expect(case).to_string(), *case);
    }
}

fn bad<T: FromStr<Err = NameError> + Debug>(cases: &[(&str, &str)]) {
    for (case, says) in cases {
        let error = case.parse::<T>().expect_err(case).to_string();
        assert!(error.contains(says), "{error}");
        assert!(error.starts_with(&format!("`{case}` is not a")), "{error}");
    }
}

#[test]
fn ami_names() {
    let longest = "x".repeat(128);
    good::<AmiName>(&["abc", "my image (2026) [x86_64] v1.2/a-b'c@d_e", &longest]);
    let too_long = "x".repeat(129);
    bad::<AmiName>(&[
        ("ab", "3 to 128 characters, not 2"),
        ("", "not 0"),
        (&too_long, "not 129"),
        ("bad*name!", "`*` is not allowed"),
        ("bad*name!", "did you mean `bad-name-`?"),
        ("na\u{ef}ve", "`\u{ef}` is not allowed"),
        (" abc", "did you mean `abc`?"),
    ]);
}

#[test]
fn identifiers() {
    good::<AmiId>(&["ami-01234567", "ami-0123456789abcdef0"]);
    good::<ImageId>(&["ami-01234567", "aki-5c21674b", "ari-0123456789abcdef0"]);
    bad::<ImageId>(&[("aki-1", "`aki-` and 8 or 17"), ("snap-01234567", "`ami-` and 8 or 17")]);
    good::<SnapshotId>(&["snap-0123456789abcdef0"]);
    good::<KernelId>(&["aki-5c21674b"]);
    good::<RamdiskId>(&["ari-a51cf9cc"]);
    bad::<AmiId>(&[
        ("ami-0123", "8 or 17"),
        ("ami-0123456g", "8 or 17"),
        ("aki-01234567", "`ami-`"),
        ("AMI-0123ABCD", "did you mean `ami-0123abcd`?"),
        ("ami01234567", "`ami-`"),
        ("", "8 or 17"),
    ]);
}

#[test]
fn organizations() {
    good::<OrganizationArn>(&["arn:aws:organizations::123456789012:organization/o-a1b2c3d4e5"]);
    good::<OrganizationalUnitArn>(&[
        "arn:aws-us-gov:organizations::123456789012:ou/o-a1b2c3d4e5/ou-ab12-cdef3456",
    ]);
    bad::<OrganizationArn>(&[
        ("o-a1b2c3d4e5", "organization/o-"),
        ("arn:aws:organizations::123:organization/o-a1b2c3d4e5", "organization/o-"),
        ("arn:aws:organizations::123456789012:ou/o-a1b2c3d4e5/ou-ab12-cdef3456", "organization/o-"),
    ]);
    bad::<OrganizationalUnitArn>(&[(
        "arn:aws:organizations::123456789012:organization/o-a1b2c3d4e5",
        "ou/o-",
    )]);
}

#[test]
fn devices() {
    good::<DeviceName>(&[
        "/dev/sda",
        "sdb",
        "/dev/sda1",
        "sdz15",
        "xvda",
        "/dev/xvdb",
        "xvdba",
        "xvdcz",
        "xvda1",
        "hda1",
    ]);
    bad::<DeviceName>(&[
        ("xvdal", "did you mean `xvda1`?"),
        ("/dev/xvdal", "did you mean `/dev/xvda1`?"),
        ("sdalo", "did you mean `sda10`?"),
        ("SDB", "did you mean `sdb`?"),
        ("sda16", "EC2 names devices"),
        ("sda0", "EC2 names devices"),
        ("xvdda", "EC2 names devices"),
        ("/dev/nvme0n1", "NVMe names are the guest's"),
        ("/dev/", "EC2 names devices"),
        ("xv\u{e9}", "EC2 names devices"),
        ("sd", "EC2 names devices"),
    ]);
}

#[test]
fn devices_of_a_kind_of_machine() {
    let check = |device: &str, kind| device.parse::<DeviceName>().expect(device).check(kind);
    for device in ["/dev/sda", "sda1", "/dev/xvda", "xvdca", "/dev/sdb"] {
        check(device, Virtualization::Hvm).expect(device);
    }
    for device in ["/dev/sda1", "sdb15", "sdb", "xvda1", "/dev/hda1"] {
        check(device, Virtualization::Paravirtual).expect(device);
    }
    let error = check("/dev/sdb1", Virtualization::Hvm).expect_err("a partition");
    assert_eq!(error.suggestion.as_deref(), Some("/dev/sdb"));
    check("hda", Virtualization::Hvm).expect_err("an IDE disk");
    check("xvdba", Virtualization::Paravirtual).expect_err("two letters");
}

#[test]
fn mappings() {
    good::<Mapping>(&[
        "/dev/sdb=ephemeral0",
        "xvdb=ephemeral1",
        "/dev/sdc=none",
        "sdd=ephemeral23",
    ]);
    bad::<Mapping>(&[
        ("/dev/sdb", "`DEVICE=VALUE`"),
        ("ephemeral0=sdb", "did you mean `sdb=ephemeral0`?"),
        ("/dev/sdb=ephemeral24", "`ephemeral0` to `ephemeral23`"),
        ("/dev/sdb=ephemeral01", "`ephemeral0` to `ephemeral23`"),
        ("/dev/sdb=", "`ephemeral0` to `ephemeral23`"),
        ("/dev/sdc=snap-01234567:10:true:gp2", "it is an EBS volume"),
        ("/dev/sdc=:100", "it is an EBS volume"),
    ]);
    let error = "xvdal=ephemeral0".parse::<Mapping>().expect_err("a typo").to_string();
    assert!(error.contains("did you mean `xvda1`?"), "{error}");
}

#[test]
fn ebs_volumes() {
    for (text, whole) in [
        ("/dev/sda1=snap-01234567", "/dev/sda1=snap-01234567::true:"),
        ("/dev/sda1=snap-01234567:", "/dev/sda1=snap-01234567::true:"),
        ("sdb=:100", "sdb=:100:true:"),
        ("sdb=:100:false", "sdb=:100:false:"),
        ("sdb=snap-01234567::false:gp3", "sdb=snap-01234567::false:gp3"),
        ("sdb=snap-01234567:8::io1:1000", "sdb=snap-01234567:8:true:io1:1000"),
    ] {
        let volume = text.parse::<EbsVolume>().expect(text);
        assert_eq!(volume.to_string(), whole);
        assert_eq!(whole.parse::<EbsVolume>().expect(whole), volume);
    }
    bad::<EbsVolume>(&[
        ("sdb", "DEVICE="),
        ("sdb=:", "a snapshot or a size"),
        ("sdb=::false", "a snapshot or a size"),
        ("sdb=:0", "GiB"),
        ("sdb=:1x", "GiB"),
        ("sdb=:1:yes", "`true` or `false`"),
        ("sdb=:1::GP3", "EC2's words"),
        ("sdb=:1::io1:fast", "operations a second"),
        ("sdb=:1:::1000", "go with a type"),
        ("sdb=:1::io1:1000:x", "DEVICE="),
    ]);
    for (text, says) in [("nvme0n1=:1", "NVMe"), ("sdb=snap-1", "a snapshot id")] {
        let error = text.parse::<EbsVolume>().expect_err(text).to_string();
        assert!(error.contains(says), "{error}");
    }
}
