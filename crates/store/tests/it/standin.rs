//! S3, against the stand-in for AWS: the same suite, and what it checks that other servers do not.

use baler_standin::{Options, Standin};
use baler_store::{
    Acl, BucketTrouble, Connection, Kind, Outcome, Patience, Put, Retry, S3, Store, sha1_of, suite,
};

use crate::connect::{self, connect};

fn start(directory: &std::path::Path) -> (Standin, Connection) {
    let standin = Standin::start(Options::new(directory)).expect("a stand-in");
    let (key, secret) = (standin.access_key(), standin.secret_key());
    let config = connect::config(&standin.url(), "us-east-1", key, secret);
    (standin, connect(config))
}

#[tokio::test]
async fn the_stand_in_does_what_a_store_does() {
    let directory = tempfile::tempdir().unwrap();
    let (_standin, connection) = start(directory.path());
    for (bucket, region) in [("bucket", "us-east-1"), ("dotted.bucket.eu", "eu-west-1")] {
        assert!(connection.find(bucket).await.unwrap().is_none());
        connection.create(bucket, Some(region)).await.unwrap();
        let Some(found) = connection.find(bucket).await.unwrap() else {
            panic!("it was made");
        };
        assert_eq!(found.region(), region);
        assert_eq!(found.troubles().await.unwrap(), []);
        for (place, prefix) in [
            (format!("s3://{bucket}"), ""),
            (format!("s3://{bucket}/some/prefix"), ""),
            (format!("s3://{bucket}"), "deep/er/"),
        ] {
            let store = S3::new(connection.clone(), place.parse().unwrap(), region.to_owned());
            suite::run(&store, prefix).await.unwrap_or_else(|error| panic!("{place}: {error}"));
            let below = format!("{prefix}digests/");
            let checked = suite::checks_digests(&store, &below).await;
            checked.unwrap_or_else(|error| panic!("{place}: {error}"));
        }
    }
}

#[tokio::test]
async fn a_copy_lets_ec2_read_it_again() {
    let directory = tempfile::tempdir().unwrap();
    let (_standin, connection) = start(directory.path());
    connection.create("from", None).await.unwrap();
    connection.create("far", Some("eu-west-1")).await.unwrap();
    let store = |place: &str, region: &str| {
        S3::new(connection.clone(), place.parse().unwrap(), region.to_owned())
    };
    let (from, far) = (store("s3://from/a", "us-east-1"), store("s3://far/b", "eu-west-1"));
    let put = Put::new(sha1_of(b"x"), Acl::AwsExecRead);
    from.put("x", "x".into(), &put).await.unwrap();
    assert!(from.ec2_can_read("x").await.unwrap());
    far.copy(&from.source("x"), "x", &put).await.unwrap();
    assert!(far.ec2_can_read("x").await.unwrap());
    let private = Put::new(put.sha1, Acl::Private).with_overwrite(true);
    far.copy(&from.source("x"), "x", &private).await.unwrap();
    assert!(!far.ec2_can_read("x").await.unwrap());
    // A digest that the copy does not have is told.
    let other = Put::new(sha1_of(b"y"), Acl::Unsaid).with_overwrite(true);
    let error = far.copy(&from.source("x"), "y", &other).await.unwrap_err();
    assert_eq!(error.kind, Kind::Mismatch, "{error}");
}

#[tokio::test]
async fn what_is_wrong_with_a_bucket_is_told_and_mended() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("s3/buckets/today");
    std::fs::create_dir_all(at.join("objects")).unwrap();
    let settings =
        r#"{"region": "eu-west-1", "ownership": "BucketOwnerEnforced", "encryption": "aws:kms"}"#;
    std::fs::write(at.join("bucket.json"), settings).unwrap();
    let (_standin, connection) = start(directory.path());
    let Some(bucket) = connection.find("today").await.unwrap() else {
        panic!("it is there");
    };
    let place = "s3://today/p".parse().unwrap();
    let store = S3::new(connection.clone(), "s3://today/p".parse().unwrap(), "eu-west-1".into());
    let put = Put::new(sha1_of(b"x"), Acl::AwsExecRead);
    assert_eq!(store.put("x", "x".into(), &put).await.unwrap_err().kind, Kind::NoAcls);
    let troubles = bucket.troubles().await.unwrap();
    assert_eq!(troubles, [BucketTrouble::NoAcls, BucketTrouble::Kms]);
    for trouble in &troubles {
        bucket.fix(trouble).await.unwrap();
    }
    assert_eq!(bucket.troubles().await.unwrap(), []);
    store.put("x", "x".into(), &put).await.unwrap();
    let trials = connection
        .trial(&bucket, &place, Acl::AwsExecRead, &Retry::new(Patience::default(), |_| {}))
        .await;
    assert!(trials.iter().all(|trial| matches!(trial.outcome, Outcome::Good)), "{trials:?}");
    assert_eq!(store.list("").await.unwrap().len(), 1);
}
