//! The documents are true: what they name exists, and what exists is in them, as far as a test can see it.
//!
//! `BALER_GOLDEN=write cargo test -p baler-tests --test documents` writes the table of `baler help classic` into
//! `docs/classic.md`; read the difference.

mod project;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use baler_tests::{User, VERBS};
use project::{files, read, root};

/// The documents that users read: the README and what it leads to.
fn guides() -> Vec<PathBuf> {
    let mut found = files("docs", ".md");
    found.push("README.md".into());
    found
}

/// All documents.
fn documents() -> Vec<PathBuf> {
    let here = fs::read_dir(root()).expect("the workspace");
    let names = here.map(|entry| PathBuf::from(entry.expect("an entry").file_name()));
    let mut found: Vec<_> =
        names.filter(|name| name.extension().is_some_and(|end| end == "md")).collect();
    for directory in ["docs", "crates", "tests", "fuzz"] {
        found.extend(files(directory, ".md"));
    }
    assert!(found.len() > 8, "{found:?}");
    found
}

/// A line of a document, and where it stands.
struct Line {
    text: String,
    /// The heading above it.
    heading: String,
    /// In a code block, without its indent.
    is_code: bool,
}

fn lines(path: &Path) -> Vec<Line> {
    let (mut heading, mut is_fenced, mut found) = (String::new(), false, Vec::new());
    for line in read(path).lines() {
        if line.starts_with("```") {
            is_fenced = !is_fenced;
            continue;
        }
        let indented = line.strip_prefix("    ");
        let is_code = is_fenced || indented.is_some();
        if !is_code && let Some(text) = line.strip_prefix('#') {
            text.trim_start_matches('#').trim().clone_into(&mut heading);
        }
        let text = if is_fenced { line } else { indented.unwrap_or(line) };
        found.push(Line { text: text.to_owned(), heading: heading.clone(), is_code });
    }
    found
}

/// A row of a table, without the row of its names.
struct Row {
    heading: String,
    cells: Vec<String>,
}

/// The rows of the tables whose first column has this name.
fn rows(path: &Path, column: &str) -> Vec<Row> {
    let (mut is_wanted, mut is_inside, mut found) = (false, false, Vec::new());
    for line in lines(path) {
        let Some(text) = line.text.strip_prefix('|').filter(|_| !line.is_code) else {
            is_inside = false;
            continue;
        };
        // `\|` is no border.
        let text = text.replace("\\|", "\u{1}");
        let cells = text.split('|').map(|cell| cell.trim().replace('\u{1}', "|"));
        let cells: Vec<String> = cells.collect();
        let first = cells.first().expect("a cell");
        if !is_inside {
            (is_inside, is_wanted) = (true, first == column);
        } else if is_wanted && !first.starts_with("---") {
            found.push(Row { heading: line.heading, cells });
        }
    }
    found
}

/// What stands between backticks in a line of text.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The long options that a text names.
fn options(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let words = text.split(|c: char| !is_part(c)).filter_map(|word| word.strip_prefix("--"));
    words.filter(|word| !word.is_empty() && !word.starts_with('-')).collect()
}

/// The help of every verb, by its name.
struct Help {
    user: User,
    texts: BTreeMap<String, String>,
}

impl Help {
    fn new() -> Help {
        let user = User::new();
        let verbs = VERBS.iter().filter(|verb| **verb != "keys").copied();
        let verbs = verbs.chain(["keys new", "keys check"]);
        let help = |verb: &str| {
            let args = verb.split(' ').chain(["--help"]);
            user.run(args).exits(0).text()
        };
        let texts = verbs.map(|verb| (verb.to_owned(), help(verb))).collect();
        Help { user, texts }
    }

    /// The verb that a command line begins with.
    fn verb<'a>(&'a self, words: &[String]) -> Option<&'a str> {
        let count = if words.first().is_some_and(|word| word == "keys") { 2 } else { 1 };
        let name = words.get(..count)?.join(" ");
        self.texts.get_key_value(&name).map(|(name, _)| name.as_str())
    }

    /// Whether a verb has an option, `--list`, `-f, --force` or `-f`.
    fn has(&self, verb: &str, option: &str) -> bool {
        has_option(&self.texts[verb], option)
    }
}

fn has_option(help: &str, option: &str) -> bool {
    let is_end = |c: char| !c.is_ascii_alphanumeric() && c != '-';
    let mut found = help.match_indices(option);
    found.any(|(at, _)| {
        help[..at].ends_with([' ', '\n']) && help[at + option.len()..].starts_with(is_end)
    })
}

/// The words of a command line, as a shell would split it, up to what is for the shell.
fn words(line: &str) -> Vec<String> {
    let (mut found, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => found.extend(word.take()),
            (None, '>' | '|' | ';' | '&') => break,
            (None, '#') if word.is_none() => break,
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    found.extend(word);
    found
}

/// The command lines in the code blocks of a document.
fn command_lines(path: &Path) -> Vec<Vec<String>> {
    let found = lines(path).into_iter().filter(|line| line.is_code).filter_map(|line| {
        let text = &*line.text;
        let typed = text.strip_prefix("$ ").or_else(|| text.strip_prefix("# "));
        let is_baler = typed.unwrap_or(text).starts_with("baler ");
        let is_classic = typed.is_some_and(|typed| typed.starts_with("ec2-"));
        (is_baler || is_classic).then(|| words(typed.unwrap_or(text)))
    });
    found.collect()
}

#[test]
fn command_lines_are_read_by_the_parser() {
    let help = Help::new();
    let mut count = 0;
    for path in guides() {
        for typed in command_lines(&path) {
            let shown = format!("{}: {}", path.display(), typed.join(" "));
            count += 1;
            if typed[0] != "baler" {
                check_classic(&help.user, &typed, &shown);
                continue;
            }
            let args = &typed[1..];
            let verb = help.verb(args).unwrap_or_else(|| panic!("{shown}: there is no such verb"));
            // Names and values before `--help` are parsed; then the help is printed, and nothing is done.
            let ran = help.user.run(args.iter().map(String::as_str).chain(["--help"]));
            assert_eq!((ran.code, &*ran.stderr), (Some(0), ""), "{shown}");
            // Required options are not looked for before the help is printed.
            let text = &help.texts[verb];
            let usage = text.lines().find(|line| line.starts_with("Usage: ")).expect("the usage");
            let required = usage.split(' ').filter(|word| word.starts_with("--"));
            let missing: Vec<_> = required.filter(|word| !args.iter().any(|a| a == word)).collect();
            assert_eq!(missing, [""; 0], "{shown}");
        }
    }
    assert!(count > 40, "the documents have {count} command lines");
}

/// Compares only the names of the options: the old parser looks for files while it parses, and those of the documents
/// do not exist here.
fn check_classic(user: &User, typed: &[String], shown: &str) {
    let help = user.run([typed[0].as_str(), "--help"]).exits(0).text();
    for option in typed.iter().filter(|word| word.starts_with('-')) {
        let option = if option.starts_with("--") { option.clone() } else { format!("{option},") };
        let found = help.split(' ').any(|word| word.trim_end() == option);
        assert!(found, "{shown}: there is no {option}");
    }
}

#[test]
fn commands_that_are_named_exist() {
    let help = Help::new();
    for path in documents() {
        for line in lines(&path).into_iter().filter(|line| !line.is_code) {
            for span in code_spans(&line.text).filter_map(|span| span.strip_prefix("baler ")) {
                let args: Vec<_> = span.split(' ').map(str::to_owned).collect();
                let shown = format!("{}: `baler {span}`", path.display());
                let first = &*args[0];
                if first.starts_with("ec2-") {
                    help.user.run([first, "--help"]).exits(0);
                } else if first == "keys" && args.len() == 1
                    || first == "help"
                    || first.starts_with("--")
                    || first == "VERB"
                {
                    // Of no single verb.
                } else {
                    let verb = help.verb(&args);
                    let verb = verb.unwrap_or_else(|| panic!("{shown}: there is no such verb"));
                    for option in options(span) {
                        assert!(help.has(verb, &format!("--{option}")), "{shown}: no --{option}");
                    }
                }
            }
        }
    }
}

#[test]
fn tables_of_options_are_true() {
    let help = Help::new();
    let mut count = 0;
    for path in guides() {
        for row in rows(&path, "option") {
            let spans = code_spans(&row.heading).filter_map(|span| span.strip_prefix("baler "));
            let verbs: Vec<_> = spans
                .map(|span| {
                    let words: Vec<_> = span.split(' ').map(str::to_owned).collect();
                    help.verb(&words).unwrap_or_else(|| panic!("there is no `baler {span}`"))
                })
                .collect();
            for span in code_spans(&row.cells[0]) {
                // `-f, --force` or `--list`, without the value.
                let end = span.find("--").map(|at| {
                    let rest = &span[at..];
                    at + rest.find([' ', '=']).unwrap_or(rest.len())
                });
                let option = &span[..end.unwrap_or(span.len())];
                count += 1;
                let shown = format!("{}, {}: {option}", path.display(), row.heading);
                if verbs.is_empty() {
                    assert!(help.texts.values().any(|text| has_option(text, option)), "{shown}");
                }
                for verb in &verbs {
                    assert!(help.has(verb, option), "{shown}: `baler {verb}` has no such option");
                }
            }
        }
    }
    assert!(count > 80, "the documents list {count} options");
}

#[test]
fn every_option_is_documented() {
    let help = Help::new();
    let guides = ["docs/guide.md", "docs/aws.md"].map(read).concat();
    let documented = options(&guides);
    for (verb, text) in &help.texts {
        // From the lines that begin with an option; others name those of other programs.
        let own = text.lines().filter(|line| line.trim_start().starts_with('-'));
        let own = own.collect::<Vec<_>>().join("\n");
        let unknown: Vec<_> = options(&own).difference(&documented).copied().collect();
        assert_eq!(unknown, [""; 0], "`baler {verb}` has options that no guide names");
    }
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let help = User::new().run(["--help"]).exits(0).text();
    let (_, help) = help.split_once("Exit codes:\n").expect("the exit codes");
    let help: Vec<_> = help
        .lines()
        .filter_map(|line| line.trim().split_once(' '))
        .map(|(code, meaning)| (code.to_owned(), meaning.trim().to_owned()))
        .collect();
    let mut tables = 0;
    for path in guides() {
        let rows = rows(&path, "code").into_iter();
        let table: Vec<_> = rows.map(|row| (row.cells[0].clone(), row.cells[1].clone())).collect();
        if !table.is_empty() {
            assert_eq!(table, help, "{}", path.display());
            tables += 1;
        }
    }
    assert_eq!(tables, 1);
}

#[test]
fn every_variable_is_documented() {
    let rows = rows(Path::new("docs/guide.md"), "variable");
    let documented: BTreeSet<_> = rows.iter().flat_map(|row| code_spans(&row.cells[0])).collect();
    let prefixes = ["AWS_", "BALER_", "EC2_", "EUCALYPTUS_", "SOURCE_DATE_", "XDG_"];
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let mut count = 0;
    let sources = files("crates", ".rs").into_iter().filter(|path| {
        let is_test = path.components().any(|part| part.as_os_str() == "tests");
        !is_test && !path.ends_with("tests.rs") && !path.starts_with("crates/standin")
    });
    for path in sources {
        let text = read(&path);
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let literals = code.split('"').filter(|text| text.chars().all(is_name));
        for name in literals.filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix))) {
            count += 1;
            assert!(documented.contains(name), "{}: {name} is in no guide", path.display());
        }
    }
    assert!(count > 10, "the code names {count} variables");
}

#[test]
fn packages_that_are_named_exist() {
    let names: BTreeSet<_> = files("crates", "Cargo.toml")
        .into_iter()
        .chain(["tests/Cargo.toml".into()])
        .map(|path| {
            let manifest = read(&path);
            let name = manifest.lines().find_map(|line| line.strip_prefix("name = "));
            name.expect("the package's name").trim_matches('"').to_owned()
        })
        .collect();
    let mut count = 0;
    let is_text = |path: &PathBuf| path.extension().is_none_or(|end| end != "pyc");
    for path in documents().into_iter().chain(files("scripts", "").into_iter().filter(is_text)) {
        let text = read(&path);
        for line in text.lines().filter(|line| line.contains("cargo ")) {
            let mut words = line.split([' ', '`', '&', ';']);
            while let Some(word) = words.next() {
                if word == "-p" {
                    let name = words.next().unwrap_or_default();
                    assert!(names.contains(name), "{}: {line}", path.display());
                    count += 1;
                }
            }
        }
    }
    assert!(count > 5, "{count} packages are named");
}

const BEGIN: &str = "```\nec2-";

#[test]
fn the_classic_table_is_that_of_the_help() {
    let table = User::new().run(["help", "classic"]).exits(0).says_nothing().text();
    let (_, wanted) = table.split_once("\n\n").expect("an introduction");
    let document = read("docs/classic.md");
    let at = document.find(BEGIN).expect("the table") + "```\n".len();
    let end = at + document[at..].find("```").expect("its end");
    if std::env::var_os("BALER_GOLDEN").is_some_and(|what| what == "write") {
        let text = [&document[..at], wanted, &document[end..]].concat();
        fs::write(root().join("docs/classic.md"), text).expect("the document");
    } else {
        let is_same = document[at..end] == *wanted;
        assert!(is_same, "docs/classic.md has another table than `baler help classic`:\n{wanted}");
    }
}

#[test]
fn the_readme_is_short_and_its_commands_are_there() {
    let readme = read("README.md");
    assert!(readme.len() <= 8192, "README.md has {} bytes", readme.len());
    for command in ["scripts/quickstart", "scripts/test"] {
        assert!(readme.contains(&format!("\n    {command} ")), "README.md has no {command}");
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || "/.-_".contains(c);
    for path in documents() {
        let text = read(&path);
        let words = text.split(|c: char| !is_part(c)).map(|word| word.trim_end_matches(['.', '/']));
        for script in words.filter(|word| word.starts_with("scripts/")) {
            let found = fs::metadata(root().join(script));
            let found = found.unwrap_or_else(|e| panic!("{}: {script}: {e}", path.display()));
            let is_program = found.permissions().mode() & 0o111 != 0;
            let is_read = script.ends_with(".py") || script.ends_with("lib.sh") || found.is_dir();
            assert!(is_program || is_read, "{}: {script} is no program", path.display());
        }
    }
}

/// The anchor that GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_to_files_and_headings() {
    for path in documents() {
        let text = read(&path);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let directory = path.parent().unwrap_or(Path::new(""));
            let file = if file.is_empty() { path.clone() } else { directory.join(file) };
            assert!(root().join(&file).exists(), "{}: {target}", path.display());
            if !heading.is_empty() {
                let found = lines(&file).iter().any(|line| anchor(&line.heading) == heading);
                assert!(found, "{}: {target}: there is no such heading", path.display());
            }
        }
    }
}

#[test]
fn every_sentence_of_the_architecture_has_its_test() {
    let rows: Vec<_> = rows(Path::new("ARCHITECTURE.md"), "");
    assert!(rows.len() > 10);
    for row in rows {
        let tests: Vec<_> = code_spans(&row.cells[2]).collect();
        assert!(!tests.is_empty(), "{}", row.cells[1]);
        for test in tests {
            let path = if test.contains('/') { test.into() } else { format!("tests/tests/{test}") };
            assert!(root().join(&path).is_file(), "there is no {path}");
        }
    }
}

#[test]
fn every_dependency_is_a_decision() {
    let rows = rows(Path::new("docs/decisions.md"), "crate");
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let listed: BTreeSet<_> =
        rows.iter().flat_map(|row| row.cells[0].split(|c: char| !is_part(c))).collect();
    let workspace = read("Cargo.toml");
    let (_, entries) = workspace.split_once("[workspace.dependencies]").expect("dependencies");
    let entries = entries.lines().take_while(|line| !line.starts_with('['));
    let names = entries.filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (name, _) = line.split_once('=')?;
        Some(name.split('.').next().unwrap_or_default().trim())
    });
    let names: Vec<_> = names.filter(|name| !name.starts_with("baler")).collect();
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        assert!(listed.contains(name), "docs/decisions.md does not say what {name} is for");
    }
}

#[test]
fn the_changelog_knows_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    let is_heading = |line: &str| line.starts_with("## ") && line.contains(version);
    let changelog = read("CHANGELOG.md");
    assert!(changelog.lines().any(is_heading), "CHANGELOG.md has no `## {version}`");
}
