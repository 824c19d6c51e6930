//! The stores, each against the same suite; what is put around them; and transfers.

mod connect;
mod s3;
mod standin;
mod transfer;
mod wrappers;

use baler_store::{Directory, Kind, Memory, Put, Store, sha1_of, suite};

#[tokio::test]
async fn memory_does_what_a_store_does() {
    let store = Memory::new();
    suite::run(&store, "").await.unwrap();
    suite::checks_digests(&store, "x/").await.unwrap();
}

#[tokio::test]
async fn a_directory_does_what_a_store_does() {
    let directory = tempfile::tempdir().unwrap();
    let store = Directory::new(directory.path());
    suite::run(&store, "").await.unwrap();
    suite::checks_digests(&store, "x/").await.unwrap();
}

#[tokio::test]
async fn no_name_leads_out_of_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let store = Directory::new(directory.path().join("in"));
    std::fs::create_dir(directory.path().join("in")).unwrap();
    std::fs::write(directory.path().join("out"), "out").unwrap();
    let put = Put::new(sha1_of(b"x"), Default::default()).with_overwrite(true);
    for name in ["../out", "/etc/passwd", "a/../../out", "", ".", "..", "a//b", "a/", "./a", "a\0b"]
    {
        assert_eq!(store.get(name, None, 100).await.unwrap_err().kind, Kind::Refused, "{name:?}");
        assert_eq!(
            store.put(name, "x".into(), &put).await.unwrap_err().kind,
            Kind::Refused,
            "{name:?}"
        );
        assert_eq!(store.delete(name).await.unwrap_err().kind, Kind::Refused, "{name:?}");
    }
    assert_eq!(std::fs::read(directory.path().join("out")).unwrap(), b"out");
}

#[tokio::test]
async fn a_pipe_in_a_directory_holds_nobody_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    let store = Directory::new(directory.path());
    let error = store.get("pipe", None, 100).await.unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");
    assert!(store.list("").await.unwrap().is_empty());
}
