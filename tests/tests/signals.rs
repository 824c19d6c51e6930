//! Ctrl-C and its kin: a message, the code 130, and nothing half-made.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Stdio;

use baler_tests::{Ran, Started, User, fixture, image, until};

/// Its number, on every Linux.
const TERM: u32 = 15;

const MESSAGE: &str = "error: interrupted; nothing unfinished was left under its final name";

/// A bundling of 64 MiB that come through a pipe, of which it has had the first few.
fn bundling(user: &User, more: &[&str]) -> (Started, std::process::ChildStdin) {
    let mut command = user.bundling("-", "out");
    command.args(["--name", "disk", "--size", "64MiB"]).args(more).stdin(Stdio::piped());
    let mut started = Started::new(&mut command);
    let mut stdin = started.child.stdin.take().expect("a pipe");
    // Far more than a pipe holds: when this returns, most of it was read.
    stdin.write_all(&image::noise(4 << 20, 1)).expect("it reads");
    (started, stdin)
}

fn interrupted(ran: Ran) {
    ran.exits(130).says(MESSAGE).prints_nothing();
}

#[test]
fn a_bundling_that_waits_for_its_input_is_interrupted() {
    for signal in ["INT", "TERM", "HUP"] {
        let user = User::new();
        // The pipe stays open: nothing but the signal ends this.
        let (started, _stdin) = bundling(&user, &[]);
        assert_eq!(user.list("out").len(), 1, "it is on its way");
        started.signal(signal);
        interrupted(started.finish());
        assert_eq!(user.list("out"), [""; 0], "{signal}");
    }
}

#[test]
fn an_overwriting_that_is_interrupted_leaves_the_old_bundle() {
    let user = User::new();
    image::write(&user.path("disk"), 1 << 20, &[(0, b"boot")]);
    user.bundle("disk", "out", &[]).exits(0);
    let before = fs::read(user.path("out/disk.manifest.xml")).expect("the manifest");
    let (started, _stdin) = bundling(&user, &["--force"]);
    started.signal("INT");
    interrupted(started.finish());
    assert_eq!(user.list("out"), ["disk.manifest.xml", "disk.part.0"]);
    assert!(fs::read(user.path("out/disk.manifest.xml")).expect("the manifest") == before);
    user.verify("out/disk.manifest.xml", &[]).exits(0);
}

#[test]
fn an_unbundling_into_a_pipe_that_nobody_reads_is_interrupted() {
    for signal in ["INT", "TERM", "HUP"] {
        let user = User::new();
        image::write(&user.path("disk"), 4 << 20, &[(0, &image::noise(4 << 20, 2))]);
        user.bundle("disk", "out", &[]).exits(0);
        let mut started = Started::new(&mut user.unbundling("out/disk.manifest.xml", "-"));
        let mut stdout = started.child.stdout.take().expect("a pipe");
        stdout.read_exact(&mut [0; 1000]).expect("the beginning");
        started.signal(signal);
        until("it ends", || started.has_ended());
        drop(stdout);
        started.finish().exits(130).says(MESSAGE);
    }
}

/// Interrupts a command when something unfinished is to be seen. Should it be too fast for that, it is tried again.
fn interrupt_when_begun(signal: &str, run: impl Fn() -> (Started, PathBuf), left: impl Fn()) {
    for _ in 0..20 {
        let (mut started, directory) = run();
        let begun = || {
            let mut entries = fs::read_dir(&directory).into_iter().flatten().flatten();
            entries.any(|entry| entry.file_name().to_string_lossy().ends_with(".partial"))
        };
        until("it begins", || begun() || started.has_ended());
        if !started.has_ended() {
            started.signal(signal);
        }
        let ran = started.finish();
        if ran.code != Some(0) {
            interrupted(ran);
            return left();
        }
    }
    panic!("it was done each time before it could be interrupted");
}

#[test]
fn work_on_a_large_image_is_interrupted() {
    let user = User::new();
    let noise = image::noise(8 << 20, 3);
    let data: Vec<_> = (0..12).map(|i| (i * (8 << 20), noise.as_slice())).collect();
    image::write(&user.path("disk"), 96 << 20, &data);
    user.bundle("disk", "whole", &["--level", "fast"]).exits(0);
    let bundle = "whole/disk.manifest.xml";
    for signal in ["INT", "TERM"] {
        interrupt_when_begun(
            signal,
            || {
                fs::remove_dir_all(user.path("out")).ok();
                let mut command = user.bundling("disk", "out");
                (Started::new(command.args(["--level", "best"])), user.path("out"))
            },
            || assert_eq!(user.list("out"), [""; 0]),
        );
        interrupt_when_begun(
            signal,
            || {
                fs::remove_file(user.path("back")).ok();
                (Started::new(&mut user.unbundling(bundle, "back")), user.path(""))
            },
            || assert_eq!(user.list(""), ["disk", "whole"]),
        );
    }
}

/// A key that comes through a pipe may never come.
#[test]
fn waiting_for_a_key_is_interrupted() {
    for signal in ["INT", "TERM"] {
        let user = User::new();
        baler_tests::run("mkfifo", [user.path("key")]);
        let mut command = user.baler(["verify", "--key", "key"]);
        let mut started = Started::new(command.arg(fixture::ALL[0].manifest()));
        started.wait_until_it_catches(TERM);
        started.signal(signal);
        until("it ends", || started.has_ended());
        started.finish().exits(130).prints_nothing();
    }
}

/// The search for a large key does not look for signals: the first one alone would let it end, and write the key.
#[test]
fn a_second_signal_ends_it_at_once() {
    for (first, second) in [("INT", "INT"), ("TERM", "INT")] {
        let user = User::new();
        let new = ["keys", "new", "--bits", "4096", "--key", "key", "--cert", "cert"];
        // Now and then a key is found at once.
        for left in (0..10).rev() {
            let mut started = Started::new(&mut user.baler(new));
            started.wait_until_it_catches(TERM);
            started.signal(first);
            started.signal(second);
            let ran = started.finish();
            if ran.code == Some(130) {
                ran.prints_nothing();
                assert_eq!(user.list(""), [""; 0]);
                break;
            }
            assert!(left > 0, "the second signal did not end it: {}", ran.text());
            for name in ["key", "cert"] {
                fs::remove_file(user.path(name)).ok();
            }
        }
    }
}

/// `nohup baler bundle …`, after the terminal is closed.
#[test]
fn what_is_ignored_stays_ignored() {
    let user = User::new();
    let mut shell = user.command("sh");
    let baler = user.bundling("-", "out");
    shell
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh"])
        .arg(baler.get_program())
        .args(baler.get_args());
    shell.args(["--name", "disk", "--size", "4MiB"]).stdin(Stdio::piped());
    let mut started = Started::new(&mut shell);
    started.wait_until_it_catches(TERM);
    started.signal("HUP");
    let mut stdin = started.child.stdin.take().expect("a pipe");
    stdin.write_all(&image::noise(4 << 20, 1)).expect("it still reads");
    drop(stdin);
    started.finish().exits(0).prints("out/disk.manifest.xml");
    user.verify("out/disk.manifest.xml", &[]).exits(0);
}

/// Nobody cleans up after `kill -9`.
#[test]
fn what_a_killed_run_leaves_does_not_stand_in_the_way() {
    let user = User::new();
    let (started, stdin) = bundling(&user, &[]);
    started.signal("KILL");
    drop(stdin);
    let ran = started.finish();
    assert_eq!(ran.signal, Some(9));
    let left = user.list("out");
    assert!(
        left.iter().all(|name| name.starts_with(".disk.") && name.ends_with(".partial")),
        "{left:?}"
    );
    image::write(&user.path("disk"), 1 << 20, &[(0, b"boot")]);
    user.bundle("disk", "out", &[]).exits(0);
    user.verify("out/disk.manifest.xml", &[]).exits(0);
}
