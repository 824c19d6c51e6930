//! The partition table in a disk's first sector.

use super::model::{DiskId, Partition, PartitionKind, SECTOR, Table, TableError};
use crate::little_endian::u32_at;

const SIGNATURE: usize = 0x1b8;
const ENTRIES: usize = 0x1be;
const ENTRY: usize = 16;
const PROTECTIVE: u8 = 0xee;

type Sector = [u8; SECTOR as usize];

/// The primary partitions; `None` if there is no table. A boot sector of a file system has no partitions in it.
pub(super) fn parse(sector: &Sector) -> Option<Table> {
    if sector[510..] != [0x55, 0xaa] {
        return None;
    }
    let entries = sector[ENTRIES..ENTRIES + 4 * ENTRY].chunks_exact(ENTRY);
    // A file system's boot sector has code or text where a table has flags.
    if entries.clone().any(|entry| entry[0] & 0x7f != 0) {
        return None;
    }
    let partitions =
        (1..).zip(entries).filter(|(_, entry)| entry[4] != 0).map(|(number, entry)| {
            let kind = PartitionKind::Mbr { code: entry[4], active: entry[0] == 0x80 };
            let (start, len) = (u32_at(entry, 8).into(), u32_at(entry, 12).into());
            Partition { number, start, len, kind }
        });
    let partitions = partitions.filter(|partition| partition.len > 0).collect();
    Some(Table { id: DiskId::Mbr(u32_at(sector, SIGNATURE)), partitions })
}

/// Returns whether a table only says that there is a GPT.
pub(super) fn is_protective(table: &Table) -> bool {
    let is_marked = |partition: &Partition| {
        matches!(partition.kind, PartitionKind::Mbr { code: PROTECTIVE, .. })
    };
    table.partitions.iter().any(is_marked)
}

/// What old firmware counts in: 255 heads of 63 sectors; the last word where that does not reach.
fn cylinder_head_sector(sector: u64) -> [u8; 3] {
    let (track, in_track) = (sector / 63, sector % 63);
    let (cylinder, head) = (track / 255, track % 255);
    if cylinder > 1023 {
        return [0xfe, 0xff, 0xff];
    }
    [head as u8, (in_track as u8 + 1) | ((cylinder >> 8) as u8) << 6, cylinder as u8]
}

fn put_entry(entry: &mut [u8], active: bool, code: u8, start: u32, len: u32) {
    entry[0] = if active { 0x80 } else { 0 };
    entry[1..4].copy_from_slice(&cylinder_head_sector(start.into()));
    entry[4] = code;
    let last = u64::from(start) + u64::from(len).saturating_sub(1);
    entry[5..8].copy_from_slice(&cylinder_head_sector(last));
    entry[8..12].copy_from_slice(&start.to_le_bytes());
    entry[12..16].copy_from_slice(&len.to_le_bytes());
}

pub(super) fn write(
    signature: u32,
    partitions: &[Partition],
    sectors: u64,
) -> Result<Sector, TableError> {
    let mut sector = [0; SECTOR as usize];
    sector[SIGNATURE..SIGNATURE + 4].copy_from_slice(&signature.to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    for partition in partitions {
        let number = partition.number;
        let limits = (u32::try_from(partition.start), u32::try_from(partition.len));
        let PartitionKind::Mbr { code, active } = partition.kind else {
            return Err(TableError::Mbr { number });
        };
        let (Ok(start), Ok(len), 1..=4) = (limits.0, limits.1, number) else {
            return Err(TableError::Mbr { number });
        };
        if partition.end() > sectors {
            return Err(TableError::TooShort { sectors, number });
        }
        let at = ENTRIES + (number as usize - 1) * ENTRY;
        put_entry(&mut sector[at..at + ENTRY], active, code, start, len);
    }
    Ok(sector)
}

/// The table that tells those who know no GPT to keep off.
pub(super) fn protective(sectors: u64) -> Sector {
    let mut sector = [0; SECTOR as usize];
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    let len = u32::try_from(sectors - 1).unwrap_or(u32::MAX);
    put_entry(&mut sector[ENTRIES..ENTRIES + ENTRY], false, PROTECTIVE, 1, len);
    // The specification wants 0x000200 for the first sector, which is what it is: head 0, sector 2.
    sector
}
