//! What the new file system is like: as the source's, or as it was said.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use baler_tests::compare::{Difference, compare};
use baler_tests::{FixtureRoot, Mount, User, capture, image, need, run};

/// What every image has, and the file system's own.
const ESSENTIAL: [&str; 7] = ["dev", "lost+found", "mnt", "proc", "run", "sys", "tmp"];

const UUID: &str = "6b1e6c1e-0000-4000-8000-00000000000c";
const SEED: &str = "6b1e6c1e-0000-4000-8000-00000000000d";

/// A user with a small tree, `tree`.
fn user_with_a_tree() -> User {
    let user = User::new();
    fs::create_dir(user.path("tree")).expect("a directory");
    fs::write(user.path("tree/file"), "what is in it").expect("a file");
    user
}

/// `baler image ROOT root.img`, about to be run.
fn imaging(user: &User, root: impl AsRef<Path>, more: &[&str]) -> Command {
    let mut command = user.baler(["image"]);
    command.arg(root.as_ref()).args(["root.img", "--force"]).args(more);
    command
}

fn image_of(user: &User, more: &[&str]) -> PathBuf {
    capture(&mut imaging(user, "tree", more)).exits(0).prints("root.img\n");
    check(&user.path("root.img"));
    user.path("root.img")
}

/// A file system has nothing to repair.
fn check(image: &Path) {
    let checked = run("e2fsck", ["-f", "-n", image.to_str().expect("a path")]);
    assert!(!checked.text().contains("Fix?"), "{}", checked.text());
}

/// What dumpe2fs says of a file system.
struct Dumped(String);

impl Dumped {
    fn new(image: &Path) -> Dumped {
        Dumped(run("dumpe2fs", ["-h", image.to_str().expect("a path")]).text())
    }

    #[track_caller]
    fn get(&self, name: &str) -> &str {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name}\n{}", self.0)).trim()
    }

    #[track_caller]
    fn number(&self, name: &str) -> u64 {
        self.get(name).parse().unwrap_or_else(|_| panic!("{name} is no number\n{}", self.0))
    }

    /// Block size, inode size, default mount options.
    fn format(&self) -> (u64, u64, &str) {
        let mount_options = self.get("Default mount options");
        (self.number("Block size"), self.number("Inode size"), mount_options)
    }
}

#[test]
fn each_option_is_in_the_superblock() {
    let user = user_with_a_tree();
    for (option, name, expected) in [
        ("--block-size=1024", "Block size", "1024"),
        ("--block-size=2048", "Block size", "2048"),
        ("--block-size=4096", "Block size", "4096"),
        ("--inode-size=128", "Inode size", "128"),
        ("--inode-size=256", "Inode size", "256"),
        ("--inode-size=512", "Inode size", "512"),
        ("--inode-size=1024", "Inode size", "1024"),
        ("--inode-size=2048", "Inode size", "2048"),
        ("--inode-size=4096", "Inode size", "4096"),
        ("--reserved-percent=0", "Reserved block count", "0"),
        ("--reserved-percent=0.25", "Reserved block count", "40"),
        ("--reserved-percent=3", "Reserved block count", "491"),
        ("--reserved-percent=50", "Reserved block count", "8192"),
        ("--mount-options=none", "Default mount options", "(none)"),
        ("--mount-options=journal_data", "Default mount options", "journal_data"),
        (
            "--mount-options=acl,user_xattr,journal_data_ordered",
            "Default mount options",
            "journal_data_ordered user_xattr acl",
        ),
        (
            "--mount-options=debug,bsdgroups,user_xattr,acl,uid16,journal_data_writeback,nobarrier,block_validity,discard,nodelalloc",
            "Default mount options",
            "journal_data_writeback debug bsdgroups user_xattr acl uid16 nobarrier block_validity discard nodelalloc",
        ),
    ] {
        let dumped = Dumped::new(&image_of(&user, &[option, "--size=64"]));
        assert_eq!(dumped.get(name), expected, "{option}");
        // The others stay what they are.
        let (block, inode, mount_options) = dumped.format();
        assert!(block == 4096 || name == "Block size", "{option}");
        assert!(inode == 256 || name == "Inode size", "{option}");
        assert!(mount_options == "user_xattr acl" || name.starts_with("Default"), "{option}");
        let reserved = dumped.number("Block count") * 5 / 100;
        let is_usual = dumped.number("Reserved block count") == reserved;
        assert!(is_usual || name.starts_with("Reserved"), "{option}");
    }
    // Nothing is said, and there is no source that says it.
    let dumped = Dumped::new(&image_of(&user, &["--size=64", "--fs-profile=grub-legacy"]));
    assert_eq!(dumped.format(), (4096, 128, "user_xattr acl"));
}

#[test]
fn one_of_everything_is_in_blocks_and_inodes_of_every_size() {
    let (user, root) = (User::new(), FixtureRoot::new());
    for (profile, block, inode) in [
        ("modern", "1024", "128"),
        ("modern", "1024", "1024"),
        ("modern", "2048", "512"),
        ("modern", "4096", "4096"),
        ("grub-legacy", "1024", "256"),
        ("grub-legacy", "2048", "128"),
        ("grub-legacy", "4096", "1024"),
    ] {
        let mut more = vec!["--fs-profile", profile, "--block-size", block, "--inode-size", inode];
        // A small block has no room for some extended attributes, nor for the longest targets.
        let is_small = block != "4096";
        if is_small {
            let refused = capture(&mut imaging(&user, root.path(), &more)).exits(1);
            refused.says("`xattrs/").says("or pass a larger --block-size or --inode-size");
            more.extend(["--exclude-tree", "/xattrs", "--exclude", "/links/symlink-409?"]);
        }
        capture(&mut imaging(&user, root.path(), &more)).exits(0);
        let image = user.path("root.img");
        check(&image);
        let dumped = Dumped::new(&image);
        assert_eq!((dumped.get("Block size"), dumped.get("Inode size")), (block, inode));
        let options = "loop,ro,noload";
        let place = user.path("mounted");
        let path = image.to_str().expect("a path");
        let Some(mount) = Mount::new(&["-t", "ext4", "-o", options, path], &place) else { return };
        let left_out: &[_] =
            if is_small { &["xattrs", "links/symlink-4094", "links/symlink-4095"] } else { &[] };
        let except: Vec<_> = ESSENTIAL.iter().chain(left_out).map(Path::new).collect();
        // An inode of 128 bytes has seconds.
        let differences = compare(root.path(), &place, &except);
        drop(mount);
        let lines: Vec<_> = differences
            .iter()
            .map(Difference::to_string)
            .filter(|line| inode != "128" || !line.contains(": time: "))
            .collect();
        assert_eq!(lines, [""; 0], "{more:?}");
    }
}

/// A file system made by `mke2fs` that no default is like.
fn source(user: &User) {
    image::write(&user.path("source"), 48 << 20, &[]);
    let mut mke2fs = user.command("mke2fs");
    mke2fs.args(["-q", "-F", "-t", "ext4", "-b", "1024", "-I", "512", "-m", "7", "-L", "old"]);
    mke2fs.args(["-U", UUID, "-E", &format!("hash_seed={SEED}"), "source"]);
    capture(&mut mke2fs).exits(0);
    let options = "^acl,^user_xattr,block_validity,journal_data_writeback";
    capture(user.command("tune2fs").args(["-o", options, "source"])).exits(0);
}

#[test]
fn an_option_wins_over_the_source() {
    let user = user_with_a_tree();
    if !need(&["mke2fs", "tune2fs"]) {
        return;
    }
    source(&user);
    let old = Dumped::new(&user.path("source"));
    assert_eq!(old.format(), (1024, 512, "journal_data_writeback block_validity"));
    let kept = Dumped::new(&image_of(&user, &["--boot-disk", "source"]));
    for name in [
        "Filesystem UUID",
        "Filesystem volume name",
        "Directory Hash Seed",
        "Block count",
        "Block size",
        "Inode size",
        "Reserved block count",
        "Default mount options",
    ] {
        assert_eq!(kept.get(name), old.get(name), "{name}");
    }
    for (option, format, reserved) in [
        ("--block-size=4096", (4096, 512, old.get("Default mount options")), 860),
        ("--inode-size=256", (1024, 256, old.get("Default mount options")), 3440),
        ("--reserved-percent=1", (1024, 512, old.get("Default mount options")), 491),
        ("--mount-options=acl,discard", (1024, 512, "acl discard"), 3440),
        ("--mount-options=none", (1024, 512, "(none)"), 3440),
    ] {
        let made = Dumped::new(&image_of(&user, &["--boot-disk", "source", option]));
        assert_eq!(made.format(), format, "{option}");
        assert_eq!(made.number("Reserved block count"), reserved, "{option}");
        assert_eq!(made.get("Filesystem UUID"), UUID, "{option}");
    }
    // Inodes of the source that do not fit into the blocks that are wanted are the usual ones.
    let mut large = user.command("mke2fs");
    large.args(["-q", "-F", "-t", "ext4", "-b", "4096", "-I", "2048", "-i", "4096", "source"]);
    capture(&mut large).exits(0);
    let made = Dumped::new(&image_of(&user, &["--boot-disk", "source", "--block-size=1024"]));
    assert_eq!(made.format(), (1024, 256, "user_xattr acl"));
    // And larger ones than the source's leave room for files, where it has one for each KiB.
    let mut many = user.command("mke2fs");
    many.args(["-q", "-F", "-t", "ext4", "-b", "4096", "-I", "128", "-i", "1024", "source"]);
    capture(&mut many).exits(0);
    image_of(&user, &["--boot-disk", "source", "--inode-size=4096"]);
}

#[test]
fn a_bundle_takes_them_too() {
    let user = user_with_a_tree();
    let format = [
        "--name=root",
        "--size=32",
        "--block-size=2048",
        "--inode-size=512",
        "--reserved-percent=2.5",
        "--mount-options=acl,journal_data_ordered",
    ];
    user.bundle("tree", "out", &format).exits(0);
    user.unbundle("out/root.manifest.xml", "back.img", &[]).exits(0);
    check(&user.path("back.img"));
    let dumped = Dumped::new(&user.path("back.img"));
    assert_eq!(dumped.format(), (2048, 512, "journal_data_ordered acl"));
    assert_eq!(dumped.number("Reserved block count"), (32 << 20) / 2048 / 40);
}

#[test]
fn a_dry_run_shows_them() {
    let user = user_with_a_tree();
    let format = [
        "--size=32",
        "--hash-seed",
        SEED,
        "--block-size=1024",
        "--inode-size=512",
        "--reserved-percent=50",
        "--mount-options=acl,user_xattr,discard",
    ];
    let ran = capture(imaging(&user, "tree", &format).arg("--dry-run")).exits(0);
    ran.prints("blocks        of 1024 bytes, inodes of 512 bytes, 16.0 MiB reserved for root\n")
        .prints("mount options user_xattr,acl,discard\n")
        .prints(&format!("hash seed     {SEED}\n"));
    let ran = capture(imaging(&user, "tree", &format).args(["--dry-run", "--json"])).exits(0);
    let told = &ran.json()["file_system"];
    assert_eq!(told["block_size"], 1024);
    assert_eq!(told["inode_size"], 512);
    assert_eq!(told["reserved"], 16 << 20);
    assert_eq!(told["mount_options"], serde_json::json!(["user_xattr", "acl", "discard"]));
    let none = ["--dry-run", "--mount-options=none"];
    capture(&mut imaging(&user, "tree", &none)).exits(0).prints("mount options none\n");
    assert_eq!(user.list(""), ["tree"]);
}

#[test]
fn what_no_file_system_has_is_refused() {
    let user = user_with_a_tree();
    let sizes = "an inode has at most the size of a block";
    for (options, message) in [
        (&["--block-size=512"][..], "a block has 1024, 2048 or 4096 bytes"),
        (&["--block-size=8192"], "a block has 1024, 2048 or 4096 bytes"),
        (&["--block-size=4KiB"], "a block has 1024, 2048 or 4096 bytes"),
        (&["--inode-size=64"], "an inode has 128, 256, 512, 1024, 2048 or 4096 bytes"),
        (&["--inode-size=300"], "an inode has 128, 256, 512, 1024, 2048 or 4096 bytes"),
        (&["--inode-size=8192"], "an inode has 128, 256, 512, 1024, 2048 or 4096 bytes"),
        (&["--inode-size=4096", "--block-size=2048"], sizes),
        (
            &["--inode-size=2048", "--block-size=1024"],
            "hint: pass --inode-size 1024 or less, or --block-size 2048",
        ),
        (&["--reserved-percent=51"], "the share is a percentage from 0 to 50"),
        (&["--reserved-percent=5%"], "the share is a percentage from 0 to 50"),
        (
            &["--mount-options=noatime"],
            "`noatime` is none of debug, bsdgroups, user_xattr, acl, uid16, journal_data, journal_data_ordered, journal_data_writeback, nobarrier, block_validity, discard, nodelalloc; or `none` alone",
        ),
        (&["--mount-options=acl,"], "`` is none of debug"),
        (&["--mount-options=^acl"], "`^acl` is none of debug"),
        (&["--mount-options=journal_data,journal_data_ordered"], "a journal has one mode"),
    ] {
        let mut imaging = imaging(&user, "tree", options);
        capture(&mut imaging).exits(2).prints_nothing().says(message);
        assert_eq!(user.list(""), ["tree"], "{options:?}");
        let bundled = user.bundle("tree", "out", options);
        bundled.exits(2).prints_nothing().says(message);
        assert_eq!(user.list("out"), [""; 0], "{options:?}");
        // The directory of the bundle may be there.
        let _ = fs::remove_dir(user.path("out"));
    }
    if need(&["mke2fs", "tune2fs"]) {
        source(&user);
        let options = ["--boot-disk=source", "--inode-size=2048"];
        let mut imaging = imaging(&user, "tree", &options);
        capture(&mut imaging)
            .exits(2)
            .says("2048 bytes do not fit into 1024")
            .says("hint: pass --inode-size 1024 or less, or --block-size 2048");
    }
}

#[test]
fn an_image_has_its_format_already() {
    let user = User::new();
    image::write(&user.path("disk"), 1 << 20, &[(0, b"boot")]);
    for option in
        ["--block-size=4096", "--inode-size=256", "--reserved-percent=5", "--mount-options=acl"]
    {
        let (name, _) = option.split_once('=').expect("an option");
        let ran = user.bundle("disk", "out", &[option]).exits(2).prints_nothing();
        ran.says(&format!("{name} is for root trees"));
    }
}

#[test]
fn grub_as_it_was_released_is_remembered() {
    let user = user_with_a_tree();
    let warning = "warning: GRUB 0.97 as it was released reads inodes of 128 bytes alone";
    let legacy = "--fs-profile=grub-legacy";
    let ran = capture(&mut imaging(&user, "tree", &[legacy, "--inode-size=256"])).exits(0);
    ran.says(warning).says("hint: omit --inode-size");
    for options in [&[legacy][..], &[legacy, "--inode-size=128"], &["--inode-size=512"]] {
        capture(&mut imaging(&user, "tree", options)).exits(0).does_not_say(warning);
    }
    if !need(&["mke2fs", "tune2fs"]) {
        return;
    }
    // A source with inodes of 512 bytes shows that its GRUB reads larger ones.
    source(&user);
    let options = [legacy, "--inode-size=256", "--boot-disk=source"];
    capture(&mut imaging(&user, "tree", &options)).exits(0).does_not_say(warning);
}
