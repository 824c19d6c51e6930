//! The classic commands, as scripts see them: each file in `classic/` is a session of one command, line for line.
//!
//! A line that begins with `$ ` is typed into a shell; then come the lines that it printed, `out: ` and `err: `, and its
//! exit code. `BALER_GOLDEN=write cargo test -p baler-tests --test classic` writes what is printed now into them; read the
//! difference.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use baler_tests::{Cloud, Ran, baler_binary, capture, fixture, image, is_root, need, skip};

/// Someone with an AWS, the old names in `PATH`, the fixtures' key and certificate in PEM, and two images.
struct Desk {
    cloud: Cloud,
    bin: PathBuf,
}

impl Desk {
    fn new() -> Desk {
        let cloud = Cloud::with_buckets(&[("there", "us-east-1"), ("europe", "eu-west-1")]);
        let user = &cloud.user;
        let bin = user.path("../bin");
        fs::create_dir(&bin).expect("a directory");
        user.run(["install-links", "../bin"]).exits(0);
        std::os::unix::fs::symlink(baler_binary(), bin.join("baler")).expect("a link");
        let key = fixture::key("user");
        let pem = capture(
            user.command("openssl")
                .args(["pkey", "-traditional", "-inform", "DER", "-in"])
                .arg(key),
        );
        fs::write(user.path("k.pem"), pem.exits(0).stdout).expect("a key");
        capture(user.command("chmod").args(["600", "k.pem"])).exits(0);
        fs::copy(fixture::certificate("user"), user.path("c.pem")).expect("a certificate");
        fs::copy(cloud.aws.ec2_certificate(), user.path("ec2.pem")).expect("a certificate");
        image::write(&user.path("disk.img"), 1 << 20, &[(0, b"boot"), (600_000, b"data")]);
        image::write(&user.path("large.img"), 25 << 20, &[(0, &image::noise(25 << 20, 7))]);
        Desk { cloud, bin }
    }

    fn shell(&self, line: &str) -> Command {
        let mut command = self.cloud.command("sh");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.bin.display()));
        command.args(["-c", line]);
        command
    }

    /// What a person would see, but for what is another on each run.
    fn transcript(&self, ran: &Ran) -> String {
        let mut text = String::new();
        let work = self.cloud.user.path("").display().to_string();
        for (kind, stream) in [("out", &ran.text()), ("err", &ran.stderr)] {
            for line in stream.lines() {
                let line = line.replace(work.trim_end_matches('/'), "WORK");
                let line = line.replace(&self.cloud.aws.url(), "URL");
                writeln!(text, "{kind}: {}", ids_hidden(&line)).expect("a string");
            }
            if !stream.is_empty() && !stream.ends_with('\n') {
                writeln!(text, "{kind}: (no new line)").expect("a string");
            }
        }
        let code = ran.code.map_or_else(|| "signal".to_owned(), |code| code.to_string());
        writeln!(text, "exit: {code}").expect("a string");
        text
    }
}

/// Without digests, and the ids of requests and of file systems.
fn ids_hidden(line: &str) -> String {
    let is_uuid = |word: &str| word.len() == 36 && word.matches('-').count() == 4;
    let is_digest =
        |word: &str| word.len() == 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_id = |word: &str| is_uuid(word) || is_digest(word);
    let words = line.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let hidden = words.map(|word| {
        let (bare, rest) = word.split_at(
            word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-').len(),
        );
        match bare.strip_prefix("baler-check-") {
            Some(_) => format!("baler-check-ID{rest}"),
            None if is_id(bare) => format!("ID{rest}"),
            None => word.to_owned(),
        }
    });
    let line: String = hidden.collect();
    match line.rsplit_once(", request ") {
        Some((start, rest)) => format!(
            "{start}, request ID{}",
            rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric())
        ),
        None => line,
    }
}

/// Types what the file says was typed, and compares what comes.
fn session(name: &str) {
    if !need(&["openssl", "debugfs", "gzip"]) {
        return;
    }
    if name == "ec2-bundle-vol" && !is_root() {
        skip("ec2-bundle-vol: its --script mounts the image, which takes root");
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("classic/{name}.txt"));
    let golden = fs::read_to_string(&path).expect("the session");
    let desk = Desk::new();
    let mut now = String::new();
    for line in golden.lines() {
        if line.starts_with('#') {
            writeln!(now, "{line}").expect("a string");
        } else if let Some(typed) = line.strip_prefix("$ ") {
            let ran = capture(&mut desk.shell(typed));
            write!(now, "{line}\n{}\n", desk.transcript(&ran)).expect("a string");
        }
    }
    if std::env::var_os("BALER_GOLDEN").is_some_and(|what| what == "write") {
        fs::write(&path, &now).expect("the session");
        return;
    }
    let is_typed = golden.lines().filter(|line| line.starts_with("$ ")).count();
    assert!(is_typed > 2, "{name} says nothing");
    let without_blanks =
        |text: &str| text.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    assert_same(name, &without_blanks(&golden), &without_blanks(&now));
}

/// Names the first line that differs, with what is around it.
fn assert_same(name: &str, wanted: &str, found: &str) {
    let typed = |text: &str, at: usize| {
        let lines: Vec<_> = text.lines().take(at + 1).collect();
        let last = lines.iter().rev().find(|line| line.starts_with("$ "));
        last.map_or_else(String::new, |line| (*line).to_owned())
    };
    let count = wanted.lines().count().max(found.lines().count());
    for at in 0..count {
        let (wanted_line, found_line) = (wanted.lines().nth(at), found.lines().nth(at));
        assert_eq!(
            wanted_line,
            found_line,
            "{name}: {}\nall that was seen:\n{found}",
            typed(wanted, at)
        );
    }
}

macro_rules! sessions {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(
            #[test]
            fn $test() {
                session($name);
            }
        )*
    };
}

sessions! {
    ami_tools_version: "ec2-ami-tools-version",
    bundle_image: "ec2-bundle-image",
    bundle_vol: "ec2-bundle-vol",
    upload_bundle: "ec2-upload-bundle",
    download_bundle: "ec2-download-bundle",
    delete_bundle: "ec2-delete-bundle",
    unbundle: "ec2-unbundle",
    migrate_manifest: "ec2-migrate-manifest",
    migrate_bundle: "ec2-migrate-bundle",
    prompts_wait_half_a_minute: "prompts",
}
