//! What `ec2-describe-images` prints, and values that come from standard input.

use crate::*;

/// Those of others, who are 111122223333.
const SHARED: &str = "ami-00000000000000003";
const WINDOWS: &str = "ami-00000000000000004";
const PRIVATE: &str = "ami-00000000000000005";

/// The same with images that others registered, and two that have everything that an image can have.
fn furnished(cloud: Cloud, ami: &str) -> Cloud {
    let ami = ami.to_owned();
    cloud.changed(move |state: &State| {
        state.ec2(|ec2| {
            let images = ec2["images"].as_array_mut().expect("images");
            let own = images.iter().position(|image| image["id"] == ami.as_str()).expect("ours");
            let own = &mut images[own];
            own["fields"]["imageState"] = "available".into();
            own["mappings"] = json!([
                { "deviceName": "sdb", "virtualName": "ephemeral0" },
                { "deviceName": "sdc", "noDevice": "" },
            ]);
            own["tags"] = json!({ "Name": "web", "note": "tab\there" });
            own["product_codes"] = json!(["AAAA1111", "BBBB2222"]);
            // Shared with oneself too: it is still one image.
            own["permissions"] = json!([["userId", "123456789012"]]);
            let mut other = own.clone();
            (other["tags"], other["product_codes"]) = (json!({}), json!([]));
            other["mappings"] = json!([
                { "deviceName": "/dev/sda1", "ebs.snapshotId": "snap-01234567", "ebs.volumeSize": "8",
                  "ebs.deleteOnTermination": "true", "ebs.volumeType": "io1", "ebs.iops": "1000" },
                { "deviceName": "/dev/sdf", "ebs.volumeSize": "100", "ebs.deleteOnTermination": "false",
                  "ebs.volumeType": "standard" },
            ]);
            other["fields"] = json!({
                "imageOwnerId": "111122223333", "imageState": "available", "imageLocation": "111122223333/db",
                "name": "db", "architecture": "i386", "imageType": "machine", "kernelId": "aki-919dcaf8",
                "ramdiskId": "ari-a51cf9cc", "rootDeviceType": "ebs", "virtualizationType": "paravirtual",
                "hypervisor": "xen",
            });
            let mut windows = other.clone();
            windows["fields"] = json!({
                "imageOwnerId": "111122223333", "imageOwnerAlias": "amazon", "imageState": "available",
                "imageLocation": "amazon/Windows", "platform": "windows",
            });
            (windows["mappings"], windows["permissions"]) = (json!([]), json!([["group", "all"]]));
            let mut private = windows.clone();
            private["permissions"] = json!([]);
            for (id, mut image) in [(SHARED, other), (WINDOWS, windows), (PRIVATE, private)] {
                image["id"] = id.into();
                images.push(image);
            }
        });
    })
}

/// A cloud with all that, and the id of its own image.
fn gallery() -> (Cloud, String) {
    let cloud = cloud();
    let ami = register(&cloud, "-n web");
    (furnished(cloud, &ami), ami)
}

fn own_line(ami: &str) -> String {
    format!(
        "IMAGE\t{ami}\t123456789012/web\t123456789012\tavailable\tprivate\tAAAA1111,BBBB2222\tx86_64\tmachine\
         \t\t\t\tinstance-store\thvm\txen\n"
    )
}

fn own_mappings() -> String {
    "BLOCKDEVICEMAPPING\tEPHEMERAL\tsdb\tephemeral0\n".to_owned()
}

fn own_tags(ami: &str) -> String {
    format!("TAG\timage\t{ami}\tName\tweb\nTAG\timage\t{ami}\tnote\ttab\\there\n")
}

const SHARED_LINES: &str = "\
IMAGE\tami-00000000000000003\t111122223333/db\t111122223333\tavailable\tprivate\t\ti386\tmachine\taki-919dcaf8\
\tari-a51cf9cc\t\tebs\tparavirtual\txen
BLOCKDEVICEMAPPING\tEBS\t/dev/sda1\t\tsnap-01234567\t8\ttrue\tio1\t1000
BLOCKDEVICEMAPPING\tEBS\t/dev/sdf\t\t\t100\tfalse\tstandard\t
";

const WINDOWS_LINE: &str = "\
IMAGE\tami-00000000000000004\tamazon/Windows\tamazon\tavailable\tpublic\t\t\t\t\t\twindows\t\t\t
";

const HEAD: &str = "\
Type\tImageID\tName\tOwner\tState\tAccessibility\tProductCodes\tArchitecture\tImageType\tKernelID\tRamdiskID\tPlatform\
\tRootDeviceType\tVirtualizationType\tHypervisor
";

#[test]
fn images_are_described_in_columns() {
    let (cloud, ami) = gallery();
    let (line, mappings, tags) = (own_line(&ami), own_mappings(), own_tags(&ami));
    let own = format!("{line}{mappings}{tags}");
    let both = format!("{own}{SHARED_LINES}");
    let all = format!("{both}{WINDOWS_LINE}");
    let nothing = String::new();
    let others = format!("{SHARED_LINES}{WINDOWS_LINE}");
    for (options, wanted) in [
        // One's own, and what was shared by name: each once.
        ("", &both),
        ("-a", &all),
        ("--all", &all),
        ("--al", &all),
        ("-o self", &own),
        ("--owner self", &own),
        ("--own=self", &own),
        ("-oself", &own),
        ("-o 123456789012", &own),
        ("-o 1234-5678-9012", &own),
        ("-o amazon", &WINDOWS_LINE.to_owned()),
        ("-o 111122223333", &others),
        ("-o self -o amazon", &format!("{own}{WINDOWS_LINE}")),
        ("-o aws-marketplace", &nothing),
        ("-x self", &both),
        ("--executable-by self", &both),
        ("--exec=all", &WINDOWS_LINE.to_owned()),
        ("-x all -x self", &all),
        ("-x self -o 111122223333", &SHARED_LINES.to_owned()),
        ("-x 999999999999", &nothing),
        ("AMI", &own),
        (SHARED, &SHARED_LINES.to_owned()),
        ("AMI ami-00000000000000004", &format!("{own}{WINDOWS_LINE}")),
        ("AMI -o amazon", &nothing),
        ("-F architecture=i386", &SHARED_LINES.to_owned()),
        ("--filter architecture=i386", &SHARED_LINES.to_owned()),
        ("--fil=architecture=i386 -a", &SHARED_LINES.to_owned()),
        ("-F architecture=x86_64 -F architecture=i386", &both),
        ("-F architecture=x86_64 -F virtualization-type=paravirtual", &nothing),
        ("-F name=w*", &own),
        ("-F tag:Name=web", &own),
        ("-a -F is-public=true", &WINDOWS_LINE.to_owned()),
        ("--hide-tags -o self", &format!("{line}{mappings}")),
        ("--hide -oself", &format!("{line}{mappings}")),
        ("-H -o amazon", &format!("{HEAD}{WINDOWS_LINE}")),
        ("--headers -o aws-marketplace", &HEAD.to_owned()),
        ("--region eu-west-1", &nothing),
    ] {
        let line = format!("ec2-describe-images {options}").replace("AMI", &ami);
        let text = typed(&cloud, &line).exits(0).says_nothing().text();
        assert_eq!(&text, wanted, "{options}");
        for line in text.lines().filter(|line| !line.starts_with("TAG")) {
            let count = match line.split('\t').collect::<Vec<_>>()[..] {
                ["IMAGE" | "Type", ..] => 15,
                ["BLOCKDEVICEMAPPING", "EBS", ..] => 9,
                ["BLOCKDEVICEMAPPING", "EPHEMERAL", ..] => 4,
                _ => panic!("{line}"),
            };
            assert_eq!(line.split('\t').count(), count, "{line}");
        }
    }
    let text = typed(&cloud, "ec2dim --show-empty-fields -o 111122223333").exits(0).text();
    let wanted = "\
        IMAGE\tami-00000000000000003\t111122223333/db\t111122223333\tavailable\tprivate\t(nil)\ti386\tmachine\taki-919dcaf8\
        \tari-a51cf9cc\t(nil)\tebs\tparavirtual\txen\n\
        BLOCKDEVICEMAPPING\tEBS\t/dev/sda1\t(nil)\tsnap-01234567\t8\ttrue\tio1\t1000\n\
        BLOCKDEVICEMAPPING\tEBS\t/dev/sdf\t(nil)\t(nil)\t100\tfalse\tstandard\t(nil)\n\
        IMAGE\tami-00000000000000004\tamazon/Windows\tamazon\tavailable\tpublic\t(nil)\t(nil)\t(nil)\t(nil)\t(nil)\twindows\
        \t(nil)\t(nil)\t(nil)\n";
    assert_eq!(text, wanted);
    typed(&cloud, "ec2dim -F no-such=x").exits(1).prints_nothing().says("InvalidParameterValue");
    typed(&cloud, "ec2dim ami-0123456789abcdef0")
        .exits(1)
        .prints_nothing()
        .says("InvalidAMIID.NotFound");
    cloud.aws.deny(&["ec2:DescribeImages"]).expect("the list of what is denied");
    typed(&cloud, "ec2dim").exits(1).prints_nothing().says("`ec2:DescribeImages`");
}

#[test]
fn a_dash_stands_for_standard_input() {
    let (cloud, ami) = gallery();
    let fed = |line: &str, input: &str| {
        feed(&mut cloud.baler(line.replace("AMI", &ami).split_whitespace()), input.as_bytes())
    };
    let (own, share) = (format!("{}{}", own_line(&ami), own_mappings()), "ec2matt AMI -l");
    for (line, input, wanted) in [
        ("ec2dim --hide-tags -", format!("{ami}\n"), own.clone()),
        ("ec2dim --hide-tags -", format!("\n {ami} \r\n{SHARED}"), format!("{own}{SHARED_LINES}")),
        ("ec2dim --hide-tags -o -", "self\namazon\n".to_owned(), format!("{own}{WINDOWS_LINE}")),
        ("ec2dim --hide-tags --filter=-", "name=w*\n".to_owned(), own.clone()),
        (
            &format!("{share} -a -"),
            "111122223333\n4444-5555-6666\n".to_owned(),
            format!(
                "launchPermission\t{ami}\tADD\tuserId\t111122223333\nlaunchPermission\t{ami}\tADD\tuserId\t444455556666\n"
            ),
        ),
        (
            "ec2matt - -l -r all",
            ami.clone(),
            format!("launchPermission\t{ami}\tREMOVE\tgroup\tall\n"),
        ),
    ] {
        let text = fed(line, &input).exits(0).says_nothing().text();
        assert_eq!(text, wanted, "{line}");
    }
    let line = format!("ec2reg {MANIFEST} -n other --virt hvm -d -");
    let ran = fed(&line, "a text with spaces\n").exits(0);
    assert_eq!(image_of(&cloud, &id_in(&ran))["description"], "a text with spaces");
    for (line, input, says) in [
        ("ec2dim -", "", "standard input, and that is empty"),
        ("ec2dim -", "\n \n", "standard input, and that is empty"),
        ("ec2dim - -o -", "self\n", "read only once"),
        ("ec2dereg -", "ami-01234567\nami-01234568\n", "one image at a time, but 2 are given"),
        (
            "ec2dereg -W -",
            "PASSWORD\nmore\n",
            "--aws-secret-key has one value, and standard input has 2",
        ),
        ("ec2dim -", "web\n", "`web` is not an image id"),
        ("ec2dim -", &"ami-01234567\n".repeat(100_000), "standard input has more than 1.0 MiB"),
    ] {
        fed(line, input).exits(1).prints_nothing().says(says).does_not_say("PASSWORD");
    }
    let mut binary = cloud.baler(["ec2dim", "-"]);
    feed(&mut binary, b"\xff\xfe").exits(1).says("standard input is not UTF-8");
    assert_eq!(fed("ec2dereg -", &format!("{ami}\n")).exits(0).text(), format!("IMAGE\t{ami}\n"));
}
