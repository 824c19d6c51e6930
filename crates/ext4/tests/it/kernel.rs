//! What the kernel reads, writes and grows; only root can mount.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Once;

use baler_ext4::Plan;
use baler_tree::{Kind, Tree};

use crate::judge::{MIB, check, formats, fsck, pattern, size_of_name, tool, with};
use crate::trees::one_of_everything;

/// A mounted image; unmounted when dropped.
struct Mount {
    dir: tempfile::TempDir,
}

impl Mount {
    /// `None`, and a line that says so, where nothing can be mounted.
    fn new(image: &Path, mode: &str) -> Option<Mount> {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("loop,{mode}");
        let args = ["-t", "ext4", "-o", &options, image.to_str().unwrap()];
        let (mounted, text) = tool("mount", &args, dir.path());
        if mounted {
            return Some(Mount { dir });
        }
        let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
        let has_loop = Path::new("/dev/loop-control").exists();
        assert!(!is_root || !has_loop, "mount: {text}");
        println!("SKIPPED: mounting an image wants root and loop devices");
        None
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let (unmounted, text) = tool("umount", &[], self.dir.path());
        if !std::thread::panicking() {
            assert!(unmounted, "umount: {text}");
        }
    }
}

fn device_of(mount: &Path) -> PathBuf {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let line = mounts.lines().find(|line| line.split(' ').nth(1) == mount.to_str()).unwrap();
    line.split(' ').next().unwrap().into()
}

/// Reads every file through the kernel.
fn compare(tree: &Tree, root: &Path) {
    use std::os::unix::ffi::OsStrExt;
    for node in tree.nodes() {
        let Kind::File(data) = tree.kind(node) else { continue };
        let path = root.join(std::ffi::OsStr::from_bytes(&tree.path(node)));
        let file = File::open(&path).unwrap();
        let metadata = file.metadata().unwrap();
        assert_eq!(metadata.len(), data.size, "{}", path.display());
        let mut stored = 0;
        for range in data.ranges() {
            let mut bytes = vec![0; range.len as usize];
            file.read_exact_at(&mut bytes, range.offset).unwrap();
            let name = size_of_name(tree, node);
            let is_same = (range.offset..).zip(&bytes).all(|(at, byte)| *byte == pattern(name, at));
            assert!(is_same, "{}", path.display());
            stored += range.len + 2 * 4096;
        }
        let extra = 16 * 4096;
        assert!(metadata.blocks() * 512 <= stored + extra, "{} has no holes", path.display());
    }
}

#[test]
fn the_kernel_reads_writes_and_grows_it() {
    let sizes = [(4096, 256), (1024, 128), (4096, 128), (2048, 512)];
    for format in formats() {
        for (block_size, inode_size) in sizes {
            let options = with(&format, |options| {
                (options.block_size, options.inode_size) = (block_size, inode_size);
            });
            let plan =
                Plan::new(one_of_everything(block_size), 300 * MIB, options.clone()).unwrap();
            let (_dir, path) = check(one_of_everything(block_size), 300 * MIB, options);
            let Some(mount) = Mount::new(&path, "ro,noload") else { return };
            compare(plan.tree(), mount.path());
            drop(mount);

            let mount = Mount::new(&path, "rw").unwrap();
            let root = mount.path();
            for index in 0..3000 {
                fs::write(root.join(format!("wide/new{index}")), [index as u8; 5000]).unwrap();
                fs::remove_file(root.join(format!("wide/entry number {index}"))).unwrap();
            }
            // Filling it up reaches every bitmap.
            let full = (0..).find(|index| {
                fs::write(root.join(format!("dir/large{index}")), vec![7; MIB as usize]).is_err()
            });
            assert!(full.unwrap() > 100, "it was full too early");
            OpenOptions::new().write(true).open(&path).unwrap().set_len(2048 * MIB).unwrap();
            if grow_mounted(root) {
                fs::write(root.join("grown"), vec![7; 64 * MIB as usize]).unwrap();
            }
            compare_after(&plan, root);
            drop(mount);
            fsck(&path);
            let (has_grown, text) = tool("resize2fs", &["-f"], &path);
            assert!(has_grown, "{text}");
            fsck(&path);
        }
    }
}

/// Grows a file system while it is mounted; tells whether that is allowed here.
fn grow_mounted(mount: &Path) -> bool {
    let device = device_of(mount);
    let (is_larger, text) = tool("losetup", &["-c"], &device);
    assert!(is_larger, "{text}");
    let (has_grown, text) = tool("resize2fs", &[], &device);
    let is_denied = text.contains("Permission denied to resize filesystem");
    static SAY: Once = Once::new();
    if is_denied {
        SAY.call_once(|| {
            println!(
                "SKIPPED: growing a mounted file system wants CAP_SYS_RESOURCE; it grows unmounted"
            )
        });
    }
    assert!(has_grown || is_denied, "{text}");
    has_grown
}

/// What was there before is still there, but for what was removed.
fn compare_after(plan: &Plan, root: &Path) {
    let tree = plan.tree();
    assert!(fs::metadata(root.join("dir/sparse")).unwrap().len() >= 7 << 30);
    let many = tree.find(b"dir/many-extents").unwrap();
    let mut bytes = vec![0; 4096];
    let file = File::open(root.join("dir/many-extents")).unwrap();
    for index in (0..3000).step_by(100) {
        file.read_exact_at(&mut bytes, index * 3 * 4096).unwrap();
        assert_eq!(bytes[0], pattern(size_of_name(tree, many), index * 3 * 4096));
    }
}
