//! Layers over a store.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use baler_store::{
    DryRun, Failing, Failure, Kind, Limit, Memory, Operation, Patience, Put, Retry, Store, Wrapped,
    sha1_of, suite,
};

fn put(data: &[u8]) -> Put {
    Put::new(sha1_of(data), Default::default())
}

fn failing<F>(fails: F) -> Wrapped<Arc<Memory>, Failing<F>>
where
    F: Fn(u64, Operation<'_>) -> Option<Failure> + Send + Sync,
{
    Wrapped::new(Arc::new(Memory::new()), Failing::new(fails))
}

#[tokio::test(start_paused = true)]
async fn every_other_failure_is_got_over() {
    // Before or after it was done: by the number.
    let fails = |number: u64, _: Operation<'_>| match number % 4 {
        0 => Some(Failure::Before(Kind::Transient(None))),
        2 => Some(Failure::After(Kind::Unreachable)),
        _ => None,
    };
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    let retry = Retry::new(Patience::default(), move |_| {
        count.fetch_add(1, Relaxed);
    });
    suite::run(&Wrapped::new(failing(fails), retry), "").await.unwrap();
    assert!(told.load(Relaxed) > 20);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_not_tried_again() {
    for kind in
        [Kind::Denied, Kind::Expired, Kind::Refused, Kind::NoAcls, Kind::Mismatch, Kind::Exists]
    {
        let calls = Arc::new(AtomicUsize::new(0));
        let (count, fails_with) = (calls.clone(), kind.clone());
        let store = failing(move |_, _| {
            count.fetch_add(1, Relaxed);
            Some(Failure::Before(fails_with.clone()))
        });
        let store = Wrapped::new(store, Retry::new(Patience::default(), |_| {}));
        assert_eq!(store.put("a", "x".into(), &put(b"x")).await.unwrap_err().kind, kind);
        assert_eq!(calls.load(Relaxed), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn patience_ends() {
    let waits = Arc::new(Mutex::new(Vec::new()));
    let kept = waits.clone();
    let mut patience = Patience::new();
    patience.attempts = 6;
    let retry = Retry::new(patience, move |again| kept.lock().unwrap().push(again.wait));
    let store = Wrapped::new(failing(|_, _| Some(Failure::Before(Kind::Unreachable))), retry);
    assert_eq!(store.head("a").await.unwrap_err().kind, Kind::Unreachable);
    let waits = waits.lock().unwrap().clone();
    assert_eq!(waits.len(), 5);
    for (at, wait) in waits.iter().enumerate() {
        assert!(
            *wait <= Duration::from_millis(500 << at) && *wait > Duration::ZERO,
            "{at}: {wait:?}"
        );
    }

    // A budget ends it too; and what the service asks for is waited.
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let mut patience = Patience::new();
    patience.budget = Duration::from_secs(10);
    let retry = Retry::new(patience, move |again| {
        assert_eq!(again.wait, Duration::from_secs(4));
        counted.fetch_add(1, Relaxed);
    });
    let asks = || Kind::Transient(Some(Duration::from_secs(4)));
    let store = Wrapped::new(failing(move |_, _| Some(Failure::Before(asks()))), retry);
    store.head("a").await.unwrap_err();
    assert_eq!(count.load(Relaxed), 2);
}

#[tokio::test]
async fn a_limit_holds() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    #[derive(Debug)]
    struct Busy(Arc<AtomicUsize>, Arc<AtomicUsize>);
    #[async_trait::async_trait]
    impl baler_store::Layer for Busy {
        async fn look<'a, T: Send + 'a>(
            &self,
            _: Operation<'a>,
            call: baler_store::Call<'a, T>,
        ) -> Result<T, baler_store::Error> {
            let here = self.0.fetch_add(1, Relaxed) + 1;
            self.1.fetch_max(here, Relaxed);
            tokio::task::yield_now().await;
            let result = call().await;
            self.0.fetch_sub(1, Relaxed);
            result
        }
    }
    let busy = Wrapped::new(Memory::new(), Busy(now, most.clone()));
    let store = Arc::new(Wrapped::new(busy, Limit::new(3)));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let store = store.clone();
        tasks.spawn(async move { store.head("a").await });
    }
    while let Some(done) = tasks.join_next().await {
        assert_eq!(done.unwrap().unwrap(), None);
    }
    assert_eq!(most.load(Relaxed), 3);
}

#[tokio::test]
async fn a_dry_run_only_tells() {
    let inner = Arc::new(Memory::new());
    inner.put("old", "x".into(), &put(b"x")).await.unwrap();
    let dry = Arc::new(DryRun::new());
    let store = Wrapped::new(inner.clone(), dry.clone());
    store.put("new", "y".into(), &put(b"y")).await.unwrap();
    store.delete("old").await.unwrap();
    store.copy(&store.source("old"), "copy", &put(b"x")).await.unwrap();
    let told = [("put", "new"), ("delete", "old"), ("copy", "copy")];
    assert_eq!(dry.told(), told.map(|(verb, name)| (verb, name.to_owned())));
    let left: Vec<_> = store.list("").await.unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(left, ["old"]);
}
