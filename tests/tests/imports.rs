//! No two files of a crate import each other, directly or around corners: each can be read after those that it builds on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use baler_tests::imports::Crate;

/// Imports that are known to be there, so that the others are believed to be seen.
const KNOWN: [(&str, &str, &str); 6] = [
    ("crates/bundle", "pack.rs", "parts.rs"),
    ("crates/bundle", "pack.rs", "stage/gzip.rs"),
    ("crates/standin", "lib.rs", "server.rs"),
    ("crates/standin", "server.rs", "world.rs"),
    ("crates/standin", "ec2/mod.rs", "ec2/register.rs"),
    ("tests", "imports.rs", "imports/graph.rs"),
];

/// The number of crates when this was written; more may come.
const FEWEST_CRATES: usize = 9;

/// The files of each crate, and of these tests, by the directory.
fn crates() -> BTreeMap<String, Crate> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let entries = fs::read_dir(workspace.join("crates")).expect("the crates");
    let names = entries.map(|entry| entry.expect("a crate").file_name());
    let directories = names.map(|name| format!("crates/{}", name.to_string_lossy()));
    directories
        .chain(["tests".to_owned()])
        .map(|directory| {
            let found = Crate::read(&workspace.join(&directory).join("src"));
            (directory, found.unwrap_or_else(|error| panic!("{error}")))
        })
        .collect()
}

#[test]
fn no_two_files_import_each_other() {
    let mut circles = String::new();
    for (directory, found) in crates() {
        for circle in found.circles() {
            circles += &format!("\nin {directory}/src:\n{circle}\n");
        }
    }
    assert!(circles.is_empty(), "these files import each other:\n{circles}");
}

#[test]
fn the_imports_that_are_there_are_seen() {
    let crates = crates();
    let count = crates.keys().filter(|directory| directory.starts_with("crates/")).count();
    assert!(count >= FEWEST_CRATES, "{:?}", crates.keys());
    for (directory, from, to) in KNOWN {
        assert!(crates[directory].imports(from, to), "{directory}: {from} imports {to}");
    }
    for (directory, found) in &crates {
        assert!(found.count() > 0, "no file of {directory} imports another one");
    }
}
