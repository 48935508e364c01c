//! A file of the repository, as the rules see it.

/// A text file.
pub(super) struct Source {
    /// From the repository's root, with slashes.
    pub(super) path: String,
    pub(super) text: String,
    /// Of a Rust file the lines without comments and without what strings contain;
    /// else the text's lines.
    pub(super) code: Vec<String>,
}

impl Source {
    pub(super) fn new(path: String, text: String) -> Self {
        let code = if path.ends_with(".rs") {
            code_of(&text)
        } else {
            text.clone()
        };
        let code = code.lines().map(str::to_owned).collect();
        Self { path, text, code }
    }

    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The file is `place.rs` or in the directory `place`.
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

/// Rust text with comments and the contents of strings left out, lines kept.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let skipped = comment(rest).or_else(|| literal(rest, &code));
        let taken = skipped.unwrap_or(next.len_utf8());
        let (head, tail) = rest.split_at_checked(taken).unwrap_or((rest, ""));
        match skipped {
            Some(_) => code.extend(head.chars().filter(|c| *c == '\n')),
            None => code.push(next),
        }
        rest = tail;
    }
    code
}

/// The length of the comment that the text begins with.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    // Nested block comments are not used here.
    text.strip_prefix("/*")
        .map(|rest| rest.find("*/").map_or(text.len(), |end| end + 4))
}

/// The length of the string or character that the text begins with.
fn literal(text: &str, before: &str) -> Option<usize> {
    let name_before = before
        .strip_suffix('b')
        .unwrap_or(before)
        .ends_with(is_name);
    if let Some(rest) = text.strip_prefix('r').filter(|_| !name_before) {
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        let body = rest.get(hashes..)?.strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(
            body.find(&end)
                .map_or(text.len(), |at| 2 + hashes + at + end.len()),
        );
    }
    if text.starts_with('"') {
        let end = closing(text, '"');
        return Some(end.unwrap_or(text.len()));
    }
    // A quote that does not close after one character begins a lifetime.
    let inner = text.strip_prefix('\'')?;
    match inner.chars().next()? {
        '\\' => closing(text, '\''),
        c => inner
            .get(c.len_utf8()..)?
            .starts_with('\'')
            .then_some(c.len_utf8() + 2),
    }
}

/// The length up to and with the quote that is not escaped, after the first.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `word` stands alone in `line`, not as a part of a longer name.
pub(super) fn has_word(line: &str, word: &str) -> bool {
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
        assert_eq!(code_of("a(); // b\n/// c\nd"), "a(); \n\nd");
        assert_eq!(code_of("a /* b\nc */ d"), "a \n d");
    }

    #[test]
    fn what_strings_say_is_no_code() {
        assert_eq!(code_of(r#"f("a // \" b", c)"#), "f(, c)");
        assert_eq!(code_of("f(r##\"a \"# \n b\"##, c)"), "f(\n, c)");
        assert_eq!(code_of("f(\"a\nb\")"), "f(\n)");
    }

    #[test]
    fn characters_and_lifetimes_are_told_apart() {
        assert_eq!(code_of("('\"', '\\'', 'x')"), "(, , )");
        assert_eq!(
            code_of("fn f<'a>(x: &'a str) {}"),
            "fn f<'a>(x: &'a str) {}"
        );
        assert_eq!(code_of("for r in bar {}"), "for r in bar {}");
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
