//! One wrong byte anywhere in a bundle is never taken for a right one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use baler_tests::fixture::{self, Fixture};
use baler_tests::{User, capture, image};

/// A bundle to damage, in the user's directory, and what it holds.
struct Victim {
    folder: &'static str,
    manifest: String,
    owner: &'static str,
    image: Vec<u8>,
}

impl Victim {
    /// Its files, the parts first.
    fn files(&self, user: &User) -> Vec<PathBuf> {
        let directory = user.path(self.folder);
        let (manifests, mut parts): (Vec<_>, Vec<_>) = user
            .list(self.folder)
            .into_iter()
            .map(|name| directory.join(name))
            .partition(|path| path.extension().is_some_and(|extension| extension == "xml"));
        parts.extend(manifests);
        parts
    }

    /// Changes one byte of one file, and looks at what baler makes of the bundle.
    fn check(&self, user: &User, file: &Path, at: usize, change: u8, seen: &mut BTreeSet<i32>) {
        let good = fs::read(file).expect("a file of the bundle");
        let mut bad = good.clone();
        bad[at] ^= change;
        fs::write(file, &bad).expect("the changed file");

        let what = format!("{} at {at}: {:#04x} for {:#04x}", file.display(), bad[at], good[at]);
        let bundle = user.path(self.folder).join(&self.manifest);
        let run = |verb: &str, args: &[&str]| {
            let mut command = user.baler([verb, "--quiet"]);
            let ran = capture(command.arg(&bundle).args(args));
            assert!(matches!(ran.code, Some(0..=3)), "{what}: {:?} {:?}", ran.code, ran.signal);
            assert!(
                ran.code == Some(0) || ran.stderr.contains("error: "),
                "{what}: no reason told"
            );
            ran.code
        };
        let key = fixture::key(self.owner).to_string_lossy().into_owned();
        let certificate = fixture::certificate(self.owner).to_string_lossy().into_owned();

        let unbundled = run("unbundle", &["back.img", "--key", &key]);
        seen.extend(unbundled);
        if unbundled == Some(0) {
            let back = fs::read(user.path("back.img")).expect("an image");
            assert!(back == self.image, "{what}: a wrong image");
            fs::remove_file(user.path("back.img")).expect("an image");
        }
        let hidden = user.list("").into_iter().find(|name| name.contains("back.img"));
        assert_eq!(hidden, None, "{what}: this was left");
        for verified in [run("verify", &["--key", &key]), run("verify", &["--cert", &certificate])]
        {
            assert!(verified != Some(0) || unbundled == Some(0), "{what}: verified, and no image");
        }
        fs::write(file, &good).expect("the file as it was");
    }
}

/// `count` positions in a file of `len` bytes: both ends, and others all over it.
fn positions(len: usize, count: usize, seed: u64) -> Vec<usize> {
    let random = image::noise(8 * count, seed);
    let random = random.chunks_exact(8).map(|word| {
        let word = word.try_into().expect("eight bytes");
        (u64::from_le_bytes(word) % len as u64) as usize
    });
    [0, len - 1, len - 8, 15].into_iter().chain(random).take(count).collect()
}

/// Damages the bundle's files here and there: `per_manifest` and `per_part` times.
fn check_all(user: &User, victim: &Victim, per_manifest: usize, per_part: usize) {
    let mut seen = BTreeSet::new();
    for (seed, file) in (1..).zip(victim.files(user)) {
        let len = file.metadata().expect("a file").len() as usize;
        let is_manifest = file.extension().is_some_and(|extension| extension == "xml");
        let count = if is_manifest { per_manifest } else { per_part };
        let changes = image::noise(count, !seed);
        for (at, change) in positions(len, count, seed).into_iter().zip(changes) {
            victim.check(user, &file, at, change.max(1), &mut seen);
        }
    }
    assert!(seen.contains(&3), "no change was seen as one: {seen:?}");
}

#[test]
fn a_wrong_byte_in_a_classic_bundle() {
    let user = User::new();
    for Fixture { folder, owner, .. } in &fixture::ALL {
        let fixture = fixture::ALL.iter().find(|fixture| fixture.folder == *folder);
        let fixture = fixture.expect("this one");
        fixture.copy_to(&user.path(folder));
        let victim =
            Victim { folder, manifest: fixture.manifest_filename(), owner, image: fixture.image() };
        check_all(&user, &victim, 60, 24);
    }
}

/// Two parts, and an image with holes: the second part's digest is wrong when half of the image is written.
#[test]
fn a_wrong_byte_in_a_bundle_of_several_parts() {
    let user = User::new();
    let (one, two) = (image::noise(9 << 20, 1), image::noise(2 << 20, 2));
    image::write(&user.path("several"), 13 << 20, &[(4096, &one), (11 << 20, &two)]);
    user.bundle("several", "bundle", &["--level", "fast"]).exits(0);
    assert_eq!(user.list("bundle"), ["several.manifest.xml", "several.part.0", "several.part.1"]);
    let image = fs::read(user.path("several")).expect("the image");
    let manifest = "several.manifest.xml".to_owned();
    let victim = Victim { folder: "bundle", manifest, owner: "user", image };
    check_all(&user, &victim, 60, 24);
}

/// A byte of a part's SHA-1 or length in the manifest is changed, and nothing was signed: that is seen all the same.
#[test]
fn without_a_signature_the_parts_are_still_checked() {
    let user = User::new();
    let fixture = &fixture::ALL[0];
    fixture.copy_to(&user.path("bundle"));
    let manifest = user.path("bundle").join(fixture.manifest_filename());
    let xml = fs::read_to_string(&manifest).expect("the manifest");
    let part = fixture::element(&xml, "part").expect("a part");
    let digest = fixture::element(part, "digest").expect("a digest");
    let run = |args: &[&str]| {
        let ran = user.unbundle("bundle/dense.manifest.xml", "back.img", args);
        assert_eq!(user.path("back.img").exists(), ran.code == Some(0));
        ran
    };
    for (from, to, message) in [
        (digest, "0123456789012345678901234567890123456789", "SHA-1 is"),
        ("<bundled_size>202720<", "<bundled_size>202721<", "202720 bytes together"),
        ("<size>600000<", "<size>600001<", "600000"),
    ] {
        fs::write(&manifest, xml.replacen(from, to, 1)).expect("the changed manifest");
        run(&[]).exits(3).says("the signature of").says("hint: if you trust its source");
        run(&["--ignore-signature"]).exits(3).says(message);
    }
    let unsigned = xml.replace(fixture::element(&xml, "signature").expect("one"), "UNSIGNED");
    fs::write(&manifest, unsigned).expect("the changed manifest");
    run(&[]).exits(3).says("is not signed");
    user.verify("bundle/dense.manifest.xml", &[]).exits(3).prints("signature  missing");
    run(&["--ignore-signature"]).exits(0).says("warning: ").says("is not signed");
}
