//! A bundle goes from one place to another.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use baler_bundle::SealedPart;
use baler_store::{
    Acl, Directory, Event as StoreEvent, Kind as StoreKind, ListedObject, Put, Store, Upload,
    sha1_of,
};
use bytes::Bytes;

use super::rewrite::Rewrite;
use super::within::Within;
use crate::advice::Advice;
use crate::aws::InS3;
use crate::bucket::BucketOptions;
use crate::bundle::{Bundle, common_start, is_same};
use crate::error::{Context, Error, Result};
use crate::event::{Event, Left, Work};
use crate::keys::{self, Keys};
use crate::output;
use crate::pace::IN_FLIGHT;
use crate::parts::make_way;
use crate::place::Place;
use crate::run::Run;

/// A job that copies a bundle.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CopyJob {
    /// The destination: a directory, or a place in S3.
    pub destination: Place,
    /// Another kernel; the manifest is signed again.
    pub kernel: Option<String>,
    /// Another RAM disk; the manifest is signed again.
    pub ramdisk: Option<String>,
    /// The certificate of the EC2 that will open it; the manifest is signed again.
    pub ec2_certificate: Option<PathBuf>,
    /// Wraps the image's key again, for EC2 in the destination's region.
    pub rewrap: bool,
    /// Signs the manifest again even if the old signature is wrong, missing or cannot be checked.
    pub ignore_signature: bool,
    /// Overwrites another bundle of that name.
    pub overwrite: bool,
    /// Changes nothing.
    pub is_dry: bool,
    /// The keys, where the manifest is signed again.
    pub keys: Keys,
    /// The bucket of the destination.
    pub bucket: BucketOptions,
}

/// A copy that was made, or would be.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Copied {
    /// The number of bytes that were sent.
    pub sent: u64,
    /// The number of bytes that were there already.
    pub kept: u64,
    /// `true` if the manifest was rewritten and signed.
    pub is_rewritten: bool,
}

impl CopyJob {
    /// As it is, to a place where there is no other bundle of its name.
    pub fn new(destination: Place) -> CopyJob {
        CopyJob {
            destination,
            kernel: None,
            ramdisk: None,
            ec2_certificate: None,
            rewrap: false,
            ignore_signature: false,
            overwrite: false,
            is_dry: false,
            keys: Keys::new(),
            bucket: BucketOptions::new(),
        }
    }

    /// Reads a bundle with the credentials of another profile than the one that the copy is written with.
    ///
    /// # Errors
    /// Those of [`Bundle::read`].
    pub fn read_with_profile(place: &Place, profile: &str, run: &Run) -> Result<Bundle> {
        Bundle::read(place, &run.with_profile(profile))
    }

    /// Copies; what is there already is not sent again, so that the same job continues where an interrupted one ended.
    ///
    /// # Errors
    /// What is wrong with the bundle or in the way, and what reading and writing says.
    pub fn run(&self, bundle: &Bundle, run: &Run) -> Result<Copied> {
        self.destination.check_not_manifest()?;
        if is_same_place(bundle.directory(), &self.destination) {
            let place = &self.destination;
            return Err(Error::usage(format!("the bundle is in `{place}` already")));
        }
        let (to, store): (_, Arc<dyn Store>) = match &self.destination {
            Place::Path(path) => (None, Arc::new(Directory::new(path.clone()))),
            Place::S3(place) => {
                let prepared = run.wait(async {
                    let aws = run.aws().await?;
                    let bucket = self.bucket.prepare(&aws, place, self.is_dry, run).await?;
                    Ok(bucket.map(|bucket| aws.at(place, bucket)))
                });
                // The bucket would have to be made first.
                let Some(found) = prepared? else { return Ok(Copied::default()) };
                let store = found.store.clone();
                (Some(found), store)
            }
        };
        let manifest = self.manifest(bundle, to.as_ref(), run)?;
        let is_rewritten = manifest.is_some();
        let text = manifest.unwrap_or_else(|| bundle.manifest().text().to_owned());
        // The service copies only with credentials that may do both.
        let may_copy_within = bundle
            .stored
            .as_ref()
            .zip(to.as_ref())
            .is_some_and(|(from, to)| Arc::ptr_eq(&from.aws, &to.aws));
        let transfer = Transfer {
            bundle,
            store,
            acl: self.bucket.acl,
            overwrite: self.overwrite,
            first: 0,
            manifest: Some(Bytes::from(text)),
            may_copy_within,
        };
        let old = run.wait(transfer.old())?;
        let there = self.destination.join(bundle.filename()?);
        if old && !self.overwrite {
            return Err(Error::failed(format!("`{there}` is another bundle"))
                .advise(Advice::OverwriteOrMove));
        }
        if self.is_dry {
            return Ok(Copied { is_rewritten, ..Copied::default() });
        }
        let copied = self.send(transfer, old, run)?;
        Ok(Copied { is_rewritten, ..copied })
    }

    /// Makes the destination's directory, and sends the parts and the manifest.
    fn send(&self, transfer: Transfer<'_>, old: bool, run: &Run) -> Result<Copied> {
        let is_new = match &self.destination {
            Place::Path(path) => output::make_directory(path)?,
            Place::S3(_) => false,
        };
        let from = transfer.bundle.place();
        let copied = transfer.run(old, transfer.progress(run), run);
        copied.with_context(|| format!("copying `{from}` to `{}`", self.destination)).inspect_err(
            |_| {
                if let (true, Place::Path(path)) = (is_new, &self.destination) {
                    // As far as it can be undone: a directory that is not empty stays.
                    let _ = std::fs::remove_dir(path);
                }
            },
        )
    }

    /// The manifest for the destination, if it is not the one of the source.
    fn manifest(&self, bundle: &Bundle, to: Option<&InS3>, run: &Run) -> Result<Option<String>> {
        let from = bundle.stored.as_ref().map(|stored| stored.bucket.region());
        let to = to.map(|found| found.bucket.region());
        let other_key = from.zip(to).is_some_and(|(from, to)| !keys::is_same_ec2(from, to));
        let is_same = !other_key && !self.rewrap && self.ec2_certificate.is_none();
        // Whose a bundle in a directory is, is not known; most are for the commercial regions.
        if let (true, None, Some(to)) = (is_same, from, to)
            && !keys::is_same_ec2(to, "us-east-1")
        {
            run.report(Event::OtherEc2(to));
        }
        if is_same && self.kernel.is_none() && self.ramdisk.is_none() {
            return Ok(None);
        }
        let user = self.keys.required_key(run).context(
            Error::usage("the manifest must be rewritten and signed").advise(Advice::GiveKey),
        )?;
        let ec2 = if is_same {
            None
        } else {
            let region = to.or(run.region());
            let certificate = self.ec2_certificate.as_deref();
            let region = region.filter(|_| certificate.is_none());
            Some(keys::ec2_key(certificate, region, &run.environment, &run.stop)?)
        };
        let rewrite = Rewrite {
            kernel: self.kernel.clone(),
            ramdisk: self.ramdisk.clone(),
            ec2: ec2.as_ref().map(|ec2| ec2.key.clone()),
            ignore_signature: self.ignore_signature,
        };
        let text = rewrite.text(bundle, &self.keys, &user, run)?;
        if let Some(ec2) = &ec2 {
            run.report(Event::RewrappedFor(&ec2.name));
        }
        Ok(Some(text))
    }
}

/// Whether both are one directory, or one prefix.
fn is_same_place(one: &Place, other: &Place) -> bool {
    match (one, other) {
        (Place::Path(one), Place::Path(other)) => is_same(one, other),
        (one, other) => one == other,
    }
}

/// Hears what became of each part.
pub type OnPart = Arc<dyn Fn(&str, StoreEvent) + Send + Sync>;

/// The parts of a bundle, and its manifest last, on their way into a store.
#[derive(Clone, Debug)]
pub struct Transfer<'a> {
    /// The bundle.
    pub bundle: &'a Bundle,
    /// Where it goes.
    pub store: Arc<dyn Store>,
    /// The ACL there.
    pub acl: Acl,
    /// Overwrites another bundle.
    pub overwrite: bool,
    /// The index of the first part that is sent.
    pub first: usize,
    /// The text of the manifest; `None` if it is not sent.
    pub manifest: Option<Bytes>,
    /// Whether the service of both places may copy by itself.
    pub may_copy_within: bool,
}

impl Transfer<'_> {
    fn put(&self, sha1: [u8; 20]) -> Put {
        Put::new(sha1, self.acl).with_overwrite(self.overwrite)
    }

    /// A progress of its parts, for [`run`](Transfer::run).
    pub fn progress(&self, run: &Run) -> OnPart {
        let contents = self.bundle.contents();
        let progress = run.begin(Work::new("copying", &contents.name, contents.bundled_size));
        let progress = Mutex::new(progress);
        Arc::new(move |_: &str, event: StoreEvent| {
            let (StoreEvent::Sent(len) | StoreEvent::Kept(len)) = event;
            progress.lock().unwrap_or_else(PoisonError::into_inner).add(len);
        })
    }

    /// Whether another bundle of that name has to make way.
    ///
    /// # Errors
    /// What looking there says.
    pub async fn old(&self) -> Result<bool> {
        let Some(manifest) = &self.manifest else { return Ok(false) };
        let filename = self.bundle.filename()?;
        match self.store.head(filename).await {
            Ok(old) => Ok(old.is_some_and(|old| !old.is(manifest, &sha1_of(manifest)))),
            // Without permission to look, writing will tell.
            Err(error) if error.kind == StoreKind::Denied => Ok(false),
            Err(error) => Err(error)
                .with_context(|| format!("looking for `{}`", self.store.address(filename))),
        }
    }

    /// Sends the parts and then the manifest; `old` says whether another bundle has to make way, which happens only once
    /// this one is seen to be whole and the first part is ready.
    ///
    /// # Errors
    /// A part that is not what the manifest says, and what reading and writing says. What was sent by then stays.
    pub fn run(&self, old: bool, on_part: OnPart, run: &Run) -> Result<Copied> {
        run.report(Event::Leaves(Left::CopiedParts));
        let copied = Arc::new(Mutex::new(Copied::default()));
        let counted = copied.clone();
        let counting: OnPart = Arc::new(move |name: &str, event: StoreEvent| {
            let mut counts = counted.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                StoreEvent::Sent(len) => counts.sent += len,
                StoreEvent::Kept(len) => counts.kept += len,
            }
            drop(counts);
            on_part(name, event);
        });
        self.parts(old, counting, run)?;
        run.wait(self.put_manifest())?;
        let copied = copied.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(copied)
    }

    /// Sends the manifest, if it is to be sent.
    ///
    /// # Errors
    /// What writing says.
    pub async fn put_manifest(&self) -> Result<()> {
        let Some(manifest) = &self.manifest else { return Ok(()) };
        let (filename, put) = (self.bundle.filename()?, self.put(sha1_of(manifest)));
        Ok(self.store.put(filename, manifest.clone(), &put).await?)
    }

    fn parts(&self, old: bool, on_part: OnPart, run: &Run) -> Result<()> {
        let (bundle, store) = (self.bundle, &self.store);
        let mut old = if old { Some(bundle.filename()?) } else { None };
        let from = bundle.stored.as_ref().map(|stored| &stored.store).filter(|from| {
            let service = |store: &Arc<dyn Store>| store.source("").service;
            self.may_copy_within && service(from) == service(store)
        });
        if let Some(from) = from {
            let (from, to) = (from.clone(), store.clone());
            let within = Within { from, to, acl: self.acl, overwrite: self.overwrite };
            return run.wait(within.copy(&bundle.contents().parts[self.first..], old, &*on_part));
        }
        if old.is_some() {
            let what = "is damaged, and does not overwrite the old bundle";
            bundle.check_parts(IN_FLIGHT, what, run, &|_| {})?;
        }
        let names = bundle.contents().parts.iter().map(|part| part.filename.as_str());
        // Without permission to list, each is looked at.
        let listed = run.wait(async { Ok(store.list(common_start(names)).await.ok()) })?;
        let names = |found: Vec<ListedObject>| found.into_iter().map(|entry| entry.name).collect();
        let present: Option<BTreeSet<String>> = listed.map(names);
        let mut upload = Upload::new(store.clone(), IN_FLIGHT, present, on_part);
        let parts = bundle.checked_parts(run)?;
        for index in self.first..bundle.contents().parts.len() {
            let SealedPart { filename, digest, data, .. } = parts.get(index)?;
            if let Some(old) = old.take() {
                run.wait(async { Ok(make_way(store, old, self.acl).await?) })?;
            }
            let put = self.put(*digest.bytes());
            run.wait(async { Ok(upload.put(filename, data.into(), put).await?) })?;
        }
        run.wait(async { Ok(upload.finish().await?) })
    }
}
