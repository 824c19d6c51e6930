//! Any bytes as a manifest: no panic, and what is accepted is safe to act on.
#![no_main]

use std::collections::HashSet;

use baler_manifest::{Contents, Manifest, Version, write};
use getrandom::SysRng;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(manifest) = Manifest::parse(bytes) else { return };
    assert_eq!(manifest.text().as_bytes(), bytes, "the text is kept as it was read");

    let signed: Vec<&[u8]> = manifest.signed().collect();
    let elements: &[&str] = match manifest.version() {
        Version::V3 => &["image"],
        _ => &["machine_configuration", "image"],
    };
    assert_eq!(signed.len(), elements.len());
    for (run, element) in signed.iter().zip(elements) {
        assert!(
            run.starts_with(format!("<{element}").as_bytes()) && run.ends_with(b">"),
            "signed bytes are one whole element"
        );
    }

    let contents = manifest.contents();
    assert!(!contents.parts.is_empty());
    let names: HashSet<&str> = contents.parts.iter().map(|part| part.filename.as_str()).collect();
    assert_eq!(names.len(), contents.parts.len(), "no part is named twice");
    for name in names {
        assert!(
            !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']),
            "{name:?} is a bare file name"
        );
    }

    // What can be written again is read as the same, and written as the same.
    let rewritten = |contents: &Contents| write(contents, None, &mut SysRng);
    if let Ok(xml) = rewritten(contents) {
        let again = Manifest::parse(xml.as_bytes()).expect("what is written can be read");
        assert_eq!(rewritten(again.contents()).as_ref(), Ok(&xml));
    }
});
