//! Partition tables: read from the disk that a machine booted from, and written on the one that is made.
//!
//! Sectors have 512 bytes, on EC2 always. Sources: for MBR the field names of GRUB's and Linux's headers, for GPT the
//! UEFI specification, 5.3.

mod model;

mod mbr;

mod gpt;

pub use model::{
    BIOS_BOOT, DiskId, Division, EFI_SYSTEM, LINUX, Partition, PartitionKind, SECTOR, Table,
    TableError,
};

impl Table {
    /// Reads the table of a disk; `read` gives bytes at an offset.
    ///
    /// `Ok(None)` is a disk without one, such as one that is a file system.
    ///
    /// # Errors
    /// Errors of `read`, and a GPT that is damaged in both places, as `InvalidData`.
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

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
