//! `baler unbundle --keep-going`: what a damaged bundle still holds, and which bytes it does not.

use std::fs;
use std::ops::Range;

use baler_tests::{Ran, User, fixture, image};
use serde_json::{Value, json};

const BUNDLE: &str = "bundle/disk.manifest.xml";
const LEN: u64 = 26 << 20;
const DATA: Range<u64> = 1 << 20..24 << 20;

/// A user with the image `disk` and its bundle of three parts.
fn user() -> User {
    let user = User::new();
    let noise = image::noise((DATA.end - DATA.start) as usize, 1);
    image::write(&user.path("disk"), LEN, &[(DATA.start, &noise)]);
    user.bundle("disk", "bundle", &["--level", "1"]).exits(0);
    assert_eq!(user.list("bundle").len(), 4);
    user
}

fn salvage(user: &User, more: &[&str]) -> Ran {
    user.unbundle(BUNDLE, "back", &[&["--keep-going", "--force"], more].concat())
}

fn ranges(value: &Value) -> Vec<Range<u64>> {
    let number = |value: &Value| value.as_u64().expect("a number");
    let range = |pair: &Value| number(&pair[0])..number(&pair[1]);
    value.as_array().expect("a list").iter().map(range).collect()
}

/// Insists on the image being right but for what is said to be lost, which is zeros, or suspect.
fn check_rest(user: &User, lost: &[Range<u64>], suspect: &[Range<u64>]) {
    let (disk, back) = (fs::read(user.path("disk")), fs::read(user.path("back")));
    let (mut disk, mut back) = (disk.expect("the image"), back.expect("what was saved"));
    assert_eq!(back.len() as u64, LEN);
    for range in lost.iter().chain(suspect) {
        assert!(range.start < range.end && range.end <= LEN, "{range:?}");
    }
    for range in lost {
        let range = range.start as usize..range.end as usize;
        assert!(back[range.clone()].iter().all(|byte| *byte == 0), "{range:?} is zeros");
        disk[range].fill(0);
    }
    for range in suspect {
        let range = range.start as usize..range.end as usize;
        disk[range.clone()].fill(0);
        back[range].fill(0);
    }
    assert!(disk == back, "all that is not called lost or suspect is right");
}

/// Runs it on a bundle that was damaged by `damage`; gives how many bytes are lost, and suspect.
fn check(damage: impl Fn(&User), names: &[&str]) -> (u64, u64) {
    let user = user();
    damage(&user);
    user.unbundle(BUNDLE, "back", &[]).exits(3);
    assert!(!user.path("back").exists());

    let json = salvage(&user, &["--json"]).exits(3).says("is damaged").json();
    assert_eq!(json!([json["image"], json["size"], json["whole"]]), json!(["back", LEN, false]));
    assert_eq!(json["signature"], "valid");
    let (lost, suspect) = (ranges(&json["lost"]), ranges(&json["suspect"]));
    check_rest(&user, &lost, &suspect);

    // The same for people: the last byte rather than the one behind it.
    let ran = salvage(&user, &[]).exits(3);
    let text = ran.text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.last(), Some(&"back"));
    for (what, ranges) in [("lost", &lost), ("suspect", &suspect)] {
        let found: Vec<_> = lines.iter().filter(|line| line.starts_with(what)).collect();
        assert_eq!(found.len(), ranges.len(), "{text}");
        for (line, range) in found.iter().zip(ranges) {
            assert!(
                line.starts_with(&format!("{what:<8} {}-{} (", range.start, range.end - 1)),
                "{line}"
            );
        }
    }
    for name in names {
        assert!(
            lines.iter().any(|line| line.starts_with("error ") && line.contains(name)),
            "{text}"
        );
        assert!(json["errors"].to_string().contains(name), "{json}");
    }
    let sum = |ranges: &[Range<u64>]| ranges.iter().map(|range| range.end - range.start).sum();
    (sum(&lost), sum(&suspect))
}

fn change(user: &User, part: &str, change: impl Fn(&mut Vec<u8>)) {
    let path = user.path("bundle").join(part);
    let mut bytes = fs::read(&path).expect("the part");
    change(&mut bytes);
    fs::write(path, bytes).expect("the part");
}

#[test]
fn a_wrong_byte_costs_little() {
    let (lost, suspect) =
        check(|user| change(user, "disk.part.1", |bytes| bytes[5_000_000] ^= 1), &["disk.part.1"]);
    assert!(lost <= 3 << 20, "{lost}");
    // The part is not what the manifest says, and so all that comes from it is suspect, and the MiB on either side of it.
    assert!(suspect <= 12 << 20, "{suspect}");
    assert!(lost + suspect > 0);
}

#[test]
fn a_missing_part_costs_its_share() {
    let remove = |user: &User| {
        fs::remove_file(user.path("bundle/disk.part.1")).expect("the part");
    };
    let (lost, suspect) = check(remove, &["disk.part.1", "No such file"]);
    assert!((8 << 20..13 << 20).contains(&lost), "{lost} {suspect}");
}

#[test]
fn several_bad_parts() {
    let damage = |user: &User| {
        change(user, "disk.part.0", |bytes| bytes[9_000_000..9_000_100].fill(0));
        change(user, "disk.part.2", |bytes| bytes.truncate(1_000_000));
    };
    let (lost, suspect) = check(damage, &["disk.part.0", "disk.part.2"]);
    assert!(lost < 15 << 20, "{lost} {suspect}");
}

#[test]
fn a_good_bundle_is_unbundled_as_ever() {
    let user = user();
    salvage(&user, &[]).exits(0).prints("back\n");
    image::assert_same(&user.path("disk"), &user.path("back"));
    let json = salvage(&user, &["--json"]).exits(0).json();
    assert_eq!(json!([json["whole"], json["lost"], json["errors"]]), json!([true, [], []]));
}

#[test]
fn a_bad_signature_is_no_reason_to_stop_and_none_to_say_that_all_is_well() {
    let user = user();
    let manifest = fs::read_to_string(user.path(BUNDLE)).expect("the manifest");
    let bad = manifest.replace("<architecture>x86_64<", "<architecture>arm64<");
    fs::write(user.path(BUNDLE), bad).expect("the manifest");
    user.unbundle(BUNDLE, "back", &[]).exits(3);
    let ran = salvage(&user, &[]).exits(3).says("warning: the signature of");
    ran.says("is whole; its signature is wrong");
    image::assert_same(&user.path("disk"), &user.path("back"));
}

#[test]
fn what_is_lost_of_an_image_on_standard_output_is_told_beside_it() {
    let user = user();
    change(&user, "disk.part.1", |bytes| bytes[5_000_000] ^= 1);
    let ran = user.unbundle(BUNDLE, "-", &["--keep-going"]).exits(3);
    assert_eq!(ran.stdout.len() as u64, LEN);
    assert!(ran.stderr.lines().any(|line| line.contains("lost ") || line.contains("suspect ")));
    ran.says("disk.part.1").says("is damaged");
}

#[test]
fn where_nothing_is_left_nothing_is_written() {
    let user = user();
    for name in user.list("bundle").iter().filter(|name| name.contains(".part.")) {
        fs::remove_file(user.path("bundle").join(name)).expect("a part");
    }
    let ran = user.unbundle(BUNDLE, "back", &["--keep-going"]).exits(3).prints_nothing();
    ran.says("disk.part.0");
    assert_eq!(user.list(""), ["bundle", "disk"]);
    // An existing file is not overwritten for it either.
    fs::write(user.path("back"), "precious").expect("a file");
    user.unbundle(BUNDLE, "back", &["--keep-going"]).exits(1).says("exists");
    salvage(&user, &[]).exits(3);
    assert_eq!(fs::read_to_string(user.path("back")).expect("it"), "precious");
}

/// Other tools' bundles are one stream: what comes before the damage is had, nothing behind it.
#[test]
fn a_classic_bundle_keeps_what_comes_before_the_damage() {
    for name in ["classic-dense", "euca-dense"] {
        let user = User::new();
        let fixture = fixture::ALL.iter().find(|fixture| fixture.folder == name).expect("it");
        fixture.copy_to(&user.path("bundle"));
        let part = format!("{}.part.0", fixture.name);
        change(&user, &part, |bytes| bytes[100_000] ^= 0x10);
        let bundle = format!("bundle/{}", fixture.manifest_filename());
        let json = user.unbundle(&bundle, "back", &["--keep-going", "--json"]).exits(3).json();
        let (lost, suspect) = (ranges(&json["lost"]), ranges(&json["suspect"]));
        let (image, back) = (fixture.image(), fs::read(user.path("back")).expect("what was saved"));
        assert_eq!(image.len(), back.len());
        let sure =
            |at: usize| !lost.iter().chain(&suspect).any(|range| range.contains(&(at as u64)));
        let wrong = (0..image.len()).find(|at| image[*at] != back[*at] && sure(*at));
        assert_eq!(wrong, None, "{json}");
        assert!(!lost.is_empty() || !suspect.is_empty(), "{json}");
    }
}
