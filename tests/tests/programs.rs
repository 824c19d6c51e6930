//! Bundles made by baler, opened by other people's programs: openssl, gzip, GNU tar, Python's tarfile.

use std::fs;
use std::path::PathBuf;

use baler_tests::fixture::{self, element, elements};
use baler_tests::{User, capture, image, need, run};

/// A bundle that is opened without baler, step by step, in the user's directory.
struct Opening<'a> {
    user: &'a User,
    xml: String,
}

impl Opening<'_> {
    fn of<'a>(user: &'a User, name: &str) -> Opening<'a> {
        let manifest = user.path(format!("bundle/{name}.manifest.xml"));
        Opening { user, xml: fs::read_to_string(manifest).expect("the manifest") }
    }

    fn element(&self, name: &str) -> &str {
        element(&self.xml, name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    fn openssl(&self, args: &[&str]) -> String {
        let ran = capture(self.user.command("openssl").args(args)).exits(0);
        ran.text().trim().to_owned()
    }

    /// The text that is encrypted for `owner` in the element `name`: 32 hexadecimal digits.
    fn unwrapped(&self, name: &str, owner: &str) -> String {
        fs::write(self.user.path("wrapped"), from_hex(self.element(name))).expect("a file");
        let key = fixture::key(owner);
        let key = key.to_str().expect("a path");
        let text = self
            .openssl(&["pkeyutl", "-decrypt", "-keyform", "DER", "-inkey", key, "-in", "wrapped"]);
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        assert!(text.len() == 32 && text.bytes().all(is_hex), "{name} holds `{text}`");
        text
    }

    /// Openssl's verdict on the bytes that are signed, cut out of the file.
    fn check_signature(&self) {
        let signed: String = ["machine_configuration", "image"]
            .iter()
            .map(|name| format!("<{name}>{}</{name}>", self.element(name)))
            .collect();
        fs::write(self.user.path("signed"), signed).expect("a file");
        fs::write(self.user.path("signature"), from_hex(self.element("signature")))
            .expect("a file");
        let certificate = fixture::certificate("user");
        let certificate = certificate.to_str().expect("a path");
        self.openssl(&["x509", "-in", certificate, "-pubkey", "-noout", "-out", "public.pem"]);
        let verify =
            ["dgst", "-sha1", "-verify", "public.pem", "-signature", "signature", "signed"];
        assert_eq!(self.openssl(&verify), "Verified OK");
    }

    /// Each part's digest, and the sum of their lengths.
    fn check_parts(&self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for part in elements(&self.xml, "part") {
            let name = element(part, "filename").expect("its name");
            let path = self.user.path("bundle").join(name);
            let sha1 = self.openssl(&["dgst", "-sha1", "-r", path.to_str().expect("a path")]);
            assert_eq!(sha1.split(' ').next(), element(part, "digest"), "{name}");
            paths.push(path);
        }
        let sum: u64 = paths.iter().map(|path| path.metadata().expect("a part").len()).sum();
        assert_eq!(sum.to_string(), self.element("bundled_size"));
        paths
    }

    /// Leaves the archive in `archive`, and checks the digest that the manifest has of it.
    fn decrypt(&self) {
        let (key, iv) = (
            self.unwrapped("user_encrypted_key", "user"),
            self.unwrapped("user_encrypted_iv", "user"),
        );
        assert_eq!(self.unwrapped("ec2_encrypted_key", "ec2"), key);
        assert_eq!(self.unwrapped("ec2_encrypted_iv", "ec2"), iv);
        let parts = self.check_parts();
        let read = |path| fs::read(path).expect("a part");
        fs::write(self.user.path("encrypted"), parts.iter().flat_map(read).collect::<Vec<_>>())
            .expect("a file");
        self.openssl(&[
            "enc",
            "-d",
            "-aes-128-cbc",
            "-K",
            &key,
            "-iv",
            &iv,
            "-in",
            "encrypted",
            "-out",
            "archive.gz",
        ]);
        capture(self.user.command("gzip").args(["-d", "-f", "archive.gz"])).exits(0).says_nothing();
        let sha1 = self.openssl(&["dgst", "-sha1", "-r", "archive"]);
        assert_eq!(sha1.split(' ').next(), Some(self.element("digest")));
        assert_eq!(self.user.path("archive").metadata().expect("it").len() % 10_240, 0);
    }
}

/// Extracts the archive's one member into a new directory; `tarfile` in Python since 3.12 wants to be told what to trust.
const PYTHON: &str = "import sys, tarfile
archive = tarfile.open('archive', 'r:')
members = archive.getmembers()
assert len(members) == 1 and members[0].isreg(), members
assert members[0].size == int(sys.argv[1]), members[0].size
if hasattr(tarfile, 'data_filter'):
    archive.extractall('python', filter='data')
else:
    archive.extractall('python')";

fn from_hex(hex: &str) -> Vec<u8> {
    let digits = |pair| u8::from_str_radix(pair, 16).unwrap_or_else(|_| panic!("hex: {pair}"));
    (0..hex.len()).step_by(2).map(|at| digits(&hex[at..at + 2])).collect()
}

/// Makes an image of these extents, bundles it, and opens the bundle in every way.
fn check(name: &str, len: u64, extents: &[(u64, &[u8])]) {
    if !need(&["openssl", "gzip", "tar", "python3"]) {
        return;
    }
    let user = User::new();
    let original = user.path(name);
    image::write(&original, len, extents);
    let ec2 = fixture::certificate("ec2");
    let ec2 = ec2.to_str().expect("a path");
    user.bundle(name, "bundle", &["--ec2-cert", ec2, "--level", "fast", "--allow-large"]).exits(0);

    let opening = Opening::of(&user, name);
    assert_eq!(opening.element("size"), len.to_string());
    opening.check_signature();
    opening.decrypt();

    fs::create_dir(user.path("gnu")).expect("a directory");
    let list = capture(user.command("tar").args(["-tvf", "archive"])).exits(0).says_nothing();
    assert!(list.text().starts_with("-rw-r--r-- root/"), "{}", list.text());
    assert_eq!(list.text().lines().count(), 1);
    // Without -S on purpose: a sparse member says itself that it is one.
    capture(user.command("tar").args(["-xf", "archive", "-C", "gnu"])).exits(0).says_nothing();
    image::assert_same(&original, &user.path("gnu").join(name));

    run_python(&user, len);
    image::assert_same(&original, &user.path("python").join(name));

    user.unbundle(&format!("bundle/{name}.manifest.xml"), "back", &[]).exits(0);
    image::assert_same(&original, &user.path("back"));
    // What was a hole is one again.
    let data: u64 = extents.iter().map(|(_, data)| data.len() as u64).sum();
    let most = data + (extents.len() as u64 + 1) * 65_536;
    assert!(image::stored(&user.path("back")) <= most, "{}", image::stored(&user.path("back")));
}

fn run_python(user: &User, len: u64) {
    // The one who runs the tests may have a Python that asks for its home.
    let mut python = baler_tests::command("python3");
    python.args(["-c", PYTHON, &len.to_string()]).current_dir(user.path(""));
    capture(&mut python).exits(0);
}

#[test]
fn a_plain_image() {
    check("plain", 700_001, &[(0, &image::noise(700_001, 3))]);
}

#[test]
fn an_image_of_several_parts() {
    check("several.img", 21 << 20, &[(0, &image::noise(21 << 20, 4))]);
}

#[test]
fn a_sparse_image() {
    let data = image::noise(200_000, 5);
    check("sparse", 8 << 20, &[(0, &data), (3 << 20, &data), ((8 << 20) - 4096, &data[..4096])]);
}

#[test]
fn an_image_that_begins_and_ends_with_a_hole() {
    check("tail", 5 << 20, &[(2 << 20, &image::noise(70_000, 6))]);
}

#[test]
fn an_image_without_data() {
    check("empty", 3 << 20, &[]);
}

/// Four extents fit into a sparse member's header and 21 into each block after it.
#[test]
fn images_of_many_extents() {
    let data = image::noise(4096, 7);
    for count in [4, 5, 24, 25, 26, 70] {
        let extents: Vec<_> = (0..count).map(|i| (i * (192 << 10), data.as_slice())).collect();
        check(&format!("many{count}"), count * (192 << 10), &extents);
    }
}

/// 8 GiB is where the octal numbers of an archive end, and base-256 begins.
#[test]
fn an_image_of_more_than_8_gib() {
    let data = image::noise(100_000, 8);
    let len = (9 << 30) + 123;
    check("large", len, &[(0, &data), (4 << 30, &data), ((9 << 30) + 23, &data[..100])]);
    check("hollow", 9 << 30, &[(0, &data)]);
}

#[test]
fn a_member_is_named_after_the_bundle() {
    if !need(&["openssl", "gzip", "tar"]) {
        return;
    }
    let user = User::new();
    image::write(&user.path("disk"), 4096, &[(0, b"boot")]);
    let name = "n".repeat(100);
    let ec2 = fixture::certificate("ec2");
    user.bundle("disk", "bundle", &["--name", &name, "--ec2-cert", ec2.to_str().expect("a path")])
        .exits(0);
    Opening::of(&user, &name).decrypt();
    let archive = user.path("archive");
    assert_eq!(run("tar", [std::ffi::OsStr::new("-tf"), archive.as_ref()]).text().trim(), name);
}
