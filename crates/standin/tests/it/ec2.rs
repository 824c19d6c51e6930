use crate::bundle::Bundle;
use crate::client::Fixture;

#[test]
fn an_image_comes_and_goes() {
    let fixture = Fixture::with(|options| options.delay_visibility = 1);
    let client = fixture.client();
    let location = Bundle::new(&fixture).upload(&client, "box");
    let register = format!(
        "Name=one&ImageLocation={location}&VirtualizationType=hvm&Description=d&BlockDeviceMapping.1.DeviceName=sdc&BlockDeviceMapping.1.VirtualName=ephemeral1&TagSpecification.1.ResourceType=image&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1.Value=v"
    );
    let ami = client.ec2("RegisterImage", &register).is_fine().element("imageId");
    let describe = format!("ImageId.1={ami}");
    client.ec2("DescribeImages", &describe).is(400, "InvalidAMIID.NotFound");
    let image = client.ec2("DescribeImages", &describe);
    for (name, text) in [
        ("imageState", "pending"),
        ("imageLocation", location.as_str()),
        ("imageOwnerId", "123456789012"),
        ("rootDeviceType", "instance-store"),
        ("rootDeviceName", "/dev/sda1"),
        ("architecture", "x86_64"),
        ("virtualizationType", "hvm"),
        ("imageType", "machine"),
        ("name", "one"),
        ("description", "d"),
    ] {
        assert_eq!(image.element(name), text, "{name}");
    }
    assert!(image.text().contains("ephemeral0") && image.text().contains("ephemeral1"));
    assert_eq!(client.ec2("DescribeImages", &describe).element("imageState"), "available");
    for filter in [
        "name=o*",
        "manifest-location=box/*",
        "tag:k=v",
        "root-device-type=instance-store",
        "is-public=false",
    ] {
        let (name, value) = filter.split_once('=').unwrap();
        let found = client.ec2(
            "DescribeImages",
            &format!("Filter.1.Name={name}&Filter.1.Value.1={value}&Owner.1=self"),
        );
        assert_eq!(found.element("imageId"), ami, "{filter}");
        let none =
            client.ec2("DescribeImages", &format!("Filter.1.Name={name}&Filter.1.Value.1=other"));
        assert_eq!(none.element("imageId"), "", "{filter}");
    }
    client.ec2("RegisterImage", &register).is(400, "InvalidAMIName.Duplicate");
    client.ec2("DescribeImages", "ImageId.1=foo").is(400, "InvalidAMIID.Malformed");
    client.region("eu-west-1").ec2("DescribeImages", &describe).is(400, "InvalidAMIID.NotFound");
    client.ec2("DeregisterImage", &describe.replace(".1", "")).is_fine();
    client.ec2("DeregisterImage", &describe.replace(".1", "")).is(400, "InvalidAMIID.Unavailable");
    client.ec2("DescribeImages", &describe).is(400, "InvalidAMIID.Unavailable");
    client.s3("HEAD", &format!("/{location}"), &[], b"").is_fine();
    client.ec2("RegisterImage", &register).is_fine();
}

#[test]
fn registering_reads_the_manifest_as_ec2_would() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let bundle = Bundle::new(&fixture);
    let location = bundle.upload(&client, "box");
    let register =
        |location: &str| client.ec2("RegisterImage", &format!("Name=one&ImageLocation={location}"));
    let put = |text: &str, acl: &str| {
        client.s3("PUT", "/box/m", &[("x-amz-acl", acl)], text.as_bytes()).status
    };
    put(&bundle.manifest, "private");
    let refused = register("box/m");
    let url = "HTTP 403 (Forbidden) response for URL http://s3.amazonaws.com:80/box/m";
    assert_eq!(refused.is(400, "InvalidManifest").element("Message"), url);
    register("box//dir/m.xml").is(400, "InvalidManifest");
    register("none/m").is(400, "InvalidManifest");
    for (old, new, message) in [
        (
            "<device>sdb</device>",
            "<device>xvdal</device>",
            "Invalid block device mapping: Invalid device name 'xvdal'",
        ),
        ("</manifest>", "", "not well-formed"),
        ("<signature>UNSIGNED</signature>", "", "signature"),
        ("<user_encrypted_iv/>", "", "user_encrypted_iv"),
        ("<size>", "<size>99999", "limit"),
    ] {
        put(&bundle.manifest.replace(old, new), "aws-exec-read");
        let refused = register("box/m");
        let found = refused.is(400, "InvalidManifest").element("Message");
        assert!(found.replace("&apos;", "'").contains(message), "{found}");
    }
    let europe = client.region("eu-west-1");
    europe
        .ec2("RegisterImage", &format!("Name=one&ImageLocation={location}"))
        .is(400, "InvalidManifest");
    let ami = register(&location).is_fine().element("imageId");
    let image = client.ec2("DescribeImages", &format!("ImageId.1={ami}"));
    assert_eq!(image.element("virtualizationType"), "paravirtual");
}

#[test]
fn registering_checks_its_parameters() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let location = Bundle::new(&fixture).upload(&client, "box");
    for (parameters, code) in [
        ("Name=ab&ImageLocation=box/dir/m.xml", "InvalidAMIName.Malformed"),
        ("ImageLocation=box/dir/m.xml", "MissingParameter"),
        ("Name=one", "MissingParameter"),
        ("Name=one&ImageLocation=box", "InvalidParameterValue"),
        ("Name=one&ImageLocation=box/dir/m.xml&Architecture=vax", "InvalidParameterValue"),
        ("Name=one&ImageLocation=box/dir/m.xml&EnaSupport=true", "InvalidParameterCombination"),
        ("Name=one&ImageLocation=box/dir/m.xml&Colour=red", "UnknownParameter"),
        ("Name=one&ImageLocation=box/dir/m.xml&KernelId=foo", "InvalidKernelId.Malformed"),
        (
            "Name=one&ImageLocation=box/dir/m.xml&BlockDeviceMapping.1.DeviceName=nope",
            "InvalidBlockDeviceMapping",
        ),
    ] {
        client.ec2("RegisterImage", parameters).is(400, code);
    }
    let dry = format!("Name=one&ImageLocation={location}&DryRun=true");
    client.ec2("RegisterImage", &dry).is(412, "DryRunOperation");
    fixture.standin.deny(&["ec2:RegisterImage"]).unwrap();
    client.ec2("RegisterImage", &dry).is(403, "UnauthorizedOperation");
}

#[test]
fn permissions_are_kept() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let location = Bundle::new(&fixture).upload(&client, "box");
    let ami = client
        .ec2("RegisterImage", &format!("Name=one&ImageLocation={location}"))
        .is_fine()
        .element("imageId");
    let call = |action: &str, rest: &str| client.ec2(action, &format!("ImageId={ami}&{rest}"));
    let modify = |rest: &str| call("ModifyImageAttribute", rest);
    modify("LaunchPermission.Add.1.UserId=111122223333&LaunchPermission.Add.2.Group=all").is_fine();
    let shown = call("DescribeImageAttribute", "Attribute=launchPermission");
    assert!(
        shown.text().contains("<userId>111122223333</userId>")
            && shown.text().contains("<group>all</group>")
    );
    assert_eq!(client.ec2("DescribeImages", "Owner.1=self").element("isPublic"), "true");
    modify("LaunchPermission.Remove.1.Group=all").is_fine();
    fixture.standin.block_public_images("us-east-1", true).unwrap();
    modify("LaunchPermission.Add.1.Group=all").is(400, "OperationNotPermitted");
    assert_eq!(
        client.ec2("GetImageBlockPublicAccessState", "").element("imageBlockPublicAccessState"),
        "block-new-sharing"
    );
    modify("LaunchPermission.Add.1.UserId=12").is(400, "InvalidAMIAttributeItemValue");
    modify("LaunchPermission.Add.1.OrganizationArn=x").is(400, "InvalidAMIAttributeItemValue");
    modify("Attribute=launchPermission&OperationType=add&UserId.1=444455556666").is_fine();
    modify("Description.Value=d&LaunchPermission.Add.1.UserId=111122223333")
        .is(400, "InvalidParameterCombination");
    modify("").is(400, "InvalidParameterCombination");
    modify("Description.Value=new").is_fine();
    assert_eq!(call("DescribeImageAttribute", "Attribute=description").element("value"), "new");
    call("ResetImageAttribute", "Attribute=launchPermission").is_fine();
    assert!(
        !call("DescribeImageAttribute", "Attribute=launchPermission").text().contains("userId")
    );
    client.ec2("CreateTags", &format!("ResourceId.1={ami}&Tag.1.Key=a&Tag.1.Value=b")).is_fine();
    assert_eq!(
        client.ec2("DescribeImages", "Filter.1.Name=tag:a&Filter.1.Value.1=b").element("imageId"),
        ami
    );
    call("EnableImageDeregistrationProtection", "").is_fine();
    call("DeregisterImage", "").is(400, "OperationNotPermitted");
}

#[test]
fn copies_are_bundles_of_their_own() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let europe = client.region("eu-west-1");
    let bundle = Bundle::new(&fixture);
    let location = bundle.upload(&client, "box");
    let ami = client
        .ec2("RegisterImage", &format!("Name=one&ImageLocation={location}"))
        .is_fine()
        .element("imageId");
    let copy =
        format!("Name=two&SourceImageId={ami}&SourceRegion=us-east-1&ClientToken=t&Encrypted=true");
    europe.ec2("CopyImage", &copy).is(400, "InvalidAMIID.Unavailable");
    client.ec2("DescribeImages", "Owner.1=self").is_fine();
    client
        .ec2(
            "ModifyImageAttribute",
            &format!("ImageId={ami}&LaunchPermission.Add.1.UserId=111122223333"),
        )
        .is_fine();
    fixture.standin.deny(&["s3:PutBucketOwnershipControls"]).unwrap();
    europe.ec2("CopyImage", &copy).is(403, "UnauthorizedOperation");
    fixture.standin.deny(&[]).unwrap();
    let other = europe.ec2("CopyImage", &copy).is_fine().element("imageId");
    assert_eq!(europe.ec2("CopyImage", &copy).element("imageId"), other);
    europe.ec2("CopyImage", &copy.replace("two", "three")).is(400, "IdempotentParameterMismatch");
    let image = europe.ec2("DescribeImages", &format!("ImageId.1={other}"));
    let location = image.element("imageLocation");
    assert!(location.starts_with("amis-for-123456789012-in-eu-west-1-"), "{location}");
    assert_eq!(image.element("sourceImageId"), ami);
    let permissions = europe
        .ec2("DescribeImageAttribute", &format!("ImageId={other}&Attribute=launchPermission"));
    assert!(!permissions.text().contains("userId"));
    client.s3("DELETE", "/box/dir/img.part.0", &[], b"");
    let out = fixture.directory.path().join("root");
    fixture.standin.launch(&other, &out).unwrap();
    assert_eq!(std::fs::read(out).unwrap(), bundle.image);
    assert!(fixture.standin.launch(&ami, &fixture.directory.path().join("none")).is_err());
}

#[test]
fn descriptions_have_pages() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let location = Bundle::new(&fixture).upload(&client, "box");
    for name in ["one", "two", "three"] {
        client.ec2("RegisterImage", &format!("Name={name}&ImageLocation={location}")).is_fine();
    }
    let first = client.ec2("DescribeImages", "MaxResults=2");
    assert_eq!(first.text().matches("<imageId>").count(), 2);
    let second = client
        .ec2("DescribeImages", &format!("MaxResults=2&NextToken={}", first.element("nextToken")));
    assert_eq!(
        (second.text().matches("<imageId>").count(), second.element("nextToken").as_str()),
        (1, "")
    );
    client.ec2("DescribeImages", "MaxResults=0").is(400, "InvalidParameterValue");
    let ami = second.element("imageId");
    fixture.standin.set_image_state(&ami, "failed").unwrap();
    let failed = client.ec2("DescribeImages", &format!("ImageId.1={ami}"));
    assert_eq!(failed.element("imageState"), "failed");
}

#[test]
fn snapshots_go_with_their_image() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let snapshot = fixture.standin.add_snapshot("us-east-1").unwrap();
    let mapping = format!(
        "RootDeviceName=/dev/xvda&BlockDeviceMapping.1.DeviceName=/dev/xvda&BlockDeviceMapping.1.Ebs.SnapshotId={snapshot}"
    );
    let ami =
        client.ec2("RegisterImage", &format!("Name=ebs&{mapping}")).is_fine().element("imageId");
    client
        .ec2("DeleteSnapshot", &format!("SnapshotId={snapshot}"))
        .is(400, "InvalidSnapshot.InUse");
    let gone =
        client.ec2("DeregisterImage", &format!("ImageId={ami}&DeleteAssociatedSnapshots=true"));
    assert_eq!(gone.element("returnCode"), "success");
    client
        .ec2("DescribeSnapshots", &format!("SnapshotId.1={snapshot}"))
        .is(400, "InvalidSnapshot.NotFound");
}

#[test]
fn callers_are_known() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let who = "Action=GetCallerIdentity&Version=2011-06-15";
    assert_eq!(client.form("sts", who).is_fine().element("Account"), "123456789012");
    let mut other = client.clone();
    other.secret_key.push('x');
    other.form("sts", who).is(403, "SignatureDoesNotMatch");
    other.ec2("DescribeRegions", "").is(401, "AuthFailure");
    client.ec2("DescribeInstances", "").is(400, "InvalidAction");
    let mut late = client.clone();
    late.late = 1200;
    late.ec2("DescribeRegions", "").is(400, "RequestExpired");
}
