//! The bundles of the classic tools are what their manifests say, and become the images that they were made of.

use std::fs;

use baler_tests::fixture::{self, Fixture, element, elements};
use baler_tests::{Ran, User, capture, need};
use serde_json::{Value, json};

/// Runs `baler VERB MANIFEST ARGS...` for each fixture, with its owner's certificate if that is wanted.
fn for_each(verb: &str, certificate: bool, args: &[&str], check: impl Fn(&Fixture, Ran)) {
    let user = User::new();
    for fixture in &fixture::ALL {
        let mut command = user.baler([verb]);
        command.arg(fixture.manifest()).args(args);
        if certificate {
            command.arg("--cert").arg(fixture::certificate(fixture.owner));
        }
        check(fixture, capture(&mut command));
    }
}

#[test]
fn each_verifies_with_its_certificate() {
    for_each("verify", true, &["--no-key"], |_, ran| {
        let text = "signature  valid\nparts      all 1 good\nimage      not checked\n";
        assert_eq!(ran.exits(0).says_nothing().text(), text);
    });
    // A certificate alone means the same.
    for_each("verify", true, &["--json"], |_, ran| {
        let json = ran.exits(0).says_nothing().json();
        let expected = json!([true, "valid", 1, [], "not checked"]);
        let names = ["verifies", "signature", "parts", "bad_parts", "image"];
        assert_eq!(json!(names.map(|name| &json[name])), expected, "{json}");
    });
}

#[test]
fn none_verifies_with_another_certificate() {
    let ec2 = fixture::certificate("ec2").to_string_lossy().into_owned();
    for_each("verify", false, &["--cert", &ec2], |_, ran| {
        ran.exits(3).says("does not verify").prints("signature  wrong\nparts      all 1 good\n");
    });
    for_each("verify", false, &["--no-key"], |_, ran| {
        ran.exits(0).prints("signature  not checked\nparts      all 1 good\n");
    });
    for_each("verify", false, &[], |_, ran| {
        ran.exits(2).prints_nothing().says("there is no key").says("hint: pass --key or --cert");
    });
}

/// Whoever has a key in the environment can still look at a bundle without it.
#[test]
fn no_key_means_none_from_the_environment_either() {
    let user = User::new();
    let mut command = user.baler(["verify", "--no-key"]);
    command.arg(fixture::ALL[0].manifest()).env("EC2_PRIVATE_KEY", "no/such/key");
    capture(command.env("EC2_CERT", fixture::certificate("user")))
        .exits(0)
        .prints("signature  valid\nparts      all 1 good\nimage      not checked\n");
}

#[test]
fn each_verifies_with_its_key() {
    let user = User::new();
    for fixture in &fixture::ALL {
        for certificate in [false, true] {
            let mut command = user.baler(["verify", "--key"]);
            command.arg(fixture::key(fixture.owner)).arg(fixture.manifest());
            if certificate {
                command.arg("--cert").arg(fixture::certificate(fixture.owner));
            }
            let text = "signature  valid\nparts      all 1 good\nimage      good\n";
            assert_eq!(capture(&mut command).exits(0).text(), text);
        }
    }
}

/// The forms in which users keep their keys; each openssl's, and what else `baler` is to be told.
const FORMS: [(&str, &[&str]); 6] = [
    ("pkcs8.pem", &[]),
    ("pkcs1.pem", &["-traditional"]),
    ("pkcs1.der", &["-traditional", "-outform", "DER"]),
    ("aes.pem", &["-aes256", "-passout", "pass:a good one, größer"]),
    ("3des.pem", &["-des3", "-passout", "pass:a good one, größer"]),
    ("legacy.pem", &["-traditional", "-aes128", "-passout", "pass:a good one, größer"]),
];

/// Makes the key of `owner` in one of the forms, and gives its file name.
fn make_key(user: &User, owner: &str, (form, options): (&str, &[&str])) -> String {
    let name = format!("{owner}.{form}");
    let mut openssl = user.command("openssl");
    openssl.args(["pkey", "-inform", "DER", "-in"]).arg(fixture::key(owner));
    capture(openssl.args(options).args(["-out", &name])).exits(0);
    name
}

#[test]
fn each_unbundles_with_its_key_in_every_form() {
    let user = User::new();
    let check = |fixture: &Fixture, key: &str, by: &str| {
        let mut command = user.baler(["unbundle", "--key", key, "--force"]);
        command.arg(fixture.manifest()).arg("image");
        match by {
            "file" => drop(command.args(["--passphrase-file", "passphrase"])),
            "variable" => drop(command.env("BALER_PASSPHRASE", "a good one, größer")),
            _ => {}
        }
        capture(&mut command).exits(0).prints("image\n");
        let image = fs::read(user.path("image")).expect("the image");
        assert!(image == fixture.image(), "{fixture:?} {key}");
    };
    for fixture in &fixture::ALL {
        check(fixture, &fixture::key(fixture.owner).to_string_lossy(), "");
    }
    if !need(&["openssl"]) {
        return;
    }
    fs::write(user.path("passphrase"), "a good one, größer\nnot this\n").expect("a file");
    for owner in ["user", "user1024"] {
        for form in FORMS {
            let key = make_key(&user, owner, form);
            let by: &[&str] =
                if form.1.contains(&"-passout") { &["file", "variable"] } else { &[""] };
            for fixture in fixture::ALL.iter().filter(|fixture| fixture.owner == owner) {
                by.iter().for_each(|by| check(fixture, &key, by));
            }
        }
    }
}

#[test]
fn a_key_does_not_open_without_its_passphrase() {
    if !need(&["openssl"]) {
        return;
    }
    let user = User::new();
    fs::write(user.path("wrong"), "a bad one\n").expect("a file");
    for form in &FORMS[3..] {
        let key = make_key(&user, "user", *form);
        let check = |args: &[&str]| {
            let mut command = user.baler(["unbundle", "--key", &key]);
            command.arg(fixture::ALL[0].manifest()).arg("image").args(args);
            let ran = capture(&mut command).exits(1).prints_nothing();
            assert!(!user.path("image").exists());
            ran.says("hint: pass --passphrase-file, or set BALER_PASSPHRASE")
        };
        check(&["--passphrase-file", "wrong"]).says(&key);
    }
    user.run(["keys", "check", "--key", "user.aes.pem", "--passphrase-file", "none"])
        .exits(1)
        .says("reading the passphrase `none`");
}

#[test]
fn each_unbundles_with_the_key_of_ec2_if_its_signer_is_known() {
    let user = User::new();
    for fixture in &fixture::ALL {
        let run = |args: &[&std::ffi::OsStr]| {
            let mut command = user.baler(["unbundle", "--force", "--key"]);
            command.arg(fixture::key("ec2")).arg(fixture.manifest()).arg("image").args(args);
            let ran = capture(&mut command);
            if ran.code == Some(0) {
                let image = fs::read(user.path("image")).expect("the image");
                assert!(image == fixture.image(), "{fixture:?}");
                fs::remove_file(user.path("image")).expect("the image");
            }
            assert_eq!(user.list(""), [""; 0], "{fixture:?}");
            ran
        };
        run(&[]).exits(2).says("cannot be checked").says("hint: pass the signer's certificate");
        run(&["--ignore-signature".as_ref()])
            .exits(0)
            .says("warning: the signature")
            .does_not_say("signature, parts and image were checked");
        let certificate = fixture::certificate(fixture.owner);
        run(&["--cert".as_ref(), certificate.as_ref()]).exits(0);
        let certificate = fixture::certificate("ec2");
        run(&["--cert".as_ref(), certificate.as_ref()]).exits(3).says("the signature of");
    }
}

#[test]
fn a_key_that_is_not_the_bundles_is_refused() {
    let user = User::new();
    for fixture in &fixture::ALL {
        let other = if fixture.owner == "user" { "user1024" } else { "user" };
        let mut command = user.baler(["unbundle", "--key"]);
        command.arg(fixture::key(other)).arg(fixture.manifest()).arg("image");
        capture(&mut command).exits(1).says("hint: pass the bundle's key with --key");
        assert_eq!(user.list(""), [""; 0]);
    }
}

/// What the XML says, as another reader sees it.
fn as_json(fixture: &Fixture) -> Value {
    let xml = fs::read_to_string(fixture.manifest()).expect("the manifest");
    let text = |name| element(&xml, name).map(str::to_owned);
    let number = |name| text(name).and_then(|text| text.parse::<u64>().ok());
    // The first <name> and <version> are the bundle's, the manifest's and the bundler's in turn.
    let image = &xml[xml.find("<image>").expect("an image")..];
    let bundler = element(&xml, "bundler").expect("a bundler");
    let parts = elements(&xml, "part").into_iter().map(
        |part| json!({ "filename": element(part, "filename"), "sha1": element(part, "digest") }),
    );
    let mappings = elements(&xml, "mapping").into_iter().map(|mapping| {
        json!({ "virtual": element(mapping, "virtual"), "device": element(mapping, "device") })
    });
    json!({
        "version": fixture.version,
        "bundler": {
            "name": element(bundler, "name"), "version": element(bundler, "version"),
            "release": element(bundler, "release"),
        },
        "name": element(image, "name"),
        "type": element(image, "type").unwrap_or("machine"),
        "architecture": element(&xml, "architecture").unwrap_or("i386"),
        "account": text("user"),
        "size": number("size"),
        "bundled_size": number("bundled_size"),
        "sha1": text("digest"),
        "kernel_id": text("kernel_id"),
        "ramdisk_id": text("ramdisk_id"),
        "kernel_name": text("kernel_name"),
        "product_codes": elements(&xml, "product_code"),
        "ancestors": elements(&xml, "ancestor_ami_id"),
        "block_device_mappings": mappings.collect::<Vec<_>>(),
        "user_key_bits": text("user_encrypted_key").map(|hex| hex.len() * 4),
        "ec2_key_bits": text("ec2_encrypted_key").map(|hex| hex.len() * 4),
        "signed": true,
        "parts": parts.collect::<Vec<_>>(),
    })
}

#[test]
fn inspect_says_what_the_manifest_says() {
    for_each("inspect", false, &["--json"], |fixture, ran| {
        assert_eq!(ran.exits(0).says_nothing().json(), as_json(fixture), "{fixture:?}");
    });
    for_each("inspect", false, &[], |fixture, ran| {
        let text = ran.exits(0).says_nothing().text();
        let json = as_json(fixture);
        let mut expected = vec![format!("manifest      version {}", fixture.version)];
        for (label, value) in
            [("name", "name"), ("architecture", "architecture"), ("kernel", "kernel_id")]
        {
            expected.extend(json[value].as_str().map(|value| format!("{label:<14}{value}")));
        }
        for mapping in json["block_device_mappings"].as_array().expect("mappings") {
            let text = |name: &str| mapping[name].as_str().expect("a name").to_owned();
            expected.push(format!("mapping       {}={}", text("virtual"), text("device")));
        }
        for line in expected {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    });
}
