//! Files that are left out because they are secrets, or because the classic tool left them out.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use baler_secrets::{Detector, Packages, Secret};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use rustix::fs::{Dir, Mode, OFlags, openat};
use rustix::io::{Errno, pread};

mod patterns;

pub(crate) use patterns::Scope;
pub use patterns::{PatternError, Patterns};

/// Files that are left out although no pattern names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filter {
    /// Private keys, credentials and histories, by what is in the files.
    #[default]
    Content,
    /// Files that the classic `ec2-bundle-vol` left out, by fourteen patterns of names.
    Classic,
    /// Nothing.
    None,
}

/// The patterns of the classic tool, as it gave them to rsync, and as they are said here.
const CLASSIC: [(&str, &str); 14] = [
    ("*/#*#", "**/?*/#*#"),
    ("*/.#*", "**/?*/.#*"),
    ("*.sw", "**/*.sw"),
    ("*.swo", "**/*.swo"),
    ("*.swp", "**/*.swp"),
    ("*~", "**/*~"),
    ("*.pem", "**/*.pem"),
    ("*.priv", "**/*.priv"),
    ("*id_rsa*", "**/*id_rsa*"),
    ("*id_dsa*", "**/*id_dsa*"),
    ("*.gpg", "**/*.gpg"),
    ("*.jks", "**/*.jks"),
    ("*/.ssh/authorized_keys", "**/?*/.ssh/authorized_keys"),
    ("*/.bash_history", "**/?*/.bash_history"),
];

/// A [`Filter`] made ready for one tree.
pub(crate) struct Sieve {
    /// For [`Filter::Content`].
    detector: Option<Detector>,
    /// For [`Filter::Classic`].
    classic: Option<GlobSet>,
}

impl Sieve {
    pub(crate) fn new(filter: Filter, root: BorrowedFd<'_>) -> Sieve {
        // Lists that cannot be read list nothing.
        let detector = || Detector::new(packages_of(root).unwrap_or_default());
        Sieve {
            detector: (filter == Filter::Content).then(detector),
            classic: (filter == Filter::Classic).then(classic),
        }
    }

    /// The classic pattern that leaves out a path, whatever is there.
    pub(crate) fn classic(&self, path: &[u8]) -> Option<&'static str> {
        let globs = self.classic.as_ref()?;
        let candidate = globset::Candidate::from_bytes(path);
        if !globs.is_match_candidate(&candidate) {
            return None;
        }
        let first = globs.matches_candidate(&candidate).into_iter().min()?;
        CLASSIC.get(first).map(|(pattern, _)| *pattern)
    }

    /// What a file is by its path.
    pub(crate) fn file_by_path(&self, path: &[u8]) -> Option<Secret> {
        self.detector.as_ref()?.by_path(path)
    }

    /// What a file is by its content.
    pub(crate) fn file_by_content(
        &mut self,
        path: &[u8],
        size: u64,
        file: BorrowedFd<'_>,
    ) -> Result<Option<Secret>, Errno> {
        let Some(detector) = &mut self.detector else { return Ok(None) };
        let found = detector.by_content(path, size, &mut FromStart { file, offset: 0 });
        found.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}

/// A file from its start, wherever its own offset is.
struct FromStart<'a> {
    file: BorrowedFd<'a>,
    offset: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let read = pread(self.file, buf, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// The lists of dpkg that are in the tree itself. One that cannot be read lists nothing.
fn packages_of(root: BorrowedFd<'_>) -> Result<Packages, Errno> {
    let directory = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut lists: OwnedFd = openat(root, ".", directory, Mode::empty())?;
    for name in Packages::LISTS.split('/') {
        lists = openat(&lists, name, directory, Mode::empty())?;
    }
    let mut packages = Packages::default();
    let mut text = Vec::new();
    for entry in Dir::read_from(&lists)? {
        let entry = entry?;
        if Packages::is_list(entry.file_name().to_bytes()) {
            text.clear();
            let file = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
            if let Ok(file) = openat(lists.as_fd(), entry.file_name(), file, Mode::empty()) {
                // What was read of one that then fails is a list too.
                let _ = File::from(file).read_to_end(&mut text);
                packages.add_list(&text);
            }
        }
    }
    Ok(packages)
}

fn classic() -> GlobSet {
    let mut globs = GlobSetBuilder::new();
    for (_, pattern) in CLASSIC {
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        globs.add(glob.expect("the patterns are constants, and a test uses them"));
    }
    globs.build().expect("the patterns are constants, and a test uses them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_of_dpkg_are_read_from_the_tree() {
        let root = tempfile::tempdir().unwrap();
        let packages = || packages_of(File::open(root.path()).unwrap().as_fd());
        assert!(packages().is_err());
        let info = root.path().join("var/lib/dpkg/info");
        std::fs::create_dir_all(&info).unwrap();
        std::fs::write(info.join("a.list"), "/.\n/etc/ssl/x.pem\n").unwrap();
        std::fs::write(info.join("a.md5sums"), "/usr/no\n").unwrap();
        std::fs::write(info.join("b:amd64.list"), "/usr/bin/z\n").unwrap();
        let packages = packages().unwrap();
        assert!(packages.lists(b"etc/ssl/x.pem") && packages.lists(b"usr/bin/z"));
        assert!(!packages.lists(b"usr/no"));
    }

    #[test]
    fn the_classic_patterns_go_by_name() {
        let sieve = Sieve { detector: None, classic: Some(classic()) };
        for (path, pattern) in [
            ("etc/ssl/certs/ca.pem", Some("*.pem")),
            ("x.pem", Some("*.pem")),
            ("a/#b#", Some("*/#*#")),
            ("#b#", None),
            ("a/.#b", Some("*/.#*")),
            ("root/.ssh/id_rsa.pub", Some("*id_rsa*")),
            ("root/.ssh/id_ed25519", None),
            ("root/.ssh/authorized_keys", Some("*/.ssh/authorized_keys")),
            ("home/u/.bash_history", Some("*/.bash_history")),
            ("home/u/a.pem/b", None),
            ("home/u/a.txt", None),
        ] {
            assert_eq!(sieve.classic(path.as_bytes()), pattern, "{path}");
        }
        for (pattern, glob) in CLASSIC {
            let path = format!("a/b/{}", pattern.trim_start_matches("*/").replace('*', "x"));
            assert!(sieve.classic(path.as_bytes()).is_some(), "{pattern} {glob}");
        }
    }
}
