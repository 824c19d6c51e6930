//! S3, against a server that someone else has started: what every store does.
//!
//! No part of `cargo test`: `scripts/test aws` starts a server, and this with
//! `BALER_TEST_S3_ENDPOINT=http://127.0.0.1:… AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… AWS_REGION=…`.

mod connect;

use baler_store::{S3, Store, suite};
use connect::{config, connect};

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

/// Not whether it checks digests: moto does not.
#[tokio::test]
async fn another_server_does_what_a_store_does() {
    const BUCKET: &str = "baler-conformance";
    let Ok(endpoint) = std::env::var("BALER_TEST_S3_ENDPOINT") else {
        println!("SKIPPED: BALER_TEST_S3_ENDPOINT is not set: there is no server to test against");
        return;
    };
    let region = variable("AWS_REGION");
    let (key, secret) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"));
    let connection = connect(config(&endpoint, &region, &key, &secret));
    let found = connection.find(BUCKET).await.unwrap();
    assert!(found.is_none(), "the server has a bucket `{BUCKET}`, which has to be new");
    connection.create(BUCKET, None).await.unwrap();
    let bucket = connection.find(BUCKET).await.unwrap().expect("the bucket that was made");
    assert_eq!(bucket.troubles().await.unwrap(), []);
    for (place, prefix) in [
        (format!("s3://{BUCKET}"), ""),
        (format!("s3://{BUCKET}/some/prefix"), ""),
        (format!("s3://{BUCKET}"), "deep/er/"),
    ] {
        let store = S3::new(connection.clone(), place.parse().unwrap(), region.clone());
        suite::run(&store, prefix).await.unwrap_or_else(|error| panic!("{place}: {error}"));
    }
    let root = S3::new(connection, format!("s3://{BUCKET}").parse().unwrap(), region);
    for entry in root.list("").await.unwrap() {
        root.delete(&entry.name).await.unwrap();
    }
    assert!(root.list("").await.unwrap().is_empty());
}
