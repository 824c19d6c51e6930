//! A tree becomes a file system, as data.

use baler_image::Extent;
use baler_tree::{FileData, Kind, Meta, NodeId, Tree, Xattr};

use crate::Error;
use crate::allocate::{Allocator, Full, Region, What, own_regions, runs_of};
use crate::blockmap::most_blocks;
use crate::checksum::Checksum;
use crate::directory::{Format, Layout, Name};
use crate::extents::Run;
use crate::geometry::Geometry;
use crate::inode::{self, kind_bits};
use crate::map::Map;
use crate::options::{Options, Profile};
use crate::superblock::{Counts, Group};
use crate::xattr::{self, Placed};

/// The number that the journal's runs have for an owner; no node has it.
pub(crate) const JOURNAL_OWNER: u32 = u32::MAX;
/// What `mke2fs` gives `lost+found`, in bytes: `fsck` needs room before it can make some.
const LOST_FOUND_LEN: u32 = 16384;
/// What an inode can count.
pub(crate) const MAX_LINKS: u32 = 65000;

/// A file system that is not written yet: where everything in it lies.
///
/// A plan holds numbers only. Blocks are made when they are asked for, by [`FileSystem`](crate::FileSystem).
#[derive(Debug)]
pub struct Plan {
    pub(crate) tree: Tree,
    pub(crate) options: Options,
    pub(crate) geometry: Geometry,
    /// All blocks that are used but for those of files, in order.
    pub(crate) regions: Vec<Region>,
    /// The blocks of files, in the order of the files, which is theirs too.
    pub(crate) files: Vec<Run>,
    /// The blocks of directories and long symbolic links, in the same way.
    pub(crate) others: Vec<Run>,
    /// The blocks by which inodes find theirs, by owner.
    pub(crate) maps: Vec<Run>,
    pub(crate) journal: Vec<Run>,
    /// The sets of extended attributes, each divided.
    pub(crate) placed: Vec<Placed>,
    /// Which nodes have a block of them, and which.
    pub(crate) xattr_blocks: Vec<(NodeId, u32)>,
    pub(crate) indexed: Vec<NodeId>,
    pub(crate) resize_map: u32,
    pub(crate) lost_found: NodeId,
    pub(crate) groups: Vec<Group>,
    pub(crate) counts: Counts,
    pub(crate) extents: Vec<Extent>,
}

/// Numbers of used and free blocks and inodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// The size of a block in bytes.
    pub block_size: u32,
    /// All blocks.
    pub blocks: u64,
    /// Blocks that hold nothing.
    pub free_blocks: u64,
    /// Blocks of the journal.
    pub journal_blocks: u64,
    /// Free blocks that only root may fill.
    pub reserved_blocks: u64,
    /// All inodes.
    pub inodes: u64,
    /// Inodes that nothing uses.
    pub free_inodes: u64,
    /// Groups of blocks.
    pub groups: u32,
}

impl Plan {
    /// Gives everything in the tree its place in a file system of `len` bytes; what does not fill a block is left over
    /// at the end.
    ///
    /// # Errors
    /// A tree that does not fit or cannot be stored, or options that contradict each other.
    pub fn new(mut tree: Tree, len: u64, options: Options) -> Result<Plan, Error> {
        check(&options)?;
        let lost_found = lost_found(&mut tree, &options)?;
        tree.sort().map_err(|twice| Error::Duplicate { path: twice.path })?;
        let inodes = inodes_needed(&tree);
        let geometry = Geometry::new(&options, len, inodes)?;
        let xattr_room = inode::xattr_room(usize::from(options.inode_size));
        let placed = place_xattrs(&tree, xattr_room, options.block_size as usize)?;
        let own = own_regions(&geometry);
        let own_end =
            own.iter().map(|region| u64::from(region.start) + u64::from(region.len)).max();
        if own_end.is_some_and(|end| end > u64::from(geometry.blocks)) {
            let needed = Geometry::enough(&options, 0, inodes);
            return Err(Error::TooSmall { needed, len });
        }
        let mut allocator = Allocator::new(&geometry, &own);
        let mut plan = Plan {
            tree,
            options,
            geometry,
            regions: own,
            files: Vec::new(),
            others: Vec::new(),
            maps: Vec::new(),
            journal: Vec::new(),
            placed,
            xattr_blocks: Vec::new(),
            indexed: Vec::new(),
            resize_map: 0,
            lost_found,
            groups: Vec::new(),
            counts: Counts::default(),
            extents: Vec::new(),
        };
        let content = plan.content_blocks()?;
        if plan.allocate(&mut allocator).is_err() {
            let needed = Geometry::enough(&plan.options, content, inodes);
            return Err(Error::TooSmall { needed, len });
        }
        plan.regions.sort_unstable_by_key(|region| region.start);
        plan.maps.sort_unstable_by_key(|run| (run.owner, run.logical));
        plan.counts.free_blocks = allocator.free_blocks();
        plan.count_groups();
        plan.extents = plan.find_extents();
        Ok(plan)
    }

    /// A length in bytes at which the tree fits with these options.
    pub fn enough(tree: &Tree, options: &Options) -> u64 {
        let blocks = |len: u64| len.div_ceil(u64::from(options.block_size));
        let data = tree.nodes().map(|node| match tree.kind(node) {
            Kind::File(data) => {
                let runs = file_blocks(data, options.block_size);
                let (count, sum) =
                    runs.fold((0, 0), |(count, sum), (_, len)| (count + 1, sum + u64::from(len)));
                // What a map needs beside the data: a block for each gap at most, and one for so many blocks.
                sum + if options.has_extents {
                    u64::from(count > 4) + count / 64
                } else {
                    (2 * count + 4).min(sum) + sum / 256
                }
            }
            Kind::Directory => {
                // Leaves are filled to seven eighths at least, but for what does not fit behind the last name.
                let names: usize = tree.entries(node).map(|(name, _)| name.len() + 12).sum();
                blocks(names as u64 * 4 / 3) + 1
            }
            _ => 1,
        });
        let sets = tree.nodes().filter(|node| tree.xattr_set(*node) != 0).count() as u64;
        let content = data.sum::<u64>() + sets + u64::from(LOST_FOUND_LEN / options.block_size);
        Geometry::enough(options, content + content / 256, inodes_needed(tree) + 1)
    }

    /// The file system's length in bytes.
    pub fn len(&self) -> u64 {
        self.geometry.len
    }

    /// Never: a file system has a superblock.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The options that it was planned with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The tree that will be in it, `lost+found` included.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The numbers of used and free blocks and inodes.
    pub fn usage(&self) -> Usage {
        Usage {
            block_size: self.options.block_size,
            blocks: self.geometry.blocks.into(),
            free_blocks: self.counts.free_blocks.into(),
            journal_blocks: self.journal.iter().map(|run| u64::from(run.len)).sum(),
            reserved_blocks: self.geometry.reserved_blocks,
            inodes: self.geometry.inodes().into(),
            free_inodes: self.counts.free_inodes.into(),
            groups: self.geometry.groups,
        }
    }

    /// The extents of blocks that are not zeros, as for [`Image::extents`](baler_image::Image::extents).
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// The file system's checksum, with which others begin; `None` if it has none.
    pub(crate) fn seed(&self) -> Option<Checksum> {
        let has_checksums = self.options.profile == Profile::Modern;
        has_checksums.then(|| Checksum::START.add(self.options.uuid.as_bytes()))
    }

    pub(crate) fn format(&self) -> Format {
        Format {
            block_size: self.options.block_size as usize,
            has_checksums: self.seed().is_some(),
            hash_version: self.options.hash_version,
            hash_seed: *self.options.hash_seed.as_bytes(),
        }
    }

    /// A node's inode: the root and `lost+found` have theirs by convention, the others follow.
    pub(crate) fn inode(&self, node: NodeId) -> u32 {
        match node {
            Tree::ROOT => inode::ROOT,
            node if node == self.lost_found => inode::LOST_FOUND,
            node => inode::LOST_FOUND + node.number() - u32::from(node > self.lost_found),
        }
    }

    /// The other way round.
    pub(crate) fn node_of(&self, inode: u32) -> Option<NodeId> {
        let index = match inode {
            inode::ROOT => 0,
            inode::LOST_FOUND => self.lost_found.number(),
            inode if inode > inode::LOST_FOUND => {
                let index = inode - inode::LOST_FOUND;
                index + u32::from(index >= self.lost_found.number())
            }
            _ => return None,
        };
        self.tree.node(index)
    }

    /// A directory's names, sorted.
    pub(crate) fn names(&self, directory: NodeId) -> Vec<Name<'_>> {
        let entries = self.tree.entries(directory);
        let name = |(name, node)| Name {
            name,
            inode: self.inode(node),
            kind: kind_bits(self.tree.kind(node)).1,
        };
        entries.map(name).collect()
    }

    /// How many links a directory has: its name, its own `.`, and the `..` of each directory in it.
    pub(crate) fn directory_links(&self, directory: NodeId) -> u32 {
        let tree = &self.tree;
        let is_directory = |(_, node): &(&[u8], NodeId)| *tree.kind(*node) == Kind::Directory;
        2 + tree.entries(directory).filter(is_directory).count() as u32
    }

    /// The fewest blocks that a directory gets.
    pub(crate) fn least_blocks(&self, directory: NodeId) -> usize {
        let is_lost_found = directory == self.lost_found;
        if is_lost_found { (LOST_FOUND_LEN / self.options.block_size) as usize } else { 1 }
    }

    pub(crate) fn runs(&self, node: NodeId) -> &[Run] {
        match self.tree.kind(node) {
            Kind::File(_) => runs_of(&self.files, node.number()),
            _ => runs_of(&self.others, node.number()),
        }
    }

    /// How an inode finds these runs.
    pub(crate) fn map(&self, runs: &[Run]) -> Map {
        Map::new(runs, self.options.block_size, self.options.has_extents)
    }

    /// Checks what can be checked before anything has a place, and counts the blocks that will be needed about.
    fn content_blocks(&self) -> Result<u64, Error> {
        let block_size = self.options.block_size;
        let has_extents = self.options.has_extents;
        let most = if has_extents { u64::from(u32::MAX) } else { most_blocks(block_size) };
        for node in self.tree.nodes() {
            // Without extents there is no way to say of a directory that its links are not counted either.
            let uncounted = if has_extents { 0 } else { self.directory_links(node) };
            let links = self.tree.links(node).max(uncounted);
            if links > MAX_LINKS {
                return Err(Error::TooManyLinks { path: self.tree.path(node), links });
            }
            let path = || self.tree.path(node);
            match self.tree.kind(node) {
                Kind::File(data) if data.size.div_ceil(u64::from(block_size)) > most => {
                    return Err(Error::FileTooLong { path: path(), block_size });
                }
                // The kernel wants a zero behind it in the same block.
                Kind::Symlink(target) if target.len() >= block_size as usize => {
                    return Err(Error::TargetTooLong { path: path(), block_size });
                }
                _ => {}
            }
        }
        let enough = Plan::enough(&self.tree, &self.options);
        Ok(enough / u64::from(block_size))
    }

    /// Gives out blocks: to the journal, to directories and what is read with them, then to files.
    fn allocate(&mut self, allocator: &mut Allocator) -> Result<(), Full> {
        let block_size = self.options.block_size;
        if self.geometry.reserved_descriptor_blocks > 0 {
            allocator.take(0, 0, 1, |run| {
                self.resize_map = run.start;
                self.regions.push(Region { start: run.start, len: 1, what: What::ResizeMap });
            })?;
        }
        let journal = self.geometry.journal_blocks();
        allocator.take(JOURNAL_OWNER, 0, journal, |run| self.journal.push(run))?;
        for run in &self.journal {
            let what = What::Journal { first: run.logical };
            self.regions.push(Region { start: run.start, len: run.len, what });
        }
        self.allocate_map(JOURNAL_OWNER, self.map(&self.journal).blocks(), allocator)?;
        self.allocate_xattrs(allocator)?;
        for node in self.tree.nodes() {
            let blocks = match self.tree.kind(node) {
                Kind::Directory => {
                    let layout = Layout::new(self.format(), &self.names(node));
                    if layout.is_indexed() {
                        self.indexed.push(node);
                    }
                    layout.blocks().max(self.least_blocks(node)) as u32
                }
                Kind::Symlink(target) if target.len() >= FAST_SYMLINK => {
                    (target.len() as u32).div_ceil(block_size)
                }
                _ => continue,
            };
            let begun = self.others.len();
            allocator.take(node.number(), 0, blocks, |run| self.others.push(run))?;
            for run in &self.others[begun..] {
                let what = What::Node { node, first: run.logical };
                self.regions.push(Region { start: run.start, len: run.len, what });
            }
            self.allocate_map(node.number(), self.map(&self.others[begun..]).blocks(), allocator)?;
        }
        for node in self.tree.nodes() {
            let Kind::File(data) = self.tree.kind(node) else { continue };
            let begun = self.files.len();
            for (logical, len) in file_blocks(data, block_size) {
                allocator.take(node.number(), logical, len, |run| self.files.push(run))?;
            }
            self.allocate_map(node.number(), self.map(&self.files[begun..]).blocks(), allocator)?;
        }
        Ok(())
    }

    fn allocate_map(
        &mut self,
        owner: u32,
        blocks: usize,
        allocator: &mut Allocator,
    ) -> Result<(), Full> {
        allocator.take(owner, 0, blocks as u32, |run| {
            self.maps.push(run);
            let what = What::Map { owner, first: run.logical };
            self.regions.push(Region { start: run.start, len: run.len, what });
        })
    }

    /// Blocks for the attributes that have no room in the inodes; inodes with the same ones share them.
    fn allocate_xattrs(&mut self, allocator: &mut Allocator) -> Result<(), Full> {
        // For each set the region that is being shared.
        let mut open: Vec<Option<usize>> = vec![None; self.placed.len()];
        for node in self.tree.nodes() {
            let set = self.tree.xattr_set(node);
            if self.placed[set].in_block.is_empty() {
                continue;
            }
            let known = open[set].map(|index| &mut self.regions[index]);
            let block = match known {
                Some(Region { start, what: What::Xattrs { shared, .. }, .. })
                    if *shared < xattr::MAX_SHARED =>
                {
                    *shared += 1;
                    *start
                }
                _ => {
                    let mut block = 0;
                    allocator.take(0, 0, 1, |run| block = run.start)?;
                    open[set] = Some(self.regions.len());
                    let what = What::Xattrs { set: set as u32, shared: 1 };
                    self.regions.push(Region { start: block, len: 1, what });
                    block
                }
            };
            self.xattr_blocks.push((node, block));
        }
        Ok(())
    }
}

/// Longer targets do not fit into the inode.
pub(crate) const FAST_SYMLINK: usize = 60;

/// The blocks of a file that hold data: where each run begins in the file, and its length.
fn file_blocks(data: &FileData, block_size: u32) -> impl Iterator<Item = (u32, u32)> {
    let block_size = u64::from(block_size);
    let mut ranges = data
        .ranges()
        .map(move |range| {
            let end = (range.offset + range.len).div_ceil(block_size);
            (range.offset / block_size, end)
        })
        .peekable();
    std::iter::from_fn(move || {
        let (start, mut end) = ranges.next()?;
        // Two ranges may touch, or lie in one block.
        while let Some((_, next)) = ranges.next_if(|(next, _)| *next <= end) {
            end = end.max(next);
        }
        Some((start as u32, (end - start) as u32))
    })
}

/// The ten that are reserved, and one for each node but the root, which has one of them.
fn inodes_needed(tree: &Tree) -> u64 {
    let used = 10 + tree.len() as u64;
    // Where the tree has many small files, what is written later has too.
    used + used / 4
}

fn check(options: &Options) -> Result<(), Error> {
    let wrong = |what, value: String| Err(Error::Option { what, value });
    let Options { block_size, inode_size, .. } = *options;
    if ![1024, 2048, 4096].contains(&block_size) {
        return wrong("the size of blocks", block_size.to_string());
    }
    if !inode_size.is_power_of_two() || inode_size < 128 || u32::from(inode_size) > block_size {
        return wrong("the size of inodes", inode_size.to_string());
    }
    if options.label.len() > 16 || options.label.contains(&0) {
        return wrong("the label", format!("`{}`", baler_tree::escaped(&options.label)));
    }
    if options.is_64bit && options.profile == Profile::GrubLegacy {
        return wrong("the profile for GRUB 0.97", "with block numbers of 64 bits".to_owned());
    }
    if !options.has_extents && options.profile == Profile::Modern {
        return wrong("the modern profile", "without extents".to_owned());
    }
    Ok(())
}

/// The directory that `fsck` needs, made if it is not there.
fn lost_found(tree: &mut Tree, options: &Options) -> Result<NodeId, Error> {
    let name = b"lost+found";
    if let Some(found) = tree.child(Tree::ROOT, name) {
        let is_directory = *tree.kind(found) == Kind::Directory;
        return if is_directory { Ok(found) } else { Err(Error::LostFound) };
    }
    let meta = Meta::new(0o700).at(options.created);
    tree.add(Tree::ROOT, name, meta, Kind::Directory).map_err(|_| Error::LostFound)
}

fn place_xattrs(tree: &Tree, room: usize, block_size: usize) -> Result<Vec<Placed>, Error> {
    let place = |(set, xattrs): (usize, &[Xattr])| {
        xattr::place(xattrs, room, block_size).map_err(|reason| {
            let node = tree.nodes().find(|node| tree.xattr_set(*node) == set);
            Error::Xattrs { path: node.map(|node| tree.path(node)).unwrap_or_default(), reason }
        })
    };
    tree.xattr_sets().enumerate().map(place).collect()
}
