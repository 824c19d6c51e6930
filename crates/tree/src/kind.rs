//! Kinds of inodes: a file, a directory, a link, a device.

use crate::error::TreeError;

/// The most bytes that the target of a symbolic link can have: Linux's `PATH_MAX`, less the NUL.
pub const MAX_TARGET: usize = 4095;

/// Kind of a node: a file, a directory, a link, a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file; its data is read later.
    File(FileData),
    /// A directory.
    Directory,
    /// A symbolic link and its target, 1 to 4,095 bytes.
    Symlink(Box<[u8]>),
    /// A character device.
    CharDevice(Device),
    /// A block device.
    BlockDevice(Device),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// A device's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// The driver, below 4,096.
    pub major: u32,
    /// The device, below 1,048,576.
    pub minor: u32,
}

/// Length of a file, and the ranges of it that hold data.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileData {
    /// The length in bytes, holes counted.
    pub size: u64,
    /// The ranges that hold data, ascending, not overlapping, inside the file; `None` if there is no hole.
    pub data: Option<Box<[DataRange]>>,
}

/// A range of a file that holds data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataRange {
    /// Start of the range, in bytes.
    pub offset: u64,
    /// Its length in bytes, never 0.
    pub len: u64,
}

impl Kind {
    pub(crate) fn check(&self) -> Result<(), TreeError> {
        match self {
            Kind::Symlink(target)
                if !(1..=MAX_TARGET).contains(&target.len()) || target.contains(&0) =>
            {
                Err(TreeError::Target)
            }
            Kind::CharDevice(device) | Kind::BlockDevice(device)
                if device.major >= 1 << 12 || device.minor >= 1 << 20 =>
            {
                Err(TreeError::Device)
            }
            _ => Ok(()),
        }
    }
}

impl FileData {
    /// A file of this length without a hole.
    pub fn dense(size: u64) -> FileData {
        FileData { size, data: None }
    }

    /// A file of this length with data in these ranges, which are as [`FileData::data`] says, and holes elsewhere.
    pub fn sparse(size: u64, data: impl Into<Box<[DataRange]>>) -> FileData {
        FileData { size, data: Some(data.into()) }
    }

    /// The ranges that hold data.
    pub fn ranges(&self) -> impl Iterator<Item = DataRange> {
        let whole = DataRange { offset: 0, len: self.size };
        let dense = self.data.is_none() && self.size > 0;
        self.data.iter().flatten().copied().chain(dense.then_some(whole))
    }
}
