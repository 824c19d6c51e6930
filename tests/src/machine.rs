//! What a machine has or has not: programs, the rights of root, devices and file systems.

use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{capture, command};

/// Says that a test could not run here, and why. `scripts/test` counts these lines.
pub fn skip(why: &str) {
    // Not what the test harness captures; a new line first, because it may be in the middle of one.
    let _ = writeln!(std::io::stderr(), "\nSKIPPED: {why}");
}

/// Whether all these programs are there; else the test is skipped.
#[must_use]
pub fn need(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |program: &str| std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    let missing: Vec<_> = programs.iter().copied().filter(|program| !found(program)).collect();
    if !missing.is_empty() {
        skip(&format!("there is no {}", missing.join(", no ")));
    }
    missing.is_empty()
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // What a process makes belongs to who it is.
    temporary_directory().path().metadata().expect("a new directory").uid() == 0
}

/// A new directory. Its path does not depend on the test.
pub fn temporary_directory() -> TempDir {
    tempfile::Builder::new().prefix("baler-test.").tempdir().expect("a temporary directory")
}

/// A file system that was mounted for a test.
#[derive(Debug)]
pub struct Mount {
    path: PathBuf,
}

impl Mount {
    /// Mounts a file system; where that is not possible the test is skipped.
    #[must_use]
    pub fn new(args: &[&str], path: &Path) -> Option<Mount> {
        if !is_root() {
            skip("mounting a file system takes root");
            return None;
        }
        if !need(&["mount", "umount"]) {
            return None;
        }
        std::fs::create_dir_all(path).expect("a mount point");
        let mounted = capture(command("mount").args(args).arg(path));
        if mounted.code != Some(0) {
            skip(&format!("mounting is not possible here: {}", mounted.stderr.trim()));
            return None;
        }
        Some(Mount { path: path.to_owned() })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a test that failed may have left something open.
        capture(command("umount").arg("--lazy").arg(&self.path));
    }
}

/// A block device made of a file.
#[derive(Debug)]
pub struct LoopDevice {
    /// The device.
    pub path: PathBuf,
}

impl LoopDevice {
    /// Makes one; where that is not possible the test is skipped.
    #[must_use]
    pub fn new(file: &Path) -> Option<LoopDevice> {
        if !is_root() {
            skip("a loop device takes root");
            return None;
        }
        if !need(&["losetup"]) {
            return None;
        }
        let made = capture(command("losetup").args(["--find", "--show"]).arg(file));
        if made.code != Some(0) {
            skip(&format!("there are no loop devices here: {}", made.stderr.trim()));
            return None;
        }
        Some(LoopDevice { path: PathBuf::from(made.text().trim()) })
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        capture(command("losetup").arg("--detach").arg(&self.path));
    }
}
