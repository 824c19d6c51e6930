//! What is changed on the way into an image, and what is told of it.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::Stdio;

use baler_tests::{
    Ran, Started, User, command, feed, image, is_root, run, skip, temporary_directory,
};

const FSTAB: &str =
    "# mine\nUUID=old / ext4 errors=remount-ro 0 1\n/dev/xvdb /mnt auto defaults 0 2\n";
const UUID: &str = "6b1e6c1e-0000-4000-8000-00000000000a";

fn root() -> tempfile::TempDir {
    let root = temporary_directory();
    fs::create_dir(root.path().join("etc")).expect("a directory");
    fs::write(root.path().join("etc/fstab"), FSTAB).expect("a file");
    root
}

fn imaging(user: &User, root: &Path, more: &[&str]) -> Ran {
    let root = root.to_str().expect("a path");
    user.run([&["image", root, "root.img", "--force", "--uuid", UUID], more].concat())
}

fn fstab(user: &User) -> String {
    let image = user.path("root.img");
    run("debugfs", ["-R", "cat /etc/fstab", image.to_str().expect("a path")]).text()
}

#[test]
fn the_fstab_of_the_image_is_what_was_asked_for() {
    let (user, root) = (User::new(), root());
    imaging(&user, root.path(), &[])
        .exits(0)
        .says("the root will stay read-only")
        .says("--fix-fstab");
    assert_eq!(fstab(&user), FSTAB);

    let ran = imaging(&user, root.path(), &["--fix-fstab"]).exits(0);
    ran.says("`/dev/xvdb /mnt auto defaults 0 2` is dropped");
    assert_eq!(fstab(&user), format!("# mine\nUUID={UUID} / ext4 errors=remount-ro 0 1\n"));

    imaging(&user, root.path(), &["--generate-fstab"]).exits(0);
    assert_eq!(fstab(&user), format!("# Written by baler.\nUUID={UUID} / ext4 defaults 0 1\n"));

    fs::write(user.path("mine"), "LABEL=x / ext4 defaults 0 1\n").expect("a file");
    imaging(&user, root.path(), &["--fstab", "mine", "--label", "x"]).exits(0);
    assert_eq!(fstab(&user), "LABEL=x / ext4 defaults 0 1\n");
    imaging(&user, root.path(), &["--fstab", "none"]).exits(1).says("reading the fstab `none`");
    imaging(&user, root.path(), &["--fstab", "mine", "--fix-fstab"]).exits(2);
    // The tree is as it was.
    assert_eq!(fs::read_to_string(root.path().join("etc/fstab")).expect("the file"), FSTAB);

    fs::remove_file(root.path().join("etc/fstab")).expect("it was there");
    std::os::unix::fs::symlink("nowhere", root.path().join("etc/fstab")).expect("a link");
    imaging(&user, root.path(), &["--generate-fstab"])
        .exits(1)
        .says("`/etc/fstab` in the tree is no file");
}

fn program(user: &User, name: &str, text: &str) {
    // Not by this process: a program that is open for writing, as in a child that another test has just forked, cannot be run.
    let mut write = command("sh");
    write.args(["-c", "cat >\"$0\" && chmod 755 \"$0\""]).arg(user.path(name));
    feed(&mut write, format!("#!/bin/sh\n{text}\n").as_bytes()).exits(0);
}

#[test]
fn a_program_changes_the_image_and_nothing_else() {
    let (user, root) = (User::new(), root());
    imaging(&user, root.path(), &["--script", "none"]).exits(2);
    if !is_root() || !Path::new("/dev/loop-control").exists() {
        skip("running a program on an image wants root and loop devices");
        return;
    }
    fs::create_dir(user.path("victim")).expect("a directory");
    fs::write(user.path("victim/file"), "mine").expect("a file");
    let victim = user.path("victim").display().to_string();
    let mounts = || fs::read_to_string("/proc/mounts").expect("what is mounted");

    program(&user, "good", "echo changed >$1/etc/fstab; echo said");
    imaging(&user, root.path(), &["--script", "./good"]).exits(0).says("said").prints("root.img\n");
    assert_eq!(fstab(&user), "changed\n");

    // What it leaves mounted is other people's: it is let go of, and not emptied.
    program(&user, "leaves", &format!("mount --bind {victim} $1/mnt"));
    imaging(&user, root.path(), &["--script", "./leaves"]).exits(0);
    program(&user, "fails", &format!("mount --bind {victim} $1/mnt; exit 3"));
    let before = fs::read(user.path("root.img")).expect("the image");
    imaging(&user, root.path(), &["--script", "./fails"]).exits(1).says("exit status: 3");
    assert!(fs::read(user.path("root.img")).expect("the image") == before, "the old one is there");
    assert_eq!(fs::read_to_string(user.path("victim/file")).expect("the file"), "mine");
    assert!(!mounts().contains(&*user.path("").to_string_lossy()), "{}", mounts());
    assert_eq!(user.list(""), ["fails", "good", "leaves", "root.img", "victim"]);
    let image = user.path("root.img");
    run("e2fsck", ["-f", "-n", image.to_str().expect("a path")]);
}

#[test]
fn a_report_names_what_changed_and_destroys_nothing() {
    let (user, root) = (User::new(), root());
    // First in the tree, and more than a pipe holds: while nobody reads, what follows is not read yet.
    fs::write(root.path().join("a"), image::noise(8 << 20, 1)).expect("a file");
    for name in ["grows", "shrinks", "vanishes"] {
        fs::write(root.path().join(name), image::noise(100_000, 2)).expect("a file");
    }
    let mut command = user.baler(["image"]);
    command.arg(root.path()).args(["-", "--report", "report.json"]).stdout(Stdio::piped());
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let started = Started::with_stdout(&mut command, Stdio::from(writer));
    drop(command);
    baler_tests::until("the walk is done", || user.path("report.json").exists());
    fs::write(root.path().join("grows"), image::noise(200_000, 3)).expect("a file");
    fs::write(root.path().join("shrinks"), "short").expect("a file");
    fs::remove_file(root.path().join("vanishes")).expect("it was there");
    let reading = std::thread::spawn(move || std::io::copy(&mut &reader, &mut std::io::sink()));
    let ran = started.finish().exits(0).says("/grows grew").says("/shrinks shrank");
    ran.says("/vanishes vanished before it was read");
    reading.join().expect("no panic").expect("the image");
    let report = fs::read_to_string(user.path("report.json")).expect("the report");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    let changed = report["changed_while_read"].as_array().expect("a list");
    let paths: Vec<_> = changed.iter().map(|change| change["path"].as_str()).collect();
    assert_eq!(paths, [Some("/grows"), Some("/shrinks"), Some("/vanishes")]);

    let path = root.path().to_str().expect("a path");
    let again = user.run(["image", path, "new.img", "--report", "report.json"]);
    again.exits(1).says("writing the report `report.json`").says("hint: ");
    assert_eq!(user.list(""), ["report.json"]);
    run("mkfifo", [user.path("pipe")]);
    let pipe = user.path("pipe");
    let reading = std::thread::spawn(move || fs::read_to_string(pipe).expect("the report"));
    user.run(["image", path, "new.img", "--report", "pipe"]).exits(0);
    assert!(reading.join().expect("no panic").contains("\"changes\""));
    assert!(fs::metadata(user.path("pipe")).expect("it is there").file_type().is_fifo());
}

#[test]
fn a_list_is_for_people_or_for_programs() {
    let (user, root) = (User::new(), root());
    let path = root.path().to_str().expect("a path");
    let text = user.run(["image", path, "x.img", "--list", "--exclude", "/etc/fstab"]).exits(0);
    assert!(text.text().contains("dropped         /etc/fstab  (excluded by `/etc/fstab`)"));
    let json = user.run(["image", path, "x.img", "--list", "--json", "--exclude", "/etc/fstab"]);
    let lines = json.exits(0).text();
    let entries: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let dropped = entries.iter().find(|entry| entry["path"] == "/etc/fstab").expect("the file");
    assert_eq!((&dropped["action"], &dropped["reason"]), (&"dropped".into(), &"excluded".into()));
    assert_eq!(user.list(""), [""; 0]);
}
