//! The modules of a crate, and the files in which the names are defined that each of them uses.

use std::collections::{BTreeMap, BTreeSet};

use super::syntax::{self, Module, Use};

/// A module's place: the file of its root, and the names on the way to it.
type Key = (String, Vec<String>);

/// The modules of a crate.
#[derive(Default)]
pub(super) struct Modules {
    modules: BTreeMap<Key, Module>,
    /// The file of each module.
    files: BTreeMap<Key, String>,
    /// The files that define a macro by rules.
    macros: BTreeMap<String, String>,
    /// The files that are compiled, and those that are compiled only for tests.
    seen: BTreeSet<String>,
}

/// The thing that a path leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    Module(Key),
    /// An item, or a name that this file only borrows, in this file.
    In(String),
}

impl Modules {
    /// Reads the modules that a crate's roots lead to. Paths are relative to `src`.
    ///
    /// Fails if a module's file is missing, or if a file belongs to no module.
    pub(super) fn read(sources: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut modules = Self::default();
        for root in sources.keys().filter(|path| is_root(path)) {
            modules.add_file(sources, root, (root.clone(), Vec::new()))?;
        }
        match sources.keys().find(|path| !modules.seen.contains(*path)) {
            Some(path) => Err(format!("no module leads to `{path}`")),
            None => Ok(modules),
        }
    }

    fn add_file(
        &mut self,
        sources: &BTreeMap<String, String>,
        path: &str,
        key: Key,
    ) -> Result<(), String> {
        self.seen.insert(path.to_owned());
        let folder = match path.rsplit_once('/') {
            Some((folder, "mod.rs" | "main.rs")) => folder.to_owned(),
            _ if is_root(path) => path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned(),
            _ => path.trim_end_matches(".rs").to_owned(),
        };
        self.add(sources, path, &folder, key, syntax::read(&sources[path]))
    }

    /// Adds a module of a file, and the modules in it. `folder` is the one of its children.
    fn add(
        &mut self,
        sources: &BTreeMap<String, String>,
        path: &str,
        folder: &str,
        key: Key,
        mut module: Module,
    ) -> Result<(), String> {
        let (root, names) = &key;
        let below = |name: &str| (root.clone(), [&names[..], &[name.to_owned()]].concat());
        for (name, inner) in std::mem::take(&mut module.inline) {
            let folder = join(folder, &name);
            self.add(sources, path, &folder, below(&name), inner)?;
        }
        for child in &module.files {
            let places = match &child.path {
                // Beside the file that names it.
                Some(place) => {
                    let beside = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                    vec![join(beside, place)]
                }
                None => ["{}.rs", "{}/mod.rs"]
                    .map(|place| join(folder, &place.replace("{}", &child.name)))
                    .to_vec(),
            };
            let place = places.iter().find(|place| sources.contains_key(*place));
            let place = place.ok_or_else(|| format!("`{path}`: no file for `{}`", child.name))?;
            if child.is_test {
                // With everything below it.
                let below = format!("{}/", place.trim_end_matches(".rs").trim_end_matches("/mod"));
                let of_test = sources.keys().filter(|path| path.starts_with(&below));
                self.seen.extend(of_test.chain([place]).cloned());
            } else {
                self.add_file(sources, place, below(&child.name))?;
            }
        }
        for name in &module.macros {
            self.macros.insert(name.clone(), path.to_owned());
        }
        self.files.insert(key.clone(), path.to_owned());
        self.modules.insert(key, module);
        Ok(())
    }

    /// The arrows from file to file, with the paths that make each, as they are written.
    pub(super) fn arrows(&self) -> BTreeMap<(String, String), BTreeSet<String>> {
        let mut arrows: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        let mut add = |from: &str, found: Vec<Found>, name: String| {
            for found in found {
                if let Found::In(to) = found
                    && to != from
                {
                    arrows.entry((from.to_owned(), to)).or_default().insert(name.clone());
                }
            }
        };
        for (key, module) in &self.modules {
            let file = &self.files[key];
            let imports = module.uses.iter().filter(|used| !used.is_reexport);
            let mentions = module.mentions.iter().filter(|path| !self.is_imported(key, &path[0]));
            for path in imports.map(|used| &used.path).chain(mentions) {
                let path = self.up_to_item(key, path);
                add(file, self.resolve(key, path), path.join("::"));
            }
            for name in &module.macro_calls {
                if self.resolve(key, std::slice::from_ref(name)).is_empty()
                    && let Some(to) = self.macros.get(name)
                {
                    add(file, vec![Found::In(to.clone())], format!("{name}!"));
                }
            }
        }
        arrows
    }

    /// A path without what comes behind the item that it leads to, such as a method or a variant.
    fn up_to_item<'a>(&self, at: &Key, path: &'a [String]) -> &'a [String] {
        let is_item = |length: &usize| {
            let found = self.resolve(at, &path[..*length]);
            found.iter().any(|found| matches!(found, Found::In(_)))
                && !found.iter().any(|found| matches!(found, Found::Module(_)))
        };
        &path[..(1..path.len()).find(is_item).unwrap_or(path.len())]
    }

    /// Tells if a module's `use` has the name of an item: then that makes the arrow for every mention.
    fn is_imported(&self, at: &Key, name: &str) -> bool {
        let is_module = |found: &Found| matches!(found, Found::Module(_));
        self.modules[at].uses.iter().any(|used| {
            !used.is_reexport
                && used.name == name
                && !self.resolve(at, &used.path).iter().any(is_module)
        })
    }

    /// The things that a path means in a module; empty for those of other crates.
    fn resolve(&self, at: &Key, path: &[String]) -> Vec<Found> {
        let mut search = Search { modules: self, asker: &self.files[at], open: BTreeSet::new() };
        let mut found = search.resolve(at, path);
        found.sort();
        found.dedup();
        found
    }
}

/// A search for the things that one path means.
struct Search<'a> {
    modules: &'a Modules,
    /// The file that uses the path.
    asker: &'a str,
    /// The steps that are under way, so that imports in a ring end.
    open: BTreeSet<(Key, Vec<String>)>,
}

impl Search<'_> {
    fn resolve(&mut self, at: &Key, path: &[String]) -> Vec<Found> {
        let step = (at.clone(), path.to_vec());
        if !self.open.insert(step.clone()) {
            return Vec::new();
        }
        let (root, names) = at;
        let supers = path.iter().take_while(|name| *name == "super").count();
        let found = match path.first().map(String::as_str) {
            Some("crate") => self.walk(&(root.clone(), Vec::new()), &path[1..], true),
            Some("self") if path.len() > 1 && path[1] == "super" => self.resolve(at, &path[1..]),
            Some("self") => self.walk(at, &path[1..], true),
            Some("super") => {
                let above = names[..names.len().saturating_sub(supers)].to_vec();
                self.walk(&(root.clone(), above), &path[supers..], true)
            }
            _ => self.walk(at, path, false),
        };
        self.open.remove(&step);
        found
    }

    /// Follows names from a module on. A name that is not found there is taken for an item of its file, if it must be there.
    fn walk(&mut self, at: &Key, path: &[String], must_be: bool) -> Vec<Found> {
        let Some((name, rest)) = path.split_first() else {
            return vec![Found::Module(at.clone())];
        };
        let Some(module) = self.modules.modules.get(at) else { return Vec::new() };
        let file = &self.modules.files[at];
        let mut found = Vec::new();
        let child = (at.0.clone(), [&at.1[..], std::slice::from_ref(name)].concat());
        let is_module = self.modules.modules.contains_key(&child);
        if is_module {
            found.extend(self.walk(&child, rest, true));
        }
        if is_module && !rest.is_empty() {
            // A function may have the module's name, but a path does not go through it.
            return found;
        }
        let is_item = module.items.contains(name);
        if is_item {
            found.push(Found::In(file.clone()));
        }
        let mut is_known = is_module || is_item;
        for used in module.uses.iter().filter(|used| used.name == *name) {
            is_known = true;
            found.extend(self.through(at, used, rest));
        }
        if !is_known {
            for used in module.uses.iter().filter(|used| used.name == "*") {
                found.extend(self.through_glob(at, used, path));
            }
            is_known = !found.is_empty();
        }
        if !is_known && must_be {
            found.push(Found::In(file.clone()));
        }
        found
    }

    /// Follows an import to the thing that it names, and from there on.
    fn through(&mut self, at: &Key, used: &Use, rest: &[String]) -> Vec<Found> {
        let file = &self.modules.files[at];
        let mut found = Vec::new();
        for target in self.resolve(at, &used.path) {
            match target {
                Found::Module(key) => found.extend(self.walk(&key, rest, true)),
                item => found.push(item),
            }
        }
        // Another crate's name that is taken from here depends on this file; so does a name that was not imported for others.
        if self.asker != file.as_str() && (found.is_empty() || !used.is_reexport) {
            found.push(Found::In(file.clone()));
        }
        found
    }

    fn through_glob(&mut self, at: &Key, used: &Use, path: &[String]) -> Vec<Found> {
        let mut found = Vec::new();
        for target in self.resolve(at, &used.path) {
            if let Found::Module(key) = target {
                found.extend(self.walk(&key, path, false));
            }
        }
        found
    }
}

/// `lib.rs`, `main.rs`, `bin/name.rs` and `bin/name/main.rs`.
fn is_root(path: &str) -> bool {
    match path.split('/').collect::<Vec<_>>()[..] {
        ["lib.rs" | "main.rs"] | ["bin", _] => true,
        ["bin", _, file] => file == "main.rs",
        _ => false,
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
