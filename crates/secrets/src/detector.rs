use std::io::{self, Read};

use crate::content::Searcher;
use crate::names::by_path;
use crate::packages::Packages;
use crate::secret::Secret;

/// Tells of the files of one tree whether they are secrets.
#[derive(Debug)]
pub struct Detector {
    packages: Packages,
    searcher: Searcher,
}

impl Detector {
    /// For a tree with these packages.
    pub fn new(packages: Packages) -> Detector {
        Detector { packages, searcher: Searcher::default() }
    }

    /// Recognises a file by its path, unless a package lists it.
    pub fn by_path(&self, path: &[u8]) -> Option<Secret> {
        by_path(path).filter(|_| !self.packages.lists(path))
    }

    /// Recognises a file of `size` bytes by its content, unless it came with a package; `file` gives it from its start.
    ///
    /// At most [`MAX_SIZE`](crate::MAX_SIZE) bytes are read, and mostly 4 KiB of a file that is not text.
    ///
    /// # Errors
    /// Errors of `file`.
    pub fn by_content(
        &mut self,
        path: &[u8],
        size: u64,
        file: &mut dyn Read,
    ) -> io::Result<Option<Secret>> {
        if self.packages.owns(path) {
            return Ok(None);
        }
        self.searcher.look_into(path, size, file)
    }
}
