//! Patterns of paths that are left out, or kept in any case.

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

/// Patterns of paths in the tree, as the shell's: `*` and `?` stop at a `/`, `**` does not.
///
/// One with a `/` in it is a path from the root of the tree, `/var/cache/*`; one without is a name anywhere, `*.tmp`.
/// A `/` at the end is ignored.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    exclude: Set,
    exclude_tree: Set,
    include: Set,
    /// The directories in which included paths lie, as far as they are said without wildcards.
    towards: Vec<Vec<u8>>,
}

/// A pattern that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern `{pattern}` cannot be used: {reason}")]
#[non_exhaustive]
pub struct PatternError {
    /// As it was given.
    pub pattern: String,
    /// The mistake in it.
    pub reason: String,
}

/// What patterns say of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Nothing.
    Ordinary,
    /// It is kept with all that is in it, whatever the filter says.
    Included,
    /// It is left out by this pattern, but something in it is included.
    Leading(String),
    /// It is left out by this pattern; of a directory the empty directory stays.
    Excluded(String),
    /// It is left out by this pattern, with the directory.
    Dropped(String),
}

#[derive(Clone, Debug, Default)]
struct Set {
    globs: GlobSet,
    patterns: Vec<String>,
}

impl Patterns {
    /// Patterns of what is left out, of what is left out with its directory, and of what is kept in any case.
    ///
    /// Paths that are kept inside of a directory that is left out have to be named without wildcards down to the
    /// directory in which it is: nothing else is looked for there.
    ///
    /// # Errors
    /// Names the first pattern that is none.
    pub fn new<S: AsRef<str>>(
        exclude: &[S],
        exclude_tree: &[S],
        include: &[S],
    ) -> Result<Patterns, PatternError> {
        let towards = include.iter().filter_map(|pattern| literal_directory(pattern.as_ref()));
        Ok(Patterns {
            exclude: Set::new(exclude)?,
            exclude_tree: Set::new(exclude_tree)?,
            include: Set::new(include)?,
            towards: towards.collect(),
        })
    }

    /// What is said of the entry at a path from the root, in a directory of which this was said.
    pub(crate) fn scope(&self, path: &[u8], above: &Scope) -> Scope {
        if *above == Scope::Included {
            return Scope::Included;
        }
        if self.is_empty() {
            return Scope::Ordinary;
        }
        let candidate = Candidate::from_bytes(path);
        if self.include.first(&candidate).is_some() {
            return Scope::Included;
        }
        let scope = match above {
            Scope::Leading(pattern) => Scope::Dropped(pattern.clone()),
            _ => match (self.exclude_tree.first(&candidate), self.exclude.first(&candidate)) {
                (Some(pattern), _) => Scope::Dropped(pattern.to_owned()),
                (None, Some(pattern)) => Scope::Excluded(pattern.to_owned()),
                (None, None) => return Scope::Ordinary,
            },
        };
        match scope {
            Scope::Excluded(pattern) | Scope::Dropped(pattern) if self.leads(path) => {
                Scope::Leading(pattern)
            }
            scope => scope,
        }
    }

    fn is_empty(&self) -> bool {
        let sets = [&self.exclude, &self.exclude_tree, &self.include];
        sets.iter().all(|set| set.patterns.is_empty())
    }

    /// Returns whether an included path may lie below this one.
    fn leads(&self, path: &[u8]) -> bool {
        let is_below = |rest: &[u8]| matches!(rest, [] | [b'/', ..]);
        self.towards.iter().any(|towards| towards.strip_prefix(path).is_some_and(is_below))
    }
}

impl Set {
    fn new<S: AsRef<str>>(patterns: &[S]) -> Result<Set, PatternError> {
        let mut globs = GlobSetBuilder::new();
        for pattern in patterns.iter().map(AsRef::as_ref) {
            let error = |reason: String| PatternError { pattern: pattern.to_owned(), reason };
            let text = anchored(pattern).map_err(|reason| error(reason.to_owned()))?;
            let glob = GlobBuilder::new(&text).literal_separator(true).build();
            globs.add(glob.map_err(|glob| error(glob.kind().to_string()))?);
        }
        let patterns: Vec<_> = patterns.iter().map(|pattern| pattern.as_ref().to_owned()).collect();
        let globs = globs.build().map_err(|error| PatternError {
            pattern: patterns.join(","),
            reason: error.kind().to_string(),
        })?;
        Ok(Set { globs, patterns })
    }

    fn first(&self, path: &Candidate<'_>) -> Option<&str> {
        if !self.globs.is_match_candidate(path) {
            return None;
        }
        let first = self.globs.matches_candidate(path).into_iter().min()?;
        self.patterns.get(first).map(String::as_str)
    }
}

/// A pattern as it is matched with a path from the root that begins without a `/`.
fn anchored(pattern: &str) -> Result<String, &'static str> {
    let names: Vec<_> = pattern.split('/').filter(|name| !name.is_empty()).collect();
    match names[..] {
        [] if pattern.is_empty() => Err("it is empty"),
        [] => Err("it is the whole tree"),
        _ if names.iter().any(|name| matches!(*name, "." | "..")) => {
            Err("no path in the tree has `.` or `..` in it")
        }
        [name] if !pattern.starts_with('/') => Ok(format!("**/{name}")),
        _ => Ok(names.join("/")),
    }
}

/// The directory that a pattern's matches lie in or below, if it says one without wildcards.
fn literal_directory(pattern: &str) -> Option<Vec<u8>> {
    let pattern = pattern.trim_end_matches('/');
    let (directory, _) = pattern.rsplit_once('/')?;
    let is_literal = |name: &&str| !name.contains(['*', '?', '[', ']', '{', '}', '\\']);
    let names = directory.split('/').filter(|name| !name.is_empty());
    let names: Vec<_> = names.take_while(is_literal).collect();
    (!names.is_empty()).then(|| names.join("/").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_excluded(pattern: &str, path: &[u8]) -> bool {
        let patterns = Patterns::new(&[pattern], &[], &[]).expect("a pattern");
        patterns.scope(path, &Scope::Ordinary) == Scope::Excluded(pattern.to_owned())
    }

    #[test]
    fn patterns_match_as_in_the_shell() {
        for (pattern, path, expected) in [
            ("/tmp", &b"tmp"[..], true),
            ("/tmp/", b"tmp", true),
            ("//tmp", b"tmp", true),
            ("/tmp", b"var/tmp", false),
            ("tmp", b"var/tmp", true),
            ("tmp/", b"var/tmp", true),
            ("var/tmp", b"var/tmp", true),
            ("var/tmp", b"x/var/tmp", false),
            ("/var/cache/*", b"var/cache/apt", true),
            ("/var/cache/*", b"var/cache", false),
            ("/var/cache/*", b"var/cache/apt/x", false),
            ("/var/**/x", b"var/cache/apt/x", true),
            ("*.tmp", b"a.tmp", true),
            ("*.tmp", b"a/b/.tmp", true),
            ("*.tmp", b"a.tmp/x", false),
            ("*.tmp", b"a/\xff\xfe.tmp", true),
            ("/a?c", b"a\xffc", true),
            ("/[ab]/{x,y}", b"b/y", true),
            ("/a\\*", b"a*", true),
            ("/a\\*", b"ab", false),
            ("/a b'c", b"a b'c", true),
        ] {
            assert_eq!(is_excluded(pattern, path), expected, "{pattern} {}", path.escape_ascii());
        }
    }

    #[test]
    fn a_bad_pattern_is_named() {
        for pattern in ["", "/", "/a/[b", "a/../b", "./a", "/{a"] {
            let error = Patterns::new(&["/fine"], &["/fine", pattern], &[]).expect_err(pattern);
            assert_eq!(error.pattern, pattern);
            assert!(error.to_string().contains(&format!("`{pattern}`")), "{error}");
        }
    }

    #[test]
    fn what_is_included_wins() {
        let patterns = Patterns::new(
            &["/var/cache", "*.log"],
            &["/srv/old"],
            &["/var/cache/apt/keep", "/srv/old/*.cfg", "kept.log"],
        )
        .expect("patterns");
        let cache = Scope::Leading("/var/cache".into());
        for (path, above, scope) in [
            ("var", Scope::Ordinary, Scope::Ordinary),
            ("var/cache", Scope::Ordinary, cache.clone()),
            ("var/cache/apt", cache.clone(), cache.clone()),
            ("var/cache/apt/keep", cache.clone(), Scope::Included),
            ("var/cache/apt/keep/x.log", Scope::Included, Scope::Included),
            ("var/cache/apt/kept", cache.clone(), Scope::Dropped("/var/cache".into())),
            ("var/cache/app", cache, Scope::Dropped("/var/cache".into())),
            ("srv/old", Scope::Ordinary, Scope::Leading("/srv/old".into())),
            ("srv/old/a.cfg", Scope::Leading("/srv/old".into()), Scope::Included),
            ("a/b.log", Scope::Ordinary, Scope::Excluded("*.log".into())),
            ("a/kept.log", Scope::Ordinary, Scope::Included),
        ] {
            assert_eq!(patterns.scope(path.as_bytes(), &above), scope, "{path}");
        }
        let dropped = Patterns::new(&["/a"], &["/a"], &[]).expect("patterns");
        assert_eq!(dropped.scope(b"a", &Scope::Ordinary), Scope::Dropped("/a".into()));
    }
}
