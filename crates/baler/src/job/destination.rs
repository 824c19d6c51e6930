//! Where a new bundle goes: a directory, or S3.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use baler_bundle::{DirectorySink, Level, PartSink, SealedPart, bundle_files};
#[cfg(feature = "aws")]
use baler_bundle::{is_bundle_file, manifest_filename};
use baler_manifest::Part;
#[cfg(feature = "aws")]
use {
    crate::ami::Submission,
    crate::aws::InS3,
    crate::bucket::BucketOptions,
    crate::event::Event,
    crate::parts::StoreSink,
    baler_store::{Acl, Kind as StoreKind, Location},
};

use crate::advice::Advice;
use crate::bundle::is_same;
#[cfg(feature = "aws")]
use crate::error::Context;
use crate::error::{Error, Result};
use crate::input::Input;
use crate::output;
use crate::place::Place;
use crate::run::Run;
use crate::space;

/// A place for a bundle, found.
#[derive(Debug)]
pub(crate) enum Destination {
    Directory(PathBuf),
    #[cfg(feature = "aws")]
    S3(Box<NewInS3>),
}

#[cfg(feature = "aws")]
#[derive(Debug)]
pub(crate) struct NewInS3 {
    place: Location,
    /// `None` in a dry run for which the bucket would have to be made.
    found: Option<InS3>,
    acl: Acl,
}

impl Destination {
    /// Finds the place; a bucket is looked for, and whether EC2 could read from it.
    #[cfg(feature = "aws")]
    pub(crate) fn open(
        place: &Place,
        bucket: &BucketOptions,
        is_dry: bool,
        run: &Run,
    ) -> Result<Destination> {
        let place = match place {
            Place::Path(path) => return Ok(Destination::Directory(path.clone())),
            Place::S3(place) => place.clone(),
        };
        let found = run.wait(async {
            let aws = run.aws().await?;
            let found = bucket.prepare(&aws, &place, is_dry, run).await?;
            Ok(found.map(|found| aws.at(&place, found)))
        })?;
        Ok(Destination::S3(Box::new(NewInS3 { place, found, acl: bucket.acl })))
    }

    /// Finds the place.
    #[cfg(not(feature = "aws"))]
    pub(crate) fn open(place: &Place) -> Destination {
        let Place::Path(path) = place;
        Destination::Directory(path.clone())
    }

    /// The region of the bucket.
    pub(crate) fn region(&self) -> Option<&str> {
        match self {
            #[cfg(feature = "aws")]
            Destination::S3(s3) => Some(s3.found.as_ref()?.bucket.region()),
            Destination::Directory(_) => None,
        }
    }

    pub(crate) fn place(&self) -> Place {
        match self {
            Destination::Directory(path) => Place::Path(path.clone()),
            #[cfg(feature = "aws")]
            Destination::S3(s3) => Place::S3(s3.place.clone()),
        }
    }

    /// The account that the credentials belong to.
    #[cfg(feature = "aws")]
    pub(crate) fn account(&self, run: &Run) -> Result<Option<String>> {
        if let Destination::Directory(_) = self {
            return Ok(None);
        }
        let account = run.wait(async { run.aws().await?.account().await })?;
        if let Some(account) = &account {
            run.report(Event::Account(account));
        }
        Ok(account)
    }

    /// What is needed to register a bundle of that name there; `None` where EC2 cannot read it.
    #[cfg(feature = "aws")]
    pub(crate) fn submission(&self, name: &str, run: &Run) -> Result<Option<Submission>> {
        let Destination::S3(s3) = self else { return Ok(None) };
        let location = s3.place.join(&manifest_filename(name)).path();
        let Some(found) = &s3.found else { return Ok(Some(Submission { location, ec2: None })) };
        let region = found.bucket.region();
        let ec2 = run.ec2(Some(region))?;
        Ok(Some(Submission { location, ec2: Some(ec2) }))
    }

    /// Refuses what is in the way, before anything is read or made.
    pub(crate) fn check(
        &self,
        name: &str,
        inputs: &[&Path],
        overwrite: bool,
        run: &Run,
    ) -> Result<()> {
        let found = match self {
            Destination::Directory(path) => {
                // A directory that is not there is made later, or that says what is wrong with it.
                let files = bundle_files(path, name).unwrap_or_default();
                let is_input = |file: &&PathBuf| inputs.iter().any(|input| is_same(file, input));
                if let Some(own) = files.iter().find(is_input) {
                    return Err(Error::usage(format!(
                        "`{}` is an input, and the bundle would overwrite it",
                        own.display()
                    ))
                    .advise(Advice::ChooseDirectoryOrName));
                }
                files.into_iter().next().map(Place::Path)
            }
            #[cfg(feature = "aws")]
            Destination::S3(s3) => {
                let first = s3.files(name, run)?.into_iter().flatten().next();
                first.map(|name| Place::S3(s3.place.join(&name)))
            }
        };
        #[cfg(not(feature = "aws"))]
        let _ = run;
        match found {
            Some(found) if !overwrite => {
                Err(Error::failed(format!("`{found}` exists")).advise(Advice::OverwriteOrRename))
            }
            _ => Ok(()),
        }
    }

    /// Makes the directory if it is not there; whether it was made.
    pub(crate) fn make(&self) -> Result<bool> {
        match self {
            Destination::Directory(path) => output::make_directory(path),
            #[cfg(feature = "aws")]
            Destination::S3(_) => Ok(false),
        }
    }

    /// Removes the directory that was made, if nothing came into it.
    pub(crate) fn unmake(&self) {
        if let Some(path) = self.place().path() {
            // As far as it can be undone: a directory that is not empty stays.
            let _ = fs::remove_dir(path);
        }
    }

    /// Whether there is room.
    pub(crate) fn check_space(&self, input: &mut Input, level: Level, run: &Run) -> Result<()> {
        match self {
            Destination::Directory(path) => space::check(path, input, level, run),
            #[cfg(feature = "aws")]
            Destination::S3(_) => Ok(()),
        }
    }

    pub(crate) fn sink(&self, name: &str, overwrite: bool, run: &Run) -> Result<Sink> {
        #[cfg(not(feature = "aws"))]
        let _ = run;
        match self {
            Destination::Directory(path) => {
                let sink = DirectorySink::create(path, name, overwrite).map_err(in_the_way)?;
                Ok(Sink::Directory(sink))
            }
            #[cfg(feature = "aws")]
            Destination::S3(s3) => s3.sink(name, overwrite, run),
        }
    }
}

#[cfg(feature = "aws")]
impl NewInS3 {
    /// The files of a bundle of that name that are there; `None` without permission to list: writing will tell.
    fn files(&self, name: &str, run: &Run) -> Result<Option<Vec<String>>> {
        let Some(found) = &self.found else { return Ok(None) };
        let listed = run.wait(async { Ok(found.store.list(&format!("{name}.")).await?) });
        let is_denied = |error: &baler_store::Error| error.kind == StoreKind::Denied;
        let listed = match listed {
            Err(error) if error.find::<baler_store::Error>().is_some_and(is_denied) => {
                return Ok(None);
            }
            listed => listed.with_context(|| format!("looking into `{}`", self.place))?,
        };
        let names = listed.into_iter().map(|entry| entry.name);
        Ok(Some(names.filter(|filename| is_bundle_file(filename, name)).collect()))
    }

    fn sink(&self, name: &str, overwrite: bool, run: &Run) -> Result<Sink> {
        let Some(found) = &self.found else {
            return Err(Error::failed("the bucket was not made"));
        };
        let stale = if overwrite {
            // Without permission to list, assume that there is one.
            Some(self.files(name, run)?.unwrap_or_else(|| vec![manifest_filename(name)]))
        } else {
            None
        };
        let sink = StoreSink::new(run, found.store.clone(), self.acl, stale)?;
        Ok(Sink::S3 { sink, place: self.place.clone() })
    }
}

/// What takes the parts, and at last the manifest.
pub(crate) enum Sink {
    Directory(DirectorySink),
    #[cfg(feature = "aws")]
    S3 {
        sink: StoreSink,
        place: Location,
    },
}

impl PartSink for Sink {
    fn put(&mut self, part: SealedPart) -> io::Result<()> {
        match self {
            Sink::Directory(sink) => sink.put(part),
            #[cfg(feature = "aws")]
            Sink::S3 { sink, .. } => sink.put(part),
        }
    }
}

impl Sink {
    /// Gives the parts the names that fit their count, where names can still be changed.
    pub(crate) fn renumber(&mut self, parts: &mut [Part]) -> io::Result<()> {
        match self {
            Sink::Directory(sink) => sink.renumber(parts),
            #[cfg(feature = "aws")]
            Sink::S3 { .. } => Ok(()),
        }
    }

    /// Completes the bundle; gives the manifest's place.
    #[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "for S3"))]
    pub(crate) fn commit(self, name: &str, manifest: String, run: &Run) -> Result<Place> {
        match self {
            Sink::Directory(sink) => Ok(Place::Path(sink.commit(&manifest).map_err(in_the_way)?)),
            #[cfg(feature = "aws")]
            Sink::S3 { mut sink, place } => {
                let filename = manifest_filename(name);
                match sink.commit(&filename, manifest) {
                    Ok(left) => {
                        for name in left {
                            run.report(Event::OldPartLeft(&Place::S3(place.join(&name))));
                        }
                        Ok(Place::S3(place.join(&filename)))
                    }
                    Err(error) => {
                        Sink::S3 { sink, place }.abandon(name, run);
                        Err(error).context("writing the bundle")
                    }
                }
            }
        }
    }

    /// Takes back what was sent of an unfinished bundle.
    #[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "for S3"))]
    pub(crate) fn abandon(self, name: &str, run: &Run) {
        match self {
            Sink::Directory(_) => {}
            #[cfg(feature = "aws")]
            Sink::S3 { mut sink, place } => {
                if sink.is_untouched() {
                    return;
                }
                let place = Place::S3(place);
                run.report(Event::Removing(&place));
                if sink.has_replaced() {
                    run.report(Event::OldBundleGone);
                }
                let parts = sink.undo().len();
                if parts > 0 {
                    run.report(Event::PartsLeft { parts, name, place: &place });
                }
            }
        }
    }
}

fn in_the_way(error: io::Error) -> Error {
    let outer = Error::failed("writing the bundle");
    let outer = match error.kind() {
        io::ErrorKind::AlreadyExists => outer.advise(Advice::OverwriteOrRename),
        _ => outer,
    };
    outer.because(error)
}
