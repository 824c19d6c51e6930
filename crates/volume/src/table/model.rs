//! A partition table as data.

use std::fmt;

use uuid::Uuid;

/// The bytes of a sector.
pub const SECTOR: u64 = 512;

/// Division of a disk.
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

/// `none`, `mbr` or `gpt`.
impl fmt::Display for Division {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Division::None => "none",
            Division::Mbr => "mbr",
            Division::Gpt => "gpt",
        })
    }
}

/// A partition table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Table {
    /// Its kind, and what names the disk.
    pub id: DiskId,
    /// The partitions in the order of their numbers.
    pub partitions: Vec<Partition>,
}

/// Identifier of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskId {
    /// An MBR's signature.
    Mbr(u32),
    /// A GPT's GUID.
    Gpt(Uuid),
}

/// A part of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Partition {
    /// From 1 on.
    pub number: u32,
    /// Its first sector.
    pub start: u64,
    /// Its length in sectors.
    pub len: u64,
    /// Type and properties.
    pub kind: PartitionKind,
}

/// Type and properties of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionKind {
    /// In an MBR.
    Mbr {
        /// The type, `0x83` for Linux.
        code: u8,
        /// True for the one to boot from.
        active: bool,
    },
    /// In a GPT.
    Gpt {
        /// The type.
        type_guid: Uuid,
        /// Its own name.
        guid: Uuid,
        /// Bits with a meaning for firmware and systems.
        attributes: u64,
        /// For people; 36 units of UTF-16.
        name: [u16; 36],
    },
}

/// The type of a partition of a GPT with data of Linux.
pub const LINUX: Uuid = Uuid::from_u128(0x0fc63daf_8483_4772_8e79_3d69d8477de4);
/// The type of a partition in which GRUB puts its core image on a disk with a GPT.
pub const BIOS_BOOT: Uuid = Uuid::from_u128(0x21686148_6449_6e6f_744e_656564454649);
/// The type of a partition that EFI firmware boots from.
pub const EFI_SYSTEM: Uuid = Uuid::from_u128(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b);

/// Why a table cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The end of the disk is before that of a partition.
    #[error("the disk has {sectors} sectors, and partition {number} would end behind them")]
    TooShort {
        /// Sectors of the disk.
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
    /// The table that was read is damaged.
    #[error("the GPT is damaged: {0}")]
    Damaged(&'static str),
    /// A disk that counts in other sectors.
    #[error("the GPT counts in sectors of 4096 bytes, which disks on EC2 have not")]
    Sectors,
}

impl Table {
    /// A table of these partitions.
    pub fn new(id: DiskId, partitions: Vec<Partition>) -> Table {
        Table { id, partitions }
    }

    /// The division of the disk.
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
}

impl Partition {
    /// A partition of `len` sectors from the sector `start` on.
    pub fn new(number: u32, start: u64, len: u64, kind: PartitionKind) -> Partition {
        Partition { number, start, len, kind }
    }

    /// Returns whether GRUB keeps its core image there.
    pub fn is_bios_boot(&self) -> bool {
        matches!(self.kind, PartitionKind::Gpt { type_guid: BIOS_BOOT, .. })
    }

    /// Returns whether EFI firmware boots from it.
    pub fn is_efi_system(&self) -> bool {
        match self.kind {
            PartitionKind::Gpt { type_guid, .. } => type_guid == EFI_SYSTEM,
            PartitionKind::Mbr { code, .. } => code == 0xef,
        }
    }

    /// The first sector behind it.
    pub fn end(&self) -> u64 {
        self.start + self.len
    }

    /// The name for `root=PARTUUID=` on this disk.
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
