//! What is different for someone who sits at a terminal: bars, a prompt, and no image on the screen.

use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;

use baler_tests::{
    ACCOUNT, Ran, Started, User, baler_binary, capture, command, fixture, image, need, until,
};

const PASSPHRASE: &str = "correct horse battery staple";

/// `baler` on a terminal of its own, whose name is then in the file `tty`.
///
/// None of the arguments may mean anything to a shell.
fn on_terminal(user: &User, args: &[&str]) -> std::process::Command {
    let baler = baler_binary().display();
    let line = format!("tty >tty; stty cols 100 rows 30; exec '{baler}' {}", args.join(" "));
    let mut script = user.command("script");
    script.env("TERM", "xterm");
    script.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]);
    script
}

/// Types the passphrase, or something else, when it is asked for.
fn answer(user: &User, args: &[&str], typed: &str) -> Ran {
    let mut started = Started::new(on_terminal(user, args).stdin(Stdio::piped()));
    let mut stdout = started.child.stdout.take().expect("a pipe");
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("Passphrase of key.pem: ") {
        let mut byte = [0];
        stdout.read_exact(&mut byte).expect("a prompt");
        seen.push(byte[0]);
    }
    let tty = fs::read_to_string(user.path("tty")).expect("the terminal's name");
    let settings = || capture(command("stty").args(["-a", "-F", tty.trim()])).text();
    until("what is typed is not shown", || settings().contains(" -echo "));
    let mut stdin = started.child.stdin.take().expect("a pipe");
    stdin.write_all(typed.as_bytes()).expect("someone who types");
    stdout.read_to_end(&mut seen).expect("the rest");
    // As long as the pipe is open: the end of its input would end `script` before the terminal is read to its end.
    let mut ran = started.finish();
    drop(stdin);
    ran.stdout = seen;
    assert!(!ran.text().contains(PASSPHRASE), "it was shown");
    ran
}

/// A user with an encrypted key; `None` where there are no programs to make one, or a terminal, with.
fn user() -> Option<User> {
    if !need(&["script", "stty", "openssl"]) {
        return None;
    }
    let user = User::new();
    let mut openssl = user.command("openssl");
    openssl.args(["pkey", "-inform", "DER", "-aes256", "-out", "key.pem", "-passout"]);
    openssl.arg(format!("pass:{PASSPHRASE}")).arg("-in").arg(fixture::key("user"));
    capture(&mut openssl).exits(0);
    Some(user)
}

#[test]
fn a_passphrase_is_asked_for_and_not_shown() {
    let Some(user) = user() else { return };
    let check = |typed: &str, code, text: &str| {
        let ran = answer(&user, &["keys", "check", "--key", "key.pem"], typed).exits(code);
        ran.prints(text);
    };
    check(&format!("{PASSPHRASE}\n"), 0, "RSA, 2048 bits");
    check("wrong\n", 1, "hint: pass --passphrase-file, or set BALER_PASSPHRASE");
    // Ctrl-C.
    check("\x03", 130, "interrupted");
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let Some(user) = user() else { return };
    if !need(&["setsid"]) {
        return;
    }
    // A session of its own has no terminal, wherever the tests are run.
    let mut setsid = user.command("setsid");
    setsid.arg("--wait").arg(baler_binary()).args(["keys", "check", "--key", "key.pem"]);
    let ran = capture(&mut setsid).exits(1).says("asking for the passphrase of the key `key.pem`");
    ran.says("hint: pass --passphrase-file, or set BALER_PASSPHRASE");
}

#[test]
fn an_image_is_not_written_on_the_screen() {
    let Some(user) = user() else { return };
    image::write(&user.path("disk"), 4096, &[(0, b"boot")]);
    user.bundle("disk", "out", &[]).exits(0);
    let key = fixture::key("user");
    let args = ["unbundle", "out/disk.manifest.xml", "-", "--key", key.to_str().expect("a path")];
    let ran = capture(&mut on_terminal(&user, &args)).exits(2);
    ran.prints("standard output is a terminal").prints("hint: redirect it, or name a file");
}

#[test]
fn a_bar_shows_the_progress_and_is_gone_in_the_end() {
    let Some(user) = user() else { return };
    image::write(&user.path("disk"), 24 << 20, &[(0, &image::noise(24 << 20, 1))]);
    let key = fixture::key("user");
    let key = key.to_str().expect("a path");
    let bundle = ["bundle", "disk", "out", "--account", ACCOUNT, "--force", "--key", key];
    let ran = capture(&mut on_terminal(&user, &bundle)).exits(0);
    ran.prints("bundling disk").prints("of 24.00 MiB").prints("out/disk.manifest.xml");
    let quiet = capture(&mut on_terminal(&user, &[&bundle[..], &["--quiet"]].concat())).exits(0);
    assert!(!quiet.text().contains("bundling"), "{}", quiet.text());
    // Nothing of the kind where it is not a terminal.
    let plain = user.bundle("disk", "out", &["--force"]).exits(0);
    assert!(!plain.stderr.contains('\r') && !plain.stderr.contains('\x1b'), "{}", plain.stderr);
}
