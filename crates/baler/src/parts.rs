//! The parts of a bundle on their way to a store and from there.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use baler_bundle::{MAX_PART_LEN, PartSink, PartSource, SealedPart};
use baler_manifest::Contents;
use baler_store::{Acl, Download, Kind, Put, Store, Upload, sha1_of};
use bytes::Bytes;
use tokio::runtime::Handle;

use crate::error::Result;
use crate::pace::IN_FLIGHT;
use crate::run::Run;
use crate::stop::{Stop, Stopped};

/// Waits for the network on a thread that is not the network's.
#[derive(Clone)]
struct Waiter {
    handle: Handle,
    stop: Stop,
}

impl Waiter {
    fn new(run: &Run) -> Result<Waiter> {
        Ok(Waiter { handle: run.handle()?, stop: run.stop.clone() })
    }

    fn wait<T>(
        &self,
        work: impl Future<Output = std::result::Result<T, baler_store::Error>>,
    ) -> io::Result<T> {
        self.handle.block_on(async {
            tokio::select! {
                result = work => result.map_err(|error| io::Error::new(kind(&error), error)),
                () = self.stop.requested() => Err(io::Error::other(Stopped)),
            }
        })
    }
}

/// A part that is missing or too long is the bundle's fault, in a store as in a directory.
fn kind(error: &baler_store::Error) -> io::ErrorKind {
    match error.kind {
        Kind::NotFound => io::ErrorKind::NotFound,
        Kind::TooLarge => io::ErrorKind::FileTooLarge,
        _ => io::ErrorKind::Other,
    }
}

/// Removes the manifest of a bundle that is overwritten, so that at no time one stands beside parts that are not its own.
///
/// First another object is put there and removed: without permission for that, the old bundle stays.
pub(crate) async fn make_way(
    store: &Arc<dyn Store>,
    manifest: &str,
    acl: Acl,
) -> std::result::Result<(), baler_store::Error> {
    let mut random = [0; 8];
    // Any name will do that nobody else has chosen.
    let _ = getrandom::fill(&mut random);
    let name = format!(".baler-check-{:016x}", u64::from_le_bytes(random));
    let data = Bytes::from_static(b"baler check\n");
    let put = Put::new(sha1_of(&data), acl);
    store.put(&name, data, &put).await?;
    store.delete(&name).await?;
    store.delete(manifest).await
}

/// Parts that are in a store; those that come next are read ahead.
pub(crate) struct StoredParts {
    waiter: Waiter,
    store: Arc<dyn Store>,
    download: Download,
    digests: HashMap<String, [u8; 20]>,
}

impl StoredParts {
    pub(crate) fn new(
        run: &Run,
        store: Arc<dyn Store>,
        contents: &Contents,
        jobs: usize,
    ) -> Result<StoredParts> {
        let names = contents.parts.iter().map(|part| part.filename.clone()).collect();
        let digests =
            contents.parts.iter().map(|part| (part.filename.clone(), *part.digest.bytes()));
        let digests = digests.collect();
        let waiter = Waiter::new(run)?;
        let download = Download::new(store.clone(), names, jobs, MAX_PART_LEN as u64);
        Ok(StoredParts { waiter, download, digests, store })
    }
}

impl PartSource for StoredParts {
    fn get(&self, filename: &str) -> io::Result<Vec<u8>> {
        self.waiter.wait(async {
            let data = self.download.get(filename).await?;
            // A bit may have turned on the way: what is wrong is read once more before it is called wrong.
            let data = match self.digests.get(filename) {
                Some(digest) if *digest != sha1_of(&data) => {
                    self.store.get(filename, None, MAX_PART_LEN as u64).await?
                }
                _ => data,
            };
            Ok(data.into())
        })
    }
}

/// A new bundle on its way into a store: parts, several at a time, and last of all the manifest.
pub(crate) struct StoreSink {
    waiter: Waiter,
    store: Arc<dyn Store>,
    upload: Option<Upload>,
    acl: Acl,
    overwrite: bool,
    /// What was begun: the names, and the digests.
    begun: Vec<(String, [u8; 20])>,
    /// Whether something else had one of the names.
    in_the_way: bool,
    /// What there is of an old bundle of that name; its manifest goes before the first part comes.
    stale: Vec<String>,
    has_replaced: bool,
}

/// How long taking back may take.
const UNDO: Duration = Duration::from_secs(30);

impl StoreSink {
    /// With `stale`, the files of an old bundle of that name, it overwrites that one.
    pub(crate) fn new(
        run: &Run,
        store: Arc<dyn Store>,
        acl: Acl,
        stale: Option<Vec<String>>,
    ) -> Result<StoreSink> {
        let ignore = Arc::new(|_: &str, _| {});
        let upload = Upload::new(store.clone(), IN_FLIGHT, Some(BTreeSet::new()), ignore);
        Ok(StoreSink {
            waiter: Waiter::new(run)?,
            store,
            upload: Some(upload),
            acl,
            overwrite: stale.is_some(),
            begun: Vec::new(),
            in_the_way: false,
            stale: stale.unwrap_or_default(),
            has_replaced: false,
        })
    }

    /// Waits until all parts have arrived, and then puts the manifest. Then the old parts go that are not of this bundle;
    /// gives those that could not be removed.
    pub(crate) fn commit(&mut self, filename: &str, manifest: String) -> io::Result<Vec<String>> {
        if let Some(upload) = self.upload.take() {
            let arrived = self.waiter.wait(upload.finish());
            self.noted(arrived)?;
        }
        let data = Bytes::from(manifest);
        let put = Put::new(sha1_of(&data), self.acl).with_overwrite(self.overwrite);
        // First of what is taken back: it may have arrived even if the answer did not.
        self.begun.insert(0, (filename.to_owned(), put.sha1));
        let arrived = self.waiter.wait(self.store.put(filename, data, &put));
        self.noted(arrived)?;
        // From here on they belong to a bundle.
        let names: BTreeSet<_> = self.begun.drain(..).map(|(name, _)| name).collect();
        let stale = self.stale.iter().filter(|name| !names.contains(*name));
        Ok(self.remove(stale.cloned().collect()))
    }

    /// Whether nothing was sent or removed yet.
    pub(crate) fn is_untouched(&self) -> bool {
        self.begun.is_empty() && !self.has_replaced
    }

    /// Whether the bundle that was to be overwritten is gone.
    pub(crate) fn has_replaced(&self) -> bool {
        self.has_replaced
    }

    /// Removes what was sent of an unfinished bundle, and what is left of the one whose manifest made way for it, within
    /// half a minute; gives what could not be removed.
    pub(crate) fn undo(&mut self) -> Vec<String> {
        // What is on its way is called off.
        self.upload = None;
        let begun = std::mem::take(&mut self.begun);
        let mut names: Vec<_> = begun.iter().map(|(name, _)| name.clone()).collect();
        if self.has_replaced {
            let is_new = |name: &&String| begun.iter().any(|(new, _)| new == *name);
            names.extend(self.stale.iter().filter(|name| !is_new(name)).cloned());
        }
        let mut left: BTreeSet<_> = names.into_iter().collect();
        self.waiter.handle.block_on(async {
            let removing = async {
                for (name, sha1) in &begun {
                    if !self.is_ours(name, sha1).await || self.store.delete(name).await.is_ok() {
                        left.remove(name);
                    }
                }
                for name in left.clone() {
                    if self.store.delete(&name).await.is_ok() {
                        left.remove(&name);
                    }
                }
            };
            // Nobody waits for a network that is gone.
            let _ = tokio::time::timeout(UNDO, removing).await;
        });
        left.into_iter().collect()
    }

    /// Whether an object is the one that was put: without permission to list, other bundles are seen only when putting.
    async fn is_ours(&self, name: &str, sha1: &[u8; 20]) -> bool {
        if self.overwrite {
            return true;
        }
        match self.store.head(name).await {
            Ok(None) => false,
            Ok(Some(meta)) => meta.sha1.map_or(!self.in_the_way, |found| found == *sha1),
            Err(_) => !self.in_the_way,
        }
    }

    fn noted<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        let inner = result.as_ref().err().and_then(io::Error::get_ref);
        let error = inner.and_then(|inner| inner.downcast_ref::<baler_store::Error>());
        self.in_the_way |= error.is_some_and(|error| error.kind == Kind::Exists);
        result
    }

    fn remove(&self, names: Vec<String>) -> Vec<String> {
        self.waiter.handle.block_on(async {
            let mut left = Vec::new();
            for name in names {
                if self.store.delete(&name).await.is_err() {
                    left.push(name);
                }
            }
            left
        })
    }
}

impl PartSink for StoreSink {
    fn put(&mut self, part: SealedPart) -> io::Result<()> {
        if self.begun.is_empty() {
            for old in self.stale.iter().filter(|name| name.ends_with(".manifest.xml")) {
                self.waiter.wait(make_way(&self.store, old, self.acl))?;
                self.has_replaced = true;
            }
        }
        let put = Put::new(*part.digest.bytes(), self.acl).with_overwrite(self.overwrite);
        let Some(upload) = &mut self.upload else {
            return Err(io::Error::other("the bundle is complete"));
        };
        self.begun.push((part.filename.clone(), put.sha1));
        let taken = self.waiter.wait(upload.put(part.filename, part.data.into(), put));
        self.noted(taken)
    }
}
