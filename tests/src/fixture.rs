//! The bundles that the classic tools made, their images, and the keys that open them (`tests/fixtures`).

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A bundle of the classic tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixture {
    /// Its directory.
    pub folder: &'static str,
    /// Its name, which its files' names begin with.
    pub name: &'static str,
    /// Its image.
    pub image: &'static str,
    /// Whose key signed it, and opens it.
    pub owner: &'static str,
    /// The version of its manifest.
    pub version: &'static str,
}

/// All of them.
pub const ALL: [Fixture; 7] = [
    fixture("classic-dense", "dense", "dense.img", "user", "2007-10-10"),
    fixture("classic-holes", "holes", "holes.img", "user", "2007-10-10"),
    fixture("classic-manyholes", "manyholes", "manyholes.img", "user1024", "2007-10-10"),
    fixture("classic-mapping", "mapped", "dense.img", "user", "2007-10-10"),
    fixture("classic-v3", "dense", "dense.img", "user", "3"),
    fixture("classic-2007-08-29", "dense", "dense.img", "user", "2007-08-29"),
    fixture("euca-dense", "dense.img", "dense.img", "user", "2007-10-10"),
];

const fn fixture(
    folder: &'static str,
    name: &'static str,
    image: &'static str,
    owner: &'static str,
    version: &'static str,
) -> Fixture {
    Fixture { folder, name, image, owner, version }
}

impl Fixture {
    /// Where its files are.
    pub fn directory(&self) -> PathBuf {
        directory().join(self.folder)
    }

    /// Its manifest.
    pub fn manifest(&self) -> PathBuf {
        self.directory().join(self.manifest_filename())
    }

    /// The file name of its manifest.
    pub fn manifest_filename(&self) -> String {
        format!("{}.manifest.xml", self.name)
    }

    /// Its image, byte for byte.
    pub fn image(&self) -> Vec<u8> {
        let path = directory().join(format!("{}.gz", self.image));
        let mut image = Vec::new();
        flate2::read::GzDecoder::new(read(&path).as_slice())
            .read_to_end(&mut image)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        image
    }

    /// Copies its files into `directory`, which is made.
    pub fn copy_to(&self, directory: &Path) {
        copy_files(&self.directory(), directory);
    }
}

/// Copies the files in a directory into another one, which is made.
pub fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("the files") {
        let entry = entry.expect("a file");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The private key of `owner`: `user`, `user1024` or `ec2`.
///
/// It may be readable by others, which draws a warning: git keeps no mode.
pub fn key(owner: &str) -> PathBuf {
    directory().join(format!("{owner}-key.pkcs8.der"))
}

/// The certificate of `owner`.
pub fn certificate(owner: &str) -> PathBuf {
    directory().join(format!("{owner}-cert.pem"))
}

/// The text of the first element `name` in a manifest. This is not the way to read XML, and so another one than baler's.
pub fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    elements(xml, name).first().copied()
}

/// The texts of all elements `name`.
pub fn elements<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let (start, end) = (format!("<{name}"), format!("</{name}>"));
    let text = |(at, _)| {
        let (attributes, text) = xml[at + start.len()..].split_once('>')?;
        let whole_name = attributes.is_empty() || attributes.starts_with(' ');
        whole_name.then(|| text.split_once(&end).map(|(text, _)| text)).flatten()
    };
    xml.match_indices(&start).filter_map(text).collect()
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
