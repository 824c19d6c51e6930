//! Plan an ext4 file system from a tree, then stream its blocks.
//!
//! A [`Tree`] says what there is: directories, files, links, devices, with their owners, times, attributes and flags.
//! [`Plan::new`] gives everything its place and keeps numbers only: which blocks a file has, which group holds what.
//! A [`FileSystem`] is the plan with the [`Files`] whose bytes it needs, and an [`Image`]: each block is made when it is
//! read, in one pass from the first to the last. Nothing is mounted, nothing is written to a scratch file, and no
//! privilege is needed but that of reading the files.
//!
//! # What is in it
//!
//! Extents of any depth (or, for the oldest boot loaders, the block numbers of ext3), hashed directories, attributes
//! in the inode and in blocks that inodes share, nanoseconds and years to 2446 where inodes have room for them, a
//! clean journal, and descriptors reserved for a file system a thousand times as large. Bitmaps that say nothing
//! are not written; neither are the tables of unused inodes.
//!
//! The order is: what the groups keep for themselves, the journal, attributes, directories, then the files' data in
//! the order of the tree. So reading the image reads the files one after the other.
//!
//! The same tree with the same length and [`Options`] gives the same bytes: nothing here reads a clock or draws a random
//! number.
//!
//! [`Tree`]: baler_tree::Tree
//! [`Files`]: baler_tree::Files
//! [`Image`]: baler_image::Image
//!
//! # Example
//!
//! ```
//! use baler_ext4::{FileSystem, Options, Plan, Profile};
//! use baler_image::Image;
//! use baler_tree::{FileData, Files, Kind, Meta, NodeId, Time, Tree};
//! use uuid::Uuid;
//!
//! struct Hello;
//!
//! impl Files for Hello {
//!     fn read_at(&mut self, _: &Tree, _: NodeId, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
//!         buf.copy_from_slice(&b"hello"[offset as usize..][..buf.len()]);
//!         Ok(())
//!     }
//! }
//!
//! let mut tree = Tree::new(Meta::new(0o755));
//! let etc = tree.add(Tree::ROOT, b"etc", Meta::new(0o755), Kind::Directory)?;
//! tree.add(etc, b"motd", Meta::new(0o644), Kind::File(FileData::dense(5)))?;
//!
//! let (uuid, hash_seed) = (Uuid::from_u128(1), Uuid::from_u128(2));
//! let options = Options::new(Profile::Modern, uuid, hash_seed, Time::default());
//! let mut image = FileSystem::new(Plan::new(tree, 64 << 20, options)?, Hello);
//!
//! let mut superblock = [0; 1024];
//! image.read_at(&mut superblock, 1024)?;
//! assert_eq!(superblock[0x38..0x3a], [0x53, 0xef]);
//! assert!(image.extents().iter().map(|extent| extent.len).sum::<u64>() < 1 << 20);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(clippy::missing_errors_doc)]

mod options;

mod tuning;

mod plan;

mod geometry;

mod allocate;

mod census;

mod stream;

mod superblock;

mod inode;

mod map;

mod extents;

mod blockmap;

mod directory;

mod hash;

mod xattr;

mod little_endian;

mod checksum;

mod error;

pub use error::Error;
pub use hash::HashVersion;
pub use options::{Options, Profile};
pub use plan::{Plan, Usage};
pub use stream::FileSystem;
pub use tuning::{
    MountOptions, Share, TuningError, is_block_size, is_inode_size, parse_block_size,
    parse_inode_size,
};
