//! Extended attributes: behind the inode's own fields, and in one block.
//!
//! Source: the kernel's `Documentation/filesystems/ext4/attributes.rst`; the form of ACLs is `fs/ext4/acl.h`'s.

use baler_tree::Xattr;

use crate::checksum::Checksum;
use crate::little_endian::{put16, put32};

const MAGIC: u32 = 0xea02_0000;
const ENTRY: usize = 16;
const BLOCK_HEADER: usize = 32;
/// How many inodes may share a block.
pub(crate) const MAX_SHARED: u32 = 1024;

/// A set of attributes, divided between the inode and a block.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) in_inode: Vec<Attribute>,
    pub(crate) in_block: Vec<Attribute>,
}

/// An attribute as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Attribute {
    // The order in which a block wants them.
    index: u8,
    name_len: usize,
    name: Box<[u8]>,
    value: Box<[u8]>,
}

impl Attribute {
    /// # Errors
    /// Why ext4 cannot hold it.
    fn new(xattr: &Xattr) -> Result<Attribute, String> {
        const PREFIXES: [(&[u8], u8); 3] = [(b"user.", 1), (b"trusted.", 4), (b"security.", 6)];
        let shown = || String::from_utf8_lossy(&xattr.name).into_owned();
        let acl = match &*xattr.name {
            b"system.posix_acl_access" => Some(2),
            b"system.posix_acl_default" => Some(3),
            _ => None,
        };
        let (index, name, value) = if let Some(index) = acl {
            let value =
                acl_value(&xattr.value).ok_or_else(|| format!("`{}` is no ACL", shown()))?;
            (index, Box::default(), value)
        } else {
            let found = PREFIXES.iter().find_map(|(prefix, index)| {
                Some((*index, xattr.name.strip_prefix(*prefix)?.into(), xattr.value.clone()))
            });
            found.ok_or_else(|| format!("`{}` is in no namespace that it knows", shown()))?
        };
        let name: Box<[u8]> = name;
        if name.len() > 255 || (name.is_empty() && acl.is_none()) {
            return Err(format!("the name `{}` has to have 1 to 255 bytes", shown()));
        }
        Ok(Attribute { index, name_len: name.len(), name, value })
    }

    fn header_len(&self) -> usize {
        (ENTRY + self.name.len()).next_multiple_of(4)
    }

    fn len(&self) -> usize {
        self.header_len() + self.value.len().next_multiple_of(4)
    }

    /// What a block's attributes are found by when it is to be shared.
    fn hash(&self) -> u32 {
        let hash =
            self.name.iter().fold(0_u32, |hash, &byte| hash.rotate_left(5) ^ u32::from(byte));
        self.value.chunks(4).fold(hash, |hash, bytes| {
            let mut word = [0; 4];
            word[..bytes.len()].copy_from_slice(bytes);
            hash.rotate_left(16) ^ u32::from_le_bytes(word)
        })
    }
}

/// Divides a set of attributes; an inode has `room` bytes for them.
///
/// # Errors
/// Why they have no place.
pub(crate) fn place(xattrs: &[Xattr], room: usize, block_size: usize) -> Result<Placed, String> {
    let mut entries = xattrs.iter().map(Attribute::new).collect::<Result<Vec<_>, _>>()?;
    entries.sort();
    // The magic number before, four zeros behind the last.
    let mut left = room.saturating_sub(8);
    let fits = |entry: &Attribute| {
        let is_in = entry.len() <= left;
        left -= if is_in { entry.len() } else { 0 };
        is_in
    };
    let (in_inode, in_block): (Vec<_>, Vec<_>) = entries.into_iter().partition(fits);
    let len = BLOCK_HEADER + 4 + in_block.iter().map(Attribute::len).sum::<usize>();
    if !in_block.is_empty() && len > block_size {
        return Err(format!(
            "they take {len} bytes beside the inode, and a block has {block_size}"
        ));
    }
    Ok(Placed { in_inode, in_block })
}

/// Writes entries from `start` on and their values from the end of `bytes`; offsets count from `origin`.
fn put(bytes: &mut [u8], entries: &[Attribute], start: usize, origin: usize) {
    let (mut at, mut end) = (start, bytes.len());
    for entry in entries {
        if !entry.value.is_empty() {
            end -= entry.value.len().next_multiple_of(4);
            bytes[end..end + entry.value.len()].copy_from_slice(&entry.value);
            put16(bytes, at + 2, (end - origin) as u16);
        }
        bytes[at] = entry.name.len() as u8;
        bytes[at + 1] = entry.index;
        put32(bytes, at + 8, entry.value.len() as u32);
        put32(bytes, at + 12, entry.hash());
        bytes[at + ENTRY..at + ENTRY + entry.name.len()].copy_from_slice(&entry.name);
        at += entry.header_len();
    }
}

/// Fills what an inode has for them.
pub(crate) fn put_in_inode(bytes: &mut [u8], entries: &[Attribute]) {
    if !entries.is_empty() {
        put32(bytes, 0, MAGIC);
        put(bytes, entries, 4, 4);
    }
}

/// Fills a block, which is zeros.
pub(crate) fn put_block(
    bytes: &mut [u8],
    entries: &[Attribute],
    shared: u32,
    number: u32,
    seed: Option<Checksum>,
) {
    put32(bytes, 0, MAGIC);
    put32(bytes, 4, shared);
    put32(bytes, 8, 1);
    let hash = entries.iter().fold(0_u32, |hash, entry| hash.rotate_left(16) ^ entry.hash());
    put32(bytes, 12, hash);
    put(bytes, entries, BLOCK_HEADER, 0);
    if let Some(seed) = seed {
        let sum = seed.add(&u64::from(number).to_le_bytes()).add(bytes).value();
        put32(bytes, 16, sum);
    }
}

/// An ACL in ext4's form, without the identifiers that say nothing.
fn acl_value(value: &[u8]) -> Option<Box<[u8]>> {
    const NAMED: [u16; 2] = [0x02, 0x08]; // a user, a group
    let (version, entries) = value.split_first_chunk::<4>()?;
    let (entries, rest) = entries.as_chunks::<8>();
    if u32::from_le_bytes(*version) != 2 || !rest.is_empty() {
        return None;
    }
    let mut out = 1_u32.to_le_bytes().to_vec();
    for entry in entries {
        let is_named = NAMED.contains(&u16::from_le_bytes([entry[0], entry[1]]));
        out.extend_from_slice(if is_named { entry } else { &entry[..4] });
    }
    Some(out.into())
}
