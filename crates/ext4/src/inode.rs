//! Inodes as they lie in their table.
//!
//! Source: the kernel's `Documentation/filesystems/ext4/inodes.rst`.

use baler_tree::{Device, Kind, Time};

use crate::checksum::Checksum;
use crate::little_endian::{put16, put32};

/// Numbers that have a meaning of their own.
pub(crate) const ROOT: u32 = 2;
pub(crate) const RESIZE: u32 = 7;
pub(crate) const JOURNAL: u32 = 8;
pub(crate) const LOST_FOUND: u32 = 11;

/// The blocks are found by extents.
pub(crate) const EXTENTS: u32 = 0x8_0000;
/// The directory has an index.
pub(crate) const INDEX: u32 = 0x1000;
/// Flags that `chattr` can set on a directory and on a file, without those that describe how the source stores its data.
const SETTABLE: u32 = 0x0003_c0fb & !0x4;
const SETTABLE_ON_FILES: u32 = SETTABLE & !0x0003_0000;

pub(crate) const REGULAR: u16 = 0o100_000;

/// The bytes of the oldest form; all of it that GRUB 0.97 knows.
const SMALL: usize = 128;
/// What the form with nanoseconds has more.
const EXTRA: usize = 32;

/// How much of an inode is left for extended attributes.
pub(crate) fn xattr_room(inode_size: usize) -> usize {
    inode_size.saturating_sub(SMALL + EXTRA)
}

/// Where in an inode they begin.
pub(crate) const XATTRS: usize = SMALL + EXTRA;

/// An inode's fields.
#[derive(Debug, Default)]
pub(crate) struct Inode {
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Read, data changed, inode changed, made.
    pub(crate) times: [Time; 4],
    pub(crate) links: u16,
    pub(crate) size: u64,
    /// In units of 512 bytes.
    pub(crate) sectors: u64,
    pub(crate) flags: u32,
    pub(crate) xattr_block: u32,
}

impl Inode {
    /// Fills the fields; `map` is what stands in the place of block numbers.
    pub(crate) fn put(&self, bytes: &mut [u8], map: &[u8]) {
        put16(bytes, 0x00, self.mode);
        put16(bytes, 0x02, self.uid as u16);
        put32(bytes, 0x04, self.size as u32);
        put16(bytes, 0x18, self.gid as u16);
        put16(bytes, 0x1a, self.links);
        put32(bytes, 0x1c, self.sectors as u32);
        put32(bytes, 0x20, self.flags);
        bytes[0x28..0x28 + map.len()].copy_from_slice(map);
        put32(bytes, 0x68, self.xattr_block);
        put32(bytes, 0x6c, (self.size >> 32) as u32);
        put16(bytes, 0x74, (self.sectors >> 32) as u16);
        put16(bytes, 0x78, (self.uid >> 16) as u16);
        put16(bytes, 0x7a, (self.gid >> 16) as u16);
        let is_large = bytes.len() > SMALL;
        let [atime, mtime, ctime, crtime] = self.times.map(|time| encode(time, is_large));
        put32(bytes, 0x08, atime.0);
        put32(bytes, 0x0c, ctime.0);
        put32(bytes, 0x10, mtime.0);
        if is_large {
            put16(bytes, 0x80, EXTRA as u16);
            put32(bytes, 0x84, ctime.1);
            put32(bytes, 0x88, mtime.1);
            put32(bytes, 0x8c, atime.1);
            put32(bytes, 0x90, crtime.0);
            put32(bytes, 0x94, crtime.1);
        }
    }
}

/// The checksum with which all of an inode's blocks begin.
pub(crate) fn seed(file_system: Checksum, inode: u32) -> Checksum {
    // The generation follows the number; here it is always 0.
    file_system.add(&inode.to_le_bytes()).add(&[0; 4])
}

/// Writes the checksum of an inode that is otherwise complete.
pub(crate) fn put_checksum(bytes: &mut [u8], seed: Checksum) {
    let sum = seed.add(bytes).value();
    put16(bytes, 0x7c, sum as u16);
    if bytes.len() > SMALL {
        put16(bytes, 0x82, (sum >> 16) as u16);
    }
}

/// A time in its two words: 34 bits of seconds from 1901 to 2446, and 30 of nanoseconds.
///
/// What lies outside is brought to the nearest time that can be written; a small inode has the first word alone.
fn encode(time: Time, is_large: bool) -> (u32, u32) {
    const FIRST: i64 = i32::MIN as i64;
    if !is_large {
        return (time.seconds.clamp(FIRST, i64::from(i32::MAX)) as i32 as u32, 0);
    }
    let seconds = time.seconds.clamp(FIRST, FIRST + (1 << 34) - 1);
    let low = seconds as i32;
    let epoch = ((seconds - i64::from(low)) >> 32) as u32 & 3;
    (low as u32, epoch | (time.nanos.min(999_999_999) << 2))
}

/// The bits of the mode that say what a node is, and its number in directories.
pub(crate) fn kind_bits(kind: &Kind) -> (u16, u8) {
    match kind {
        Kind::File(_) => (REGULAR, 1),
        Kind::Directory => (0o040_000, 2),
        Kind::CharDevice(_) => (0o020_000, 3),
        Kind::BlockDevice(_) => (0o060_000, 4),
        Kind::Fifo => (0o010_000, 5),
        Kind::Socket => (0o140_000, 6),
        Kind::Symlink(_) => (0o120_000, 7),
    }
}

/// Of the flags that a source gives, those that a node of this kind can have.
pub(crate) fn settable(kind: &Kind, flags: u32) -> u32 {
    match kind {
        Kind::Directory => flags & SETTABLE,
        Kind::File(_) => flags & SETTABLE_ON_FILES,
        _ => 0,
    }
}

/// A device's number in the place of the first block numbers: the short form where it fits.
pub(crate) fn device(device: Device) -> [u8; 8] {
    let Device { major, minor } = device;
    let mut bytes = [0; 8];
    if major < 256 && minor < 256 {
        put32(&mut bytes, 0, (major << 8) | minor);
    } else {
        put32(&mut bytes, 4, (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_documentation() {
        let check = |seconds, expected: (i32, u32)| {
            let (low, extra) = encode(Time { seconds, nanos: 5 }, true);
            assert_eq!((low as i32, extra), (expected.0, expected.1 | 5 << 2), "{seconds}");
        };
        check(-1, (-1, 0));
        check(-0x8000_0000, (i32::MIN, 0));
        check(0x7fff_ffff, (i32::MAX, 0));
        check(0x8000_0000, (i32::MIN, 1));
        check(0xffff_ffff, (-1, 1));
        check(0x1_0000_0000, (0, 1));
        check(0x1_8000_0000, (i32::MIN, 2));
        check(0x3_7fff_ffff, (i32::MAX, 3));
        check(i64::MAX, (i32::MAX, 3));
        assert_eq!(encode(Time { seconds: 1 << 40, nanos: 1 }, false), (i32::MAX as u32, 0));
    }

    #[test]
    fn devices_take_the_short_form_where_they_can() {
        let words = |major, minor| {
            let bytes = device(Device { major, minor });
            [0, 4].map(|at| {
                u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
            })
        };
        assert_eq!(words(8, 1), [0x801, 0]);
        assert_eq!(words(259, 3), [0, 0x1_0303]);
        assert_eq!(words(8, 0x12345), [0, 0x1230_0845]);
    }
}
