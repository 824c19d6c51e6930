//! Any bytes as a disk to take a boot chain from: no panic, and what is made of it has nothing on top of anything else.
#![no_main]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use baler_volume::chain::Chain;
use baler_volume::layout::{Layout, Length};
use baler_volume::root_device::Disk;
use baler_volume::table::{DiskId, Partition, PartitionKind, Table};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

const LEN: u64 = 4 << 20;

static FILE: LazyLock<(PathBuf, File)> = LazyLock::new(|| {
    let path = std::env::temp_dir().join(format!("baler-fuzz-disk-{}", std::process::id()));
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
    (path, file.expect("a temporary file"))
});

/// Bytes of a table whose checksums are right, which no fuzzer would find: eleven for each partition.
fn table(bytes: &[u8]) -> Table {
    let types = [
        Uuid::from_u128(0x0fc63daf_8483_4772_8e79_3d69d8477de4),
        Uuid::from_u128(0x21686148_6449_6e6f_744e_656564454649),
        Uuid::from_u128(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b),
    ];
    let is_gpt = bytes.first().is_some_and(|byte| byte & 1 == 1);
    let partitions = bytes.chunks_exact(6).take(8).map(|bytes| {
        let number = |at: usize| u64::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        let kind = if is_gpt {
            PartitionKind::Gpt {
                type_guid: types[usize::from(bytes[0] / 2 % 3)],
                guid: Uuid::from_u128(number(2).into()),
                attributes: 0,
                name: [0; 36],
            }
        } else {
            let code = [0x83, 0x82, 0xef][usize::from(bytes[0] / 2 % 3)];
            PartitionKind::Mbr { code, active: bytes[1] & 1 == 1 }
        };
        Partition::new(u32::from(bytes[1] / 2 % 6), number(2) % 9000, number(4) % 9000, kind)
    });
    let id = if is_gpt { DiskId::Gpt(Uuid::from_u128(1)) } else { DiskId::Mbr(1) };
    // Padding describes none.
    Table::new(id, partitions.filter(|partition| partition.len > 0).collect())
}

fuzz_target!(|bytes: &[u8]| {
    let (path, file) = &*FILE;
    let Some((kind, bytes)) = bytes.split_first() else { return };
    file.set_len(0).and_then(|()| file.set_len(LEN)).expect("room");
    let (described, raw) = bytes.split_at(bytes.len().min(if kind & 1 == 1 { 48 } else { 0 }));
    // Twice: the boot code, and what may lie behind it; the table goes on top.
    file.write_all_at(&raw[..raw.len().min(LEN as usize)], 0).expect("room");
    let table = table(described);
    if let Ok(regions) = table.write(LEN / 512)
        && kind & 1 == 1
    {
        // A root is known by its file system.
        for partition in &table.partitions {
            let magic = partition.start * 512 + 1024 + 0x38;
            let is_inside = !partition.is_bios_boot() && magic + 2 <= LEN;
            if is_inside && !partition.is_efi_system() {
                file.write_all_at(&[0x53, 0xef], magic).expect("room");
            }
        }
        for (offset, region) in &regions {
            // The first sector keeps its code.
            let skipped = if *offset == 0 { 440 } else { 0 };
            file.write_all_at(&region[skipped..], offset + skipped as u64).expect("room");
        }
    }
    let Ok(disk) = Disk::open(path, None) else { return };
    let _ = disk.probe_root();
    let disk = Arc::new(disk);
    let Ok(chain) = Chain::of(&disk) else { return };
    for length in [Length::Disk(3 << 20), Length::Disk(8 << 20), Length::FileSystem(2 << 20)] {
        let Ok(layout) = Layout::cloned(disk.clone(), &chain, length) else { continue };
        let root = layout.start..layout.start + layout.root_len;
        assert!(root.end <= layout.len, "the root is on the disk: {layout:?}");
        for region in &layout.regions {
            let end = region.offset + region.len();
            assert!(end <= layout.len, "all of it is on the disk: {layout:?}");
            assert!(
                end <= root.start || region.offset >= root.end,
                "nothing is on the root: {layout:?}"
            );
        }
    }
});
