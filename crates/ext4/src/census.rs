//! Counts of the groups, their bitmaps, and the extents that are not zeros.

use baler_image::{ALIGN, Extent, Runs, SMALLEST_HOLE};
use baler_tree::Kind;

use crate::allocate::{Region, What};
use crate::inode;
use crate::options::Profile;
use crate::plan::Plan;
use crate::superblock::Group;

impl Plan {
    /// Counts what each group has, when everything has its place.
    pub(crate) fn count_groups(&mut self) {
        let geometry = &self.geometry;
        let per_group = geometry.inodes_per_group;
        let has_checksums = self.options.profile == Profile::Modern;
        let mut groups = vec![Group::default(); geometry.groups as usize];
        for node in self.tree.nodes().filter(|node| *self.tree.kind(*node) == Kind::Directory) {
            let group = (self.inode(node) - 1) / per_group;
            groups[group as usize].directories += 1;
        }
        let mut bitmap = vec![0; geometry.block_size as usize];
        for (number, group) in (0..).zip(&mut groups) {
            let used = self.used_inodes(number);
            group.free_inodes = per_group - used;
            group.unused_inodes = per_group - used;
            self.put_block_bitmap(number, &mut bitmap);
            let zeros: u32 = bitmap.iter().map(|byte| byte.count_zeros()).sum();
            group.free_blocks = zeros;
            let Some(seed) = self.seed().filter(|_| has_checksums) else { continue };
            group.has_no_inode_bitmap = used == 0;
            group.has_no_block_bitmap = used == 0 && self.holds_only_its_own(number);
            if !group.has_no_block_bitmap {
                group.block_bitmap_sum = seed.add(&bitmap).value();
            }
            if !group.has_no_inode_bitmap {
                self.put_inode_bitmap(number, &mut bitmap);
                group.inode_bitmap_sum = seed.add(&bitmap[..per_group as usize / 8]).value();
            }
        }
        self.counts.free_inodes = groups.iter().map(|group| group.free_inodes).sum();
        self.groups = groups;
    }

    /// How many inodes of a group are used; they are its first ones.
    pub(crate) fn used_inodes(&self, group: u32) -> u32 {
        // The root has one of those that are reserved.
        let last = inode::LOST_FOUND + self.tree.len() as u32 - 2;
        let per_group = self.geometry.inodes_per_group;
        last.saturating_sub(group * per_group).min(per_group)
    }

    /// Returns whether a group that is not the last has nothing but what whoever makes its bitmap knows to be there.
    fn holds_only_its_own(&self, group: u32) -> bool {
        let (regions, files) = self.in_group(group);
        let is_own = |region: &Region| match region.what {
            What::Superblock(_) | What::Descriptors | What::Reserved { .. } => true,
            What::BlockBitmap(of) | What::InodeBitmap(of) | What::InodeTable(of) => of == group,
            _ => false,
        };
        group + 1 < self.geometry.groups && files.is_empty() && regions.iter().all(is_own)
    }

    fn in_group(&self, group: u32) -> (&[Region], &[crate::extents::Run]) {
        let start = self.geometry.group_start(group);
        let end = start + self.geometry.group_len(group);
        let first = self.regions.partition_point(|region| region.start + region.len <= start);
        let count = self.regions[first..].partition_point(|region| region.start < end);
        let first_run = self.files.partition_point(|run| run.start + run.len <= start);
        let runs = self.files[first_run..].partition_point(|run| run.start < end);
        (&self.regions[first..first + count], &self.files[first_run..first_run + runs])
    }

    /// Which blocks of a group are used; what lies behind its end counts as that.
    pub(crate) fn put_block_bitmap(&self, group: u32, bitmap: &mut [u8]) {
        bitmap.fill(0);
        let start = self.geometry.group_start(group);
        let len = self.geometry.group_len(group);
        let (regions, files) = self.in_group(group);
        let regions = regions.iter().map(|region| (region.start, region.len));
        for (first, count) in regions.chain(files.iter().map(|run| (run.start, run.len))) {
            let from = first.max(start) - start;
            set(bitmap, from, (first + count - start).min(len));
        }
        set(bitmap, len, bitmap.len() as u32 * 8);
    }

    /// Which inodes of a group are used, in the same way.
    pub(crate) fn put_inode_bitmap(&self, group: u32, bitmap: &mut [u8]) {
        bitmap.fill(0);
        set(bitmap, 0, self.used_inodes(group));
        set(bitmap, self.geometry.inodes_per_group, bitmap.len() as u32 * 8);
    }

    /// How many blocks of a region are not zeros; they are its first ones.
    fn written(&self, region: &Region) -> u32 {
        let per_block = self.geometry.block_size / self.geometry.inode_size;
        match region.what {
            What::Reserved { group } if group > 0 || self.geometry.groups == 1 => 0,
            What::BlockBitmap(group) if self.groups[group as usize].has_no_block_bitmap => 0,
            What::InodeBitmap(group) if self.groups[group as usize].has_no_inode_bitmap => 0,
            What::InodeTable(group) => self.used_inodes(group).div_ceil(per_block),
            What::Journal { first } => u32::from(first == 0),
            _ => region.len,
        }
    }

    /// Where blocks are that are not zeros.
    pub(crate) fn find_extents(&self) -> Vec<Extent> {
        let block_size = u64::from(self.options.block_size);
        let mut found = Runs::new(SMALLEST_HOLE);
        let mut push = |start: u32, len: u32| {
            let start = u64::from(start) * block_size;
            let end = (start + u64::from(len) * block_size).next_multiple_of(ALIGN);
            if len > 0 {
                found.push(start / ALIGN * ALIGN, end.min(self.len()));
            }
        };
        let mut files = self.files.iter().peekable();
        for region in &self.regions {
            while let Some(run) = files.next_if(|run| run.start < region.start) {
                push(run.start, run.len);
            }
            push(region.start, self.written(region));
        }
        files.for_each(|run| push(run.start, run.len));
        found.into_extents()
    }
}

/// Sets the bits from one up to another.
fn set(bitmap: &mut [u8], from: u32, to: u32) {
    let mut bit = from;
    while bit < to {
        if bit.is_multiple_of(8) && to - bit >= 8 {
            bitmap[bit as usize / 8] = 0xff;
            bit += 8;
        } else {
            bitmap[bit as usize / 8] |= 1 << (bit % 8);
            bit += 1;
        }
    }
}
