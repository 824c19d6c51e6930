//! Circles in a graph: the sets of files each of which can be reached from every other one.

use std::collections::{BTreeMap, BTreeSet};

/// The circles of a graph, each with at least two files. An arrow from a file to itself is none.
pub(super) fn circles<'a>(
    arrows: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) -> Vec<BTreeSet<&'a str>> {
    let forward = reached(arrows.clone());
    let mut circles: Vec<BTreeSet<&str>> = Vec::new();
    for (file, others) in &forward {
        let back = |other: &&&str| forward.get(*other).is_some_and(|there| there.contains(file));
        let circle: BTreeSet<&str> = others.iter().filter(back).copied().chain([*file]).collect();
        if circle.len() > 1 && !circles.contains(&circle) {
            circles.push(circle);
        }
    }
    circles
}

/// The files that can be reached from each file.
fn reached<'a>(
    arrows: impl Iterator<Item = (&'a str, &'a str)>,
) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in arrows {
        next.entry(from).or_default().insert(to);
    }
    let from = |start: &'a str| {
        let (mut found, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(file) = open.pop() {
            for to in next.get(file).into_iter().flatten() {
                if found.insert(*to) {
                    open.push(to);
                }
            }
        }
        found
    };
    next.keys().map(|start| (*start, from(start))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(arrows: &[(&str, &str)], expected: &[&[&str]]) {
        let found = circles(arrows.iter().copied());
        let expected: Vec<BTreeSet<&str>> =
            expected.iter().map(|circle| circle.iter().copied().collect()).collect();
        assert_eq!(found, expected, "{arrows:?}");
    }

    #[test]
    fn circles_are_found_wherever_they_are() {
        check(&[], &[]);
        check(&[("a", "b"), ("b", "c"), ("a", "c")], &[]);
        check(&[("a", "a")], &[]);
        check(&[("a", "b"), ("b", "a")], &[&["a", "b"]]);
        check(&[("x", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("c", "y")], &[&["a", "b", "c"]]);
        check(
            &[("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "c")],
            &[&["a", "b"], &["c", "d"]],
        );
    }
}
