//! What is refused: by the commands themselves, and by EC2.

use crate::*;

#[test]
fn what_is_wrong_is_told_and_nothing_is_asked() {
    let cloud = cloud();
    let before = cloud.aws.requests().len();
    for (command, says) in [
        ("ec2-register --no-such", "invalid option: --no-such"),
        ("ec2-register -z", "invalid option: -z"),
        ("ec2-register -n", "missing argument: -n"),
        ("ec2-register m/m -n -d x", "missing argument: -n (`-d` is an option)"),
        ("ec2-register m/m --r x", "ambiguous option: --r"),
        ("ec2-register m/m --verbose=1", "needless argument: --verbose"),
        ("ec2-register m/m n/n", "more than one manifest is named"),
        ("ec2-register m", "`m` is not a manifest's location: it is `bucket/key`"),
        ("ec2-register http://x/m/m", "without a scheme and a host"),
        ("ec2-register m//m", "double slash"),
        ("ec2-register m/m -n ab", "--name has invalid value 'ab': "),
        ("ec2-register m/m -n a*b", "did you mean `a-b`?"),
        (
            "ec2-register m/m -a sparc",
            "--architecture has invalid value 'sparc': it is i386 or x86_64 or arm64",
        ),
        ("ec2-register m/m -b sdb", "--block-device-mapping has invalid value 'sdb': "),
        ("ec2-register m/m -b ephemeral0=sdb", "did you mean `sdb=ephemeral0`?"),
        ("ec2-register m/m -b sdb=ephemeral99", "`ephemeral0` to `ephemeral23`"),
        ("ec2-register m/m -b xvdal=ephemeral0", "did you mean `xvda1`?"),
        ("ec2-register m/m -b sdb=:x", "its size is a number of GiB"),
        ("ec2-register m/m -b sdb=none -b /dev/sdb=ephemeral0", "mapped twice"),
        ("ec2-register m/m -s snap-1", "`snap-1` is not a snapshot id"),
        ("ec2-register m/m --kernel ami-01234567", "--kernel has invalid value 'ami-01234567': "),
        ("ec2-register m/m --ramdisk aki-01234567", "`aki-01234567` is not a RAM disk id"),
        ("ec2-register m/m --root-device-name nvme0n1", "NVMe names are the guest's"),
        ("ec2-register m/m --virtualization-type xen", "it is hvm or paravirtual"),
        (
            "ec2-register m/m --virtualization-type hvm --kernel aki-01234567",
            "not from kernel `aki-01234567`",
        ),
        ("ec2-register m/m --sriov full --virtualization-type hvm", "it is simple"),
        ("ec2-register m/m --sriov simple", "enhanced networking is for HVM images only"),
        ("ec2-deregister", "missing argument: the image's id"),
        ("ec2-deregister ami-01234567 ami-01234568", "one image at a time, but 2 are given"),
        ("ec2-deregister web", "`web` is not an image id"),
        (
            "ec2-deregister aki-01234567",
            "aki-01234567 is not an AMI: kernels and RAM disks belong to AWS",
        ),
        ("ec2-deregister ari-01234567", "ari-01234567 is not an AMI"),
        ("ec2-deregister -a ami-01234567", "invalid option: -a"),
        ("ec2-describe-images ami-1", "`ami-1` is not an image id"),
        ("ec2-describe-images -a -o self", "--all excludes"),
        ("ec2-describe-images -a -x self", "--all excludes"),
        ("ec2-describe-images -a ami-01234567", "--all excludes"),
        ("ec2-describe-images -o 1234", "--owner has invalid value '1234': "),
        ("ec2-describe-images -x amazon", "--executable-by has invalid value 'amazon': "),
        ("ec2-describe-images -F name", "a filter is NAME=VALUE"),
        ("ec2-describe-images -F =x", "a filter is NAME=VALUE"),
        ("ec2-describe-images -l", "invalid option: -l"),
        ("ec2-modify-image-attribute", "missing argument: the image's id"),
        ("ec2-modify-image-attribute aki-01234567 -l -a all", "`aki-01234567` is not an AMI id"),
        (
            "ec2-modify-image-attribute ami-01234567 -a all",
            "missing mandatory parameter: --launch-permission",
        ),
        (
            "ec2-modify-image-attribute ami-01234567 -l",
            "missing mandatory parameter: --add or --remove",
        ),
        (
            "ec2-modify-image-attribute ami-01234567 -l -a all -r all",
            "--add and --remove exclude each other",
        ),
        (
            "ec2-modify-image-attribute ami-01234567 -l -a -r",
            "missing argument: -a (`-r` is an option)",
        ),
        (
            "ec2-modify-image-attribute ami-01234567 -l -a everyone",
            "12 digits, or 1234-5678-9012; or `all`",
        ),
        (
            "ec2-modify-image-attribute ami-01234567 -l -r 1234",
            "--remove has invalid value '1234': ",
        ),
        ("ec2-modify-image-attribute ami-01234567 -p CODE", "EC2 no longer accepts product codes"),
        (
            "ec2-modify-image-attribute ami-01234567 --prod=CODE",
            "EC2 no longer accepts product codes",
        ),
        (
            "ec2-modify-image-attribute ami-01234567 -l -p CODE",
            "EC2 no longer accepts product codes",
        ),
    ] {
        typed(&cloud, command).exits(1).prints_nothing().says(says);
    }
    let rest = [
        ("--region us_east_1", "--region has invalid value 'us_east_1': "),
        ("-U nowhere", "--url has an invalid value: an endpoint is `https://HOST`"),
        ("--url https://me:PASSWORD@host", "--url has an invalid value"),
        ("--connection-timeout soon", "--connection-timeout has invalid value 'soon': "),
        ("--request-timeout -1", "--request-timeout has invalid value '-1': "),
        ("-O KEYID", "missing mandatory parameter: --aws-secret-key"),
        ("-W PASSWORD", "missing mandatory parameter: --aws-access-key"),
        ("-T PASSWORD", "missing mandatory parameter: --aws-access-key"),
    ];
    for command in [
        "ec2-register m/m --virtualization-type hvm",
        "ec2-deregister ami-01234567",
        "ec2-describe-images",
        "ec2-modify-image-attribute ami-01234567 -l -a all",
    ] {
        for (options, says) in rest {
            let ran = typed(&cloud, &format!("{command} {options}")).exits(1).prints_nothing();
            ran.says(says).says("Try 'ec2-").does_not_say("PASSWORD");
        }
    }
    assert_eq!(cloud.aws.requests().len(), before);
}

#[test]
fn what_ec2_refuses_is_a_failure_with_a_hint() {
    let cloud = cloud();
    let ami = register(&cloud, "-n web");
    typed(&cloud, "ec2reg images/none.manifest.xml --virt hvm")
        .exits(1)
        .prints_nothing()
        .says("ERROR: registering `images/none.manifest.xml` as `images/none`")
        .says("InvalidManifest")
        .says("hint: ");
    typed(&cloud, &format!("ec2reg {MANIFEST} -n europe --virt hvm --region eu-west-1"))
        .exits(1)
        .says("hint: the bucket is in another region");
    cloud.aws.block_public_images("us-east-1", true).expect("a setting");
    typed(&cloud, &format!("ec2matt {ami} -l -a all"))
        .exits(1)
        .prints_nothing()
        .says("OperationNotPermitted")
        .says("blocks public access");
    let actions = ["ec2:RegisterImage", "ec2:ModifyImageAttribute", "ec2:DeregisterImage"];
    cloud.aws.deny(&actions).expect("the list of what is denied");
    for (line, action) in [
        (format!("ec2reg {MANIFEST} -n other --virt hvm"), actions[0]),
        (format!("ec2matt {ami} -l -a 111122223333"), actions[1]),
        (format!("ec2dereg {ami}"), actions[2]),
    ] {
        typed(&cloud, &line)
            .exits(1)
            .prints_nothing()
            .says("UnauthorizedOperation")
            .says(&format!("hint: the credentials need `{action}`"));
    }
    assert_eq!(image_of(&cloud, &ami)["name"], "web");
}
