//! The layout of the disk that is made.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;

use crate::chain::{Chain, Loader};
use crate::disk::{Bytes, Region};
use crate::grub::Core;
use crate::root_device::Disk;
use crate::table::{
    BIOS_BOOT, DiskId, Division, LINUX, Partition, PartitionKind, SECTOR, Table, TableError,
};

/// A disk, as data: its table, its boot chain, and the place of the root's file system.
#[derive(Debug)]
#[non_exhaustive]
pub struct Layout {
    /// The disk's length in bytes.
    pub len: u64,
    /// The table, if it has one.
    pub table: Option<Table>,
    /// The number of the root's partition; 0 without a table.
    pub root: u32,
    /// Offset of the file system, in bytes.
    pub start: u64,
    /// The file system's length in bytes.
    pub root_len: u64,
    /// Origin of the boot loader.
    pub boot: Boot,
    /// Everything but the file system.
    pub regions: Vec<Region>,
}

/// Origin of a boot loader.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Boot {
    /// There is none.
    None,
    /// Cloned from a disk.
    Cloned {
        /// The disk, or its image.
        disk: PathBuf,
        /// The boot loader.
        loader: Loader,
    },
    /// GRUB 2, put together from these modules.
    Built {
        /// The directory of the modules.
        modules: PathBuf,
    },
}

/// The boot loader and its origin: `GRUB 2, cloned from /dev/sda`, or `none`.
impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Boot::None => f.write_str("none"),
            Boot::Cloned { disk, loader } => write!(f, "{loader}, cloned from {}", disk.display()),
            Boot::Built { modules } => write!(f, "GRUB 2, built from {}", modules.display()),
        }
    }
}

/// Length of the disk or of the file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// The whole disk.
    Disk(u64),
    /// The file system; the disk is as long as that needs.
    FileSystem(u64),
}

/// Why there is no such layout.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// Nothing is left for the file system.
    #[error("a disk of {len} bytes has no room for a file system behind its table")]
    TooShort {
        /// The length that was asked for.
        len: u64,
    },
    /// A table that cannot be written.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A partition that has to be kept ends behind the length that was asked for.
    #[error(
        "the partitions that are needed to boot end at {least} bytes, and the disk is to have {len}"
    )]
    Kept {
        /// The length that was asked for.
        len: u64,
        /// The length that is needed.
        least: u64,
    },
    /// Two parts of the disk that is cloned lie on each other.
    #[error("partition {0} of the disk lies on another one, or on its boot loader")]
    Overlap(u32),
    /// The disk that is cloned has another root than was thought.
    #[error("the disk has no partition {0}")]
    NoPartition(u32),
    /// The disk that is cloned cannot be read.
    #[error("reading the disk that is cloned")]
    Read(#[from] std::io::Error),
}

/// Where partitions begin on new disks: 1 MiB, as everywhere.
const FIRST: u64 = 2048;
/// Where the BIOS boot partition begins: behind the entries of a GPT.
const BIOS_BOOT_START: u64 = 34;
/// The copy of a GPT at the end.
const GPT_TAIL: u64 = 33;
/// The number of the BIOS boot partition, out of the way of those that a person numbers.
const BIOS_BOOT_NUMBER: u32 = 14;
const MIB: u64 = 1 << 20;
/// File systems have whole blocks.
const BLOCK: u64 = 4096;

/// How many sectors a table needs at the end of a disk.
fn tail(division: Division) -> u64 {
    if division == Division::Gpt { GPT_TAIL } else { 0 }
}

/// The lengths of the disk and of the root behind `start`, in bytes; at most `most` for the root.
fn divide(
    division: Division,
    start: u64,
    length: Length,
    most: Option<u64>,
) -> Result<(u64, u64), LayoutError> {
    let around = (start + tail(division)) * SECTOR;
    let whole = |len: u64| len.min(most.unwrap_or(u64::MAX)) / BLOCK * BLOCK;
    let (len, root_len) = match length {
        Length::Disk(len) => (len / SECTOR * SECTOR, whole(len.saturating_sub(around))),
        Length::FileSystem(len) => ((whole(len) + around).next_multiple_of(MIB), whole(len)),
    };
    if root_len == 0 { Err(LayoutError::TooShort { len }) } else { Ok((len, root_len)) }
}

impl Layout {
    /// A file system that is the disk.
    ///
    /// # Errors
    /// A length of nothing.
    pub fn bare(length: Length) -> Result<Layout, LayoutError> {
        let (len, root_len) = match length {
            Length::Disk(len) | Length::FileSystem(len) => {
                (len / BLOCK * BLOCK, len / BLOCK * BLOCK)
            }
        };
        if len == 0 {
            return Err(LayoutError::TooShort { len });
        }
        let (table, regions) = (None, Vec::new());
        Ok(Layout { len, table, root: 0, start: 0, root_len, boot: Boot::None, regions })
    }

    /// A new disk with one partition for the root, and on a GPT another one for the boot loader.
    ///
    /// Its names follow from `uuid`, the file system's: the same file system lies on the same disk.
    ///
    /// # Errors
    /// A length that is too short.
    pub fn built(
        division: Division,
        length: Length,
        uuid: Uuid,
        core: Option<Core>,
    ) -> Result<Layout, LayoutError> {
        if division == Division::None {
            return Layout::bare(length);
        }
        let (len, root_len) = divide(division, FIRST, length, None)?;
        // None of them may be zero, which says that there is nothing.
        let derived = |number: u128| match uuid.as_u128() ^ number {
            0 => Uuid::max(),
            other => Uuid::from_u128(other),
        };
        let root_kind = match division {
            Division::Gpt => gpt_kind(LINUX, derived(1), "root"),
            _ => PartitionKind::Mbr { code: 0x83, active: true },
        };
        let root = Partition { number: 1, start: FIRST, len: root_len / SECTOR, kind: root_kind };
        let mut partitions = vec![root];
        let id = match division {
            Division::Gpt => {
                let kind = gpt_kind(BIOS_BOOT, derived(2), "bios");
                let len = FIRST - BIOS_BOOT_START;
                let number = BIOS_BOOT_NUMBER;
                partitions.push(Partition { number, start: BIOS_BOOT_START, len, kind });
                DiskId::Gpt(derived(3))
            }
            _ => DiskId::Mbr((uuid.as_u128() as u32).max(1)),
        };
        let table = Table { id, partitions };
        let mut regions = table_regions(&table, len)?;
        let mut boot = Boot::None;
        if let Some(core) = core {
            let at = if division == Division::Gpt { BIOS_BOOT_START } else { 1 };
            let (code, bytes) = core.placed_at(at);
            put_code(&mut regions, &code);
            regions.push(Region::known(at * SECTOR, bytes));
            boot = Boot::Built { modules: core.modules };
        }
        Ok(Layout {
            len,
            table: Some(table),
            root: 1,
            start: FIRST * SECTOR,
            root_len,
            boot,
            regions,
        })
    }

    /// A disk like another one, with its boot chain: partitions have the numbers, places, types and names that they
    /// have there. Those that are neither the root nor needed to boot are omitted.
    ///
    /// # Errors
    /// A length that is too short, a disk that cannot be read.
    pub fn cloned(disk: Arc<Disk>, chain: &Chain, length: Length) -> Result<Layout, LayoutError> {
        let number = disk.root;
        let old = disk.table.as_ref().ok_or(LayoutError::NoPartition(number))?;
        let root = old.partition(number).ok_or(LayoutError::NoPartition(number))?;
        let is_kept = |partition: &&Partition| {
            partition.number != number && (partition.is_bios_boot() || partition.is_efi_system())
        };
        let kept: Vec<_> = old.partitions.iter().filter(is_kept).cloned().collect();
        let after =
            kept.iter().map(|partition| partition.start).filter(|start| *start > root.start);
        let most = after.min().map(|next| (next - root.start) * SECTOR);
        let (len, root_len) = divide(old.division(), root.start, length, most)?;
        let kept_end = kept.iter().map(Partition::end).max().unwrap_or(0);
        let least = ((kept_end + tail(old.division())) * SECTOR).next_multiple_of(MIB);
        if let Length::Disk(len) = length
            && len < least
        {
            return Err(LayoutError::Kept { len, least });
        }
        let len = len.max(least);
        let mut new_root = Partition { len: root_len / SECTOR, ..root.clone() };
        // Some firmware wants one to be active, and the one that was may be omitted.
        if let PartitionKind::Mbr { active, .. } = &mut new_root.kind {
            *active = true;
        }
        let mut partitions = vec![new_root];
        partitions.extend(kept.iter().cloned());
        partitions.sort_by_key(|partition| partition.number);
        let table = Table { id: old.id, partitions };
        check_apart(&table, number, &chain.sectors)?;
        let mut regions = table_regions(&table, len)?;
        put_code(&mut regions, &chain.code);
        let Range { start: first, end } = chain.sectors;
        let mut bytes = vec![0; ((end - first) * SECTOR) as usize];
        disk.read_at(&mut bytes, first * SECTOR)?;
        regions.push(Region::known(first * SECTOR, bytes));
        for partition in kept.iter().filter(|partition| partition.is_efi_system()) {
            regions.extend(used(&disk, partition)?);
        }
        let boot = Boot::Cloned { disk: disk.path.clone(), loader: chain.loader };
        let start = root.start * SECTOR;
        Ok(Layout { len, table: Some(table), root: number, start, root_len, boot, regions })
    }

    /// The division of the disk.
    pub fn division(&self) -> Division {
        self.table.as_ref().map_or(Division::None, Table::division)
    }

    /// The name of the root's partition for `root=PARTUUID=`.
    pub fn part_uuid(&self) -> Option<String> {
        let table = self.table.as_ref()?;
        Some(table.partition(self.root)?.part_uuid(table.id))
    }
}

fn gpt_kind(type_guid: Uuid, guid: Uuid, text: &str) -> PartitionKind {
    let mut name = [0; 36];
    for (unit, value) in name.iter_mut().zip(text.encode_utf16()) {
        *unit = value;
    }
    PartitionKind::Gpt { type_guid, guid, attributes: 0, name }
}

fn table_regions(table: &Table, len: u64) -> Result<Vec<Region>, TableError> {
    let regions = table.write(len / SECTOR)?;
    Ok(regions.into_iter().map(|(offset, bytes)| Region::known(offset, bytes)).collect())
}

/// Puts boot code before the table in the first sector.
fn put_code(regions: &mut [Region], code: &[u8]) {
    if let Some(Region { offset: 0, bytes: Bytes::Known(bytes) }) = regions.first_mut() {
        bytes[..code.len()].copy_from_slice(code);
    }
}

/// Refuses a disk whose parts lie on each other: one of them would be destroyed in the copy.
fn check_apart(table: &Table, root: u32, boot: &Range<u64>) -> Result<(), LayoutError> {
    let mut parts: Vec<_> =
        table.partitions.iter().map(|part| (part.start, part.end(), part.number)).collect();
    parts.sort_unstable();
    let overlap = parts.windows(2).find(|pair| pair[1].0 < pair[0].1).map(|pair| &pair[1]);
    // A BIOS boot partition holds them; any other one must not, nor one that is said to be one and has the root in it.
    let on_boot = parts.iter().find(|(start, end, number)| {
        let holds =
            *number != root && table.partition(*number).is_some_and(Partition::is_bios_boot);
        !holds && *start < boot.end && boot.start < *end
    });
    match overlap.or(on_boot) {
        Some((_, _, number)) => Err(LayoutError::Overlap(*number)),
        None => Ok(()),
    }
}

/// What of a partition is not zeros: it is small, and most of it was never used.
fn used(disk: &Arc<Disk>, partition: &Partition) -> std::io::Result<Vec<Region>> {
    const STEP: u64 = 64 * 1024;
    let (mut regions, mut buffer) = (Vec::<Region>::new(), vec![0; STEP as usize]);
    let (mut at, end) = (partition.start * SECTOR, partition.end() * SECTOR);
    while at < end {
        let size = STEP.min(end - at);
        let block = &mut buffer[..size as usize];
        disk.read_at(block, at)?;
        if block.iter().any(|byte| *byte != 0) {
            match regions.last_mut() {
                Some(Region { offset, bytes: Bytes::Of { len, .. } }) if *offset + *len == at => {
                    *len += size;
                }
                _ => regions.push(Region {
                    offset: at,
                    bytes: Bytes::Of { disk: disk.clone(), offset: at, len: size },
                }),
            }
        }
        at += size;
    }
    Ok(regions)
}

#[cfg(test)]
mod tests;
