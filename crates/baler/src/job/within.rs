//! A copy from one place of a service to another, which the service makes.

use std::future::Future;
use std::sync::Arc;

use baler_bundle::MAX_PART_LEN;
use baler_manifest::Part;
use baler_store::{Acl, Event as StoreEvent, Kind, Put, Store, sha1_of};

use crate::advice::Advice;
use crate::error::{Context, Error, Result};
use crate::pace::IN_FLIGHT;
use crate::parts::make_way;

/// A copy that the service makes.
#[derive(Clone)]
pub(crate) struct Within {
    pub(crate) from: Arc<dyn Store>,
    pub(crate) to: Arc<dyn Store>,
    pub(crate) acl: Acl,
    pub(crate) overwrite: bool,
}

/// A part, as its manifest has it.
#[derive(Clone)]
struct Listed {
    name: String,
    sha1: [u8; 20],
}

impl Within {
    /// Copies the parts, some at a time. Nothing is changed before all of them are seen in the source, as they should be.
    pub(crate) async fn copy(
        self,
        parts: &[Part],
        old: Option<&str>,
        on_part: &(dyn Fn(&str, StoreEvent) + Send + Sync),
    ) -> Result<()> {
        let listed =
            |part: &Part| Listed { name: part.filename.clone(), sha1: *part.digest.bytes() };
        let listed: Vec<_> = parts.iter().map(listed).collect();
        let damaged = "is not what the manifest says; a damaged bundle is not copied";
        let check = |within: Within, Listed { name, sha1 }| async move {
            within.check(&within.from, &name, &sha1, damaged).await
        };
        self.each(&listed, check, &|_, _| {}).await?;
        if let Some(old) = old {
            make_way(&self.to, old, self.acl).await?;
        }
        let copy =
            |within: Within, Listed { name, sha1 }| async move { within.one(&name, sha1).await };
        self.each(&listed, copy, on_part).await
    }

    /// Does something to each part, some at a time.
    async fn each<F>(
        &self,
        listed: &[Listed],
        work: impl Fn(Within, Listed) -> F,
        on_part: &(dyn Fn(&str, StoreEvent) + Send + Sync),
    ) -> Result<()>
    where
        F: Future<Output = Result<StoreEvent>> + Send + 'static,
    {
        let mut tasks = tokio::task::JoinSet::new();
        let mut parts = listed.iter();
        loop {
            while tasks.len() < IN_FLIGHT
                && let Some(part) = parts.next()
            {
                let (name, work) = (part.name.clone(), work(self.clone(), part.clone()));
                tasks.spawn(async move { (name, work.await) });
            }
            let Some(done) = tasks.join_next().await else { return Ok(()) };
            let (name, event) = done.context("waiting for a copy")?;
            on_part(&name, event?);
        }
    }

    /// One part: its length, and whether it was there already.
    async fn one(&self, name: &str, sha1: [u8; 20]) -> Result<StoreEvent> {
        let put = Put::new(sha1, self.acl).with_overwrite(self.overwrite);
        if let Ok(Some(meta)) = self.to.head(name).await
            && meta.sha1 == Some(sha1)
        {
            match self.to.grant(name, self.acl).await {
                Err(error) if error.kind != Kind::Unsupported => return Err(error.into()),
                _ => return Ok(StoreEvent::Kept(meta.len)),
            }
        }
        self.to.copy(&self.from.source(name), name, &put).await?;
        self.check(&self.to, name, &sha1, "was changed while it was copied").await
    }

    /// Insists on a part being what it should be. A service that keeps no digests has to give its bytes.
    async fn check(
        &self,
        store: &Arc<dyn Store>,
        name: &str,
        sha1: &[u8; 20],
        what: &str,
    ) -> Result<StoreEvent> {
        let place = store.address(name);
        let meta = store.head(name).await?;
        let meta = meta.ok_or_else(|| Error::mismatch(format!("there is no part `{place}`")))?;
        let found = match meta.sha1 {
            Some(found) => found,
            None => sha1_of(&store.get(name, None, MAX_PART_LEN as u64).await?),
        };
        if found == *sha1 {
            return Ok(StoreEvent::Sent(meta.len));
        }
        Err(Error::mismatch(format!("`{place}` {what}")).advise(Advice::Verify))
    }
}
