//! No secret is ever printed.

use std::fs;

use baler_manifest::{Manifest, PrivateKey};
use baler_tests::{ACCOUNT, User, capture, fixture, image, need};

const PASSPHRASE: &str = "correct horse battery staple";

/// What must not be seen of the key file `pem`, and of the bundle that `baler` made with it.
fn secrets(pem: &str, key: &PrivateKey, manifest: &Manifest) -> Vec<String> {
    let mut secrets = vec![PASSPHRASE.to_owned()];
    let lines = pem.lines().filter(|line| line.len() >= 16 && !line.starts_with("-----"));
    // The first lines of a PKCS#8 file hold nothing but what all keys have; of the rest even a half would be too much.
    secrets
        .extend(lines.flat_map(|line| [line[..16].to_owned(), line[line.len() - 16..].to_owned()]));
    let opened = baler_manifest::open(manifest.contents(), key, &mut getrandom::SysRng);
    let opened = opened.expect("the bundle's key");
    for bytes in [opened.key.bytes(), opened.iv.bytes()] {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        secrets.extend([hex.to_uppercase(), hex, format!("{bytes:?}")]);
    }
    secrets
}

#[test]
fn no_command_prints_a_secret() {
    if !need(&["openssl"]) {
        return;
    }
    let user = User::new();
    image::write(&user.path("disk"), 1 << 20, &[(0, &image::noise(100_000, 1))]);
    let openssl = |args: &[&str]| {
        let mut openssl = user.command("openssl");
        capture(
            openssl.args(["pkey", "-inform", "DER", "-in"]).arg(fixture::key("user")).args(args),
        )
        .exits(0)
    };
    openssl(&["-out", "key.pem"]);
    openssl(&["-aes256", "-passout", &format!("pass:{PASSPHRASE}"), "-out", "locked.pem"]);
    fs::write(user.path("passphrase"), PASSPHRASE).expect("a file");
    fs::write(user.path("mixed.pem"), "-----BEGIN PRIVATE KEY-----\n").expect("a file");
    let pem = fs::read_to_string(user.path("key.pem")).expect("the key");
    // A key in which one character is wrong: the message must not quote it.
    fs::write(user.path("broken.pem"), pem.replacen('A', "!", 3)).expect("a file");
    fs::write(user.path("cut.pem"), &pem[..pem.len() / 2]).expect("a file");
    user.run(["bundle", "disk", "out", "-u", ACCOUNT, "--key", "key.pem"]).exits(0);

    let manifest = fs::read(user.path("out/disk.manifest.xml")).expect("the manifest");
    let manifest = Manifest::parse(&manifest).expect("a manifest");
    let key = fs::read(fixture::key("user")).expect("the key");
    let key = PrivateKey::from_bytes(&key, || None).expect("a key");
    let mut secrets = secrets(&pem, &key, &manifest);
    let locked = fs::read_to_string(user.path("locked.pem")).expect("the key");
    secrets.extend(locked.lines().skip(1).map(str::to_owned).filter(|line| line.len() > 40));
    assert!(secrets.len() > 60, "{}", secrets.len());

    let bundle = "out/disk.manifest.xml";
    for args in [
        &["bundle", "disk", "out", "-u", ACCOUNT, "--force"] as &[_],
        &["bundle", "disk", "out", "-u", ACCOUNT],
        &["bundle", "disk", "out", "-u", ACCOUNT, "--force", "--json"],
        &["bundle", "disk", "out", "-u", ACCOUNT, "--dry-run"],
        &["bundle", "none", "out", "-u", ACCOUNT],
        &["bundle", "disk", "out", "-u", "1"],
        &["bundle", "disk", "out", "-u", ACCOUNT, "--no-such-option"],
        &["unbundle", bundle, "back", "--force"],
        &["unbundle", bundle, "back"],
        &["unbundle", bundle, "back", "--force", "--json"],
        &["unbundle", "none", "back"],
        &["verify", bundle],
        &["verify", bundle, "--json"],
        &["verify", "key.pem"],
        &["inspect", "key.pem"],
        &["keys", "check"],
        &["keys", "check", "--json"],
        &["keys", "check", "--cert", "key.pem"],
        &["keys", "new", "--cert", "cert.pem"],
    ] {
        for key in ["key.pem", "locked.pem", "broken.pem", "cut.pem", "mixed.pem", "passphrase"] {
            for file in [true, false] {
                let mut command = user.baler(args);
                command.env("RUST_BACKTRACE", "1").env("RUST_LOG", "trace");
                if args[0] != "inspect" {
                    command.args(["--key", key]);
                }
                match file {
                    true if !matches!(args, ["inspect", ..] | ["keys", "new", ..]) => {
                        command.args(["--passphrase-file", "passphrase"]);
                    }
                    _ => drop(command.env("BALER_PASSPHRASE", PASSPHRASE)),
                }
                let ran = capture(&mut command);
                assert!(matches!(ran.code, Some(0..=3)), "{} {:?}", ran.line, ran.code);
                let all = ran.text() + &ran.stderr;
                let seen = secrets.iter().find(|secret| all.contains(secret.as_str()));
                assert!(seen.is_none(), "{}: a secret was printed", ran.line);
            }
        }
    }
    // Help shows what a variable is set to, where it is not a secret.
    for args in [["bundle", "--help"], ["unbundle", "--help"], ["verify", "--help"]] {
        let ran = capture(user.baler(args).env("BALER_PASSPHRASE", PASSPHRASE)).exits(0);
        assert!(!ran.text().contains(PASSPHRASE));
    }
}
