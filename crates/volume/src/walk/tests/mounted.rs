//! Mounts are told as text: nothing is mounted. So each has the device number that the directory has anyway, unless the
//! test is about that.

use super::*;

/// A line of `mountinfo` for a directory of a tree.
fn line(root: &Path, path: &str, device: Device, rest: &str) -> String {
    let point = root.canonicalize().unwrap().join(path);
    format!("9 1 {}:{} / {} rw - {rest}\n", device.major, device.minor, point.display())
}

fn device_of(root: &Path) -> Device {
    let dev = fs::metadata(root).unwrap().dev();
    Device { major: rustix::fs::major(dev), minor: rustix::fs::minor(dev) }
}

fn check(root: &Path, lines: &str, follow: Follow, expected: &[&str]) -> Walk {
    let mounts = Mounts::parse(lines.as_bytes(), |_| None);
    let walk = walked(root, &WalkOptions { mounts, follow, ..WalkOptions::default() });
    assert_eq!(changes(&walk), expected, "{follow:?}");
    walk
}

#[test]
fn what_is_mounted_is_followed_or_an_empty_directory() {
    let root = tree_of(&["home/a", "nfs/b", "proc/c", "image/d", "sub/sys/e", "etc/resolv.conf"]);
    fs::set_permissions(root.path().join("nfs"), Permissions::from_mode(0o750)).unwrap();
    fs::set_permissions(root.path().join("proc"), Permissions::from_mode(0o700)).unwrap();
    let device = device_of(root.path());
    let line = |path, rest| line(root.path(), path, device, rest);
    let lines = [
        line("home", "ext4 /dev/vdb rw"),
        line("nfs", "overlay x rw"),
        line("proc", "proc proc rw"),
        line("sub/sys", "sysfs none rw"),
        line("etc/resolv.conf", "mqueue mqueue rw"),
    ]
    .concat();
    let kernel = [
        "proc: empty directory: mount of proc, `proc`",
        "etc/resolv.conf: emptied: mount of mqueue, `mqueue`",
        "sub/sys: empty directory: mount of sysfs, `none`",
    ];
    let walk = check(root.path(), &lines, Follow::Local, &kernel);
    assert_eq!(walk.tree.entries(node(&walk, "home")).count(), 1);
    assert_eq!(
        *walk.tree.kind(node(&walk, "etc/resolv.conf")),
        Kind::File(baler_tree::FileData::dense(0))
    );
    assert_eq!(walk.tree.entries(node(&walk, "proc")).count(), 0);
    assert_eq!(walk.tree.meta(node(&walk, "proc")).mode, 0o555);
    check(root.path(), &lines, Follow::All, &kernel);
    let all = [
        "home: empty directory: mount of ext4, `/dev/vdb`",
        "nfs: empty directory: mount of overlay, `x`",
        kernel[0],
        kernel[1],
        kernel[2],
    ];
    let walk = check(root.path(), &lines, Follow::OneFileSystem, &all);
    assert_eq!(walk.tree.meta(node(&walk, "nfs")).mode, 0o750);
}

#[test]
fn a_line_that_is_of_another_device_is_not_what_is_seen() {
    let root = tree_of(&["gone/a"]);
    let other = Device { major: 0, minor: 999 };
    let lines = line(root.path(), "gone", other, "nfs server:/x rw");
    let walk = check(root.path(), &lines, Follow::Local, &[]);
    assert!(walk.tree.find(b"gone/a").is_some());
}

#[test]
fn this_machines_interfaces_are_not_walked_through() {
    let mounts = Mounts::of_this_process().unwrap();
    let is_mounted = |path: &str| mounts.iter().any(|mount| mount.point == path.as_bytes());
    if !is_mounted("/proc") || !is_mounted("/dev") {
        println!("SKIPPED: /proc or /dev is no mount here");
        return;
    }
    let never = fs::read_dir("/").unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        (path != Path::new("/proc") && path != Path::new("/dev")).then_some(path)
    });
    let never = never.filter(|path| !path.is_symlink()).collect();
    let follow = Follow::All;
    let mounts = mounts.clone();
    let walk =
        walked(Path::new("/"), &WalkOptions { mounts, follow, never, ..WalkOptions::default() });
    for (path, count, mode) in [("proc", 0, 0o555), ("dev", 7, 0o755)] {
        assert_eq!(walk.tree.entries(node(&walk, path)).count(), count, "{path}");
        assert_eq!(walk.tree.meta(node(&walk, path)).mode, mode, "{path}");
    }
}
