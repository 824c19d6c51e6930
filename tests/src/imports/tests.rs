//! Made-up crates, each a few lines long, and the imports that are found in them.

use super::Crate;

/// The arrows that are expected of a crate, `from > to`, apart from those of `lib.rs`.
#[track_caller]
fn check(sources: &[(&str, &str)], expected: &[&str]) {
    let found = Crate::from_sources(sources.iter().copied()).expect("a crate");
    let arrows: Vec<String> =
        found.arrows.keys().map(|(from, to)| format!("{from} > {to}")).collect();
    assert_eq!(arrows, expected, "{sources:?}");
}

#[track_caller]
fn circles(sources: &[(&str, &str)]) -> Vec<String> {
    Crate::from_sources(sources.iter().copied()).expect("a crate").circles()
}

#[test]
fn two_files_make_a_circle() {
    let found = circles(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B; pub struct A(B);"),
        ("b.rs", "use super::a::A; pub struct B(Box<A>);"),
    ]);
    assert_eq!(found, ["a.rs -> b.rs (crate::b::B)\nb.rs -> a.rs (super::a::A)"]);
}

#[test]
fn three_files_make_a_circle() {
    let found = circles(&[
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "use crate::b;\nfn f() { b::g() }"),
        ("b.rs", "pub fn g() { crate::c::h(); crate::d::i() }"),
        ("c.rs", "pub fn h() { super::a::f(); super::a::f::<super::d::D>() }"),
        ("d.rs", "pub struct D; pub fn i() {}"),
    ]);
    assert_eq!(
        found,
        ["a.rs -> b.rs (b::g)\nb.rs -> c.rs (crate::c::h)\nc.rs -> a.rs (super::a::f)"]
    );
}

#[test]
fn reexports_are_followed() {
    let lib = "mod a; mod b; pub use a::Error; pub(crate) use b::*;";
    check(
        &[
            ("lib.rs", lib),
            ("a.rs", "pub enum Error {}"),
            ("b.rs", "use crate::Error; pub fn b() {}"),
        ],
        &["b.rs > a.rs"],
    );
    // Through two of them, with another name, and through a star.
    let sources = [
        ("lib.rs", "mod a; mod b; pub use a::{Inner as Outer, inner::deep};"),
        ("a.rs", "mod inner; pub use inner::*;"),
        ("a/inner.rs", "pub struct Inner; pub fn deep() {}"),
        ("b.rs", "fn f(x: crate::Outer) { crate::deep() }"),
    ];
    check(&sources, &["b.rs > a/inner.rs"]);
    // A file that uses its own re-export imports it; so does one that takes another crate's name from it.
    check(
        &[("lib.rs", "mod a; pub use a::A; pub fn f() -> A { A }"), ("a.rs", "pub struct A;")],
        &["lib.rs > a.rs"],
    );
    check(
        &[("lib.rs", "mod a; pub use http::Uri;"), ("a.rs", "use crate::Uri;")],
        &["a.rs > lib.rs"],
    );
    let found = circles(&[
        ("lib.rs", "mod a; mod b; pub use a::A;"),
        ("a.rs", "pub struct A; fn f() { crate::b::g() }"),
        ("b.rs", "use crate::A; pub fn g() {}"),
    ]);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_child_that_uses_its_parent_makes_a_circle_with_it() {
    let parent = "mod child; pub struct Shared; pub fn f() { child::g() }";
    let found = circles(&[("lib.rs", parent), ("child.rs", "use super::Shared; pub fn g() {}")]);
    assert_eq!(found, ["child.rs -> lib.rs (super::Shared)\nlib.rs -> child.rs (child::g)"]);
    // As it does with all names of the parent, and with an import that the parent made for itself.
    let all = circles(&[("lib.rs", parent), ("child.rs", "use super::*; pub fn g(_: Shared) {}")]);
    assert_eq!(all, ["child.rs -> lib.rs (Shared)\nlib.rs -> child.rs (child::g)"]);
    let borrowed = [
        ("lib.rs", "mod a; mod child; use a::A; fn f(x: A) { child::g() }"),
        ("a.rs", "pub struct A;"),
        ("child.rs", "pub fn g(_: super::A) {}"),
    ];
    check(
        &borrowed,
        &["child.rs > a.rs", "child.rs > lib.rs", "lib.rs > a.rs", "lib.rs > child.rs"],
    );
}

#[test]
fn a_parent_may_use_its_children() {
    let sources = [
        ("lib.rs", "mod parent;"),
        (
            "parent/mod.rs",
            "mod one; mod two; mod shared; use shared::S; fn f() { one::f(S); two::f() }",
        ),
        ("parent/one.rs", "use super::shared::S; pub fn f(_: S) { super::two::f() }"),
        ("parent/two.rs", "pub fn f() { self::g() } fn g() {}"),
        ("parent/shared.rs", "pub struct S;"),
    ];
    check(
        &sources,
        &[
            "parent/mod.rs > parent/one.rs",
            "parent/mod.rs > parent/shared.rs",
            "parent/mod.rs > parent/two.rs",
            "parent/one.rs > parent/shared.rs",
            "parent/one.rs > parent/two.rs",
        ],
    );
    assert_eq!(circles(&sources), [""; 0]);
}

#[test]
fn text_that_looks_like_an_import_is_none() {
    let text = r##"
        //! [`crate::b::B`] use crate::b::B;
        /* use crate::b::B; /* crate::b::f() */ crate::b::f() */
        #[doc = "crate::b::B"]
        pub(in crate::b) fn f<'a>(x: &'a str) -> char {
            let _ = ("use crate::b::B;", r#"crate::b::f("")"#, b"crate::b::B", '"', "\"", 'b');
            x.b().chars().next().unwrap_or('\'')
        }
        #[cfg(test)]
        mod tests { use crate::b::B; }
        #[cfg(test)]
        use crate::b::{B, f};
    "##;
    check(&[("lib.rs", "mod a; mod b;"), ("a.rs", text), ("b.rs", "pub struct B;")], &[]);
}

#[test]
fn trees_and_names_of_modules_are_followed() {
    let sources = [
        ("lib.rs", "mod a; mod d;"),
        ("a.rs", "pub mod b; pub struct A;"),
        ("a/b.rs", "pub struct C; pub mod e { pub struct F; } pub fn f() {}"),
        ("d.rs", "use crate::a::{self, b::{self as x, C as G}}; fn f() { a::A; x::e::F; }"),
    ];
    check(&sources, &["d.rs > a.rs", "d.rs > a/b.rs"]);
    // A module that is only passed by has no part in it.
    check(
        &[sources[0], sources[1], sources[2], ("d.rs", "use crate::a; fn f() { a::b::f() }")],
        &["d.rs > a/b.rs"],
    );
    // A function may have the name of a module.
    let same = [
        ("lib.rs", "mod run; mod x; pub use run::run; pub fn x() { x::y() }"),
        ("run.rs", "pub fn run() {}"),
        ("x.rs", "pub fn y() { crate::run(); crate::run::run() }"),
    ];
    check(&same, &["lib.rs > x.rs", "x.rs > run.rs"]);
}

#[test]
fn macros_and_inline_modules_belong_to_their_file() {
    let sources = [
        ("lib.rs", "#[macro_use] mod a; mod b; mod c { pub fn f() { super::b::g() } }"),
        (
            "a.rs",
            "macro_rules! twice { ($x:expr) => { $crate::a::d::f($x); } } pub mod d { pub fn f() {} }",
        ),
        ("b.rs", "pub fn g() { twice!(1); crate::c::f() }"),
    ];
    let found = circles(&sources);
    assert_eq!(found, ["b.rs -> lib.rs (crate::c::f)\nlib.rs -> b.rs (super::b::g)"]);
    check(&sources, &["b.rs > a.rs", "b.rs > lib.rs", "lib.rs > b.rs"]);
}

#[test]
fn every_file_has_a_module_and_every_module_a_file() {
    let read = |sources: &[(&str, &str)]| Crate::from_sources(sources.iter().copied());
    let error = read(&[("lib.rs", "mod a;")]).expect_err("no file");
    assert_eq!(error, "`lib.rs`: no file for `a`");
    let error = read(&[("lib.rs", ""), ("a.rs", "")]).expect_err("no module");
    assert_eq!(error, "no module leads to `a.rs`");
    let ours = [
        ("lib.rs", "mod a; #[cfg(test)] mod tests; #[path = \"other.rs\"] mod b;"),
        ("main.rs", "mod c;"),
        ("bin/tool.rs", "fn main() {}"),
        ("a/mod.rs", "mod d;"),
        ("a/d.rs", ""),
        ("c.rs", ""),
        ("other.rs", "use crate::a;"),
        ("tests.rs", "mod more; use super::*;"),
        ("tests/more.rs", ""),
    ];
    assert_eq!(read(&ours).map(|found| found.count()), Ok(0));
}
