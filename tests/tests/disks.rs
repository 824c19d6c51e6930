//! Disks that are full, or may not be written to; block devices as image and as target.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};

use baler_tests::{
    LoopDevice, Mount, Ran, User, capture, command, feed, image, is_root, need, run,
};

/// Insists on a failure that left nothing in `directory`.
fn failed(user: &User, ran: Ran, directory: &str) -> Ran {
    assert_eq!(user.list(directory), [""; 0], "{}", ran.line);
    ran.exits(1).prints_nothing()
}

#[test]
fn a_bundle_that_does_not_fit_is_not_begun() {
    let user = User::new();
    let Some(_mount) = Mount::new(&["-t", "tmpfs", "-o", "size=3m", "none"], &user.path("small"))
    else {
        return;
    };
    image::write(&user.path("disk"), 8 << 20, &[(0, &image::noise(8 << 20, 1))]);
    let ran = user.bundle("disk", "small", &[]);
    let ran =
        failed(&user, ran, "small").says("`small` has 3.0 MiB free, and the bundle needs about 8.");
    ran.says("hint: name a directory on another file system, or make room");
    // What compresses well fits: a sample says so.
    image::write(&user.path("text"), 8 << 20, &[(0, &vec![b'a'; 8 << 20])]);
    user.bundle("text", "small", &[]).exits(0);
    user.verify("small/text.manifest.xml", &[]).exits(0);
}

#[test]
fn a_disk_that_fills_up_under_a_bundle() {
    let user = User::new();
    let Some(_mount) = Mount::new(&["-t", "tmpfs", "-o", "size=3m", "none"], &user.path("small"))
    else {
        return;
    };
    // Nobody knows beforehand how far a stream compresses.
    let mut command = user.bundling("-", "small");
    let ran = feed(command.args(["--name", "disk", "--size", "12MiB"]), &image::noise(12 << 20, 1));
    let ran =
        failed(&user, ran, "small").says("warning: `small` has 3.0 MiB free; the bundle may need");
    ran.says("bundling `-` into `small`").says("No space left on device");
    // A first key that cannot be written is no key.
    let mut command = user.bundling("-", "small");
    command.env("HOME", user.path("small"));
    feed(command.args(["--name", "disk", "--size", "12MiB"]), &image::noise(12 << 20, 1)).exits(1);
}

#[test]
fn a_disk_that_is_too_small_for_the_image() {
    let user = User::new();
    let Some(_mount) = Mount::new(&["-t", "tmpfs", "-o", "size=3m", "none"], &user.path("small"))
    else {
        return;
    };
    // A bundle of an image with holes says beforehand how much there will be to store; one without may turn out to
    // have holes, and so it is tried.
    for (name, len, message) in [
        ("dense", 8 << 20, "cannot write `small/back`: No space left on device"),
        (
            "sparse",
            9 << 20,
            "`small` has 3.0 MiB (3145728 bytes) of free space, the image needs 8.0 MiB",
        ),
    ] {
        image::write(&user.path(name), len, &[(0, &image::noise(8 << 20, 1))]);
        user.bundle(name, "out", &[]).exits(0);
        let ran = user.unbundle(&format!("out/{name}.manifest.xml"), "small/back", &[]);
        failed(&user, ran, "small").says(message);
    }
    // In holes there is room for any image.
    image::write(&user.path("holes"), 1 << 30, &[(1 << 29, b"here")]);
    user.bundle("holes", "out", &[]).exits(0);
    user.unbundle("out/holes.manifest.xml", "small/back", &[]).exits(0);
    image::assert_same(&user.path("holes"), &user.path("small/back"));
}

/// The file system takes the first byte, and then there is no room for an hour's work.
#[test]
fn a_limit_on_the_length_of_files_is_an_error() {
    let user = User::new();
    image::write(&user.path("disk"), 8 << 20, &[(0, &image::noise(8 << 20, 1))]);
    user.bundle("disk", "out", &[]).exits(0);
    // In blocks of 512 bytes in one shell and 1024 in another: 2 or 4 MiB. The signal is ignored so that it is an error.
    let limited = |baler: &std::process::Command| {
        let mut shell = user.command("sh");
        shell.args(["-c", "trap '' XFSZ; ulimit -f 4096; exec \"$@\"", "sh"]);
        shell.arg(baler.get_program()).args(baler.get_args());
        capture(&mut shell)
    };
    let ran = limited(&user.unbundling("out/disk.manifest.xml", "back"));
    ran.exits(1).prints_nothing().says("File too large");
    assert_eq!(user.list(""), ["disk", "out"]);
    let ran = limited(&user.bundling("disk", "limited"));
    ran.exits(1).prints_nothing().says("File too large");
    assert_eq!(user.list("limited"), [""; 0]);
}

#[test]
fn a_directory_that_may_not_be_written_to() {
    let user = User::new();
    image::write(&user.path("disk"), 1 << 20, &[(0, b"boot")]);
    user.bundle("disk", "out", &[]).exits(0);
    // Modes mean nothing to root, a file system that is read-only does.
    let (_mount, why) = if is_root() {
        let mount = Mount::new(&["-t", "tmpfs", "-o", "ro", "none"], &user.path("closed"));
        let Some(mount) = mount else { return };
        (Some(mount), "Read-only file system")
    } else {
        fs::create_dir(user.path("closed")).expect("a directory");
        fs::set_permissions(user.path("closed"), fs::Permissions::from_mode(0o555))
            .expect("a mode");
        (None, "Permission denied")
    };
    let ran = user.bundle("disk", "closed", &[]);
    failed(&user, ran, "closed").says("closed").says(why);
    let ran = user.bundle("disk", "closed/new", &[]);
    failed(&user, ran, "closed").says("creating the directory `closed/new`").says(why);
    let ran = user.unbundle("out/disk.manifest.xml", "closed/back", &[]);
    failed(&user, ran, "closed").says("`closed`").says(why);
    let ran = user.run(["keys", "new", "--key", "closed/key", "--cert", "closed/cert"]);
    failed(&user, ran, "closed").says("`closed/key`").says(why);
    let ran = user.run(["man", "closed"]);
    failed(&user, ran, "closed").says("writing manual pages into `closed`").says(why);
}

/// A file of `len` bytes of garbage that is a block device.
fn device(user: &User, name: &str, len: u64) -> Option<LoopDevice> {
    let garbage = image::noise(1 << 20, 9);
    let data: Vec<_> = (0..len >> 20).map(|i| (i << 20, garbage.as_slice())).collect();
    image::write(&user.path(name), len, &data);
    LoopDevice::new(&user.path(name))
}

#[test]
fn a_block_device_is_bundled() {
    let user = User::new();
    let Some(source) = device(&user, "backing", 6 << 20) else { return };
    let path = source.path.to_str().expect("a path");
    user.bundle(path, "out", &["--name", "disk"]).exits(0);
    user.unbundle("out/disk.manifest.xml", "back", &[]).exits(0);
    image::assert_same(&user.path("backing"), &user.path("back"));
}

#[test]
fn an_image_is_written_over_a_block_device() {
    let user = User::new();
    let data = image::noise(300_000, 1);
    image::write(&user.path("disk"), (5 << 20) + 512, &[(4096, &data), (3 << 20, &data)]);
    user.bundle("disk", "out", &[]).exits(0);
    let unbundle = |device: &LoopDevice| {
        user.unbundle("out/disk.manifest.xml", device.path.to_str().expect("a path"), &[])
    };
    let Some(target) = device(&user, "backing", 8 << 20) else { return };
    unbundle(&target).exits(0).prints(target.path.to_str().expect("a path"));
    let len = (5 << 20) + 512;
    let read = |name: &str, at: u64, len: usize| {
        let mut bytes = vec![0; len];
        let file = File::open(user.path(name)).expect("the file");
        file.read_exact_at(&mut bytes, at).expect("its bytes");
        bytes
    };
    run("sync", ["--file-system".as_ref(), user.path("").as_os_str()]);
    assert!(read("backing", 0, len) == read("disk", 0, len), "holes are zeros, not what was there");
    let garbage = image::noise(1 << 20, 9);
    assert!(read("backing", 6 << 20, 1 << 20) == garbage, "what is behind the image is left alone");

    let Some(small) = device(&user, "small", 2 << 20) else { return };
    unbundle(&small)
        .exits(1)
        .prints_nothing()
        .says("has 2.0 MiB (2097152 bytes), the image needs 5.0 MiB (5243392 bytes)");
    assert!(read("small", 0, 1 << 20) == garbage, "nothing was written");
}

#[test]
fn a_mounted_device_is_not_written_to() {
    if !need(&["mke2fs"]) {
        return;
    }
    let user = User::new();
    image::write(&user.path("disk"), 1 << 20, &[(0, b"boot")]);
    user.bundle("disk", "out", &[]).exits(0);
    image::write(&user.path("backing"), 8 << 20, &[]);
    capture(command("mke2fs").args(["-q", "-F"]).arg(user.path("backing"))).exits(0);
    let Some(target) = LoopDevice::new(&user.path("backing")) else { return };
    let path = target.path.to_str().expect("a path");
    let Some(mount) = Mount::new(&[path], &user.path("mounted")) else { return };
    let ran = user.unbundle("out/disk.manifest.xml", path, &[]).exits(1).prints_nothing();
    ran.says("is mounted or in use").says("hint: unmount it, or name another device");
    user.unbundle("out/disk.manifest.xml", path, &["--force"])
        .exits(1)
        .says("is mounted or in use");
    // Reading it is possible, and may go wrong.
    let ran = user.bundle(path, "out", &["--name", "mounted"]).exits(0);
    ran.says("warning: ").says("is mounted or in use");
    drop(mount);
    user.unbundle("out/disk.manifest.xml", path, &[]).exits(0);
}
