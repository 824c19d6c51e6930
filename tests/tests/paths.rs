//! Paths may hold any bytes, and no manifest decides where a file goes.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use baler_tests::{ACCOUNT, User, capture, fixture, image};

/// Names that a shell, a terminal, a parser of options or a reader of UTF-8 stumbles over.
const ODD: [&[u8]; 12] = [
    b"with space",
    b" leading and trailing ",
    b"'quotes\"`$(touch pwned)`",
    b"new\nline",
    b"escape\x1b[31m",
    b"\xff\xfe not UTF-8 \xc3",
    "größe 中文".as_bytes(),
    b"*?[glob]{a,b}",
    b"semi;colon&|<>",
    b"back\\slash",
    b"%s%n{}",
    b"disk.img.gz.",
];

#[test]
fn paths_hold_any_bytes() {
    for name in ODD.map(OsStr::from_bytes) {
        let user = User::new();
        // Everything is called like that: the image, the directory, the key, what comes back.
        let [image_path, out, key, back] = ["image", "out", "key", "back"].map(|what| {
            let directory = user.path(what);
            fs::create_dir(&directory).expect("a directory");
            directory.join(name)
        });
        image::write(&image_path, 1 << 20, &[(0, b"boot")]);
        fs::copy(fixture::key("user"), &key).expect("a copy");
        let mut command = user.baler(["bundle", "--account", ACCOUNT, "--name", "disk", "--key"]);
        let ran = capture(command.args([&key, &image_path, &out])).exits(0);
        let mut printed = out.join("disk.manifest.xml").into_os_string().into_encoded_bytes();
        printed.push(b'\n');
        assert!(ran.stdout == printed, "the path, byte for byte: {}", ran.line);
        assert!(
            !ran.stderr.contains('\x1b')
                && ran.stderr.lines().all(|line| line.starts_with("baler: "))
        );
        let manifest = out.join("disk.manifest.xml");
        let mut command = user.baler(["unbundle", "--key"]);
        let ran = capture(command.args([&key, &manifest, &back])).exits(0);
        assert_eq!(
            ran.stdout.strip_suffix(b"\n"),
            Some(back.as_os_str().as_bytes()),
            "{}",
            ran.line
        );
        image::assert_same(&image_path, &back);
        capture(user.baler(["verify", "--json", "--key"]).args([&key, &manifest])).exits(0).json();
        capture(user.baler(["inspect", "--json"]).arg(&manifest)).exits(0).json();
        capture(user.baler(["inspect"]).arg(&manifest)).exits(0).says_nothing();
        assert_eq!(user.list(""), ["back", "image", "key", "out"], "nothing else was made");

        // The same in what goes wrong.
        let gone = user.path("none").join(name);
        for verb in ["verify", "inspect"] {
            let ran = capture(user.baler([verb]).arg(&gone)).exits(1).says("reading the manifest");
            assert!(ran.stderr.lines().all(|line| line.starts_with("baler: ")), "{}", ran.stderr);
            assert!(!ran.stderr.contains('\x1b'), "{}", ran.stderr);
        }
    }
}

#[test]
fn a_bundle_is_named_after_its_image_where_that_can_be() {
    let user = User::new();
    for (file, name) in [
        ("disk.img", Some("disk.img")),
        ("with space", Some("with space")),
        ("-leading", Some("-leading")),
        ("größe", Some("größe")),
        ("<&>'\"", Some("<&>'\"")),
        ("]]>", Some("]]>")),
        (".hidden", Some(".hidden")),
        ("new\nline", None),
    ] {
        image::write(&user.path(file), 4096, &[(0, b"boot")]);
        let ran = user.bundle(&format!("./{file}"), "out", &[]);
        let Some(name) = name else {
            ran.exits(2).says("cannot be a bundle's name").says("hint: choose one with --name");
            continue;
        };
        ran.exits(0).prints(&format!("out/{name}.manifest.xml"));
        let manifest = format!("out/{name}.manifest.xml");
        assert_eq!(user.run(["inspect", "--json", &manifest]).exits(0).json()["name"], name);
        user.verify(&manifest, &[]).exits(0).prints("image      good");
    }
    let name = OsStr::from_bytes(b"\xff.img");
    image::write(&user.path(name), 4096, &[(0, b"boot")]);
    let mut command =
        user.baler([OsStr::new("bundle"), "-u".as_ref(), ACCOUNT.as_ref(), name, "out".as_ref()]);
    capture(&mut command).exits(2).says("hint: pass --name");
}

#[test]
fn what_begins_with_a_dash_comes_after_two() {
    let user = User::new();
    image::write(&user.path("-image"), 4096, &[(0, b"boot")]);
    let run = |args: &[&str]| {
        let mut command = user.baler([args[0], "--key"]);
        capture(command.arg(fixture::key("user")).args(&args[1..]))
    };
    run(&["bundle", "-u", ACCOUNT, "--", "-image", "-out"])
        .exits(0)
        .prints("-out/-image.manifest.xml");
    run(&["bundle", "-u", ACCOUNT, "-image", "-out"]).exits(2);
    run(&["unbundle", "--", "-out/-image.manifest.xml", "-back"]).exits(0);
    image::assert_same(&user.path("-image"), &user.path("-back"));
    run(&["verify", "--", "-out/-image.manifest.xml"]).exits(0);
    let mut command = user.baler(["inspect", "--", "-out/-image.manifest.xml"]);
    capture(&mut command).exits(0);
}

/// The classic tools join whatever a manifest says to a directory.
#[test]
fn no_part_lies_elsewhere() {
    let user = User::new();
    let fixture = &fixture::ALL[0];
    fixture.copy_to(&user.path("bundle"));
    let manifest = user.path("bundle").join(fixture.manifest_filename());
    let good = fs::read_to_string(&manifest).expect("the manifest");
    fs::copy(user.path("bundle/dense.part.0"), user.path("stolen")).expect("a copy");
    let absolute = user.path("stolen").to_string_lossy().into_owned();
    for name in [
        "../stolen",
        &absolute,
        "..",
        ".",
        "",
        "./dense.part.0",
        "sub/dense.part.0",
        "a&#10;b",
        "a&#0;b",
    ] {
        let bad = good.replace("dense.part.0", name);
        fs::write(&manifest, bad).expect("the changed manifest");
        for verb in [&["inspect"] as &[_], &["verify", "--no-key"]] {
            let ran = capture(user.baler(verb).arg(&manifest)).exits(3).prints_nothing();
            ran.says("reading the manifest");
        }
        let ran = user.unbundle("bundle/dense.manifest.xml", "back", &["--ignore-signature"]);
        ran.exits(3).prints_nothing();
        assert!(!user.path("back").exists());
    }
}

/// What a stranger wrote into a manifest does not reach the terminal.
#[test]
fn a_manifest_does_not_move_the_cursor() {
    let user = User::new();
    let good = fs::read_to_string(fixture::ALL[0].manifest()).expect("the manifest");
    let bad = good.replace("<name>ec2-ami-tools<", "<name>\u{1b}[2J\u{9b}31m\u{7f}tools<");
    fs::write(user.path("bad.xml"), bad).expect("a file");
    for args in [&["inspect", "bad.xml"] as &[_], &["verify", "bad.xml", "--no-key"]] {
        let ran = user.run(args);
        let all = ran.text() + &ran.stderr;
        let moves = |c: char| c.is_control() && c != '\n';
        assert!(!all.contains(moves), "{}\n{all:?}", ran.line);
    }
}
