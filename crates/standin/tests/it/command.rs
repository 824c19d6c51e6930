use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::client::plain;

fn start(arguments: &[&str]) -> Child {
    #[expect(clippy::disallowed_methods, reason = "the command is what is tested")]
    let mut command = Command::new(env!("CARGO_BIN_EXE_baler-standin"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn the_command_serves_until_a_signal() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("it's");
    let mut child = start(&["serve", "--directory", state.to_str().unwrap(), "--print-env"]);
    let lines: Vec<String> =
        BufReader::new(child.stdout.take().unwrap()).lines().take(7).map(Result::unwrap).collect();
    let value = |name: &str| {
        let start = format!("export {name}='");
        let line = lines.iter().find_map(|line| line.strip_prefix(&start)).unwrap();
        line.trim_end_matches('\'').replace("'\\''", "'")
    };
    assert_eq!(value("AWS_REGION"), "us-east-1");
    assert!(
        std::fs::read_to_string(value("BALER_STANDIN_EC2_CERT")).unwrap().contains("CERTIFICATE")
    );
    assert_eq!(plain(&value("AWS_ENDPOINT_URL"), "GET", "/__faults", &[], b"").text(), "[]");
    assert_eq!(
        plain(&value("AWS_EC2_METADATA_SERVICE_ENDPOINT"), "GET", "/latest/", &[], b"").status,
        401
    );
    let pid = child.id().to_string();
    #[expect(
        clippy::disallowed_methods,
        reason = "the program `kill` sends a signal, and no call of the system has to"
    )]
    let killed = Command::new("kill").arg(pid).status().unwrap();
    assert!(killed.success() && child.wait().unwrap().success());
}

#[test]
fn the_command_says_what_is_wrong() {
    for (arguments, message) in [
        (&["serve"][..], "--directory is missing"),
        (&["serve", "--directory"], "wants a value"),
        (&["serve", "--colour"], "`--colour` is not known"),
        (&["dance"], "it takes `serve`"),
        (&["launch", "--directory", "/nonexistent", "ami-1", "out"], "there is no image `ami-1`"),
    ] {
        let output = start(arguments).wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(message), "{arguments:?}: {text}");
    }
    let help = start(&["--help"]).wait_with_output().unwrap();
    assert!(help.status.success() && help.stdout.starts_with(b"A stand-in for"));
}
