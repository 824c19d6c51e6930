use baler_tree::escaped;

/// Why no file system can be planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The tree does not fit.
    #[error("the tree needs a file system of about {} MiB, this one has {}", .needed.div_ceil(1 << 20), .len >> 20)]
    TooSmall {
        /// A length in bytes that is enough.
        needed: u64,
        /// The length that was asked for.
        len: u64,
    },
    /// More than block numbers of 32 bits reach.
    #[error("a file system of {len} bytes with blocks of {block_size} is more than can be written")]
    TooLarge {
        /// The length that was asked for.
        len: u64,
        /// The size of its blocks.
        block_size: u32,
    },
    /// An option with a value that it cannot have.
    #[error("{what} cannot be {value}")]
    Option {
        /// The option.
        what: &'static str,
        /// Its value.
        value: String,
    },
    /// Two entries of one name in a directory.
    #[error("`{}` is there twice", escaped(.path))]
    Duplicate {
        /// From the root.
        path: Vec<u8>,
    },
    /// Extended attributes that an inode and one block have no room for, or that ext4 has no name for.
    #[error("ext4 has no room for the extended attributes of `{}`: {reason}", escaped(.path))]
    Xattrs {
        /// From the root.
        path: Vec<u8>,
        /// The attribute, and why.
        reason: String,
    },
    /// A file longer than its block numbers reach.
    #[error("`{}` is too long for blocks of {block_size} bytes", escaped(.path))]
    FileTooLong {
        /// From the root.
        path: Vec<u8>,
        /// The size of the blocks.
        block_size: u32,
    },
    /// A symbolic link whose target does not fit into a block.
    #[error("the target of `{}` is too long for blocks of {block_size} bytes", escaped(.path))]
    TargetTooLong {
        /// From the root.
        path: Vec<u8>,
        /// The size of the blocks.
        block_size: u32,
    },
    /// More names than ext4 counts.
    #[error("`{}` has {links} names, and ext4 counts to 65,000", escaped(.path))]
    TooManyLinks {
        /// From the root.
        path: Vec<u8>,
        /// The number of names.
        links: u32,
    },
    /// Something else where `fsck` puts what it finds.
    #[error("`lost+found` in the root has to be a directory")]
    LostFound,
}
