//! What EC2 is asked, parameter by parameter: `requests.txt` has it for every call, as the client by hand sent it.

use std::fmt::Write as _;

use baler_ec2::{
    BootMode, Copying, Ec2, Location, Permission, Query, Registration, Virtualization,
};

use crate::server::*;

const AMI: &str = "ami-0123456789abcdef0";

/// Answers that end each call.
fn ec2() -> Server {
    Server::start(|asked| match asked.action().as_str() {
        "DescribeImages" if asked.form().contains_key("ImageId.1") => {
            described(&[(AMI, "web", "b/k", "available")])
        }
        "DescribeImages" if asked.form().contains_key("NextToken") => described(&[]),
        "DescribeImages" => answer("DescribeImages", "<imagesSet/><nextToken>page/2=</nextToken>"),
        action @ ("RegisterImage" | "CopyImage") if asked.form().contains_key("DryRun") => {
            refusal(412, "DryRunOperation", action)
        }
        action @ ("RegisterImage" | "CopyImage") => {
            answer(action, &format!("<imageId>{AMI}</imageId>"))
        }
        "DescribeImageAttribute" => answer("DescribeImageAttribute", "<launchPermission/>"),
        action => answer(action, "<return>true</return>"),
    })
}

struct Record {
    server: Server,
    text: String,
    seen: usize,
}

impl Record {
    /// Writes down what was asked since the last time.
    fn note(&mut self, what: &str) {
        let asked = self.server.asked();
        writeln!(self.text, "# {what}").expect("a string");
        for asked in &asked[self.seen..] {
            writeln!(self.text, "{} {}", asked.method, asked.path).expect("a string");
            for (name, value) in asked.form() {
                writeln!(self.text, "  {name}={value}").expect("a string");
            }
        }
        self.seen = asked.len();
    }
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

async fn looks(ec2: &Ec2, record: &mut Record) {
    ec2.images(&Query::default(), &ignore).await.expect("images");
    record.note("images: all");
    let mut query = Query::own().filter("name", "a b*").filter("root-device-type", "ebs");
    query.owners.extend(["amazon".to_owned(), "123456789012".to_owned()]);
    query.executable_by = vec!["self".to_owned(), "all".to_owned()];
    query.filters.push(("state".to_owned(), vec!["available".to_owned(), "pending".to_owned()]));
    query.filters.push(("manifest-location".to_owned(), vec!["b/größe & x=y+z~".to_owned()]));
    query.include_deprecated = true;
    ec2.images(&query, &ignore).await.expect("images");
    record.note("images: owners, executable by, filters");
    let ami = AMI.parse().expect("an id");
    let mut query = Query::id(&ami);
    query.ids.push("aki-5c21674b".parse().expect("an id"));
    ec2.images(&query, &ignore).await.expect("images");
    record.note("images: by id");
    ec2.own_image(&"web (2026)".parse().expect("a name"), &ignore).await.expect("no image");
    record.note("own_image");
    ec2.wait(&ami, std::time::Duration::from_secs(1), &ignore).await.expect("an image");
    record.note("wait");
}

fn of_manifest(virtualization: Virtualization) -> Registration {
    let location = Location::of_manifest("bucket/dir/größe & x.manifest.xml");
    Registration::new(
        "web (2026)".parse().expect("a name"),
        location.expect("a location"),
        virtualization,
    )
}

async fn registers(ec2: &Ec2, record: &mut Record) {
    ec2.register(&of_manifest(Virtualization::Hvm), &ignore).await.expect("an AMI");
    record.note("register: nothing but what there must be");
    let mut wanted = of_manifest(Virtualization::Hvm);
    wanted.description = Some("for the web, größe & 100 %".to_owned());
    wanted.architecture = Some("x86_64".to_owned());
    wanted.root_device = Some("/dev/xvda".parse().expect("a device"));
    wanted.mappings = ["/dev/sdb=ephemeral0", "sdc=none", "sdd=ephemeral23"]
        .map(|text| text.parse().expect(text))
        .to_vec();
    (wanted.ena, wanted.sriov, wanted.imds_v2) = (true, true, true);
    wanted.boot_mode = Some(BootMode::UefiPreferred);
    wanted.tags = owned(&[("team", "a&b"), ("empty", "")]);
    ec2.register(&wanted, &ignore).await.expect("an AMI");
    record.note("register: everything");
    let mut wanted = of_manifest(Virtualization::Paravirtual);
    wanted.kernel = Some("aki-5c21674b".parse().expect("an id"));
    wanted.ramdisk = Some("ari-a51cf9cc".parse().expect("an id"));
    wanted.architecture = Some("i386".to_owned());
    wanted.boot_mode = Some(BootMode::LegacyBios);
    ec2.register(&wanted, &ignore).await.expect("an AMI");
    record.note("register: paravirtual");
    let texts = ["/dev/sda1=snap-0123456789abcdef0:8:false:io1:1000", "sdf=:100", "sdg=:1::gp3"];
    let volumes = texts.map(|text| text.parse().expect(text)).to_vec();
    let root = "/dev/sda1".parse().expect("a device");
    let name = "web (2026)".parse().expect("a name");
    let mut wanted = Registration::of_volumes(name, root, volumes, Virtualization::Hvm);
    wanted.architecture = Some("arm64".to_owned());
    wanted.boot_mode = Some(BootMode::Uefi);
    wanted.mappings = vec!["sdb=ephemeral0".parse().expect("a mapping")];
    ec2.register(&wanted, &ignore).await.expect("an AMI");
    record.note("register: volumes");
    ec2.rehearse(&of_manifest(Virtualization::Hvm), &ignore).await.expect("it would work");
    record.note("rehearse");
}

async fn shares(ec2: &Ec2, record: &mut Record) {
    let ami = AMI.parse().expect("an id");
    let organization = "arn:aws:organizations::123456789012:organization/o-a1b2c3d4e5";
    let unit = "arn:aws:organizations::123456789012:ou/o-a1b2c3d4e5/ou-ab12-cdef3456";
    let all = [
        Permission::Account("1234-5678-9012".parse().expect("an account")),
        Permission::Public,
        Permission::Organization(organization.parse().expect("an ARN")),
        Permission::OrganizationalUnit(unit.parse().expect("an ARN")),
    ];
    ec2.share(&ami, &all, &[], &ignore).await.expect("shared");
    record.note("share: add");
    ec2.share(&ami, &[], &all, &ignore).await.expect("shared");
    record.note("share: remove");
    ec2.share(&ami, &all[..1], &all[1..2], &ignore).await.expect("shared");
    record.note("share: add and remove");
    ec2.share(&ami, &[], &[], &ignore).await.expect("nothing to do");
    record.note("share: nothing");
    ec2.permissions(&ami, &ignore).await.expect("a list");
    record.note("permissions");
    ec2.reset(&ami, &ignore).await.expect("a reset");
    record.note("reset");
}

async fn copies_and_deregisters(ec2: &Ec2, record: &mut Record) {
    let ami: baler_ec2::AmiId = AMI.parse().expect("an id");
    let region = || "us-east-1".parse().expect("a region");
    let name = || "a copy".parse().expect("a name");
    ec2.copy(&Copying::new(ami.clone(), region(), name(), "token-1"), &ignore)
        .await
        .expect("a copy");
    record.note("copy: nothing but what there must be");
    let mut wanted = Copying::new(ami.clone(), region(), name(), "token-2");
    (wanted.copy_tags, wanted.encrypted) = (true, true);
    wanted.kms_key = Some("alias/k".to_owned());
    wanted.description = Some("of the web".to_owned());
    wanted.tags = owned(&[("k", "v"), ("l", "")]);
    ec2.copy(&wanted, &ignore).await.expect("a copy");
    record.note("copy: everything");
    ec2.deregister(&ami, false, &ignore).await.expect("it has gone");
    record.note("deregister");
    ec2.deregister(&ami, true, &ignore).await.expect("it has gone");
    record.note("deregister: with its snapshots");
}

#[tokio::test]
async fn ec2_is_asked_what_it_always_was() {
    let server = ec2();
    let ec2 = server.ec2();
    let mut record = Record { server, text: String::new(), seen: 0 };
    looks(&ec2, &mut record).await;
    registers(&ec2, &mut record).await;
    shares(&ec2, &mut record).await;
    copies_and_deregisters(&ec2, &mut record).await;
    let expected = include_str!("requests.txt");
    if let Some(at) = record.text.lines().zip(expected.lines()).position(|(a, b)| a != b) {
        panic!("line {}: {:?}\n{}", at + 1, expected.lines().nth(at), record.text);
    }
    assert!(record.text == expected, "{}", record.text);
}
