//! Plan an ext4 file system from a tree, then stream its blocks.

use std::io;

mod tree;

mod options;

mod plan;

mod geometry;

mod allocate;

mod census;

mod stream;

mod superblock;

mod inode;

mod extents;

mod directory;

mod hash;

mod xattr;

mod raw;

mod error;

pub use error::Error;
pub use hash::HashVersion;
pub use options::{Options, Profile};
pub use plan::{Plan, Usage};
pub use stream::FileSystem;
pub use tree::{DataRange, Device, FileData, Kind, Meta, NodeId, Time, Tree, TreeError, Xattr};

/// Where the data of a tree's files comes from.
pub trait Files: Send {
    /// Fills `buf` with the file's bytes at `offset`, which are inside the length that the tree says.
    ///
    /// What is no longer there (the file was cut or removed since) is for the implementation to report and to fill
    /// with zeros, or to fail for. Calls come in ascending order for one file, and file after file.
    fn read_at(&mut self, tree: &Tree, file: NodeId, buf: &mut [u8], offset: u64)
    -> io::Result<()>;
}
