//! Trees with everything in them, of all sizes.

use baler_ext4::{Plan, Profile};
use baler_tree::{DataRange, Device, FileData, Kind, Tree, Xattr};

use crate::judge::{MIB, check, formats, meta, options, with};

pub(crate) fn one_of_everything(block_size: u32) -> Tree {
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
    let small = meta(0o644).with_xattrs(vec![xattr("user.a", 10), xattr("security.selinux", 30)]);
    let large = meta(0o644).with_xattrs(vec![xattr("user.a", 10), xattr("trusted.big", 900)]);
    for index in 0..20 {
        let meta = if index % 2 == 0 { small.clone() } else { large.clone() };
        tree.add(dir, format!("xattr{index}").as_bytes(), meta, dense(index * 100)).unwrap();
    }
    let mut flags = meta(0o644);
    flags.flags = 0x10 | 0x20 | 0x40 | 0x80_0000 | 0x8_0000;
    tree.add(dir, b"flags", flags, dense(10)).unwrap();
    let data = [(0, 10), (5 << 30, 4096), (6 << 30, 100_000)];
    let data = data.map(|(offset, len)| DataRange { offset, len });
    // The map of ext3 reaches to 16 GiB with blocks of 1 KiB.
    let size = if block_size == 1024 { 7 << 30 } else { 60 << 30 };
    let sparse = FileData::sparse(size, data);
    tree.add(dir, b"sparse", meta(0o644), Kind::File(sparse)).unwrap();
    let ranges = (0..3000).map(|index| DataRange { offset: index * 3 * 4096, len: 4096 });
    let many = FileData::sparse(3000 * 3 * 4096, ranges.collect::<Vec<_>>());
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
    for format in formats() {
        for block_size in [1024, 2048, 4096] {
            for inode_size in [128, 256, 512] {
                let options = with(&format, |options| {
                    (options.block_size, options.inode_size) = (block_size, inode_size);
                });
                check(one_of_everything(block_size), 256 * MIB, options);
            }
        }
    }
    let wide = with(&options(Profile::Modern), |options| options.is_64bit = true);
    check(one_of_everything(4096), 200 * MIB, wide);
}

#[test]
fn file_systems_of_all_lengths_are_clean() {
    let lengths =
        [1, 2, 7, 8, 9, 100, 127, 128, 129, 130, 133, 134, 257, 900, 3000, 10240, 102_400];
    for mib in lengths {
        for format in formats() {
            check(Tree::new(meta(0o755)), mib * MIB, format);
        }
    }
}

#[test]
fn a_directory_of_200_000_entries_is_clean() {
    let [modern, legacy, _] = formats();
    for (block_size, format) in [(4096, modern.clone()), (4096, legacy), (1024, modern)] {
        let mut tree = Tree::new(meta(0o755));
        let wide = tree.add(Tree::ROOT, b"wide", meta(0o755), Kind::Directory).unwrap();
        let target = tree.add(wide, b"file", meta(0o644), Kind::Fifo).unwrap();
        for index in 0..200_000 {
            let name = format!("an entry with a number {index}");
            let name = name.as_bytes();
            let is_link = index < 60_000 && index % 4 > 0;
            let kind = if index % 4 == 0 { Kind::Fifo } else { Kind::File(FileData::dense(0)) };
            if is_link {
                tree.link(wide, name, target).unwrap();
            } else {
                tree.add(wide, name, meta(0o644), kind).unwrap();
            }
        }
        let smallest = with(&format, |options| options.block_size = block_size);
        let len = Plan::enough(&tree, &smallest);
        check(tree, len, smallest);
    }
}

#[test]
fn what_is_enough_is_enough_and_not_much_more() {
    for block_size in [1024, 4096] {
        for format in formats() {
            let tree = one_of_everything(block_size);
            let options = with(&format, |options| options.block_size = block_size);
            let len = Plan::enough(&tree, &options);
            let less = Plan::new(one_of_everything(block_size), len / 2, options.clone());
            assert!(matches!(less, Err(baler_ext4::Error::TooSmall { .. })), "{less:?}");
            check(tree, len, options);
        }
    }
}
