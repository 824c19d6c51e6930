//! Trees that nobody thought of.

use baler_ext4::Plan;
use baler_tree::{DataRange, Device, FileData, Kind, Tree, Xattr};
use proptest::prelude::*;

use crate::judge::{MIB, check, formats, meta, with};

#[derive(Clone, Debug)]
enum Step {
    Directory(u8, Vec<u8>),
    File(u8, Vec<u8>, u32, Vec<(u16, u16)>),
    Symlink(u8, Vec<u8>, u16),
    Node(u8, Vec<u8>, u8),
    Link(u8, Vec<u8>, u8),
    Many(u8, u16, u8),
    Xattrs(u8, Vec<u8>, Vec<(u8, u16)>),
}

fn step() -> impl Strategy<Value = Step> {
    let name = || prop::collection::vec(any::<u8>(), 1..40);
    prop_oneof![
        (any::<u8>(), name()).prop_map(|(at, name)| Step::Directory(at, name)),
        (
            any::<u8>(),
            name(),
            0..300_000_u32,
            prop::collection::vec((any::<u16>(), 1..2000_u16), 0..12)
        )
            .prop_map(|(at, name, size, ranges)| Step::File(at, name, size, ranges)),
        (any::<u8>(), name(), 1..4095_u16).prop_map(|(at, name, len)| Step::Symlink(at, name, len)),
        (any::<u8>(), name(), 0..4_u8).prop_map(|(at, name, kind)| Step::Node(at, name, kind)),
        (any::<u8>(), name(), any::<u8>()).prop_map(|(at, name, to)| Step::Link(at, name, to)),
        (any::<u8>(), 0..1500_u16, 1..200_u8)
            .prop_map(|(at, count, len)| Step::Many(at, count, len)),
        (any::<u8>(), name(), prop::collection::vec((any::<u8>(), 0..400_u16), 0..8))
            .prop_map(|(at, name, xattrs)| Step::Xattrs(at, name, xattrs)),
    ]
}

/// Follows the steps as far as they make sense.
fn grow(steps: &[Step]) -> Tree {
    let mut tree = Tree::new(meta(0o755));
    let (mut directories, mut others) = (vec![Tree::ROOT], Vec::new());
    let mut known = std::collections::HashSet::new();
    for step in steps {
        let (at, name) = match step {
            Step::Directory(at, name) | Step::File(at, name, ..) | Step::Symlink(at, name, _) => {
                (at, name.clone())
            }
            Step::Node(at, name, _) | Step::Link(at, name, _) | Step::Xattrs(at, name, _) => {
                (at, name.clone())
            }
            Step::Many(at, ..) => (at, Vec::new()),
        };
        let parent = directories[usize::from(*at) % directories.len()];
        let mut fresh = |name: &[u8]| known.insert((parent, name.to_vec()));
        if !name.is_empty() && !fresh(&name) {
            continue;
        }
        let added = match step {
            Step::Directory(..) => {
                let added = tree.add(parent, &name, meta(0o750), Kind::Directory);
                directories.extend(added.ok());
                continue;
            }
            Step::File(_, _, size, ranges) => {
                let mut ranges: Vec<_> = ranges
                    .iter()
                    .map(|(at, len)| (u64::from(*at) * 4096, u64::from(*len)))
                    .collect();
                ranges.sort_unstable();
                ranges.dedup_by_key(|range| range.0);
                let end = ranges.last().map_or(0, |(at, len)| at + len);
                let data: Vec<_> =
                    ranges.iter().map(|&(offset, len)| DataRange { offset, len }).collect();
                let sparse = FileData::sparse(end.max(u64::from(*size)), data);
                let data =
                    if ranges.is_empty() { FileData::dense(u64::from(*size)) } else { sparse };
                tree.add(parent, &name, meta(0o640), Kind::File(data))
            }
            Step::Symlink(_, _, len) => tree.add(
                parent,
                &name,
                meta(0o777),
                Kind::Symlink(vec![b'x'; usize::from(*len)].into()),
            ),
            Step::Node(_, _, kind) => {
                let device = Device { major: u32::from(*kind) * 100, minor: u32::from(*at) * 999 };
                let kind = match kind {
                    0 => Kind::Fifo,
                    1 => Kind::Socket,
                    2 => Kind::CharDevice(device),
                    _ => Kind::BlockDevice(device),
                };
                tree.add(parent, &name, meta(0o600), kind)
            }
            Step::Link(_, _, to) => {
                if let Some(&target) = others.get(usize::from(*to)) {
                    let _ = tree.link(parent, &name, target);
                }
                continue;
            }
            Step::Many(_, count, len) => {
                for index in 0..*count {
                    let name = format!("{index:0len$}", len = usize::from(*len));
                    if fresh(name.as_bytes()) {
                        let _ = tree.add(parent, name.as_bytes(), meta(0o644), Kind::Fifo);
                    }
                }
                continue;
            }
            Step::Xattrs(_, _, xattrs) => {
                let mut xattrs: Vec<_> = xattrs
                    .iter()
                    .map(|(name, len)| Xattr {
                        name: format!(
                            "{}.{name}",
                            ["user", "trusted", "security"][usize::from(*name) % 3]
                        )
                        .into_bytes()
                        .into(),
                        value: vec![*name; usize::from(*len)].into(),
                    })
                    .collect();
                xattrs.sort();
                xattrs.dedup_by(|one, other| one.name == other.name);
                tree.add(parent, &name, meta(0o644).with_xattrs(xattrs), Kind::Fifo)
            }
        };
        others.extend(added.ok());
    }
    tree
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_clean(
        steps in prop::collection::vec(step(), 0..80),
        inode_size in prop::sample::select(vec![128_u16, 256, 1024]),
        format in 0..3_usize,
        spare in 0..40 * MIB,
    ) {
        let options = with(&formats()[format], |options| options.inode_size = inode_size);
        let tree = grow(&steps);
        let len = Plan::enough(&tree, &options) + spare;
        match Plan::new(grow(&steps), len, options.clone()) {
            Err(baler_ext4::Error::Xattrs { .. }) => {}
            Err(error) => panic!("{error}"),
            Ok(_) => {
                check(tree, len, options);
            }
        }
    }
}
