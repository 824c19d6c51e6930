//! The choice of the disk's division and of its boot loader.

use std::error::Error;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use baler_tree::Tree;
use uuid::Uuid;

use super::error::RecipeError;
use super::event::{Event, OnEvent};
use super::wishes::{BootLoader, Recipe};
use crate::chain::{Chain, ChainError, Loader};
use crate::grub::Core;
use crate::layout::{Layout, LayoutError, Length};
use crate::mounts::Mounts;
use crate::root_device::{Disk, RootDevice};
use crate::table::{Division, Partition, Table};

/// A division and a boot loader.
pub(super) enum Choice {
    /// The disk of the source, or the one that was named, with its boot chain.
    Cloned(Arc<Disk>, Chain),
    /// A new table, with GRUB 2.
    Built(Division, Core),
    /// A new table or none, and no boot loader.
    Bare(Division),
}

/// Everything that a boot loader is chosen from.
pub(super) struct Candidates<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) root_device: &'a RootDevice,
    pub(super) disk: Option<&'a Arc<Disk>>,
    pub(super) mounts: &'a Mounts,
    pub(super) tree: &'a Tree,
    /// The new root's.
    pub(super) uuid: Uuid,
    /// The old root's, by which the boot loader of the disk may look for it.
    pub(super) old_uuid: Option<Uuid>,
}

/// Why a boot loader cannot be cloned.
#[derive(Debug, thiserror::Error)]
enum CloneError {
    #[error("there is no disk to clone it from")]
    NoDisk,
    #[error("the disk `{}`", path.display())]
    Chain { path: PathBuf, source: ChainError },
    #[error("the disk `{}` is divided in another way than the image is to be", path.display())]
    Division { path: PathBuf },
    #[error("`{}` is a file system by itself, which the image will not have", path.display())]
    SeparateBoot { path: PathBuf },
}

impl Candidates<'_> {
    /// Decides, and says why it is not what is tried first.
    pub(super) fn choose(&self, on_event: OnEvent<'_>) -> Result<Choice, RecipeError> {
        let wanted = self.recipe.boot_loader;
        let division = self.division();
        if self.recipe.division.is_none() && self.disk.is_none() && division == Division::None {
            on_event(Event::NoSourceDisk).map_err(RecipeError::Stopped)?;
        }
        if division == Division::None && matches!(wanted, BootLoader::Clone | BootLoader::Build) {
            return Err(RecipeError::NoPlaceForBootLoader);
        }
        if division == Division::None || wanted == BootLoader::None {
            return Ok(Choice::Bare(division));
        }
        let mut reasons = Vec::new();
        if wanted != BootLoader::Build {
            match self.clone_chain(division) {
                Ok(choice) => {
                    if let Some(old) = self.old_uuid.filter(|old| *old != self.uuid) {
                        on_event(Event::OtherUuid(old)).map_err(RecipeError::Stopped)?;
                    }
                    return Ok(choice);
                }
                Err(error) => reasons.push(format!("cloning it: {}", chained(&error))),
            }
        }
        if wanted != BootLoader::Clone {
            let recipe = self.recipe;
            match Core::build(&recipe.root, self.tree, self.uuid, &recipe.temporary) {
                Ok(core) => {
                    for reason in &reasons {
                        let event = Event::BootLoaderBuilt(reason);
                        on_event(event).map_err(RecipeError::Stopped)?;
                    }
                    return Ok(Choice::Built(division, core));
                }
                Err(error) => reasons.push(format!("building one: {}", chained(&error))),
            }
        }
        Err(RecipeError::NoBootLoader { reasons })
    }

    /// The division of the disk: as asked for, else as the disk of the source.
    fn division(&self) -> Division {
        let of_disk =
            self.disk.map(|disk| disk.table.as_ref().map_or(Division::None, Table::division));
        // A partition of a disk that cannot be read is a partition anyway.
        let of_root = match self.root_device.partition {
            Some(1..) => Division::Mbr,
            _ => Division::None,
        };
        self.recipe.division.or(of_disk).unwrap_or(of_root)
    }

    fn clone_chain(&self, division: Division) -> Result<Choice, CloneError> {
        let disk = self.disk.ok_or(CloneError::NoDisk)?;
        let path = || disk.path.clone();
        let chain = Chain::of(disk).map_err(|source| CloneError::Chain { path: path(), source })?;
        if disk.table.as_ref().map(Table::division) != Some(division) {
            return Err(CloneError::Division { path: path() });
        }
        let boot = self.recipe.root.canonicalize().unwrap_or_default().join("boot");
        let is_boot = |point: &[u8]| Path::new(OsStr::from_bytes(point)) == boot;
        let is_separate = self.mounts.iter().any(|mount| is_boot(&mount.point));
        if self.recipe.boot_disk.is_none() && is_separate {
            return Err(CloneError::SeparateBoot { path: boot });
        }
        Ok(Choice::Cloned(disk.clone(), chain))
    }
}

/// An error and its causes, in one line.
fn chained(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

impl Choice {
    /// Returns whether the file system has to be one that GRUB 0.97 reads.
    pub(super) fn wants_legacy(&self, tree: &Tree) -> bool {
        let has_menu = ["boot/grub/menu.lst", "boot/grub/grub.conf"]
            .iter()
            .any(|path| tree.find(path.as_bytes()).is_some());
        match self {
            Choice::Cloned(_, chain) => chain.loader == Loader::GrubLegacy,
            Choice::Built(..) => false,
            // PV-GRUB reads it, from the file system that is the disk.
            Choice::Bare(division) => *division == Division::None && has_menu,
        }
    }

    /// The name of the root's partition, if it is kept.
    pub(super) fn kept_part_uuid(&self) -> Option<String> {
        let Choice::Cloned(disk, _) = self else { return None };
        let table = disk.table.as_ref()?;
        Some(table.partition(disk.root)?.part_uuid(table.id))
    }

    /// Returns whether an EFI system partition is kept.
    pub(super) fn keeps_efi(&self) -> bool {
        let Choice::Cloned(disk, _) = self else { return false };
        let mut partitions = disk.table.iter().flat_map(|table| &table.partitions);
        partitions.any(Partition::is_efi_system)
    }

    /// Returns whether GRUB 2 boots it, from what is in the tree.
    pub(super) fn is_grub2(&self) -> bool {
        match self {
            Choice::Cloned(_, chain) => chain.loader == Loader::Grub2,
            Choice::Built(..) => true,
            Choice::Bare(_) => false,
        }
    }

    /// The disk.
    pub(super) fn layout(self, length: Length, uuid: Uuid) -> Result<Layout, LayoutError> {
        match self {
            Choice::Cloned(disk, chain) => Layout::cloned(disk, &chain, length),
            Choice::Built(division, core) => Layout::built(division, length, uuid, Some(core)),
            Choice::Bare(division) => Layout::built(division, length, uuid, None),
        }
    }
}
