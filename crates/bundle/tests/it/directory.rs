//! Bundles in directories.

use std::error::Error as _;
use std::fs;
use std::io;

use baler_bundle::{DirectorySink, DirectorySource, PartSink, PartSource, SealedPart};

fn part(filename: &str) -> SealedPart {
    SealedPart::new(filename, [0; 20].into(), b"data".to_vec())
}

#[test]
fn a_bundle_appears_with_its_commit() {
    let directory = tempfile::tempdir().unwrap();
    let mut sink = DirectorySink::create(directory.path(), "image", false).unwrap();
    sink.put(part("image.part.0")).unwrap();
    let source = DirectorySource::new(directory.path());
    assert_eq!(source.get("image.part.0").unwrap_err().kind(), io::ErrorKind::NotFound);
    let manifest = sink.commit("<manifest/>").unwrap();
    assert_eq!(source.get("image.part.0").unwrap(), b"data");
    assert_eq!(fs::read(manifest).unwrap(), b"<manifest/>");
    let error = source.get("../image.part.0").unwrap_err();
    assert_eq!(error.to_string(), "the name is not a bare file name");
}

#[test]
fn an_error_names_the_file_and_keeps_its_cause() {
    let directory = tempfile::tempdir().unwrap();
    let in_the_way = directory.path().join("image.part.0");
    fs::create_dir(&in_the_way).unwrap();
    let mut sink = DirectorySink::create(directory.path(), "image", true).unwrap();
    sink.put(part("image.part.0")).unwrap();
    let error = sink.commit("<manifest/>").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    assert_eq!(error.to_string(), format!("`{}`", in_the_way.display()));
    assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("is a directory"));
}
