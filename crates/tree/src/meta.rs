//! Properties of an inode.

/// Owner, mode, times, flags and extended attributes of an inode.
///
/// ```
/// use baler_tree::{Meta, Time};
///
/// let now = Time { seconds: 1_700_000_000, nanos: 0 };
/// let meta = Meta::new(0o640).owned_by(0, 4).at(now);
/// assert_eq!((meta.mode, meta.gid, meta.mtime), (0o640, 4, now));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Meta {
    /// The permission bits, with set-user-id, set-group-id and sticky: at most `0o7777`.
    pub mode: u16,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// When it was last read.
    pub atime: Time,
    /// When its data was last changed.
    pub mtime: Time,
    /// When the inode was last changed.
    pub ctime: Time,
    /// When it was made.
    pub crtime: Time,
    /// The flags that `lsattr` shows, as `FS_IOC_GETFLAGS` gives them; those that a user cannot set are ignored.
    pub flags: u32,
    /// The extended attributes, in any order; POSIX ACLs as `system.posix_acl_access` and `system.posix_acl_default`.
    pub xattrs: Vec<Xattr>,
}

impl Meta {
    /// These permission bits; root's, of 1970, without flags and extended attributes.
    pub fn new(mode: u16) -> Meta {
        Meta { mode, ..Meta::default() }
    }

    /// The same with this owner and group.
    #[must_use]
    pub fn owned_by(self, uid: u32, gid: u32) -> Meta {
        Meta { uid, gid, ..self }
    }

    /// The same with this time for all four.
    #[must_use]
    pub fn at(self, time: Time) -> Meta {
        Meta { atime: time, mtime: time, ctime: time, crtime: time, ..self }
    }

    /// The same with these extended attributes.
    #[must_use]
    pub fn with_xattrs(self, xattrs: Vec<Xattr>) -> Meta {
        Meta { xattrs, ..self }
    }
}

/// A [`Meta`] that was not copied out of its tree: for code that looks at a million of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetaRef<'a> {
    /// See [`Meta::mode`].
    pub mode: u16,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// When it was last read.
    pub atime: Time,
    /// When its data was last changed.
    pub mtime: Time,
    /// When the inode was last changed.
    pub ctime: Time,
    /// When it was made.
    pub crtime: Time,
    /// See [`Meta::flags`].
    pub flags: u32,
    /// The extended attributes, sorted.
    pub xattrs: &'a [Xattr],
}

impl MetaRef<'_> {
    /// A copy.
    pub fn to_meta(&self) -> Meta {
        let MetaRef { mode, uid, gid, atime, mtime, ctime, crtime, flags, xattrs } = *self;
        Meta { mode, uid, gid, atime, mtime, ctime, crtime, flags, xattrs: xattrs.to_vec() }
    }
}

/// A point in time since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Whole seconds, negative before 1970.
    pub seconds: i64,
    /// Nanoseconds, below 1,000,000,000.
    pub nanos: u32,
}

/// An extended attribute, as the kernel's system calls give it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xattr {
    /// The whole name, `user.comment`.
    pub name: Box<[u8]>,
    /// The value, any bytes.
    pub value: Box<[u8]>,
}
