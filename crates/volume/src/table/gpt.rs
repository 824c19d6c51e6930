//! The GUID partition table: a header and the entries behind the first sector, and again at the disk's end.

use std::io;

use uuid::Uuid;

use super::mbr;
use super::model::{DiskId, Partition, PartitionKind, SECTOR, Table, TableError};
use crate::little_endian::{u32_at, u64_at};

const SIGNATURE: &[u8; 8] = b"EFI PART";
const HEADER: usize = 92;
const ENTRIES: u64 = 128;
const ENTRY: usize = 128;
/// What some disks have, and EC2's do not.
const LARGE_SECTOR: u64 = 4096;
/// The sectors that the entries take.
const ENTRY_SECTORS: u64 = ENTRIES * ENTRY as u64 / SECTOR;
/// What is before the first sector that a partition may have, and after the last: a header and the entries.
pub(crate) const FIRST_USABLE: u64 = 2 + ENTRY_SECTORS;

/// A GUID's first three fields are little-endian.
fn guid_at(bytes: &[u8], at: usize) -> Uuid {
    let mut guid = [0; 16];
    guid.copy_from_slice(&bytes[at..at + 16]);
    Uuid::from_bytes_le(guid)
}

type ReadAt<'a> = &'a mut dyn FnMut(&mut [u8], u64) -> io::Result<()>;

/// Reads the first copy, or the one at the end if that is damaged.
pub(super) fn read(len: u64, read: ReadAt<'_>) -> io::Result<Table> {
    match copy_at(1, len, read)? {
        Ok(table) => Ok(table),
        Err(damage) => copy_at(len / SECTOR - 1, len, read)?.or_else(|_| {
            let mut signature = [0; SIGNATURE.len()];
            if len >= 2 * LARGE_SECTOR {
                read(&mut signature, LARGE_SECTOR)?;
            }
            let is_large = signature == *SIGNATURE;
            let damage = if is_large { TableError::Sectors } else { damage };
            Err(io::Error::new(io::ErrorKind::InvalidData, damage))
        }),
    }
}

fn copy_at(sector: u64, len: u64, read: ReadAt<'_>) -> io::Result<Result<Table, TableError>> {
    let damaged = |what| Ok(Err(TableError::Damaged(what)));
    if (sector + 1) * SECTOR > len {
        return damaged("the disk is too short");
    }
    let mut header = [0; SECTOR as usize];
    read(&mut header, sector * SECTOR)?;
    let header_len = u32_at(&header, 12) as usize;
    if header[..8] != *SIGNATURE || !(HEADER..=header.len()).contains(&header_len) {
        return damaged("there is no header");
    }
    let mut summed = header;
    summed[16..20].fill(0);
    if crc32fast::hash(&summed[..header_len]) != u32_at(&header, 16) {
        return damaged("the header's checksum is wrong");
    }
    let (start, count, size) =
        (u64_at(&header, 72), u32_at(&header, 80) as usize, u32_at(&header, 84) as usize);
    let entries_len = count.saturating_mul(size);
    let end = start.saturating_mul(SECTOR).saturating_add(entries_len as u64);
    if size < ENTRY || entries_len > 1 << 20 || end > len {
        return damaged("the entries are not where they can be");
    }
    let mut entries = vec![0; entries_len];
    read(&mut entries, start * SECTOR)?;
    if crc32fast::hash(&entries) != u32_at(&header, 88) {
        return damaged("the entries' checksum is wrong");
    }
    let mut partitions = Vec::new();
    for (number, entry) in (1..).zip(entries.chunks_exact(size)) {
        let (first, last) = (u64_at(entry, 32), u64_at(entry, 40));
        if guid_at(entry, 0).is_nil() || last < first || last >= len / SECTOR {
            continue;
        }
        let mut name = [0; 36];
        for (unit, bytes) in name.iter_mut().zip(entry[56..].as_chunks::<2>().0) {
            *unit = u16::from_le_bytes(*bytes);
        }
        let kind = PartitionKind::Gpt {
            type_guid: guid_at(entry, 0),
            guid: guid_at(entry, 16),
            attributes: u64_at(entry, 48),
            name,
        };
        partitions.push(Partition { number, start: first, len: last - first + 1, kind });
    }
    Ok(Ok(Table { id: DiskId::Gpt(guid_at(&header, 56)), partitions }))
}

pub(super) fn write(
    disk: Uuid,
    partitions: &[Partition],
    sectors: u64,
) -> Result<Vec<(u64, Vec<u8>)>, TableError> {
    let last_usable = sectors.saturating_sub(FIRST_USABLE);
    let mut entries = vec![0; ENTRIES as usize * ENTRY];
    for partition in partitions {
        let number = partition.number;
        let PartitionKind::Gpt { type_guid, guid, attributes, name } = &partition.kind else {
            return Err(TableError::Damaged("a partition is one of an MBR"));
        };
        if partition.end() > last_usable + 1 || u64::from(number) > ENTRIES || number == 0 {
            return Err(TableError::TooShort { sectors, number });
        }
        let entry = &mut entries[(number as usize - 1) * ENTRY..][..ENTRY];
        entry[..16].copy_from_slice(&type_guid.to_bytes_le());
        entry[16..32].copy_from_slice(&guid.to_bytes_le());
        entry[32..40].copy_from_slice(&partition.start.to_le_bytes());
        entry[40..48].copy_from_slice(&(partition.end() - 1).to_le_bytes());
        entry[48..56].copy_from_slice(&attributes.to_le_bytes());
        for (bytes, unit) in entry[56..].as_chunks_mut::<2>().0.iter_mut().zip(name) {
            *bytes = unit.to_le_bytes();
        }
    }
    let sum = crc32fast::hash(&entries);
    let header = |own: u64, other: u64, entries_at: u64| {
        let mut bytes = vec![0; SECTOR as usize];
        bytes[..8].copy_from_slice(SIGNATURE);
        bytes[8..12].copy_from_slice(&0x1_0000_u32.to_le_bytes());
        bytes[12..16].copy_from_slice(&(HEADER as u32).to_le_bytes());
        for (at, value) in
            [(24, own), (32, other), (40, FIRST_USABLE), (48, last_usable), (72, entries_at)]
        {
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        bytes[56..72].copy_from_slice(&disk.to_bytes_le());
        bytes[80..84].copy_from_slice(&(ENTRIES as u32).to_le_bytes());
        bytes[84..88].copy_from_slice(&(ENTRY as u32).to_le_bytes());
        bytes[88..92].copy_from_slice(&sum.to_le_bytes());
        let sum = crc32fast::hash(&bytes[..HEADER]);
        bytes[16..20].copy_from_slice(&sum.to_le_bytes());
        bytes
    };
    let last = sectors - 1;
    let start = [mbr::protective(sectors).to_vec(), header(1, last, 2), entries.clone()].concat();
    let end = [entries, header(last, 1, last - ENTRY_SECTORS)].concat();
    Ok(vec![(0, start), ((last - ENTRY_SECTORS) * SECTOR, end)])
}
