use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::walk::{Walk, WalkOptions, walk};

struct Walked {
    root: TempDir,
    walk: Walk,
}

impl Walked {
    fn new(files: &[(&str, &[u8])]) -> Walked {
        let root = tempfile::tempdir().unwrap();
        for (path, contents) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        Walked::of(root)
    }

    fn of(root: TempDir) -> Walked {
        let options = WalkOptions { tolerate: true, ..WalkOptions::default() };
        let walk = walk(root.path(), &options, &mut |_| Ok(())).unwrap();
        Walked { root, walk }
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.root.path().join(path)
    }

    fn node(&self, path: &str) -> NodeId {
        self.walk.tree.find(path.as_bytes()).unwrap_or_else(|| panic!("no {path}"))
    }

    /// Reads a file as long as it was, so many bytes at a time.
    fn read(&mut self, path: &str, step: usize) -> Vec<u8> {
        let node = self.node(path);
        let Kind::File(data) = self.walk.tree.kind(node) else { panic!("{path} is no file") };
        let mut contents = vec![0xaa; data.size as usize];
        for (index, buf) in contents.chunks_mut(step).enumerate() {
            let offset = (index * step) as u64;
            self.walk.files.read_at(&self.walk.tree, node, buf, offset).unwrap();
        }
        contents
    }

    fn troubles(&self) -> Vec<(String, TroubleKind)> {
        let list = self.walk.files.troubles().list();
        list.into_iter()
            .map(|trouble| (String::from_utf8(trouble.path).unwrap(), trouble.kind))
            .collect()
    }

    fn check(&self, path: &str, kind: TroubleKind) {
        assert_eq!(self.troubles(), [(path.to_owned(), kind)]);
    }
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn what_does_not_change_is_read_without_trouble() {
    let long: Vec<u8> = (0..3 << 20).map(|at| (at >> 8) as u8).collect();
    let mut walked =
        Walked::new(&[("a/b/one", b"1"), ("a/long", &long), ("a/none", b""), ("c", b"three")]);
    for step in [1 << 20, 4096, 1 << 30] {
        assert_eq!(walked.read("a/b/one", step), b"1");
        assert_eq!(walked.read("c", step), b"three");
        assert_eq!(walked.read("a/none", step), b"");
        assert_eq!(walked.read("a/long", step), long);
    }
    assert_eq!(walked.troubles(), []);
}

#[test]
fn holes_are_between_what_is_read() {
    let root = tempfile::tempdir().unwrap();
    let file = File::create(root.path().join("sparse")).unwrap();
    file.set_len(1 << 30).unwrap();
    file.write_all_at(&[7; 4096], 1 << 20).unwrap();
    let mut walked = Walked::of(root);
    let (node, mut buf) = (walked.node("sparse"), [0; 4096]);
    walked.walk.files.read_at(&walked.walk.tree, node, &mut buf, 1 << 20).unwrap();
    assert_eq!((buf, walked.troubles()), ([7; 4096], vec![]));
    // The end of the data is where the file is looked at once more.
    assert!(walked.walk.files.current.is_none());
}

#[test]
fn what_changes_is_named_by_what_happened() {
    let before = || Walked::new(&[("d/f", b"0123456789"), ("d/g", b"g")]);

    let mut walked = before();
    append(&walked.at("d/f"), b"more");
    assert_eq!(walked.read("d/f", 4), b"0123456789");
    walked.check("d/f", TroubleKind::Grew);

    let mut walked = before();
    File::options().write(true).open(walked.at("d/f")).unwrap().set_len(3).unwrap();
    assert_eq!(walked.read("d/f", 4), b"012\0\0\0\0\0\0\0");
    walked.check("d/f", TroubleKind::Shrank);

    let mut walked = before();
    fs::write(walked.at("d/f"), "9876543210").unwrap();
    assert_eq!(walked.read("d/f", 4), b"9876543210");
    walked.check("d/f", TroubleKind::Changed);

    let mut walked = before();
    fs::remove_file(walked.at("d/f")).unwrap();
    assert_eq!(walked.read("d/f", 4), [0; 10]);
    assert_eq!(walked.read("d/g", 4), b"g");
    walked.check("d/f", TroubleKind::Vanished);
}

#[test]
fn what_changes_in_the_midst_is_seen_at_the_end() {
    let mut walked = Walked::new(&[("f", b"0123456789")]);
    let (node, mut buf) = (walked.node("f"), [0; 5]);
    walked.walk.files.read_at(&walked.walk.tree, node, &mut buf, 0).unwrap();
    assert_eq!(walked.troubles(), []);
    append(&walked.at("f"), b"more");
    walked.walk.files.read_at(&walked.walk.tree, node, &mut buf, 5).unwrap();
    assert_eq!(&buf, b"56789");
    walked.check("f", TroubleKind::Grew);
}

#[test]
fn a_file_that_was_replaced_is_read_and_a_link_is_not() {
    let mut walked = Walked::new(&[("f", b"old contents"), ("g", b"12"), ("d/x", b"x")]);
    fs::write(walked.at("new"), "new contents").unwrap();
    fs::rename(walked.at("new"), walked.at("f")).unwrap();
    assert_eq!(walked.read("f", 5), b"new contents");
    walked.check("f", TroubleKind::Changed);

    fs::remove_file(walked.at("g")).unwrap();
    symlink("f", walked.at("g")).unwrap();
    fs::rename(walked.at("d"), walked.at("e")).unwrap();
    symlink("e", walked.at("d")).unwrap();
    // The walk's own handle of the directory would still lead to it.
    walked.walk.files.handles = Handles::new(File::open(walked.root.path()).unwrap().into());
    assert_eq!((walked.read("g", 5), walked.read("d/x", 5)), (vec![0; 2], vec![0]));
    let vanished: Vec<_> =
        walked.troubles().into_iter().filter(|(_, kind)| *kind == TroubleKind::Vanished).collect();
    assert_eq!(vanished.len(), 2);
}

#[test]
fn contents_of_our_own_are_used_instead() {
    let mut walked = Walked::new(&[("etc/fstab", b"old")]);
    let node = walked.node("etc/fstab");
    fs::remove_file(walked.at("etc/fstab")).unwrap();
    walked.walk.tree.set_file_data(node, baler_tree::FileData::dense(11));
    walked.walk.files.set_contents(node, b"new and all".to_vec());
    for step in [4, 100] {
        assert_eq!(walked.read("etc/fstab", step), b"new and all");
    }
    assert_eq!(walked.troubles(), []);
}

#[test]
fn troubles_are_told_after_the_files_are_gone() {
    let Walked { root, walk } = Walked::new(&[("f", b"1")]);
    fs::remove_file(root.path().join("f")).unwrap();
    let troubles = walk.files.troubles();
    let mut files: Box<dyn Files> = Box::new(walk.files);
    let node = walk.tree.find(b"f").unwrap();
    files.read_at(&walk.tree, node, &mut [0], 0).unwrap();
    drop(files);
    assert_eq!(troubles.list()[0].kind, TroubleKind::Vanished);
    assert!(troubles.list()[0].kind.to_string().contains("zeros"));
}

#[test]
fn an_unreadable_file_is_an_error_with_its_path_unless_tolerated() {
    if fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0) {
        println!("SKIPPED: root can read everything");
        return;
    }
    let mut walked = Walked::new(&[("d/f", b"1")]);
    let forbid = std::os::unix::fs::PermissionsExt::from_mode(0o0);
    fs::set_permissions(walked.at("d/f"), forbid).unwrap();
    assert_eq!(walked.read("d/f", 1), [0]);
    assert!(matches!(walked.troubles()[0].1, TroubleKind::Unreadable(_)));
    walked.walk.files.tolerate = false;
    walked.walk.files.current = None;
    let node = walked.node("d/f");
    let error = walked.walk.files.read_at(&walked.walk.tree, node, &mut [0], 0).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("`d/f`"), "{error}");
}
