//! How the disk is divided, and where its boot loader comes from.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use baler_ext4::Tree;
use baler_volume::grub::Core;
use baler_volume::{Chain, Disk, Division, Layout, LayoutError, Length, Loader, Mounts};
use uuid::Uuid;

use super::Request;
use super::args::{BootloaderArg, PartitionArg};
use super::site::Site;
use crate::exit::Trouble;
use crate::report::Console;

/// What was decided.
pub(crate) enum Choice {
    /// The disk of the source, or the one that was named, with its boot chain.
    Cloned(Arc<Disk>, Chain),
    /// A new table, with GRUB 2.
    Built(Division, Core),
    /// A new table or none, and no boot loader.
    Bare(Division),
}

/// Decides, and says why it is not what is tried first.
pub(crate) fn choose(
    request: &Request<'_>,
    site: &Site,
    mounts: &Mounts,
    tree: &Tree,
    console: &Console,
) -> anyhow::Result<Choice> {
    let args = request.args;
    let of_disk = site
        .disk
        .as_ref()
        .map(|disk| disk.table.as_ref().map_or(Division::None, baler_volume::Table::division));
    let division = match args.partition {
        PartitionArg::None => Division::None,
        PartitionArg::Mbr => Division::Mbr,
        PartitionArg::Gpt => Division::Gpt,
        // A partition of a disk that cannot be read is a partition all the same.
        PartitionArg::Auto => of_disk.unwrap_or(match site.source.partition {
            Some(1..) => Division::Mbr,
            _ => Division::None,
        }),
    };
    if args.partition == PartitionArg::Auto && of_disk.is_none() && division == Division::None {
        console.note("there is no disk to do as it does: the image is a bare file system (--partition mbr or gpt makes a disk)");
    }
    if division == Division::None {
        if matches!(args.bootloader, BootloaderArg::Clone | BootloaderArg::Build) {
            return Err(Trouble::usage("a bare file system has no place for a boot loader")
                .hint("pass --partition mbr or gpt, or leave --bootloader away")
                .into());
        }
        return Ok(Choice::Bare(division));
    }
    if args.bootloader == BootloaderArg::None {
        return Ok(Choice::Bare(division));
    }
    let mut reasons = Vec::new();
    if args.bootloader != BootloaderArg::Build {
        match clone(request, site, mounts, division) {
            Ok(choice) => {
                if let Some(old) = site.old_uuid().filter(|old| *old != site.uuid) {
                    console.warn(&format!("the boot loader is cloned from a disk whose root has the UUID {old}, and may look for that"));
                    console.hint("leave --uuid away, or pass --bootloader build");
                }
                return Ok(choice);
            }
            Err(reason) => reasons.push(format!("cloning it: {reason:#}")),
        }
    }
    if args.bootloader != BootloaderArg::Clone {
        match Core::build(request.root, tree, site.uuid) {
            Ok(core) => {
                for reason in &reasons {
                    console
                        .note(&format!("the boot loader is built from the tree's GRUB; {reason}"));
                }
                return Ok(Choice::Built(division, core));
            }
            Err(error) => reasons.push(format!("building one: {:#}", anyhow!(error))),
        }
    }
    Err(Trouble::failed(format!("there is no boot loader for the image; {}", reasons.join("; ")))
        .hint("name a disk that boots with --boot-disk, install GRUB 2 (grub-pc-bin, grub-common), or pass --bootloader none")
        .into())
}

fn clone(
    request: &Request<'_>,
    site: &Site,
    mounts: &Mounts,
    division: Division,
) -> anyhow::Result<Choice> {
    let disk = site.disk.as_ref().context("there is no disk to clone it from")?;
    let shown = disk.path.display();
    let chain = Chain::of(disk).with_context(|| format!("the disk `{shown}`"))?;
    if disk.table.as_ref().map(baler_volume::Table::division) != Some(division) {
        return Err(anyhow!("the disk `{shown}` is divided in another way than --partition says"));
    }
    let boot = request.root.canonicalize().unwrap_or_default().join("boot");
    let is_boot = |point: &[u8]| Path::new(OsStr::from_bytes(point)) == boot;
    if request.args.boot_disk.is_none() && mounts.iter().any(|mount| is_boot(&mount.point)) {
        return Err(anyhow!(
            "`{}` is a file system by itself, which the image will not have",
            boot.display()
        ));
    }
    Ok(Choice::Cloned(disk.clone(), chain))
}

impl Choice {
    /// Whether the file system has to be one that GRUB 0.97 reads.
    pub(crate) fn wants_legacy(&self, tree: &Tree) -> bool {
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
    pub(crate) fn kept_part_uuid(&self) -> Option<String> {
        let Choice::Cloned(disk, _) = self else { return None };
        let table = disk.table.as_ref()?;
        Some(table.partition(disk.root)?.part_uuid(table.id))
    }

    /// Whether an EFI system partition is kept.
    pub(crate) fn keeps_efi(&self) -> bool {
        let Choice::Cloned(disk, _) = self else { return false };
        let mut partitions = disk.table.iter().flat_map(|table| &table.partitions);
        partitions.any(baler_volume::Partition::is_efi_system)
    }

    /// Whether GRUB 2 boots it, from what is in the tree.
    pub(crate) fn is_grub2(&self) -> bool {
        match self {
            Choice::Cloned(_, chain) => chain.loader == Loader::Grub2,
            Choice::Built(..) => true,
            Choice::Bare(_) => false,
        }
    }

    /// The disk.
    pub(crate) fn layout(self, length: Length, uuid: Uuid) -> Result<Layout, LayoutError> {
        match self {
            Choice::Cloned(disk, chain) => Layout::cloned(disk, &chain, length),
            Choice::Built(division, core) => Layout::built(division, length, uuid, Some(core)),
            Choice::Bare(division) => Layout::built(division, length, uuid, None),
        }
    }
}
