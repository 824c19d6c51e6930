//! Baler's bundles open with other programs alone, and other programs' archives open with Baler.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use baler_bundle::{Level, MemoryParts, pack, unpack};
use baler_image::{Extent, FileImage, FileSink, Image, Memory};
use baler_manifest::{Part, Sha1Digest};
use sha1::{Digest as _, Sha1};

use crate::memory::{contents, data, encrypt, keys, packing, template, unpack_with, unpacking};

#[expect(clippy::disallowed_methods, reason = "the tests hold bundles against other programs")]
fn program(name: &str) -> Command {
    Command::new(name)
}

#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn skipped(why: &str) {
    println!("SKIPPED: {why}");
}

/// Whether all of these programs can be run; says so if not.
fn have(names: &[&str]) -> bool {
    let missing = names.iter().find(|name| {
        let version = if **name == "openssl" { "version" } else { "--version" };
        let run = program(name).arg(version).stdout(Stdio::null()).stderr(Stdio::null()).status();
        !run.is_ok_and(|status| status.success())
    });
    if let Some(name) = missing {
        skipped(&format!("there is no `{name}`"));
    }
    missing.is_none()
}

#[track_caller]
fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{command:?}: {stderr}");
    output
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An image of any length that takes no memory: each extent holds bytes that depend on where they are.
struct Synthetic {
    len: u64,
    extents: Vec<Extent>,
}

impl Synthetic {
    fn new(len: u64, extents: &[(u64, u64)]) -> Synthetic {
        let extents = extents.iter().map(|&(offset, len)| Extent { offset, len });
        Synthetic { len, extents: extents.collect() }
    }

    /// `count` runs of 4 KiB or 8 KiB, and a hole before each.
    fn with_runs(count: u64, tail: u64) -> Synthetic {
        let at = |index| index * 20_480 + 8192;
        let runs: Vec<_> = (0..count).map(|index| (at(index), 4096 * (index % 2 + 1))).collect();
        let end = runs.last().map_or(0, |(at, len)| at + len);
        Synthetic::new(end + tail, &runs)
    }

    fn fill(&self, buf: &mut [u8], offset: u64) {
        for (index, byte) in buf.iter_mut().enumerate() {
            let at = offset + index as u64;
            *byte = (at ^ (at >> 7) ^ (at >> 13) ^ (at >> 31)) as u8 | 1;
        }
    }

    /// Whether a file is this image; holes are looked into here and there.
    #[track_caller]
    fn check(&self, path: &Path) {
        let file = File::open(path).unwrap();
        assert_eq!(file.metadata().unwrap().len(), self.len);
        let mut at = 0;
        for extent in self.extents.iter().copied().chain([Extent { offset: self.len, len: 0 }]) {
            let hole = extent.offset - at;
            for from in [at, at + hole / 2, extent.offset.saturating_sub(4096).max(at)] {
                let mut buf = vec![1; (extent.offset - from).min(4096) as usize];
                file.read_exact_at(&mut buf, from).unwrap();
                assert!(buf.iter().all(|&byte| byte == 0), "a hole at {from}");
            }
            let (mut is, mut was) = (vec![0; extent.len as usize], vec![0; extent.len as usize]);
            file.read_exact_at(&mut is, extent.offset).unwrap();
            self.fill(&mut was, extent.offset);
            assert!(is == was, "data at {}", extent.offset);
            at = extent.end();
        }
    }
}

impl Image for Synthetic {
    fn len(&self) -> u64 {
        self.len
    }

    fn extents(&self) -> &[Extent] {
        &self.extents
    }

    fn read_at(&mut self, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.fill(buf, offset);
        Ok(())
    }
}

fn images() -> Vec<(&'static str, Synthetic)> {
    let gib = 1 << 30;
    vec![
        ("plain", Synthetic::new(1_500_000, &[(0, 1_500_000)])),
        ("one byte", Synthetic::new(1, &[(0, 1)])),
        ("sparse", Synthetic::with_runs(2, 0)),
        ("a hole at its end", Synthetic::with_runs(4, 100_000)),
        ("five extents", Synthetic::with_runs(5, 0)),
        ("26 extents", Synthetic::with_runs(26, 4096)),
        ("60 extents", Synthetic::with_runs(60, 7)),
        ("nothing but a hole", Synthetic::new(3_000_000, &[])),
        ("an odd end", Synthetic::new(50_001, &[(40_960, 9_041)])),
        (
            "9 GiB",
            Synthetic::new(9 * gib, &[(0, 4096), (5 * gib, 17 * 4096), (9 * gib - 8192, 4096)]),
        ),
    ]
}

#[test]
fn openssl_gzip_and_tar_open_a_bundle() {
    if !have(&["openssl", "gzip", "tar"]) {
        return;
    }
    let has_python = have(&["python3"]);
    let keys = keys();
    for (name, mut image) in images() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let mut parts = MemoryParts::default();
        let mut options = packing(&keys, Level::DEFAULT, 2);
        options.name = "disk.img";
        let packed = pack(&mut image, &options, &mut parts, &|_| {}).expect("packs");
        let ciphertext: Vec<u8> = parts.0.values().flatten().copied().collect();
        std::fs::write(at("ciphertext"), ciphertext).unwrap();

        let (key, iv) = (hex(keys.0.bytes()), hex(keys.1.bytes()));
        let mut openssl = program("openssl");
        openssl
            .args(["enc", "-d", "-aes-128-cbc", "-K", &key, "-iv", &iv, "-in"])
            .arg(at("ciphertext"));
        run(openssl.arg("-out").arg(at("gzip")));
        run(program("gzip").arg("-t").stdin(File::open(at("gzip")).unwrap()));
        run_into(program("gzip").arg("-dc").stdin(File::open(at("gzip")).unwrap()), &at("tar"));
        let archive = std::fs::read(at("tar")).unwrap();
        assert_eq!(Sha1Digest::new(Sha1::digest(&archive).into()), packed.digest, "{name}");

        let listed = run(program("tar").arg("-tvf").arg(at("tar")).env("TZ", "UTC"));
        let listed = String::from_utf8(listed.stdout).unwrap();
        let (first, rest) = listed.split_once('\n').unwrap();
        assert_eq!(rest, "", "{name}: one member");
        let fields: Vec<_> = first.split_whitespace().collect();
        let len = image.len.to_string();
        assert_eq!(fields, ["-rw-r--r--", "root/root", &len, "2001-09-09", "01:46", "disk.img"]);
        run(program("tar")
            .args(["--no-same-owner", "-xSf"])
            .arg(at("tar"))
            .arg("-C")
            .arg(directory.path()));
        image.check(&at("disk.img"));
        let stored = std::fs::metadata(at("disk.img")).unwrap().blocks() * 512;
        assert!(stored <= 2_000_000, "{name}: {stored} bytes are stored");

        if has_python {
            std::fs::remove_file(at("disk.img")).unwrap();
            let script = "import sys, tarfile\narchive = tarfile.open(sys.argv[1])\n\
                assert archive.getnames() == ['disk.img']\narchive.extractall(sys.argv[2])";
            run(program("python3").args(["-c", script]).arg(at("tar")).arg(directory.path()));
            image.check(&at("disk.img"));
        }

        let sink = FileSink::create(&at("back"), false).unwrap();
        let options = unpacking(&keys, 2);
        unpack(&contents(&packed), &options, &parts, Box::new(sink), &|_| {}).expect("unpacks");
        image.check(&at("back"));
    }
}

fn run_into(command: &mut Command, path: &Path) {
    run(command.stdout(File::create(path).unwrap()));
}

/// A file with `count` runs of data.
fn sparse_file(path: &Path, count: u64, tail: u64) -> Vec<u8> {
    let file = File::create(path).unwrap();
    let image = Synthetic::with_runs(count, tail);
    file.set_len(image.len).unwrap();
    let mut bytes = vec![0; image.len as usize];
    for extent in &image.extents {
        let run = &mut bytes[extent.offset as usize..extent.end() as usize];
        image.fill(run, extent.offset);
        file.write_all_at(run, extent.offset).unwrap();
    }
    bytes
}

#[test]
fn archives_of_gnu_tar_are_images() {
    if !have(&["tar"]) {
        return;
    }
    let long = format!("--transform=s,.*,{},", "n".repeat(200));
    let forms: [&[&str]; 12] = [
        &["--format=v7"],
        &["--format=ustar"],
        &["--format=posix"],
        &["--format=gnu"],
        &["--format=oldgnu", "-S"],
        &["--format=gnu", "-S"],
        &["--format=gnu", "-S", &long],
        &["--format=posix", &long],
        &["--format=posix", "-S", "--sparse-version=0.0"],
        &["--format=posix", "-S", "--sparse-version=0.1"],
        &["--format=posix", "-S", "--sparse-version=1.0"],
        &[
            "--format=posix",
            "-S",
            "--sparse-version=1.0",
            "-b",
            "2048",
            "--pax-option=globexthdr.name=g,comment=x",
        ],
    ];
    for (count, tail) in [(0, 50_000), (1, 0), (4, 1), (5, 0), (25, 4096), (60, 9000), (1100, 0)] {
        let directory = tempfile::tempdir().unwrap();
        let image = sparse_file(&directory.path().join("disk.img"), count, tail);
        for form in forms {
            let mut tar = program("tar");
            tar.args(form).args(["-c", "disk.img"]);
            if form.contains(&"-S") {
                tar.arg("--hole-detection=raw");
            }
            let archive = run(tar.current_dir(directory.path())).stdout;
            if form.contains(&"-S") {
                let most =
                    if form.contains(&"-b") { image.len().max(2 << 20) } else { image.len() };
                assert!(archive.len() < most, "{form:?} {count}: a hole is no data");
            }
            opens(&archive, &image);
        }
    }
}

/// That archive, in a bundle, is that image.
#[track_caller]
fn opens(archive: &[u8], image: &[u8]) {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(archive).unwrap();
    let part = encrypt(&keys(), &gzip.finish().unwrap());
    let sha1 = |bytes: &[u8]| Sha1Digest::new(Sha1::digest(bytes).into());
    let mut contents = template();
    (contents.size, contents.digest) = (image.len() as u64, sha1(archive));
    contents.bundled_size = part.len() as u64;
    contents.parts.push(Part { filename: "part".into(), digest: sha1(&part) });
    let parts = MemoryParts([("part".to_owned(), part)].into());
    assert!(unpack_with(&contents, &parts, 1).expect("opens") == image);
}

#[test]
fn members_beyond_8_gib() {
    if !have(&["tar"]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk.img");
    let file = File::create(&path).unwrap();
    file.set_len(9 << 30).unwrap();
    file.write_all_at(b"the end", (9 << 30) - 4096).unwrap();
    for form in [["--format=gnu", "-S"], ["--format=posix", "-S"]] {
        let mut tar = program("tar");
        let archive =
            run(tar.args(form).args(["-c", "disk.img"]).current_dir(directory.path())).stdout;
        if archive.len() > 1 << 20 {
            skipped("this file system has no holes");
            return;
        }
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&archive).unwrap();
        let part = encrypt(&keys(), &gzip.finish().unwrap());
        let mut contents = template();
        contents.digest = Sha1Digest::new(Sha1::digest(&archive).into());
        (contents.size, contents.bundled_size) = (9 << 30, part.len() as u64);
        let digest = Sha1Digest::new(Sha1::digest(&part).into());
        contents.parts.push(Part { filename: "part".into(), digest });
        let back = directory.path().join(form[0]);
        let sink = Box::new(FileSink::create(&back, false).unwrap());
        let parts = MemoryParts([("part".to_owned(), part)].into());
        unpack(&contents, &unpacking(&keys(), 1), &parts, sink, &|_| {}).expect("opens");
        let mut image = FileImage::open(&back).unwrap();
        assert_eq!(image.len(), 9 << 30);
        let mut end = [0; 4096];
        image.read_at(&mut end, (9 << 30) - 4096).unwrap();
        assert!(end.starts_with(b"the end") && image.extents().len() == 1, "{form:?}");
    }
}

#[test]
fn every_level_makes_one_member_whatever_the_number_of_threads() {
    let bytes = data(11, 3_300_000);
    for level in [1, 6, 12].map(|level| Level::new(level).unwrap()) {
        let made = [1, 2, 5].map(|jobs| {
            let mut parts = MemoryParts::default();
            let mut image = Memory::dense(bytes.clone());
            let packed = pack(&mut image, &packing(&keys(), level, jobs), &mut parts, &|_| {});
            (packed.expect("packs"), parts)
        });
        assert!(made[0] == made[1] && made[1] == made[2], "{level:?}");
        let ciphertext: Vec<u8> = made[0].1.0.values().flatten().copied().collect();
        let stream = crate::memory::decrypt(&keys(), &ciphertext);
        // A decoder that ends with the first member has all of it, and nothing is left.
        let mut decoder = flate2::bufread::GzDecoder::new(&*stream);
        let mut archive = Vec::new();
        std::io::Read::read_to_end(&mut decoder, &mut archive).unwrap();
        assert!(decoder.into_inner().is_empty(), "{level:?}");
        assert_eq!(Sha1Digest::new(Sha1::digest(&archive).into()), made[0].0.digest);
        assert_eq!(stream[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff], "no name, no time");
    }
}
