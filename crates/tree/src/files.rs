use std::io;

use crate::tree::{NodeId, Tree};

/// Source of the data of a tree's files.
pub trait Files: Send {
    /// Fills `buf` with the file's bytes at `offset`, which are inside the length that the tree says.
    ///
    /// Calls come in ascending order for one file, and file after file.
    ///
    /// # Errors
    /// The data cannot be read. An implementation may instead fill with zeros what is gone (the file was cut or removed
    /// since the tree was made), and report that in a way of its own.
    fn read_at(&mut self, tree: &Tree, file: NodeId, buf: &mut [u8], offset: u64)
    -> io::Result<()>;
}
