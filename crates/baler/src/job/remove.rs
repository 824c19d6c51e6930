//! A bundle is deleted, and nothing else.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use baler_bundle::{MAX_PART_LEN, is_bundle_file, manifest_filename, part_of};
use baler_store::{Directory, ListedObject, Store, sha1_of};

use crate::advice::Advice;
use crate::aws::InS3;
use crate::bundle::{Bundle, common_start};
use crate::error::{Context, Error, Result};
use crate::event::{Event, Left};
use crate::pace::IN_FLIGHT;
use crate::place::Place;
use crate::run::Run;

/// The files that will be deleted, in this order.
pub struct Removal {
    store: Arc<dyn Store>,
    directory: Place,
    names: Vec<String>,
    is_versioned: bool,
}

impl fmt::Debug for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Removal").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Removal {
    /// The manifest at a place, and the parts that it lists.
    ///
    /// # Errors
    /// Those of [`Bundle::read`], and a manifest that lists what does not belong to its bundle.
    pub fn of_manifest(place: &Place, run: &Run) -> Result<Removal> {
        let bundle = Bundle::read(place, run)?;
        let mut removal = match &bundle.stored {
            Some(stored) => Removal::empty_in_s3(bundle.directory(), stored, run)?,
            None => Removal::empty_here(bundle.directory()),
        };
        removal.list(&bundle, run)?;
        Ok(removal)
    }

    /// The parts that the manifest of a bundle lists which is elsewhere, and a manifest of its name.
    ///
    /// # Errors
    /// As of [`of_manifest`](Removal::of_manifest).
    pub fn of_listed(directory: &Place, bundle: &Bundle, run: &Run) -> Result<Removal> {
        let mut removal = Removal::empty(directory, run)?;
        removal.list(bundle, run)?;
        let manifest = bundle.filename()?;
        // Without permission to look it is deleted anyway: a file that is not there is no error.
        let found = run.wait(async { Ok(removal.store.head(manifest).await) })?;
        if let Ok(None) = found {
            removal.names.retain(|name| name != manifest);
        }
        Ok(removal)
    }

    /// What is at that place and called like the files of a bundle of that name.
    ///
    /// # Errors
    /// A name that no bundle can have, and what listing says.
    pub fn of_prefix(directory: &Place, prefix: &str, run: &Run) -> Result<Removal> {
        baler_manifest::check_name(prefix)
            .with_context(|| Error::usage(format!("`{prefix}` cannot be a bundle's name")))?;
        let mut removal = Removal::empty(directory, run)?;
        let manifest = manifest_filename(prefix);
        let listed = run.wait(async { Ok(removal.store.list(prefix).await?) });
        let listed = listed.with_context(|| format!("looking into `{directory}`"))?;
        let names = listed.into_iter().map(|entry| entry.name);
        removal.names = names.filter(|name| is_bundle_file(name, prefix)).collect();
        // The manifest first.
        removal.names.sort_by_key(|name| *name != manifest);
        Ok(removal)
    }

    fn empty(directory: &Place, run: &Run) -> Result<Removal> {
        match directory {
            Place::Path(_) => Ok(Removal::empty_here(directory)),
            Place::S3(place) => {
                let stored = run.wait(async { run.aws().await?.open(place).await })?;
                Removal::empty_in_s3(directory, &stored, run)
            }
        }
    }

    fn empty_here(directory: &Place) -> Removal {
        let path = directory.path().unwrap_or(Path::new(".")).to_owned();
        Removal {
            store: Arc::new(Directory::new(path)),
            directory: directory.clone(),
            names: Vec::new(),
            is_versioned: false,
        }
    }

    fn empty_in_s3(directory: &Place, stored: &InS3, run: &Run) -> Result<Removal> {
        let is_versioned =
            run.wait(async { Ok(stored.bucket.is_versioned().await == Some(true)) })?;
        let (store, directory) = (stored.store.clone(), directory.clone());
        Ok(Removal { store, directory, names: Vec::new(), is_versioned })
    }

    /// Takes the files of a bundle that are there, and refuses what a manifest may name that is no part of its bundle.
    fn list(&mut self, bundle: &Bundle, run: &Run) -> Result<()> {
        let contents = bundle.contents();
        let manifest = bundle.filename()?.to_owned();
        let names = contents.parts.iter().map(|part| part.filename.as_str());
        let begin = common_start(names.clone());
        let names = std::iter::once(manifest.as_str()).chain(names).map(str::to_owned);
        self.names = names.collect();
        let own = manifest_filename(&contents.name);
        let store = &self.store;
        let there = run.wait(async {
            if manifest != own && store.head(&own).await?.is_some() {
                let place = self.directory.join(&own);
                let what = format!("the parts of `{}` belong to `{place}` too", bundle.place());
                return Err(Error::failed(what).advise(Advice::Remove(place)));
            }
            for part in contents.parts.iter().filter(|part| part_of(&part.filename).is_none()) {
                // A file of such a name may be anything.
                let Some(meta) = store.head(&part.filename).await? else { continue };
                let sha1 = match meta.sha1 {
                    Some(sha1) => sha1,
                    None => sha1_of(&store.get(&part.filename, None, MAX_PART_LEN as u64).await?),
                };
                if sha1 != *part.digest.bytes() {
                    let place = self.directory.join(&part.filename);
                    return Err(Error::mismatch(format!(
                        "the manifest lists `{place}`, which is not a part of this bundle; nothing was deleted"
                    )));
                }
            }
            // Without permission to list, all that are named are deleted: a file that is not there is no error.
            let listed = store.list(begin).await.ok();
            let names = |found: Vec<ListedObject>| found.into_iter().map(|entry| entry.name).collect();
            Ok(listed.map(names))
        })?;
        let there: Option<BTreeSet<String>> = there;
        if let Some(there) = there {
            self.names.retain(|name| *name == manifest || there.contains(name));
        }
        Ok(())
    }

    /// The names of the files, the manifest first.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The place of the bundle.
    pub fn directory(&self) -> &Place {
        &self.directory
    }

    /// Where the files are.
    pub fn places(&self) -> Vec<Place> {
        self.names.iter().map(|name| self.directory.join(name)).collect()
    }

    /// Whether the bucket keeps versions of what is deleted.
    pub fn is_versioned(&self) -> bool {
        self.is_versioned
    }

    /// Reports what deleting will not do.
    pub fn warn(&self, run: &Run) {
        if self.is_versioned {
            run.report(Event::Versioned);
        }
    }

    /// Deletes the first file alone, and then the others, some at a time.
    ///
    /// # Errors
    /// What deleting says; its advice names what deletes the rest.
    pub fn run(&self, run: &Run) -> Result<()> {
        let Some((first, rest)) = self.names.split_first() else { return Ok(()) };
        run.report(Event::Leaves(Left::UndeletedParts));
        let deleted = run.wait(async {
            self.store.delete(first).await?;
            let mut tasks = tokio::task::JoinSet::new();
            for name in rest {
                run.stop.check()?;
                if tasks.len() >= IN_FLIGHT
                    && let Some(done) = tasks.join_next().await
                {
                    done.context("waiting")??;
                }
                let (store, name) = (self.store.clone(), name.clone());
                tasks.spawn(async move { Ok::<(), Error>(store.delete(&name).await?) });
            }
            while let Some(done) = tasks.join_next().await {
                done.context("waiting")??;
            }
            Ok(())
        });
        deleted.with_context(|| self.unfinished())
    }

    fn unfinished(&self) -> Error {
        let error = Error::failed(format!("deleting from `{}`", self.directory));
        match self.names.iter().find_map(|name| name.rsplit_once(".part.")) {
            Some((name, _)) => error.finally(Advice::RemoveLeftovers {
                prefix: name.to_owned(),
                place: self.directory.clone(),
            }),
            None => error,
        }
    }
}
