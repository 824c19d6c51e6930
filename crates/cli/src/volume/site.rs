//! Where a root lies, and what its new file system takes over from there.

use std::sync::Arc;

use anyhow::Context;
use baler_ext4::{Options, Plan, Profile, Time, Tree};
use baler_volume::{Disk, ExtProbe, Layout, Length, Mounts, Places, Probe, Source};
use uuid::Uuid;

use super::args::{ProfileArg, VolumeArgs};
use super::boot::Choice;
use super::format::{Share, is_block_size, is_inode_size};
use super::{Request, random_uuid};
use crate::exit::Trouble;
use crate::input::MAX_IMAGE;
use crate::report::{Console, size};

/// What is known of where a root lies, and of the disk whose boot chain may be cloned.
pub(crate) struct Site {
    pub(crate) source: Source,
    /// The disk that was named, else the one that the root lies on.
    pub(crate) disk: Option<Arc<Disk>>,
    /// What the file system says that is to be replaced: the root's own, or that of the disk that was named.
    probe: Option<Probe>,
    /// The new file system's: the old one's, so that what names it goes on working.
    pub(crate) uuid: Uuid,
    label: Vec<u8>,
}

impl Site {
    pub(crate) fn find(
        request: &Request<'_>,
        mounts: &Mounts,
        console: &Console,
    ) -> anyhow::Result<Site> {
        if request.args.uuid.is_some_and(|uuid| uuid.is_nil()) {
            return Err(Trouble::usage("a UUID of zeros names nothing")
                .hint("leave --uuid away, or pass one that `uuidgen` makes")
                .into());
        }
        let mut source = Source::find(request.root, mounts, &Places::default());
        for unknown in &source.unknown {
            console.note(&format!("about the source: {unknown}"));
        }
        let Some(path) = &request.args.boot_disk else {
            let disk = source.disk.take().map(Arc::new);
            let probe = source.probe.clone();
            let uuid = request.args.uuid.or(source.uuid).map_or_else(random_uuid, Ok)?;
            let label = source.label.clone().unwrap_or_default();
            return Ok(Site { source, disk, probe, uuid, label });
        };
        let disk = Disk::open(path, source.uuid).with_context(|| {
            Trouble::failed(format!("reading the boot disk `{}`", path.display()))
                .hint("name a disk, or an image of one, that boots")
        })?;
        let probe = disk.probe_root().with_context(|| format!("reading `{}`", path.display()))?;
        let old = probe.as_ref().map(|probe| probe.uuid);
        let uuid = request.args.uuid.or(old).map_or_else(random_uuid, Ok)?;
        let label = probe.as_ref().map(|probe| probe.label.clone()).unwrap_or_default();
        Ok(Site { source, disk: Some(Arc::new(disk)), probe, uuid, label })
    }

    /// The UUID by which the boot loader of the disk may look for its root, if that is known.
    pub(crate) fn old_uuid(&self) -> Option<Uuid> {
        self.probe.as_ref().map(|probe| probe.uuid)
    }

    /// The type of the file system that is replaced, if there is one.
    pub(crate) fn fs_type(&self) -> Option<&str> {
        let mounted = Some(&*self.source.fs_type).filter(|fs_type| !fs_type.is_empty());
        self.probe.as_ref().map(|probe| probe.fs_type).or(mounted)
    }

    fn ext(&self) -> Option<&ExtProbe> {
        self.probe.as_ref()?.ext.as_ref()
    }

    /// What the file system is to be like; how long, follows later.
    pub(crate) fn options(
        &self,
        request: &Request<'_>,
        boot: &Choice,
        tree: &Tree,
        console: &Console,
    ) -> anyhow::Result<Options> {
        let args = request.args;
        let profile = match args.fs_profile {
            Some(ProfileArg::Modern) => Profile::Modern,
            Some(ProfileArg::GrubLegacy) => Profile::GrubLegacy,
            None if boot.wants_legacy(tree) => Profile::GrubLegacy,
            None => Profile::Modern,
        };
        let ext = self.ext();
        let kept_seed = ext.map(|ext| ext.hash_seed).filter(|seed| !seed.is_nil());
        let hash_seed = args.hash_seed.or(kept_seed).map_or_else(random_uuid, Ok)?;
        let now = Time { seconds: request.now as i64, nanos: 0 };
        let mut options = Options::new(0, profile, self.uuid, hash_seed, now);
        options.label = match &args.label {
            Some(label) if label.len() > 16 => {
                return Err(Trouble::usage(format!(
                    "a label has at most 16 bytes, `{label}` has {}",
                    label.len()
                ))
                .into());
            }
            Some(label) => label.clone().into_bytes(),
            // Labels of xfs and btrfs may be longer; a part of one names nothing.
            None => {
                let fits = self.label.len() <= 16 && !self.label.iter().any(u8::is_ascii_control);
                if fits { self.label.clone() } else { Vec::new() }
            }
        };
        // Only ext4's own readers can be counted on to know extents where GRUB 0.97 is used.
        options.has_extents = profile == Profile::Modern || ext.is_some_and(ExtProbe::has_extents);
        options.block_size = self.block_size(args);
        let kept_size = ext.map(|ext| ext.inode_size);
        let kept_size = kept_size.filter(|size| is_inode_size(*size, options.block_size));
        options.inode_size = args.inode_size.or(kept_size).unwrap_or(options.inode_size);
        // Distributions taught theirs to read more, and a source with larger ones shows that it was.
        let is_new = args.inode_size > Some(128) && kept_size <= Some(128);
        if profile == Profile::GrubLegacy && is_new {
            console.warn("GRUB 0.97 as it was released reads inodes of 128 bytes alone");
            console.hint("leave --inode-size away, unless the image's GRUB reads larger ones");
        }
        if let Some(ext) = ext {
            // Inodes that are larger than the source's must not fill the disk.
            let least = (2 * u64::from(options.inode_size)).max(1024);
            options.bytes_per_inode =
                (ext.len() / u64::from(ext.inodes.max(1))).clamp(least, 1 << 26) as u32;
            options.is_64bit = profile == Profile::Modern && ext.is_64bit();
            options.hash_version = ext.hash_version.unwrap_or_default();
            options.default_mount_options = ext.default_mount_options & Options::MOUNT_OPTIONS;
            options.on_error = ext.on_error;
        }
        if let Some(mount_options) = args.mount_options {
            options.default_mount_options = mount_options.0;
        }
        Ok(options)
    }

    fn block_size(&self, args: &VolumeArgs) -> u32 {
        let kept = self.ext().map(|ext| ext.block_size).filter(|size| is_block_size(*size));
        args.block_size.or(kept).unwrap_or(4096)
    }

    /// Refuses inodes that do not fit into the blocks, which may be the source's.
    pub(crate) fn check_sizes(&self, args: &VolumeArgs) -> anyhow::Result<()> {
        let block_size = self.block_size(args);
        match args.inode_size {
            Some(inode_size) if !is_inode_size(inode_size, block_size) => {
                Err(Trouble::usage(format!(
                    "an inode has at most the size of a block, and {inode_size} bytes do not fit into {block_size}"
                ))
                .hint(format!(
                    "pass --inode-size {block_size} or less, or --block-size {}",
                    u32::from(inode_size).max(1024)
                ))
                .into())
            }
            _ => Ok(()),
        }
    }

    /// Fills in what depends on the length.
    pub(crate) fn sized(&self, args: &VolumeArgs, options: Options, len: u64) -> Options {
        let kept = self.ext().map(|ext| Share::new(ext.reserved_blocks, ext.blocks));
        let reserved = args.reserved_percent.or(kept).unwrap_or(Share::DEFAULT);
        let reserved_blocks = reserved.of(len / u64::from(options.block_size));
        Options { len, reserved_blocks, ..options }
    }

    /// How long the image is to be: what was said, else as long as the source, but not longer than EC2 takes if that
    /// is enough.
    pub(crate) fn length(
        &self,
        request: &Request<'_>,
        tree: &Tree,
        options: &Options,
        console: &Console,
    ) -> Length {
        if let Some(len) = request.size {
            return Length::Disk(len);
        }
        let enough = Plan::enough(tree, options);
        let source = self.ext().map(ExtProbe::len).or(self.source.len);
        let wanted = match source {
            Some(len) => len.max(enough),
            // A tree by itself: with a quarter for what is written later.
            None => (enough + (enough / 4).max(64 << 20)).next_multiple_of(1 << 20),
        };
        let spare = 256 << 20;
        if wanted > MAX_IMAGE - (4 << 20) && enough + spare < MAX_IMAGE {
            console.note(&format!(
                "the source has {}, EC2 takes at most 10 GiB, the tree needs {}: the image will have 10 GiB (--size says otherwise)",
                size(wanted),
                size(enough)
            ));
            return Length::Disk(MAX_IMAGE);
        }
        Length::FileSystem(wanted)
    }
}

/// What to do about a tree that has no room.
pub(crate) fn does_not_fit(error: baler_ext4::Error, layout: &Layout) -> anyhow::Error {
    let trouble = Trouble::failed("planning the file system");
    let trouble = match &error {
        baler_ext4::Error::TooSmall { needed, .. } => {
            let needed = needed + (layout.len - layout.root_len);
            trouble.hint(format!(
                "pass --size {} or more, or leave something out with --exclude",
                needed.div_ceil(1 << 20)
            ))
        }
        baler_ext4::Error::Xattrs { .. } => trouble
            .hint("leave it out with --exclude, or pass a larger --block-size or --inode-size"),
        baler_ext4::Error::FileTooLong { block_size: ..4096, .. }
        | baler_ext4::Error::TargetTooLong { block_size: ..4096, .. } => {
            trouble.hint("leave it out with --exclude, or pass a larger --block-size")
        }
        baler_ext4::Error::FileTooLong { .. } => trouble.hint("leave it out with --exclude"),
        _ => trouble,
    };
    anyhow::Error::new(error).context(trouble)
}
