//! Many objects at once.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use baler_store::{
    Acl, Download, Event, Failing, Failure, Kind, Memory, Operation, Put, Store, Upload, Wrapped,
    sha1_of,
};
use bytes::Bytes;

fn object(index: u8) -> (String, Bytes, Put) {
    let data = Bytes::from(vec![index; 1000 + usize::from(index)]);
    let put = Put::new(sha1_of(&data), Acl::AwsExecRead);
    (format!("part.{index:02}"), data, put)
}

async fn upload(store: Arc<dyn Store>, count: u8) -> (Result<(), baler_store::Error>, Vec<Event>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = events.clone();
    let mut upload = Upload::new(
        store,
        4,
        None,
        Arc::new(move |_: &str, event| seen.lock().expect("no panic").push(event)),
    );
    let mut result = Ok(());
    for (name, data, put) in (0..count).map(object) {
        result = upload.put(name, data, put).await;
        if result.is_err() {
            break;
        }
    }
    let result = match result {
        Ok(()) => upload.finish().await,
        error => error,
    };
    let events = events.lock().expect("no panic").clone();
    (result, events)
}

#[tokio::test]
async fn what_is_there_is_not_sent_again() {
    let store = Arc::new(Memory::new());
    let (name, data, put) = object(3);
    store.put(&name, data, &Put::new(put.sha1, Acl::Private)).await.unwrap();
    let (result, events) = upload(store.clone(), 10).await;
    result.unwrap();
    let kept: Vec<_> = events.iter().filter(|event| matches!(event, Event::Kept(_))).collect();
    assert_eq!((events.len(), kept), (10, vec![&Event::Kept(1003)]));
    // It gets the ACL that it should have.
    assert_eq!(store.acl(&name), Some(Acl::AwsExecRead));
    let (result, events) = upload(store, 10).await;
    result.unwrap();
    assert!(events.iter().all(|event| matches!(event, Event::Kept(_))));
}

#[tokio::test]
async fn an_error_ends_it() {
    let inner = Arc::new(Memory::new());
    let fails = |_: u64, operation: Operation<'_>| {
        (operation.verb == "put" && operation.name == "part.05")
            .then_some(Failure::Before(Kind::Denied))
    };
    let store = Arc::new(Wrapped::new(inner.clone(), Failing::new(fails)));
    let (result, _) = upload(store, 100).await;
    assert_eq!(result.unwrap_err().kind, Kind::Denied);
    assert!(inner.list("").await.unwrap().len() < 15);
}

#[tokio::test]
async fn what_comes_next_is_read_ahead_and_no_more() {
    let inner = Arc::new(Memory::new());
    let names: Vec<_> = (0..40).map(|index| object(index).0).collect();
    for (name, data, put) in (0..40).map(object) {
        inner.put(&name, data, &put).await.unwrap();
    }
    let reads = Arc::new(AtomicU64::new(0));
    let count = reads.clone();
    let counting = Failing::new(move |_: u64, _: Operation<'_>| {
        count.fetch_add(1, Relaxed);
        None
    });
    let store: Arc<dyn Store> = Arc::new(Wrapped::new(inner, counting));
    let download = Download::new(store, names.clone(), 4, 5000);
    for (index, name) in names.iter().enumerate() {
        assert_eq!(download.get(name).await.unwrap(), object(index as u8).1);
        tokio::task::yield_now().await;
        assert!(reads.load(Relaxed) <= index as u64 + 5, "{index}: {}", reads.load(Relaxed));
    }
    assert_eq!(reads.load(Relaxed), 40);
    // Again, in another order, and what is not in the order at all.
    for name in ["part.39", "part.00", "part.20"] {
        download.get(name).await.unwrap();
    }
    assert_eq!(download.get("none").await.unwrap_err().kind, Kind::NotFound);
}
