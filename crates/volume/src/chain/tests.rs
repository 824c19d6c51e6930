use std::fs;

use tempfile::NamedTempFile;

use super::*;
use crate::table::{BIOS_BOOT, DiskId, LINUX, Partition, PartitionKind};

const SECTORS: u64 = 8192;

fn mbr(first: u64) -> Table {
    let kind = PartitionKind::Mbr { code: 0x83, active: true };
    let partitions = vec![Partition { number: 1, start: first, len: 4096, kind }];
    Table { id: DiskId::Mbr(1), partitions }
}

fn gpt() -> Table {
    let kind = |type_guid, guid| PartitionKind::Gpt {
        type_guid,
        guid: uuid::Uuid::from_u128(guid),
        attributes: 0,
        name: [0; 36],
    };
    let partitions = vec![
        Partition { number: 1, start: 4096, len: 2048, kind: kind(LINUX, 1) },
        Partition { number: 14, start: 2048, len: 1024, kind: kind(BIOS_BOOT, 2) },
    ];
    Table { id: DiskId::Gpt(uuid::Uuid::from_u128(3)), partitions }
}

fn grub2(core: u64) -> Vec<u8> {
    let mut code = vec![0; CODE];
    code[..3].copy_from_slice(&[0xeb, 0x63, 0x90]);
    code[0x5c..0x64].copy_from_slice(&core.to_le_bytes());
    code[0x180..0x185].copy_from_slice(b"GRUB ");
    code
}

fn legacy_stage1(next: u32) -> Vec<u8> {
    let mut code = vec![0; CODE];
    code[..3].copy_from_slice(&[0xeb, 0x48, 0x90]);
    code[0x3e..0x40].copy_from_slice(&[3, 2]);
    code[0x44..0x48].copy_from_slice(&next.to_le_bytes());
    code[0x17d..0x182].copy_from_slice(b"GRUB ");
    code
}

/// A disk with this code, and at `core` a list of runs: sector, count.
fn chain_of(
    table: &Table,
    code: &[u8],
    core: u64,
    runs: &[(u64, u16)],
) -> Result<Chain, ChainError> {
    let mut bytes = vec![0; (SECTORS * SECTOR) as usize];
    for (offset, region) in table.write(SECTORS).unwrap() {
        bytes[offset as usize..][..region.len()].copy_from_slice(&region);
    }
    bytes[..code.len()].copy_from_slice(code);
    let first = &mut bytes[(core * SECTOR) as usize..][..SECTOR as usize];
    for ((start, len), entry) in runs.iter().zip(first.rchunks_exact_mut(12)) {
        entry[..8].copy_from_slice(&start.to_le_bytes());
        entry[8..10].copy_from_slice(&len.to_le_bytes());
    }
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    // No file system is needed to see what boots.
    let disk = Disk::open(file.path(), None);
    assert!(disk.is_err(), "there is no root on it");
    Chain::of(&Disk::read(file.path()).unwrap())
}

#[test]
fn what_lies_outside_of_file_systems_is_taken() {
    let check = |table: &Table, code: &[u8], core, runs: &[(u64, u16)], loader, sectors| {
        let chain = chain_of(table, code, core, runs).unwrap();
        assert_eq!((chain.loader, chain.sectors), (loader, sectors));
        assert_eq!(chain.code, code);
    };
    let grub = Loader::Grub2;
    check(&mbr(2048), &grub2(1), 1, &[(2, 60)], grub, 1..2048);
    check(&mbr(63), &grub2(1), 1, &[(2, 61)], grub, 1..63);
    // In two runs, around a sector that something else has taken.
    check(&mbr(2048), &grub2(1), 1, &[(2, 30), (40, 90)], grub, 1..2048);
    check(&mbr(4096), &grub2(1), 1, &[(2, 60)], grub, 1..2048);
    check(&gpt(), &grub2(2048), 2048, &[(2049, 300)], grub, 2048..3072);
    // What a GRUB 0.97 left in the sector does not make one of a GRUB 2.
    let mut code = grub2(1);
    code[0x3e..0x40].copy_from_slice(&[3, 2]);
    check(&mbr(2048), &code, 1, &[(2, 60)], grub, 1..2048);
    check(&mbr(63), &legacy_stage1(1), 1, &[], Loader::GrubLegacy, 1..63);
}

#[test]
fn what_lies_inside_of_file_systems_is_refused() {
    let check = |table: &Table, code: &[u8], core, runs: &[(u64, u16)], wanted: &str| {
        let error = chain_of(table, code, core, runs).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    };
    let blocks = "list of blocks";
    check(&mbr(2048), &grub2(3000), 3000, &[(3001, 60)], blocks);
    check(&mbr(2048), &grub2(1), 1, &[(2, 60), (3000, 8)], blocks);
    check(&mbr(63), &grub2(1), 1, &[(2, 62)], blocks);
    check(&mbr(2048), &grub2(1), 1, &[(u64::MAX, 2)], blocks);
    check(&mbr(2048), &grub2(u64::MAX), 1, &[], blocks);
    check(&gpt(), &grub2(34), 34, &[(35, 60)], blocks);
    check(&gpt(), &grub2(2048), 2048, &[(2049, 1024)], blocks);
    check(&mbr(63), &legacy_stage1(2100), 1, &[], blocks);
    check(&gpt(), &legacy_stage1(1), 1, &[], blocks);
    check(&mbr(2048), &[], 1, &[], "no boot loader");
    // As syslinux's and Windows' do, it looks for the active partition.
    check(&mbr(2048), &[0x33, 0xc0, 0xfa, 0x8e, 0xd8], 1, &[], "extlinux");
    let mut strange = grub2(1);
    strange[1] = 0x10;
    check(&mbr(2048), &strange, 1, &[(2, 60)], "no boot loader that is known");
}
