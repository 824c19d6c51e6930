use crate::escaped::escaped;

/// Why something cannot be in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// A name that no entry can have.
    #[error("a name has 1 to 255 bytes, no `/` and no NUL, and is not `.` or `..`")]
    Name,
    /// An entry in what is not a directory.
    #[error("it would be in what is not a directory")]
    NotADirectory,
    /// A second link to a directory.
    #[error("a directory has one name")]
    LinkToDirectory,
    /// The target of a symbolic link that is empty or too long.
    #[error("the target of a symbolic link has 1 to 4,095 bytes and no NUL")]
    Target,
    /// A device number that Linux does not have.
    #[error("a device's number is below 4,096 and 1,048,576")]
    Device,
    /// More than can be numbered.
    #[error("the tree has too many entries")]
    TooMany,
}

/// Two entries of one name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is there twice", escaped(.path))]
#[non_exhaustive]
pub struct DuplicateName {
    /// From the root, without a `/` before it.
    pub path: Vec<u8>,
}

impl DuplicateName {
    pub(crate) fn new(path: Vec<u8>) -> DuplicateName {
        DuplicateName { path }
    }
}
