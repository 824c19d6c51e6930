//! A copy from one place of a service to another, which the service makes.

use std::sync::Arc;

use anyhow::Context;
use baler_bundle::MAX_PART_LEN;
use baler_manifest::Contents;
use baler_store::{Acl, Kind, Put, Store, sha1_of};

use super::Copied;
use crate::bundle::IN_FLIGHT;
use crate::exit::Trouble;
use crate::remote::make_way;
use crate::report::Progress;

/// A copy that the service makes.
#[derive(Clone)]
pub(crate) struct Within {
    pub(crate) from: Arc<dyn Store>,
    pub(crate) to: Arc<dyn Store>,
    pub(crate) acl: Acl,
    pub(crate) overwrite: bool,
}

impl Within {
    /// Copies the parts, some at a time. Nothing is changed before all of them are seen in the source, as they should be.
    pub(crate) async fn copy(
        self,
        contents: &Contents,
        old: Option<&str>,
        progress: Progress,
    ) -> anyhow::Result<Copied> {
        let digests =
            contents.parts.iter().map(|part| (part.filename.clone(), *part.digest.bytes()));
        let digests: Vec<_> = digests.collect();
        self.each(
            &digests,
            |within, name, sha1| async move {
                within
                    .check(
                        &within.from,
                        &name,
                        &sha1,
                        "is not what the manifest says; no damaged bundle is copied",
                    )
                    .await
            },
            &|_, _| {},
        )
        .await?;
        if let Some(old) = old {
            make_way(&self.to, old, self.acl).await?;
        }
        let copied = std::sync::Mutex::new(Copied::default());
        let count = |len: u64, is_kept: bool| {
            let mut copied = copied.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if is_kept {
                copied.kept += len
            } else {
                copied.sent += len
            }
            progress.add(len);
        };
        self.each(
            &digests,
            |within, name, sha1| async move { within.one(&name, sha1).await },
            &count,
        )
        .await?;
        Ok(copied.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Does something to each part, some at a time.
    async fn each<F>(
        &self,
        digests: &[(String, [u8; 20])],
        work: impl Fn(Within, String, [u8; 20]) -> F,
        count: &dyn Fn(u64, bool),
    ) -> anyhow::Result<()>
    where
        F: Future<Output = anyhow::Result<(u64, bool)>> + Send + 'static,
    {
        let mut tasks = tokio::task::JoinSet::new();
        let mut parts = digests.iter();
        loop {
            while tasks.len() < IN_FLIGHT
                && let Some((name, sha1)) = parts.next()
            {
                tasks.spawn(work(self.clone(), name.clone(), *sha1));
            }
            let Some(done) = tasks.join_next().await else { return Ok(()) };
            let (len, is_kept) = done.context("waiting for a copy")??;
            count(len, is_kept);
        }
    }

    /// One part: its length, and whether it was there already.
    async fn one(&self, name: &str, sha1: [u8; 20]) -> anyhow::Result<(u64, bool)> {
        let put = Put { sha1, acl: self.acl, overwrite: self.overwrite };
        if let Ok(Some(meta)) = self.to.head(name).await
            && meta.sha1 == Some(sha1)
        {
            match self.to.grant(name, self.acl).await {
                Err(error) if error.kind != Kind::Unsupported => return Err(error.into()),
                _ => return Ok((meta.len, true)),
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
    ) -> anyhow::Result<(u64, bool)> {
        let place = store.address(name);
        let meta = store.head(name).await?;
        let meta = meta.ok_or_else(|| Trouble::mismatch(format!("there is no part `{place}`")))?;
        let found = match meta.sha1 {
            Some(found) => found,
            None => sha1_of(&store.get(name, None, MAX_PART_LEN as u64).await?),
        };
        match found == *sha1 {
            true => Ok((meta.len, false)),
            false => Err(Trouble::mismatch(format!("`{place}` {what}"))
                .hint("`baler verify` names all that is wrong")
                .into()),
        }
    }
}
