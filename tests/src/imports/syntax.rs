//! The modules of a source file: the names that they declare and import, and the paths that they mention.

use std::collections::BTreeSet;

use super::tokens::{Token, tokens};

/// A module as its file, or its part of a file, has it.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// The items that are defined here, without modules and imports.
    pub(super) items: BTreeSet<String>,
    /// The macros by rules that are defined here.
    pub(super) macros: BTreeSet<String>,
    pub(super) uses: Vec<Use>,
    /// The paths in the code outside of `use`, each as it is written.
    pub(super) mentions: BTreeSet<Vec<String>>,
    /// The macros that are called by one word.
    pub(super) macro_calls: BTreeSet<String>,
    /// `mod name { … }`.
    pub(super) inline: Vec<(String, Module)>,
    /// `mod name;`.
    pub(super) files: Vec<ModuleFile>,
}

/// One name of a `use`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) path: Vec<String>,
    /// The name that it gets here; `*` for all names of the path, `_` for none.
    pub(super) name: String,
    /// `pub use`, of any visibility: not for this module, but for those who use it.
    pub(super) is_reexport: bool,
}

/// A module in a file of its own.
#[derive(Debug)]
pub(super) struct ModuleFile {
    pub(super) name: String,
    /// Only compiled for tests.
    pub(super) is_test: bool,
    /// The file in `#[path = "…"]`.
    pub(super) path: Option<String>,
}

/// Reads a file. Items that are only compiled for tests are left out.
pub(super) fn read(source: &str) -> Module {
    let mut reader = Reader { tokens: tokens(source), at: 0, depth: 0, module: Module::default() };
    reader.read();
    reader.module
}

/// Words that declare an item by the name behind them.
const ITEMS: [&str; 8] = ["const", "enum", "fn", "static", "struct", "trait", "type", "union"];

/// Words with which an item begins, besides those of [`ITEMS`].
const ITEM_STARTS: [&str; 7] =
    ["async", "extern", "impl", "macro_rules", "mod", concat!("un", "safe"), "use"];

fn is_keyword(word: &str) -> bool {
    ITEMS.contains(&word) || ITEM_STARTS.contains(&word)
}

struct Reader<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    /// The number of braces that are open within the module.
    depth: usize,
    module: Module,
}

/// The attributes before an item.
#[derive(Default)]
struct Attributes {
    is_test: bool,
    path: Option<String>,
}

impl<'a> Reader<'a> {
    fn token(&self, ahead: usize) -> Option<Token<'a>> {
        self.tokens.get(self.at + ahead).copied()
    }

    fn word(&self, ahead: usize) -> Option<&'a str> {
        match self.token(ahead) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn is(&self, ahead: usize, sign: char) -> bool {
        self.token(ahead) == Some(Token::Sign(sign))
    }

    /// The token before the next one.
    fn before(&self, back: usize) -> Option<Token<'a>> {
        self.tokens.get(self.at.checked_sub(back)?).copied()
    }

    /// Reads up to the end of the module: the end of the file, or the brace that closes it.
    fn read(&mut self) {
        let mut attributes = Attributes::default();
        let mut is_reexport = false;
        while let Some(token) = self.token(0) {
            match token {
                Token::Sign('#') if self.is(1, '[') || self.is(1, '!') && self.is(2, '[') => {
                    self.attribute(&mut attributes);
                    continue;
                }
                Token::Word("pub") => {
                    self.visibility();
                    is_reexport = true;
                    continue;
                }
                _ if attributes.is_test && !(self.word(0) == Some("mod") && self.is(2, ';')) => {
                    self.skip_item();
                }
                Token::Word("use") if !self.is(1, '<') => self.use_declaration(is_reexport),
                Token::Word("mod") => self.module(&mut attributes),
                Token::Word("macro_rules") if self.is(1, '!') => {
                    self.module.macros.extend(self.word(2).map(str::to_owned));
                    self.at += 3;
                }
                Token::Word(word) => self.name(word),
                Token::Sign('}') if self.depth == 0 => return,
                token => {
                    match token {
                        Token::Sign('{') => self.depth += 1,
                        Token::Sign('}') => self.depth -= 1,
                        _ => {}
                    }
                    self.at += 1;
                }
            }
            attributes = Attributes::default();
            is_reexport = false;
        }
    }

    /// `#[…]` and `#![…]`.
    fn attribute(&mut self, found: &mut Attributes) {
        let is_inner = self.is(1, '!');
        self.at += if is_inner { 2 } else { 1 };
        let start = self.at + 1;
        self.skip_group();
        if is_inner {
            return;
        }
        let inside = &self.tokens[start..self.at - 1];
        match inside {
            [Token::Word("cfg"), Token::Sign('('), Token::Word("test"), Token::Sign(')')]
            | [
                Token::Word("cfg"),
                Token::Sign('('),
                Token::Word("all"),
                Token::Sign('('),
                Token::Word("test"),
                Token::Sign(','),
                ..,
            ] => found.is_test = true,
            [Token::Word("path"), Token::Sign('='), Token::Literal(path)] => {
                found.path = Some((*path).to_owned());
            }
            _ => {}
        }
    }

    /// `pub`, `pub(crate)` and `pub(in crate::a)`.
    fn visibility(&mut self) {
        self.at += 1;
        if self.is(0, '(') && matches!(self.word(1), Some("crate" | "super" | "self" | "in")) {
            self.skip_group();
        }
    }

    /// Skips a group in brackets, whose first bracket is the next token.
    fn skip_group(&mut self) {
        let mut open = 0_usize;
        while let Some(token) = self.token(0) {
            match token {
                Token::Sign('(' | '[' | '{') => open += 1,
                Token::Sign(')' | ']' | '}') => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return;
            }
        }
    }

    /// Skips an item, or a field, variant, arm or statement with an attribute of its own.
    fn skip_item(&mut self) {
        let words = [self.word(0), self.word(1)];
        let is = |list: &[&str]| words[0].is_some_and(|word| list.contains(&word));
        let is_item = words[0].is_some_and(is_keyword);
        let to_semicolon = is(&["use", "const", "static", "type", "let"]) && words[1] != Some("fn");
        while let Some(token) = self.token(0) {
            match token {
                Token::Sign('}' | ')' | ']') => return,
                Token::Sign('{') if is_item && !to_semicolon => return self.skip_group(),
                Token::Sign('(' | '[' | '{') => self.skip_group(),
                Token::Sign(sign) => {
                    self.at += 1;
                    if sign == ';' || sign == ',' && !is_item {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    fn use_declaration(&mut self, is_reexport: bool) {
        self.at += 1;
        self.use_tree(Vec::new(), is_reexport);
        // The semicolon.
        self.at += 1;
    }

    /// `a::b`, `a::b as c`, `a::*`, `a::{b, c::d}`, up to the sign behind it.
    fn use_tree(&mut self, mut path: Vec<String>, is_reexport: bool) {
        if self.token(0) == Some(Token::PathSeparator) {
            self.at += 1;
            if path.is_empty() {
                // `::a` is a crate.
                path.push(String::new());
            }
        }
        if self.is(0, '{') {
            self.at += 1;
            while self.token(0).is_some() && !self.is(0, '}') {
                self.use_tree(path.clone(), is_reexport);
                if self.is(0, ',') {
                    self.at += 1;
                }
            }
            self.at += 1;
            return;
        }
        let last = self.word(0).unwrap_or("*");
        self.at += 1;
        if self.token(0) == Some(Token::PathSeparator) {
            path.push(last.to_owned());
            return self.use_tree(path, is_reexport);
        }
        let mut name = last.to_owned();
        if last == "self" && !path.is_empty() {
            name = path.last().cloned().unwrap_or_default();
        } else if last != "*" {
            path.push(last.to_owned());
        }
        if self.word(0) == Some("as") {
            name = self.word(1).unwrap_or_default().to_owned();
            self.at += 2;
        }
        self.module.uses.push(Use { path, name, is_reexport });
    }

    /// `mod name;` and `mod name { … }`.
    fn module(&mut self, attributes: &mut Attributes) {
        let name = self.word(1).unwrap_or_default().to_owned();
        self.at += 3;
        if self.before(1) == Some(Token::Sign(';')) {
            let Attributes { is_test, path } = std::mem::take(attributes);
            self.module.files.push(ModuleFile { name, is_test, path });
        } else {
            let outer = std::mem::take(&mut self.module);
            let depth = std::mem::take(&mut self.depth);
            self.read();
            let inner = std::mem::replace(&mut self.module, outer);
            self.depth = depth;
            self.module.inline.push((name, inner));
            // The brace that closes it.
            self.at += 1;
        }
    }

    /// A name that is declared, or a path that is mentioned.
    fn name(&mut self, first: &'a str) {
        if self.depth == 0 && ITEMS.contains(&first) {
            let ahead = if self.word(1) == Some("mut") { 2 } else { 1 };
            // Not the `fn` of a `const fn`.
            let name = self.word(ahead).filter(|name| !is_keyword(name));
            self.module.items.extend(name.map(str::to_owned));
        }
        let mut path = vec![first.to_owned()];
        let is_declared =
            matches!(self.before(1), Some(Token::Word(word)) if ITEMS.contains(&word));
        let is_path_start = match self.before(1) {
            Some(Token::PathSeparator) => false,
            // A field or a method, unless it is a range.
            Some(Token::Sign('.')) => self.before(2) == Some(Token::Sign('.')),
            Some(Token::Sign('$')) => first == "crate",
            _ => true,
        };
        self.at += 1;
        while let (Some(Token::PathSeparator), Some(word)) = (self.token(0), self.word(1)) {
            path.push(word.to_owned());
            self.at += 2;
        }
        let is_macro = self.is(0, '!') && ['(', '[', '{'].into_iter().any(|sign| self.is(1, sign));
        if path.len() == 1 && is_macro {
            self.module.macro_calls.insert(first.to_owned());
        }
        // One word in lower case is most often a variable, and a declared one is no mention.
        let is_name = first.starts_with(char::is_uppercase) || self.is(0, '(') || is_macro;
        if is_path_start && (path.len() > 1 || is_name && !is_declared) {
            self.module.mentions.insert(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn uses(source: &str, expected: &[(&str, &str, bool)]) {
        let found: Vec<_> = read(source)
            .uses
            .into_iter()
            .map(|found| (found.path.join("::"), found.name, found.is_reexport))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(path, name, is_reexport)| ((*path).to_owned(), (*name).to_owned(), *is_reexport))
            .collect();
        assert_eq!(found, expected, "{source}");
    }

    #[track_caller]
    fn mentions(source: &str, expected: &[&str]) {
        let found: Vec<String> = read(source).mentions.iter().map(|path| path.join("::")).collect();
        assert_eq!(found, expected, "{source}");
    }

    #[test]
    fn trees_of_imports_are_expanded() {
        uses(
            "use a::{self, b::{c, d as e}};",
            &[("a", "a", false), ("a::b::c", "c", false), ("a::b::d", "e", false)],
        );
        uses("use a::*; use b;", &[("a", "*", false), ("b", "b", false)]);
        uses(
            "use ::a::b; use {a, b::c,};",
            &[("::a::b", "b", false), ("a", "a", false), ("b::c", "c", false)],
        );
        uses(
            "use super::T as _; use r#type::X;",
            &[("super::T", "_", false), ("type::X", "X", false)],
        );
        uses("fn f() { use super::X; }", &[("super::X", "X", false)]);
        uses("fn f() -> impl Sized + use<'a> {}", &[]);
    }

    #[test]
    fn reexports_have_a_visibility() {
        uses("pub use a::b; use c;", &[("a::b", "b", true), ("c", "c", false)]);
        uses("pub(crate) use a::{b, c};", &[("a::b", "b", true), ("a::c", "c", true)]);
        uses("pub(in crate::x) use a::b;", &[("a::b", "b", true)]);
        uses("pub struct S(pub (u8, u8)); use a;", &[("a", "a", false)]);
    }

    #[test]
    fn tests_comments_and_literals_are_left_out() {
        uses("#[cfg(test)] use a::{b, c}; use d;", &[("d", "d", false)]);
        uses("#[cfg(test)] mod tests { use a; fn f() { b::c() } } use d;", &[("d", "d", false)]);
        uses("// use a;\n/* use b; */ const C: &str = \"use c;\"; use d;", &[("d", "d", false)]);
        mentions("#[cfg(test)] fn f(x: [a::B; 2]) -> c::D { e::f() } fn g() { h::i() }", &["h::i"]);
        mentions("#[cfg(test)] const A: B = b::C { d: e::f() }; fn g() { h::i() }", &["h::i"]);
        mentions("struct A { #[cfg(test)] b: c::D, e: f::G }", &["f::G"]);
        mentions("fn f() { \"a::b\"; 'x'; r#\"c::d\"#; /* e::f */ } // g::h", &[]);
        let test = read("#[cfg(test)] mod tests; mod real;").files;
        assert_eq!(test.iter().map(|file| file.is_test).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn paths_are_mentions() {
        mentions("fn f(x: &mut a::B, y: *const C) { x != y }", &["a::B"]);
        mentions("fn f() { a::b::c(d); e.g::<h::I>() }", &["a::b::c", "h::I"]);
        mentions(
            "pub(in crate::a) fn f(x: &crate::b::C) -> super::D {}",
            &["crate::b::C", "super::D"],
        );
        mentions("impl<T> A for b::C<T> { type D = ::e::F; }", &["A", "T", "b::C"]);
        mentions(
            "fn f() { x.a(); b(); c!(d::e); f..g::h(); let i = 1; }",
            &["b", "c", "d::e", "g::h"],
        );
        mentions("macro_rules! m { ($x:ident) => { $crate::a::$x; $x::b() } }", &["crate::a"]);
        mentions("#[derive(a::B)] struct C;", &[]);
    }

    #[test]
    fn items_are_those_of_the_module() {
        let module = read(
            "pub struct A; const fn b() { fn c() {} } impl A { fn d() {} } static mut E: u8 = 0;
             mod f { pub enum G {} } macro_rules! h { () => {} } pub(crate) type I = u8; const _: () = ();",
        );
        let items: Vec<&str> = module.items.iter().map(String::as_str).collect();
        assert_eq!(items, ["A", "E", "I", "_", "b"]);
        assert!(module.macros.contains("h"));
        let (name, inner) = &module.inline[0];
        assert!(name == "f" && inner.items.contains("G"));
    }
}
