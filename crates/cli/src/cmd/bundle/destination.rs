//! Where a new bundle goes: a directory, or S3.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use baler_bundle::{
    DirectorySink, PartSink, SealedPart, bundle_files, is_bundle_file, manifest_filename,
};
use baler_ec2::Registration;
use baler_manifest::Part;
use baler_store::{Location, Store};

use crate::ami;
use crate::aws::{Aws, AwsArgs, Remote};
use crate::bundle::{IN_FLIGHT, is_same};
use crate::exit::Trouble;
use crate::input::Input;
use crate::output;
use crate::place::Place;
use crate::remote::RemoteSink;
use crate::report::{self, Console};
use crate::space;
use crate::target::TargetArgs;

/// A place for a bundle, found.
pub(crate) enum Destination {
    Directory(PathBuf),
    S3(Box<InS3>),
}

pub(crate) struct InS3 {
    pub(crate) aws: Arc<Aws>,
    pub(crate) place: Location,
    /// `None` in a dry run for which the bucket would have to be made.
    pub(crate) remote: Option<Remote>,
    target: TargetArgs,
}

impl Destination {
    /// Finds the place; a bucket is looked for, and whether EC2 could read from it.
    pub(crate) fn open(
        place: Place,
        target: &TargetArgs,
        args: &AwsArgs,
        dry_run: bool,
        console: &Console,
    ) -> anyhow::Result<Destination> {
        let place = match place {
            Place::Path(path) => return Ok(Destination::Directory(path)),
            Place::S3(place) => place,
        };
        let aws = Arc::new(Aws::connect(args, console)?);
        let region = args.region.as_deref();
        let remote = aws.run(async {
            let bucket = target.prepare(&aws, &place, region, dry_run, console).await?;
            Ok(bucket.map(|bucket| aws.at(&place, bucket)))
        })?;
        Ok(Destination::S3(Box::new(InS3 { aws, place, remote, target: target.clone() })))
    }

    /// The region of the bucket.
    pub(crate) fn region(&self) -> Option<&str> {
        match self {
            Destination::S3(s3) => Some(s3.remote.as_ref()?.bucket.region()),
            Destination::Directory(_) => None,
        }
    }

    pub(crate) fn place(&self) -> Place {
        match self {
            Destination::Directory(path) => Place::Path(path.clone()),
            Destination::S3(s3) => Place::S3(s3.place.clone()),
        }
    }

    /// The manifest's place, as EC2 takes it.
    pub(crate) fn location(&self, name: &str) -> String {
        match self.place() {
            Place::S3(place) => place.join(&manifest_filename(name)).path(),
            Place::Path(path) => path.display().to_string(),
        }
    }

    /// The account that the credentials are of.
    pub(crate) fn account(&self, console: &Console) -> anyhow::Result<Option<String>> {
        let Destination::S3(s3) = self else { return Ok(None) };
        let account = s3.aws.account()?;
        if let Some(account) = &account {
            console.note(&format!("the credentials are of the account {account}"));
        }
        Ok(account)
    }

    /// Refuses a name that an AMI has, before anything is sent.
    pub(crate) fn check_ami(
        &self,
        registration: &Registration,
        console: &Console,
    ) -> anyhow::Result<()> {
        let (Destination::S3(s3), Some(region)) = (self, self.region()) else { return Ok(()) };
        let ec2 = ami::ec2(&s3.aws, Some(region))?;
        let name = &registration.name;
        let looking = || format!("looking whether there is an AMI `{name}`");
        let tell = ami::tell(*console);
        let found = async { ec2.own_image(name, &tell).await.with_context(looking) };
        match s3.aws.run(found)? {
            None => Ok(()),
            Some(image) => {
                Err(Trouble::refused(format!("`{name}` is {} in {region} already", image.id))
                    .hint("choose another name, or `baler deregister` that one first")
                    .into())
            }
        }
    }

    /// Refuses what is in the way, before anything is read or made.
    pub(crate) fn check(
        &self,
        name: &str,
        inputs: &[&Path],
        overwrite: bool,
    ) -> anyhow::Result<()> {
        let found = match self {
            Destination::Directory(path) => {
                // A directory that is not there is made later, or that says what is wrong with it.
                let files = bundle_files(path, name).unwrap_or_default();
                let is_input = |file: &&PathBuf| inputs.iter().any(|input| is_same(file, input));
                if let Some(own) = files.iter().find(is_input) {
                    return Err(Trouble::usage(format!(
                        "`{}` is read, and would be a file of the bundle that is written",
                        own.display()
                    ))
                    .hint("choose another directory or another --name")
                    .into());
                }
                files.into_iter().next().map(Place::Path)
            }
            Destination::S3(s3) => {
                let first = s3.files(name)?.into_iter().flatten().next();
                first.map(|name| Place::S3(s3.place.join(&name)))
            }
        };
        match found {
            Some(found) if !overwrite => Err(Trouble::failed(format!("`{found}` exists"))
                .hint("pass --force to overwrite the bundle, or choose another --name")
                .into()),
            _ => Ok(()),
        }
    }

    /// Makes the directory if it is not there; whether it was made.
    pub(crate) fn make(&self) -> anyhow::Result<bool> {
        match self {
            Destination::Directory(path) => output::make_directory(path),
            Destination::S3(_) => Ok(false),
        }
    }

    /// Removes the directory that was made, if nothing came into it.
    pub(crate) fn unmake(&self) {
        if let Destination::Directory(path) = self {
            // As far as it can be undone: a directory that is not empty stays.
            let _ = fs::remove_dir(path);
        }
    }

    /// Whether there is room.
    pub(crate) fn check_space(
        &self,
        input: &mut Input,
        level: baler_bundle::Level,
        console: &Console,
    ) -> anyhow::Result<()> {
        match self {
            Destination::Directory(path) => space::check(path, input, level, console),
            Destination::S3(_) => Ok(()),
        }
    }

    pub(crate) fn sink(&self, name: &str, overwrite: bool) -> anyhow::Result<Sink> {
        match self {
            Destination::Directory(path) => {
                let sink = DirectorySink::create(path, name, overwrite).map_err(in_the_way)?;
                Ok(Sink::Directory(sink))
            }
            Destination::S3(s3) => s3.sink(name, overwrite),
        }
    }
}

impl InS3 {
    /// The files of a bundle of that name that are there; `None` for those who may only write: they find out when
    /// something of that name does not let itself be written.
    fn files(&self, name: &str) -> anyhow::Result<Option<Vec<String>>> {
        let Some(remote) = &self.remote else { return Ok(None) };
        let listed = self.aws.run(async { Ok(remote.store.list(&format!("{name}.")).await?) });
        let listed = match listed {
            Err(error) if is_denied(&error) => return Ok(None),
            listed => listed.with_context(|| format!("looking into `{}`", self.place))?,
        };
        let names = listed.into_iter().map(|entry| entry.name);
        Ok(Some(names.filter(|filename| is_bundle_file(filename, name)).collect()))
    }

    fn sink(&self, name: &str, overwrite: bool) -> anyhow::Result<Sink> {
        let Some(remote) = &self.remote else {
            return Err(Trouble::failed("the bucket was not made").into());
        };
        let stale = match overwrite {
            // Who may not list has to take it that there is one.
            true => self.files(name)?.unwrap_or_else(|| vec![manifest_filename(name)]),
            false => Vec::new(),
        };
        let (handle, store) = (self.aws.handle(), remote.store.clone());
        let sink = RemoteSink::new(handle, store, IN_FLIGHT, self.target.acl, overwrite, stale);
        Ok(Sink::S3 { sink, place: self.place.clone() })
    }
}

fn is_denied(error: &anyhow::Error) -> bool {
    let denied = |error: &baler_store::Error| error.kind == baler_store::Kind::Denied;
    error.downcast_ref::<baler_store::Error>().is_some_and(denied)
}

/// What takes the parts, and at last the manifest.
pub(crate) enum Sink {
    Directory(DirectorySink),
    S3 { sink: RemoteSink, place: Location },
}

impl PartSink for Sink {
    fn put(&mut self, part: SealedPart) -> std::io::Result<()> {
        match self {
            Sink::Directory(sink) => sink.put(part),
            Sink::S3 { sink, .. } => sink.put(part),
        }
    }
}

impl Sink {
    /// Gives the parts the names that fit their count, where names can still be changed.
    pub(crate) fn renumber(&mut self, parts: &mut [Part]) -> std::io::Result<()> {
        match self {
            Sink::Directory(sink) => sink.renumber(parts),
            Sink::S3 { .. } => Ok(()),
        }
    }

    /// Completes the bundle; gives the manifest's place.
    pub(crate) fn commit(
        self,
        name: &str,
        manifest: String,
        console: &Console,
    ) -> anyhow::Result<Place> {
        let filename = manifest_filename(name);
        match self {
            Sink::Directory(sink) => Ok(Place::Path(sink.commit(&manifest).map_err(in_the_way)?)),
            Sink::S3 { mut sink, place } => {
                let committed = sink.commit(&filename, manifest);
                match committed {
                    Ok(left) => {
                        for name in left {
                            console.warn(&format!("an old part is left: `{}`", place.join(&name)));
                        }
                        Ok(Place::S3(place.join(&filename)))
                    }
                    Err(error) => {
                        Sink::S3 { sink, place }.abandon(name, console);
                        Err(error).context("writing the bundle")
                    }
                }
            }
        }
    }

    /// Takes back what was sent of a bundle that came to nothing.
    pub(crate) fn abandon(self, name: &str, console: &Console) {
        if let Sink::S3 { mut sink, place, .. } = self {
            if sink.is_untouched() {
                return;
            }
            console.note(&format!("removing what was sent to `{place}`"));
            if sink.has_replaced() {
                console.warn("the old bundle of that name is gone: it made way for this one");
            }
            let left = sink.undo();
            if !left.is_empty() {
                console
                    .warn(&format!("{} are left in `{place}`", report::count(left.len(), "part")));
                console.hint(&format!("baler remove --prefix {name} {place}"));
            }
        }
    }
}

fn in_the_way(error: std::io::Error) -> anyhow::Error {
    let trouble = Trouble::failed("writing the bundle");
    let trouble = match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            trouble.hint("pass --force to overwrite the bundle, or choose another --name")
        }
        _ => trouble,
    };
    anyhow::Error::new(error).context(trouble)
}
