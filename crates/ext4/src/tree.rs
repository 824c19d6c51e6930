//! The tree that a file system is planned from.

use std::collections::HashMap;

/// What is planned: directories, files and the rest, with everything but the files' data.
///
/// Made for a million entries and more: a node takes some 150 bytes and the bytes of its name, and sets of extended
/// attributes that are the same are kept once.
#[derive(Debug)]
pub struct Tree {
    nodes: Vec<Node>,
    names: Vec<u8>,
    xattrs: Vec<Box<[Xattr]>>,
    known_xattrs: HashMap<Box<[Xattr]>, u32>,
}

/// A file, a directory or what else has an inode, by its place in its [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

/// What an inode says of itself, whatever it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

/// What a node is.
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

/// How long a file is, and where its data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileData {
    /// The length in bytes, holes counted.
    pub size: u64,
    /// The ranges that hold data, ascending, not overlapping, inside the file; `None` if there is no hole.
    pub data: Option<Box<[DataRange]>>,
}

/// A range of a file that holds data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataRange {
    /// Where it starts, in bytes.
    pub offset: u64,
    /// Its length in bytes, never 0.
    pub len: u64,
}

/// Why something cannot be in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
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
    /// A symlink's target that is empty or too long.
    #[error("the target of a symbolic link has 1 to 4,095 bytes and no NUL")]
    Target,
    /// A device number that ext4 has no room for.
    #[error("a device's number is below 4,096 and 1,048,576")]
    Device,
    /// More than can be numbered.
    #[error("the tree has too many entries")]
    TooMany,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) times: [Time; 4],
    pub(crate) flags: u32,
    pub(crate) links: u32,
    xattrs: u32,
    parent: NodeId,
    name: Name,
    pub(crate) kind: Kind,
    pub(crate) entries: Vec<Entry>,
}

/// A name in a directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) node: NodeId,
    name: Name,
}

#[derive(Clone, Copy, Debug)]
struct Name {
    start: u32,
    len: u8,
}

impl Tree {
    /// The root directory, which every tree has.
    pub const ROOT: NodeId = NodeId(0);

    /// A tree of nothing but its root directory.
    pub fn new(root: Meta) -> Tree {
        let mut tree = Tree {
            nodes: Vec::new(),
            names: Vec::new(),
            xattrs: Vec::new(),
            known_xattrs: HashMap::new(),
        };
        let name = Name { start: 0, len: 0 };
        tree.push(Tree::ROOT, name, root, Kind::Directory);
        tree
    }

    /// Adds an entry that is not there yet; that it is not is checked when the file system is planned.
    pub fn add(
        &mut self,
        parent: NodeId,
        name: &[u8],
        meta: Meta,
        kind: Kind,
    ) -> Result<NodeId, TreeError> {
        kind.check()?;
        self.check_directory(parent)?;
        if self.nodes.len() >= u32::MAX as usize - 64 {
            return Err(TreeError::TooMany);
        }
        let name = self.add_name(name)?;
        let node = self.push(parent, name, meta, kind);
        self.nodes[parent.index()].entries.push(Entry { node, name });
        Ok(node)
    }

    /// Gives what is there another name: a hard link.
    pub fn link(&mut self, parent: NodeId, name: &[u8], target: NodeId) -> Result<(), TreeError> {
        if *self.kind(target) == Kind::Directory {
            return Err(TreeError::LinkToDirectory);
        }
        self.check_directory(parent)?;
        let name = self.add_name(name)?;
        self.nodes[parent.index()].entries.push(Entry { node: target, name });
        self.nodes[target.index()].links += 1;
        Ok(())
    }

    /// Replaces what a node says of itself.
    pub fn set_meta(&mut self, node: NodeId, meta: Meta) {
        let xattrs = self.intern(meta.xattrs);
        let node = &mut self.nodes[node.index()];
        (node.mode, node.uid, node.gid, node.flags) = (meta.mode, meta.uid, meta.gid, meta.flags);
        node.times = [meta.atime, meta.mtime, meta.ctime, meta.crtime];
        node.xattrs = xattrs;
    }

    /// Replaces a file's length and ranges, as when its data will be another's; tells whether it is a file.
    pub fn set_file_data(&mut self, node: NodeId, data: FileData) -> bool {
        match &mut self.nodes[node.index()].kind {
            Kind::File(old) => {
                *old = data;
                true
            }
            _ => false,
        }
    }

    /// Says of everything that it was last read when it was last changed: looking at a tree changes the times of
    /// reading, and the same tree would be another one the next time.
    pub fn forget_reading(&mut self) {
        for node in &mut self.nodes {
            let [_, mtime, ctime, crtime] = node.times;
            node.times = [mtime, mtime, ctime, crtime];
        }
    }

    /// What a node says of itself.
    pub fn meta(&self, node: NodeId) -> Meta {
        let node = &self.nodes[node.index()];
        let [atime, mtime, ctime, crtime] = node.times;
        let (mode, uid, gid, flags) = (node.mode, node.uid, node.gid, node.flags);
        let xattrs = self.xattrs[node.xattrs as usize].to_vec();
        Meta { mode, uid, gid, atime, mtime, ctime, crtime, flags, xattrs }
    }

    /// What a node is.
    pub fn kind(&self, node: NodeId) -> &Kind {
        &self.nodes[node.index()].kind
    }

    /// How many names a node has; 1 for a directory.
    pub fn links(&self, node: NodeId) -> u32 {
        self.nodes[node.index()].links
    }

    /// The directory in which a node was first added; the root's is the root.
    pub fn parent(&self, node: NodeId) -> NodeId {
        self.nodes[node.index()].parent
    }

    /// The name with which a node was first added; the root's is empty.
    pub fn name(&self, node: NodeId) -> &[u8] {
        self.name_of(self.nodes[node.index()].name)
    }

    /// The path of a node by its first name, from the root, without a `/` before it; the root's is empty.
    pub fn path(&self, mut node: NodeId) -> Vec<u8> {
        let mut names = Vec::new();
        while node != Tree::ROOT {
            names.push(self.name(node));
            node = self.parent(node);
        }
        names.reverse();
        names.join(&b'/')
    }

    /// A directory's entry of this name. Looks at each.
    pub fn child(&self, directory: NodeId, name: &[u8]) -> Option<NodeId> {
        let entries = &self.nodes[directory.index()].entries;
        entries.iter().find(|entry| self.name_of(entry.name) == name).map(|entry| entry.node)
    }

    /// What is at a path from the root; symbolic links are not followed.
    pub fn find(&self, path: &[u8]) -> Option<NodeId> {
        let mut names = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty());
        names.try_fold(Tree::ROOT, |directory, name| self.child(directory, name))
    }

    /// A directory's entries, in the order in which they were added.
    pub fn entries(&self, directory: NodeId) -> impl Iterator<Item = (&[u8], NodeId)> {
        let entries = self.nodes[directory.index()].entries.iter();
        entries.map(|entry| (self.name_of(entry.name), entry.node))
    }

    /// All nodes in the order in which they were added, the root first.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: there is always a root.
    pub fn is_empty(&self) -> bool {
        false
    }

    pub(crate) fn node(&self, node: NodeId) -> &Node {
        &self.nodes[node.index()]
    }

    pub(crate) fn node_mut(&mut self, node: NodeId) -> &mut Node {
        &mut self.nodes[node.index()]
    }

    pub(crate) fn entry_name(&self, entry: &Entry) -> &[u8] {
        self.name_of(entry.name)
    }

    /// The number of the set of extended attributes that a node has; 0 is the empty one.
    pub(crate) fn xattr_set(&self, node: NodeId) -> u32 {
        self.nodes[node.index()].xattrs
    }

    pub(crate) fn xattr_sets(&self) -> &[Box<[Xattr]>] {
        &self.xattrs
    }

    fn push(&mut self, parent: NodeId, name: Name, meta: Meta, kind: Kind) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node {
            mode: 0,
            uid: 0,
            gid: 0,
            times: [Time::default(); 4],
            flags: 0,
            links: 1,
            xattrs: 0,
            parent,
            name,
            kind,
            entries: Vec::new(),
        });
        self.set_meta(id, meta);
        id
    }

    fn intern(&mut self, xattrs: Vec<Xattr>) -> u32 {
        if self.xattrs.is_empty() {
            self.xattrs.push(Box::default());
        }
        if xattrs.is_empty() {
            return 0;
        }
        let mut xattrs = xattrs.into_boxed_slice();
        xattrs.sort();
        if let Some(&known) = self.known_xattrs.get(&xattrs) {
            return known;
        }
        let number = self.xattrs.len() as u32;
        self.xattrs.push(xattrs.clone());
        self.known_xattrs.insert(xattrs, number);
        number
    }

    fn check_directory(&self, parent: NodeId) -> Result<(), TreeError> {
        match self.kind(parent) {
            Kind::Directory => Ok(()),
            _ => Err(TreeError::NotADirectory),
        }
    }

    fn add_name(&mut self, name: &[u8]) -> Result<Name, TreeError> {
        let is_special = name == b"." || name == b"..";
        if is_special || name.iter().any(|byte| matches!(byte, 0 | b'/')) {
            return Err(TreeError::Name);
        }
        let len = u8::try_from(name.len()).ok().filter(|&len| len > 0).ok_or(TreeError::Name)?;
        let start = u32::try_from(self.names.len()).map_err(|_| TreeError::TooMany)?;
        self.names.extend_from_slice(name);
        Ok(Name { start, len })
    }

    fn name_of(&self, name: Name) -> &[u8] {
        &self.names[name.start as usize..][..usize::from(name.len)]
    }
}

/// A path for a message: what is not printable is escaped.
pub(crate) fn escaped(path: &[u8]) -> impl std::fmt::Display {
    String::from_utf8_lossy(path).escape_debug().to_string()
}

impl NodeId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl Kind {
    fn check(&self) -> Result<(), TreeError> {
        match self {
            Kind::Symlink(target) if !(1..=4095).contains(&target.len()) || target.contains(&0) => {
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

    /// The ranges that hold data.
    pub fn ranges(&self) -> impl Iterator<Item = DataRange> {
        let whole = DataRange { offset: 0, len: self.size };
        let dense = self.data.is_none() && self.size > 0;
        self.data.iter().flatten().copied().chain(dense.then_some(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(size: u64) -> Kind {
        Kind::File(FileData::dense(size))
    }

    #[test]
    fn a_tree_is_found_again() {
        let mut tree = Tree::new(Meta { mode: 0o755, ..Meta::default() });
        let etc = tree.add(Tree::ROOT, b"etc", Meta::default(), Kind::Directory).unwrap();
        let fstab = tree.add(etc, b"fstab", Meta::default(), file(7)).unwrap();
        tree.link(Tree::ROOT, b"other", fstab).unwrap();
        assert_eq!(tree.find(b"/etc/fstab"), Some(fstab));
        assert_eq!(tree.find(b"other"), Some(fstab));
        assert_eq!(tree.find(b"etc/nothing"), None);
        assert_eq!(tree.find(b""), Some(Tree::ROOT));
        assert_eq!(tree.path(fstab), b"etc/fstab");
        assert_eq!((tree.links(fstab), tree.links(etc), tree.len()), (2, 1, 3));
        assert_eq!(tree.entries(Tree::ROOT).count(), 2);
        assert_eq!(tree.meta(Tree::ROOT).mode, 0o755);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut tree = Tree::new(Meta::default());
        for name in [&b""[..], b".", b"..", b"a/b", b"a\0", &[b'x'; 256]] {
            let result = tree.add(Tree::ROOT, name, Meta::default(), Kind::Fifo);
            assert_eq!(result, Err(TreeError::Name));
        }
        let directory = tree.add(Tree::ROOT, b"d", Meta::default(), Kind::Directory).unwrap();
        assert_eq!(tree.link(Tree::ROOT, b"e", directory), Err(TreeError::LinkToDirectory));
        let fifo = tree.add(directory, b"f", Meta::default(), Kind::Fifo).unwrap();
        let below = tree.add(fifo, b"g", Meta::default(), Kind::Fifo);
        assert_eq!(below, Err(TreeError::NotADirectory));
        let empty = Kind::Symlink(Box::default());
        assert_eq!(tree.add(Tree::ROOT, b"s", Meta::default(), empty), Err(TreeError::Target));
        let device = Kind::CharDevice(Device { major: 4096, minor: 0 });
        assert_eq!(tree.add(Tree::ROOT, b"c", Meta::default(), device), Err(TreeError::Device));
    }

    #[test]
    fn the_same_attributes_are_kept_once() {
        let mut tree = Tree::new(Meta::default());
        let xattr = |name: &[u8]| Xattr { name: name.into(), value: Box::default() };
        let meta =
            |names: [&[u8]; 2]| Meta { xattrs: names.map(xattr).to_vec(), ..Meta::default() };
        let one = tree.add(Tree::ROOT, b"1", meta([b"user.a", b"user.b"]), file(0)).unwrap();
        let two = tree.add(Tree::ROOT, b"2", meta([b"user.b", b"user.a"]), file(0)).unwrap();
        assert_eq!(tree.xattr_set(one), tree.xattr_set(two));
        assert_eq!(tree.xattr_sets().len(), 2);
        assert_eq!(tree.meta(two).xattrs.len(), 2);
    }
}
