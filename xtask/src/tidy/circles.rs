//! Modules of a crate that use each other in a circle can't be read, tested or changed one by one.
//!
//! A child may use what its parents have, as long as it stays among them: a parent is read first, and holds what its
//! children have in common. So a use of a parent is none by itself, but whoever uses the parent's outside neighbours
//! through it counts as using them.

use std::collections::BTreeSet;

use super::Finding;
use super::modules::{Module, crates, is_above, uses};
use super::source::Source;

const HERE: &str = "xtask/src/tidy/circles.rs";

/// Circles that are there and should not be: the sorted files of each. The list only gets shorter.
const KNOWN: &[&[&str]] = &[];

pub(super) fn findings(files: &[Source]) -> Vec<Finding> {
    against_known(&circles(files), KNOWN)
}

/// Findings for circles that the list of known ones lacks, and for known ones that are no circles any more.
fn against_known(circles: &[Vec<String>], known: &[&[&str]]) -> Vec<Finding> {
    let is_known = |circle: &&Vec<String>| known.iter().any(|known| circle.iter().eq(known.iter()));
    let new = circles.iter().filter(|circle| !is_known(circle));
    let new = new.map(|circle| {
        let what = format!(
            "these files use each other in a circle: {}",
            circle.join(", ")
        );
        Finding::new(circle.first().map_or("", String::as_str), 0, what)
    });
    let is_there = |known: &&&[&str]| circles.iter().any(|circle| circle.iter().eq(known.iter()));
    let gone = known.iter().filter(|known| !is_there(known));
    let gone = gone.map(|known| {
        let what = format!(
            "this circle is no more, or is another: {}",
            known.join(", ")
        );
        Finding::new(
            HERE,
            0,
            format!("{what}; take it off the list of those that are known"),
        )
    });
    new.chain(gone).collect()
}

fn circles(files: &[Source]) -> Vec<Vec<String>> {
    let mut circles: Vec<Vec<String>> = crates(files)
        .iter()
        .flat_map(|modules| of_crate(modules))
        .collect();
    circles.sort();
    circles.dedup();
    circles
}

fn of_crate(modules: &[Module]) -> Vec<Vec<String>> {
    let edges = sideways(modules);
    let reached: Vec<BTreeSet<usize>> = (0..modules.len())
        .map(|from| reached(from, &edges))
        .collect();
    let reaches = |from: usize, to: usize| reached.get(from).is_some_and(|all| all.contains(&to));
    let mut seen = BTreeSet::new();
    let mut circles = Vec::new();
    for first in 0..modules.len() {
        let circle: Vec<usize> = (0..modules.len())
            .filter(|other| reaches(first, *other) && reaches(*other, first))
            .collect();
        if circle.len() > 1 && seen.insert(circle.clone()) {
            let files = circle.iter().filter_map(|at| modules.get(*at));
            let mut files: Vec<String> = files.map(|module| module.file.clone()).collect();
            files.sort();
            circles.push(files);
        }
    }
    circles
}

/// Pairs of user and used module; a use of a parent is replaced by the parent's uses outside of its own family.
fn sideways(modules: &[Module]) -> Vec<(usize, usize)> {
    let uses = uses(modules);
    let mut edges = Vec::new();
    for (from, to) in &uses {
        if !is_above(modules, *to, *from) {
            edges.push((*from, *to));
            continue;
        }
        let outside = uses.iter().filter(|(user, used)| {
            user == to && !is_above(modules, *to, *used) && !is_above(modules, *used, *to)
        });
        edges.extend(outside.map(|(_, used)| (*from, *used)));
    }
    edges
}

/// The modules that `from` uses, directly or through others.
fn reached(from: usize, edges: &[(usize, usize)]) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for (_, to) in edges.iter().filter(|(user, _)| *user == at) {
            if reached.insert(*to) {
                open.push(*to);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::super::testing::sources;
    use super::*;

    fn check(files: &[(&str, &str)]) -> Vec<String> {
        circles(&sources(files))
            .iter()
            .map(|circle| circle.join(" "))
            .collect()
    }

    #[test]
    fn siblings_that_use_each_other_are_a_circle() {
        let lib = ("src/lib.rs", "mod a;\nmod b;\nmod c;\n");
        let two = [
            lib,
            ("src/a.rs", "use crate::b::B;"),
            ("src/b.rs", "fn f() { super::a::f() }"),
        ];
        assert_eq!(check(&two), ["src/a.rs src/b.rs"]);
        let three = [
            lib,
            ("src/a.rs", "use crate::b::B;"),
            ("src/b.rs", "use super::c::C;"),
            ("src/c.rs", "use super::{a::A};"),
        ];
        assert_eq!(check(&three), ["src/a.rs src/b.rs src/c.rs"]);
        let one_way = [
            lib,
            ("src/a.rs", "use crate::b::B;"),
            ("src/b.rs", "use super::c::C;"),
            ("src/c.rs", ""),
        ];
        assert!(check(&one_way).is_empty());
    }

    #[test]
    fn tests_may_use_what_they_like() {
        let files = [
            ("src/lib.rs", "mod a;\nmod b;\n"),
            ("src/a.rs", "use crate::b::B;"),
            (
                "src/b.rs",
                "#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n",
            ),
        ];
        assert!(check(&files).is_empty());
    }

    #[test]
    fn a_parent_and_its_children_are_none() {
        let family = [
            ("src/lib.rs", "mod a;\n"),
            (
                "src/a.rs",
                "mod b;\nmod c;\nfn f() { b::f(); c::f() }\npub struct A;",
            ),
            ("src/a/b.rs", "use super::A;"),
            ("src/a/c.rs", "use super::{A, b};"),
        ];
        assert!(check(&family).is_empty());
    }

    #[test]
    fn a_circle_through_a_parent_and_out_of_its_family_is_one() {
        let files = [
            ("src/lib.rs", "mod a;\nmod b;\n"),
            ("src/a.rs", "mod c;\nuse crate::b::B;\npub struct A;"),
            ("src/a/c.rs", "use super::A;"),
            ("src/b.rs", "use crate::a::c::C;"),
        ];
        assert_eq!(check(&files), ["src/a/c.rs src/b.rs"]);
    }

    #[test]
    fn a_known_circle_is_accepted_and_its_end_is_a_finding() {
        let circle = vec!["a.rs".to_owned(), "b.rs".to_owned()];
        assert!(against_known(std::slice::from_ref(&circle), &[&["a.rs", "b.rs"]]).is_empty());
        assert_eq!(against_known(std::slice::from_ref(&circle), &[]).len(), 1);
        let gone = against_known(&[], &[&["a.rs", "b.rs"]]);
        assert!(
            gone[0]
                .to_string()
                .starts_with("xtask/src/tidy/circles.rs: this circle is no more")
        );
        assert_eq!(
            against_known(&[circle], &[&["a.rs"]]).len(),
            2,
            "smaller than the list says"
        );
    }
}
