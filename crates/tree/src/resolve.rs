//! Paths that are followed through symbolic links.

use crate::kind::Kind;
use crate::tree::{NodeId, Tree};

/// Limit of symbolic links that are followed in one path, as on Linux (`path_resolution(7)`).
pub const MAX_LINKS: u32 = 40;

/// The node that a path leads to; symbolic links are followed, and `..` of the root is the root, so that no path leaves
/// the tree.
///
/// `None` if there is nothing, if a part of the path is not a directory, or after more than [`MAX_LINKS`] links.
pub fn resolve(tree: &Tree, path: &[u8]) -> Option<NodeId> {
    let names = |path: &[u8]| -> Vec<Vec<u8>> {
        path.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec).collect()
    };
    let (mut left, mut at, mut links) = (names(path), Tree::ROOT, 0);
    while let Some(name) = left.pop() {
        match &*name {
            b"" | b"." => continue,
            b".." => {
                at = tree.parent(at);
                continue;
            }
            _ => {}
        }
        let found = tree.child(at, &name)?;
        let Kind::Symlink(target) = tree.kind(found) else {
            at = found;
            continue;
        };
        links += 1;
        if links > MAX_LINKS {
            return None;
        }
        if target.starts_with(b"/") {
            at = Tree::ROOT;
        }
        left.extend(names(target));
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::meta::Meta;

    #[test]
    fn paths_stay_in_the_tree() {
        let mut tree = Tree::new(Meta::default());
        let add = |tree: &mut Tree, at, name: &[u8], kind| {
            tree.add(at, name, Meta::default(), kind).unwrap()
        };
        let a = add(&mut tree, Tree::ROOT, b"a", Kind::Directory);
        let b = add(&mut tree, a, b"b", Kind::Directory);
        let link = |target: &[u8]| Kind::Symlink(target.into());
        for (name, target) in [
            (&b"up"[..], &b"../../../../a"[..]),
            (b"top", b"/a/b"),
            (b"chain", b"up/b/."),
            (b"loop", b"loop"),
            (b"gone", b"/x"),
        ] {
            add(&mut tree, b, name, link(target));
        }
        for (path, expected) in [
            (&b"/"[..], Some(Tree::ROOT)),
            (b"../..", Some(Tree::ROOT)),
            (b"a//b/", Some(b)),
            (b"/a/b/up", Some(a)),
            (b"/a/b/top/../b", Some(b)),
            (b"a/b/chain", Some(b)),
            (b"a/b/loop", None),
            (b"a/b/gone", None),
            (b"a/c", None),
        ] {
            assert_eq!(resolve(&tree, path), expected, "{}", String::from_utf8_lossy(path));
        }
    }

    proptest! {
        #[test]
        fn any_path_ends(path in proptest::collection::vec(0_u8.., 0..60), target in "[a/.]{1,20}") {
            let mut tree = Tree::new(Meta::default());
            let a = tree.add(Tree::ROOT, b"a", Meta::default(), Kind::Directory).unwrap();
            let link = Kind::Symlink(target.as_bytes().into());
            tree.add(a, b"a", Meta::default(), link).unwrap();
            resolve(&tree, &path);
            prop_assert!(resolve(&tree, &[b"a/a/", &path[..]].concat()).is_none_or(|node| node.number() < 3));
        }
    }
}
