//! A file of the repository, as the rules see it.

/// A text file.
pub(super) struct Source {
    /// From the repository's root, with slashes.
    pub(super) path: String,
    pub(super) text: String,
    /// Of a Rust file the lines without comments; else the text's lines.
    pub(super) code: Vec<String>,
}

impl Source {
    pub(super) fn new(path: String, text: String) -> Self {
        let strip = if path.ends_with(".rs") {
            without_comment
        } else {
            |line: &str| line.to_owned()
        };
        let code = text.lines().map(strip).collect();
        Self { path, text, code }
    }

    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The file is `place.rs` or `place/mod.rs`, or in the directory `place`.
    pub(super) fn is_in(&self, place: &str) -> bool {
        let rest = self.path.strip_prefix(place);
        rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    }

    /// Lines (from 1) of the code that contain the pattern.
    pub(super) fn lines_with<'a>(&'a self, pattern: &'a str) -> impl Iterator<Item = usize> + 'a {
        let numbered = self.code.iter().zip(1..);
        numbered
            .filter(move |(line, _)| line.contains(pattern))
            .map(|(_, number)| number)
    }
}

/// Cuts off a line comment. Block comments are not used here; `//` after a colon
/// is an address.
fn without_comment(line: &str) -> String {
    let mut from = 0;
    while let Some(found) = line.get(from..).and_then(|rest| rest.find("//")) {
        let at = from + found;
        let head = line.get(..at).unwrap_or_default();
        if !head.ends_with(':') {
            return head.to_owned();
        }
        from = at + 2;
    }
    line.to_owned()
}

/// Whether `word` stands alone in `line`, not as a part of a longer name.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).unwrap_or_default();
        let after = line.get(at + word.len()..).unwrap_or_default();
        !before.ends_with(is_name) && !after.starts_with(is_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_code() {
        assert_eq!(without_comment("let a = 1; // unsafe"), "let a = 1; ");
        assert_eq!(without_comment("/// unsafe"), "");
        assert_eq!(without_comment("\"http://a\" // b"), "\"http://a\" ");
    }

    #[test]
    fn a_word_is_not_a_part_of_a_name() {
        assert!(has_word("unsafe { x }", "unsafe"));
        assert!(!has_word("unsafe_code", "unsafe"));
        assert!(has_word("unsafe_code; unsafe impl", "unsafe"));
    }

    #[test]
    fn a_module_is_its_file_and_its_directory() {
        let is_in =
            |path: &str| Source::new(path.to_owned(), String::new()).is_in("agent/src/watch");
        assert!(is_in("agent/src/watch.rs") && is_in("agent/src/watch/docker.rs"));
        assert!(!is_in("agent/src/watcher.rs"));
    }
}
