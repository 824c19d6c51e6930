use crate::bundle::Bundle;
use crate::client::Fixture;

#[test]
fn a_bundle_is_opened() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let bundle = Bundle::new(&fixture);
    let location = bundle.upload(&client, "box");
    let ami = client
        .ec2("RegisterImage", &format!("Name=one&ImageLocation={location}"))
        .is_fine()
        .element("imageId");
    let out = fixture.directory.path().join("root");
    fixture.standin.launch(&ami, &out).unwrap();
    assert_eq!(std::fs::read(&out).unwrap(), bundle.image);
}

#[test]
fn a_bundle_that_is_wrong_is_not() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let bundle = Bundle::new(&fixture);
    let location = bundle.upload(&client, "box");
    let ami = client
        .ec2("RegisterImage", &format!("Name=one&ImageLocation={location}"))
        .is_fine()
        .element("imageId");
    let out = fixture.directory.path().join("root");
    let acl = [("x-amz-acl", "aws-exec-read")];
    let fails = |why: &str| {
        let error = fixture.standin.launch(&ami, &out).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert!(!out.exists());
    };
    let (name, part) = &bundle.parts[1];
    let path = format!("/box/dir/{name}");
    client.s3("PUT", &path, &[], part).is_fine();
    fails("EC2 may not read the part `box/dir/img.part.1`");
    let mut other = part.clone();
    other[0] ^= 1;
    client.s3("PUT", &path, &acl, &other).is_fine();
    fails("the part `img.part.1` has the SHA-1");
    client.s3("DELETE", &path, &[], b"").is_fine();
    fails("is not there");
    client.s3("PUT", &path, &acl, part).is_fine();
    for (old, new, why) in [
        ("<digest algorithm='SHA1'>", "<digest algorithm='SHA1'>0", "the image has the SHA-1"),
        ("<ec2_encrypted_iv>", "<ec2_encrypted_iv>zz", "not hexadecimal"),
        (
            "<ec2_encrypted_key algorithm='AES-128-CBC'>",
            "<ec2_encrypted_key>00",
            "EC2's key does not open",
        ),
        ("<bundled_size>", "<bundled_size>1", "the manifest says 1"),
        ("<size>", "<size>1", "bytes, the manifest says 1"),
    ] {
        let manifest = bundle.manifest.replacen(old, new, 1);
        client.s3("PUT", "/box/dir/m.xml", &acl, manifest.as_bytes()).is_fine();
        fails(why);
    }
    assert!(fixture.standin.launch("ami-00000000", &out).is_err());
}
