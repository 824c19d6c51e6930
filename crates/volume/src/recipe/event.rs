use std::fmt;
use std::io;

use uuid::Uuid;

use super::summary::Summary;
use crate::advice::Advice;
use crate::fstab::LineChange;
use crate::lint::{Finding, Severity};
use crate::walk::{Change, WalkEvent};

/// Something that a person may want to know while a recipe is followed.
///
/// `Display` gives one line in lower case, which names no option; what can be done about it is [`Event::advice`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// `/proc` is not mounted: everything is taken for one file system.
    NoMountTable,
    /// Something about the source could not be found out.
    Unknown(&'a str),
    /// An entry of the tree was reached. There may be a million of them.
    Entry(&'a WalkEvent<'a>),
    /// Entries that are not in the image as they are in the tree, all for the same kind of reason
    /// ([`Reason::word`](crate::walk::Reason::word)), in the order in which they were found.
    Changes {
        /// The kind.
        kind: &'static str,
        /// At least one.
        changes: &'a [&'a Change],
    },
    /// There is no disk of the source: the image is a bare file system.
    NoSourceDisk,
    /// The boot loader is cloned from a disk whose root has another UUID than the image's.
    OtherUuid(Uuid),
    /// The boot loader is built, because it could not be cloned for this reason.
    BootLoaderBuilt(&'a str),
    /// A line of `/etc/fstab` was repaired.
    FstabChanged(&'a LineChange),
    /// The tree has no configuration of GRUB, and the image gets one at this path, from the root.
    GrubConfigured(&'a str),
    /// GRUB 0.97 may not be able to read inodes of this size.
    LargeInodes,
    /// The image becomes shorter than the source.
    Shortened {
        /// Length of the source, in bytes.
        source: u64,
        /// Length that the tree needs, in bytes.
        needed: u64,
        /// Length of the image, in bytes: [`Recipe::longest`](crate::Recipe::longest).
        len: u64,
    },
    /// Something would keep the image from booting, or may.
    Finding(&'a Finding),
    /// The image is planned.
    Planned(&'a Summary),
}

/// Takes events; an error stops the work.
pub(super) type OnEvent<'a> = &'a mut dyn FnMut(Event<'_>) -> io::Result<()>;

impl Event<'_> {
    /// The severity; a [`Severity::Warning`] is to be shown even where all else is quiet.
    pub fn severity(&self) -> Severity {
        match self {
            Event::NoMountTable | Event::OtherUuid(_) | Event::LargeInodes => Severity::Warning,
            Event::Changes { kind: "vanished" | "unreadable" | "unfit", .. } => Severity::Warning,
            Event::Finding(finding) => finding.severity.min(Severity::Warning),
            _ => Severity::Note,
        }
    }

    /// Something that can be done about it.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Event::Changes { .. } => Some(Advice::WriteReport),
            Event::NoSourceDisk => Some(Advice::MakeDisk),
            Event::OtherUuid(_) => Some(Advice::KeepUuid),
            Event::LargeInodes => Some(Advice::OmitInodeSize),
            Event::Shortened { .. } => Some(Advice::OtherLength),
            Event::Finding(finding) => finding.advice.clone(),
            _ => None,
        }
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::NoMountTable => f.write_str(
                "/proc is not mounted: what is mounted below the root cannot be told from it",
            ),
            Event::Unknown(what) => write!(f, "about the source: {what}"),
            Event::Entry(entry) => {
                write!(f, "{}: /{}", entry.action, String::from_utf8_lossy(entry.path))?;
                entry.reason.map_or(Ok(()), |reason| write!(f, " ({reason})"))
            }
            Event::Changes { kind, changes } => {
                write!(f, "{kind}: {} paths are not in the image as they are", changes.len())
            }
            Event::NoSourceDisk => {
                f.write_str("there is no disk to do as it does: the image is a bare file system")
            }
            Event::OtherUuid(old) => write!(
                f,
                "the boot loader is cloned from a disk whose root has the UUID {old}, and may look for that"
            ),
            Event::BootLoaderBuilt(reason) => {
                write!(f, "the boot loader is built from the tree's GRUB; {reason}")
            }
            Event::FstabChanged(LineChange { old, new: Some(new), reason }) => {
                write!(f, "/etc/fstab: `{old}` becomes `{new}`: {reason}")
            }
            Event::FstabChanged(LineChange { old, new: None, reason }) => {
                write!(f, "/etc/fstab: `{old}` is dropped: {reason}")
            }
            Event::GrubConfigured(path) => {
                write!(f, "/{path} is not there: the image gets one that starts the newest kernel")
            }
            Event::LargeInodes => {
                f.write_str("GRUB 0.97 as it was released reads inodes of 128 bytes alone")
            }
            Event::Shortened { source, needed, len } => write!(
                f,
                "the source has {} MiB, an image at most {} MiB, the tree needs {} MiB: the image will have {1} MiB",
                source >> 20,
                len >> 20,
                needed.div_ceil(1 << 20),
            ),
            Event::Finding(finding) if finding.severity == Severity::Error => {
                write!(f, "the image will not boot: {}", finding.text)
            }
            Event::Finding(finding) => f.write_str(&finding.text),
            Event::Planned(summary) => write!(
                f,
                "the image has {} MiB: {} with {} MiB free; partition table: {}; boot loader: {}",
                summary.len() >> 20,
                summary.file_system(),
                summary.free() >> 20,
                summary.division(),
                summary.boot(),
            ),
        }
    }
}
