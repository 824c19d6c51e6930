//! The house keeps its own rules: what `ARCHITECTURE.md` and `CONTRIBUTING.md` say, as far as a test can see it.

mod project;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use baler_tests::{capture, command, skip};
use project::{files, read, root};

/// Which crates each one may use; `ARCHITECTURE.md` draws the same.
const ARROWS: [(&str, &[&str]); 14] = [
    ("crates/manifest", &[]),
    ("crates/image", &[]),
    ("crates/tree", &[]),
    ("crates/bundle", &["baler-image", "baler-manifest"]),
    ("crates/ext4", &["baler-image", "baler-tree"]),
    ("crates/secrets", &[]),
    ("crates/volume", &["baler-ext4", "baler-image", "baler-secrets", "baler-tree"]),
    ("crates/aws", &[]),
    ("crates/store", &["baler-aws"]),
    ("crates/ec2", &["baler-aws"]),
    (
        "crates/baler",
        &[
            "baler-aws",
            "baler-bundle",
            "baler-ec2",
            "baler-image",
            "baler-manifest",
            "baler-store",
            "baler-volume",
        ],
    ),
    (
        "crates/cli",
        &[
            "baler",
            "baler-aws",
            "baler-bundle",
            "baler-ec2",
            "baler-ext4",
            "baler-image",
            "baler-manifest",
            "baler-store",
            "baler-volume",
        ],
    ),
    // No part of the product: it opens bundles with other people's programs, not with ours.
    ("crates/standin", &[]),
    ("tests", &["baler-image", "baler-standin"]),
];

/// The libraries: all that the faces stand on.
fn libraries() -> impl Iterator<Item = &'static str> {
    let others = ["crates/cli", "crates/standin", "tests"];
    ARROWS.iter().map(|(member, _)| *member).filter(move |member| !others.contains(member))
}

/// Where the network is.
const ASYNC: [&str; 4] = ["crates/aws", "crates/store", "crates/ec2", "crates/baler"];

/// What the libraries leave to `cli`: the network's runtime, the command line, bars, and errors without a type.
const NOT_IN_LIBRARIES: [&str; 8] =
    ["anyhow", "async-std", "clap", "env_logger", "indicatif", "rpassword", "signal-hook", "tokio"];

/// What is more than this many lines long is asked why.
const MAX_LINES: usize = 500;

fn all_sources() -> impl Iterator<Item = PathBuf> {
    ["crates", "tests", "fuzz"].into_iter().flat_map(|directory| files(directory, ".rs"))
}

/// What a source file does: its lines without comments, and without its tests.
fn code(path: &Path) -> String {
    let text = read(path);
    let is_test =
        path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
    if is_test {
        return String::new();
    }
    lines_of_code(&without_tests(&text)).collect::<Vec<_>>().join("\n")
}

/// Removes each item under `#[cfg(test)]`: to its semicolon, or to the brace in the attribute's own column.
fn without_tests(text: &str) -> String {
    let mut kept = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let attribute = line.trim_start();
        if !(attribute.starts_with("#[cfg(test") || attribute.starts_with("#[cfg(all(test")) {
            kept.push(line);
            continue;
        }
        let end = format!("{}}}", &line[..line.len() - attribute.len()]);
        let first = lines.find(|line| !line.trim_start().starts_with("#[")).expect("an item");
        if !first.ends_with(';') {
            lines.find(|line| *line == end).expect("the end of what is only for tests");
        }
    }
    kept.join("\n")
}

fn lines_of_code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| {
        let is_comment = line.trim_start().starts_with("//");
        if is_comment { "" } else { line.split(" // ").next().unwrap_or_default() }
    })
}

#[test]
fn what_comes_after_tests_is_looked_at() {
    let text = "a\n#[cfg(test)]\nmod tests;\nb\n    #[cfg(test)]\n    fn c() {\n        {\n        }\n    }\n    d // e\n\"s3://f\"";
    let left = without_tests(text);
    assert_eq!(lines_of_code(&left).collect::<Vec<_>>(), ["a", "b", "    d", "\"s3://f\""]);
}

/// The names in these sections of a `Cargo.toml`, and what each is set to.
fn entries(manifest: &str, is_wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let mut wanted = false;
    let mut found = Vec::new();
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            wanted = is_wanted(section.trim_end_matches(']'));
        } else if let Some((name, value)) = line.split_once('=').filter(|_| wanted)
            && !line.starts_with([' ', '#'])
        {
            let name = name.trim();
            let (name, field) = name.split_once('.').unwrap_or((name, ""));
            found.push((name.to_owned(), format!("{field} {}", value.trim())));
        }
    }
    found
}

fn names(manifest: &str, sections: &[&str]) -> BTreeSet<String> {
    let found = entries(manifest, |section| sections.contains(&section));
    found.into_iter().map(|(name, _)| name).collect()
}

fn is_ours(name: &str) -> bool {
    name == "baler" || name.starts_with("baler-")
}

#[test]
fn the_arrows_between_crates_are_these() {
    let members: BTreeSet<_> = fs::read_dir(root().join("crates"))
        .expect("the crates")
        .map(|entry| format!("crates/{}", entry.expect("a crate").file_name().to_string_lossy()))
        .chain(["tests".to_owned()])
        .collect();
    let known: BTreeSet<_> = ARROWS.iter().map(|(member, _)| (*member).to_owned()).collect();
    assert_eq!(members, known, "say here what a new crate may use");
    for (member, arrows) in ARROWS {
        let manifest = read(format!("{member}/Cargo.toml"));
        let used = names(&manifest, &["dependencies", "build-dependencies"]);
        let ours: Vec<_> = used.iter().filter(|name| is_ours(name)).collect();
        assert_eq!(ours, arrows.iter().collect::<Vec<_>>(), "{member}");
        // In a test a library may use another one, but not what is built from it.
        let in_tests = names(&manifest, &["dev-dependencies"]);
        assert!(!in_tests.contains("baler-cli"), "{member}");
        let above = ARROWS.iter().any(|(_, arrows)| {
            let name = member.replace("crates/", "baler-");
            arrows.contains(&name.as_str())
                // The stand-in is built from no other crate.
                && in_tests.iter().any(|used| {
                    is_ours(used) && used != "baler-standin" && *used > name
                })
        });
        assert!(!above, "{member}: {in_tests:?}");
    }
}

#[test]
fn the_map_has_these_arrows() {
    let text = read("ARCHITECTURE.md");
    let (_, map) = text.split_once("    crates/\n").expect("the map");
    for (member, arrows) in ARROWS.iter().filter(|(member, _)| *member != "tests") {
        let name = member.strip_prefix("crates/").expect("a crate");
        let line = map.lines().find(|line| line.trim_start().starts_with(&format!("{name}/")));
        let line = line.unwrap_or_else(|| panic!("ARCHITECTURE.md does not have {name}/"));
        let drawn = line.rsplit_once("-> ").map_or("", |(_, drawn)| drawn);
        if matches!(*member, "crates/baler" | "crates/cli") {
            assert!(!drawn.is_empty(), "{line}");
            continue;
        }
        let drawn: BTreeSet<_> = drawn.split(", ").filter(|name| !name.is_empty()).collect();
        let arrows = arrows.iter().map(|name| name.trim_start_matches("baler-"));
        assert_eq!(drawn, arrows.collect(), "{line}");
    }
}

#[test]
fn libraries_leave_the_command_line_to_the_command() {
    for member in libraries() {
        let manifest = read(format!("{member}/Cargo.toml"));
        let used = names(&manifest, &["dependencies", "dev-dependencies", "build-dependencies"]);
        for name in NOT_IN_LIBRARIES {
            let may = name == "tokio" && ASYNC.contains(&member);
            assert!(may || !used.contains(name), "{member} uses {name}");
        }
    }
    // Only one crate makes a runtime, and a run of jobs has one.
    let makes = |path: &PathBuf| code(path).contains("Builder::new_multi_thread");
    let makers: Vec<_> = libraries()
        .flat_map(|member| files(&format!("{member}/src"), ".rs"))
        .filter(makes)
        .collect();
    assert_eq!(makers, [Path::new("crates/baler/src/network.rs")]);
}

/// Whether a word is in a text, and not as the end of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| !text[..at].ends_with(goes_on))
}

/// Insists on none of these words being in the code of a crate.
fn check_without(member: &str, words: &[&str]) {
    for path in files(&format!("{member}/src"), ".rs") {
        let code = code(&path);
        let found = words.iter().find(|word| has_word(&code, word));
        assert_eq!(found, None, "{}", path.display());
    }
}

#[test]
fn the_manifest_opens_no_file_and_knows_no_time() {
    check_without(
        "crates/manifest",
        &[
            "fs::",
            "env::",
            "SystemTime::now",
            "Instant::now",
            "getrandom",
            "SysRng",
            "OsRng",
            "thread_rng",
            "net::",
        ],
    );
}

/// What prints.
const SPEAKING: [&str; 7] =
    ["println!", "eprintln!", "print!", "eprint!", "stdout()", "stderr()", "stdin()"];

#[test]
fn only_the_command_speaks() {
    for member in libraries() {
        check_without(member, &SPEAKING);
        check_without(member, &["env::var", "env::vars", "env::args", "temp_dir", "var_os"]);
        // `volume` starts programs, through one door.
        if member != "crates/volume" {
            check_without(member, &["env::", "process::exit", "process::Command"]);
        }
    }
    // And what it says goes through few places.
    let speaking: Vec<_> = files("crates/cli/src", ".rs")
        .into_iter()
        .filter(|path| SPEAKING.iter().any(|word| has_word(&code(path), word)))
        .collect();
    let places = ["report/output.rs", "report.rs", "streams.rs"];
    assert_eq!(speaking, places.map(|name| Path::new("crates/cli/src").join(name)));
}

#[test]
fn the_environment_is_read_in_one_place() {
    let reading: Vec<_> = files("crates/cli/src", ".rs")
        .into_iter()
        .filter(|path| has_word(&code(path), "env::"))
        .collect();
    // `main` looks at the name that it was called by.
    let places = ["environment.rs", "main.rs"];
    assert_eq!(reading, places.map(|name| Path::new("crates/cli/src").join(name)));
    assert!(!code(Path::new("crates/cli/src/main.rs")).contains("env::var"));
}

/// Options of other programs, which a library starts, and the ends of bucket names that S3 reserves.
const FOREIGN: [&str; 8] = [
    "--fs-uuid",
    "--make-rprivate",
    "--no-floppy",
    "--ol-s3",
    "--recursive",
    "--set",
    "--table-s3",
    "--x-s3",
];

#[test]
fn no_library_names_an_option() {
    for path in libraries().flat_map(|member| files(&format!("{member}/src"), ".rs")) {
        let code = code(&path);
        for (at, _) in code.match_indices("--") {
            let is_begin = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '-');
            let word: String =
                code[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            let is_option =
                word.len() > 3 && word[2..].starts_with(|c: char| c.is_ascii_lowercase());
            let is_foreign = FOREIGN.contains(&word.as_str());
            assert!(!is_begin || !is_option || is_foreign, "{}: {word}", path.display());
        }
    }
}

#[test]
fn no_program_is_started() {
    for member in libraries().chain(["crates/cli"]).filter(|member| *member != "crates/volume") {
        check_without(member, &["Command::new", "process::Command", "exec("]);
    }
}

#[test]
fn nothing_is_left_to_be_done() {
    // Put together, so that this is not one of them.
    let marks = ["todo!", "unimplemented!", "dbg!"].map(|name| format!("{name}("));
    let marks = marks.into_iter().chain([["#[", "ignore"].concat(), ["FIX", "ME"].concat()]);
    let marks: Vec<_> = marks.collect();
    for path in all_sources().filter(|path| !path.ends_with("tidy.rs")) {
        let text = read(&path);
        for mark in &marks {
            assert!(!text.contains(mark), "{}: {mark}", path.display());
        }
    }
}

#[test]
fn unsafe_code_is_where_it_is_said_to_be() {
    let allowed = [Path::new("crates/volume/src/script.rs")];
    let word = ["un", "safe"].concat();
    for path in all_sources().filter(|path| !allowed.contains(&path.as_path())) {
        let text = read(&path);
        let found = lines_of_code(&text).find(|line| {
            line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
        });
        assert_eq!(found, None, "{}", path.display());
    }
}

#[test]
fn sources_are_short_and_crates_say_what_they_are() {
    for path in all_sources() {
        let lines = read(&path).lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", path.display());
        if path.ends_with("src/lib.rs") || path.ends_with("src/main.rs") {
            assert!(read(&path).starts_with("//! "), "{}", path.display());
        }
    }
}

#[test]
fn every_dependency_of_the_workspace_is_used() {
    let workspace = read("Cargo.toml");
    let members: Vec<_> =
        ARROWS.iter().map(|(member, _)| read(format!("{member}/Cargo.toml"))).collect();
    let of_workspace = |value: &str| value.contains("workspace");
    let used: BTreeSet<_> = members
        .iter()
        .flat_map(|manifest| entries(manifest, |section| section.ends_with("dependencies")))
        .map(|(name, value)| {
            assert!(of_workspace(&value), "{name}: its version belongs into the workspace");
            name
        })
        .collect();
    assert_eq!(names(&workspace, &["workspace.dependencies"]), used);
    for (manifest, (member, _)) in members.iter().zip(ARROWS) {
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{member} has the workspace's lints"
        );
        // One who says `use` and one who says `Cargo.toml` are to agree.
        let sources: String =
            files(member, ".rs").iter().map(read).chain(Some(read("Cargo.toml"))).collect();
        for name in names(manifest, &["dependencies", "dev-dependencies"]) {
            let in_code = if name == "md-5" { "md5".to_owned() } else { name.replace('-', "_") };
            assert!(sources.contains(&format!("{in_code}::")), "{member} does not use {name}");
        }
    }
}

/// The files that belong to the project, as git knows them.
fn tracked() -> Option<Vec<PathBuf>> {
    if !root().join(".git").exists() {
        skip("what belongs to the project is known to git alone, and this is no repository");
        return None;
    }
    let ran = capture(
        command("git").args(["-c", "safe.directory=*", "ls-files", "-z"]).current_dir(root()),
    );
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let text = ran.text();
    let names = text.split('\0').filter(|name| !name.is_empty());
    Some(names.map(PathBuf::from).filter(|path| root().join(path).exists()).collect())
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    // Put together, so that this is not one of them.
    let places =
        [["/wo", "rk/"], ["/tmp/", "target"], ["/root", "/"]].map(|halves| halves.concat());
    for path in tracked().unwrap_or_default() {
        let bytes = fs::read(root().join(&path)).expect("a tracked file");
        // The binary ones were made elsewhere, and mean nothing here.
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        for place in &places {
            assert!(!text.contains(place), "{}: {place}", path.display());
        }
    }
}

#[test]
fn what_is_printed_does_not_depend_on_who_runs_the_test() {
    for path in files("tests/cmd", ".toml") {
        assert!(read(&path).contains("\nenv.inherit = false\n"), "{}", path.display());
    }
}
