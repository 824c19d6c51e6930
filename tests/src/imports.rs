//! The imports between the files of a crate, read from its sources.
//!
//! A file imports the file that defines a name which it uses, in a `use` or in a path such as `module::name`.
//! Four rules decide what that means:
//!
//! - A module on the way to a name is no import: `crate::a::b::Name` is in `a/b.rs`, and `a.rs` has no part in it.
//! - A re-export (`pub use`, of any visibility) is no import. Whoever uses the name imports the file that defines it;
//!   if that is another crate, the file with the re-export.
//! - A plain `use` is for its own file. Another one that takes the name from there, with `use super::Name`, imports that file too.
//! - Tests, and all else under `#[cfg(test)]`, are left out.
//!
//! Methods are not seen: a call such as `value.method()` names no file. Nor is a single word in lower case that is neither
//! called nor the name of a macro, because it is most often a variable.
//!
//! ```
//! use baler_tests::imports::Crate;
//!
//! let sources = [
//!     ("lib.rs", "mod a; mod b; pub use b::B;"),
//!     ("a.rs", "use crate::B; pub fn a() -> B { B }"),
//!     ("b.rs", "pub struct B; pub fn b() -> B { super::a::a() }"),
//! ];
//! let found = Crate::from_sources(sources)?;
//! assert!(found.imports("a.rs", "b.rs"));
//! assert_eq!(found.circles(), [
//!     "a.rs -> b.rs (crate::B)\nb.rs -> a.rs (super::a::a)"
//! ]);
//! # Ok::<(), String>(())
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

mod circles;
mod graph;
mod syntax;
#[cfg(test)]
mod tests;
mod tokens;

use graph::Modules;

/// The files of a crate, and the imports between them.
#[derive(Debug)]
pub struct Crate {
    arrows: BTreeMap<(String, String), BTreeSet<String>>,
}

impl Crate {
    /// Reads the files below a crate's `src`.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, if a module has no file, or if a file belongs to no module.
    pub fn read(src: &Path) -> Result<Self, String> {
        let mut sources = Vec::new();
        let mut open = vec![PathBuf::new()];
        while let Some(folder) = open.pop() {
            let there = src.join(&folder);
            let explain = |error| format!("`{}`: {error}", there.display());
            for entry in fs::read_dir(&there).map_err(explain)? {
                let entry = entry.map_err(explain)?;
                let path = folder.join(entry.file_name());
                if entry.file_type().map_err(explain)?.is_dir() {
                    open.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = fs::read_to_string(entry.path()).map_err(explain)?;
                    sources.push((path.to_string_lossy().into_owned(), text));
                }
            }
        }
        Self::from_sources(sources).map_err(|error| format!("`{}`: {error}", src.display()))
    }

    /// Reads files: their paths below `src`, with slashes, and their text.
    ///
    /// # Errors
    ///
    /// If a module has no file, or if a file belongs to no module.
    pub fn from_sources<P: Into<String>, T: Into<String>>(
        sources: impl IntoIterator<Item = (P, T)>,
    ) -> Result<Self, String> {
        let sources = sources.into_iter().map(|(path, text)| (path.into(), text.into())).collect();
        Ok(Self { arrows: Modules::read(&sources)?.arrows() })
    }

    /// Tells if a file imports another one.
    #[must_use]
    pub fn imports(&self, from: &str, to: &str) -> bool {
        self.arrows.contains_key(&(from.to_owned(), to.to_owned()))
    }

    /// The number of pairs of files of which the first one imports the second one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.arrows.len()
    }

    /// The circles: for each the imports between its files, a line for each, with the paths that make them.
    #[must_use]
    pub fn circles(&self) -> Vec<String> {
        let pairs = self.arrows.keys().map(|(from, to)| (from.as_str(), to.as_str()));
        let describe = |circle: &BTreeSet<&str>| {
            let inside = self.arrows.iter().filter(|((from, to), _)| {
                circle.contains(from.as_str()) && circle.contains(to.as_str())
            });
            let lines = inside.map(|((from, to), names)| {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                format!("{from} -> {to} ({})", names.join(", "))
            });
            lines.collect::<Vec<_>>().join("\n")
        };
        circles::circles(pairs).iter().map(describe).collect()
    }
}
