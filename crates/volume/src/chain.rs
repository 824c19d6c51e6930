//! The boot chain of a disk: which boot loader it is, and which of its bytes lie outside of file systems.
//!
//! Only what lies in the first sector, in the gap before the first partition or in a BIOS boot partition can be taken
//! over: a boot loader that keeps the numbers of blocks *inside* a file system would read other blocks in the new one.
//! Source of the offsets: GRUB's `boot.h` and `setup.c`, and GRUB 0.97's `stage1.h`.

use std::fmt;
use std::io;
use std::ops::Range;

use crate::little_endian::{u16_at, u64_at};
use crate::root_device::Disk;
use crate::table::{Division, SECTOR, Table};

/// A boot loader, as its first sector shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loader {
    /// GRUB 2, its core image outside of file systems.
    Grub2,
    /// GRUB 0.97, with a stage 1.5 in the gap that finds the rest by its name.
    GrubLegacy,
}

/// The name that its users know: `GRUB 2`, `GRUB 0.97`.
impl fmt::Display for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Loader::Grub2 => "GRUB 2",
            Loader::GrubLegacy => "GRUB 0.97",
        })
    }
}

/// A boot chain, as far as it lies outside of file systems.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chain {
    /// The boot loader.
    pub loader: Loader,
    /// The code of the first sector.
    pub code: Vec<u8>,
    /// The sectors that belong to it, the first sector not among them.
    pub sectors: Range<u64>,
}

/// Why a boot chain cannot be cloned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The disk cannot be read.
    #[error("its first sectors cannot be read")]
    Read(#[from] io::Error),
    /// There is no code, or code of no known boot loader.
    #[error("its first sector has no boot loader that is known here")]
    Unknown,
    /// Code that starts what is in the active partition's first sectors: extlinux, LILO, Windows.
    #[error(
        "its first sector starts what lies in the partition, such as extlinux or LILO, which keep block numbers of the old file system"
    )]
    InPartition,
    /// GRUB, with a list of blocks inside a file system.
    #[error(
        "its GRUB keeps a list of blocks inside of a file system, which the new one has elsewhere"
    )]
    BlockList,
    /// The disk is a file system.
    #[error("it has no partition table")]
    NotDivided,
}

/// Boot code ends before the disk's signature.
const CODE: usize = 440;
/// What may lie between the first sector and the first partition; more is never used.
const MAX_GAP: u64 = 2048;
/// GRUB's limit for a core image, in sectors (`setup.c`).
const MAX_CORE: u64 = 0x78000 / SECTOR;

fn has(bytes: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(bytes, text).is_some()
}

impl Chain {
    /// Recognises the boot chain of a disk.
    ///
    /// # Errors
    /// Why it cannot be taken over.
    pub fn of(disk: &Disk) -> Result<Chain, ChainError> {
        let table = disk.table.as_ref().ok_or(ChainError::NotDivided)?;
        let mut sector = [0; SECTOR as usize];
        disk.read_at(&mut sector, 0)?;
        let code = sector[..CODE].to_vec();
        if !has(&code, b"GRUB ") {
            // Short code that looks for the active partition is what many disks have.
            let is_empty = code.iter().all(|byte| *byte == 0);
            return Err(if is_empty { ChainError::Unknown } else { ChainError::InPartition });
        }
        // Told apart by where their code begins. Not by the version at 0x3e: GRUB 2 keeps what was between the jump
        // and its code, and that may be of a GRUB 0.97 that was there before.
        let (loader, sectors) = match code[..2] {
            [0xeb, 0x48] => (Loader::GrubLegacy, legacy(&code, table)?),
            [0xeb, 0x63] => (Loader::Grub2, core_image(disk, &code, table)?),
            _ => return Err(ChainError::Unknown),
        };
        Ok(Chain { loader, code, sectors })
    }
}

/// Where stage 1.5 may be: all of the gap, if stage 1 reads from there.
fn legacy(code: &[u8], table: &Table) -> Result<Range<u64>, ChainError> {
    let next = u32::from_le_bytes([code[0x44], code[0x45], code[0x46], code[0x47]]);
    let gap = gap(table);
    match next {
        1 if table.division() == Division::Mbr && gap > 1 => Ok(1..gap),
        _ => Err(ChainError::BlockList),
    }
}

/// Where GRUB 2's core image is; it has to lie in the gap or in a BIOS boot partition, all of it.
fn core_image(disk: &Disk, code: &[u8], table: &Table) -> Result<Range<u64>, ChainError> {
    let start = u64_at(code, 0x5c);
    let (from, to) = match table.division() {
        Division::Mbr => (1, gap(table)),
        _ => {
            let holds = |start| {
                table.partitions.iter().find(|partition| {
                    partition.is_bios_boot() && (partition.start..partition.end()).contains(&start)
                })
            };
            holds(start)
                .map(|partition| (partition.start, partition.end()))
                .ok_or(ChainError::BlockList)?
        }
    };
    if !(from..to).contains(&start) {
        return Err(ChainError::BlockList);
    }
    let mut first = [0; SECTOR as usize];
    disk.read_at(&mut first, start * SECTOR)?;
    // A list of runs, from the sector's end towards its start, up to one without sectors.
    let mut used = start + 1;
    for entry in first.rchunks_exact(12) {
        let (run, len) = (u64_at(entry, 0), u64::from(u16_at(entry, 8)));
        if len == 0 {
            // A BIOS boot partition may be large, a core image is not.
            let end = to.min(used.max(from + MAX_GAP));
            let is_sane = end - from <= MAX_CORE + 2 * MAX_GAP;
            return if is_sane { Ok(from..end) } else { Err(ChainError::BlockList) };
        }
        if run < from || run.saturating_add(len) > to || len > MAX_CORE {
            return Err(ChainError::BlockList);
        }
        used = used.max(run + len);
    }
    Err(ChainError::BlockList)
}

/// How many sectors lie before the first partition, up to what is ever used.
fn gap(table: &Table) -> u64 {
    table.first_start().unwrap_or(1).min(MAX_GAP)
}

#[cfg(test)]
mod tests;
