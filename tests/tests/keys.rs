//! `baler keys`: made once, never overwritten, checked against their certificates.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use baler_tests::fixture;
use baler_tests::{ACCOUNT, User, capture, image, need};
use serde_json::json;

fn mode(path: &Path) -> u32 {
    path.metadata().expect("it is there").permissions().mode() & 0o7777
}

#[test]
fn new_makes_a_pair_in_the_configuration_directory() {
    let user = User::new();
    let ran = user.run(["keys", "new"]).exits(0).says_nothing().prints("keep a copy");
    let [key, certificate] = ["key.pem", "cert.pem"].map(|name| user.configuration().join(name));
    ran.prints(&key.to_string_lossy()).prints(&certificate.to_string_lossy());
    assert_eq!([mode(&key), mode(&user.configuration())], [0o600, 0o700]);
    let before = fs::read(&key).expect("the key");
    let ran = user.run(["keys", "new"]).exits(1).says("a key is never overwritten");
    ran.says("hint: choose other paths with --key and --cert, or move it away").prints_nothing();
    assert!(fs::read(&key).expect("the key") == before);
    user.run(["keys", "check"]).exits(0).prints("RSA, 2048 bits").prints("certificate  not given");
    let certificate = certificate.to_str().expect("a path");
    user.run(["keys", "check", "--cert", certificate]).exits(0).prints("it belongs to the key");
}

#[test]
fn new_makes_a_pair_elsewhere() {
    let user = User::new();
    let new = |key: &str, cert: &str, more: &[&str]| {
        user.run([&["keys", "new", "--key", key, "--cert", cert], more].concat())
    };
    for bits in ["2048", "3072"] {
        let made = new(bits, &format!("{bits}.pem"), &["--bits", bits, "--json"]).exits(0).json();
        let checked =
            user.run(["keys", "check", "--json", "--key", bits, "--cert", &format!("{bits}.pem")]);
        assert_eq!(checked.exits(0).json(), made);
        assert_eq!(made["bits"].to_string(), bits);
    }
    // Half of a pair would be of no use.
    new("other", "2048.pem", &[]).exits(1).says("`2048.pem` exists");
    new("2048", "other", &[]).exits(1).says("`2048` exists");
    symlink("nowhere", user.path("link")).expect("a link");
    new("link", "other", &[]).exits(1).says("`link` exists");
    assert_eq!(user.list(""), ["2048", "2048.pem", "3072", "3072.pem", "link"]);
    new("sub/directory/key", "sub/cert", &[]).exits(0);
    assert_eq!(mode(&user.path("sub/directory")), 0o700);
    for bits in ["1024", "2049", "8192", "many"] {
        new("k", "c", &["--bits", bits]).exits(2).says("a key has 2048, 3072 or 4096 bits");
    }
    user.run(["keys", "new", "--key", "k"]).exits(2).says("--cert");
    assert!(!user.home().join(".config").exists());
}

#[test]
fn openssl_reads_what_new_makes() {
    if !need(&["openssl"]) {
        return;
    }
    let user = User::new();
    let made =
        user.run(["keys", "new", "--key", "key", "--cert", "cert", "--json"]).exits(0).json();
    let openssl = |args: &[&str]| capture(user.command("openssl").args(args)).exits(0).text();
    assert!(openssl(&["pkey", "-in", "key", "-check", "-noout"]).contains("Key is valid"));
    let public = openssl(&["pkey", "-in", "key", "-pubout"]);
    assert_eq!(openssl(&["x509", "-in", "cert", "-pubkey", "-noout"]), public);
    openssl(&["verify", "-CAfile", "cert", "cert"]);
    openssl(&["x509", "-in", "cert", "-noout", "-checkend", "86400"]);
    // The fingerprint is of the public key, as openssl gives it in DER.
    openssl(&["pkey", "-in", "key", "-pubout", "-outform", "DER", "-out", "public"]);
    let sha256 = openssl(&["dgst", "-sha256", "-r", "public"]);
    assert_eq!(made["fingerprint"], json!(sha256.split(' ').next()));
}

#[test]
fn check_says_what_is_wrong() {
    let user = User::new();
    user.run(["keys", "check"]).exits(2).says("there is no key to check").says("baler keys new");
    fs::write(user.path("text"), "not a key\n").expect("a file");
    fs::write(user.path("empty"), "").expect("a file");
    for (key, message) in [
        (user.path("text"), "reading the key"),
        (user.path("empty"), "reading the key"),
        (user.path("none"), "No such file"),
        (user.path(""), "reading the key"),
        (fixture::certificate("user"), "reading the key"),
        ("/dev/zero".into(), "reading the key"),
    ] {
        let ran = capture(user.baler(["keys", "check", "--key"]).arg(&key)).exits(1).says(message);
        ran.says(key.to_str().expect("a path")).prints_nothing();
    }
    let check = |key: &str, certificate: &str| {
        let mut command = user.baler(["keys", "check", "--key"]);
        command.arg(fixture::key(key)).arg("--cert").arg(fixture::certificate(certificate));
        capture(&mut command)
    };
    check("user", "user").exits(0);
    check("user1024", "user1024").exits(0).prints("RSA, 1024 bits");
    check("user", "ec2").exits(1).says("does not belong to the key").prints_nothing();
}

#[test]
fn a_public_key_does_for_a_certificate() {
    if !need(&["openssl"]) {
        return;
    }
    let user = User::new();
    let fixture = &fixture::ALL[0];
    let mut openssl = user.command("openssl");
    openssl.args(["x509", "-pubkey", "-noout", "-out", "public.pem", "-in"]);
    capture(openssl.arg(fixture::certificate(fixture.owner))).exits(0);
    let mut openssl = user.command("openssl");
    openssl.args(["x509", "-outform", "DER", "-out", "cert.der", "-in"]);
    capture(openssl.arg(fixture::certificate(fixture.owner))).exits(0);
    for certificate in ["public.pem", "cert.der"] {
        let mut command = user.baler(["verify", "--cert", certificate]);
        capture(command.arg(fixture.manifest())).exits(0).prints("signature  valid");
    }
}

/// A key comes out of a safe through a pipe, and not by way of a file: `--key <(pass show key)`.
#[test]
fn a_key_may_come_through_a_pipe() {
    let user = User::new();
    image::write(&user.path("disk"), 4096, &[(0, b"boot")]);
    baler_tests::run("mkfifo", [user.path("key")]);
    let key = fs::read(fixture::key("user")).expect("the key");
    let writer = {
        let path = user.path("key");
        std::thread::spawn(move || fs::write(path, key))
    };
    user.run(["bundle", "disk", "out", "-u", ACCOUNT, "--key", "key"]).exits(0);
    writer.join().expect("a writer").expect("all of the key");
    user.verify("out/disk.manifest.xml", &[]).exits(0);
}
