//! Help, completions and manual pages: made from the command line's own definition, and of use.

use std::fs;

use baler_tests::{User, VERBS, capture, need};

#[test]
fn help_names_every_verb_and_exit_code() {
    let user = User::new();
    let help = user.run(["--help"]).exits(0).says_nothing();
    for verb in VERBS {
        let text = user.run([verb, "--help"]).exits(0).says_nothing().text();
        assert!(text.contains(&format!("Usage: baler {verb}")), "{text}");
        assert!(help.text().lines().any(|line| line.trim_start().starts_with(verb)), "{verb}");
    }
    let text = help.text();
    let (_, codes) = text.split_once("Exit codes:\n").expect("the exit codes");
    let codes: Vec<_> = codes.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(codes, ["0", "1", "2", "3", "4", "130"]);
    assert_eq!(user.run(["help"]).exits(0).text(), text);
    assert_eq!(user.run(["help", "bundle"]).exits(0).text(), user.run(["bundle", "--help"]).text());
    let version = user.run(["--version"]).exits(0).text();
    assert_eq!(version, format!("baler {}\n", env!("CARGO_PKG_VERSION")));
    // Without a verb the help is there, but it is not what was asked for.
    user.run([""; 0]).exits(2).prints_nothing().says("Usage: baler");
    user.run(["bundel"]).exits(2).prints_nothing().says("bundle");
}

#[test]
fn completions_know_the_verbs() {
    let user = User::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = user.run(["completions", shell]).exits(0).says_nothing();
        for word in VERBS.into_iter().chain(["ignore-signature", "allow-large"]) {
            assert!(ran.text().contains(word), "{shell}: {word}");
        }
        let script = user.path("script");
        fs::write(&script, &ran.stdout).expect("a file");
        if matches!(shell, "bash" | "zsh" | "fish") && need(&[shell]) {
            capture(user.command(shell).arg("-n").arg(&script)).exits(0).says_nothing();
        }
    }
    user.run(["completions", "dos"]).exits(2).says("bash");
}

/// What bash would offer for a line.
#[test]
fn bash_completes_a_line() {
    if !need(&["bash"]) {
        return;
    }
    let user = User::new();
    fs::write(user.path("script"), user.run(["completions", "bash"]).exits(0).stdout)
        .expect("a file");
    let offered = |words: &str, index: &str| {
        let program = format!(
            ". ./script; COMP_WORDS=({words}); COMP_CWORD={index}; _baler baler \"${{COMP_WORDS[{index}]}}\"; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        capture(user.command("bash").args(["-c", &program])).exits(0).text()
    };
    assert!(offered("baler unb", "1").lines().any(|line| line == "unbundle"));
    assert!(offered("baler bundle --allow", "2").lines().any(|line| line == "--allow-large"));
}

#[test]
fn manual_pages_have_their_sections() {
    let user = User::new();
    let page = user.run(["man"]).exits(0).says_nothing().text();
    for section in [".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS", "Exit codes:"] {
        assert!(page.contains(section), "{section}");
    }
    fs::create_dir(user.path("pages")).expect("a directory");
    user.run(["man", "pages"]).exits(0);
    let pages = user.list("pages");
    for page in
        ["baler.1", "baler-bundle.1", "baler-unbundle.1", "baler-verify.1", "baler-keys-new.1"]
    {
        assert!(pages.iter().any(|found| found == page), "{page}: {pages:?}");
    }
    if !need(&["man"]) {
        return;
    }
    for page in pages {
        let path = user.path("pages").join(&page);
        let mut man = user.command("man");
        let ran = capture(man.arg("-l").arg(&path).env("MANPAGER", "cat").env("MANWIDTH", "100"));
        assert!(ran.code == Some(0) && ran.stdout.len() > 200, "{page}: {}", ran.stderr);
    }
    user.run(["man", "no/such/directory"]).exits(1).says("writing manual pages into");
}
