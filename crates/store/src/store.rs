//! The interface of all stores.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Error;
use crate::object::{Acl, CopySource, ListedObject, Meta, Put};

/// Named objects.
///
/// A name is relative to the store's place and has no `..` in it. Objects are small enough to be held in memory whole.
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// The place of an object, as people write it.
    fn address(&self, name: &str) -> String;

    /// The place of an object, for [`copy`](Store::copy).
    fn source(&self, name: &str) -> CopySource;

    /// Keeps an object; it appears whole or not at all. Putting the same object again is a success.
    ///
    /// # Errors
    /// `Exists` for another object of that name that may not be overwritten, `Mismatch` if what arrived has another digest.
    async fn put(&self, name: &str, data: Bytes, put: &Put) -> Result<(), Error>;

    /// Reads an object, or these bytes of it.
    ///
    /// # Errors
    /// `NotFound`; `TooLarge` for more than `most` bytes, before they are read.
    async fn get(&self, name: &str, range: Option<Range<u64>>, most: u64) -> Result<Bytes, Error>;

    /// Facts about an object; `None` if there is none.
    ///
    /// # Errors
    /// All but that there is none.
    async fn head(&self, name: &str) -> Result<Option<Meta>, Error>;

    /// All objects whose names begin with `prefix`, in the order of their names.
    ///
    /// # Errors
    /// `Denied`, and those of the way to the store.
    async fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, Error>;

    /// Removes an object. It is a success if there is none.
    ///
    /// # Errors
    /// `Denied`, and those of the way to the store.
    async fn delete(&self, name: &str) -> Result<(), Error>;

    /// Copies an object of the same service without moving its bytes through this machine.
    ///
    /// # Errors
    /// `Unsupported` for an object of another service; else as [`put`](Store::put).
    async fn copy(&self, from: &CopySource, name: &str, put: &Put) -> Result<(), Error>;

    /// Sets who may read an object.
    ///
    /// # Errors
    /// `NotFound`; `NoAcls` and `Unsupported` where objects have no ACLs.
    async fn grant(&self, name: &str, acl: Acl) -> Result<(), Error>;
}

#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    fn address(&self, name: &str) -> String {
        (**self).address(name)
    }

    fn source(&self, name: &str) -> CopySource {
        (**self).source(name)
    }

    async fn put(&self, name: &str, data: Bytes, put: &Put) -> Result<(), Error> {
        (**self).put(name, data, put).await
    }

    async fn get(&self, name: &str, range: Option<Range<u64>>, most: u64) -> Result<Bytes, Error> {
        (**self).get(name, range, most).await
    }

    async fn head(&self, name: &str) -> Result<Option<Meta>, Error> {
        (**self).head(name).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, Error> {
        (**self).list(prefix).await
    }

    async fn delete(&self, name: &str) -> Result<(), Error> {
        (**self).delete(name).await
    }

    async fn copy(&self, from: &CopySource, name: &str, put: &Put) -> Result<(), Error> {
        (**self).copy(from, name, put).await
    }

    async fn grant(&self, name: &str, acl: Acl) -> Result<(), Error> {
        (**self).grant(name, acl).await
    }
}
