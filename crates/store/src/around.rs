//! Behaviour that is put around a store: it is tried again, held back, only told, or made to fail.

use std::fmt::Debug;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Acl, Entry, Error, Meta, Put, Source, Store};

/// A call of the store within: it may be made several times, or never.
pub type Call<'a, T> = &'a (
        dyn Fn() -> Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>> + Send + Sync + 'a
    );

/// What is being done, and to what.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    /// `put`, `get`, `head`, `list`, `delete`, `copy`, `grant`.
    pub verb: &'static str,
    /// The object's name, or the prefix of a listing.
    pub name: &'a str,
}

/// What is put around each operation.
#[async_trait]
pub trait Around: Debug + Send + Sync {
    /// Does, or does not, what only looks.
    async fn look<'a, T: Send + 'a>(
        &self,
        operation: Operation<'a>,
        call: Call<'a, T>,
    ) -> Result<T, Error>;

    /// Does, or does not, what changes something.
    async fn change<'a>(&self, operation: Operation<'a>, call: Call<'a, ()>) -> Result<(), Error> {
        self.look(operation, call).await
    }
}

/// A store with something put around it.
#[derive(Debug)]
pub struct Wrapped<S, A> {
    store: S,
    around: A,
}

impl<S: Store, A: Around> Wrapped<S, A> {
    /// Puts `around` around `store`.
    pub fn new(store: S, around: A) -> Wrapped<S, A> {
        Wrapped { store, around }
    }
}

#[async_trait]
impl<S: Store, A: Around> Store for Wrapped<S, A> {
    fn address(&self, name: &str) -> String {
        self.store.address(name)
    }

    fn source(&self, name: &str) -> Source {
        self.store.source(name)
    }

    async fn put(&self, name: &str, data: Bytes, put: &Put) -> Result<(), Error> {
        let call = || self.store.put(name, data.clone(), put);
        self.around.change(Operation { verb: "put", name }, &call).await
    }

    async fn get(&self, name: &str, range: Option<Range<u64>>, most: u64) -> Result<Bytes, Error> {
        let call = || self.store.get(name, range.clone(), most);
        self.around.look(Operation { verb: "get", name }, &call).await
    }

    async fn head(&self, name: &str) -> Result<Option<Meta>, Error> {
        let call = || self.store.head(name);
        self.around.look(Operation { verb: "head", name }, &call).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        let call = || self.store.list(prefix);
        self.around.look(Operation { verb: "list", name: prefix }, &call).await
    }

    async fn delete(&self, name: &str) -> Result<(), Error> {
        let call = || self.store.delete(name);
        self.around.change(Operation { verb: "delete", name }, &call).await
    }

    async fn copy(&self, from: &Source, name: &str, put: &Put) -> Result<(), Error> {
        let call = || self.store.copy(from, name, put);
        self.around.change(Operation { verb: "copy", name }, &call).await
    }

    async fn grant(&self, name: &str, acl: Acl) -> Result<(), Error> {
        let call = || self.store.grant(name, acl);
        self.around.change(Operation { verb: "grant", name }, &call).await
    }
}
