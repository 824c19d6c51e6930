//! What is left out because it is nobody else's business.
//!
//! An image is given to others and cloned: keys, credentials and histories do not belong in it. What a file is for is
//! told by what is in it, and by its path only where the content is of no form: a name like `*.pem` says nothing, and
//! an image without its CA certificates is broken. What a package brought is public and stays.

use std::fmt;
use std::os::fd::BorrowedFd;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use rustix::io::Errno;

mod content;

mod names;

mod packages;

mod patterns;

pub(crate) use patterns::Scope;
pub use patterns::{PatternError, Patterns};

use content::Searcher;
use packages::Packages;

/// What to leave out without being told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// Private keys, credentials and histories, by what is in the files.
    #[default]
    Content,
    /// What the classic `ec2-bundle-vol` left out, by fourteen patterns of names.
    Classic,
    /// Nothing.
    None,
}

/// What a file is that is nobody else's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Secret {
    /// A private key, in this form.
    PrivateKey(&'static str),
    /// What an account with a cloud service is used with.
    CloudCredentials(&'static str),
    /// What someone typed.
    History,
    /// Whom this machine lets in.
    AuthorizedKeys,
    /// What this machine proves with that it is itself. The public half goes too: it would be that of another key
    /// than the one that the new machine makes for itself at its first boot.
    HostKey,
    /// What this machine's random numbers began with; two machines must not begin with the same.
    RandomSeed,
    /// What cloud-init was given for this instance.
    InstanceData,
    /// The identity of this machine, which the new one makes for itself at its first boot.
    MachineId,
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::PrivateKey(form) => write!(f, "private key ({form})"),
            Secret::CloudCredentials(service) => write!(f, "cloud credentials ({service})"),
            Secret::History => f.write_str("history of what was typed"),
            Secret::AuthorizedKeys => f.write_str("authorized SSH keys"),
            Secret::HostKey => f.write_str("SSH host key"),
            Secret::RandomSeed => f.write_str("random seed"),
            Secret::InstanceData => f.write_str("instance data of cloud-init"),
            Secret::MachineId => f.write_str("machine id"),
        }
    }
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
    content: Option<(Packages, Searcher)>,
    /// For [`Filter::Classic`].
    classic: Option<GlobSet>,
}

impl Sieve {
    pub(crate) fn new(filter: Filter, root: BorrowedFd<'_>) -> Sieve {
        let content = || (Packages::of(root), Searcher::default());
        Sieve {
            content: (filter == Filter::Content).then(content),
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
        let (packages, _) = self.content.as_ref()?;
        names::file(path).filter(|_| !packages.list(path))
    }

    /// What a file is by what is in it. Large files are not looked into: keys and the like are small.
    pub(crate) fn file_by_content(
        &mut self,
        path: &[u8],
        size: u64,
        file: BorrowedFd<'_>,
    ) -> Result<Option<Secret>, Errno> {
        match &mut self.content {
            Some((packages, searcher))
                if (1..=content::LIMIT).contains(&size) && !packages.own(path) =>
            {
                searcher.look_into(path, size, file)
            }
            _ => Ok(None),
        }
    }
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
    fn the_classic_patterns_go_by_name() {
        let sieve = Sieve { content: None, classic: Some(classic()) };
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
