//! Rules for what the documents claim: each invariant of docs/invariants.md names a
//! test that exists, and each decision that a file refers to is written down once.
//!
//! An invariant is one list item: `- **I3** what holds (test: path/of/file.rs::name)`,
//! several tests separated by commas; it may go on over indented lines. Every test that
//! docs/odd-packets.md names is there, too.

use std::collections::BTreeMap;

use super::Finding;
use super::source::Source;

const DOCUMENT: &str = "docs/invariants.md";
const ODD_PACKETS: &str = "docs/odd-packets.md";
const DECISIONS: &str = "docs/adr/";

pub(super) fn findings(files: &[Source]) -> Vec<Finding> {
    let mut all = match files.iter().find(|file| file.path == DOCUMENT) {
        Some(document) => invariants(document, files),
        None => vec![Finding::new(
            DOCUMENT,
            0,
            "is missing: it holds the invariants".to_owned(),
        )],
    };
    let odd = files.iter().filter(|file| file.path == ODD_PACKETS);
    all.extend(odd.flat_map(|document| cases(document, files)));
    all.extend(decisions(files));
    all
}

/// Tests that a table names anywhere in its cells.
fn cases(document: &Source, files: &[Source]) -> Vec<Finding> {
    let words = |line: &str| -> Vec<String> {
        let end = |c: char| c.is_whitespace() || matches!(c, ',' | ':' | '|' | '`' | '.');
        line.split_whitespace()
            .filter(|word| word.contains(".rs::"))
            .map(|word| word.trim_matches(end).to_owned())
            .collect()
    };
    let mut findings = Vec::new();
    for (line, at) in document.text.lines().zip(1..) {
        for test in words(line).iter().filter(|test| !exists(test, files)) {
            findings.push(Finding::new(
                ODD_PACKETS,
                at,
                format!("there is no test {test}"),
            ));
        }
    }
    findings
}

fn invariants(document: &Source, files: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = BTreeMap::new();
    for (line, item) in items(&document.text) {
        let Some((id, text)) = item.split_once("**") else {
            continue;
        };
        if let Some(before) = seen.insert(id.to_owned(), line) {
            findings.push(Finding::new(
                DOCUMENT,
                line,
                format!("{id} is already the name of line {before}"),
            ));
        }
        let tests: Vec<&str> = named_tests(text);
        if tests.is_empty() {
            findings.push(Finding::new(
                DOCUMENT,
                line,
                format!("{id} names no test: `(test: FILE::NAME)`"),
            ));
        }
        for test in tests.into_iter().filter(|test| !exists(test, files)) {
            findings.push(Finding::new(
                DOCUMENT,
                line,
                format!("{id}: there is no test {test}"),
            ));
        }
    }
    findings
}

/// Invariants with their lines, from after the first `**`, continuation lines joined.
fn items(text: &str) -> Vec<(usize, String)> {
    let mut items: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (line, at) in text.lines().zip(1..) {
        if let Some(item) = line
            .strip_prefix("- **I")
            .filter(|item| item.starts_with(|c: char| c.is_ascii_digit()))
        {
            items.push((at, format!("I{item}")));
            open = true;
        } else if open && line.starts_with(' ') {
            if let Some((_, item)) = items.last_mut() {
                item.push(' ');
                item.push_str(line.trim());
            }
        } else {
            open = false;
        }
    }
    items
}

fn named_tests(text: &str) -> Vec<&str> {
    let Some((_, rest)) = text.rsplit_once("(test: ") else {
        return Vec::new();
    };
    let list = rest.split(')').next().unwrap_or_default();
    list.split(',')
        .map(|test| test.trim().trim_matches('`'))
        .filter(|test| !test.is_empty())
        .collect()
}

/// `FILE::NAME`, where FILE may also be a directory.
fn exists(test: &str, files: &[Source]) -> bool {
    let Some((place, name)) = test.rsplit_once("::") else {
        return false;
    };
    let here = |file: &&Source| file.path == place || file.path.starts_with(&format!("{place}/"));
    files.iter().filter(here).any(|file| has_test(file, name))
}

fn has_test(file: &Source, name: &str) -> bool {
    let opening = format!("fn {name}(");
    let mut lines = file.code.iter().enumerate();
    lines.any(|(at, line)| {
        let above = file.code.get(at.saturating_sub(4)..at).unwrap_or_default();
        let is_attribute = |line: &String| line.contains("#[test]") || line.contains("::test");
        line.contains(&opening) && above.iter().any(is_attribute)
    })
}

/// Numbers of decisions are used once, and what refers to one finds it.
fn decisions(files: &[Source]) -> Vec<Finding> {
    let mut numbers: BTreeMap<&str, &str> = BTreeMap::new();
    let mut findings = Vec::new();
    for file in files {
        let Some(number) = file.path.strip_prefix(DECISIONS).and_then(number) else {
            continue;
        };
        if let Some(other) = numbers.insert(number, &file.path) {
            findings.push(Finding::new(
                &file.path,
                0,
                format!("has the number of {other}"),
            ));
        }
    }
    for file in files {
        for (line, at) in file.text.lines().zip(1..) {
            let referred = line.split(DECISIONS).skip(1).filter_map(number);
            for number in referred.filter(|number| !numbers.contains_key(number)) {
                findings.push(Finding::new(
                    &file.path,
                    at,
                    format!("there is no decision {DECISIONS}{number}"),
                ));
            }
        }
    }
    findings
}

/// The four digits that a text begins with.
fn number(text: &str) -> Option<&str> {
    let digits = text.get(..4)?;
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{printed, sources};
    use super::*;

    const TEST: &str = "    #[test]\n    fn every_prefix_holds() {\n";

    fn check(document: &str) -> Vec<String> {
        let plan = format!("{TEST}    }}\n    fn helper() {{}}\n");
        printed(findings, &[(DOCUMENT, document), ("core/plan.rs", &plan)])
    }

    #[test]
    fn an_invariant_names_a_test_that_exists() {
        assert!(
            check("- **I3** plans are safe\n  (test: core/plan.rs::every_prefix_holds)\n")
                .is_empty()
        );
        assert!(check("- **I3** by directory (test: `core::every_prefix_holds`)\n").is_empty());
        assert_eq!(
            check("- **I3** plans are safe\n"),
            ["docs/invariants.md:1: I3 names no test: `(test: FILE::NAME)`"]
        );
        assert_eq!(
            check("x\n- **I3** plans are safe (test: core/plan.rs::gone)\n").len(),
            1
        );
        assert_eq!(
            check("- **I3** elsewhere (test: core/other.rs::every_prefix_holds)\n").len(),
            1
        );
    }

    #[test]
    fn one_of_several_tests_that_is_gone_is_enough() {
        assert_eq!(
            check("- **I3** a (test: core/plan.rs::every_prefix_holds, core/plan.rs::gone)\n")
                .len(),
            1
        );
    }

    #[test]
    fn names_of_invariants_are_unique_and_the_document_is_there() {
        let twice = "- **I1** a (test: core::every_prefix_holds)\n- **I1** b (test: core::every_prefix_holds)\n";
        assert_eq!(check(twice).len(), 1);
        assert_eq!(findings(&[]).len(), 1);
    }

    #[test]
    fn a_decision_has_one_number_and_is_there_when_referred_to() {
        let [first, second, absent] =
            ["0001-a.md", "0001-b.md", "0002"].map(|name| format!("{DECISIONS}{name}"));
        let refers = format!("// see {DECISIONS}0001");
        let good = [(first.as_str(), ""), ("a.rs", refers.as_str())];
        assert!(decisions(&sources(&good)).is_empty());
        let bad = [(first.as_str(), ""), (&second, ""), ("a.rs", &absent)];
        assert_eq!(decisions(&sources(&bad)).len(), 2);
    }
}
