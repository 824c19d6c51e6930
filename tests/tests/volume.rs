//! A root tree becomes an image: what is in it, what is not, and that nothing else happens.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use baler_tests::compare::{Difference, compare};
use baler_tests::{
    FixtureRoot, Mount, Ran, Started, User, baler_binary, capture, command, image, is_root, need,
    run, skip, temporary_directory,
};

/// What every image has, and the file system's own.
const ESSENTIAL: [&str; 7] = ["dev", "lost+found", "mnt", "proc", "run", "sys", "tmp"];

const UUID: &str = "6b1e6c1e-0000-4000-8000-00000000000a";
const SEED: &str = "6b1e6c1e-0000-4000-8000-00000000000b";

/// `baler image ROOT root.img`, about to be run.
fn imaging(user: &User, root: &Path, more: &[&str]) -> Command {
    let mut command = user.baler(["image"]);
    command.arg(root).arg("root.img").args(more);
    command
}

fn image_of(user: &User, root: &Path, more: &[&str]) -> PathBuf {
    capture(&mut imaging(user, root, more)).exits(0).prints("root.img\n");
    check(&user.path("root.img"), 0);
    user.path("root.img")
}

/// A file system has nothing to repair.
fn check(image: &Path, offset: u64) {
    let device = format!("{}?offset={offset}", image.display());
    let checked = run("e2fsck", ["-f", "-n", &device]);
    assert!(!checked.text().contains("Fix?"), "{}", checked.text());
}

/// What debugfs says of an image, which takes no root.
fn debugfs(image: &Path, request: &str) -> String {
    run("debugfs", ["-R", request, image.to_str().expect("a path")]).text()
}

/// The names in a directory of an image.
fn names(image: &Path, directory: &str) -> Vec<String> {
    let listed = debugfs(image, &format!("ls -p {directory}"));
    let names = listed.lines().filter_map(|line| line.split('/').nth(5)).map(str::to_owned);
    let mut names: Vec<_> = names.filter(|name| !matches!(&**name, "." | ".." | "")).collect();
    names.sort();
    names
}

fn mount(image: &Path, at: &Path, options: &str) -> Option<Mount> {
    let options = format!("loop,{options}");
    Mount::new(&["-t", "ext4", "-o", &options, image.to_str().expect("a path")], at)
}

/// Mounted by the kernel, an image is as the tree that it was made of.
fn assert_same(root: &Path, image: &Path, except: &[&str]) {
    let place = temporary_directory();
    let Some(mount) = mount(image, place.path(), "ro,noload") else { return };
    let except: Vec<_> = ESSENTIAL.iter().chain(except).map(Path::new).collect();
    let differences = compare(root, place.path(), &except);
    drop(mount);
    let lines: Vec<_> = differences.iter().take(20).map(Difference::to_string).collect();
    assert!(lines.is_empty(), "{} differences\n{}", differences.len(), lines.join("\n"));
}

#[test]
fn one_of_everything_is_in_the_image_as_it_is() {
    let (user, root) = (User::new(), FixtureRoot::new());
    let image = image_of(&user, root.path(), &[]);
    assert_same(root.path(), &image, &[]);
    assert!(image::stored(&image) < 64 << 20, "holes of 6 GiB take no place");
    assert_eq!(
        names(&image, "/dev"),
        ["console", "full", "null", "random", "tty", "urandom", "zero"]
    );
    for (path, mode) in
        [("proc", "0555"), ("sys", "0555"), ("run", "0755"), ("mnt", "0755"), ("tmp", "01777")]
    {
        assert_eq!(names(&image, path), [""; 0], "{path}");
        let told = debugfs(&image, &format!("stat /{path}"));
        assert!(told.contains(&format!("Mode:  {mode} ")), "{path}: {told}");
    }
}

#[test]
fn an_image_can_be_lived_in() {
    let (user, root) = (User::new(), FixtureRoot::new());
    let image = image_of(&user, root.path(), &["--size", "400"]);
    let place = temporary_directory();
    let Some(mount) = mount(&image, place.path(), "rw") else { return };
    let at = |name: &str| place.path().join(name);
    for name in 0..3000 {
        fs::write(at("wide").join(format!("new-{name}")), "new").expect("room for a file");
    }
    fs::remove_dir_all(at("names")).expect("to remove what was there");
    fs::write(at("sparse/comb"), image::noise(4 << 20, 3)).expect("room in a file");
    drop(mount);
    // A lazy unmount may take a moment.
    baler_tests::until("the file system is written", || {
        let told = capture(command("dumpe2fs").arg("-h").arg(&image));
        !told.text().contains("needs_recovery")
    });
    check(&image, 0);
}

#[test]
fn the_machines_own_trees_are_in_the_image_as_they_are() {
    if !is_root() {
        skip("some of /etc is for root alone");
        return;
    }
    for root in ["/etc", "/usr"].map(Path::new) {
        let user = User::new();
        // Twice what is there must fit, and EC2's limit must be far.
        let used = run("du", ["-sxm", root.to_str().expect("a path")]).text();
        let used: u64 =
            used.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a size");
        let free =
            run("df", ["-m", "--output=avail", user.path("").to_str().expect("a path")]).text();
        let free: u64 = free.lines().nth(1).and_then(|n| n.trim().parse().ok()).expect("a size");
        if used > 8 << 10 || free < used + 1024 {
            skip(&format!("{} has {used} MiB, and there is room for {free}", root.display()));
            continue;
        }
        let more = ["--filter", "none", "--one-file-system", "--partition", "none"];
        let image = image_of(&user, root, &more);
        // What is mounted there is another file system; these change by themselves.
        let mounted = fs::read_to_string("/proc/self/mountinfo").expect("what is mounted");
        let points = mounted.lines().filter_map(|line| line.split(' ').nth(4));
        let mounted = points.filter_map(|point| Path::new(point).strip_prefix(root).ok()?.to_str());
        let except: Vec<_> = mounted.filter(|path| !path.is_empty()).chain(["mtab"]).collect();
        assert_same(root, &image, &except);
    }
}

/// A small tree: paths that end with `/` are directories, others are files that hold their path.
fn tree_of(paths: &[&str]) -> tempfile::TempDir {
    let root = temporary_directory();
    for path in paths {
        let at = root.path().join(path);
        if path.ends_with('/') {
            fs::create_dir_all(at).expect("a directory");
        } else {
            fs::create_dir_all(at.parent().expect("a directory")).expect("a directory");
            fs::write(at, path).expect("a file");
        }
    }
    root
}

/// `baler image ROOT root.img`, about to be run by an ordinary user, who owns the tree and the place.
fn imaging_as_nobody(root: &Path, place: &Path) -> Option<Command> {
    // Where the binary was built may be closed to them.
    let baler = place.join("baler");
    // By another process: a program that is open for writing, as in a child that another test has just forked, cannot be run.
    let paths = [baler_binary(), &baler].map(|path| path.to_str().expect("a path"));
    run("cp", paths);
    let mut command = command(if is_root() { "setpriv" } else { "env" });
    if is_root() {
        if !need(&["setpriv", "chown"]) {
            return None;
        }
        for path in [root, place] {
            run("chown", ["-hR", "65534:65534", path.to_str().expect("a path")]);
        }
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        command.args(["--bounding-set", "-all", "--inh-caps", "-all"]);
    }
    command.env_clear().env("HOME", place).current_dir(place);
    command.arg(&baler).arg("image").arg(root).arg("root.img");
    Some(command)
}

#[test]
fn an_ordinary_user_makes_a_correct_image() {
    let (root, place) = (FixtureRoot::of_a_user(), temporary_directory());
    let Some(mut imaging) = imaging_as_nobody(root.path(), place.path()) else { return };
    capture(&mut imaging).exits(0).prints("root.img\n");
    let image = place.path().join("root.img");
    check(&image, 0);
    let owner = root.path().metadata().expect("the root").uid();
    let told = debugfs(&image, "stat /files/1");
    assert!(told.contains(&format!("User: {owner:5} ")), "{told}");
    assert_same(root.path(), &image, &[]);
}

#[test]
fn what_cannot_be_read_is_refused_or_left_out() {
    let (root, place) = (tree_of(&["open", "closed/file"]), temporary_directory());
    let closed = root.path().join("closed");
    fs::set_permissions(&closed, Permissions::from_mode(0o000)).expect("a mode");
    let imaging = || imaging_as_nobody(root.path(), place.path());
    let Some(mut strict) = imaging() else { return };
    let refused = capture(&mut strict).exits(1).prints_nothing();
    refused.says("closed` is ").says("hint: become root, or pass --tolerate");
    let image = place.path().join("root.img");
    assert!(!image.exists());
    let Some(mut tolerant) = imaging() else { return };
    capture(tolerant.arg("--tolerate")).exits(0).says("/closed");
    check(&image, 0);
    assert!(names(&image, "/").contains(&"open".to_owned()));
    assert_eq!(names(&image, "/closed"), [""; 0]);
    // So that it can be removed.
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).expect("a mode");
}

#[test]
fn patterns_say_what_stays_out() {
    let paths = ["cache/x/y", "cache/keep", "old/a", "log/a.gz", "log/b", "log/c,d", "log/c"];
    let (user, root) = (User::new(), tree_of(&paths));
    let mut more = vec!["--exclude-tree", "/old", "--include", "/cache/keep"];
    // A comma is part of a name.
    for pattern in ["/cache/*", "*.gz", "/log/c,*"] {
        more.extend(["--exclude", pattern]);
    }
    let image = image_of(&user, root.path(), &more);
    assert_eq!(names(&image, "/cache"), ["keep", "x"]);
    assert_eq!(names(&image, "/cache/x"), [""; 0]);
    assert_eq!(names(&image, "/log"), ["b", "c"]);
    assert!(!names(&image, "/").contains(&"old".to_owned()));
    // The list says the same, and makes nothing.
    let list = capture(imaging(&user, root.path(), &more).args(["--list", "--force"])).exits(0);
    for line in [
        "kept            /cache/keep\n",
        "empty directory /cache/x  (excluded by `/cache/*`)\n",
        "dropped         /log/a.gz  (excluded by `*.gz`)\n",
        "dropped         /log/c,d  (excluded by `/log/c,*`)\n",
        "dropped         /old  (excluded by `/old`)\n",
        "added           /proc  (needed in every image)\n",
    ] {
        assert!(list.text().contains(line), "{line}{}", list.text());
    }
    assert!(!list.text().contains("/old/a") && !list.text().contains("/cache/x/y"));
    capture(&mut imaging(&user, root.path(), &["--exclude", "[", "--force"])).exits(2);
}

#[test]
fn secrets_stay_out_and_are_reported() {
    let (user, root) = (User::new(), tree_of(&["srv/u/.bash_history", "etc/ssl/ca.pem", "kept"]));
    let key = fs::read(baler_tests::fixture::key("user")).expect("a key");
    fs::write(root.path().join("srv/u/anything"), &key).expect("a file");
    fs::write(root.path().join("srv/u/wanted"), &key).expect("a file");
    let certificate = fs::read(baler_tests::fixture::certificate("user")).expect("a certificate");
    fs::write(root.path().join("etc/ssl/ca.pem"), certificate).expect("a file");
    let more = ["--include", "/srv/u/wanted", "--report", "report.json"];
    let image = image_of(&user, root.path(), &more);
    assert_eq!(names(&image, "/srv/u"), ["wanted"]);
    assert_eq!(names(&image, "/etc/ssl"), ["ca.pem"]);
    let report = fs::read_to_string(user.path("report.json")).expect("the report");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    let changes = report["changes"].as_array().expect("changes");
    let secrets: Vec<_> = changes
        .iter()
        .filter(|change| change["reason"] == "secret")
        .map(|change| (change["path"].as_str().unwrap(), change["action"].as_str().unwrap()))
        .collect();
    assert_eq!(secrets.len(), 2, "{report}");
    assert!(secrets.contains(&("/srv/u/anything", "dropped")), "{secrets:?}");
    assert!(secrets.contains(&("/srv/u/.bash_history", "dropped")), "{secrets:?}");
    // Nobody has to have the same taste.
    let image = image_of(&user, root.path(), &["--filter", "none", "--force"]);
    assert_eq!(names(&image, "/srv/u"), [".bash_history", "anything", "wanted"]);
}

#[test]
fn the_image_and_the_bundle_are_not_in_themselves() {
    let (user, root) = (User::new(), tree_of(&["a"]));
    let at = |name: &str| root.path().join(name);
    let mut command = user.baler(["image"]);
    capture(command.arg(root.path()).arg(at("root.img"))).exits(0);
    check(&at("root.img"), 0);
    assert!(!names(&at("root.img"), "/").contains(&"root.img".to_owned()));
    fs::create_dir(at("out")).expect("a directory");
    let (tree, out) = (at("").display().to_string(), at("out").display().to_string());
    user.bundle(&tree, &out, &["--name", "root"]).exits(0);
    let back = user.path("back.img");
    user.unbundle(&format!("{out}/root.manifest.xml"), "back.img", &[]).exits(0);
    check(&back, 0);
    assert_eq!(names(&back, "/out"), [""; 0]);
}

#[test]
fn the_same_tree_gives_the_same_bytes() {
    let (user, root) = (User::new(), FixtureRoot::new());
    let epoch = ("SOURCE_DATE_EPOCH", "1700000000");
    let fixed = ["--uuid", UUID, "--hash-seed", SEED];
    let mut made = Vec::new();
    for _ in 0..2 {
        capture(imaging(&user, root.path(), &fixed).envs([epoch])).exits(0);
        made.push(user.path(format!("{}.img", made.len())));
        fs::rename(user.path("root.img"), &made[made.len() - 1]).expect("another name");
        // The next second's times would be others.
        std::thread::sleep(Duration::from_millis(1100));
    }
    image::assert_same(&made[0], &made[1]);
    // A bundle of the tree holds them too.
    let root_path = root.path().to_str().expect("a path");
    let mut bundling = user.bundling(root_path, "out");
    capture(bundling.args(["--name", "root", "--level", "fast"]).args(fixed).envs([epoch]))
        .exits(0);
    user.unbundle("out/root.manifest.xml", "back.img", &[]).exits(0);
    image::assert_same(&made[0], &user.path("back.img"));
    let told = run("dumpe2fs", ["-h", made[0].to_str().expect("a path")]).text();
    assert!(told.contains(UUID) && told.contains(SEED), "{told}");
}

#[test]
fn a_dry_run_says_what_would_be_and_does_nothing() {
    let (user, root) = (User::new(), tree_of(&["a/b"]));
    let before = user.list("");
    let plan = ["--dry-run", "--json", "--label", "root", "--uuid", UUID, "--size", "200"];
    let ran = capture(&mut imaging(&user, root.path(), &plan)).exits(0);
    let told = ran.json();
    assert_eq!(
        (&told["size"], &told["partition"]),
        (&(200 << 20).into(), &"none".into()),
        "{told}"
    );
    assert_eq!(told["file_system"]["uuid"], UUID);
    assert_eq!(told["file_system"]["label"], "root");
    assert_eq!(user.list(""), before);
    // It says what comes to be.
    let image = image_of(&user, root.path(), &["--label", "root", "--uuid", UUID, "--size", "200"]);
    assert_eq!(image.metadata().expect("the image").len(), 200 << 20);
    let told = run("dumpe2fs", ["-h", image.to_str().expect("a path")]).text();
    assert!(told.contains(UUID) && told.contains("volume name:   root\n"), "{told}");
}

#[test]
fn what_has_no_room_is_refused_with_the_size_that_has() {
    let (user, root) = (User::new(), tree_of(&["a"]));
    fs::write(root.path().join("large"), image::noise(20 << 20, 1)).expect("a file");
    let refused = capture(&mut imaging(&user, root.path(), &["--size", "8"])).exits(1);
    let (_, hint) = refused.stderr.split_once("hint: pass --size ").expect("a hint");
    let size = hint.split(' ').next().expect("a size").to_owned();
    assert_eq!(user.list(""), [""; 0]);
    image_of(&user, root.path(), &["--size", &size]);
    // It is an estimate, but not a wasteful one.
    assert!((22..40).contains(&size.parse().expect("a number")), "{size}");
}

#[test]
fn disks_have_tables_that_others_read() {
    if !need(&["sfdisk"]) {
        return;
    }
    let (user, root) = (User::new(), tree_of(&["a/b"]));
    for (table, label) in [("mbr", "dos"), ("gpt", "gpt")] {
        let more = ["--partition", table, "--bootloader", "none", "--force"];
        capture(&mut imaging(&user, root.path(), &more)).exits(0);
        let image = user.path("root.img");
        let told = run("sfdisk", ["--json", image.to_str().expect("a path")]).text();
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!(told["partitiontable"]["label"], label);
        let partitions = told["partitiontable"]["partitions"].as_array().expect("partitions");
        let root = partitions.iter().max_by_key(|partition| partition["size"].as_u64());
        let start = root.and_then(|root| root["start"].as_u64()).expect("a root");
        check(&image, start * 512);
        let verified = run("sfdisk", ["--verify", image.to_str().expect("a path")]);
        assert!(verified.text().contains("No errors detected"), "{}", verified.text());
    }
}

#[test]
fn a_tree_that_changes_meanwhile_gives_a_whole_image() {
    let (user, root) = (User::new(), tree_of(&["busy/", "still"]));
    for name in 0..300 {
        let data = image::noise(200_000, name);
        fs::write(root.path().join(format!("busy/{name}")), data).expect("a file");
    }
    let mut started = Started::new(&mut imaging(&user, root.path(), &[]));
    let mut turn = 0_u64;
    while !started.has_ended() {
        let at = |name: u64| root.path().join(format!("busy/{}", name % 300));
        fs::write(at(turn), image::noise((turn % 7 * 50_000) as usize, turn)).expect("a file");
        let _ = fs::remove_file(at(turn * 7));
        let _ = fs::rename(at(turn * 11), at(turn * 13));
        turn += 1;
    }
    started.finish().exits(0);
    check(&user.path("root.img"), 0);
    assert_eq!(debugfs(&user.path("root.img"), "cat /still"), "still");
}

/// The processes that one has started.
fn children(of: &Path) -> String {
    let tasks = fs::read_dir(of.join("task")).into_iter().flatten().flatten();
    tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok()).collect()
}

#[test]
fn nothing_is_mounted_and_no_process_started() {
    let (user, root) = (User::new(), FixtureRoot::new());
    let root_path = root.path().to_str().expect("a path");
    let mut command = user.bundling(root_path, "out");
    let mut started = Started::new(command.args(["--name", "root"]));
    let loops = || {
        let devices = fs::read_dir("/sys/block").into_iter().flatten().flatten();
        let backing = devices.map(|device| device.path().join("loop/backing_file"));
        backing.filter_map(|file| fs::read_to_string(file).ok()).collect::<String>()
    };
    let opened = |process: &Path| -> Vec<PathBuf> {
        let files = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).collect()
    };
    let own = user.path("");
    let places = [root_path, own.to_str().expect("a path")];
    while !started.has_ended() {
        let process = started.proc();
        assert_eq!(children(&process), "");
        // Others on the machine may mount what they like: only what has to do with this is looked for.
        let mounted = fs::read_to_string("/proc/mounts").expect("what is mounted") + &loops();
        let found = places.iter().find(|place| mounted.contains(place.trim_end_matches('/')));
        assert_eq!(found, None, "{mounted}");
        let devices: Vec<_> = opened(&process)
            .into_iter()
            .filter(|file| file.to_string_lossy().starts_with("/dev/loop"))
            .collect();
        assert!(devices.is_empty(), "{devices:?}");
    }
    let Ran { code, stderr, .. } = started.finish();
    assert_eq!(code, Some(0), "{stderr}");
}

#[test]
fn what_ends_it_leaves_nothing_with_a_final_name() {
    let (user, root) = (User::new(), tree_of(&["a"]));
    fs::write(root.path().join("large"), image::noise(96 << 20, 1)).expect("a file");
    for (signal, most) in [("INT", 0), ("KILL", 1)] {
        let mut started = Started::new(&mut imaging(&user, root.path(), &[]));
        let partial = |name: &String| name.starts_with(".root.img.") && name.ends_with(".partial");
        baler_tests::until("it writes", || {
            user.list("").iter().any(partial) || started.has_ended()
        });
        started.signal(signal);
        let ran = started.finish();
        if ran.code == Some(0) {
            skip("the image was made before it could be ended");
            return;
        }
        let files = user.list("");
        assert!(files.len() <= most && files.iter().all(partial), "{signal}: {files:?}");
    }
}
