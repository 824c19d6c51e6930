//! Images through pipes and compressors, and what happens when the other end is gone.

use std::fs::{self, File};
use std::io::pipe;
use std::process::Command;

use baler_tests::fixture;
use baler_tests::{Ran, Started, User, capture, feed, image, need};

const BUNDLE: &str = "out/disk.manifest.xml";

/// A user with the image `disk`, 3 MiB and a bit, of which 1 MiB is data.
fn user() -> User {
    let user = User::new();
    image::write(&user.path("disk"), (3 << 20) + 7, &[(1 << 20, &image::noise(1 << 20, 1))]);
    user
}

fn from_stdin(user: &User, more: &[&str]) -> Command {
    let mut command = user.bundling("-", "out");
    command.args(["--name", "disk", "--force"]).args(more);
    command
}

fn check_comes_back(user: &User) {
    user.unbundle(BUNDLE, "back", &["--force"]).exits(0);
    image::assert_same(&user.path("disk"), &user.path("back"));
    fs::remove_dir_all(user.path("out")).expect("the bundle");
}

#[test]
fn a_compressed_image_is_decompressed_on_the_way() {
    for (program, suffix, name) in [
        ("gzip", "gz", "gzip"),
        ("bzip2", "bz2", "bzip2"),
        ("xz", "xz", "xz"),
        ("zstd", "zst", "zstd"),
    ] {
        if !need(&[program]) {
            continue;
        }
        let user = user();
        let compressed = format!("disk.{suffix}");
        capture(user.command(program).args(["-q", "-k", "disk"])).exits(0);
        let ran = user.bundle(&compressed, "out", &[]).exits(0).prints("out/disk.manifest.xml");
        ran.says(&format!("`{compressed}` is compressed with {name}: the image has 3.0 MiB"));
        check_comes_back(&user);
        // Its zeros are holes again, though no hole was seen.
        assert!(image::stored(&user.path("back")) < 2 << 20);

        // Through standard input, as a file and as a pipe; its magic tells it there too.
        let file = || File::open(user.path(&compressed)).expect("the file");
        let output = from_stdin(&user, &[]).stdin(file()).output().expect("baler");
        assert!(output.status.success(), "{output:?}");
        check_comes_back(&user);
        let bytes = fs::read(user.path(&compressed)).expect("the file");
        feed(&mut from_stdin(&user, &["--size", "3145735B"]), &bytes).exits(0);
        check_comes_back(&user);

        // Cut, it is no image.
        let cut = &bytes[..bytes.len() - 20];
        fs::write(user.path("cut"), cut).expect("a file");
        user.bundle("cut", "out", &[]).exits(1).says("decompressing `cut`").prints_nothing();
        feed(&mut from_stdin(&user, &["--size", "3145735B"]), cut).exits(1).prints_nothing();
        assert_eq!(user.list("out"), [""; 0]);
    }
}

#[test]
fn a_pipe_needs_a_length_and_keeps_to_it() {
    let user = user();
    let disk = fs::read(user.path("disk")).expect("the image");
    let run = |input: &[u8], more: &[&str]| feed(&mut from_stdin(&user, more), input);
    let ran = run(&disk, &[]).exits(2).says("on standard input must be given").prints_nothing();
    ran.says("hint: pass --size with the image's length");
    run(&disk, &["--size", "3145735K"]).exits(2).says("a size has a unit");
    assert_eq!(user.list(""), ["disk"]);

    run(&disk, &["--size", "3145735B"]).exits(0);
    check_comes_back(&user);
    for (size, message) in [
        ("3145736B", "the stream ended after 3145735 bytes, 3145736 were expected"),
        ("3145734B", "the stream is longer than the 3145734 bytes expected"),
        ("100MiB", "the stream ended after 3145735 bytes"),
        ("1KiB", "the stream is longer than"),
    ] {
        run(&disk, &["--size", size]).exits(1).says(message).prints_nothing();
        assert_eq!(user.list("out"), [""; 0], "{size}");
    }
    run(&[], &["--size", "1MiB"]).exits(1).says("the stream ended after 0 bytes");
    run(&disk, &["--size", "0B"]).exits(1).says("has 0 bytes");
    run(&disk, &["--size", "11GiB"]).exits(1).says("EC2 takes at most 10 GiB");
    assert_eq!(user.list("out"), [""; 0]);
}

#[test]
fn standard_input_may_be_a_file() {
    let user = user();
    let run = |more: &[&str]| {
        let file = File::open(user.path("disk")).expect("the image");
        from_stdin(&user, more).stdin(file).output().expect("baler")
    };
    assert!(run(&[]).status.success());
    // Its holes are seen as in any file.
    check_comes_back(&user);
    let output = run(&["--size", "3MiB"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("hint: omit --size"));
    // Without a name there is none that it could get.
    let mut command = user.bundling("-", "out");
    let output = command.stdin(File::open(user.path("disk")).expect("the image")).output();
    let stderr = String::from_utf8(output.expect("baler").stderr).expect("text");
    assert!(stderr.contains("hint: pass --name"), "{stderr}");
}

#[test]
fn an_image_goes_through_a_pipe_both_ways() {
    let user = user();
    user.bundle("disk", "out", &[]).exits(0);
    let ran = user.unbundle(BUNDLE, "-", &[]).exits(0).says("unbundled 3.0 MiB");
    assert!(ran.stdout == fs::read(user.path("disk")).expect("the image"));
    let quiet = user.unbundle(BUNDLE, "-", &["--quiet"]).exits(0);
    assert!(quiet.stdout == ran.stdout);
}

/// Each command that writes to standard output, run with `stdout` there.
fn each_to(stdout: impl Fn() -> std::process::Stdio, check: impl Fn(Ran)) {
    let user = user();
    user.bundle("disk", "out", &[]).exits(0);
    let key = fixture::key("user");
    let key = key.to_str().expect("a path");
    for args in [
        &["inspect", BUNDLE] as &[_],
        &["inspect", BUNDLE, "--json"],
        &["verify", BUNDLE, "--key", key],
        &["verify", BUNDLE, "--key", key, "--json"],
        &["unbundle", BUNDLE, "-", "--key", key],
        &["keys", "check", "--key", key],
        &["completions", "bash"],
        &["man"],
        &["--help"],
        &["bundle", "--help"],
        &["--version"],
    ] {
        let mut command = user.baler(args);
        check(Started::with_stdout(&mut command, stdout()).finish());
    }
}

#[test]
fn a_closed_pipe_is_a_failure_and_not_a_crash() {
    let closed = || {
        let (reader, writer) = pipe().expect("a pipe");
        drop(reader);
        writer.into()
    };
    each_to(closed, |ran| drop(ran.exits(1).says("Broken pipe")));
}

#[test]
fn a_full_disk_behind_standard_output_is_a_failure() {
    let full = || File::options().write(true).open("/dev/full").expect("/dev/full").into();
    each_to(full, |ran| drop(ran.exits(1).says("No space left on device")));
}

/// `baler unbundle BUNDLE - | head -c 1`
#[test]
fn a_pipe_that_is_closed_on_the_way() {
    use std::io::Read;
    let user = user();
    user.bundle("disk", "out", &[]).exits(0);
    let mut started = Started::new(&mut user.unbundling(BUNDLE, "-"));
    let mut stdout = started.child.stdout.take().expect("a pipe");
    stdout.read_exact(&mut [0]).expect("a byte");
    drop(stdout);
    started.finish().exits(1).says("writing the image: Broken pipe");
}

/// Standard error may be closed, or full: that is no reason to fail.
#[test]
fn nobody_has_to_listen_to_the_messages() {
    let user = user();
    let full = || File::options().write(true).open("/dev/full").expect("/dev/full");
    let mut command = user.bundling("disk", "out");
    assert!(command.stderr(full()).output().expect("baler").status.success());
    check_comes_back(&user);
    for (image, more, code) in [("none", "--force", 1), ("disk", "--no-such-option", 2)] {
        let mut command = user.bundling(image, "out");
        let output = command.arg(more).stderr(full()).output().expect("baler");
        assert_eq!(output.status.code(), Some(code));
    }
}

#[test]
fn a_slow_pipe_is_waited_for() {
    use std::io::Write;
    let user = user();
    let disk = fs::read(user.path("disk")).expect("the image");
    let mut command = from_stdin(&user, &["--size", "3145735B"]);
    let mut started = Started::new(command.stdin(std::process::Stdio::piped()));
    let mut stdin = started.child.stdin.take().expect("a pipe");
    // In several writes, the first of them shorter than the magic of any compression.
    let (first, rest) = disk.split_at(1);
    stdin.write_all(first).expect("a byte");
    for bytes in rest.chunks(100_000) {
        stdin.write_all(bytes).expect("some bytes");
    }
    drop(stdin);
    started.finish().exits(0);
    check_comes_back(&user);
}
