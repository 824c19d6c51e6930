//! Which files came with a package.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Dir, Mode, OFlags, openat};
use rustix::io::Errno;

/// The files of the packages of a tree.
pub(super) enum Packages {
    /// What dpkg's lists name, by the hashes of the paths: for the price of a file in 10^13 that is not looked into,
    /// hundreds of thousands of paths take a few megabytes.
    Listed(HashSet<u64>),
    /// There is no dpkg: what packages of other systems own is guessed by directory.
    ByDirectory,
}

/// Where dpkg keeps a list of the files of each package.
const LISTS: [&str; 4] = ["var", "lib", "dpkg", "info"];

/// What is a link into `usr` on newer systems, which the lists of older packages do not know.
const MERGED: [&[u8]; 7] = [b"bin/", b"lib/", b"lib32/", b"lib64/", b"libx32/", b"sbin/", b"boot/"];

impl Packages {
    /// Reads the lists that are in the tree itself. One that cannot be read lists nothing.
    pub(super) fn of(root: BorrowedFd<'_>) -> Packages {
        match read_lists(root) {
            Ok(listed) if !listed.is_empty() => Packages::Listed(listed),
            _ => Packages::ByDirectory,
        }
    }

    /// Whether a list names the file at this path. A guess is no reason to keep a history or authorized keys.
    pub(super) fn list(&self, path: &[u8]) -> bool {
        matches!(self, Packages::Listed(listed) if listed.contains(&hash(path)))
    }

    /// Whether the file at this path came with a package.
    pub(super) fn own(&self, path: &[u8]) -> bool {
        match self {
            Packages::Listed(listed) => listed.contains(&hash(path)),
            Packages::ByDirectory => {
                let is_usr = path.starts_with(b"usr/") && !path.starts_with(b"usr/local/");
                // Some services have their homes there.
                let is_home = memchr::memmem::find(path, b"/.ssh/").is_some();
                !is_home && (is_usr || MERGED.iter().any(|directory| path.starts_with(directory)))
            }
        }
    }
}

fn read_lists(root: BorrowedFd<'_>) -> Result<HashSet<u64>, Errno> {
    let directory = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut lists: OwnedFd = openat(root, ".", directory, Mode::empty())?;
    for name in LISTS {
        lists = openat(&lists, name, directory, Mode::empty())?;
    }
    let mut listed = HashSet::new();
    let mut text = Vec::new();
    for entry in Dir::read_from(&lists)? {
        let entry = entry?;
        if entry.file_name().to_bytes().ends_with(b".list") {
            text.clear();
            let file = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
            if let Ok(file) = openat(lists.as_fd(), entry.file_name(), file, Mode::empty()) {
                let _ = std::fs::File::from(file).read_to_end(&mut text);
                add_list(&mut listed, &text);
            }
        }
    }
    Ok(listed)
}

fn add_list(listed: &mut HashSet<u64>, text: &[u8]) {
    for path in text.split(|&byte| byte == b'\n') {
        let path = path.strip_prefix(b"/").unwrap_or(path);
        if !matches!(path, b"" | b".") {
            listed.insert(hash(path));
            if MERGED.iter().any(|directory| path.starts_with(directory)) {
                listed.insert(hash(&[b"usr/", path].concat()));
            }
        }
    }
}

fn hash(path: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn packages_of(root: &std::path::Path) -> Packages {
        Packages::of(fs::File::open(root).unwrap().as_fd())
    }

    #[test]
    fn the_lists_of_dpkg_name_the_files() {
        let root = tempfile::tempdir().unwrap();
        let info = root.path().join("var/lib/dpkg/info");
        fs::create_dir_all(&info).unwrap();
        fs::write(info.join("a.list"), "/.\n/etc\n/etc/ssl/x.pem\n/lib/y\n").unwrap();
        fs::write(info.join("a.md5sums"), "/usr/no\n").unwrap();
        fs::write(info.join("b:amd64.list"), "/usr/bin/z\n").unwrap();
        let packages = packages_of(root.path());
        for path in ["etc/ssl/x.pem", "lib/y", "usr/lib/y", "usr/bin/z"] {
            assert!(packages.own(path.as_bytes()), "{path}");
        }
        for path in ["etc/ssl/y.pem", "usr/no", "usr/lib/other", ""] {
            assert!(!packages.own(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn without_dpkg_the_directories_tell() {
        let packages = packages_of(tempfile::tempdir().unwrap().path());
        for (path, is_owned) in [
            ("usr/share/x.key", true),
            ("usr/local/x.key", false),
            ("lib64/x", true),
            ("boot/x", true),
            ("opt/x", false),
            ("library/x.key", false),
            ("usr/share/tomcat/.ssh/id", false),
            ("etc/x", false),
        ] {
            assert_eq!(packages.own(path.as_bytes()), is_owned, "{path}");
        }
    }
}
