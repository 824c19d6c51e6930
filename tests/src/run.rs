//! Programs that are run: `baler`, and those that check what it made.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long something that must happen may take before a test gives up. No test depends on it being shorter.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program to be run, found in `PATH`.
#[expect(clippy::disallowed_methods, reason = "running programs is what these tests do")]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// The binary under test.
///
/// Cargo gives a test the path of a binary only in the package that the binary is in. So it is built here, into the
/// directory in which this test program lies: by the same cargo, in the same profile.
pub fn baler_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("BALER_TEST_BINARY") {
            let path = PathBuf::from(path);
            return path
                .canonicalize()
                .unwrap_or_else(|e| panic!("BALER_TEST_BINARY, {path:?}: {e}"));
        }
        build().unwrap_or_else(|why| panic!("the baler binary could not be built: {why}"))
    })
}

fn build() -> Result<PathBuf, String> {
    let test = std::env::current_exe().map_err(|e| e.to_string())?;
    // TARGET/PROFILE/deps/TEST, or TARGET/TRIPLE/PROFILE/deps/TEST.
    let profile_directory =
        test.ancestors().nth(2).ok_or("this test is not in a target directory")?;
    let target = profile_directory.parent().ok_or("there is no target directory")?;
    let profile = match profile_directory.file_name().and_then(OsStr::to_str) {
        Some("debug") => "dev",
        Some(profile) => profile,
        None => return Err(format!("{} is no profile", profile_directory.display())),
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = capture(
        command(cargo)
            // With all that the tests are built from: a package alone has other features, and all would be built again.
            .args(["build", "--quiet", "--locked", "--workspace", "--tests", "--bin", "baler"])
            .args(["--profile", profile, "--target-dir"])
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR")),
    );
    if built.code != Some(0) {
        return Err(built.stderr);
    }
    let binary = profile_directory.join("baler");
    if binary.exists() { Ok(binary) } else { Err(format!("cargo made no {}", binary.display())) }
}

/// Runs a program to its end, without input.
pub fn capture(command: &mut Command) -> Ran {
    let output = command.stdin(Stdio::null()).output();
    Ran::new(command, output.unwrap_or_else(|error| panic!("starting {command:?}: {error}")))
}

/// Runs a program of someone else's, which must succeed.
#[track_caller]
pub fn run<S: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = S>) -> Ran {
    let ran = capture(command(program).args(args));
    assert_eq!(ran.code, Some(0), "{}\n{}{}", ran.line, ran.text(), ran.stderr);
    ran
}

/// Runs a program to its end with `input` coming through a pipe, as much as it takes.
pub fn feed(command: &mut Command, input: &[u8]) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("a pipe");
    let output = std::thread::scope(|scope| {
        // One that wants no more closes the pipe; that is for its exit code to say.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output()
    });
    Ran::new(command, output.expect("the child's end"))
}

/// Waits until something holds.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// How a program ended, and what it said.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The command line.
    pub line: String,
    /// Its exit code, if no signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Ran {
    fn new(command: &Command, output: Output) -> Ran {
        let status = output.status;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = format!("{command:?}");
        assert!(!stderr.contains("panicked at"), "{line}\n{stderr}");
        Ran { line, code: status.code(), signal: status.signal(), stdout: output.stdout, stderr }
    }

    /// Insists on the exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Ran {
        let Ran { line, stderr, .. } = &self;
        assert_eq!(
            self.code,
            Some(code),
            "{line}\n{}{stderr}signal {:?}",
            self.text(),
            self.signal
        );
        self
    }

    /// Insists on a text on standard error.
    #[track_caller]
    pub fn says(self, text: &str) -> Ran {
        assert!(self.stderr.contains(text), "{}\nnot said: {text}\n{}", self.line, self.stderr);
        self
    }

    /// Insists on a text not being on standard error.
    #[track_caller]
    pub fn does_not_say(self, text: &str) -> Ran {
        assert!(!self.stderr.contains(text), "{}\nsaid: {text}\n{}", self.line, self.stderr);
        self
    }

    /// Insists on nothing on standard error.
    #[track_caller]
    pub fn says_nothing(self) -> Ran {
        assert_eq!(self.stderr, "", "{}", self.line);
        self
    }

    /// Insists on a text on standard output.
    #[track_caller]
    pub fn prints(self, text: &str) -> Ran {
        assert!(self.text().contains(text), "{}\nnot printed: {text}\n{}", self.line, self.text());
        self
    }

    /// Insists on nothing on standard output.
    #[track_caller]
    pub fn prints_nothing(self) -> Ran {
        assert_eq!(self.text(), "", "{}", self.line);
        self
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The one line of JSON that standard output must be.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        let text = self.text();
        assert!(text.ends_with('\n') && text.lines().count() == 1, "{}\n{text}", self.line);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}\n{text}", self.line))
    }
}

/// A program that is running. It is killed if the test ends before it does.
#[derive(Debug)]
pub struct Started {
    /// The process; its streams are pipes where nothing else was asked for.
    pub child: Child,
    line: String,
}

impl Started {
    /// Starts it, its standard output and error going to pipes.
    pub fn new(command: &mut Command) -> Started {
        Started::with_stdout(command, Stdio::piped())
    }

    /// Starts it, its standard output going somewhere.
    pub fn with_stdout(command: &mut Command, stdout: Stdio) -> Started {
        let child = command.stdout(stdout).stderr(Stdio::piped()).spawn();
        let line = format!("{command:?}");
        let child = child.unwrap_or_else(|error| panic!("starting {line}: {error}"));
        Started { child, line }
    }

    /// Its directory in `/proc`.
    pub fn proc(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.child.id()))
    }

    /// Sends it a signal: `INT`, `TERM`, `HUP`.
    ///
    /// A shell starts background jobs with interrupts ignored, and baler keeps to that: a test would wait for ever.
    pub fn signal(&self, signal: &str) {
        let ignored = self.signals("SigIgn:").is_some_and(|mask| mask >> 1 & 1 == 1);
        let is_ignored = signal == "INT" && ignored;
        assert!(!is_ignored, "who runs the tests ignores SIGINT: run them in the foreground");
        // There is not always a program of that name, but it is in every shell.
        run("sh", ["-c", &format!("kill -{signal} {}", self.child.id())]);
    }

    fn signals(&self, line: &str) -> Option<u64> {
        let text = std::fs::read_to_string(self.proc().join("status")).ok()?;
        let mask = text.lines().find_map(|text| text.strip_prefix(line))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    }

    /// Waits until it catches the signal of that number; one that comes earlier ends any program.
    pub fn wait_until_it_catches(&mut self, signal: u32) {
        until("the program catches the signal", || {
            let caught = self.signals("SigCgt:").is_some_and(|mask| mask >> (signal - 1) & 1 == 1);
            caught || self.has_ended()
        });
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the child's state").is_some()
    }

    /// Waits for its end; what its pipes still hold is read.
    pub fn finish(mut self) -> Ran {
        use std::io::Read;
        drop(self.child.stdin.take());
        let (mut stdout, mut stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let read = |pipe: Option<&mut dyn Read>| {
            let mut bytes = Vec::new();
            if let Some(pipe) = pipe {
                pipe.read_to_end(&mut bytes).expect("what the child wrote");
            }
            bytes
        };
        let (stdout, stderr) = std::thread::scope(|scope| {
            let stderr = scope.spawn(|| read(stderr.as_mut().map(|pipe| pipe as _)));
            (read(stdout.as_mut().map(|pipe| pipe as _)), stderr.join().expect("a reader"))
        });
        let status = self.child.wait().expect("the child's end");
        let mut ran = Ran::new(&command(""), Output { status, stdout, stderr });
        ran.line.clone_from(&self.line);
        ran
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may well have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
