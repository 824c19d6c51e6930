//! Trees that change while they are walked, and trees that are hard to walk.

use rustix::fs::{AtFlags, OFlags, mkdirat, openat, unlinkat};

use super::*;

/// Walks, and does something when a path is told.
fn walked_while(root: &Path, path: &str, mut act: impl FnMut()) -> Walk {
    walk(root, &WalkOptions::default(), &mut |event| {
        if event.path == path.as_bytes() {
            act();
        }
        Ok(())
    })
    .unwrap()
}

#[test]
fn what_vanishes_is_counted() {
    let root = tree_of(&["a", "b", "c/d", "e/f"]);
    let at = |path: &str| root.path().join(path);
    let walk = walked_while(root.path(), "a", || {
        fs::remove_file(at("b")).unwrap();
        fs::remove_dir_all(at("e")).unwrap();
    });
    assert_eq!(paths(&walk.tree), ["a", "c/", "c/d"]);
    assert_eq!(changes(&walk), ["b: dropped: vanished", "e: dropped: vanished"]);
    assert_eq!((walk.vanished().count(), walk.unreadable().count()), (2, 0));
}

#[test]
fn what_is_replaced_is_not_followed() {
    let outside = tree_of(&["secret"]);
    let root = tree_of(&["a/b/c", "d/e", "f"]);
    let at = |path: &str| root.path().join(path);
    // Told after both directories are in the tree, and before they are visited.
    let walk = walked_while(root.path(), "f", || {
        fs::rename(at("a"), at("moved")).unwrap();
        symlink(outside.path(), at("a")).unwrap();
        fs::rename(at("d"), at("moved2")).unwrap();
        fs::create_dir(at("d")).unwrap();
        fs::write(at("d/new"), "").unwrap();
    });
    assert_eq!(paths(&walk.tree), ["a/", "d/", "f"]);
    assert_eq!(changes(&walk), ["a: empty directory: vanished", "d: empty directory: vanished"]);
}

#[test]
fn a_directory_deep_below_is_reached_again() {
    let root = tree_of(&[]);
    let name = "n".repeat(200);
    let depth = 300;
    let mut directory = openat(CWD, root.path(), OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..depth {
        for side in ["a", "z"] {
            mkdirat(&directory, format!("{side}{name}"), Mode::RWXU).unwrap();
        }
        let below = format!("a{name}");
        directory = openat(&directory, below, OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    openat(&directory, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).unwrap();
    let walk = walked(root.path(), &WalkOptions::default());
    assert_eq!(changes(&walk), [""; 0]);
    assert_eq!(paths(&walk.tree).len(), 2 * depth + 1);
    let deep = format!("a{name}/").repeat(depth) + "file";
    assert!(deep.len() > 60_000 && walk.tree.find(deep.as_bytes()).is_some());

    // From the deepest upwards: no path reaches so far.
    let mut walk = walk;
    let mut buf = [];
    let file = node(&walk, &deep);
    baler_tree::Files::read_at(&mut walk.files, &walk.tree, file, &mut buf, 0).unwrap();
    assert_eq!(walk.files.troubles().list(), []);
    unlinkat(&directory, "file", AtFlags::empty()).unwrap();
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_found() {
    if fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0) {
        println!("SKIPPED: root can read everything");
        return;
    }
    let root = tree_of(&["a/hidden", "b", "c/d", "e/.bash_history"]);
    let at = |path: &str| root.path().join(path);
    for path in ["a", "b", "e/.bash_history"] {
        fs::set_permissions(at(path), Permissions::from_mode(0o0)).unwrap();
    }
    let walk = walked(root.path(), &WalkOptions::default());
    assert_eq!(paths(&walk.tree), ["a/", "c/", "c/d", "e/"]);
    assert_eq!(
        walk.unreadable().map(|change| &change.path[..]).collect::<Vec<_>>(),
        [&b"b"[..], b"a"]
    );
    fs::set_permissions(at("a"), Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn walking_leaves_no_trace() {
    let root = tree_of(&["etc/x.key", "a/b"]);
    let at = |path: &str| root.path().join(path);
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    for path in ["etc/x.key", "a/b", "a", ""] {
        let times = fs::FileTimes::new().set_accessed(old).set_modified(old);
        File::open(at(path)).unwrap().set_times(times).unwrap();
    }
    let mut walk = walked(root.path(), &WalkOptions::default());
    let file = node(&walk, "a/b");
    baler_tree::Files::read_at(&mut walk.files, &walk.tree, file, &mut [0; 3], 0).unwrap();
    for path in ["etc/x.key", "a/b", "a", ""] {
        assert_eq!(fs::metadata(at(path)).unwrap().accessed().unwrap(), old, "{path}");
    }
}

#[test]
fn the_same_tree_is_walked_in_the_same_way() {
    let root = tree_of(&["b/1", "b/2", "a/1", "c", "B", "a.d/x"]);
    let order = |walk: &Walk| {
        let tree = &walk.tree;
        tree.nodes().map(|node| tree.path(node)).collect::<Vec<_>>()
    };
    let first = order(&walked(root.path(), &WalkOptions::default()));
    fs::rename(root.path().join("c"), root.path().join("d")).unwrap();
    fs::rename(root.path().join("d"), root.path().join("c")).unwrap();
    assert_eq!(order(&walked(root.path(), &WalkOptions::default())), first);
    assert_eq!(first[1..6], [&b"B"[..], b"a", b"a.d", b"b", b"c"]);
}
