use baler_standin::{Metadata, Role};

use crate::client::{Fixture, Reply, plain};

const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";

fn get(fixture: &Fixture, path: &str, headers: &[(&str, &str)]) -> Reply {
    plain(&fixture.standin.imds_url(), "GET", path, headers, b"")
}

fn put(fixture: &Fixture, path: &str, headers: &[(&str, &str)]) -> Reply {
    plain(&fixture.standin.imds_url(), "PUT", path, headers, b"")
}

#[test]
fn tokens_are_wanted() {
    let fixture = Fixture::new();
    for (ttl, status) in [("0", 400), ("21601", 400), ("x", 400), ("60", 200)] {
        assert_eq!(put(&fixture, "/latest/api/token", &[(TTL, ttl)]).status, status, "{ttl}");
    }
    assert_eq!(put(&fixture, "/latest/api/token", &[]).status, 400);
    assert_eq!(
        put(&fixture, "/latest/api/token", &[(TTL, "60"), ("x-forwarded-for", "10.0.0.1")]).status,
        403
    );
    assert_eq!(put(&fixture, "/2021-03-23/api/token", &[(TTL, "60")]).status, 403);
    let answer = put(&fixture, "/latest/api/token", &[(TTL, "60")]);
    assert_eq!(answer.header(TTL), Some("60"));
    let token = answer.text();
    assert_eq!(get(&fixture, "/latest/meta-data/ami-id", &[]).status, 401);
    assert_eq!(get(&fixture, "/latest/meta-data/ami-id", &[(TOKEN, "other")]).status, 401);
    assert_eq!(get(&fixture, "/latest/meta-data/none", &[(TOKEN, &token)]).status, 404);
    assert_eq!(
        get(&fixture, "/latest/meta-data/ami-id", &[(TOKEN, &token)]).text(),
        "ami-0123456789abcdef0"
    );
    let document =
        get(&fixture, "/latest/dynamic/instance-identity/document", &[(TOKEN, &token)]).text();
    assert!(document.contains("\"accountId\":\"123456789012\""), "{document}");
    fixture.standin.expire_tokens();
    assert_eq!(get(&fixture, "/latest/meta-data/ami-id", &[(TOKEN, &token)]).status, 401);
}

#[test]
fn metadata_can_be_set() {
    let fixture = Fixture::new();
    let ancestors = vec!["ami-1".to_owned(), "ami-2".to_owned()];
    let role = Some(Role { expires_in: 60, ..Role::default() });
    let kernel_id = Some("aki-1".to_owned());
    let set = Metadata {
        version_1: true,
        ancestor_ami_ids: ancestors,
        kernel_id,
        role,
        ..fixture.standin.metadata()
    };
    fixture.standin.set_metadata(set.clone());
    assert_eq!(get(&fixture, "/latest/meta-data/ancestor-ami-ids", &[]).text(), "ami-1\nami-2");
    assert_eq!(get(&fixture, "/latest/meta-data/kernel-id", &[]).text(), "aki-1");
    assert_eq!(get(&fixture, "/latest/meta-data/product-codes", &[]).status, 404);
    assert_eq!(get(&fixture, "/latest/meta-data/block-device-mapping/", &[]).text(), "ami\nroot");
    let credentials =
        get(&fixture, "/latest/meta-data/iam/security-credentials/standin", &[]).text();
    let mut client = fixture.client();
    let role = Role::default();
    assert!(credentials.contains(&role.access_key) && credentials.contains("Expiration"));
    client.access_key = role.access_key;
    client.secret_key = role.secret_key;
    client.s3("GET", "/", &[("x-amz-security-token", &role.token)], b"").is_fine();
    fixture.standin.set_metadata(Metadata { hang_token: true, ..set.clone() });
    assert_eq!(put(&fixture, "/latest/api/token", &[(TTL, "60")]).status, 0);
    fixture.standin.set_metadata(Metadata { enabled: false, ..set });
    assert_eq!(get(&fixture, "/latest/meta-data/ami-id", &[]).status, 403);
}
