//! Files that came with a package.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The files that packages installed in a tree.
///
/// Filled with the lists of dpkg. Where there are none (another package manager, or none), it is guessed by directory:
/// `/usr` but for `/usr/local`, `/bin`, `/lib`, `/sbin` and `/boot` are taken for the packages'.
#[derive(Clone, Debug, Default)]
pub struct Packages {
    /// Hashes of the paths that the lists name: for the price of a file in 10^13 that is not looked into,
    /// hundreds of thousands of paths take a few megabytes.
    listed: HashSet<u64>,
}

/// Directories that are links into `usr` on newer systems, which the lists of older packages do not know.
const MERGED: [&[u8]; 7] = [b"bin/", b"lib/", b"lib32/", b"lib64/", b"libx32/", b"sbin/", b"boot/"];

impl Packages {
    /// The directory in which dpkg keeps a list of the files of each package, from the root of the tree.
    pub const LISTS: &str = "var/lib/dpkg/info";

    /// Returns whether a file of this name in [`Packages::LISTS`] is a list.
    pub fn is_list(name: &[u8]) -> bool {
        name.ends_with(b".list")
    }

    /// Adds what a list of dpkg's names: a path from the root on each line.
    pub fn add_list(&mut self, text: &[u8]) {
        for path in text.split(|&byte| byte == b'\n') {
            let path = path.strip_prefix(b"/").unwrap_or(path);
            if !matches!(path, b"" | b".") {
                self.listed.insert(hash(path));
                if MERGED.iter().any(|directory| path.starts_with(directory)) {
                    self.listed.insert(hash(&[b"usr/", path].concat()));
                }
            }
        }
    }

    /// Returns whether a list names the file at this path. A guess is no reason to keep a history or authorized keys.
    pub fn lists(&self, path: &[u8]) -> bool {
        self.listed.contains(&hash(path))
    }

    /// Returns whether the file at this path came with a package, by the lists or by a guess.
    pub fn owns(&self, path: &[u8]) -> bool {
        if !self.listed.is_empty() {
            return self.lists(path);
        }
        let is_usr = path.starts_with(b"usr/") && !path.starts_with(b"usr/local/");
        // Some services have their homes there.
        let is_home = memchr::memmem::find(path, b"/.ssh/").is_some();
        !is_home && (is_usr || MERGED.iter().any(|directory| path.starts_with(directory)))
    }
}

fn hash(path: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_of_dpkg_name_the_files() {
        let mut packages = Packages::default();
        packages.add_list(b"/.\n/etc\n/etc/ssl/x.pem\n/lib/y\n");
        packages.add_list(b"/usr/bin/z\n");
        for path in ["etc/ssl/x.pem", "lib/y", "usr/lib/y", "usr/bin/z"] {
            assert!(packages.owns(path.as_bytes()), "{path}");
            assert!(packages.lists(path.as_bytes()), "{path}");
        }
        for path in ["etc/ssl/y.pem", "usr/no", "usr/lib/other", ""] {
            assert!(!packages.owns(path.as_bytes()), "{path}");
        }
        assert!(Packages::is_list(b"b:amd64.list") && !Packages::is_list(b"a.md5sums"));
    }

    #[test]
    fn without_dpkg_the_directories_tell() {
        let packages = Packages::default();
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
            assert_eq!(packages.owns(path.as_bytes()), is_owned, "{path}");
            assert!(!packages.lists(path.as_bytes()), "{path}");
        }
    }
}
