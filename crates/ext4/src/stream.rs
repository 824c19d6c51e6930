//! A plan becomes blocks, each when it is asked for.

use std::io;

use baler_image::{Extent, Image, check_inside};
use baler_tree::{Files, Kind, NodeId};

use crate::allocate::{Region, What, find, find_run, runs_of};
use crate::directory::Layout;
use crate::extents::Run;
use crate::inode::{self, EXTENTS, INDEX, Inode, kind_bits, settable};
use crate::little_endian::put32;
use crate::plan::{FAST_SYMLINK, JOURNAL_OWNER, MAX_LINKS, Plan};
use crate::superblock;
use crate::xattr;

/// A planned file system and the data of its files: an image.
///
/// Every block is made when it is read, and files are read when their blocks are. What is kept is the plan, and the
/// directory that was read last.
#[derive(Debug)]
pub struct FileSystem<F> {
    plan: Plan,
    files: F,
    /// The blocks of the node that was read last, if it is a directory.
    directory: Option<(NodeId, Vec<u8>)>,
    block: Vec<u8>,
}

impl<F: Files> FileSystem<F> {
    /// Puts the two together.
    pub fn new(plan: Plan, files: F) -> FileSystem<F> {
        let block = vec![0; plan.options.block_size as usize];
        FileSystem { plan, files, directory: None, block }
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Reads some bytes at `offset`, at least one and at most what lies in one region.
    fn read_some(&mut self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let block_size = u64::from(self.plan.options.block_size);
        let (block, within) = (offset / block_size, offset % block_size);
        let wanted = |blocks: u64| buf.len().min((blocks * block_size - within) as usize);
        let block = match u32::try_from(block) {
            Ok(block) if block < self.plan.geometry.blocks => block,
            _ => {
                buf.fill(0);
                return Ok(buf.len());
            }
        };
        let region = find(&self.plan.regions, block);
        if let Ok(region) = region {
            self.make(region, block - region.start)?;
            let len = wanted(1);
            buf[..len].copy_from_slice(&self.block[within as usize..][..len]);
            return Ok(len);
        }
        match find_run(&self.plan.files, block) {
            Ok(run) => {
                let skipped = block - run.start;
                let len = wanted(u64::from(run.len - skipped));
                let at = u64::from(run.logical + skipped) * block_size + within;
                self.read_file(run.owner, &mut buf[..len], at)?;
                Ok(len)
            }
            Err(next) => {
                // Block 0 of a file system of small blocks is the boot sector's.
                let next = next.min(region.err().unwrap_or(u32::MAX)).max(block + 1);
                let len = wanted(u64::from(next - block));
                buf[..len].fill(0);
                Ok(len)
            }
        }
    }

    /// Reads a file; behind its end are zeros.
    fn read_file(&mut self, owner: u32, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let tree = &self.plan.tree;
        let file = tree.node(owner).map(|node| (node, tree.kind(node)));
        let Some((node, Kind::File(data))) = file else {
            return Err(io::Error::other("blocks of a file that is none"));
        };
        let inside = data.size.saturating_sub(offset).min(buf.len() as u64) as usize;
        let (inside, behind) = buf.split_at_mut(inside);
        behind.fill(0);
        if inside.is_empty() {
            return Ok(());
        }
        self.files.read_at(tree, node, inside, offset)
    }

    /// Makes the block of a region with this number in `self.block`.
    fn make(&mut self, region: Region, number: u32) -> io::Result<()> {
        let plan = &self.plan;
        let block = &mut self.block;
        block.fill(0);
        match region.what {
            What::Superblock(group) => {
                let map = plan.journal_map();
                let bytes = superblock::superblock(
                    &plan.options,
                    &plan.geometry,
                    plan.counts,
                    map.as_ref(),
                    group,
                );
                // The first lies behind the boot sector, which has a block for itself only if blocks are small.
                let at =
                    if group == 0 && block.len() > superblock::LEN { superblock::LEN } else { 0 };
                block[at..at + superblock::LEN].copy_from_slice(&bytes);
            }
            What::Descriptors => plan.put_descriptors(block, number),
            What::Reserved { group: 0 } => plan.put_reserved(block, region.start + number),
            What::Reserved { .. } => {}
            What::BlockBitmap(group) if plan.groups[group as usize].has_no_block_bitmap => {}
            What::InodeBitmap(group) if plan.groups[group as usize].has_no_inode_bitmap => {}
            What::BlockBitmap(group) => plan.put_block_bitmap(group, block),
            What::InodeBitmap(group) => plan.put_inode_bitmap(group, block),
            What::InodeTable(group) => plan.put_inodes(block, group, number),
            What::Map { owner, first } => plan.put_map(block, owner, first + number),
            What::Xattrs { set, shared } => {
                let entries = &plan.placed[set as usize].in_block;
                xattr::put_block(block, entries, shared, region.start, plan.seed());
            }
            What::Journal { first } => {
                if first + number == 0 {
                    let len = plan.geometry.journal_blocks();
                    let uuid = plan.options.uuid.as_bytes();
                    superblock::put_journal(block, len, plan.options.block_size, uuid);
                }
            }
            What::ResizeMap => plan.put_resize_map(block),
            What::Node { node, first } => return self.make_node(node, first + number),
        }
        Ok(())
    }

    /// Makes a block of a directory or a long symbolic link.
    fn make_node(&mut self, node: NodeId, number: u32) -> io::Result<()> {
        let size = self.block.len();
        let from = number as usize * size;
        if let Kind::Symlink(target) = self.plan.tree.kind(node) {
            let region = &target[from..target.len().min(from + size)];
            self.block[..region.len()].copy_from_slice(region);
            return Ok(());
        }
        if self.directory.as_ref().is_none_or(|(known, _)| *known != node) {
            self.directory = Some((node, self.plan.directory(node)));
        }
        if let Some((_, bytes)) = &self.directory {
            self.block.copy_from_slice(&bytes[from..from + size]);
        }
        Ok(())
    }
}

impl<F: Files> Image for FileSystem<F> {
    fn len(&self) -> u64 {
        self.plan.len()
    }

    fn extents(&self) -> &[Extent] {
        self.plan.extents()
    }

    fn read_at(&mut self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        check_inside(buf, offset, self.len())?;
        while !buf.is_empty() {
            let len = self.read_some(buf, offset)?;
            buf = &mut buf[len..];
            offset += len as u64;
        }
        Ok(())
    }
}

impl Plan {
    /// The journal's inode as the superblock keeps a copy of it: its map, then its length.
    fn journal_map(&self) -> Option<[u8; 68]> {
        let blocks = self.geometry.journal_blocks();
        let mut bytes = [0; 68];
        bytes[..60].copy_from_slice(&self.map_root(JOURNAL_OWNER, &self.journal));
        let len = u64::from(blocks) * u64::from(self.options.block_size);
        put32(&mut bytes, 60, (len >> 32) as u32);
        put32(&mut bytes, 64, len as u32);
        (blocks > 0).then_some(bytes)
    }

    fn put_descriptors(&self, block: &mut [u8], number: u32) {
        let size = self.geometry.descriptor_size as usize;
        let per_block = block.len() / size;
        let first = number as usize * per_block;
        let groups = self.groups.iter().enumerate().skip(first);
        for (bytes, (number, group)) in block.chunks_exact_mut(size).zip(groups) {
            superblock::put_descriptor(bytes, &self.geometry, number as u32, group, self.seed());
        }
    }

    /// A block that is reserved in group 0 lists the same one of the other groups.
    fn put_reserved(&self, block: &mut [u8], start: u32) {
        let copies = (1..self.geometry.groups).filter(|group| self.geometry.has_super(*group));
        for (index, group) in copies.enumerate() {
            put32(block, 4 * index, start + group * self.geometry.blocks_per_group);
        }
    }

    /// Where the inode that keeps them finds the blocks that are reserved in group 0.
    fn put_resize_map(&self, block: &mut [u8]) {
        let geometry = &self.geometry;
        let start = geometry.first_block + 1 + geometry.descriptor_blocks;
        let slots = block.len() as u32 / 4;
        for index in 0..geometry.reserved_descriptor_blocks {
            let slot = (geometry.descriptor_blocks + index) % slots;
            put32(block, 4 * slot as usize, start + index);
        }
    }

    fn put_map(&self, block: &mut [u8], owner: u32, number: u32) {
        let of_node = self.tree.node(owner).map(|node| (self.runs(node), self.inode(node)));
        // What belongs to no node is the journal's.
        let (runs, inode) = of_node.unwrap_or((&self.journal, inode::JOURNAL));
        let seed = self.seed().map(|seed| inode::seed(seed, inode));
        let at = |index| self.map_block(owner, index);
        self.map(runs).block(block, number as usize, runs, &at, seed);
    }

    /// Where the block of an inode's map with this number lies.
    fn map_block(&self, owner: u32, number: usize) -> u32 {
        let number = number as u32;
        let runs = runs_of(&self.maps, owner);
        let next = runs.partition_point(|run| run.logical <= number);
        let run = runs[next - 1];
        run.start + number - run.logical
    }

    /// What an inode holds of its map.
    fn map_root(&self, owner: u32, runs: &[Run]) -> [u8; 60] {
        self.map(runs).root(runs, &|index| self.map_block(owner, index))
    }

    fn directory(&self, node: NodeId) -> Vec<u8> {
        let names = self.names(node);
        let own = self.inode(node);
        let parent = self.inode(self.tree.parent(node));
        let seed = self.seed().map(|seed| inode::seed(seed, own));
        let layout = Layout::new(self.format(), &names);
        layout.render(&names, own, parent, seed, self.least_blocks(node))
    }

    fn put_inodes(&self, block: &mut [u8], group: u32, number: u32) {
        let size = self.geometry.inode_size as usize;
        let first = group * self.geometry.inodes_per_group + number * (block.len() / size) as u32;
        for (bytes, inode) in block.chunks_exact_mut(size).zip(first + 1..) {
            let is_used = match inode {
                inode::RESIZE => self.put_resize_inode(bytes),
                inode::JOURNAL => self.put_journal_inode(bytes),
                _ => self.node_of(inode).map(|node| self.put_node(bytes, node)).is_some(),
            };
            if let Some(seed) = self.seed().filter(|_| is_used) {
                inode::put_checksum(bytes, inode::seed(seed, inode));
            }
        }
    }

    fn extents_flag(&self) -> u32 {
        if self.options.has_extents { EXTENTS } else { 0 }
    }

    fn put_resize_inode(&self, bytes: &mut [u8]) -> bool {
        if self.resize_map == 0 {
            return false;
        }
        let block_size = u64::from(self.options.block_size);
        let slots = block_size / 4;
        let copies = (0..self.geometry.groups).filter(|group| self.geometry.has_super(*group));
        let reserved = u64::from(self.geometry.reserved_descriptor_blocks);
        let blocks = 1 + reserved * copies.count() as u64;
        let mut map = [0; 60];
        put32(&mut map, 13 * 4, self.resize_map);
        let fields = Inode {
            mode: inode::REGULAR | 0o600,
            times: [self.options.created; 4],
            links: 1,
            size: (12 + slots + slots * slots) * block_size,
            sectors: blocks * block_size / 512,
            ..Inode::default()
        };
        fields.put(bytes, &map);
        true
    }

    fn put_journal_inode(&self, bytes: &mut [u8]) -> bool {
        let block_size = u64::from(self.options.block_size);
        let blocks = u64::from(self.geometry.journal_blocks());
        let tree = self.map(&self.journal).blocks() as u64;
        let fields = Inode {
            mode: inode::REGULAR | 0o600,
            times: [self.options.created; 4],
            links: 1,
            size: blocks * block_size,
            sectors: (blocks + tree) * block_size / 512,
            flags: self.extents_flag(),
            ..Inode::default()
        };
        if blocks > 0 {
            fields.put(bytes, &self.map_root(JOURNAL_OWNER, &self.journal));
        }
        blocks > 0
    }

    fn put_node(&self, bytes: &mut [u8], id: NodeId) {
        let (meta, kind) = (self.tree.meta_ref(id), self.tree.kind(id));
        let runs = self.runs(id);
        let block_size = u64::from(self.options.block_size);
        let data: u64 = runs.iter().map(|run| u64::from(run.len)).sum();
        let found = self.xattr_blocks.binary_search_by_key(&id, |(node, _)| *node);
        let xattr_block = found.map_or(0, |index| self.xattr_blocks[index].1);
        let blocks = data + self.map(runs).blocks() as u64 + u64::from(xattr_block != 0);
        let size = match kind {
            Kind::File(data) => data.size,
            Kind::Directory => data * block_size,
            Kind::Symlink(target) => target.len() as u64,
            _ => 0,
        };
        let is_fast = matches!(kind, Kind::Symlink(target) if target.len() < FAST_SYMLINK);
        let has_map =
            matches!(kind, Kind::File(_) | Kind::Directory | Kind::Symlink(_)) && !is_fast;
        let is_indexed = self.indexed.binary_search(&id).is_ok();
        let fields = Inode {
            mode: kind_bits(kind).0 | (meta.mode & 0o7777),
            uid: meta.uid,
            gid: meta.gid,
            times: [meta.atime, meta.mtime, meta.ctime, meta.crtime],
            links: self.links(id),
            size,
            sectors: blocks * block_size / 512,
            flags: settable(kind, meta.flags)
                | if has_map { self.extents_flag() } else { 0 }
                | if is_indexed { INDEX } else { 0 },
            xattr_block,
        };
        match kind {
            Kind::Symlink(target) if is_fast => fields.put(bytes, target),
            Kind::CharDevice(device) | Kind::BlockDevice(device) => {
                fields.put(bytes, &inode::device(*device));
            }
            _ if has_map => fields.put(bytes, &self.map_root(id.number(), runs)),
            _ => fields.put(bytes, &[]),
        }
        let placed = &self.placed[self.tree.xattr_set(id)];
        if bytes.len() > inode::XATTRS {
            xattr::put_in_inode(&mut bytes[inode::XATTRS..], &placed.in_inode);
        }
    }

    /// How many names an inode has, if ext4 can count them.
    fn links(&self, node: NodeId) -> u16 {
        match self.tree.kind(node) {
            Kind::Directory => match self.directory_links(node) {
                links if links > MAX_LINKS => 1,
                links => links as u16,
            },
            _ => self.tree.links(node) as u16,
        }
    }
}
