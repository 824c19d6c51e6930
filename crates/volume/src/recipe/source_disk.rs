//! The disk that the root comes from, and what the new file system takes over from the one that it replaces.

use std::sync::Arc;

use baler_ext4::{MountOptions, Options, Plan, Profile, Share, is_block_size, is_inode_size};
use baler_tree::{Time, Tree};
use uuid::Uuid;

use super::boot::Choice;
use super::error::RecipeError;
use super::event::{Event, OnEvent};
use super::wishes::Recipe;
use crate::layout::Length;
use crate::mounts::Mounts;
use crate::probe::{ExtProbe, Probe};
use crate::root_device::{Disk, RootDevice, SystemPaths};

/// The device of a root, and the disk whose boot chain may be cloned. Looked at once.
#[derive(Debug)]
pub(super) struct SourceDisk {
    pub(super) root_device: RootDevice,
    /// The disk that was named, else the one that the root lies on.
    pub(super) disk: Option<Arc<Disk>>,
    /// Superblock of the file system that is replaced: the root's own, or that of the disk that was named.
    probe: Option<Probe>,
    /// The new file system's: the old one's, so that what names it still finds it.
    pub(super) uuid: Uuid,
    label: Vec<u8>,
}

impl SourceDisk {
    pub(super) fn find(
        recipe: &Recipe,
        mounts: &Mounts,
        on_event: OnEvent<'_>,
    ) -> Result<SourceDisk, RecipeError> {
        if recipe.uuid.is_some_and(|uuid| uuid.is_nil()) {
            return Err(RecipeError::NilUuid);
        }
        let mut root_device = RootDevice::find(&recipe.root, mounts, &SystemPaths::default());
        for unknown in &root_device.unknown {
            on_event(Event::Unknown(unknown)).map_err(RecipeError::Stopped)?;
        }
        let Some(path) = &recipe.boot_disk else {
            let disk = root_device.disk.take().map(Arc::new);
            let probe = root_device.probe.clone();
            let uuid = recipe.uuid.or(root_device.uuid).map_or_else(random_uuid, Ok)?;
            let label = root_device.label.clone().unwrap_or_default();
            return Ok(SourceDisk { root_device, disk, probe, uuid, label });
        };
        let disk = Disk::open(path, root_device.uuid)
            .map_err(|source| RecipeError::BootDisk { path: path.clone(), source })?;
        let probe = disk
            .probe_root()
            .map_err(|source| RecipeError::Probe { path: path.clone(), source })?;
        let old = probe.as_ref().map(|probe| probe.uuid);
        let uuid = recipe.uuid.or(old).map_or_else(random_uuid, Ok)?;
        let label = probe.as_ref().map(|probe| probe.label.clone()).unwrap_or_default();
        Ok(SourceDisk { root_device, disk: Some(Arc::new(disk)), probe, uuid, label })
    }

    /// The UUID by which the boot loader of the disk may look for its root, if that is known.
    pub(super) fn old_uuid(&self) -> Option<Uuid> {
        self.probe.as_ref().map(|probe| probe.uuid)
    }

    /// The type of the file system that is replaced, if there is one.
    pub(super) fn fs_type(&self) -> Option<&str> {
        let mounted = Some(&*self.root_device.fs_type).filter(|fs_type| !fs_type.is_empty());
        self.probe.as_ref().map(|probe| probe.fs_type).or(mounted)
    }

    fn ext(&self) -> Option<&ExtProbe> {
        self.probe.as_ref()?.ext.as_ref()
    }

    /// The properties of the new file system.
    pub(super) fn options(
        &self,
        recipe: &Recipe,
        boot: &Choice,
        tree: &Tree,
        on_event: OnEvent<'_>,
    ) -> Result<Options, RecipeError> {
        let by_boot_loader =
            if boot.wants_legacy(tree) { Profile::GrubLegacy } else { Profile::Modern };
        let profile = recipe.profile.unwrap_or(by_boot_loader);
        let ext = self.ext();
        let kept_seed = ext.map(|ext| ext.hash_seed).filter(|seed| !seed.is_nil());
        let hash_seed = recipe.hash_seed.or(kept_seed).map_or_else(random_uuid, Ok)?;
        let now = Time { seconds: recipe.now as i64, nanos: 0 };
        let mut options = Options::new(profile, self.uuid, hash_seed, now);
        options.label = self.new_label(recipe)?;
        // Only ext4's own readers can be counted on to know extents where GRUB 0.97 is used.
        options.has_extents = profile == Profile::Modern || ext.is_some_and(ExtProbe::has_extents);
        options.block_size = self.block_size(recipe);
        let kept_size = ext.map(|ext| ext.inode_size);
        let kept_size = kept_size.filter(|size| is_inode_size(*size, options.block_size));
        options.inode_size = recipe.inode_size.or(kept_size).unwrap_or(options.inode_size);
        // Distributions taught theirs to read more, and a source with larger ones shows that it was.
        let is_new = recipe.inode_size > Some(128) && kept_size <= Some(128);
        if profile == Profile::GrubLegacy && is_new {
            on_event(Event::LargeInodes).map_err(RecipeError::Stopped)?;
        }
        if let Some(ext) = ext {
            // Inodes that are larger than the source's must not fill the disk.
            let least = (2 * u64::from(options.inode_size)).max(1024);
            options.bytes_per_inode =
                (ext.len() / u64::from(ext.inodes.max(1))).clamp(least, 1 << 26) as u32;
            options.is_64bit = profile == Profile::Modern && ext.is_64bit();
            options.hash_version = ext.hash_version.unwrap_or_default();
            options.default_mount_options =
                MountOptions(ext.default_mount_options & MountOptions::ALL.0);
            options.reserved = Share::new(ext.reserved_blocks, ext.blocks);
            options.on_error = ext.on_error;
        }
        options.default_mount_options =
            recipe.mount_options.unwrap_or(options.default_mount_options);
        options.reserved = recipe.reserved.unwrap_or(options.reserved);
        Ok(options)
    }

    fn new_label(&self, recipe: &Recipe) -> Result<Vec<u8>, RecipeError> {
        match &recipe.label {
            Some(label) if label.len() > 16 => Err(RecipeError::Label { label: label.clone() }),
            Some(label) => Ok(label.clone().into_bytes()),
            // Labels of xfs and btrfs may be longer; a part of one names nothing.
            None => {
                let fits = self.label.len() <= 16 && !self.label.iter().any(u8::is_ascii_control);
                Ok(if fits { self.label.clone() } else { Vec::new() })
            }
        }
    }

    fn block_size(&self, recipe: &Recipe) -> u32 {
        let kept = self.ext().map(|ext| ext.block_size).filter(|size| is_block_size(*size));
        recipe.block_size.or(kept).unwrap_or(4096)
    }

    /// Refuses inodes that do not fit into the blocks, which may be the source's.
    pub(super) fn check_sizes(&self, recipe: &Recipe) -> Result<(), RecipeError> {
        let block_size = self.block_size(recipe);
        match recipe.inode_size {
            Some(inode_size) if !is_inode_size(inode_size, block_size) => {
                Err(RecipeError::InodeSize { inode_size, block_size })
            }
            _ => Ok(()),
        }
    }

    /// The length of the image: the one that was asked for, else as long as the source, but not longer than the longest
    /// if that is enough.
    pub(super) fn length(
        &self,
        recipe: &Recipe,
        tree: &Tree,
        options: &Options,
        on_event: OnEvent<'_>,
    ) -> Result<Length, RecipeError> {
        /// Room for files that are written later.
        const SPARE: u64 = 256 << 20;
        /// Room for a partition table.
        const AROUND: u64 = 4 << 20;
        if let Some(len) = recipe.length {
            return Ok(Length::Disk(len));
        }
        let needed = Plan::enough(tree, options);
        let source = self.ext().map(ExtProbe::len).or(self.root_device.len);
        let wanted = match source {
            Some(len) => len.max(needed),
            // A tree by itself: with a quarter for what is written later.
            None => (needed + (needed / 4).max(64 << 20)).next_multiple_of(1 << 20),
        };
        let len = recipe.longest;
        if wanted > len.saturating_sub(AROUND) && needed.saturating_add(SPARE) < len {
            let event = Event::Shortened { source: wanted, needed, len };
            on_event(event).map_err(RecipeError::Stopped)?;
            return Ok(Length::Disk(len));
        }
        Ok(Length::FileSystem(wanted))
    }
}

/// An identifier that nobody else has.
fn random_uuid() -> Result<Uuid, RecipeError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(RecipeError::Random)?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}
