//! The rule for lines of documents: they are not wider than a window.

use super::Finding;
use super::source::Source;

/// Columns of a line of a document. Tables and code can't be broken, and a link's address is not read.
const WIDE: usize = 160;

pub(super) fn findings(files: &[Source]) -> Vec<Finding> {
    let checked = files.iter().filter(|file| file.path.ends_with(".md"));
    checked.flat_map(wide_lines).collect()
}

fn wide_lines(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut fenced, mut indented, mut blank) = (false, false, true);
    for (line, at) in file.text.lines().zip(1..) {
        let content = line.trim_start();
        let fence = content.starts_with("```");
        fenced ^= fence;
        // A line that is indented so far goes on a list's item, unless there was a blank one.
        indented = line.starts_with("    ") && (indented || blank) && !content.is_empty();
        blank = content.is_empty();
        let unbroken = fenced || fence || indented || content.starts_with('|');
        let columns = without_addresses(line).chars().count();
        if !unbroken && columns > WIDE {
            let what = format!("{columns} columns: break the line ({WIDE} at most)");
            findings.push(Finding::new(&file.path, at, what));
        }
    }
    findings
}

/// The line without the addresses of its links: `[text](address)`, `<https://…>`, `[name]: address`.
fn without_addresses(line: &str) -> String {
    let mut left = String::new();
    let mut rest = line;
    let openings = [("](", ')'), ("<http", '>'), ("]: ", ' ')];
    let next = |text: &str| {
        let found = openings.iter().filter_map(|(opening, end)| {
            let from = text.find(opening)? + opening.len();
            Some((from, *end))
        });
        found.min()
    };
    while let Some((from, end)) = next(rest) {
        let (head, tail) = rest.split_at(from);
        left.push_str(head);
        rest = tail.find(end).and_then(|to| tail.get(to..)).unwrap_or("");
    }
    left + rest
}

#[cfg(test)]
mod tests {
    use super::super::testing::lines;
    use super::*;

    #[test]
    fn a_wide_line_of_a_document_is_refused() {
        let wide = |columns: usize| "é".repeat(columns);
        assert!(lines(findings, "a.md", &wide(160)).is_empty());
        assert_eq!(lines(findings, "a.md", &format!("x\n{}", wide(161))), [2]);
        assert_eq!(
            lines(findings, "a.md", &format!("* item\n    {}", wide(161))),
            [2]
        );
        assert!(lines(findings, "a.rs", &wide(161)).is_empty());
    }

    #[test]
    fn tables_code_and_addresses_of_links_may_be_wide() {
        let wide = "x".repeat(161);
        for allowed in [
            format!("| {wide} |"),
            format!("```text\n{wide}\n```"),
            format!("    {wide}"),
            format!("see [this]({wide}), and <https://{wide}>"),
            format!("[this]: {wide}"),
        ] {
            assert!(lines(findings, "a.md", &allowed).is_empty(), "{allowed}");
        }
        assert_eq!(
            lines(findings, "a.md", &format!("```\ncode\n```\n{wide}")),
            [4]
        );
        assert_eq!(lines(findings, "a.md", &format!("[{wide}](address)")), [1]);
    }
}
