//! S3, against a server that is not ours.

use aws_types::SdkConfig;
use baler_store::{Acl, Advice, Kind, Location, Outcome, Patience, Retry, S3, Store, suite};
use hyper_util::rt::{TokioExecutor, TokioIo};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;

use crate::connect::{self, connect};

const KEYS: (&str, &str) = ("AKIDEXAMPLE", "an example of a secret");

/// A server of the crate `s3s-fs`, for as long as the runtime runs.
async fn serve(directory: &std::path::Path) -> String {
    let mut builder =
        S3ServiceBuilder::new(s3s_fs::FileSystem::new(directory).expect("a directory"));
    builder.set_auth(SimpleAuth::from_single(KEYS.0, KEYS.1));
    let service = builder.build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("loopback");
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("loopback");
            let service = service.clone();
            tokio::spawn(async move {
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                // A client that goes away is nothing to tell of.
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    format!("http://{address}")
}

fn config(endpoint: &str, secret: &str) -> SdkConfig {
    connect::config(endpoint, "us-east-1", KEYS.0, secret)
}

#[tokio::test]
async fn s3_does_what_a_store_does() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = serve(directory.path()).await;
    let connection = connect(config(&endpoint, KEYS.1));
    let bucket = match connection.find("bucket").await.unwrap() {
        None => connection.create("bucket", None).await.unwrap(),
        Some(_) => panic!("it is new"),
    };
    assert!(connection.find("bucket").await.unwrap().is_some());
    assert_eq!(bucket.troubles().await.unwrap(), []);
    for (place, prefix) in
        [("s3://bucket", ""), ("s3://bucket/some/prefix", ""), ("s3://bucket", "deep/er/")]
    {
        let store = S3::new(connection.clone(), place.parse().unwrap(), "us-east-1".to_owned());
        suite::run(&store, prefix).await.unwrap_or_else(|error| panic!("{place}: {error}"));
    }
}

#[tokio::test]
async fn a_wrong_secret_is_told_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = serve(directory.path()).await;
    connect(config(&endpoint, KEYS.1)).create("bucket", None).await.unwrap();
    let connection = connect(config(&endpoint, "another secret"));
    let error = connection.find("bucket").await.unwrap_err();
    assert_eq!(error.code(), Some("SignatureDoesNotMatch"), "{error}");
    assert!(!format!("{error:?} {error} {connection:?}").contains("another secret"));
    let advice = error.advice();
    let Some(Advice::Say(text)) = &advice else { panic!("{advice:?}") };
    assert!(text.contains("secret access key"), "{text}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_as_such() {
    let connection = connect(config("http://127.0.0.1:1", KEYS.1));
    let error = connection.find("bucket").await.unwrap_err();
    assert_eq!(error.kind, Kind::Unreachable);
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_trial_tells_what_a_server_lacks() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = serve(directory.path()).await;
    let connection = connect(config(&endpoint, KEYS.1));
    let bucket = connection.create("bucket", None).await.unwrap();
    let place: Location = "s3://bucket/there".parse().unwrap();
    let trials = connection
        .trial(&bucket, &place, Acl::AwsExecRead, &Retry::new(Patience::default(), |_| {}))
        .await;
    let good = |action: &str| {
        let trial = trials.iter().find(|trial| trial.need.action == action);
        trial.is_some_and(|trial| matches!(trial.outcome, Outcome::Good))
    };
    assert!(good("s3:PutObject") && good("s3:GetObject") && good("s3:DeleteObject"), "{trials:?}");
    // This server has no ACLs.
    assert!(!good("s3:GetObjectAcl"));
    let store = S3::new(connection, place, "us-east-1".to_owned());
    assert!(store.list("").await.unwrap().is_empty());
}
