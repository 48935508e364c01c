//! `cargo xtask tidy`: the repository's own rules as code. Each rule is a pure
//! function from files to findings; this file reads the tree and reports.

mod circles;
mod columns;
mod doc_comments;
mod glossary;
mod invariants;
mod layers;
mod mentions;
mod modules;
mod mounts;
mod paths;
mod retired;
mod source;
mod style;
#[cfg(test)]
mod testing;
mod tokens;
mod variables;

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use walkdir::{DirEntry, WalkDir};

use crate::process::{cargo, read, root, say};
use source::Source;

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// From 1; 0 is the file as a whole.
    line: usize,
    what: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: String) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// The verb.
pub(crate) fn run_verb() -> Result<()> {
    let files = tree(root())?;
    for long in files.iter().filter_map(style::long) {
        say(format_args!("note: {long}"));
    }
    let mut findings = style::findings(&files, &developers_dirs());
    findings.extend(columns::findings(&files));
    findings.extend(doc_comments::findings(&files));
    findings.extend(layers::findings(&files));
    findings.extend(circles::findings(&files));
    findings.extend(retired::findings(&files));
    findings.extend(glossary::findings(&files));
    findings.extend(invariants::findings(&files));
    findings.extend(mounts::findings(&files));
    findings.extend(variables::findings(&files));
    for (package, manifest) in layers::PURE_CRATES {
        findings.extend(layers::impure_dependencies(
            manifest,
            &dependencies(package)?,
        ));
    }
    for finding in &findings {
        say(finding);
    }
    match findings.len() {
        0 => say(format_args!(
            "The repository is tidy ({} files).",
            files.len()
        )),
        1 => bail!("the repository's rules are broken in one place"),
        many => bail!("the repository's rules are broken in {many} places"),
    }
    Ok(())
}

/// The repository's text files, sorted by path.
fn tree(root: &Path) -> Result<Vec<Source>> {
    let mut files = Vec::new();
    for entry in WalkDir::new(root)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(belongs)
    {
        let entry = entry?;
        if !entry.file_type().is_file() {
            continue;
        }
        let bytes = fs::read(entry.path()).with_context(|| entry.path().display().to_string())?;
        if let Ok(text) = String::from_utf8(bytes) {
            let path = entry
                .path()
                .strip_prefix(root)?
                .to_string_lossy()
                .into_owned();
            files.push(Source::new(path, text));
        }
    }
    Ok(files)
}

fn belongs(entry: &DirEntry) -> bool {
    let generated = entry.depth() == 1
        && [".git", "target"]
            .iter()
            .any(|name| entry.file_name() == *name);
    !generated
}

/// Directories of whoever works here: their names do not belong into files.
fn developers_dirs() -> Vec<String> {
    let home = std::env::var("HOME").unwrap_or_default();
    let own = [root().display().to_string(), home];
    own.into_iter()
        .filter(|dir| dir.len() > 1)
        .map(|dir| format!("{dir}/"))
        .collect()
}

/// All packages that a package is built with, tests apart.
fn dependencies(package: &str) -> Result<Vec<String>> {
    let mut tree = cargo();
    tree.args([
        "tree",
        "--package",
        package,
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    let listed = read(&mut tree)?;
    Ok(listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect())
}
