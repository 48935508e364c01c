//! The modules of its own crate that a file names.

use super::source::Source;

/// The modules that a file names as `crate::NAME` or within `crate::{…}`, with lines.
pub(super) fn mentions(file: &Source) -> Vec<(String, usize)> {
    let code = file.code.join("\n");
    let mut found = Vec::new();
    for (at, prefix) in code.match_indices("crate::") {
        let line = code.get(..at).unwrap_or_default().matches('\n').count() + 1;
        let rest = code.get(at + prefix.len()..).unwrap_or_default();
        let names = match rest.strip_prefix('{') {
            Some(group) => group_heads(group),
            None => vec![head(rest)],
        };
        found.extend(names.into_iter().map(|name| (name, line)));
    }
    found
}

/// The first names of a group's members: `{a, b::{c, d}}` has a and b.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut begins) = (1_u32, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => begins = true,
            c if begins && !c.is_whitespace() => {
                heads.push(head(group.get(at..).unwrap_or_default()));
                begins = false;
            }
            _ => {}
        }
    }
    heads
}

fn head(path: &str) -> String {
    path.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read_at_their_first_level() {
        assert_eq!(group_heads("a, b::{c, d}, e as f}; g"), ["a", "b", "e"]);
    }
}
