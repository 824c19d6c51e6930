use std::fmt;
use std::ops::Range;

use baler_image::Image;

use super::summary::Summary;
use crate::reader::Troubles;
use crate::table::Division;
use crate::walk::Change;

/// A planned image of a root tree, ready to be read.
pub struct Volume {
    pub(super) image: Box<dyn Image>,
    pub(super) troubles: Troubles,
    pub(super) summary: Summary,
    pub(super) changes: Vec<Change>,
    pub(super) fstab: String,
}

impl Volume {
    /// The image. The tree's files are read as its blocks are.
    pub fn image(&mut self) -> &mut dyn Image {
        &mut *self.image
    }

    /// The image, and what will have happened to files when it was read: to be asked then.
    pub fn into_image(self) -> (Box<dyn Image>, Troubles) {
        (self.image, self.troubles)
    }

    /// The decisions.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The entries that are not in the image as they are in the tree.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// `/etc/fstab` in the image; empty if there is none.
    pub fn fstab(&self) -> &str {
        &self.fstab
    }

    /// The bytes of the image in which the file system lies.
    pub fn root_place(&self) -> Range<u64> {
        let start = self.summary.start();
        start..start + self.summary.root_len()
    }

    /// The division of the disk.
    pub fn division(&self) -> Division {
        self.summary.division()
    }
}

impl fmt::Debug for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Volume").field("summary", &self.summary).finish_non_exhaustive()
    }
}
