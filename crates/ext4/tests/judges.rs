//! What `e2fsck`, `dumpe2fs` and `debugfs` say of the file systems that are made here.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on")]

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use baler_ext4::{
    DataRange, Device, FileData, FileSystem, Files, Kind, Meta, NodeId, Options, Plan, Profile,
    Time, Tree, Xattr,
};
use baler_image::Image;
use proptest::prelude::*;
use uuid::Uuid;

const MIB: u64 = 1 << 20;

/// Files whose bytes follow from the node and the offset, so that none has to be kept.
struct Pattern(HashMap<NodeId, u64>);

fn pattern(file: u64, offset: u64) -> u8 {
    (file.wrapping_mul(31).wrapping_add(offset ^ (offset >> 9)) as u8) | 1
}

impl Files for Pattern {
    fn read_at(
        &mut self,
        tree: &Tree,
        file: NodeId,
        buf: &mut [u8],
        offset: u64,
    ) -> io::Result<()> {
        let Kind::File(data) = tree.kind(file) else { panic!("reading what is no file") };
        assert!(offset + buf.len() as u64 <= data.size, "reading behind the end");
        let in_order = self.0.insert(file, offset).is_none_or(|before| before <= offset);
        assert!(in_order, "reading backwards");
        buf.fill(0);
        for range in data.ranges() {
            for at in
                range.offset.max(offset)..(range.offset + range.len).min(offset + buf.len() as u64)
            {
                buf[(at - offset) as usize] = pattern(size_of_name(tree, file), at);
            }
        }
        Ok(())
    }
}

fn size_of_name(tree: &Tree, file: NodeId) -> u64 {
    tree.path(file).iter().map(|byte| u64::from(*byte)).sum()
}

fn options(len: u64, profile: Profile) -> Options {
    let uuid = Uuid::from_u128(0x0bad_cafe_0000_4000_8000_0000_0000_0001);
    let seed = Uuid::from_u128(0x1234_5678_9abc_4def_8000_1111_2222_3333);
    Options::new(len, profile, uuid, seed, Time { seconds: 1_700_000_000, nanos: 0 })
}

fn meta(mode: u16) -> Meta {
    let time = |seconds| Time { seconds, nanos: 123_456_789 };
    let [atime, mtime, ctime, crtime] = [1, 1_600_000_000, 1_600_000_001, 5_000_000_000].map(time);
    Meta { mode, uid: 1000, gid: 70000, atime, mtime, ctime, crtime, flags: 0, xattrs: Vec::new() }
}

fn write(plan: Plan, path: &Path) {
    let mut image = FileSystem::new(plan, Pattern(HashMap::new()));
    let file = File::create(path).unwrap();
    file.set_len(image.len()).unwrap();
    let mut buf = vec![0; 1 << 20];
    for extent in image.extents().to_vec() {
        let mut at = extent.offset;
        while at < extent.end() {
            let len = (extent.end() - at).min(buf.len() as u64) as usize;
            image.read_at(&mut buf[..len], at).unwrap();
            file.write_all_at(&buf[..len], at).unwrap();
            at += len as u64;
        }
    }
    // What is not in an extent has to be zeros.
    let mut at = 0;
    for extent in image.extents().to_vec() {
        let mut holes = at;
        while holes < extent.offset && holes < at + 4 * MIB {
            let len = (extent.offset - holes).min(buf.len() as u64) as usize;
            image.read_at(&mut buf[..len], holes).unwrap();
            assert!(buf[..len].iter().all(|byte| *byte == 0), "a hole near {holes} is none");
            holes += len as u64;
        }
        at = extent.end();
    }
}

fn tool(name: &str, args: &[&str], path: &Path) -> (bool, String) {
    let output = Command::new(name)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .args(args)
        .arg(path)
        .output()
        .unwrap_or_else(|error| panic!("{name}: {error}: install e2fsprogs"));
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// `e2fsck -fn` says nothing but what it always says.
fn fsck(path: &Path) {
    let (is_clean, text) = tool("e2fsck", &["-fn"], path);
    let strange: Vec<_> = text
        .lines()
        .filter(|line| {
            let usual = line.starts_with("Pass ") || line.starts_with("e2fsck 1.");
            let summary = line.contains(" files (") && line.ends_with(" blocks");
            !usual && !summary && !line.is_empty()
        })
        .collect();
    assert!(is_clean && strange.is_empty(), "e2fsck: {}", &text[..text.len().min(4000)]);
}

fn number(text: &str, key: &str) -> u64 {
    let line =
        text.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("no {key}"));
    line[key.len()..].trim().parse().unwrap()
}

/// Plans, writes and has it judged.
fn check(tree: Tree, options: Options) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fs.img");
    let plan = Plan::new(tree, options).unwrap();
    let usage = plan.usage();
    write(plan, &path);
    fsck(&path);
    let (_, text) = tool("dumpe2fs", &["-h"], &path);
    assert_eq!(number(&text, "Block count:"), usage.blocks);
    assert_eq!(number(&text, "Free blocks:"), usage.free_blocks);
    assert_eq!(number(&text, "Inode count:"), usage.inodes);
    assert_eq!(number(&text, "Free inodes:"), usage.free_inodes);
    (dir, path)
}

fn one_of_everything(block_size: u32) -> Tree {
    let mut tree = Tree::new(meta(0o755));
    let root = Tree::ROOT;
    let xattr = |name: &str, len: usize| Xattr {
        name: name.as_bytes().into(),
        value: vec![b'x'; len].into(),
    };
    let dir = tree.add(root, b"dir", meta(0o1777), Kind::Directory).unwrap();
    let dense = |size| Kind::File(FileData::dense(size));
    let file = tree.add(dir, b"file", meta(0o4755), dense(5000)).unwrap();
    tree.link(root, b"link", file).unwrap();
    tree.add(dir, b"empty", meta(0o600), dense(0)).unwrap();
    tree.add(dir, &[0xff; 255], meta(0o600), dense(1)).unwrap();
    for len in [1, 59, 60, 1000, block_size as usize - 1] {
        let name = format!("symlink-{len}");
        let target = Kind::Symlink(vec![b't'; len].into());
        tree.add(dir, name.as_bytes(), meta(0o777), target).unwrap();
    }
    let kinds = [
        (&b"null"[..], Kind::CharDevice(Device { major: 1, minor: 3 })),
        (b"disk", Kind::BlockDevice(Device { major: 259, minor: 70000 })),
        (b"fifo", Kind::Fifo),
        (b"socket", Kind::Socket),
    ];
    for (name, kind) in kinds {
        tree.add(dir, name, meta(0o666), kind).unwrap();
    }
    let small =
        Meta { xattrs: vec![xattr("user.a", 10), xattr("security.selinux", 30)], ..meta(0o644) };
    let large =
        Meta { xattrs: vec![xattr("user.a", 10), xattr("trusted.big", 900)], ..meta(0o644) };
    for index in 0..20 {
        let meta = if index % 2 == 0 { small.clone() } else { large.clone() };
        tree.add(dir, format!("xattr{index}").as_bytes(), meta, dense(index * 100)).unwrap();
    }
    let flags = Meta { flags: 0x10 | 0x20 | 0x40 | 0x80_0000 | 0x8_0000, ..meta(0o644) };
    tree.add(dir, b"flags", flags, dense(10)).unwrap();
    let data = [(0, 10), (5 << 30, 4096), (6 << 30, 100_000)];
    let data = data.map(|(offset, len)| DataRange { offset, len }).into();
    let sparse = FileData { size: 60 << 30, data: Some(data) };
    tree.add(dir, b"sparse", meta(0o644), Kind::File(sparse)).unwrap();
    let ranges = (0..3000).map(|index| DataRange { offset: index * 3 * 4096, len: 4096 });
    let many = FileData { size: 3000 * 3 * 4096, data: Some(ranges.collect()) };
    tree.add(dir, b"many-extents", meta(0o644), Kind::File(many)).unwrap();
    let wide = tree.add(root, b"wide", meta(0o755), Kind::Directory).unwrap();
    for index in 0..5000 {
        tree.add(wide, format!("entry number {index}").as_bytes(), meta(0o644), dense(0)).unwrap();
    }
    let mut deep = root;
    for index in 0..200 {
        deep = tree
            .add(deep, format!("deep{index}").as_bytes(), meta(0o755), Kind::Directory)
            .unwrap();
    }
    tree
}

#[test]
fn one_of_everything_is_clean() {
    check(one_of_everything(4096), options(256 * MIB, Profile::Modern));
}

#[test]
fn one_of_everything_is_clean_for_old_readers() {
    check(one_of_everything(4096), options(256 * MIB, Profile::GrubLegacy));
}

#[test]
fn one_of_everything_is_clean_with_other_sizes() {
    for profile in [Profile::Modern, Profile::GrubLegacy] {
        for block_size in [1024, 2048, 4096] {
            for inode_size in [128, 256, 512] {
                let options = Options { block_size, inode_size, ..options(200 * MIB, profile) };
                let (_dir, _path) = check(one_of_everything(block_size), options);
            }
        }
    }
    let wide = Options { is_64bit: true, ..options(200 * MIB, Profile::Modern) };
    check(one_of_everything(4096), wide);
}

#[test]
fn file_systems_of_all_lengths_are_clean() {
    let lengths =
        [1, 2, 7, 8, 9, 100, 127, 128, 129, 130, 133, 134, 257, 900, 3000, 10240, 102_400];
    for profile in [Profile::Modern, Profile::GrubLegacy] {
        for mib in lengths {
            check(Tree::new(meta(0o755)), options(mib * MIB, profile));
        }
    }
}

#[test]
fn a_directory_of_200_000_entries_is_clean() {
    for (block_size, profile) in
        [(4096, Profile::Modern), (4096, Profile::GrubLegacy), (1024, Profile::Modern)]
    {
        let mut tree = Tree::new(meta(0o755));
        let wide = tree.add(Tree::ROOT, b"wide", meta(0o755), Kind::Directory).unwrap();
        let target = tree.add(wide, b"file", meta(0o644), Kind::Fifo).unwrap();
        for index in 0..200_000 {
            let name = format!("an entry with a number {index}");
            if index % 4 == 0 {
                tree.add(wide, name.as_bytes(), meta(0o644), Kind::Fifo).unwrap();
            } else if index < 60_000 {
                tree.link(wide, name.as_bytes(), target).unwrap();
            } else {
                tree.add(wide, name.as_bytes(), meta(0o644), Kind::File(FileData::dense(0)))
                    .unwrap();
            }
        }
        let smallest = Options { block_size, ..options(MIB, profile) };
        let len = Plan::enough(&tree, &smallest);
        check(tree, Options { len, ..smallest });
    }
}

#[test]
fn what_is_enough_is_enough_and_not_much_more() {
    for block_size in [1024, 4096] {
        for profile in [Profile::Modern, Profile::GrubLegacy] {
            let tree = one_of_everything(block_size);
            let options = Options { block_size, ..options(0, profile) };
            let len = Plan::enough(&tree, &options);
            let less = Plan::new(
                one_of_everything(block_size),
                Options { len: len / 2, ..options.clone() },
            );
            assert!(matches!(less, Err(baler_ext4::Error::TooSmall { .. })), "{less:?}");
            check(tree, Options { len, ..options });
        }
    }
}

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
                let data = ranges.iter().map(|&(offset, len)| DataRange { offset, len }).collect();
                let sparse = FileData { size: end.max(u64::from(*size)), data: Some(data) };
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
                tree.add(parent, &name, Meta { xattrs, ..meta(0o644) }, Kind::Fifo)
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
        is_legacy in any::<bool>(),
        spare in 0..40 * MIB,
    ) {
        let profile = if is_legacy { Profile::GrubLegacy } else { Profile::Modern };
        let options = Options { inode_size, ..options(0, profile) };
        let tree = grow(&steps);
        match Plan::new(grow(&steps), Options { len: Plan::enough(&tree, &options) + spare, ..options.clone() }) {
            Err(baler_ext4::Error::Xattrs { .. }) => {}
            Err(error) => panic!("{error}"),
            Ok(_) => {
                let len = Plan::enough(&tree, &options) + spare;
                check(tree, Options { len, ..options });
            }
        }
    }
}
