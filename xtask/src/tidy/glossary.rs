//! The rule for the places that docs/glossary.md names: a path in backquotes is that of a file or of a directory.

use super::Finding;
use super::source::Source;

const GLOSSARY: &str = "docs/glossary.md";

pub(super) fn findings(files: &[Source]) -> Vec<Finding> {
    let Some(glossary) = files.iter().find(|file| file.path == GLOSSARY) else {
        return Vec::new();
    };
    let numbered = glossary.text.lines().zip(1..);
    let named = numbered.flat_map(|(line, at)| paths(line).map(move |path| (path, at)));
    named
        .filter(|(path, _)| !exists(path, files))
        .map(|(path, at)| Finding::new(GLOSSARY, at, format!("there is no `{path}`")))
        .collect()
}

/// What stands in backquotes and has a slash, in a line.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    let quoted = line.split('`').skip(1).step_by(2);
    quoted.filter(|text| text.contains('/'))
}

/// Is there such a file, or one below such a directory?
fn exists(path: &str, files: &[Source]) -> bool {
    let directory = path.trim_end_matches('/');
    let is_below = |file: &Source| {
        let below = file.path.strip_prefix(directory);
        below.is_some_and(|rest| rest.starts_with('/'))
    };
    files.iter().any(|file| file.path == path || is_below(file))
}

#[cfg(test)]
mod tests {
    use super::super::testing::printed;
    use super::*;

    fn check(line: &str) -> Vec<String> {
        let files = [
            (GLOSSARY, line),
            ("agent/src/run.rs", ""),
            ("agent/src/run/lease.rs", ""),
        ];
        printed(findings, &files)
    }

    #[test]
    fn a_path_that_does_not_exist_is_refused() {
        let found = check("# Glossary\n| a | b | `Run`, `agent/src/runs.rs` |");
        assert_eq!(
            found,
            ["docs/glossary.md:2: there is no `agent/src/runs.rs`"]
        );
        assert_eq!(check("`agent/src/ru`, `agent/src/lease.rs`").len(), 2);
        assert_eq!(check("`agent/src/run.rs/`").len(), 1);
    }

    #[test]
    fn files_directories_and_names_are_good() {
        assert!(
            check("| a | b/c | `A::b`, `agent/src/run.rs`, `agent/src/run`, `agent/` |").is_empty()
        );
        assert!(findings(&[]).is_empty());
    }
}
