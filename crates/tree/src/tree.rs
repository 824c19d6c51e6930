use std::collections::HashMap;

use crate::error::{DuplicateName, TreeError};
use crate::kind::{FileData, Kind};
use crate::meta::{Meta, MetaRef, Time, Xattr};
use crate::name::check_name;

/// Directories, files and the rest, with everything but the files' data.
///
/// Made for a million entries and more: a node takes some 150 bytes and the bytes of its name, and sets of extended
/// attributes that are the same are kept once.
///
/// A [`NodeId`] is valid in the tree that gave it; the methods that take one panic on a number that the tree does not
/// have.
#[derive(Debug)]
pub struct Tree {
    nodes: Vec<Node>,
    names: Vec<u8>,
    xattrs: Vec<Box<[Xattr]>>,
    known_xattrs: HashMap<Box<[Xattr]>, u32>,
}

/// A file, a directory or what else has an inode, by its number in its [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

#[derive(Debug)]
struct Node {
    mode: u16,
    uid: u32,
    gid: u32,
    /// Read, data changed, inode changed, made.
    times: [Time; 4],
    flags: u32,
    links: u32,
    xattrs: u32,
    parent: NodeId,
    name: Name,
    kind: Kind,
    entries: Vec<Member>,
}

/// A name in a directory.
#[derive(Clone, Copy, Debug)]
struct Member {
    node: NodeId,
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

    /// Adds an entry that is not there yet; that it is not is checked by [`Tree::sort`].
    ///
    /// # Errors
    /// A name or a kind that no entry can have, a parent that is not a directory, or too many entries.
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
        self.nodes[parent.index()].entries.push(Member { node, name });
        Ok(node)
    }

    /// Gives what is there another name: a hard link.
    ///
    /// # Errors
    /// A target that is a directory, a parent that is not one, or a name that no entry can have.
    pub fn link(&mut self, parent: NodeId, name: &[u8], target: NodeId) -> Result<(), TreeError> {
        if *self.kind(target) == Kind::Directory {
            return Err(TreeError::LinkToDirectory);
        }
        self.check_directory(parent)?;
        let name = self.add_name(name)?;
        self.nodes[parent.index()].entries.push(Member { node: target, name });
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

    /// Replaces a file's length and ranges, as when its data will be another's; `false` if it is not a file.
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

    /// Sorts the entries of every directory by name, so that the order in which they were added does not matter.
    ///
    /// # Errors
    /// Two entries of one name in a directory; the entries of other directories may be unsorted then.
    pub fn sort(&mut self) -> Result<(), DuplicateName> {
        let names = &self.names;
        let name = |entry: &Member| slice(names, entry.name);
        let mut twice = None;
        for (number, node) in (0..).zip(&mut self.nodes) {
            node.entries.sort_unstable_by(|one, other| name(one).cmp(name(other)));
            let same = |pair: &[Member]| name(&pair[0]) == name(&pair[1]);
            if let Some(pair) = node.entries.windows(2).find(|pair| same(pair)) {
                twice = Some((NodeId(number), pair[0].name));
                break;
            }
        }
        let Some((directory, name)) = twice else { return Ok(()) };
        let mut path = self.path(directory);
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(self.name_of(name));
        Err(DuplicateName::new(path))
    }

    /// A copy of what a node says of itself.
    pub fn meta(&self, node: NodeId) -> Meta {
        self.meta_ref(node).to_meta()
    }

    /// The same without a copy.
    pub fn meta_ref(&self, node: NodeId) -> MetaRef<'_> {
        let node = &self.nodes[node.index()];
        let [atime, mtime, ctime, crtime] = node.times;
        let (mode, uid, gid, flags) = (node.mode, node.uid, node.gid, node.flags);
        let xattrs = &self.xattrs[node.xattrs as usize];
        MetaRef { mode, uid, gid, atime, mtime, ctime, crtime, flags, xattrs }
    }

    /// The kind of a node.
    pub fn kind(&self, node: NodeId) -> &Kind {
        &self.nodes[node.index()].kind
    }

    /// The number of names of a node; 1 for a directory.
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

    /// The node at a path from the root; symbolic links are not followed.
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

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: there is always a root.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The node with this number, as [`NodeId::number`] gives it.
    pub fn node(&self, number: u32) -> Option<NodeId> {
        ((number as usize) < self.nodes.len()).then_some(NodeId(number))
    }

    /// The place in [`Tree::xattr_sets`] of a node's extended attributes; 0 is the empty set.
    pub fn xattr_set(&self, node: NodeId) -> usize {
        self.nodes[node.index()].xattrs as usize
    }

    /// The different sets of extended attributes, each sorted.
    pub fn xattr_sets(&self) -> impl ExactSizeIterator<Item = &[Xattr]> {
        self.xattrs.iter().map(|set| &**set)
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
        check_name(name)?;
        let len = u8::try_from(name.len()).map_err(|_| TreeError::Name)?;
        let start = u32::try_from(self.names.len()).map_err(|_| TreeError::TooMany)?;
        self.names.extend_from_slice(name);
        Ok(Name { start, len })
    }

    fn name_of(&self, name: Name) -> &[u8] {
        slice(&self.names, name)
    }
}

fn slice(names: &[u8], name: Name) -> &[u8] {
    &names[name.start as usize..][..usize::from(name.len)]
}

impl NodeId {
    /// The node's number: 0 for the root, then in the order in which nodes were added.
    pub fn number(self) -> u32 {
        self.0
    }

    fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Device;

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

    #[test]
    fn sorting_finds_what_is_there_twice() {
        let mut tree = Tree::new(Meta::default());
        let directory = tree.add(Tree::ROOT, b"d", Meta::default(), Kind::Directory).unwrap();
        for name in [b"c", b"a", b"b"] {
            tree.add(directory, name, Meta::default(), file(0)).unwrap();
        }
        tree.sort().unwrap();
        let names: Vec<_> = tree.entries(directory).map(|(name, _)| name.to_vec()).collect();
        assert_eq!(names, [b"a", b"b", b"c"]);
        tree.add(directory, b"b", Meta::default(), file(0)).unwrap();
        assert_eq!(tree.sort().unwrap_err().path, b"d/b");
        tree.add(Tree::ROOT, b"d", Meta::default(), file(0)).unwrap();
        assert_eq!(tree.sort().unwrap_err().path, b"d");
    }

    #[test]
    fn numbers_are_those_of_nodes() {
        let mut tree = Tree::new(Meta::default());
        let one = tree.add(Tree::ROOT, b"1", Meta::default(), file(0)).unwrap();
        assert_eq!((Tree::ROOT.number(), one.number()), (0, 1));
        assert_eq!((tree.node(1), tree.node(2)), (Some(one), None));
    }
}
