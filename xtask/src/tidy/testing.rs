//! Helpers of the rules' tests.

use super::Finding;
use super::source::Source;

/// Files of a repository: paths and contents.
pub(super) fn sources(files: &[(&str, &str)]) -> Vec<Source> {
    let source = |(path, text): &(&str, &str)| Source::new((*path).to_owned(), (*text).to_owned());
    files.iter().map(source).collect()
}

/// Lines that a rule finds in one file.
pub(super) fn lines(
    rule: impl Fn(&[Source]) -> Vec<Finding>,
    path: &str,
    text: &str,
) -> Vec<usize> {
    let findings = rule(&sources(&[(path, text)]));
    findings.iter().map(|finding| finding.line).collect()
}

/// Findings of a rule in some files, as they are printed.
pub(super) fn printed(
    rule: impl Fn(&[Source]) -> Vec<Finding>,
    files: &[(&str, &str)],
) -> Vec<String> {
    let findings = rule(&sources(files));
    findings.iter().map(ToString::to_string).collect()
}
