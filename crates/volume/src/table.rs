//! Partition tables: read from the disk that a machine booted from, and written on the one that is made.
//!
//! Sectors have 512 bytes, on EC2 always. Sources: for MBR the field names of GRUB's and Linux's headers, for GPT the
//! UEFI specification, 5.3.

use uuid::Uuid;

mod gpt;

mod mbr;

/// The bytes of a sector.
pub const SECTOR: u64 = 512;

/// How a disk is divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Division {
    /// Not at all: the file system is the disk.
    #[default]
    None,
    /// By the table in the first sector.
    Mbr,
    /// By GUIDs.
    Gpt,
}

/// A partition table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its kind, and what names the disk.
    pub id: DiskId,
    /// The partitions in the order of their numbers.
    pub partitions: Vec<Partition>,
}

/// What names a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskId {
    /// An MBR's signature.
    Mbr(u32),
    /// A GPT's GUID.
    Gpt(Uuid),
}

/// A part of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// From 1 on.
    pub number: u32,
    /// Its first sector.
    pub start: u64,
    /// Its length in sectors.
    pub len: u64,
    /// What it is for.
    pub kind: PartitionKind,
}

/// What a table says of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionKind {
    /// In an MBR.
    Mbr {
        /// The type, `0x83` for Linux.
        code: u8,
        /// Whether it is the one to boot from.
        active: bool,
    },
    /// In a GPT.
    Gpt {
        /// What it is for.
        type_guid: Uuid,
        /// Its own name.
        guid: Uuid,
        /// Bits with a meaning for firmware and systems.
        attributes: u64,
        /// For people; 36 units of UTF-16.
        name: [u16; 36],
    },
}

/// Linux data.
pub(crate) const LINUX: Uuid = Uuid::from_u128(0x0fc63daf_8483_4772_8e79_3d69d8477de4);
/// Where GRUB puts its core image on a disk with a GPT.
pub(crate) const BIOS_BOOT: Uuid = Uuid::from_u128(0x21686148_6449_6e6f_744e_656564454649);
/// What EFI firmware boots from.
pub(crate) const EFI_SYSTEM: Uuid = Uuid::from_u128(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b);

/// Why a table cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The end of the disk is before that of a partition.
    #[error("the disk has {sectors} sectors, and partition {number} would end behind them")]
    TooShort {
        /// What the disk has.
        sectors: u64,
        /// The partition's number.
        number: u32,
    },
    /// A disk that an MBR cannot describe.
    #[error("an MBR cannot describe partition {number}: it has numbers up to 4 and ends at 2 TiB")]
    Mbr {
        /// The partition's number.
        number: u32,
    },
    /// A partition that is none, or that lies on the table.
    #[error("partition {0} is empty, or lies on the partition table")]
    OnTable(u32),
    /// What was read is damaged.
    #[error("the GPT is damaged: {0}")]
    Damaged(&'static str),
    /// A disk that counts in other sectors.
    #[error("the GPT counts in sectors of 4096 bytes, which disks on EC2 have not")]
    Sectors,
}

impl Table {
    /// Reads the table of a disk; `read` gives bytes at an offset.
    ///
    /// `Ok(None)` is a disk without one, such as one that is a file system.
    ///
    /// # Errors
    /// Those of `read`, and a GPT that is damaged in both places, as `InvalidData`.
    pub fn read(
        len: u64,
        read: &mut dyn FnMut(&mut [u8], u64) -> std::io::Result<()>,
    ) -> std::io::Result<Option<Table>> {
        if len < SECTOR {
            return Ok(None);
        }
        let mut sector = [0; SECTOR as usize];
        read(&mut sector, 0)?;
        let Some(table) = mbr::parse(&sector) else { return Ok(None) };
        if mbr::is_protective(&table) {
            return gpt::read(len, read).map(Some);
        }
        Ok((!table.partitions.is_empty()).then_some(table))
    }

    /// How the disk is divided.
    pub fn division(&self) -> Division {
        match self.id {
            DiskId::Mbr(_) => Division::Mbr,
            DiskId::Gpt(_) => Division::Gpt,
        }
    }

    /// The partition with this number.
    pub fn partition(&self, number: u32) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.number == number)
    }

    /// The first sector that a partition lies in.
    pub fn first_start(&self) -> Option<u64> {
        self.partitions.iter().map(|partition| partition.start).min()
    }

    /// The bytes of the table on a disk of so many sectors, and where they go: the first sector has zeros for boot code.
    ///
    /// # Errors
    /// A partition that the kind of table or the disk has no room for.
    pub fn write(&self, sectors: u64) -> Result<Vec<(u64, Vec<u8>)>, TableError> {
        let head = if self.division() == Division::Gpt { gpt::FIRST_USABLE } else { 1 };
        let is_wrong = |part: &&Partition| part.len == 0 || part.start < head;
        if let Some(part) = self.partitions.iter().find(is_wrong) {
            return Err(TableError::OnTable(part.number));
        }
        match self.id {
            DiskId::Mbr(signature) => {
                Ok(vec![(0, mbr::write(signature, &self.partitions, sectors)?.to_vec())])
            }
            DiskId::Gpt(guid) => gpt::write(guid, &self.partitions, sectors),
        }
    }
}

impl Partition {
    /// Whether GRUB keeps its core image there.
    pub fn is_bios_boot(&self) -> bool {
        matches!(self.kind, PartitionKind::Gpt { type_guid: BIOS_BOOT, .. })
    }

    /// Whether EFI firmware boots from it.
    pub fn is_efi_system(&self) -> bool {
        match self.kind {
            PartitionKind::Gpt { type_guid, .. } => type_guid == EFI_SYSTEM,
            PartitionKind::Mbr { code, .. } => code == 0xef,
        }
    }

    /// Where it ends: the first sector behind it.
    pub fn end(&self) -> u64 {
        self.start + self.len
    }

    /// What `root=PARTUUID=` calls it on a disk of this name.
    pub fn part_uuid(&self, disk: DiskId) -> String {
        match (&self.kind, disk) {
            (PartitionKind::Gpt { guid, .. }, _) => guid.to_string(),
            (PartitionKind::Mbr { .. }, DiskId::Mbr(signature)) => {
                format!("{signature:08x}-{:02x}", self.number)
            }
            (PartitionKind::Mbr { .. }, DiskId::Gpt(_)) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(table: &Table, sectors: u64) {
        let mut disk = vec![0; (sectors * SECTOR) as usize];
        for (offset, bytes) in table.write(sectors).unwrap() {
            disk[offset as usize..][..bytes.len()].copy_from_slice(&bytes);
        }
        let read = |disk: Vec<u8>| {
            Table::read(disk.len() as u64, &mut |buf, offset| {
                buf.copy_from_slice(&disk[offset as usize..][..buf.len()]);
                Ok(())
            })
        };
        assert_eq!(read(disk.clone()).unwrap().as_ref(), Some(table));
        if table.division() == Division::Gpt {
            disk[600] ^= 1;
            assert_eq!(read(disk.clone()).unwrap().as_ref(), Some(table), "the copy at the end");
            let end = disk.len() - 500;
            disk[end] ^= 1;
            assert!(read(disk).is_err());
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let kind = PartitionKind::Mbr { code: 0x83, active: true };
        let other = PartitionKind::Mbr { code: 0x82, active: false };
        let partitions = vec![
            Partition { number: 1, start: 63, len: 1000, kind },
            Partition { number: 4, start: 2048, len: 2048, kind: other },
        ];
        check(&Table { id: DiskId::Mbr(0x1234_5678), partitions }, 4096);
        let kind = |type_guid, guid: u128| {
            let name = std::array::from_fn(|unit| if unit < 5 { 0x41 } else { 0 });
            PartitionKind::Gpt { type_guid, guid: Uuid::from_u128(guid), attributes: 4, name }
        };
        let partitions = vec![
            Partition { number: 1, start: 2048, len: 2000, kind: kind(LINUX, 7) },
            Partition { number: 14, start: 34, len: 2014, kind: kind(BIOS_BOOT, 8) },
        ];
        check(&Table { id: DiskId::Gpt(Uuid::from_u128(9)), partitions }, 5000);
    }

    #[test]
    fn a_disk_of_large_sectors_is_told_from_a_damaged_one() {
        let mut disk = vec![0; 64 * 1024];
        disk[..SECTOR as usize].copy_from_slice(&mbr::protective(16));
        let read = |disk: &[u8]| {
            let mut read = |buf: &mut [u8], offset: u64| {
                buf.copy_from_slice(&disk[offset as usize..][..buf.len()]);
                Ok(())
            };
            Table::read(disk.len() as u64, &mut read).unwrap_err().to_string()
        };
        assert!(read(&disk).contains("damaged"));
        disk[4096..4104].copy_from_slice(b"EFI PART");
        assert!(read(&disk).contains("4096"));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let kind = PartitionKind::Mbr { code: 0x83, active: true };
        let partition = |number, start, len| Partition { number, start, len, kind: kind.clone() };
        let write = |partition, sectors| {
            Table { id: DiskId::Mbr(1), partitions: vec![partition] }.write(sectors).map(|_| ())
        };
        let short = TableError::TooShort { sectors: 4095, number: 1 };
        assert_eq!(write(partition(1, 2048, 2048), 4095), Err(short));
        assert_eq!(write(partition(5, 2048, 8), 4096), Err(TableError::Mbr { number: 5 }));
        let far = partition(1, 1 << 32, 8);
        assert_eq!(write(far, 1 << 40), Err(TableError::Mbr { number: 1 }));
    }

    #[test]
    fn a_disk_without_a_table_has_none() {
        let mut sector = vec![0; 4096];
        let read = |disk: &[u8]| {
            let mut read = |buf: &mut [u8], offset: u64| {
                buf.copy_from_slice(&disk[offset as usize..][..buf.len()]);
                Ok(())
            };
            Table::read(disk.len() as u64, &mut read).unwrap()
        };
        assert_eq!(read(&sector), None);
        sector[510..512].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(read(&sector), None, "no partitions");
        sector[0x1be..0x1ce].fill(0x24);
        assert_eq!(read(&sector), None, "the code of a boot sector");
    }
}
