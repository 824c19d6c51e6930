//! Looking, deregistering, sharing, copying.

use baler_ec2::{
    AmiId, Copying, Deregistered, ErrorKind, ImageVolume, Permission, Query, SnapshotOutcome,
};

use crate::server::*;

const AMI: &str = "ami-0123456789abcdef0";

fn ami() -> AmiId {
    AMI.parse().expect("an id")
}

#[tokio::test]
async fn images_are_read_whole() {
    let server = Server::giving([answer(
        "DescribeImages",
        "<imagesSet><item><imageId>ami-01234567</imageId><imageLocation>b/k.xml</imageLocation>
         <imageState>available</imageState><imageOwnerId>123456789012</imageOwnerId>
         <imageOwnerAlias>amazon</imageOwnerAlias>
         <platform>windows</platform><hypervisor>xen</hypervisor><isPublic>true</isPublic><architecture>x86_64</architecture><imageType>machine</imageType>
         <kernelId>aki-5c21674b</kernelId><ramdiskId>ari-5c21674b</ramdiskId>
         <name>a &amp; b</name><description/>
         <rootDeviceType>instance-store</rootDeviceType><rootDeviceName>/dev/sda1</rootDeviceName>
         <productCodes><item><productCode>p1</productCode><type>devpay</type></item></productCodes>
         <blockDeviceMapping>
          <item><deviceName>/dev/sda1</deviceName><ebs><snapshotId>snap-1</snapshotId>
           <volumeSize>8</volumeSize><deleteOnTermination>true</deleteOnTermination>
           <volumeType>gp3</volumeType><iops>3000</iops><encrypted>false</encrypted></ebs></item>
          <item><deviceName>sdb</deviceName><virtualName>ephemeral0</virtualName></item>
          <item><deviceName>sdc</deviceName><noDevice/></item></blockDeviceMapping>
         <virtualizationType>paravirtual</virtualizationType><enaSupport>true</enaSupport>
         <sriovNetSupport>simple</sriovNetSupport><imdsSupport>v2.0</imdsSupport>
         <bootMode>legacy-bios</bootMode><platformDetails>Linux/UNIX</platformDetails>
         <creationDate>2026-01-01T00:00:00.000Z</creationDate>
         <deprecationTime>2028-01-01T00:00:00.000Z</deprecationTime>
         <sourceImageId>ami-76543210</sourceImageId><sourceImageRegion>eu-west-1</sourceImageRegion>
         <tagSet><item><key>k</key><value>v</value></item><item><key>e</key><value/></item></tagSet>
         </item></imagesSet>",
    )]);
    let images = server.ec2().images(&Query::default(), &ignore).await.expect("images");
    let [image] = &images[..] else { panic!("{images:?}") };
    assert_eq!(image.id.as_str(), "ami-01234567");
    for (told, expected) in [
        (&image.name, "a & b"),
        (&image.location, "b/k.xml"),
        (&image.owner, "123456789012"),
        (&image.owner_alias, "amazon"),
        (&image.platform, "windows"),
        (&image.hypervisor, "xen"),
        (&image.architecture, "x86_64"),
        (&image.image_type, "machine"),
        (&image.kernel, "aki-5c21674b"),
        (&image.ramdisk, "ari-5c21674b"),
        (&image.root_device_name, "/dev/sda1"),
        (&image.virtualization_type, "paravirtual"),
        (&image.sriov, "simple"),
        (&image.imds_support, "v2.0"),
        (&image.boot_mode, "legacy-bios"),
        (&image.platform_details, "Linux/UNIX"),
        (&image.created, "2026-01-01T00:00:00.000Z"),
        (&image.deprecated, "2028-01-01T00:00:00.000Z"),
        (&image.source_image, "ami-76543210"),
        (&image.source_region, "eu-west-1"),
    ] {
        assert_eq!(told.as_deref(), Some(expected));
    }
    assert!(image.is_available() && image.is_s3_backed() && image.public && image.ena);
    assert_eq!((image.description.as_ref(), image.state_reason.as_ref()), (None, None));
    assert_eq!(image.product_codes, ["p1"]);
    assert_eq!(image.tags, [("k", "v"), ("e", "")].map(|(k, v)| (k.to_owned(), v.to_owned())));
    assert_eq!(image.snapshots().collect::<Vec<_>>(), ["snap-1"]);
    let volumes: Vec<_> = image.mappings.iter().map(|m| (m.device.as_str(), &m.volume)).collect();
    assert!(matches!(
        volumes[0],
        (
            "/dev/sda1",
            ImageVolume::Ebs { size: Some(8), iops: Some(3000), delete_on_termination: true, .. }
        )
    ));
    assert_eq!(volumes[1], ("sdb", &ImageVolume::Virtual("ephemeral0".to_owned())));
    assert_eq!(volumes[2], ("sdc", &ImageVolume::NoDevice));
}

#[tokio::test]
async fn all_pages_are_read() {
    let page = |id: &str, next: &str| {
        let next = if next.is_empty() {
            next.to_owned()
        } else {
            format!("<nextToken>{next}</nextToken>")
        };
        let inner =
            format!("<imagesSet><item><imageId>ami-{id}</imageId></item></imagesSet>{next}");
        answer("DescribeImages", &inner)
    };
    let server = Server::giving([
        page("00000001", "to/2="),
        refusal(503, "RequestLimitExceeded", "x"),
        page("00000002", "to3"),
        page("00000003", ""),
    ]);
    let images = server.ec2().images(&Query::own(), &ignore).await.expect("images");
    let ids: Vec<_> = images.iter().map(|image| image.id.as_str()).collect();
    assert_eq!(ids, ["ami-00000001", "ami-00000002", "ami-00000003"]);
    let tokens: Vec<_> =
        server.asked().iter().map(|a| a.form().get("NextToken").cloned()).collect();
    let second = Some("to/2=".to_owned());
    assert_eq!(tokens, [None, second.clone(), second, Some("to3".to_owned())]);
}

#[tokio::test]
async fn kernels_are_images_too() {
    let server = Server::giving([
        described(&[("aki-5c21674b", "pv-grub-hd0_1.05-x86_64.gz", "b/k", "available")]),
        answer("DescribeImages", "<imagesSet><item/></imagesSet>"),
    ]);
    let query = Query::default().filter("name", "pv-grub-*");
    let images = server.ec2().images(&query, &ignore).await.expect("images");
    assert_eq!((images[0].id.as_str(), images[0].ami()), ("aki-5c21674b", None));
    let error = server.ec2().images(&query, &ignore).await.expect_err("no identifier");
    assert_eq!(error.kind, ErrorKind::Unreadable);
}

#[tokio::test]
async fn a_list_of_identifiers_has_no_pages() {
    let server = Server::giving([described(&[(AMI, "n", "b/k", "available")])]);
    let mut query = Query::id(&ami());
    query.executable_by = vec!["self".to_owned(), "123456789012".to_owned()];
    query.filters.push(("root-device-type".to_owned(), vec!["ebs".to_owned(), "x".to_owned()]));
    assert_eq!(server.ec2().images(&query, &ignore).await.expect("images").len(), 1);
    let form = server.asked()[0].form();
    let get = |name: &str| form.get(name).map(String::as_str);
    assert_eq!((get("ImageId.1"), get("MaxResults")), (Some(AMI), None));
    assert_eq!(
        (get("Filter.1.Name"), get("Filter.1.Value.2")),
        (Some("root-device-type"), Some("x"))
    );
    assert_eq!((get("IncludeDeprecated"), get("Owner.1")), (Some("true"), None));
    assert_eq!(
        (get("ExecutableBy.1"), get("ExecutableBy.2")),
        (Some("self"), Some("123456789012"))
    );
}

#[tokio::test]
async fn deregistering_tells_of_each_snapshot() {
    let results: String = ["success", "skipped", "missing-permissions", "internal-error"]
        .iter()
        .map(|code| {
            format!(
                "<item><snapshotId>snap-{code}</snapshotId><returnCode>{code}</returnCode></item>"
            )
        })
        .collect();
    let inner = format!(
        "<return>true</return><deleteSnapshotResultSet>{results}</deleteSnapshotResultSet>"
    );
    let server = Server::giving([answer("DeregisterImage", &inner)]);
    let done = server.ec2().deregister(&ami(), true, &ignore).await.expect("it has gone");
    let outcomes: Vec<_> = done.snapshots.into_iter().map(|(_, outcome)| outcome).collect();
    use SnapshotOutcome::{Deleted, Failed, MissingPermissions, Skipped};
    assert_eq!(
        outcomes,
        [Deleted, Skipped, MissingPermissions, Failed("internal-error".to_owned())]
    );
    let form = server.asked()[0].form();
    assert_eq!(form.get("DeleteAssociatedSnapshots").map(String::as_str), Some("true"));
}

#[tokio::test]
async fn an_image_that_went_with_a_lost_answer_has_gone() {
    for code in ["InvalidAMIID.Unavailable", "InvalidAMIID.NotFound"] {
        let gone = || refusal(400, code, "It has gone.");
        let server = Server::giving([Reply::Lost, gone()]);
        let done = server.ec2().deregister(&ami(), false, &ignore).await.expect("it has gone");
        assert!(done.answer_was_lost && done != Deregistered::default());
        let server = Server::giving([refusal(503, "RequestLimitExceeded", "x"), gone()]);
        let error = server.ec2().deregister(&ami(), false, &ignore).await.expect_err("not by us");
        assert_eq!(error.kind, ErrorKind::NotFound);
    }
}

fn permissions() -> Vec<Permission> {
    let organization = "arn:aws:organizations::123456789012:organization/o-a1b2c3d4e5";
    let unit = "arn:aws:organizations::123456789012:ou/o-a1b2c3d4e5/ou-ab12-cdef3456";
    vec![
        Permission::Account("1234-5678-9012".parse().expect("an account")),
        Permission::Public,
        Permission::Organization(organization.parse().expect("an ARN")),
        Permission::OrganizationalUnit(unit.parse().expect("an ARN")),
    ]
}

#[tokio::test]
async fn launch_permissions_are_given_and_taken() {
    let done = || answer("ModifyImageAttribute", "<return>true</return>");
    let server = Server::giving([Reply::Lost, done()]);
    let ec2 = server.ec2();
    ec2.share(&ami(), &[], &[], &ignore).await.expect("nothing to do");
    assert!(server.asked().is_empty());
    ec2.share(&ami(), &permissions(), &permissions()[..1], &ignore).await.expect("shared");
    let form = server.asked()[1].form();
    let get = |name: &str| form.get(&format!("LaunchPermission.{name}")).map(String::as_str);
    assert_eq!((get("Add.1.UserId"), get("Add.2.Group")), (Some("123456789012"), Some("all")));
    assert!(get("Add.3.OrganizationArn").is_some_and(|arn| arn.ends_with("o-a1b2c3d4e5")));
    assert!(get("Add.4.OrganizationalUnitArn").is_some_and(|arn| arn.ends_with("cdef3456")));
    assert_eq!((get("Remove.1.UserId"), get("Remove.2.Group")), (Some("123456789012"), None));
}

#[tokio::test]
async fn launch_permissions_are_read_and_reset() {
    let items: String = permissions()
        .iter()
        .map(|permission| match permission {
            Permission::Account(account) => format!("<item><userId>{account}</userId></item>"),
            Permission::Public => "<item><group>all</group></item>".to_owned(),
            Permission::Organization(arn) => {
                format!("<item><organizationArn>{arn}</organizationArn></item>")
            }
            Permission::OrganizationalUnit(arn) => {
                format!("<item><organizationalUnitArn>{arn}</organizationalUnitArn></item>")
            }
            other => panic!("{other}"),
        })
        .collect();
    let list = |items: &str| {
        let inner = format!("<imageId>{AMI}</imageId><launchPermission>{items}</launchPermission>");
        answer("DescribeImageAttribute", &inner)
    };
    let server = Server::giving([
        list(&items),
        list(""),
        list("<item><group>some</group></item>"),
        answer("ResetImageAttribute", "<return>true</return>"),
    ]);
    let ec2 = server.ec2();
    assert_eq!(ec2.permissions(&ami(), &ignore).await.expect("a list"), permissions());
    assert_eq!(ec2.permissions(&ami(), &ignore).await.expect("a list"), []);
    let error = ec2.permissions(&ami(), &ignore).await.expect_err("an unknown group");
    assert_eq!(error.kind, ErrorKind::Unreadable);
    ec2.reset(&ami(), &ignore).await.expect("a reset");
    let form = server.asked()[3].form();
    assert_eq!(form.get("Attribute").map(String::as_str), Some("launchPermission"));
}

#[tokio::test]
async fn public_access_that_is_blocked_is_explained() {
    let text = "You can't publicly share this AMI because block public access for AMIs is enabled";
    let server = Server::giving([refusal(400, "OperationNotPermitted", text)]);
    let result = server.ec2().share(&ami(), &[Permission::Public], &[], &ignore).await;
    let hint = result.expect_err("a refusal").advice().expect("advice");
    assert!(hint.contains("ec2:DisableImageBlockPublicAccess"), "{hint}");
}

#[tokio::test]
async fn copies_are_repeated_with_the_same_token() {
    let server = Server::giving([
        Reply::Lost,
        refusal(500, "InternalError", "x"),
        answer("CopyImage", "<imageId>ami-00000002</imageId>"),
    ]);
    let name = "a copy".parse().expect("a name");
    let mut wanted = Copying::new(ami(), "us-east-1".parse().expect("a region"), name, "token-1");
    (wanted.copy_tags, wanted.encrypted) = (true, true);
    wanted.kms_key = Some("alias/k".to_owned());
    wanted.description = Some("of the web".to_owned());
    let there = server.ec2().in_region(&"eu-west-1".parse().expect("a region")).expect("a client");
    let copy = there.copy(&wanted, &ignore).await.expect("a copy");
    assert_eq!(copy.as_str(), "ami-00000002");
    let asked = server.asked();
    assert_eq!(asked.len(), 3);
    for asked in asked {
        let form = asked.form();
        for (name, value) in [
            ("SourceImageId", AMI),
            ("SourceRegion", "us-east-1"),
            ("Name", "a copy"),
            ("ClientToken", "token-1"),
            ("CopyImageTags", "true"),
            ("Encrypted", "true"),
            ("KmsKeyId", "alias/k"),
            ("Description", "of the web"),
        ] {
            assert_eq!(form.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(asked.header("authorization").contains("/eu-west-1/ec2/"));
    }
    wanted.client_token.clear();
    there.copy(&wanted, &ignore).await.expect_err("no token");
}
