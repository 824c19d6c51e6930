//! Bundles that the classic tools made open to their images, with the user's key and with EC2's.

use std::io::Read;
use std::path::Path;

use baler_bundle::{DirectorySource, salvage, unpack, verify};
use baler_image::MemorySink;
use baler_manifest::{Manifest, OpenedAs, PrivateKey, PublicKey, SignatureCheck, open};
use getrandom::SysRng;

use crate::memory::{unpacking, untouched};

fn fixture(path: &str) -> Vec<u8> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures"));
    std::fs::read(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn image(name: &str) -> Vec<u8> {
    let mut image = Vec::new();
    let packed = fixture(&format!("{name}.img.gz"));
    flate2::read::GzDecoder::new(&*packed).read_to_end(&mut image).unwrap();
    image
}

fn check(folder: &str, manifest: &str, image_name: &str, user: &str) {
    let text = fixture(&format!("{folder}/{manifest}.manifest.xml"));
    let manifest = Manifest::parse(&text).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let certificate =
        PublicKey::from_bytes(&fixture(&format!("{user}-cert.pem"))).expect("a certificate");
    assert_eq!(manifest.check_signature(&certificate), SignatureCheck::Valid, "{folder}");
    let contents = manifest.contents();
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");
    let source = DirectorySource::new(Path::new(directory).join(folder));
    let expected = image(image_name);
    for (owner, opened_as) in [(user, OpenedAs::User), ("ec2", OpenedAs::Ec2)] {
        let key = fixture(&format!("{owner}-key.pkcs8.der"));
        let key = PrivateKey::from_bytes(&key, || None).expect("a key");
        let opened = open(contents, &key, &mut SysRng).expect("opens");
        assert_eq!(opened.opened_as, opened_as, "{folder}");
        let keys = (opened.key, opened.iv);
        for jobs in [1, 3] {
            let (options, mut written) = (unpacking(&keys, jobs), untouched());
            unpack(contents, &options, &source, Box::new(MemorySink::new(&mut written)), &|_| {})
                .unwrap_or_else(|error| panic!("{folder}: {error}"));
            assert!(written.bytes() == expected, "{folder}");
            let found = verify(contents, Some(&options), jobs, &source, &|_| {});
            assert!(found.is_good() && matches!(found.image, Some(Ok(()))), "{folder}: {found:?}");
        }
        let (options, mut written) = (unpacking(&keys, 1), untouched());
        let sink = Box::new(MemorySink::new(&mut written));
        let found = salvage(contents, &options, &source, sink, &|_| {}).unwrap();
        assert!(found.is_whole() && written.bytes() == expected, "{folder}: {found:?}");
    }
}

#[test]
fn bundles_of_the_classic_tools() {
    for (folder, manifest, image, user) in [
        ("classic-dense", "dense", "dense", "user"),
        ("classic-holes", "holes", "holes", "user"),
        ("classic-manyholes", "manyholes", "manyholes", "user1024"),
        ("classic-mapping", "mapped", "dense", "user"),
        ("classic-v3", "dense", "dense", "user"),
        ("classic-2007-08-29", "dense", "dense", "user"),
        ("euca-dense", "dense.img", "dense", "user"),
    ] {
        check(folder, manifest, image, user);
    }
}
