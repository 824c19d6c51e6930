//! A bundle of many small parts, what a bucket holds, and a program that must not hang.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use baler_manifest::{Manifest, Part, PrivateKey, Sha1Digest};
use baler_tests::{Cloud, Ran, Started, fixture, image, run};
use getrandom::SysRng;
use serde_json::Value;

/// How many parts the bundle has.
pub(crate) const PARTS: usize = 12;

/// No command here has so much to do.
const LIMIT: Duration = Duration::from_secs(60);

/// Files or objects, by name.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Makes the image `disk`, and in `directory` its bundle of that name in parts of some 50 KiB. The manifest takes them as
/// long as they are.
pub(crate) fn bundle(cloud: &Cloud, directory: &str) {
    let mut disk = image::noise(600_000, 5);
    disk[446..512].fill(0);
    disk[450] = 0x83;
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    fs::write(cloud.user.path("disk"), disk).expect("an image");
    cloud.bundle("disk", directory, &[]).exits(0);
    let path = cloud.user.path(directory);
    let (whole, manifest) = (path.join("disk.part.0"), path.join("disk.manifest.xml"));
    let bytes = fs::read(&whole).expect("the one part");
    fs::remove_file(whole).expect("the one part, removed");
    let text = fs::read(&manifest).expect("the manifest");
    let mut contents = Manifest::parse(&text).expect("a manifest").contents().clone();
    contents.parts = bytes
        .chunks(bytes.len().div_ceil(PARTS))
        .enumerate()
        .map(|(index, part)| {
            let filename = format!("disk.part.{index:02}");
            fs::write(path.join(&filename), part).expect("a part");
            let told = run("sha1sum", [path.join(&filename)]).text();
            let digit = |at: usize| u8::from_str_radix(&told[at..at + 2], 16).expect("a digest");
            let digest = Sha1Digest::new(std::array::from_fn(|at| digit(2 * at)));
            Part { filename, digest }
        })
        .collect();
    assert_eq!(contents.parts.len(), PARTS);
    let key = fs::read(fixture::key("user")).expect("a key");
    let key = PrivateKey::from_bytes(&key, || None).expect("a key");
    let text = baler_manifest::write(&contents, Some(&key), &mut SysRng).expect("a manifest");
    fs::write(manifest, text).expect("the manifest, written");
}

/// The files in a directory of the user's.
pub(crate) fn files(cloud: &Cloud, directory: &str) -> Files {
    let read = |name: String| {
        let bytes = fs::read(cloud.user.path(directory).join(&name)).expect("a file");
        (name, bytes)
    };
    cloud.user.list(directory).into_iter().map(read).collect()
}

/// The objects under a prefix, as the stand-in keeps them.
pub(crate) fn objects(cloud: &Cloud, bucket: &str, prefix: &str) -> Files {
    let root = cloud.user.home().with_file_name("aws/s3");
    let mut found = Files::new();
    let entries = fs::read_dir(root.join("buckets").join(bucket).join("objects"));
    for entry in entries.into_iter().flatten() {
        // What is removed meanwhile is not there.
        let Ok(text) = fs::read(entry.expect("an object").path()) else { continue };
        let about: Value = serde_json::from_slice(&text).expect("what is known of an object");
        let name =
            about["key"].as_str().and_then(|key| key.strip_prefix(prefix)?.strip_prefix('/'));
        let Some(name) = name else { continue };
        let newest = about["versions"].as_array().and_then(|all| all.last()).expect("a version");
        let data = root.join("data").join(newest["data"].as_str().expect("a file's name"));
        if let Ok(bytes) = fs::read(data) {
            found.insert(name.to_owned(), bytes);
        }
    }
    found
}

/// Runs a program to its end, which has to come.
#[track_caller]
pub(crate) fn run_to_its_end(command: &mut Command) -> Ran {
    finish(Started::new(command.stdin(std::process::Stdio::null())))
}

/// Waits for a program's end, which has to come.
#[track_caller]
pub(crate) fn finish(mut started: Started) -> Ran {
    let begun = Instant::now();
    while !started.has_ended() {
        // If the test fails here, the program is killed.
        assert!(begun.elapsed() < LIMIT, "it hangs: {started:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
    started.finish()
}
