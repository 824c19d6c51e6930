//! Transfers of many objects at once, in bounded memory.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use crate::error::{Error, Kind};
use crate::object::Put;
use crate::store::Store;

/// Something that happened to an object on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// So many bytes have arrived.
    Sent(u64),
    /// An object was there already; so many bytes were not sent.
    Kept(u64),
}

type OnEvent = Arc<dyn Fn(&str, Event) + Send + Sync>;

/// Puts objects, several at a time; what is there already is not sent again.
pub struct Upload {
    store: Arc<dyn Store>,
    permits: Arc<Semaphore>,
    tasks: JoinSet<Result<(), Error>>,
    present: Option<BTreeSet<String>>,
    on_event: OnEvent,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Upload {
    /// To `store`, `jobs` objects at a time. An object that may be `present` is looked for first; with `None`, every one
    /// is.
    pub fn new(
        store: Arc<dyn Store>,
        jobs: usize,
        present: Option<BTreeSet<String>>,
        on_event: OnEvent,
    ) -> Upload {
        let permits = Arc::new(Semaphore::new(jobs.max(1)));
        Upload { store, permits, tasks: JoinSet::new(), present, on_event }
    }

    /// Begins to put an object, once there is room for it.
    ///
    /// # Errors
    /// What went wrong with an earlier one.
    pub async fn put(&mut self, name: String, data: Bytes, put: Put) -> Result<(), Error> {
        // It is never closed.
        let permit = self.permits.clone().acquire_owned().await;
        while let Some(done) = self.tasks.try_join_next() {
            joined(done)?;
        }
        let (store, on_event) = (self.store.clone(), self.on_event.clone());
        let may_be_there = self.present.as_ref().is_none_or(|present| present.contains(&name));
        self.tasks.spawn(async move {
            let _permit = permit;
            let len = data.len() as u64;
            let meta = if may_be_there {
                match store.head(&name).await {
                    // Without permission to look, the PUT itself tells.
                    Err(Error { kind: Kind::Denied, .. }) => None,
                    meta => meta?,
                }
            } else {
                None
            };
            if meta.is_some_and(|meta| meta.is(&data, &put.sha1)) {
                match store.grant(&name, put.acl).await {
                    Err(Error { kind: Kind::Unsupported, .. }) | Ok(()) => {}
                    Err(error) => return Err(error),
                }
                on_event(&name, Event::Kept(len));
                return Ok(());
            }
            store.put(&name, data, &put).await?;
            on_event(&name, Event::Sent(len));
            Ok(())
        });
        Ok(())
    }

    /// Waits until all have arrived.
    ///
    /// # Errors
    /// What went wrong first; nothing more is sent then.
    pub async fn finish(mut self) -> Result<(), Error> {
        while let Some(done) = self.tasks.join_next().await {
            joined(done)?;
        }
        Ok(())
    }
}

fn joined<T>(done: Result<Result<T, Error>, tokio::task::JoinError>) -> Result<T, Error> {
    done.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => Err(Error::new("waiting", "a transfer", Kind::Local, error.to_string())),
    })
}

/// Gets objects whose order is known, some of them before they are asked for.
#[derive(Debug)]
pub struct Download {
    store: Arc<dyn Store>,
    names: Vec<String>,
    places: HashMap<String, usize>,
    jobs: usize,
    most: u64,
    begun: Mutex<Begun>,
}

#[derive(Debug, Default)]
struct Begun {
    /// The first that was never begun.
    next: usize,
    tasks: HashMap<usize, JoinHandle<Result<Bytes, Error>>>,
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.tasks.values().for_each(JoinHandle::abort);
    }
}

impl Download {
    /// Of these, in this order, `jobs` at a time, none of them longer than `most`.
    pub fn new(store: Arc<dyn Store>, names: Vec<String>, jobs: usize, most: u64) -> Download {
        let places = names.iter().cloned().enumerate().map(|(at, name)| (name, at)).collect();
        Download { store, names, places, jobs: jobs.max(1), most, begun: Mutex::default() }
    }

    /// One of them; the next ones are begun.
    ///
    /// # Errors
    /// The store's, for this object.
    pub async fn get(&self, name: &str) -> Result<Bytes, Error> {
        let Some(at) = self.places.get(name).copied() else {
            return self.store.get(name, None, self.most).await;
        };
        let task = {
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            // What was left out is not wanted any more.
            begun.next = begun.next.max(at);
            while begun.next < self.names.len()
                && (begun.next == at || begun.tasks.len() < self.jobs)
            {
                let next = begun.next;
                let (store, name, most) = (self.store.clone(), self.names[next].clone(), self.most);
                let task = tokio::spawn(async move { store.get(&name, None, most).await });
                begun.tasks.insert(next, task);
                begun.next += 1;
            }
            begun.tasks.remove(&at)
        };
        match task {
            Some(task) => joined(task.await),
            None => self.store.get(name, None, self.most).await,
        }
    }
}
