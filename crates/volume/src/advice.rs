use std::borrow::Cow;

/// Something that a person can do about an error, a finding or an event.
///
/// What depends on the options of a face (a command, a service) is a variant of its own, which the face words with the
/// names that its user typed. The rest reads the same everywhere and is [`Advice::Say`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Ask for a length of at least so many MiB, or leave something out.
    ChooseLength {
        /// What is enough, in MiB.
        needed: u64,
    },
    /// Ask for another length than the one that was chosen.
    OtherLength,
    /// Leave the file out.
    Exclude,
    /// Leave the file out, or ask for larger blocks.
    ExcludeOrLargerBlocks,
    /// Leave the file out, or ask for larger blocks or inodes.
    ExcludeOrLargerInodes,
    /// Ask for smaller inodes or for larger blocks.
    SmallerInodes {
        /// The most bytes that an inode can have in blocks of this size.
        most: u32,
        /// The least size of blocks, in bytes, that holds the inodes that were asked for.
        block_size: u32,
    },
    /// Do not ask for a size of inodes, unless the boot loader of the image reads larger ones.
    OmitInodeSize,
    /// Become root, or leave out what cannot be read.
    Tolerate,
    /// Repair what was found, or ask for an image that need not boot.
    RepairOrNoBootLoader,
    /// Name a disk that boots, install GRUB 2 in the tree, or ask for no boot loader.
    FindBootLoader,
    /// Ask for a boot loader: none was asked for.
    KeepBootLoader,
    /// Ask for a partition table, or do not ask for a boot loader.
    Partition,
    /// Ask for a partition table: the image becomes a disk.
    MakeDisk,
    /// Do not ask for a UUID, or ask for one that is not zero.
    OmitUuid,
    /// Keep the UUID of the source, or build a boot loader instead of cloning one.
    KeepUuid,
    /// Have `/etc/fstab` repaired.
    FixFstab,
    /// Ask for the file system that GRUB 0.97 and old kernels can use.
    GrubLegacyProfile,
    /// Have host keys made at the first boot, or keep those of the source.
    KeepHostKeys,
    /// Have a list of all paths written to a file.
    WriteReport,
    /// Do this, which names no option.
    Say(Cow<'static, str>),
}

impl From<&'static str> for Advice {
    fn from(text: &'static str) -> Advice {
        Advice::Say(Cow::Borrowed(text))
    }
}
