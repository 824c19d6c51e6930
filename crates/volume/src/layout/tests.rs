use std::fs;
use std::path::Path;

use baler_image::Image;
use tempfile::NamedTempFile;

use super::*;
use crate::disk::DiskImage;
use crate::table::EFI_SYSTEM;

const ROOT_UUID: Uuid = Uuid::from_u128(0x00112233_4455_6677_8899_aabbccddeeff);
const SIZE: u64 = 16 << 20;

/// A boot sector and a core image of the right shape: 5 sectors, the last not full.
fn core() -> Core {
    let mut boot = vec![0x24; 512];
    boot[..3].copy_from_slice(&[0xeb, 0x63, 0x90]);
    boot[0x180..0x185].copy_from_slice(b"GRUB ");
    let mut core = vec![0xc0; 4 * 512 + 100];
    core[0x1f4 - 12..0x1f4].fill(0);
    core[0x1f4..0x200].copy_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0x20, 0x08]);
    Core::of(boot, core)
}

fn built(division: Division, length: Length) -> Layout {
    Layout::built(division, length, ROOT_UUID, Some(core())).unwrap()
}

/// A file system of which only the length matters, and what names it.
struct FileSystem(u64);

impl Image for FileSystem {
    fn len(&self) -> u64 {
        self.0
    }

    fn extents(&self) -> &[baler_image::Extent] {
        &[baler_image::Extent { offset: 0, len: 4096 }]
    }

    fn read_at(&mut self, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
        let mut block = [0; 4096];
        block[1024 + 0x38..][..2].copy_from_slice(&[0x53, 0xef]);
        block[1024 + 0x68..][..16].copy_from_slice(ROOT_UUID.as_bytes());
        for (byte, at) in buf.iter_mut().zip(offset..) {
            *byte = block.get(at as usize).copied().unwrap_or(0);
        }
        Ok(())
    }
}

fn bytes(layout: Layout) -> Vec<u8> {
    let file_system = FileSystem(layout.root_len);
    let mut image = DiskImage::new(layout.len, layout.regions, file_system, layout.start);
    let mut bytes = vec![0; layout.len as usize];
    image.read_at(&mut bytes, 0).unwrap();
    bytes
}

fn file(bytes: &[u8]) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    file
}

#[test]
fn lengths_are_of_the_disk_or_of_the_file_system() {
    for (division, length, len, root_len) in [
        (Division::None, Length::Disk(SIZE + 5), SIZE, SIZE),
        (Division::Mbr, Length::Disk(SIZE), SIZE, SIZE - MIB),
        (Division::Gpt, Length::Disk(SIZE), SIZE, SIZE - MIB - 5 * BLOCK),
        (Division::Mbr, Length::FileSystem(SIZE), SIZE + MIB, SIZE),
        (Division::Gpt, Length::FileSystem(SIZE), SIZE + 2 * MIB, SIZE),
    ] {
        let layout = Layout::built(division, length, ROOT_UUID, None).unwrap();
        assert_eq!((layout.len, layout.root_len), (len, root_len), "{division:?} {length:?}");
    }
    for division in [Division::Mbr, Division::Gpt] {
        let short = Layout::built(division, Length::Disk(MIB), ROOT_UUID, None);
        assert!(matches!(short, Err(LayoutError::TooShort { .. })));
    }
}

#[test]
fn an_mbr_disk_is_what_boots() {
    let layout = built(Division::Mbr, Length::Disk(SIZE));
    assert_eq!((layout.root, layout.start), (1, MIB));
    assert_eq!(layout.part_uuid().as_deref(), Some("ccddeeff-01"));
    let bytes = bytes(layout);
    // GRUB's boot.img: the sector of the core image, then its code, but not beyond it.
    assert_eq!(bytes[..3], [0xeb, 0x63, 0x90]);
    assert_eq!(bytes[0x5c..0x64], 1_u64.to_le_bytes());
    assert_eq!(bytes[0x1b7..0x1be], [0x24, 0xff, 0xee, 0xdd, 0xcc, 0, 0]);
    // Active, Linux, from sector 2048 to the end; 0x20 0x21 0 is cylinder 0, head 32, sector 33.
    let entry =
        [&[0x80, 0x20, 0x21, 0, 0x83][..], &bytes[0x1c3..0x1c6], &[0, 8, 0, 0, 0, 0x78, 0, 0]];
    assert_eq!(bytes[0x1be..0x1ce], entry.concat());
    assert_eq!(bytes[0x1ce..0x200], [&[0; 48][..], &[0x55, 0xaa]].concat());
    // The core image, as it came from GRUB, in whole sectors.
    assert_eq!(bytes[0x200 + 0x1f4..0x400], [2, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0x20, 0x08]);
    assert_eq!(bytes[0x200 + 4 * 512 + 99..][..2], [0xc0, 0]);
}

#[test]
fn a_gpt_disk_is_what_boots() {
    let layout = built(Division::Gpt, Length::Disk(SIZE));
    let table = layout.table.clone().unwrap();
    let places: Vec<_> =
        table.partitions.iter().map(|p| (p.number, p.start, p.end() - 1)).collect();
    assert_eq!(places, [(1, 2048, SIZE / SECTOR - 41), (14, 34, 2047)]);
    let bytes = bytes(layout);
    assert_eq!(bytes[0x5c..0x64], 34_u64.to_le_bytes());
    assert_eq!(bytes[0x1be..0x1ca], [0, 0, 2, 0, 0xee, 0x0a, 0x08, 0x02, 1, 0, 0, 0]);
    assert_eq!(bytes[512..520], *b"EFI PART");
    assert_eq!(bytes[34 * 512 + 0x1f4..35 * 512], [35, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0x20, 0x08]);
    let read = Table::read(SIZE, &mut |buf, at| {
        buf.copy_from_slice(&bytes[at as usize..][..buf.len()]);
        Ok(())
    });
    assert_eq!(read.unwrap(), Some(table));
}

#[test]
fn the_same_file_system_lies_on_the_same_disk() {
    let of = |uuid| bytes(Layout::built(Division::Gpt, Length::Disk(SIZE), uuid, None).unwrap());
    assert_eq!(of(ROOT_UUID), of(ROOT_UUID));
    assert_ne!(of(ROOT_UUID), of(Uuid::from_u128(1)));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "other people's programs judge the tables")]
fn other_programs_find_nothing_wrong() {
    for division in [Division::Mbr, Division::Gpt] {
        let file = file(&bytes(built(division, Length::Disk(SIZE))));
        let checks: [(&str, &[&str], &str); 3] = [
            ("sfdisk", &["--verify"], "No errors detected"),
            ("sgdisk", &["-v"], "No problems found"),
            ("parted", &["-s", "-m"], ":1:"),
        ];
        for (program, args, wanted) in checks {
            if program == "sgdisk" && division == Division::Mbr {
                continue;
            }
            let mut command = std::process::Command::new(program);
            command.args(args).arg(file.path()).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
            if program == "parted" {
                command.arg("unit").arg("s").arg("print");
            }
            let Ok(output) = command.output() else {
                println!("SKIPPED: there is no {program}");
                continue;
            };
            let said =
                String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            let said = said.replace('\n', ":");
            assert!(output.status.success() && said.contains(wanted), "{program}: {said}");
            assert!(!said.to_lowercase().contains("warning"), "{program}: {said}");
        }
    }
}

fn open(file: &NamedTempFile) -> (Arc<Disk>, Chain) {
    let disk = Disk::open(file.path(), Some(ROOT_UUID)).unwrap();
    let chain = Chain::of(&disk).unwrap();
    (Arc::new(disk), chain)
}

#[test]
fn a_clone_of_the_same_length_is_the_same() {
    for division in [Division::Mbr, Division::Gpt] {
        let original = bytes(built(division, Length::Disk(SIZE)));
        let file = file(&original);
        let (disk, chain) = open(&file);
        let layout = Layout::cloned(disk, &chain, Length::Disk(SIZE)).unwrap();
        let boot = Boot::Cloned { disk: file.path().to_owned(), loader: Loader::Grub2 };
        assert_eq!(layout.boot, boot);
        assert!(bytes(layout) == original, "{division:?}");
    }
}

#[test]
fn a_clone_may_be_longer_or_shorter() {
    for division in [Division::Mbr, Division::Gpt] {
        let file = file(&bytes(built(division, Length::Disk(SIZE))));
        for len in [SIZE / 2, SIZE * 2] {
            let (disk, chain) = open(&file);
            let old = disk.table.clone().unwrap();
            let layout = Layout::cloned(disk, &chain, Length::FileSystem(len)).unwrap();
            assert_eq!((layout.root_len, layout.start), (len, MIB));
            let table = layout.table.unwrap();
            let mut expected = old;
            expected.partitions[0].len = len / SECTOR;
            assert_eq!(table, expected);
        }
    }
}

/// A disk as distributions make it: the root is not the first, and others are there that are not needed.
fn busy() -> Vec<u8> {
    let kind = |type_guid, name: u128| gpt_kind(type_guid, Uuid::from_u128(name), "x");
    let partitions = vec![
        Partition { number: 1, start: 20480, len: 8192, kind: kind(LINUX, 1) },
        Partition { number: 2, start: 8192, len: 2048, kind: kind(LINUX, 2) },
        Partition { number: 14, start: 2048, len: 4096, kind: kind(BIOS_BOOT, 3) },
        Partition { number: 15, start: 10240, len: 10240, kind: kind(EFI_SYSTEM, 4) },
    ];
    let table = Table { id: DiskId::Gpt(Uuid::from_u128(5)), partitions };
    let (code, core) = core().placed_at(2048);
    let mut regions = table_regions(&table, SIZE).unwrap();
    put_code(&mut regions, &code);
    regions.push(Region::known(2048 * SECTOR, core));
    regions.push(Region::known(8192 * SECTOR, vec![9; 512]));
    regions.push(Region::known(10241 * SECTOR, vec![7; 512]));
    regions.push(Region::known(20479 * SECTOR, vec![8; 512]));
    let file_system = FileSystem(8192 * SECTOR);
    let mut image = DiskImage::new(SIZE, regions, file_system, 20480 * SECTOR);
    let mut bytes = vec![0; SIZE as usize];
    image.read_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn what_boots_is_kept_and_the_rest_is_left_away() {
    let original = busy();
    let file = file(&original);
    let (disk, chain) = open(&file);
    // The core image has a place of 2 MiB, but is never longer than one.
    assert_eq!((disk.root, chain.sectors.clone()), (1, 2048..2048 + MAX_CLONED));
    let layout = Layout::cloned(disk, &chain, Length::FileSystem(MIB)).unwrap();
    let numbers: Vec<_> =
        layout.table.iter().flat_map(|t| &t.partitions).map(|p| p.number).collect();
    assert_eq!(numbers, [1, 14, 15]);
    assert_eq!((layout.start, layout.root_len), (20480 * SECTOR, MIB));
    let lazy: u64 = layout
        .regions
        .iter()
        .filter(|p| matches!(p.bytes, Bytes::Of { .. }))
        .map(Region::len)
        .sum();
    assert_eq!(lazy, 128 * 1024, "two blocks of the ESP have something in them");
    let copy = bytes(layout);
    let at = |sector: u64| (sector * SECTOR) as usize;
    assert!(copy[at(2048)..at(4096)] == original[at(2048)..at(4096)]);
    assert!(copy[at(10240)..at(20480)] == original[at(10240)..at(20480)]);
    assert!(copy[at(8192)..at(10240)].iter().all(|byte| *byte == 0));
}

const MAX_CLONED: u64 = 2048;

#[test]
fn a_root_grows_up_to_what_is_kept_behind_it() {
    let kind = |code| PartitionKind::Mbr { code, active: false };
    let partitions = vec![
        Partition { number: 2, start: 63, len: 8000, kind: kind(0x83) },
        Partition { number: 3, start: 16384, len: 1024, kind: kind(0xef) },
        Partition { number: 4, start: 9000, len: 1024, kind: kind(0x82) },
    ];
    let table = Table { id: DiskId::Mbr(0x0102_0304), partitions };
    let mut regions = table_regions(&table, SIZE).unwrap();
    let (code, core) = core().placed_at(1);
    put_code(&mut regions, &code);
    regions.push(Region::known(SECTOR, core));
    let mut image = DiskImage::new(SIZE, regions, FileSystem(8000 * SECTOR), 63 * SECTOR);
    let mut bytes = vec![0; SIZE as usize];
    image.read_at(&mut bytes, 0).unwrap();
    let file = file(&bytes);
    let (disk, chain) = open(&file);
    assert_eq!((disk.root, chain.sectors.clone()), (2, 1..63));
    let layout = Layout::cloned(disk, &chain, Length::FileSystem(SIZE)).unwrap();
    // Whole blocks, from sector 63 on.
    assert_eq!(layout.root_len, (16384 - 63) * SECTOR / BLOCK * BLOCK);
    assert_eq!(layout.len, 9 * MIB);
    assert_eq!(layout.part_uuid().as_deref(), Some("01020304-02"));
    let root = layout.table.as_ref().and_then(|table| table.partition(2)).unwrap();
    assert_eq!(root.kind, PartitionKind::Mbr { code: 0x83, active: true });
}

#[test]
fn a_disk_that_is_a_file_system_is_not_cloned() {
    let mut bytes = vec![0; 8192];
    FileSystem(8192).read_at(&mut bytes, 0).unwrap();
    let file = file(&bytes);
    let disk = Disk::open(file.path(), None).unwrap();
    let chain = Chain { loader: Loader::Grub2, code: Vec::new(), sectors: 1..1 };
    let cloned = Layout::cloned(Arc::new(disk), &chain, Length::Disk(SIZE));
    assert!(matches!(cloned, Err(LayoutError::NoPartition(0))));
    assert!(Disk::open(Path::new("/nonexistent"), None).is_err());
}

#[test]
fn parts_that_lie_on_each_other_are_refused() {
    let kind = |code| PartitionKind::Mbr { code, active: false };
    let part = |number, start, len, code| Partition { number, start, len, kind: kind(code) };
    let mbr = |partitions| Table { id: DiskId::Mbr(1), partitions };
    let check = |partitions: Vec<Partition>, boot: Range<u64>, expected: Option<u32>| {
        let found = match check_apart(&mbr(partitions), 0, &boot) {
            Ok(()) => None,
            Err(LayoutError::Overlap(number)) => Some(number),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(found, expected);
    };
    check(vec![part(1, 2048, 100, 0x83), part(2, 2148, 100, 0xef)], 1..2048, None);
    check(vec![part(1, 2048, 101, 0x83), part(2, 2148, 100, 0xef)], 1..2048, Some(2));
    check(vec![part(3, 63, 100, 0x83)], 1..64, Some(3));
    let gpt = |type_guid, start| Table {
        id: DiskId::Gpt(Uuid::from_u128(1)),
        partitions: vec![Partition {
            number: 7,
            start,
            len: 100,
            kind: gpt_kind(type_guid, Uuid::from_u128(2), "x"),
        }],
    };
    assert!(matches!(table_regions(&gpt(LINUX, 10), SIZE), Err(TableError::OnTable(7))));
    assert!(table_regions(&gpt(LINUX, 34), SIZE).is_ok());
    let zero = vec![part(1, 0, 100, 0x83)];
    assert!(matches!(table_regions(&mbr(zero), SIZE), Err(TableError::OnTable(1))));
    assert!(check_apart(&gpt(BIOS_BOOT, 34), 0, &(34..134)).is_ok());
    // One that is called a BIOS boot partition and holds the root, too.
    assert!(check_apart(&gpt(BIOS_BOOT, 34), 7, &(34..134)).is_err());
    assert!(check_apart(&gpt(LINUX, 34), 0, &(34..134)).is_err());
}

#[test]
fn a_length_that_ends_before_what_is_kept_is_refused() {
    let file = file(&busy());
    let (disk, chain) = open(&file);
    let short = Layout::cloned(disk, &chain, Length::Disk(11 << 20));
    // The root lies behind all that is kept: it alone may be shorter.
    assert_eq!(short.unwrap().len, 11 << 20);
    let (mut disk, chain) = open(&file);
    Arc::get_mut(&mut disk).unwrap().root = 2;
    let short = Layout::cloned(disk, &chain, Length::Disk(9 << 20));
    assert!(matches!(short, Err(LayoutError::Kept { .. })), "{short:?}");
}
