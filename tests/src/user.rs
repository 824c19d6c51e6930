//! Someone who uses `baler`: an empty home, and a directory to work in.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::{Ran, baler_binary, capture, command, fixture, machine};

/// The account of the bundles that are made here.
pub const ACCOUNT: &str = "123456789012";

/// The verbs of `baler`.
pub const VERBS: [&str; 17] = [
    "bundle",
    "image",
    "unbundle",
    "verify",
    "inspect",
    "copy",
    "remove",
    "check",
    "register",
    "deregister",
    "images",
    "share",
    "copy-image",
    "keys",
    "install-links",
    "completions",
    "man",
];

/// A user with an empty home directory, whose commands run in a directory of their own.
///
/// Nothing of the one who runs the tests is seen: no variable but `PATH`, no key, no configuration.
#[derive(Debug)]
pub struct User {
    directory: TempDir,
}

impl Default for User {
    fn default() -> User {
        User::new()
    }
}

impl User {
    /// A user who has just come to the machine.
    pub fn new() -> User {
        let directory = machine::temporary_directory();
        for name in ["home", "work"] {
            fs::create_dir(directory.path().join(name)).expect("an empty directory");
        }
        User { directory }
    }

    /// Their home directory.
    pub fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    /// Where their key is made at the first use.
    pub fn configuration(&self) -> PathBuf {
        self.home().join(".config/baler")
    }

    /// A file in the directory that their commands run in.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join("work").join(name)
    }

    /// A program that they are about to run.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = command(program);
        command.env_clear().current_dir(self.path("")).env("HOME", self.home());
        // No test asks the machine what it is, unless it says so.
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command
    }

    /// `baler`, about to be run.
    pub fn baler<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.command(baler_binary());
        command.args(args);
        command
    }

    /// Runs `baler`.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        capture(&mut self.baler(args))
    }

    /// Runs `baler bundle IMAGE DIRECTORY` with the fixtures' key, an account, and `more`.
    pub fn bundle(&self, image: &str, directory: &str, more: &[&str]) -> Ran {
        capture(self.bundling(image, directory).args(more))
    }

    /// `baler bundle IMAGE DIRECTORY` with the fixtures' key and an account, about to be run.
    pub fn bundling(&self, image: &str, directory: &str) -> Command {
        let mut command = self.baler(["bundle", "--account", ACCOUNT, "--arch", "x86_64", "--key"]);
        command.arg(fixture::key("user")).args([image, directory]);
        command
    }

    /// Runs `baler unbundle BUNDLE DESTINATION` with the fixtures' key, and `more`.
    pub fn unbundle(&self, bundle: &str, destination: &str, more: &[&str]) -> Ran {
        capture(self.unbundling(bundle, destination).args(more))
    }

    /// `baler unbundle BUNDLE DESTINATION` with the fixtures' key, about to be run.
    pub fn unbundling(&self, bundle: &str, destination: &str) -> Command {
        let mut command = self.baler(["unbundle", "--key"]);
        command.arg(fixture::key("user")).args([bundle, destination]);
        command
    }

    /// Runs `baler verify BUNDLE` with the fixtures' key, and `more`.
    pub fn verify(&self, bundle: &str, more: &[&str]) -> Ran {
        capture(self.baler(["verify", "--key"]).arg(fixture::key("user")).arg(bundle).args(more))
    }

    /// The names of what is in a directory of theirs, hidden or not, in order; none where there is no such directory.
    pub fn list(&self, directory: &str) -> Vec<String> {
        if !self.path(directory).exists() {
            return Vec::new();
        }
        let entries = fs::read_dir(self.path(directory)).expect("a directory");
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<_> =
            entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}
