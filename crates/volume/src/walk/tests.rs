use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use baler_tree::{DataRange, Device, Kind, NodeId, Time, Tree};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, lsetxattr, makedev, mknodat};
use tempfile::TempDir;

use super::*;
use crate::filter::{Filter, Patterns};
use crate::mounts::Mounts;

mod changing;

mod mounted;

fn is_root() -> bool {
    let is_root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    if !is_root {
        println!("SKIPPED: this needs root");
    }
    is_root
}

fn tree_of(paths: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for path in paths {
        let at = root.path().join(path);
        match path.strip_suffix('/') {
            Some(_) => fs::create_dir_all(at).unwrap(),
            None => {
                fs::create_dir_all(at.parent().unwrap()).unwrap();
                fs::write(at, path).unwrap();
            }
        }
    }
    root
}

fn walked(root: &Path, options: &WalkOptions) -> Walk {
    walk(root, options, &mut |_| Ok(())).unwrap()
}

fn node(walk: &Walk, path: &str) -> NodeId {
    walk.tree.find(path.as_bytes()).unwrap_or_else(|| panic!("no {path}"))
}

/// The paths in a tree without what every image has, in order; directories with a `/`.
fn paths(tree: &Tree) -> Vec<String> {
    fn add(tree: &Tree, directory: NodeId, above: &str, found: &mut Vec<String>) {
        for (name, node) in tree.entries(directory) {
            let path = format!("{above}{}", name.escape_ascii());
            if *tree.kind(node) == Kind::Directory {
                found.push(format!("{path}/"));
                add(tree, node, &format!("{path}/"), found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    add(tree, Tree::ROOT, "", &mut found);
    let essential = ["dev/", "mnt/", "proc/", "run/", "sys/", "tmp/"];
    found.retain(|path| !essential.iter().any(|name| path.starts_with(name)));
    found
}

/// The changes without what every image has, as text.
fn changes(walk: &Walk) -> Vec<String> {
    let told = walk.changes.iter().filter(|change| change.action != Action::Added);
    told.map(|change| {
        format!("{}: {}: {}", change.path.escape_ascii(), change.action, change.reason)
    })
    .collect()
}

fn essential(walk: &Walk) -> Vec<String> {
    let added = walk.changes.iter().filter(|change| change.action == Action::Added);
    added.map(|change| String::from_utf8(change.path.clone()).unwrap()).collect()
}

#[test]
fn everything_is_found_as_it_is() {
    let root = tree_of(&["a/", "a/file", "a/b/deep", "a/empty/"]);
    let at = |path: &str| root.path().join(path);
    fs::set_permissions(at("a/file"), Permissions::from_mode(0o4751)).unwrap();
    fs::hard_link(at("a/file"), at("linked")).unwrap();
    symlink("nowhere", at("link")).unwrap();
    fs::hard_link(at("link"), at("link2")).unwrap();
    mknodat(CWD, at("fifo"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    fs::hard_link(at("fifo"), at("a/fifo2")).unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    fs::write(root.path().join(OsStr::from_bytes(b"\xff\n\xfe")), "odd").unwrap();
    let walk = walked(root.path(), &WalkOptions::default());
    let expected = [
        "a/",
        "a/b/",
        "a/b/deep",
        "a/empty/",
        "a/fifo2",
        "a/file",
        "fifo",
        "link",
        "link2",
        "linked",
        "socket",
        r"\xff\n\xfe",
    ];
    assert_eq!(paths(&walk.tree), expected);
    assert_eq!(changes(&walk), [""; 0]);
    for pair in [["a/file", "linked"], ["link", "link2"], ["fifo", "a/fifo2"]] {
        assert_eq!(node(&walk, pair[0]), node(&walk, pair[1]));
        assert_eq!(walk.tree.links(node(&walk, pair[0])), 2);
    }
    assert_eq!(*walk.tree.kind(node(&walk, "link")), Kind::Symlink(b"nowhere"[..].into()));
    assert_eq!(*walk.tree.kind(node(&walk, "fifo")), Kind::Fifo);
    assert_eq!(*walk.tree.kind(node(&walk, "socket")), Kind::Socket);
    for path in ["", "a", "a/file", "a/empty", "link", "fifo", "socket"] {
        let (meta, stat) =
            (walk.tree.meta(node(&walk, path)), at(path).symlink_metadata().unwrap());
        assert_eq!(u32::from(meta.mode), stat.mode() & 0o7777, "{path}");
        assert_eq!((meta.uid, meta.gid), (stat.uid(), stat.gid()), "{path}");
        assert_eq!(meta.mtime.seconds, stat.mtime(), "{path}");
        assert_eq!(i64::from(meta.mtime.nanos), stat.mtime_nsec(), "{path}");
        assert_eq!(i64::from(meta.ctime.nanos), stat.ctime_nsec(), "{path}");
        assert!(meta.crtime <= meta.ctime, "{path}");
    }
}

#[test]
fn holes_and_long_files_cost_nothing() {
    let root = tree_of(&["dense"]);
    let file = File::create(root.path().join("sparse")).unwrap();
    file.set_len(60 << 30).unwrap();
    file.write_all_at(b"x", 1 << 30).unwrap();
    let walk = walked(root.path(), &WalkOptions::default());
    let Kind::File(data) = walk.tree.kind(node(&walk, "sparse")) else { panic!("a file") };
    assert_eq!(data.size, 60 << 30);
    assert_eq!(data.data.as_deref(), Some(&[DataRange { offset: 1 << 30, len: 4096 }][..]));
    assert_eq!(*walk.tree.kind(node(&walk, "dense")), Kind::File(baler_tree::FileData::dense(5)));
}

#[test]
fn devices_and_attributes_are_found() {
    if !is_root() {
        return;
    }
    let root = tree_of(&["file", "dir/"]);
    let at = |path: &str| root.path().join(path);
    let mknod = |path, kind, major, minor| {
        mknodat(CWD, at(path), kind, Mode::from_raw_mode(0o640), makedev(major, minor)).unwrap();
    };
    mknod("char", FileType::CharacterDevice, 4095, 0xf_ffff);
    mknod("block", FileType::BlockDevice, 259, 3);
    symlink("file", at("link")).unwrap();
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    lsetxattr(at("file"), "security.capability", &capability, XattrFlags::empty()).unwrap();
    for path in ["file", "link", "char", "dir"] {
        lsetxattr(at(path), "trusted.of", path.as_bytes(), XattrFlags::empty()).unwrap();
    }
    let directory = File::open(at("dir")).unwrap();
    rustix::fs::ioctl_setflags(&directory, rustix::fs::IFlags::NOATIME).unwrap();
    let walk = walked(root.path(), &WalkOptions::default());
    let device = |major, minor| Device { major, minor };
    assert_eq!(*walk.tree.kind(node(&walk, "char")), Kind::CharDevice(device(4095, 0xf_ffff)));
    assert_eq!(*walk.tree.kind(node(&walk, "block")), Kind::BlockDevice(device(259, 3)));
    for path in ["file", "link", "char", "dir"] {
        let xattrs = walk.tree.meta(node(&walk, path)).xattrs;
        let found = xattrs.iter().find(|xattr| *xattr.name == *b"trusted.of").expect(path);
        assert_eq!(*found.value, *path.as_bytes());
    }
    let xattrs = walk.tree.meta(node(&walk, "file")).xattrs;
    assert!(
        xattrs
            .iter()
            .any(|xattr| *xattr.name == *b"security.capability" && *xattr.value == capability)
    );
    assert_ne!(walk.tree.meta(node(&walk, "dir")).flags & 0x80, 0);
}

#[test]
fn patterns_leave_out_and_keep() {
    let root = tree_of(&[
        "etc/a.tmp",
        "etc/b",
        "tmp/x/y",
        "var/cache/apt/pkg",
        "var/cache/keep",
        "var/cache/other",
        "srv/old/data",
        "srv/new",
        "home/.bash_history",
        "home/dir.tmp/z",
    ]);
    fs::set_permissions(root.path().join("tmp"), Permissions::from_mode(0o1770)).unwrap();
    let patterns = Patterns::new(
        &["/tmp", "*.tmp", "/var/cache"],
        &["/srv/old"],
        &["/var/cache/keep", ".bash_history"],
    )
    .unwrap();
    let walk = walked(root.path(), &WalkOptions { patterns, ..WalkOptions::default() });
    let expected = [
        "etc/",
        "etc/b",
        "home/",
        "home/.bash_history",
        "home/dir.tmp/",
        "srv/",
        "srv/new",
        "var/",
        "var/cache/",
        "var/cache/keep",
    ];
    assert_eq!(paths(&walk.tree), expected);
    let expected = [
        "tmp: empty directory: excluded by `/tmp`",
        "etc/a.tmp: dropped: excluded by `*.tmp`",
        "home/dir.tmp: empty directory: excluded by `*.tmp`",
        "srv/old: dropped: excluded by `/srv/old`",
        "var/cache/apt: dropped: excluded by `/var/cache`",
        "var/cache/other: dropped: excluded by `/var/cache`",
    ];
    assert_eq!(changes(&walk), expected);
    assert_eq!(walk.tree.meta(node(&walk, "tmp")).mode, 0o1770);
    assert_eq!(walk.tree.entries(node(&walk, "tmp")).count(), 0);
}

#[test]
fn secrets_are_left_out_and_told() {
    let root = tree_of(&[
        "etc/ssh/ssh_host_rsa_key",
        "etc/ssh/sshd_config",
        "etc/machine-id",
        "root/.bash_history",
        "var/lib/dbus/machine-id",
        "var/lib/cloud/instances/i-1/user-data.txt",
        "etc/ssl/ca.pem",
        "etc/owned.key",
        "etc/other.key",
        "srv/id_rsa",
    ]);
    let at = |path: &str| root.path().join(path);
    let key = format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n", "A".repeat(64));
    for path in ["etc/owned.key", "etc/other.key", "srv/id_rsa"] {
        fs::write(at(path), &key).unwrap();
    }
    fs::write(at("etc/ssl/ca.pem"), key.replace("RSA PRIVATE KEY", "CERTIFICATE")).unwrap();
    fs::create_dir_all(at("var/lib/dpkg/info")).unwrap();
    fs::write(at("var/lib/dpkg/info/x.list"), "/etc/owned.key\n").unwrap();
    symlink("/dev/null", at("etc/.bash_history")).unwrap();
    let check = |filter, expected: &[&str]| {
        let patterns = Patterns::new(&[], &[], &["/srv/id_rsa"]).unwrap();
        let options = WalkOptions { filter, patterns, ..WalkOptions::default() };
        let walk = walked(root.path(), &options);
        assert_eq!(changes(&walk), expected, "{filter:?}");
        walk
    };
    let walk = check(
        Filter::Content,
        &[
            "etc/machine-id: emptied: machine id",
            "etc/other.key: dropped: private key (RSA)",
            "etc/ssh/ssh_host_rsa_key: dropped: SSH host key",
            "root/.bash_history: dropped: history of what was typed",
            "var/lib/cloud/instances/i-1/user-data.txt: dropped: instance data of cloud-init",
            "var/lib/dbus/machine-id: dropped: machine id",
        ],
    );
    assert_eq!(
        *walk.tree.kind(node(&walk, "etc/machine-id")),
        Kind::File(baler_tree::FileData::dense(0))
    );
    assert!(walk.tree.find(b"srv/id_rsa").is_some() && walk.tree.find(b"etc/owned.key").is_some());
    let classic = [
        "etc/.bash_history: dropped: the classic filter's `*/.bash_history`",
        "etc/ssl/ca.pem: dropped: the classic filter's `*.pem`",
        "root/.bash_history: dropped: the classic filter's `*/.bash_history`",
    ];
    check(Filter::Classic, &classic);
    check(Filter::None, &[]);
}

#[test]
fn what_must_never_be_there_is_known_under_any_name() {
    let root = tree_of(&["srv/out/part.00", "srv/key", "srv/other"]);
    let at = |path: &str| root.path().join(path);
    fs::hard_link(at("srv/key"), at("srv/key2")).unwrap();
    symlink("key", at("srv/link")).unwrap();
    let never = vec![at("srv/out"), at("srv/link"), at("srv/nothing")];
    let patterns = Patterns::new(&[], &[], &["/srv"]).unwrap();
    let walk = walked(root.path(), &WalkOptions { never, patterns, ..WalkOptions::default() });
    assert_eq!(paths(&walk.tree), ["srv/", "srv/link", "srv/other", "srv/out/"]);
    let expected = [
        "srv/key: dropped: never in an image",
        "srv/key2: dropped: never in an image",
        "srv/out: empty directory: never in an image",
    ];
    assert_eq!(changes(&walk), expected);
}

#[test]
fn what_every_image_has_is_added() {
    let now = Time { seconds: 1_234, nanos: 5 };
    let options = WalkOptions { now, ..WalkOptions::default() };
    let nodes = ["console", "full", "null", "random", "tty", "urandom", "zero"];
    let nodes = nodes.map(|name| format!("dev/{name}"));

    let walk = walked(tree_of(&[]).path(), &options);
    let directories = ["dev", "mnt", "proc", "run", "sys", "tmp"].map(String::from);
    assert_eq!(essential(&walk), [&directories[..], &nodes].concat());
    for (path, mode) in
        [("proc", 0o555), ("tmp", 0o1777), ("dev/console", 0o600), ("dev/null", 0o666)]
    {
        let meta = walk.tree.meta(node(&walk, path));
        assert_eq!((meta.mode, meta.uid, meta.mtime), (mode, 0, now), "{path}");
    }
    let console = Kind::CharDevice(Device { major: 5, minor: 1 });
    assert_eq!(*walk.tree.kind(node(&walk, "dev/console")), console);

    // What is there is kept, even where it is something else.
    let root = tree_of(&["dev/null", "proc/kept", "run/", "var/tmp/"]);
    symlink("var/tmp", root.path().join("tmp")).unwrap();
    let walk = walked(root.path(), &options);
    let mut expected = ["mnt", "sys"].map(String::from).to_vec();
    expected.extend(nodes.into_iter().filter(|path| path != "dev/null"));
    assert_eq!(essential(&walk), expected);
    assert!(walk.tree.find(b"proc/kept").is_some());
    assert_eq!(*walk.tree.kind(node(&walk, "tmp")), Kind::Symlink(b"var/tmp"[..].into()));
}

#[test]
fn every_entry_is_told_with_what_happens_to_it() {
    let root = tree_of(&["a/b", "c.tmp"]);
    let patterns = Patterns::new(&["*.tmp"], &[], &[]).unwrap();
    let options = WalkOptions { patterns, ..WalkOptions::default() };
    let mut told = Vec::new();
    walk(root.path(), &options, &mut |event| {
        told.push(format!("{} {}", event.action, event.path.escape_ascii()));
        Ok(())
    })
    .unwrap();
    let added = told.split_off(4);
    assert_eq!(told, ["kept ", "kept a", "dropped c.tmp", "kept a/b"]);
    assert!(added.iter().all(|line| line.starts_with("added ")) && added.len() == 13);

    let stop = &mut |event: WalkEvent<'_>| match event.path {
        b"a" => Err(io::ErrorKind::BrokenPipe.into()),
        _ => Ok(()),
    };
    assert!(matches!(walk(root.path(), &options, stop), Err(WalkError::Stopped(_))));
    let nowhere = walk(&root.path().join("nowhere"), &options, &mut |_| Ok(()));
    assert!(matches!(nowhere, Err(WalkError::Root { .. })));
}
