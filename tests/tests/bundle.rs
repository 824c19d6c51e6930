//! `baler bundle`: what it refuses, what it warns of, and what it leaves.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use baler_tests::fixture::{self, element, elements};
use baler_tests::{ACCOUNT, User, capture, image};
use serde_json::json;

/// A user with a small image, `disk.img`.
fn user() -> User {
    let user = User::new();
    image::write(&user.path("disk.img"), 1 << 20, &[(0, &image::noise(100_000, 1))]);
    user
}

fn manifest(user: &User) -> String {
    fs::read_to_string(user.path("out/disk.img.manifest.xml")).expect("the manifest")
}

fn mode(path: &std::path::Path) -> u32 {
    path.metadata().expect("it is there").permissions().mode() & 0o7777
}

#[test]
fn the_first_use_makes_a_key_and_says_so() {
    let user = user();
    let bundle =
        |name: &str| user.run(["bundle", "disk.img", "out", "--account", ACCOUNT, "--name", name]);
    let first = bundle("first").exits(0).prints("out/first.manifest.xml\n");
    let first = first.says("warning: no key was given and none exists: a new key was made");
    first.says("hint: KEEP A COPY").says(&user.configuration().join("key.pem").to_string_lossy());
    assert_eq!(mode(&user.configuration()), 0o700);
    assert_eq!(mode(&user.configuration().join("key.pem")), 0o600);

    // Then it is there, and nobody has to be told again.
    let key = fs::read(user.configuration().join("key.pem")).expect("the key");
    bundle("second").exits(0).does_not_say("key was made").does_not_say("KEEP A COPY");
    assert!(fs::read(user.configuration().join("key.pem")).expect("the key") == key);
    for name in ["first", "second"] {
        let manifest = format!("out/{name}.manifest.xml");
        user.run(["verify", &manifest])
            .exits(0)
            .prints("signature  valid")
            .prints("image      good");
        let certificate = user.configuration().join("cert.pem");
        user.run(["verify", &manifest, "--cert", certificate.to_str().expect("a path")]).exits(0);
        user.run(["unbundle", &manifest, name]).exits(0);
        image::assert_same(&user.path("disk.img"), &user.path(name));
    }
}

#[test]
fn the_key_is_made_in_xdg_config_home() {
    let user = user();
    let mut command = user.baler(["bundle", "disk.img", "out", "--account", ACCOUNT]);
    capture(command.env("XDG_CONFIG_HOME", user.path("config"))).exits(0);
    assert_eq!(mode(&user.path("config/baler/key.pem")), 0o600);
    assert!(!user.home().join(".config").exists());
}

#[test]
fn no_key_is_made_where_nothing_was_bundled() {
    let user = user();
    let check = |args: &[&str], code| {
        let ran = capture(user.baler(["bundle", "disk.img", "out"]).args(args)).exits(code);
        assert_eq!(user.list(""), ["disk.img"], "{}", ran.line);
        assert!(!user.home().join(".config").exists(), "{}", ran.line);
        ran
    };
    check(&["--account", ACCOUNT, "--dry-run"], 0)
        .prints("key           none yet: one would be made");
    let json = check(&["--account", ACCOUNT, "--dry-run", "--json"], 0).says_nothing().json();
    assert_eq!(json["key"], json!(null));
    assert_eq!(json["manifest"], "out/disk.img.manifest.xml");
    check(&[], 2);
    check(&["--account", ACCOUNT, "--name", "a/b"], 2);
    // A home that cannot be: the default is not somewhere else.
    let mut command = user.baler(["bundle", "disk.img", "out", "--account", ACCOUNT]);
    capture(command.env_remove("HOME")).exits(1).says("neither XDG_CONFIG_HOME nor HOME is set");
}

#[test]
fn a_certificate_of_another_key_is_refused_before_the_image_is_read() {
    let user = User::new();
    // If it were opened, that would be told instead.
    let run = |certificate| {
        let mut command = user.bundling("there-is-no-such-image", "out");
        capture(command.arg("--cert").arg(certificate)).exits(1)
    };
    run(fixture::certificate("user1024")).says("does not belong to the key").says("hint: ");
    run(user.path("none.pem")).says("reading the certificate").says("none.pem");
    run(fixture::certificate("user")).says("there-is-no-such-image");
    let mut command = user.baler(["bundle", "there-is-no-such-image", "out", "--account", ACCOUNT]);
    capture(command.arg("--cert").arg(fixture::certificate("user")))
        .exits(2)
        .says("no private key that belongs to it")
        .says("hint: pass --key");
}

#[test]
fn a_key_that_others_can_read_draws_a_warning() {
    let user = user();
    fs::copy(fixture::key("user"), user.path("key.der")).expect("a copy");
    for (mode, warns) in
        [(0o644, true), (0o640, true), (0o604, true), (0o600, false), (0o400, false)]
    {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(user.path("key.der"), permissions).expect("a mode");
        let ran = user.run(["keys", "check", "--key", "key.der"]).exits(0);
        assert_eq!(ran.stderr.contains("can be read by others"), warns, "{mode:o}");
        assert_eq!(ran.stderr.contains("hint: chmod 600 key.der"), warns, "{mode:o}");
    }
}

#[test]
fn everything_that_is_asked_for_is_in_the_manifest() {
    let user = user();
    let args = [
        "--name",
        "my image.v2",
        "--arch",
        "i386",
        "--account",
        "9876-5432-1098",
        "--kernel",
        "aki-12345678",
        "--ramdisk",
        "ari-0123456789abcdef0",
        "-B",
        "swap=sda3,ami=sda1",
        "--block-device-mapping",
        "root=/dev/sda1",
        "--product-codes",
        "ABCD1234,EFGH5678",
        "--ancestor",
        "ami-11111111",
        "--ancestor",
        "ami-22222222",
        "--level",
        "best",
        "--jobs",
        "3",
        "--json",
    ];
    let mut command = user.baler(["bundle", "disk.img", "out", "--key"]);
    let ran = capture(command.arg(fixture::key("user")).args(args)).exits(0);
    let ran = ran.says("warning: EC2 may refuse to register a manifest with product codes");
    let made = ran.json();
    assert_eq!(made["manifest"], "out/my image.v2.manifest.xml");

    let json = user.run(["inspect", "out/my image.v2.manifest.xml", "--json"]).exits(0).json();
    for (name, value) in [
        ("name", json!("my image.v2")),
        ("architecture", json!("i386")),
        ("account", json!("987654321098")),
        ("kernel_id", json!("aki-12345678")),
        ("ramdisk_id", json!("ari-0123456789abcdef0")),
        ("product_codes", json!(["ABCD1234", "EFGH5678"])),
        ("ancestors", json!(["ami-11111111", "ami-22222222"])),
        ("size", json!(1 << 20)),
        ("version", json!("2007-10-10")),
        ("type", json!("machine")),
        ("signed", json!(true)),
        ("sha1", made["sha1"].clone()),
        ("parts", made["parts"].clone()),
        ("bundled_size", made["bundled_size"].clone()),
    ] {
        assert_eq!(json[name], value, "{name}");
    }
    let mappings = [("ami", "sda1"), ("root", "/dev/sda1"), ("swap", "sda3")];
    let mappings = mappings.map(|(name, device)| json!({ "virtual": name, "device": device }));
    assert_eq!(json["block_device_mappings"], json!(mappings));
}

/// The variables that the ecosystem has names for; set to nothing they mean nothing.
#[test]
fn what_is_typed_may_come_from_variables() {
    let user = user();
    let run = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = user.baler(["bundle", "disk.img", "out", "--dry-run", "--json"]);
        capture(command.args(args).envs(variables.iter().copied()))
    };
    let (key, certificate) = (fixture::key("user"), fixture::certificate("user"));
    let (key, certificate) = (key.to_string_lossy(), certificate.to_string_lossy());
    let json = run(
        &[
            ("EC2_USER_ID", ACCOUNT),
            ("EC2_PRIVATE_KEY", &key),
            ("EC2_CERT", &certificate),
            ("AWS_REGION", "cn-north-1"),
            ("AWS_DEFAULT_REGION", "us-gov-west-1"),
        ],
        &[],
    );
    let json = json.exits(0).json();
    assert_eq!(
        json!([json["account"], json["key"], json["ec2_key"]]),
        json!([ACCOUNT, key, "china"])
    );
    let govcloud =
        run(&[("EC2_USER_ID", "1"), ("AWS_DEFAULT_REGION", "us-gov-west-1")], &["-u", ACCOUNT]);
    assert_eq!(govcloud.exits(0).json()["ec2_key"], "govcloud");
    let own = run(&[("EUCALYPTUS_CERT", &certificate)], &["-u", ACCOUNT]).exits(0).json();
    assert!(own["ec2_key"].as_str().is_some_and(|name| name.starts_with("own")), "{own}");
    let nothing =
        ["EC2_PRIVATE_KEY", "EC2_CERT", "AWS_REGION", "AWS_DEFAULT_REGION", "EUCALYPTUS_CERT"];
    let json = run(&nothing.map(|name| (name, "")), &["-u", ACCOUNT]).exits(0).json();
    assert_eq!(json!([json["key"], json["ec2_key"]]), json!([null, "commercial"]));
    run(&[("EC2_USER_ID", "")], &[]).exits(2).says("which AWS account");
}

#[test]
fn the_region_decides_which_key_of_ec2_can_open_it() {
    let user = user();
    let run =
        |args: &[&str]| user.bundle("disk.img", "out", &[&["--force", "--json"], args].concat());
    let check = |args: &[&str], name: &str, digits: usize| {
        let ran = run(args).exits(0).says(&format!("EC2 opens it with its {name} key"));
        assert_eq!(ran.json()["ec2_key"], name);
        let xml = manifest(&user);
        for element_name in ["ec2_encrypted_key", "ec2_encrypted_iv"] {
            assert_eq!(element(&xml, element_name).map(str::len), Some(digits), "{args:?}");
        }
    };
    check(&[], "commercial", 256);
    check(&["--region", "eu-west-1"], "commercial", 256);
    check(&["--region", "mx-central-1"], "commercial", 256);
    check(&["--region", "us-gov-west-1"], "govcloud", 256);
    check(&["--region", "cn-north-1"], "china", 512);
    for region in ["us-gov-east-1", "cn-northwest-1", "us-iso-east-1"] {
        let ran = run(&["--region", region]).exits(2).says(region).says("is not documented");
        ran.says("hint: pass EC2's certificate for that region with --ec2-cert").prints_nothing();
    }
    // What the classic tools called two of them.
    check(&["--region", "US"], "commercial", 256);
    for region in ["us-east", "us-east-1a", "europe"] {
        run(&["--region", region]).exits(2).says("is not a region");
    }
    let certificate = fixture::certificate("ec2");
    let certificate = certificate.to_str().expect("a path");
    let own = format!("own (`{certificate}`)");
    check(&["--ec2-cert", certificate], &own, 512);
    check(&["--ec2-cert", certificate, "--region", "us-gov-east-1"], &own, 512);
    let mut command = user.baler(["unbundle", "out/disk.img.manifest.xml", "back", "--key"]);
    command.arg(fixture::key("ec2")).arg("--cert").arg(fixture::certificate("user"));
    capture(&mut command).exits(0);
    image::assert_same(&user.path("disk.img"), &user.path("back"));
}

#[test]
fn an_image_without_bytes_or_with_too_many_is_refused() {
    let user = User::new();
    image::write(&user.path("empty"), 0, &[]);
    let ran = user.bundle("empty", "out", &[]).exits(1).says("`empty` has 0 bytes");
    ran.says("hint: ").prints_nothing();
    image::write(&user.path("limit"), 10 << 30, &[(0, b"boot")]);
    image::write(&user.path("large"), (10 << 30) + 1, &[(0, b"boot")]);
    for args in [&[] as &[_], &["--dry-run"]] {
        let ran = user.bundle("large", "out", args).exits(1).says("EC2 takes at most 10 GiB");
        ran.says("--allow-large").prints_nothing();
        assert_eq!(user.list(""), ["empty", "large", "limit"]);
    }
    user.bundle("limit", "out", &[]).exits(0);
    user.bundle("large", "out", &["--allow-large"]).exits(0);
    user.verify("out/large.manifest.xml", &[]).exits(0).prints("image      good");
}

#[test]
fn a_bundle_is_not_overwritten_unasked() {
    let user = user();
    image::write(&user.path("larger"), 11 << 20, &[(0, &image::noise(11 << 20, 2))]);
    let bundle = |image: &str, more: &[&str]| {
        user.bundle(image, "out", &[&["--name", "disk.img", "--level", "fast"], more].concat())
    };
    bundle("larger", &[]).exits(0);
    let both = ["disk.img.manifest.xml", "disk.img.part.0", "disk.img.part.1"];
    assert_eq!(user.list("out"), both);
    let before = manifest(&user);
    let ran = bundle("disk.img", &[]).exits(1).says("exists").prints_nothing();
    ran.says("hint: pass --force to overwrite the bundle, or choose another --name");
    assert!(manifest(&user) == before && user.list("out") == both);

    // A smaller one: the parts that it does not have must not stay.
    bundle("disk.img", &["--force"]).exits(0);
    assert_eq!(user.list("out"), ["disk.img.manifest.xml", "disk.img.part.0"]);
    user.verify("out/disk.img.manifest.xml", &[]).exits(0);
    bundle("larger", &["--force"]).exits(0);
    assert_eq!(user.list("out"), both);
    user.verify("out/disk.img.manifest.xml", &[]).exits(0);

    // Parts without a manifest are in the way as well, other bundles' are not.
    fs::remove_file(user.path("out/disk.img.manifest.xml")).expect("the manifest");
    bundle("disk.img", &[]).exits(1).says("disk.img.part.");
    user.bundle("disk.img", "out", &["--name", "disk"]).exits(0);
    // A manifest that is none is overwritten too, if that was asked for.
    fs::write(user.path("out/disk.img.manifest.xml"), "<manifest>").expect("a file");
    bundle("disk.img", &["--force"]).exits(0);
    user.verify("out/disk.img.manifest.xml", &[]).exits(0);
}

#[test]
fn the_same_again_whatever_the_number_of_threads() {
    let user = User::new();
    image::write(
        &user.path("disk"),
        6 << 20,
        &[(0, &[7; 3 << 20]), (4 << 20, &image::noise(1 << 20, 3))],
    );
    let archive = |jobs: &str| {
        let mut command = user.bundling("disk", jobs);
        command.args(["--jobs", jobs, "--json"]).env("SOURCE_DATE_EPOCH", "1000000000");
        capture(&mut command).exits(0).json()["sha1"].clone()
    };
    let one = archive("1");
    assert!(one.is_string());
    for jobs in ["2", "7"] {
        assert_eq!(archive(jobs), one, "{jobs} threads");
    }
    let mut command = user.bundling("disk", "other");
    capture(command.env("SOURCE_DATE_EPOCH", "yesterday")).exits(2).says("`yesterday`");
}

#[test]
fn quiet_is_silent_and_json_is_all_there_is() {
    let user = user();
    // The fixtures' own key is readable by all, which is warned of however quiet it is to be.
    fs::copy(fixture::key("user"), user.path("key")).expect("a copy");
    fs::set_permissions(user.path("key"), fs::Permissions::from_mode(0o600)).expect("a mode");
    let bundle = "out/disk.img.manifest.xml";
    for args in [
        &["bundle", "disk.img", "out", "--account", ACCOUNT, "--key", "key"] as &[_],
        &["unbundle", bundle, "back", "--key", "key"],
        &["verify", bundle, "--key", "key"],
        &["inspect", bundle],
        &["keys", "check", "--key", "key"],
        &["keys", "new", "--key", "new", "--cert", "new.pem"],
    ] {
        let force: &[_] = if matches!(args[0], "bundle" | "unbundle") { &["--force"] } else { &[] };
        let ran = user.run([args, force, &["--quiet"]].concat()).exits(0).says_nothing();
        assert!(!ran.stdout.is_empty(), "{}", ran.line);
        if args[1] == "new" {
            for name in ["new", "new.pem"] {
                fs::remove_file(user.path(name)).expect("a new file");
            }
        }
        let json = user
            .run([&["--quiet"], args, force, &["--json"]].concat())
            .exits(0)
            .says_nothing()
            .json();
        assert!(json.is_object(), "{args:?} {json}");
    }
    // Not a word about what went well, every word about what did not.
    user.run(["bundle", "--quiet", "disk.img", "out", "-u", ACCOUNT, "-k", "key"])
        .exits(1)
        .says("exists");
}

#[test]
fn where_a_bundle_cannot_go() {
    let user = user();
    let check = |directory: &str| {
        let ran = user.bundle("disk.img", directory, &[]).exits(1).prints_nothing();
        assert_eq!(user.list(""), ["disk.img"]);
        ran.says(&format!("creating the directory `{directory}`"))
    };
    check("no/such/directory").says("hint: the directory above it must exist");
    check("disk.img").says("File exists").says("hint: name a directory for the parts");
    check("disk.img/out").says("Not a directory").does_not_say("hint: the directory above");
    user.bundle("disk.img", "new", &["--dry-run"]).exits(0);
    assert_eq!(user.list(""), ["disk.img"]);
    // Where it is to be made, one directory is made, and no more.
    user.bundle("disk.img", "new/", &[]).exits(0).prints("new/disk.img.manifest.xml");
}

#[test]
fn what_is_not_an_image() {
    let user = user();
    baler_tests::run("mkfifo", [user.path("pipe")]);
    for (image, message) in [
        ("none", "No such file"),
        ("pipe", "is a pipe"),
        ("/dev/zero", "is a character device"),
        ("disk.img/x", "Not a directory"),
    ] {
        let ran =
            user.bundle(image, "out", &["--name", "x"]).exits(1).says(message).prints_nothing();
        ran.says(&format!("`{image}`"));
    }
    assert_eq!(user.list(""), ["disk.img", "pipe"]);
}

#[test]
fn parts_are_numbered_as_wide_as_their_count_needs() {
    let user = User::new();
    image::write(&user.path("zeros"), 101 << 20, &[]);
    image::write(&user.path("data"), 101 << 20, &[(0, &vec![1; 101 << 20])]);
    // They compress to one part, whatever the image may need: in a directory its name fits that.
    for (name, part) in [("zeros", "zeros.part.0"), ("data", "data.part.0")] {
        user.bundle(name, "out", &["--level", "fast"]).exits(0);
        let xml = fs::read_to_string(user.path(format!("out/{name}.manifest.xml"))).expect("it");
        assert_eq!(elements(&xml, "filename"), [part]);
        user.verify(&format!("out/{name}.manifest.xml"), &[]).exits(0);
    }
}
