//! The house keeps its own rules: what `ARCHITECTURE.md` and `CONTRIBUTING.md` say, as far as a test can see it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use baler_tests::{User, VERBS, capture, command, skip};

/// Which crates each one may use: a star, with `cli` in the middle.
const ARROWS: [(&str, &[&str]); 12] = [
    ("crates/manifest", &[]),
    ("crates/image", &[]),
    ("crates/bundle", &["baler-image", "baler-manifest"]),
    ("crates/tree", &[]),
    ("crates/secrets", &[]),
    ("crates/ext4", &["baler-image", "baler-tree"]),
    ("crates/volume", &["baler-ext4", "baler-image", "baler-secrets", "baler-tree"]),
    ("crates/store", &[]),
    ("crates/ec2", &[]),
    (
        "crates/cli",
        &[
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

/// Where the network is.
const ASYNC: [&str; 2] = ["crates/store", "crates/ec2"];

/// What the libraries leave to `cli`: the network's runtime, the command line, bars, and errors without a type.
const NOT_IN_LIBRARIES: [&str; 8] =
    ["anyhow", "async-std", "clap", "env_logger", "indicatif", "rpassword", "signal-hook", "tokio"];

/// What is more than this many lines long is asked why.
const MAX_LINES: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below a directory whose names end so, relative to the workspace, in order.
fn files(below: &str, suffix: &str) -> Vec<PathBuf> {
    let (mut found, mut directories) = (Vec::new(), vec![PathBuf::from(below)]);
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(root().join(&directory)).expect("a directory of the workspace");
        for entry in entries {
            let entry = entry.expect("an entry");
            let path = directory.join(entry.file_name());
            match entry.file_type().expect("its type").is_dir() {
                true if entry.file_name() != "target" => directories.push(path),
                false if path.to_string_lossy().ends_with(suffix) => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn all_sources() -> impl Iterator<Item = PathBuf> {
    ["crates", "tests", "fuzz"].into_iter().flat_map(|directory| files(directory, ".rs"))
}

/// What a source file does: its lines without comments, and without its tests.
fn code(path: &Path) -> String {
    let text = read(path);
    let is_test =
        path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
    let text = if is_test { "" } else { text.split("#[cfg(test)]").next().unwrap_or_default() };
    lines_of_code(text).collect::<Vec<_>>().join("\n")
}

fn lines_of_code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split("//").next().unwrap_or_default())
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
        assert!(!in_tests.contains("baler"), "{member}");
        let above = ARROWS.iter().any(|(_, arrows)| {
            let name = member.replace("crates/", "baler-");
            arrows.contains(&name.as_str())
                && in_tests.iter().any(|used| is_ours(used) && *used > name)
        });
        assert!(!above, "{member}: {in_tests:?}");
    }
}

#[test]
fn libraries_leave_the_command_line_to_the_command() {
    for (member, _) in ARROWS
        .iter()
        .filter(|(member, _)| !matches!(*member, "crates/cli" | "crates/standin" | "tests"))
    {
        let manifest = read(format!("{member}/Cargo.toml"));
        let used = names(&manifest, &["dependencies", "dev-dependencies", "build-dependencies"]);
        for name in NOT_IN_LIBRARIES {
            let may = name == "tokio" && ASYNC.contains(member);
            assert!(may || !used.contains(name), "{member} uses {name}");
        }
    }
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

#[test]
fn only_the_command_speaks() {
    let words = ["println!", "eprintln!", "print!", "eprint!", "stdout()", "stderr()", "stdin()"];
    for member in ["crates/manifest", "crates/image", "crates/bundle", "crates/store", "crates/ec2"]
    {
        check_without(member, &words);
        check_without(member, &["env::", "process::", "var_os"]);
    }
    // And what it says goes through one place.
    let speaking: Vec<_> = files("crates/cli/src", ".rs")
        .into_iter()
        .filter(|path| words.iter().any(|word| has_word(&code(path), word)))
        .collect();
    let places =
        ["input.rs", "output.rs", "report.rs"].map(|name| Path::new("crates/cli/src").join(name));
    assert_eq!(speaking, places);
}

#[test]
fn no_program_is_started() {
    for member in [
        "crates/manifest",
        "crates/image",
        "crates/bundle",
        "crates/store",
        "crates/ec2",
        "crates/cli",
    ] {
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

/// The exit codes in a text: what begins a line or a row of a table, and what is said of it.
fn exit_codes(text: &str) -> Vec<(String, String)> {
    let cells = |line: &str| {
        let line = line.trim().trim_matches('|').trim().replace('`', "");
        let (code, meaning) = line.split_once([' ', '|'])?;
        let meaning = meaning.trim_start_matches([' ', '|']).trim().to_owned();
        code.parse::<u8>().ok().map(|_| (code.to_owned(), meaning))
    };
    text.lines().filter_map(cells).collect()
}

#[test]
fn the_readme_has_the_exit_codes_of_the_help() {
    let help = User::new().run(["--help"]).exits(0).text();
    let (_, help) = help.split_once("Exit codes:").expect("the exit codes");
    let readme = read("README.md");
    let table: String = readme
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(exit_codes(&table), exit_codes(help));
}

/// The options that a text names.
fn options(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '-';
    let words = text.split(|c: char| !is_part(c)).filter_map(|word| word.strip_prefix("--"));
    words.filter(|word| !word.is_empty() && !word.starts_with('-')).collect()
}

#[test]
fn the_readme_knows_no_option_that_is_not_there() {
    let user = User::new();
    let help: String = VERBS.map(|verb| user.run([verb, "--help"]).exits(0).text()).concat();
    let readme = read("README.md");
    let rows: Vec<_> = readme.lines().filter(|line| line.starts_with('|')).collect();
    let rows = rows.join("\n");
    let unknown: Vec<_> = options(&rows).difference(&options(&help)).copied().collect();
    assert_eq!(unknown, [""; 0], "README.md has options that `--help` has not");
}

#[test]
fn the_changelog_knows_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    let is_heading = |line: &str| line.starts_with("## ") && line.contains(version);
    let changelog = read("CHANGELOG.md");
    assert!(changelog.lines().any(is_heading), "CHANGELOG.md has no `## {version}`");
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
fn links_lead_to_files() {
    for path in tracked().unwrap_or_default() {
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = read(&path);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.contains("://")) {
            let target_path = path.parent().unwrap_or(Path::new("")).join(target);
            assert!(root().join(&target_path).exists(), "{}: {target}", path.display());
        }
    }
}

#[test]
fn what_is_printed_does_not_depend_on_who_runs_the_test() {
    for path in files("tests/cmd", ".toml") {
        assert!(read(&path).contains("\nenv.inherit = false\n"), "{}", path.display());
    }
}
