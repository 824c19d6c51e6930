//! What happens during a job.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::advice::Advice;
use crate::error::Error;
use crate::place::Place;
use crate::text::{chain, count, size};

/// Something that happens during a job. `Display` says it in words that name no option.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A piece of work begins.
    Began(Work<'a>),
    /// So many more bytes or entries of it are done.
    Advanced(u64),
    /// The piece of work has ended, successfully or not.
    Ended,
    /// From now on, an interruption leaves something.
    Leaves(Left),

    /// A key can be read by others.
    KeyIsShared(&'a Path),
    /// A key was made, because there was none.
    KeyMade(&'a Path),
    /// The signature of a bundle is not what it should be; the work continues.
    Untrusted(&'a str),
    /// The certificate does not belong to the private key.
    PairDiffers,

    /// An image is compressed.
    Compressed {
        /// The image.
        path: &'a Path,
        /// How.
        compression: baler_image::Compression,
        /// The length of the image.
        len: u64,
    },
    /// An image is mounted or in use, and may change while it is read.
    InUse(&'a Path),
    /// There may not be enough room.
    Tight {
        /// Where.
        directory: &'a Path,
        /// The free space there, in bytes.
        free: u64,
        /// The most that it may take, in bytes.
        most: u64,
    },
    /// An event of making an image from a root tree.
    Tree(baler_volume::Event<'a>),
    /// Files were not read as they were seen.
    Changed(&'a [baler_volume::reader::FileTrouble]),

    /// A bundle is complete.
    Bundled {
        /// The length of the image.
        size: u64,
        /// The number of parts.
        parts: usize,
        /// The sum of their lengths.
        bundled_size: u64,
        /// The name of EC2's key that opens it.
        ec2_key: &'a str,
    },
    /// EC2 may refuse a manifest with product codes.
    ProductCodes,
    /// The block device mapping has no device of this virtual name.
    Unmapped(&'a str),
    /// Something that was not given comes from the metadata of the instance.
    Inherited {
        /// What.
        what: &'static str,
        /// Its value.
        value: &'a str,
    },
    /// Nothing comes from the metadata of the instance; why, if that is not merely that there is none.
    NotInherited(Option<&'a Error>),

    /// What was sent of an unfinished bundle is removed.
    Removing(&'a Place),
    /// The bundle that was to be overwritten is gone.
    OldBundleGone,
    /// A part of the bundle that was overwritten is left.
    OldPartLeft(&'a Place),
    /// Parts of an unfinished bundle are left.
    PartsLeft {
        /// The number of parts.
        parts: usize,
        /// The bundle's name.
        name: &'a str,
        /// Where.
        place: &'a Place,
    },
    /// EC2 in the region of the copy has a key of its own.
    OtherEc2(&'a str),
    /// The copy is for another key of EC2's.
    RewrappedFor(&'a str),
    /// The bucket keeps versions of what is deleted.
    Versioned,

    /// A service is asked again.
    Retry {
        /// The error.
        error: &'a dyn ShownError,
        /// The wait before the next attempt.
        wait: Duration,
        /// The number of the next attempt, counted from 1.
        next: u32,
        /// The most attempts; `None` where time decides.
        most: Option<u32>,
    },
    /// A request went out and was answered; without secrets.
    #[cfg(feature = "aws")]
    Request(&'a baler_aws::Exchange),
    /// The clock of this machine is wrong.
    Clock {
        /// By how much.
        by: Duration,
        /// Whether it is ahead.
        ahead: bool,
    },
    /// The credentials belong to this account.
    Account(&'a str),
    /// A bucket would be made.
    BucketWouldBeMade(&'a str),
    /// A bucket was made.
    BucketMade {
        /// Its name.
        bucket: &'a str,
        /// Its region.
        region: &'a str,
    },
    /// A bucket is in another region than that which was given.
    BucketElsewhere {
        /// Its name.
        bucket: &'a str,
        /// Its region.
        found: &'a str,
        /// The region that was given.
        wanted: &'a str,
    },
    /// A bucket is changed, or would be.
    BucketFixed {
        /// Its name.
        bucket: &'a str,
        /// The reason for the change.
        trouble: &'a str,
        /// `true` if it was changed, `false` in a dry run.
        is_done: bool,
    },
    /// A paravirtual AMI without a kernel.
    NoKernel,
    /// No answer came to a registration; EC2 is asked whether there is an AMI.
    LookingUp(&'a str),
    /// An AMI is not available yet.
    Waiting {
        /// Its id.
        ami: &'a str,
        /// Its state, if EC2 shows it.
        state: Option<&'a str>,
    },
    /// An AMI was registered, or was there already.
    Registered {
        /// Its name.
        name: &'a str,
        /// Its id.
        ami: &'a str,
        /// Its region.
        region: &'a str,
        /// Whether it is new.
        is_new: bool,
    },
    /// An AMI was deregistered.
    Deregistered(&'a str),
    /// The signature of a bundle was not checked.
    SignatureUnchecked,
    /// Whether EC2 may read a bundle cannot be seen.
    AclUnseen(&'a dyn ShownError),
    /// The bundle of an AMI is gone already.
    BundleGone(&'a Error),
    /// A snapshot is left.
    SnapshotLeft {
        /// Its id.
        snapshot: &'a str,
        /// Why.
        why: &'a str,
    },
    /// Whether the snapshots are gone is not known.
    SnapshotsUnknown,
}

/// Where events go.
pub(crate) type OnEvent = Arc<dyn Fn(Event<'_>) + Send + Sync>;

/// Something that can be shown and debugged: the reason of an event.
pub trait ShownError: fmt::Display + fmt::Debug {}

impl<T: fmt::Display + fmt::Debug> ShownError for T {}

/// A piece of work whose progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Work<'a> {
    /// The activity: `bundling`.
    pub verb: &'static str,
    /// The thing that it is done to.
    pub thing: &'a str,
    /// The number of bytes; `None` if entries are counted whose number is not known.
    pub total: Option<u64>,
}

impl<'a> Work<'a> {
    pub(crate) fn new(verb: &'static str, thing: &'a str, total: u64) -> Work<'a> {
        Work { verb, thing, total: Some(total) }
    }

    pub(crate) fn uncounted(verb: &'static str, thing: &'a str) -> Work<'a> {
        Work { verb, thing, total: None }
    }
}

impl fmt::Display for Work<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.thing)
    }
}

/// The things that an interruption leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Left {
    /// The parts that were copied; the same job continues from there.
    CopiedParts,
    /// Some parts of a bundle whose manifest is deleted.
    UndeletedParts,
}

/// The importance of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For those who look for what is wrong.
    Debug,
    /// Worth knowing.
    Note,
    /// Something that may be wrong.
    Warning,
}

impl Event<'_> {
    /// The importance; `None` for progress, which has no words.
    pub fn severity(&self) -> Option<Severity> {
        use Event::*;
        Some(match self {
            Began(_) | Advanced(_) | Ended | Leaves(_) => return None,
            #[cfg(feature = "aws")]
            Request(_) => Severity::Debug,
            Tree(event) if event.severity() == baler_volume::lint::Severity::Note => Severity::Note,
            Tree(_) => Severity::Warning,
            KeyIsShared(_)
            | KeyMade(_)
            | Untrusted(_)
            | PairDiffers
            | InUse(_)
            | Tight { .. }
            | Changed(_)
            | ProductCodes
            | Unmapped(_)
            | OldBundleGone
            | OldPartLeft(_)
            | PartsLeft { .. }
            | OtherEc2(_)
            | Versioned
            | Clock { .. }
            | NoKernel
            | SignatureUnchecked
            | BundleGone(_)
            | SnapshotLeft { .. }
            | SnapshotsUnknown => Severity::Warning,
            _ => Severity::Note,
        })
    }

    /// Advice about it.
    pub fn advice(&self) -> Option<Advice> {
        Some(match self {
            Event::Tree(event) => return event.advice().map(Into::into),
            Event::KeyIsShared(path) => Advice::say(format!("chmod 600 {}", path.display())),
            Event::KeyMade(_) => Advice::say(
                "KEEP A COPY of it: without this key, only EC2 can open the bundles that are made with it",
            ),
            Event::PartsLeft { name, place, .. } => {
                Advice::RemoveLeftovers { prefix: (*name).to_owned(), place: (*place).clone() }
            }
            Event::OtherEc2(_) => Advice::Rewrap,
            Event::NoKernel => Advice::GiveKernel,
            _ => return None,
        })
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Began(work) => work.fmt(f),
            Event::Advanced(_) | Event::Ended | Event::Leaves(_) => Ok(()),
            Event::KeyIsShared(path) => {
                write!(f, "the key `{}` can be read by others", path.display())
            }
            Event::KeyMade(path) => write!(
                f,
                "no key was given and none exists: a new key was made, `{}`",
                path.display()
            ),
            Event::Untrusted(what) => f.write_str(what),
            Event::PairDiffers => f.write_str(
                "the certificate does not belong to the private key; the bundle opens with the private key",
            ),
            Event::Compressed { path, compression, len } => write!(
                f,
                "`{}` is compressed with {compression}: the image has {}",
                path.display(),
                size(*len)
            ),
            Event::InUse(path) => write!(
                f,
                "`{}` is mounted or in use: writes during the bundling may damage the image",
                path.display()
            ),
            Event::Tight { directory, free, most } => write!(
                f,
                "`{}` has {} free; the bundle may need up to {}",
                directory.display(),
                size(*free),
                size(*most)
            ),
            Event::Tree(event) => event.fmt(f),
            Event::Changed(files) => write!(f, "{} changed", count(files.len(), "file")),
            Event::Bundled { size: len, parts, bundled_size, ec2_key } => write!(
                f,
                "bundled {} into {}, {} together; EC2 opens it with its {ec2_key} key",
                size(*len),
                count(*parts, "part"),
                size(*bundled_size)
            ),
            Event::ProductCodes => {
                f.write_str("EC2 may refuse to register a manifest with product codes")
            }
            Event::Unmapped(name) => write!(f, "the block device mapping has no `{name}`"),
            Event::Inherited { what, value } => {
                write!(f, "from the instance's metadata: {what} {value}")
            }
            Event::NotInherited(None) => f.write_str(
                "this is not an EC2 instance, or it has no metadata: nothing is inherited",
            ),
            Event::NotInherited(Some(error)) => {
                write!(f, "nothing is inherited from the instance's metadata: {}", chain(*error))
            }
            Event::Removing(place) => write!(f, "removing what was sent to `{place}`"),
            Event::OldBundleGone => {
                f.write_str("the old bundle of that name is deleted: this one was to replace it")
            }
            Event::OldPartLeft(place) => write!(f, "an old part could not be deleted: `{place}`"),
            Event::PartsLeft { parts, place, .. } => {
                write!(f, "{} are left in `{place}`", count(*parts, "part"))
            }
            Event::OtherEc2(region) => write!(
                f,
                "EC2 in {region} has its own key, and opens only bundles that were made for this key"
            ),
            Event::RewrappedFor(name) => write!(f, "the copy is for EC2's {name} key"),
            Event::Versioned => f.write_str(
                "the bucket keeps versions: deleted objects are only hidden, and cost storage until their versions are deleted too",
            ),
            Event::Retry { error, wait, next, most } => {
                write!(f, "{error}; trying again in {:.1} s", wait.as_secs_f32())?;
                most.map_or(Ok(()), |most| write!(f, " ({next} of {most})"))
            }
            #[cfg(feature = "aws")]
            Event::Request(exchange) => {
                write!(f, "{}: ", exchange.request)?;
                match &exchange.outcome {
                    Ok(status) => write!(f, "{status}")?,
                    Err(error) => f.write_str(error)?,
                }
                if let Some(id) = &exchange.request_id {
                    write!(f, ", request {id}")?;
                }
                write!(f, ", {} ms", exchange.took.as_millis())
            }
            Event::Clock { by, ahead } => {
                let side = if *ahead { "ahead" } else { "behind" };
                write!(f, "this machine's clock is {} s {side}", by.as_secs())
            }
            Event::Account(account) => write!(f, "the credentials belong to the account {account}"),
            Event::BucketWouldBeMade(bucket) => write!(f, "would make the bucket `{bucket}`"),
            Event::BucketMade { bucket, region } => {
                write!(f, "made the bucket `{bucket}` in {region}")
            }
            Event::BucketElsewhere { bucket, found, wanted } => {
                write!(f, "the bucket `{bucket}` is in {found}, not in {wanted}")
            }
            Event::BucketFixed { bucket, trouble, is_done: true } => {
                write!(f, "changed the bucket `{bucket}`, because {trouble}")
            }
            Event::BucketFixed { bucket, trouble, is_done: false } => {
                write!(f, "would change the bucket `{bucket}`, because {trouble}")
            }
            Event::NoKernel => f.write_str(
                "a paravirtual AMI starts from a kernel, and the manifest names none",
            ),
            Event::LookingUp(name) => {
                write!(f, "no answer came; checking whether `{name}` was registered")
            }
            Event::Waiting { ami, state } => {
                write!(f, "{ami} is {}; waiting", state.unwrap_or("not visible yet"))
            }
            Event::Registered { name, ami, region, is_new: true } => {
                write!(f, "registered `{name}` as {ami} in {region}")
            }
            Event::Registered { name, ami, region, is_new: false } => {
                write!(f, "`{name}` is {ami} in {region} already")
            }
            Event::Deregistered(ami) => write!(f, "deregistered {ami}"),
            Event::SignatureUnchecked => f.write_str(
                "the manifest's signature was not checked: neither the signer's key nor a certificate is given",
            ),
            Event::AclUnseen(error) => {
                write!(f, "cannot check whether EC2 may read the bundle: {error}")
            }
            Event::BundleGone(error) => {
                write!(f, "its bundle is gone already: {}", chain(*error))
            }
            Event::SnapshotLeft { snapshot, why } => {
                write!(f, "the snapshot {snapshot} is not deleted: {why}")
            }
            Event::SnapshotsUnknown => f.write_str(
                "the answer was lost: the snapshots may still exist",
            ),
        }
    }
}
