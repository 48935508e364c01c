//! The rule for doc comments: each says what its item is. A reader comes from anywhere, and tools show each by itself.

use super::Finding;
use super::source::Source;

/// Beginnings of comments that only refer to another one.
const REFERS: [&str; 6] = [
    "The same",
    "See above",
    "How",
    "Which one",
    "Which",
    "Whose",
];
/// After these, words that follow make a sentence of it: `How many …`.
const MAY_GO_ON: [&str; 4] = ["How", "Which one", "Which", "Whose"];

pub(super) fn findings(files: &[Source]) -> Vec<Finding> {
    let checked = files.iter().filter(|file| file.is_rust());
    checked.flat_map(references).collect()
}

fn references(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut before = None;
    for (line, at) in file.text.lines().zip(1..) {
        let now = doc(line);
        // A section, as `# Errors`, begins anew.
        let first = now.filter(|_| before.is_none_or(|before: &str| before.starts_with("# ")));
        if let Some(words) = first.and_then(refers) {
            let what = format!("`{words}` says nothing of the item by itself: name what it is");
            findings.push(Finding::new(&file.path, at, what));
        }
        before = now;
    }
    findings
}

/// The text of a doc comment's line.
fn doc(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let said = line
        .strip_prefix("///")
        .or_else(|| line.strip_prefix("//!"))?;
    Some(said.trim())
}

/// The words by which the comment that begins so only refers.
fn refers(said: &str) -> Option<&'static str> {
    REFERS.into_iter().find(|words| {
        said.strip_prefix(words).is_some_and(|rest| {
            let ends = rest.is_empty() || rest.starts_with(['.', ',', ';', ':']);
            ends || !MAY_GO_ON.contains(words) && rest.starts_with(' ')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::lines;
    use super::*;

    #[test]
    fn a_doc_comment_that_only_refers_is_refused() {
        for comment in [
            "/// The same.",
            "    /// The same, of those that are opening.",
            "/// The same for IPv6.",
            "//! The same, in a module",
            "/// See above.",
            "/// How.",
            "    /// Which one.",
            "/// Whose.",
            "/// Whose, and when.",
            "/// Which.",
        ] {
            assert_eq!(
                lines(findings, "a.rs", &format!("x\n{comment}\nfn f() {{}}\n")),
                [2],
                "{comment}"
            );
        }
    }

    #[test]
    fn a_doc_comment_may_use_these_words_in_sentences() {
        for comment in [
            "/// How many there are.",
            "/// Which one of two is older.",
            "/// Whose turn it is.",
            "/// Two numbers.\n/// The same, in words.",
            "/// # Errors\n/// When it fails.\n/// The same holds for others.",
            "// The same, by the way.",
            "/// Thereby",
        ] {
            assert!(lines(findings, "a.rs", comment).is_empty(), "{comment}");
        }
        assert!(lines(findings, "README.md", "/// The same.").is_empty());
        assert_eq!(
            lines(
                findings,
                "a.rs",
                "/// Reads.\n///\n/// # Errors\n/// See above."
            ),
            [4]
        );
    }
}
