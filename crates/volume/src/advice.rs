use std::borrow::Cow;

/// Something that a person can do about an error, a finding or an event.
///
/// Advice that depends on the options of a face (a command, a service) is a variant of its own; the face words it with
/// the names that its user typed. The rest reads the same everywhere and is [`Advice::Say`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Ask for a length of at least so many MiB, or leave something out.
    ChooseLength {
        /// A length that is enough, in MiB.
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

impl Advice {
    /// One of each sort, for the tests of a face: it has words for all that it can show.
    pub fn every() -> Vec<Advice> {
        vec![
            Advice::ChooseLength { needed: 512 },
            Advice::OtherLength,
            Advice::Exclude,
            Advice::ExcludeOrLargerBlocks,
            Advice::ExcludeOrLargerInodes,
            Advice::SmallerInodes { most: 1024, block_size: 4096 },
            Advice::OmitInodeSize,
            Advice::Tolerate,
            Advice::RepairOrNoBootLoader,
            Advice::FindBootLoader,
            Advice::KeepBootLoader,
            Advice::Partition,
            Advice::MakeDisk,
            Advice::OmitUuid,
            Advice::KeepUuid,
            Advice::FixFstab,
            Advice::GrubLegacyProfile,
            Advice::KeepHostKeys,
            Advice::WriteReport,
            Advice::from("repair it"),
        ]
    }
}

impl From<&'static str> for Advice {
    fn from(text: &'static str) -> Advice {
        Advice::Say(Cow::Borrowed(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sorts, in the order in which they are declared. A new one that is missing here does not compile.
    fn sort(advice: &Advice) -> usize {
        use Advice::*;
        match advice {
            ChooseLength { .. } => 0,
            OtherLength => 1,
            Exclude => 2,
            ExcludeOrLargerBlocks => 3,
            ExcludeOrLargerInodes => 4,
            SmallerInodes { .. } => 5,
            OmitInodeSize => 6,
            Tolerate => 7,
            RepairOrNoBootLoader => 8,
            FindBootLoader => 9,
            KeepBootLoader => 10,
            Partition => 11,
            MakeDisk => 12,
            OmitUuid => 13,
            KeepUuid => 14,
            FixFstab => 15,
            GrubLegacyProfile => 16,
            KeepHostKeys => 17,
            WriteReport => 18,
            Say(_) => 19,
        }
    }

    #[test]
    fn every_sort_is_among_all() {
        let sorts: Vec<_> = Advice::every().iter().map(sort).collect();
        assert_eq!(sorts, (0..=19).collect::<Vec<_>>());
    }
}
