//! Values of [`Options`](crate::Options) as people write them: sizes of blocks and inodes, the share that is reserved
//! for root, the default mount options.

use std::fmt;
use std::str::FromStr;

/// A text that is not a value of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TuningError {
    /// Not the size of a block.
    #[error("a block has 1024, 2048 or 4096 bytes")]
    BlockSize,
    /// Not the size of an inode.
    #[error("an inode has 128, 256, 512, 1024, 2048 or 4096 bytes, and at most those of a block")]
    InodeSize,
    /// Not a share that can be reserved.
    #[error("the share is a percentage from 0 to 50 with at most two decimals: `5`, `0.25`")]
    Share,
    /// Not the name of a mount option.
    #[error("`{0}` is none of {names}; or `none` alone", names = NAMES.map(|(name, _)| name).join(", "))]
    MountOption(String),
    /// Two modes of the journal.
    #[error("a journal has one mode: journal_data, journal_data_ordered or journal_data_writeback")]
    JournalModes,
}

/// Reads the size of a block in bytes: `1024`, `2048` or `4096`, which the kernel mounts on every machine.
///
/// # Errors
/// [`TuningError::BlockSize`] for anything else.
pub fn parse_block_size(text: &str) -> Result<u32, TuningError> {
    let size = text.parse().ok().filter(|size| is_block_size(*size));
    size.ok_or(TuningError::BlockSize)
}

/// Returns whether blocks can have so many bytes.
pub fn is_block_size(size: u32) -> bool {
    [1024, 2048, 4096].contains(&size)
}

/// Reads the size of an inode in bytes: a power of two from 128 to 4096. Whether it fits into the block is for
/// [`is_inode_size`].
///
/// # Errors
/// [`TuningError::InodeSize`] for anything else.
pub fn parse_inode_size(text: &str) -> Result<u16, TuningError> {
    let size = text.parse().ok().filter(|size| is_inode_size(*size, 4096));
    size.ok_or(TuningError::InodeSize)
}

/// Returns whether inodes can have so many bytes where blocks have `block_size`.
pub fn is_inode_size(size: u16, block_size: u32) -> bool {
    size.is_power_of_two() && size >= 128 && u32::from(size) <= block_size
}

/// A share of a file system's blocks that only root may fill, at most a half.
///
/// ```
/// use baler_ext4::Share;
///
/// assert_eq!("0.25".parse::<Share>()?.of(10_000), 25);
/// // What another file system of 262,144 blocks reserves.
/// assert_eq!(Share::new(13_107, 262_144).of(131_072), 6553);
/// # Ok::<(), baler_ext4::TuningError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    part: u64,
    whole: u64,
}

impl Share {
    /// The default of `mke2fs`: 5 %.
    pub const DEFAULT: Share = Share { part: 5, whole: 100 };

    /// So many blocks of so many, or the half if that is less.
    pub fn new(part: u64, whole: u64) -> Share {
        let whole = whole.max(1);
        Share { part: part.min(whole / 2), whole }
    }

    /// The number of blocks that are reserved of so many.
    pub fn of(self, blocks: u64) -> u64 {
        (u128::from(blocks) * u128::from(self.part) / u128::from(self.whole)) as u64
    }
}

/// A percentage, as `mke2fs -m` takes it: `5`, `0.25`.
impl FromStr for Share {
    type Err = TuningError;

    fn from_str(text: &str) -> Result<Share, TuningError> {
        let hundredths = || {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
            let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let is_fit = is_number(whole) && is_number(fraction) && matches!(fraction.len(), 1..=2);
            let whole: u64 = whole.parse().ok().filter(|whole| is_fit && *whole <= 50)?;
            let fraction: u64 = format!("{fraction:0<2}").parse().ok()?;
            Some(whole * 100 + fraction).filter(|share| *share <= 5000)
        };
        hundredths().map(|part| Share { part, whole: 10_000 }).ok_or(TuningError::Share)
    }
}

/// Bits of the superblock's `s_default_mount_opts` and the names that `tune2fs -o` has for them.
///
/// Source: `EXT4_DEFM_*` in the kernel's `fs/ext4/ext4.h`.
const NAMES: [(&str, u32); 12] = [
    ("debug", 0x1),
    ("bsdgroups", 0x2),
    ("user_xattr", MountOptions::USER_XATTR.0),
    ("acl", MountOptions::ACL.0),
    ("uid16", 0x10),
    ("journal_data", 0x20),
    ("journal_data_ordered", 0x40),
    ("journal_data_writeback", JOURNAL_MODE),
    ("nobarrier", 0x100),
    ("block_validity", 0x200),
    ("discard", 0x400),
    ("nodelalloc", 0x800),
];

/// The bits in which the journal's mode is a number.
const JOURNAL_MODE: u32 = 0x60;

/// Mount options that a file system brings: the bits of
/// [`Options::default_mount_options`](crate::Options::default_mount_options).
///
/// As text they are the names that `tune2fs -o` has for them, with commas between, or `none`.
///
/// ```
/// use baler_ext4::MountOptions;
///
/// let options: MountOptions = "acl,user_xattr".parse()?;
/// assert_eq!(options.0, MountOptions::ACL.0 | MountOptions::USER_XATTR.0);
/// # Ok::<(), baler_ext4::TuningError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MountOptions(pub u32);

impl MountOptions {
    /// `user_xattr`
    pub const USER_XATTR: MountOptions = MountOptions(0x4);
    /// `acl`
    pub const ACL: MountOptions = MountOptions(0x8);
    /// All bits that have a meaning.
    pub const ALL: MountOptions = MountOptions(0xf7f);

    /// Their names, in the order of their bits.
    pub fn names(self) -> Vec<&'static str> {
        let is_set = |bits: u32| match bits & JOURNAL_MODE {
            0 => self.0 & bits != 0,
            mode => self.0 & JOURNAL_MODE == mode,
        };
        NAMES.iter().filter(|(_, bits)| is_set(*bits)).map(|(name, _)| *name).collect()
    }
}

/// Names with commas between them, or `none`.
impl fmt::Display for MountOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.names() {
            [] => f.write_str("none"),
            names => f.write_str(&names.join(",")),
        }
    }
}

impl FromStr for MountOptions {
    type Err = TuningError;

    fn from_str(text: &str) -> Result<MountOptions, TuningError> {
        if text == "none" {
            return Ok(MountOptions(0));
        }
        let mut all = 0;
        for name in text.split(',') {
            let Some((_, bits)) = NAMES.iter().find(|(known, _)| *known == name) else {
                return Err(TuningError::MountOption(name.to_owned()));
            };
            let has_mode = all & JOURNAL_MODE != 0 && bits & JOURNAL_MODE != 0;
            // Two modes together would be the number of a third.
            if has_mode && all & JOURNAL_MODE != *bits {
                return Err(TuningError::JournalModes);
            }
            all |= bits;
        }
        Ok(MountOptions(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_that_ext4_can_have() {
        for (text, size) in
            [("1024", Some(1024)), ("4096", Some(4096)), ("512", None), ("8192", None), ("", None)]
        {
            assert_eq!(parse_block_size(text).ok(), size, "{text:?}");
        }
        for (text, size) in [
            ("128", Some(128)),
            ("4096", Some(4096)),
            ("64", None),
            ("0", None),
            ("384", None),
            ("8192", None),
            ("65664", None),
            ("-256", None),
        ] {
            assert_eq!(parse_inode_size(text).ok(), size, "{text:?}");
        }
    }

    #[test]
    fn a_share_is_a_percentage() {
        for (text, blocks) in [
            ("0", Some(0)),
            ("5", Some(500)),
            ("0.25", Some(25)),
            ("0.5", Some(50)),
            ("12.05", Some(1205)),
            ("50", Some(5000)),
            ("50.00", Some(5000)),
            ("50.01", None),
            ("51", None),
            ("-1", None),
            ("+1", None),
            ("5%", None),
            ("0.125", None),
            ("5.", None),
            (".5", None),
            ("1e1", None),
            ("5.+1", None),
            ("99999999999999999999", None),
            ("", None),
        ] {
            let share = text.parse().ok().map(|share: Share| share.of(10_000));
            assert_eq!(share, blocks, "{text:?}");
        }
        assert_eq!(
            Share::new(13107, 262_144).of(262_144),
            13107,
            "the same length, the same share"
        );
        assert_eq!(Share::new(9, 10).of(100), 50);
        assert_eq!(Share::new(0, 0).of(u64::MAX), 0);
        assert_eq!(Share::new(u64::MAX, u64::MAX).of(u64::MAX), u64::MAX / 2);
    }

    #[test]
    fn mount_options_have_names() {
        let all = NAMES.iter().fold(0, |all, (_, bits)| all | bits);
        assert_eq!(all, MountOptions::ALL.0);
        for (name, bits) in NAMES {
            assert_eq!(name.parse(), Ok(MountOptions(bits)));
            assert_eq!(MountOptions(bits).to_string(), name);
        }
        for (text, bits) in [
            ("none", Some(0)),
            ("user_xattr,acl", Some(0xc)),
            ("acl,acl,journal_data,journal_data", Some(0x28)),
            ("acl,none", None),
            ("acl,", None),
            ("^acl", None),
            ("ACL", None),
            ("", None),
            ("journal_data,journal_data_ordered", None),
            ("journal_data_ordered,journal_data_writeback", None),
        ] {
            assert_eq!(text.parse().ok(), bits.map(MountOptions), "{text:?}");
        }
        assert_eq!(MountOptions(0xc).to_string(), "user_xattr,acl");
        assert_eq!(MountOptions(0).to_string(), "none");
    }
}
