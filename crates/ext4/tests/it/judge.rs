//! What `e2fsck`, `dumpe2fs` and `debugfs` say of the file systems that are made here.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use baler_ext4::{FileSystem, Options, Plan, Profile};
use baler_image::Image;
use baler_tree::{Files, Kind, Meta, NodeId, Time, Tree};
use uuid::Uuid;

pub(crate) const MIB: u64 = 1 << 20;

/// Files whose bytes follow from the node and the offset, so that none has to be kept.
pub(crate) struct Pattern(HashMap<NodeId, u64>);

pub(crate) fn pattern(file: u64, offset: u64) -> u8 {
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

pub(crate) fn size_of_name(tree: &Tree, file: NodeId) -> u64 {
    tree.path(file).iter().map(|byte| u64::from(*byte)).sum()
}

pub(crate) fn options(profile: Profile) -> Options {
    let uuid = Uuid::from_u128(0x0bad_cafe_0000_4000_8000_0000_0000_0001);
    let seed = Uuid::from_u128(0x1234_5678_9abc_4def_8000_1111_2222_3333);
    Options::new(profile, uuid, seed, Time { seconds: 1_700_000_000, nanos: 0 })
}

/// Everything, what GRUB 0.97 reads, and ext3.
pub(crate) fn formats() -> [Options; 3] {
    let legacy = options(Profile::GrubLegacy);
    let ext3 = with(&legacy, |options| options.has_extents = false);
    [options(Profile::Modern), legacy, ext3]
}

/// The same options with a change.
pub(crate) fn with(options: &Options, change: impl FnOnce(&mut Options)) -> Options {
    let mut options = options.clone();
    change(&mut options);
    options
}

pub(crate) fn meta(mode: u16) -> Meta {
    let time = |seconds| Time { seconds, nanos: 123_456_789 };
    let [atime, mtime, ctime, crtime] = [1, 1_600_000_000, 1_600_000_001, 5_000_000_000].map(time);
    let mut meta = Meta::new(mode).owned_by(1000, 70000);
    (meta.atime, meta.mtime, meta.ctime, meta.crtime) = (atime, mtime, ctime, crtime);
    meta
}

pub(crate) fn write(plan: Plan, path: &Path) {
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

#[expect(clippy::disallowed_methods, reason = "other programs are the judges")]
pub(crate) fn tool(name: &str, args: &[&str], path: &Path) -> (bool, String) {
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
pub(crate) fn fsck(path: &Path) {
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

pub(crate) fn number(text: &str, key: &str) -> u64 {
    let line =
        text.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("no {key}"));
    line[key.len()..].trim().parse().unwrap()
}

/// Plans, writes and has it judged.
pub(crate) fn check(tree: Tree, len: u64, options: Options) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fs.img");
    let plan = Plan::new(tree, len, options).unwrap();
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
