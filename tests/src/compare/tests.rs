use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use rustix::fs::{
    IFlags, Timespec, Timestamps, XattrFlags, ioctl_setflags, lremovexattr, lsetxattr, makedev,
    mknodat, utimensat,
};
use tempfile::TempDir;

use super::*;
use crate::{is_root, skip};

/// What the times of all that was just made become.
const TIME: Timespec = Timespec { tv_sec: 1_000_000_000, tv_nsec: 123_456_789 };

fn set_time(path: &Path, time: Timespec) {
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn settle(path: &Path) {
    if fs::symlink_metadata(path).unwrap().is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| settle(&entry.unwrap().path()));
    }
    if statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).unwrap().st_mtime > 1_500_000_000 {
        set_time(path, TIME);
    }
}

fn make(root: &Path) {
    fs::create_dir(root.join("a")).unwrap();
    fs::write(root.join("a/file"), "data").unwrap();
    fs::write(root.join("a/other"), "data").unwrap();
    fs::hard_link(root.join("a/file"), root.join("linked")).unwrap();
    symlink("nowhere", root.join("link")).unwrap();
    mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let sparse = File::create(root.join("sparse")).unwrap();
    sparse.write_all_at(&[1; 4096], 1 << 20).unwrap();
    sparse.set_len(8 << 30).unwrap();
}

fn two(more: impl Fn(&Path)) -> [TempDir; 2] {
    [(); 2].map(|()| {
        let root = crate::temporary_directory();
        make(root.path());
        more(root.path());
        settle(root.path());
        root
    })
}

fn differences([one, other]: &[TempDir; 2], except: &[&str]) -> Vec<String> {
    let except: Vec<_> = except.iter().map(Path::new).collect();
    compare(one.path(), other.path(), &except).iter().map(Difference::to_string).collect()
}

/// One change in a copy is found, and nothing else.
fn check(more: impl Fn(&Path), change: impl Fn(&Path), expected: &[&str]) {
    let roots = two(more);
    assert_eq!(differences(&roots, &[]), [""; 0]);
    change(roots[1].path());
    settle(roots[1].path());
    assert_eq!(differences(&roots, &[]), expected);
}

fn set(path: &Path, name: &str, value: &[u8]) {
    lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

fn nothing(_: &Path) {}

#[test]
fn names_and_types() {
    let remove = |root: &Path| fs::remove_file(root.join("a/other")).unwrap();
    check(nothing, remove, &["/a/other: only in the one tree"]);
    let odd = |root: &Path| {
        fs::write(root.join(std::ffi::OsStr::from_bytes(b"\xff\n")), "").unwrap();
    };
    check(nothing, odd, &[r"/\xff\n: only in the other tree"]);
    let replace = |root: &Path| {
        fs::remove_file(root.join("fifo")).unwrap();
        fs::write(root.join("fifo"), "").unwrap();
    };
    check(nothing, replace, &["/fifo: type: Fifo and RegularFile"]);
    let relink = |root: &Path| {
        fs::remove_file(root.join("link")).unwrap();
        symlink("nowhere2", root.join("link")).unwrap();
    };
    check(nothing, relink, &["/link: target: nowhere and nowhere2"]);
}

#[test]
fn modes_times_and_flags() {
    let mode = |root: &Path| {
        fs::set_permissions(root.join("a"), Permissions::from_mode(0o1755)).unwrap();
    };
    let plain = |root: &Path| {
        fs::set_permissions(root.join("a"), Permissions::from_mode(0o755)).unwrap();
    };
    check(plain, mode, &["/a: mode: 0755 and 1755"]);
    let time = |path: &'static str| {
        move |root: &Path| set_time(&root.join(path), Timespec { tv_nsec: 123_456_788, ..TIME })
    };
    let expected = |path| format!("{path}: time: 1000000000.123456789 and 1000000000.123456788");
    for (path, told) in [("link", "/link"), ("a", "/a"), ("", "/"), ("fifo", "/fifo")] {
        check(nothing, time(path), &[&expected(told)]);
    }
    let flags = |root: &Path| {
        let file = File::open(root.join("a/other")).unwrap();
        ioctl_setflags(&file, ioctl_getflags(&file).unwrap() | IFlags::NODUMP).unwrap();
    };
    match ioctl_getflags(File::open(crate::temporary_directory().path()).unwrap()) {
        Ok(_) => check(nothing, flags, &["/a/other: flags: 0x0 and 0x40"]),
        Err(error) => skip(&format!("flags of files: {error}")),
    }
}

#[test]
fn data_holes_and_links() {
    let longer = |root: &Path| fs::write(root.join("a/other"), "data2").unwrap();
    check(nothing, longer, &["/a/other: length: 4 and 5"]);
    let other = |root: &Path| {
        let sparse = File::options().write(true).open(root.join("sparse")).unwrap();
        sparse.write_all_at(&[2], (7 << 30) + 5).unwrap();
    };
    check(nothing, other, &["/sparse: data, from byte 7516192773 on"]);
    let filled = |root: &Path| {
        let sparse = File::options().write(true).open(root.join("sparse")).unwrap();
        sparse.write_all_at(&[0; 128 << 10], 0).unwrap();
    };
    let roots = two(nothing);
    filled(roots[1].path());
    settle(roots[1].path());
    let found = differences(&roots, &[]);
    assert!(found.len() == 1 && found[0].starts_with("/sparse: holes: 4096 bytes"), "{found:?}");
    let split = |root: &Path| {
        fs::remove_file(root.join("linked")).unwrap();
        fs::write(root.join("linked"), "data").unwrap();
    };
    check(nothing, split, &["/linked: a link to an earlier file in the one tree only"]);
    let joined = |root: &Path| {
        fs::remove_file(root.join("a/other")).unwrap();
        fs::hard_link(root.join("a/file"), root.join("a/other")).unwrap();
    };
    check(nothing, joined, &["/a/other: a link to an earlier file in the other tree only"]);
}

#[test]
fn attributes() {
    let probe = crate::temporary_directory();
    if lsetxattr(probe.path(), "user.x", b"", XattrFlags::empty()).is_err() {
        skip("this file system has no extended attributes");
        return;
    }
    let with = |root: &Path| set(&root.join("a"), "user.x", b"1\xff");
    let told = |what: &str| format!("/a: attribute user.x: {what}");
    let changed = |root: &Path| set(&root.join("a"), "user.x", b"");
    check(with, changed, &[&told(r"`1\xff` and ``")]);
    let gone = |root: &Path| lremovexattr(root.join("a"), "user.x").unwrap();
    check(with, gone, &[&told(r"`1\xff` and nothing")]);
    check(nothing, with, &[&told(r"nothing and `1\xff`")]);
    let long = |last| {
        move |root: &Path| set(&root.join("a"), "user.x", &[&[b'x'; 999][..], &[last]].concat())
    };
    let roots = two(long(1));
    long(2)(roots[1].path());
    settle(roots[1].path());
    assert_eq!(differences(&roots, &[]).len(), 1);
}

#[test]
fn what_root_sets() {
    if !is_root() {
        skip("owners, devices and trusted attributes take root");
        return;
    }
    let owner = |root: &Path| chown(root.join("a/other"), Some(7), None).unwrap();
    check(nothing, owner, &["/a/other: owner: 0 and 7"]);
    let group = |root: &Path| {
        rustix::fs::chownat(
            CWD,
            root.join("link"),
            None,
            Some(rustix::fs::Gid::from_raw(8)),
            AtFlags::SYMLINK_NOFOLLOW,
        )
        .unwrap()
    };
    check(nothing, group, &["/link: group: 0 and 8"]);
    let device = |minor| {
        move |root: &Path| {
            let _ = fs::remove_file(root.join("device"));
            let mode = Mode::from_raw_mode(0o600);
            let number = makedev(5, minor);
            mknodat(CWD, root.join("device"), FileType::CharacterDevice, mode, number).unwrap();
        }
    };
    check(device(1), device(300), &["/device: device: 5:1 and 5:300"]);
    for path in ["link", "fifo", "a/other"] {
        let trusted = |root: &Path| set(&root.join(path), "trusted.x", b"t");
        let expected = format!("/{path}: attribute trusted.x: nothing and `t`");
        check(nothing, trusted, &[&expected]);
    }
    let capability = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let capable = |root: &Path| set(&root.join("a/other"), "security.capability", &capability);
    let expected = r"/a/other: attribute security.capability: nothing and `\x01\x00\x00\x02\x00 \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00`";
    check(nothing, capable, &[expected]);
    let acl = [2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 7, 0, 0, 0];
    let acl =
        [&acl[..], &[4, 0, 4, 0, 255, 255, 255, 255, 16, 0, 4, 0, 255, 255, 255, 255]].concat();
    let acl = [&acl[..], &[32, 0, 4, 0, 255, 255, 255, 255]].concat();
    let roots = two(nothing);
    set(&roots[1].path().join("a/other"), "system.posix_acl_access", &acl);
    settle(roots[1].path());
    let found = differences(&roots, &[]);
    assert!(found.iter().any(|text| text.contains("system.posix_acl_access")), "{found:?}");
}

#[test]
fn what_is_excepted_is_not_looked_at() {
    let roots = two(nothing);
    fs::remove_file(roots[1].path().join("a/other")).unwrap();
    fs::write(roots[1].path().join("new"), "").unwrap();
    settle(roots[1].path());
    assert_eq!(differences(&roots, &["/a", "new"]), [""; 0]);
    assert_eq!(differences(&roots, &["a/other"]), ["/new: only in the other tree"]);
    let missing = compare(roots[0].path(), &roots[1].path().join("gone"), &[]);
    assert_eq!(missing.len(), 1, "{missing:?}");
}
