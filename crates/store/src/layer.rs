//! Layers over a store: operations are tried again, held back, only reported, or made to fail.

use std::fmt::Debug;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Error;
use crate::object::{Acl, CopySource, ListedObject, Meta, Put};
use crate::store::Store;

/// A call of the store below: it may be made several times, or never.
pub type Call<'a, T> = &'a (
        dyn Fn() -> Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>> + Send + Sync + 'a
    );

/// The operation, and the object that it is for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Operation<'a> {
    /// `put`, `get`, `head`, `list`, `delete`, `copy`, `grant`.
    pub verb: &'static str,
    /// The object's name, or the prefix of a listing.
    pub name: &'a str,
}

/// Behaviour that is added to each operation of a store.
#[async_trait]
pub trait Layer: Debug + Send + Sync {
    /// Makes, or does not make, a call that only reads.
    ///
    /// # Errors
    /// The call's, or the layer's own.
    async fn look<'a, T: Send + 'a>(
        &self,
        operation: Operation<'a>,
        call: Call<'a, T>,
    ) -> Result<T, Error>;

    /// Makes, or does not make, a call that changes something. As [`look`](Layer::look) by default.
    ///
    /// # Errors
    /// The call's, or the layer's own.
    async fn change<'a>(&self, operation: Operation<'a>, call: Call<'a, ()>) -> Result<(), Error> {
        self.look(operation, call).await
    }
}

/// A store with a layer over it.
#[derive(Debug)]
pub struct Wrapped<S, L> {
    store: S,
    layer: L,
}

impl<S: Store, L: Layer> Wrapped<S, L> {
    /// Puts `layer` over `store`.
    pub fn new(store: S, layer: L) -> Wrapped<S, L> {
        Wrapped { store, layer }
    }
}

#[async_trait]
impl<S: Store, L: Layer> Store for Wrapped<S, L> {
    fn address(&self, name: &str) -> String {
        self.store.address(name)
    }

    fn source(&self, name: &str) -> CopySource {
        self.store.source(name)
    }

    async fn put(&self, name: &str, data: Bytes, put: &Put) -> Result<(), Error> {
        let call = || self.store.put(name, data.clone(), put);
        self.layer.change(Operation { verb: "put", name }, &call).await
    }

    async fn get(&self, name: &str, range: Option<Range<u64>>, most: u64) -> Result<Bytes, Error> {
        let call = || self.store.get(name, range.clone(), most);
        self.layer.look(Operation { verb: "get", name }, &call).await
    }

    async fn head(&self, name: &str) -> Result<Option<Meta>, Error> {
        let call = || self.store.head(name);
        self.layer.look(Operation { verb: "head", name }, &call).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, Error> {
        let call = || self.store.list(prefix);
        self.layer.look(Operation { verb: "list", name: prefix }, &call).await
    }

    async fn delete(&self, name: &str) -> Result<(), Error> {
        let call = || self.store.delete(name);
        self.layer.change(Operation { verb: "delete", name }, &call).await
    }

    async fn copy(&self, from: &CopySource, name: &str, put: &Put) -> Result<(), Error> {
        let call = || self.store.copy(from, name, put);
        self.layer.change(Operation { verb: "copy", name }, &call).await
    }

    async fn grant(&self, name: &str, acl: Acl) -> Result<(), Error> {
        let call = || self.store.grant(name, acl);
        self.layer.change(Operation { verb: "grant", name }, &call).await
    }
}
