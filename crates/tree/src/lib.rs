//! A root tree as data: directories, files, links and devices, with owners, times, attributes and flags.
//!
//! Everything that makes an image of files, or looks into one, has to hold such a tree in memory: what walks through a
//! directory builds one, what plans a file system places one, what checks an image searches one. This crate is what
//! they share. It reads no file and knows no file system.
//!
//! A [`Tree`] has [nodes](NodeId), one for each inode. A node has a [`Meta`] (owner, mode, times, flags, extended
//! attributes) and a [`Kind`]. A directory has entries: names of 1 to 255 bytes, any but `/` and NUL, and the nodes
//! that they lead to. Several names may lead to one node: hard links. A million entries take some 200 MB, because names
//! lie in one buffer and equal sets of extended attributes are kept once.
//!
//! The *data* of files is not in the tree. A [`Kind::File`] has a length and the ranges that are not holes; whoever
//! needs the bytes asks an implementation of [`Files`].
//!
//! A path is bytes, from the root, without a `/` before it: `etc/fstab`. [`Tree::find`] takes it literally,
//! [`resolve`] follows symbolic links as Linux does, and never out of the tree.
//!
//! # Example
//!
//! ```
//! use baler_tree::{FileData, Files, Kind, Meta, NodeId, Tree, resolve};
//!
//! let mut tree = Tree::new(Meta::new(0o755));
//! let etc = tree.add(Tree::ROOT, b"etc", Meta::new(0o755), Kind::Directory)?;
//! let motd = tree.add(etc, b"motd", Meta::new(0o644), Kind::File(FileData::dense(5)))?;
//! tree.add(Tree::ROOT, b"news", Meta::new(0o777), Kind::Symlink(b"/etc/motd"[..].into()))?;
//!
//! assert_eq!(resolve(&tree, b"news"), Some(motd));
//! assert_eq!(tree.path(motd), b"etc/motd");
//!
//! /// The bytes come from anywhere: a disk, an archive, here from memory.
//! struct Hello;
//!
//! impl Files for Hello {
//!     fn read_at(&mut self, _: &Tree, _: NodeId, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
//!         buf.copy_from_slice(&b"hello"[offset as usize..][..buf.len()]);
//!         Ok(())
//!     }
//! }
//!
//! let mut buf = [0; 5];
//! Hello.read_at(&tree, motd, &mut buf, 0)?;
//! assert_eq!(&buf, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(clippy::missing_errors_doc)]

mod tree;

mod meta;

mod kind;

mod name;

mod files;

mod resolve;

mod error;

mod escaped;

pub use error::{DuplicateName, TreeError};
pub use escaped::escaped;
pub use files::Files;
pub use kind::{DataRange, Device, FileData, Kind, MAX_TARGET};
pub use meta::{Meta, MetaRef, Time, Xattr};
pub use name::{MAX_NAME, check_name};
pub use resolve::{MAX_LINKS, resolve};
pub use tree::{NodeId, Tree};
