//! Objects in memory, for tests and examples.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::{Error, Kind};
use crate::object::{Acl, CopySource, ListedObject, Meta, Put, sha1_of, slice};
use crate::store::Store;

/// A store that is gone with the process.
#[derive(Debug, Default)]
pub struct Memory {
    objects: Mutex<BTreeMap<String, (Bytes, Acl)>>,
}

impl Memory {
    /// An empty one.
    pub fn new() -> Memory {
        Memory::default()
    }

    /// Who may read an object, if there is one.
    pub fn acl(&self, name: &str) -> Option<Acl> {
        self.objects().get(name).map(|(_, acl)| *acl)
    }

    fn objects(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (Bytes, Acl)>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, operation: &'static str, name: &str, kind: Kind) -> Error {
        let reason = match kind {
            Kind::NotFound => "there is no such object",
            Kind::Exists => "another object has that name",
            Kind::Mismatch => "its SHA-1 is another one",
            Kind::TooLarge => "it is too large",
            _ => "it cannot be done",
        };
        Error::new(operation, self.address(name), kind, reason)
    }
}

#[async_trait]
impl Store for Memory {
    fn address(&self, name: &str) -> String {
        format!("memory:{name}")
    }

    fn source(&self, name: &str) -> CopySource {
        CopySource {
            service: format!("memory:{:p}", &raw const self.objects),
            path: name.to_owned(),
        }
    }

    async fn put(&self, name: &str, data: Bytes, put: &Put) -> Result<(), Error> {
        if sha1_of(&data) != put.sha1 {
            return Err(self.error("writing", name, Kind::Mismatch));
        }
        let mut objects = self.objects();
        if !put.overwrite && objects.get(name).is_some_and(|(old, _)| *old != data) {
            return Err(self.error("writing", name, Kind::Exists));
        }
        objects.insert(name.to_owned(), (data, put.acl));
        Ok(())
    }

    async fn get(&self, name: &str, range: Option<Range<u64>>, most: u64) -> Result<Bytes, Error> {
        let found = self.objects().get(name).map(|(data, _)| data.clone());
        let data = found.ok_or_else(|| self.error("reading", name, Kind::NotFound))?;
        let data = slice(data, range.as_ref()).ok_or_else(|| {
            Error::new(
                "reading",
                self.address(name),
                Kind::Refused,
                "the range lies behind its end",
            )
        })?;
        if data.len() as u64 > most {
            return Err(self.error("reading", name, Kind::TooLarge));
        }
        Ok(data)
    }

    async fn head(&self, name: &str) -> Result<Option<Meta>, Error> {
        Ok(self.objects().get(name).map(|(data, _)| Meta {
            len: data.len() as u64,
            sha1: Some(sha1_of(data)),
            md5: None,
        }))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, Error> {
        let objects = self.objects();
        let found = objects.iter().filter(|(name, _)| name.starts_with(prefix));
        Ok(found
            .map(|(name, (data, _))| ListedObject { name: name.clone(), len: data.len() as u64 })
            .collect())
    }

    async fn delete(&self, name: &str) -> Result<(), Error> {
        self.objects().remove(name);
        Ok(())
    }

    async fn copy(&self, from: &CopySource, name: &str, put: &Put) -> Result<(), Error> {
        if from.service != self.source(name).service {
            return Err(self.error("copying", name, Kind::Unsupported));
        }
        let data = self.get(&from.path, None, u64::MAX).await?;
        self.put(name, data, put).await
    }

    async fn grant(&self, name: &str, acl: Acl) -> Result<(), Error> {
        let mut objects = self.objects();
        let object =
            objects.get_mut(name).ok_or_else(|| self.error("granting", name, Kind::NotFound))?;
        object.1 = acl;
        Ok(())
    }
}
