//! What the classic commands make is what the old tools made, and what `baler` takes; and the reverse.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};

use baler_manifest::{Manifest, PrivateKey};
use baler_standin::{Fault, Rule};
use baler_tests::fixture::{self, Fixture, element};
use baler_tests::{ACCOUNT, Cloud, Started, User, baler_binary, capture, image, need, run};

/// The user's key with the rights that keys have; no warning is drawn then.
fn own_key(user: &User, owner: &str) {
    fs::copy(fixture::key(owner), user.path("key")).expect("a key");
    run("chmod", ["600", user.path("key").to_str().expect("a path")]);
}

/// The archive in a bundle of one part, opened with programs that are not ours.
fn archive(user: &User, manifest: &str, part: &str) -> Vec<u8> {
    let manifest = Manifest::parse(manifest.as_bytes()).expect("a manifest");
    let key = fs::read(user.path("key")).expect("the key");
    let key = PrivateKey::from_bytes(&key, || None).expect("a key");
    let opened = baler_manifest::open(manifest.contents(), &key, &mut getrandom::SysRng);
    let opened = opened.expect("the bundle's key");
    let hex = |bytes: &[u8; 16]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let line = format!(
        "openssl aes-128-cbc -d -K {} -iv {} -in '{part}' | gzip -dc",
        hex(opened.key.bytes()),
        hex(opened.iv.bytes())
    );
    capture(user.command("sh").args(["-c", &line])).exits(0).stdout
}

/// Without what comes of keys, of time and of compression.
fn normal(manifest: &str) -> String {
    let own = [
        "ec2_encrypted_key",
        "user_encrypted_key",
        "ec2_encrypted_iv",
        "user_encrypted_iv",
        "signature",
        "bundled_size",
    ];
    let mut text = manifest.trim_end().to_owned();
    for name in own {
        let old = element(&text, name).expect("the element").to_owned();
        assert!(!old.is_empty(), "{name}");
        text = text.replacen(&old, "...", 1);
    }
    // The image's digest, because the archive has a time in it, and the part's.
    for digest in fixture::elements(&text.clone(), "digest") {
        assert_eq!(digest.len(), 40);
        text = text.replacen(digest, "...", 1);
    }
    text
}

#[test]
fn a_bundle_differs_from_the_old_tools_in_keys_times_and_compression_alone() {
    if !need(&["openssl", "gzip", "sh"]) {
        return;
    }
    let of = |folder: &str| *fixture::ALL.iter().find(|one| one.folder == folder).expect("it");
    let mapped = [
        "--kernel",
        "aki-9800e5f1",
        "--ramdisk",
        "ari-a51cf9cc",
        "--productcodes",
        "774F4FF8",
        "-B",
        "ami=sda1,root=/dev/sda1,ephemeral0=sda2,swap=sda3",
    ];
    for (fixture, arch, more) in [
        (of("classic-dense"), "x86_64", &[][..]),
        (of("classic-holes"), "x86_64", &[]),
        (of("classic-manyholes"), "i386", &[]),
        (of("classic-mapping"), "i386", &mapped),
    ] {
        let Fixture { folder, name, owner, .. } = fixture;
        let user = User::new();
        own_key(&user, owner);
        fs::write(user.path(fixture.image), fixture.image()).expect("an image");
        let certificate = fixture::certificate(owner);
        let certificate = certificate.to_str().expect("a path");
        let args = ["ec2-bundle-image", "-k", "key", "-c", certificate, "-u", ACCOUNT, "-i"];
        let rest = [fixture.image, "-p", name, "-d", ".", "-r", arch];
        user.run([&args[..], &rest, more].concat()).exits(0).says_nothing();

        let old = fs::read_to_string(fixture.manifest()).expect("the old manifest");
        let new =
            fs::read_to_string(user.path(format!("{name}.manifest.xml"))).expect("the new one");
        assert_eq!(normal(&new), normal(&old), "{folder}");

        let part = |directory: &str| format!("{directory}/{name}.part.0");
        let old = archive(&user, &old, &part(fixture.directory().to_str().expect("a path")));
        let new = archive(&user, &new, &part("."));
        // All but the time and the checksum that it is in, and what tells where holes are: zeros that are stored are holes
        // to us, and data to the old tool.
        let fields = |archive: &[u8]| [&archive[..124], &archive[157..345]].concat();
        assert_eq!(fields(&new), fields(&old), "{folder}");
        assert_eq!(new.len() % 10240, 0, "{folder}");
    }
}

#[test]
fn what_the_old_names_make_the_new_verbs_take() {
    let cloud = Cloud::with_buckets(&[("images", "us-east-1")]);
    let user = &cloud.user;
    own_key(user, "user");
    let certificate = fixture::certificate("user");
    let certificate = certificate.to_str().expect("a path");
    let ec2 = cloud.aws.ec2_certificate();
    let ec2 = ec2.to_str().expect("a path");
    let noise = image::noise(11 << 20, 5);
    image::write(&user.path("disk"), 12 << 20, &[(1080, &[0x53, 0xef]), (1 << 20, &noise)]);
    fs::create_dir(user.path("old")).expect("a directory");
    let keys = ["-k", "key", "-c", certificate, "-u", ACCOUNT, "--ec2cert", ec2];
    let rest = ["-i", "disk", "-d", "old", "-r", "x86_64"];
    cloud.run([&["ec2-bundle-image"][..], &keys, &rest].concat()).exits(0).says_nothing();
    cloud.run(["verify", "--key", "key", "old/disk.manifest.xml"]).exits(0);
    cloud.run(["copy", "old/disk.manifest.xml", "s3://images/a"]).exits(0);
    let manifest = "s3://images/a/disk.manifest.xml";
    let register = ["register", manifest, "--name", "old", "--key", "key", "--verify"];
    let ami = cloud.run(register).exits(0).text();
    image::assert_same(&cloud.launch(ami.trim()), &user.path("disk"));
    cloud.run(["deregister", ami.trim(), "--delete-bundle", "--yes"]).exits(0);

    // And the reverse, with the old commands on what `baler` made.
    let bundle = ["bundle", "disk", "new", "--key", "key", "--account", ACCOUNT, "--ec2-cert", ec2];
    cloud.run([&bundle[..], &["--name", "disk", "--arch", "x86_64"]].concat()).exits(0);
    let upload = ["ec2-upload-bundle", "-b", "images/b", "-m", "new/disk.manifest.xml"];
    cloud.run(upload).exits(0).prints("Manifest uploaded to: images/b/disk.manifest.xml\n");
    fs::create_dir(user.path("back")).expect("a directory");
    let download =
        ["ec2-download-bundle", "-b", "images/b", "-k", "key", "-p", "disk", "-d", "back"];
    cloud.run(download).exits(0);
    let unbundle =
        ["ec2-unbundle", "-k", "key", "-m", "back/disk.manifest.xml", "-s", "back", "-d", "back"];
    cloud.run(unbundle).exits(0).says_nothing();
    image::assert_same(&user.path("back/disk"), &user.path("disk"));
    cloud.run(["verify", "--key", "key", "s3://images/b/disk.manifest.xml"]).exits(0);
    cloud.run(["ec2-delete-bundle", "-b", "images/b", "-p", "disk", "-y"]).exits(0);
    assert_eq!(cloud.run(["remove", "--prefix", "disk", "s3://images/b", "--yes"]).code, Some(1));
}

#[test]
fn the_old_names_are_links_that_know_themselves() {
    let user = User::new();
    fs::create_dir(user.path("bin")).expect("a directory");
    let links = user.run(["install-links", "bin"]).exits(0).text();
    let names = user.list("bin");
    assert_eq!(links.lines().count(), names.len());
    assert!(names.len() >= 13 && names.contains(&"ec2-bundle-vol".to_owned()), "{names:?}");
    for name in &names {
        let path = user.path("bin").join(name);
        assert_eq!(
            path.canonicalize().expect("a link"),
            baler_binary().canonicalize().expect("it")
        );
        capture(user.command(path).arg("--help")).exits(0).says_nothing().prints("Usage: ec2");
        user.run([name.as_str(), "--help"]).exits(0).says_nothing().prints("Usage: ec2");
    }
    // Again is no error; what is not ours stays.
    user.run(["install-links", "bin", "--json"]).exits(0).says("links to");
    fs::remove_file(user.path("bin/ec2-unbundle")).expect("a link");
    fs::write(user.path("bin/ec2-unbundle"), "#!/bin/sh\n").expect("a file");
    user.run(["install-links", "bin"])
        .exits(1)
        .prints_nothing()
        .says("is not a link to baler")
        .says("--force");
    assert_eq!(fs::read(user.path("bin/ec2-unbundle")).expect("a file"), b"#!/bin/sh\n");
    user.run(["install-links", "bin", "--force"]).exits(0);
    assert!(user.path("bin/ec2-unbundle").is_symlink());
    user.run(["install-links", "no"]).exits(2).says("is not a directory");

    // The pages and the table, which `documents.rs` compares with the one in `docs/classic.md`.
    fs::create_dir(user.path("man")).expect("a directory");
    user.run(["man", "man"]).exits(0);
    for name in &names {
        assert!(
            fs::read_to_string(user.path(format!("man/{name}.1"))).expect("a page").contains(".SH")
        );
    }
    let pages = user.list("man").iter().filter(|page| page.starts_with("ec2")).count();
    let table = user.run(["help", "classic"]).exits(0).says_nothing().text();
    let commands = table.lines().filter(|line| line.starts_with("ec2-")).count();
    assert_eq!(pages, names.len());
    assert!(commands >= 13, "{table}");
    user.run(["help", "ec2-bundle-vol"]).exits(0).prints("--no-filter");
}

#[test]
fn debugging_tells_requests_and_no_secret() {
    let cloud = Cloud::with_buckets(&[("images", "us-east-1")]);
    let user = &cloud.user;
    image::write(&user.path("disk"), 1 << 20, &[(0, b"x")]);
    let token = "a-session-token-that-is-secret";
    let secret = cloud.aws.secret_key().to_owned();
    let check = |ran: &baler_tests::Ran| {
        for word in
            [secret.as_str(), token, "Signature=", "Credential=", "AWS4-HMAC", "not-the-secret"]
        {
            assert!(
                !ran.stderr.contains(word) && !ran.text().contains(word),
                "{word}: {}",
                ran.stderr
            );
        }
    };
    let ran = capture(cloud.bundling("disk", "s3://images/a").arg("--debug")).exits(0);
    check(&ran);
    ran.says("baler: debug: PUT ").says("/images/a/disk.manifest.xml: 200, request ");
    for args in [
        &["images", "--debug"][..],
        &["check", "s3://images/a", "--debug"],
        &["verify", "--no-key", "s3://images/a/disk.manifest.xml", "--debug"],
    ] {
        let ran = cloud.run(args).exits(0).says("baler: debug: ");
        check(&ran);
    }
    check(&capture(cloud.baler(["images", "--debug"]).env("AWS_SESSION_TOKEN", token)));
    let wrong = ["ec2-delete-bundle", "-b", "images", "-p", "disk", "-y", "--debug"];
    let typed = ["-a", cloud.aws.access_key(), "-s", "not-the-secret", "-t", token];
    let ran = cloud.run([&wrong[..], &typed].concat()).exits(3);
    check(&ran);
    ran.says("ec2-delete-bundle: debug: ");
    let quiet = capture(&mut cloud.bundling("disk", "s3://images/b")).exits(0);
    quiet.does_not_say("debug");
}

#[test]
fn a_refusal_is_an_error_and_what_passes_is_tried_again() {
    let cloud = Cloud::with_buckets(&[("images", "us-east-1")]);
    let user = &cloud.user;
    image::write(&user.path("disk"), 1 << 20, &[(0, b"x")]);
    user.bundle("disk", "out", &[]).exits(0);
    let upload = ["ec2-upload-bundle", "-b", "images/a", "-m", "out/disk.manifest.xml", "--batch"];
    // The old tool took a refusal for success.
    for action in ["s3:PutObjectAcl", "s3:PutObject"] {
        cloud.aws.deny(&[action]).expect("the list of what is denied");
        let ran = cloud.run(upload).exits(3).says("ERROR: ").says("AccessDenied").says(action);
        assert!(!ran.text().contains("Uploaded"), "{}", ran.text());
    }
    cloud.aws.deny(&["s3:GetObject"]).expect("the list of what is denied");
    fs::create_dir(user.path("down")).expect("a directory");
    let key = fixture::key("user");
    let download = ["ec2-download-bundle", "-b", "images/a", "-d", "down", "-k"];
    cloud.run([&download[..], &[key.to_str().expect("a path"), "-p", "disk"]].concat()).exits(3);
    assert_eq!(user.list("down"), [""; 0]);
    cloud.aws.deny(&[]).expect("the list of what is denied");

    let busy = || {
        let fault = Fault::Status {
            status: 503,
            code: "SlowDown".to_owned(),
            message: "Reduce your request rate.".to_owned(),
            headers: Vec::new(),
            body: None,
        };
        cloud.aws.faults(vec![Rule::new(fault).operation("PutObject")]);
    };
    busy();
    let ran = cloud.run([&upload[..], &["--retry"]].concat()).exits(0);
    ran.says("SlowDown: Reduce your request rate.")
        .prints("Retrying in ")
        .prints("Bundle upload completed.\n");
    cloud.run(["remove", "--prefix", "disk", "s3://images/a", "--yes"]).exits(0);
    busy();
    let ran = cloud.run(upload).exits(0).says_nothing();
    assert!(!ran.text().contains("Retrying"), "{}", ran.text());
}

#[test]
fn interrupted_is_255_and_said() {
    let cloud = Cloud::with_buckets(&[("images", "us-east-1")]);
    let user = &cloud.user;
    image::write(&user.path("disk"), 1 << 20, &[(0, b"x")]);
    user.bundle("disk", "out", &[]).exits(0);
    cloud.run(["copy", "out/disk.manifest.xml", "s3://images/a"]).exits(0);
    let mut command = cloud.baler(["ec2-delete-bundle", "-b", "images/a", "-p", "disk"]);
    let mut started = Started::new(command.stdin(std::process::Stdio::piped()));
    let stdin = started.child.stdin.take();
    // It waits for an answer, and nobody gives one.
    started.wait_until_it_catches(2);
    started.signal("INT");
    let ran = started.finish().exits(255).says("ec2-delete-bundle interrupted.\n");
    drop(stdin);
    assert!(!ran.text().contains("Deleted"), "{}", ran.text());
    cloud.run(["verify", "--no-key", "s3://images/a/disk.manifest.xml"]).exits(0);
}

/// What a command sends to S3 at first.
fn head_of_a_request(command: &mut Command) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let heads = Arc::new(Mutex::new(String::new()));
    let seen = heads.clone();
    // It ends with the test.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|len| len == 1) {
                head.push(byte[0]);
            }
            seen.lock().expect("no panic").push_str(&String::from_utf8_lossy(&head));
            let refused =
                "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(refused.as_bytes()).expect("an answer");
        }
    });
    capture(command.env("AWS_ENDPOINT_URL", url)).exits(3);
    heads.lock().expect("no panic").to_ascii_lowercase()
}

#[test]
fn a_session_token_is_sent_and_an_instances_role_is_taken() {
    let cloud = Cloud::with_buckets(&[("images", "us-east-1")]);
    let user = &cloud.user;
    image::write(&user.path("disk"), 1 << 20, &[(0, b"x")]);
    user.bundle("disk", "out", &[]).exits(0);
    let upload = ["ec2-upload-bundle", "-b", "images/a", "-m", "out/disk.manifest.xml"];
    let keys = ["-a", "AKIDEXAMPLE", "-s", "an-example-of-a-secret"];
    let head = head_of_a_request(cloud.baler(upload).args(keys).args(["-t", "the-token"]));
    assert!(head.contains("\r\nx-amz-security-token: the-token\r\n"), "{head}");
    let head =
        head_of_a_request(cloud.baler(upload).args(keys).env("AWS_DELEGATION_TOKEN", "another"));
    assert!(head.contains("\r\nx-amz-security-token: another\r\n"), "{head}");
    let head = head_of_a_request(cloud.baler(upload).args(keys));
    assert!(!head.contains("x-amz-security-token"), "{head}");
    // Packer passes no keys where the instance has a role.
    let mut command = cloud.baler(upload);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"] {
        command.env_remove(name);
    }
    capture(&mut command).exits(0).prints("Bundle upload completed.\n");
    cloud.run(["verify", "--no-key", "s3://images/a/disk.manifest.xml"]).exits(0);
}
