//! The blocks of a directory: in a line while one is enough, else sorted by hash below an index.
//!
//! Source: the kernel's `Documentation/filesystems/ext4/directory.rst`.

use std::ops::Range;

use crate::checksum::Checksum;
use crate::hash::{HashVersion, hash};
use crate::little_endian::{put16, put32};

/// What is in a directory, as it will lie there.
pub(crate) struct Name<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) inode: u32,
    /// The type of what the entry names, as `FILE_TYPE` in the kernel's documentation numbers it.
    pub(crate) kind: u8,
}

/// What directories have in common in one file system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    pub(crate) block_size: usize,
    pub(crate) has_checksums: bool,
    pub(crate) hash_version: HashVersion,
    pub(crate) hash_seed: [u8; 16],
}

const DIRECTORY: u8 = 2;
/// `.` and `..` with what an index puts behind them.
const ROOT_HEADER: usize = 32;
const NODE_HEADER: usize = 8;
/// An entry of an index: a hash and a block.
const SLOT: usize = 8;
const TAIL: usize = 12;

/// The length of an entry with a name of so many bytes.
fn entry_len(name: usize) -> usize {
    (8 + name).next_multiple_of(4)
}

impl Format {
    /// What a block has room for, but for the tail that holds its checksum.
    fn room(&self) -> usize {
        self.block_size - if self.has_checksums { TAIL } else { 0 }
    }

    fn slots(&self, header: usize) -> usize {
        (self.block_size - header - if self.has_checksums { SLOT } else { 0 }) / SLOT
    }
}

/// How the names of a directory are spread over its blocks.
pub(crate) struct Layout {
    format: Format,
    /// The order of the names.
    order: Vec<(u32, u32, u32)>,
    /// Which of them each leaf has; one leaf without an index holds `.` and `..` too.
    leaves: Vec<Range<usize>>,
    is_indexed: bool,
}

impl Layout {
    /// Spreads names that are sorted.
    pub(crate) fn new(format: Format, names: &[Name<'_>]) -> Layout {
        let numbered = || (0..names.len() as u32).map(|index| (0, 0, index)).collect::<Vec<_>>();
        let sum: usize = names.iter().map(|name| entry_len(name.name.len())).sum();
        let dots = 2 * entry_len(1);
        if sum + dots <= format.room() {
            let leaves = std::iter::once(0..names.len()).collect();
            return Layout { format, order: numbered(), leaves, is_indexed: false };
        }
        let mut order = numbered();
        for (major, minor, index) in &mut order {
            let name = names[*index as usize].name;
            (*major, *minor) = hash(format.hash_version, format.hash_seed, name);
        }
        order.sort_unstable();
        // An eighth of each leaf stays free: the first name that is added later should not split it.
        let leaves = fill(&order, names, 0, format.room() - format.room() / 8);
        if leaves.len() <= format.slots(ROOT_HEADER) * format.slots(NODE_HEADER) {
            return Layout { format, order, leaves, is_indexed: true };
        }
        // More than an index of two levels reaches: without one it is slow, and right.
        let order = numbered();
        let leaves = fill(&order, names, dots, format.room());
        Layout { format, order, leaves, is_indexed: false }
    }

    pub(crate) fn is_indexed(&self) -> bool {
        self.is_indexed
    }

    /// How many blocks lie between the root of the index and the leaves.
    fn nodes(&self) -> usize {
        match self.leaves.len() {
            leaves if !self.is_indexed || leaves <= self.format.slots(ROOT_HEADER) => 0,
            leaves => leaves.div_ceil(self.format.slots(NODE_HEADER)),
        }
    }

    /// The length in blocks.
    pub(crate) fn blocks(&self) -> usize {
        self.leaves.len() + self.nodes() + usize::from(self.is_indexed)
    }

    /// All blocks, with so many more empty ones that there are at least `least`.
    pub(crate) fn render(
        &self,
        names: &[Name<'_>],
        own: u32,
        parent: u32,
        seed: Option<Checksum>,
        least: usize,
    ) -> Vec<u8> {
        let size = self.format.block_size;
        let mut bytes = vec![0; self.blocks().max(least) * size];
        let mut blocks = bytes.chunks_exact_mut(size);
        if self.is_indexed {
            self.index(&mut blocks, own, parent, seed);
        }
        for (leaf, range) in self.leaves.iter().enumerate() {
            let Some(block) = blocks.next() else { break };
            let mut writer = Writer { block, at: 0, last: 0, room: self.format.room() };
            if leaf == 0 && !self.is_indexed {
                writer.push(own, b".", DIRECTORY);
                writer.push(parent, b"..", DIRECTORY);
            }
            for &(_, _, index) in &self.order[range.clone()] {
                let name = &names[index as usize];
                writer.push(name.inode, name.name, name.kind);
            }
            writer.finish(seed);
        }
        for block in blocks {
            Writer { block, at: 0, last: 0, room: self.format.room() }.finish(seed);
        }
        bytes
    }

    /// Writes the root of the index and the nodes below it.
    fn index<'a>(
        &self,
        blocks: &mut impl Iterator<Item = &'a mut [u8]>,
        own: u32,
        parent: u32,
        seed: Option<Checksum>,
    ) {
        let nodes = self.nodes();
        let leaf = |index: usize| (self.hash_of_leaf(index), (1 + nodes + index) as u32);
        let per_node = self.format.slots(NODE_HEADER);
        let Some(root) = blocks.next() else { return };
        put_entry(root, 0, own, 12, b".", DIRECTORY);
        put_entry(root, 12, parent, self.format.block_size - 12, b"..", DIRECTORY);
        root[28] = self.format.hash_version as u8;
        root[29] = 8; // the length of this header, from byte 24
        root[30] = u8::from(nodes > 0);
        let slots: Vec<_> = match nodes {
            0 => (0..self.leaves.len()).map(leaf).collect(),
            _ => (0..nodes)
                .map(|node| (self.hash_of_leaf(node * per_node), 1 + node as u32))
                .collect(),
        };
        self.put_slots(root, ROOT_HEADER, &slots, seed);
        for (node, block) in (0..nodes).zip(blocks) {
            put_entry(block, 0, 0, self.format.block_size, b"", 0);
            let last = self.leaves.len().min((node + 1) * per_node);
            let slots: Vec<_> = (node * per_node..last).map(leaf).collect();
            self.put_slots(block, NODE_HEADER, &slots, seed);
        }
    }

    /// The hash from which on names are in a leaf; its lowest bit says that the leaf before has some of that hash too.
    fn hash_of_leaf(&self, leaf: usize) -> u32 {
        let first = self.leaves[leaf].start;
        let hash = self.order[first].0;
        let goes_on = first > 0 && self.order[first - 1].0 == hash;
        hash | u32::from(goes_on)
    }

    fn put_slots(
        &self,
        block: &mut [u8],
        header: usize,
        slots: &[(u32, u32)],
        seed: Option<Checksum>,
    ) {
        let limit = self.format.slots(header);
        for (index, (hash, target)) in slots.iter().enumerate() {
            put32(block, header + index * SLOT, *hash);
            put32(block, header + index * SLOT + 4, *target);
        }
        // The first hash is that of everything, and its place is taken by the counts.
        put16(block, header, limit as u16);
        put16(block, header + 2, slots.len() as u16);
        if let Some(seed) = seed {
            // A field that is reserved, and then the sum itself as zeros.
            let sum = seed.add(&block[..header + slots.len() * SLOT]).add(&[0; 8]);
            put32(block, header + limit * SLOT + 4, sum.value());
        }
    }
}

/// Cuts an order into leaves of at most `most` bytes; the first has `taken` bytes already.
fn fill(
    order: &[(u32, u32, u32)],
    names: &[Name<'_>],
    taken: usize,
    most: usize,
) -> Vec<Range<usize>> {
    let (mut leaves, mut start, mut len) = (Vec::new(), 0, taken);
    for (at, &(_, _, index)) in order.iter().enumerate() {
        let entry = entry_len(names[index as usize].name.len());
        if len + entry > most {
            leaves.push(start..at);
            (start, len) = (at, 0);
        }
        len += entry;
    }
    leaves.push(start..order.len());
    leaves
}

fn put_entry(block: &mut [u8], at: usize, inode: u32, len: usize, name: &[u8], kind: u8) {
    put32(block, at, inode);
    put16(block, at + 4, len as u16);
    block[at + 6] = name.len() as u8;
    block[at + 7] = kind;
    block[at + 8..at + 8 + name.len()].copy_from_slice(name);
}

/// Fills a leaf; the last entry reaches to its end.
struct Writer<'a> {
    block: &'a mut [u8],
    at: usize,
    last: usize,
    room: usize,
}

impl Writer<'_> {
    fn push(&mut self, inode: u32, name: &[u8], kind: u8) {
        let len = entry_len(name.len());
        put_entry(self.block, self.at, inode, len, name, kind);
        self.last = self.at;
        self.at += len;
    }

    fn finish(self, seed: Option<Checksum>) {
        put16(self.block, self.last + 4, (self.room - self.last) as u16);
        if let Some(seed) = seed {
            let tail = self.room;
            put16(self.block, tail + 4, TAIL as u16);
            self.block[tail + 7] = 0xde;
            let sum = seed.add(&self.block[..tail]).value();
            put32(self.block, tail + 8, sum);
        }
    }
}
