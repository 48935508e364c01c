//! The rule for environment variables: docs/settings.md has a sentence with those that the stack takes from the shell, and each
//! option of the agent and of the router that has one stands in docs/settings.md or docs/router.md.

use std::collections::BTreeSet;

use super::Finding;
use super::source::Source;

/// Documents of options.
const DOCUMENTS: [&str; 2] = [SETTINGS, "docs/router.md"];
const SETTINGS: &str = "docs/settings.md";
/// How the sentence begins that names what the stack takes from the shell.
const SENTENCE: &str = "From the shell, the stack takes";
/// Command lines of the programs that the stack runs.
const COMMAND_LINES: [&str; 2] = ["agent/src/cli.rs", "agent/router/src/cli.rs"];
const PREFIX: &str = "SWARMLB_";

pub(super) fn findings(files: &[Source]) -> Vec<Finding> {
    let text = |path: &str| {
        let file = files.iter().find(|file| file.path == path);
        file.map(|file| file.text.as_str())
    };
    let Some(settings) = text(SETTINGS) else {
        return Vec::new();
    };
    let mut all = shell_variables(files, settings);
    let documents = DOCUMENTS.into_iter().filter_map(text);
    let documented: BTreeSet<&str> = documents.flat_map(names).collect();
    let command_lines = files
        .iter()
        .filter(|file| COMMAND_LINES.contains(&file.path.as_str()));
    all.extend(command_lines.flat_map(|file| undocumented(file, &documented)));
    all
}

/// Differences between the sentence and the files of the stack.
fn shell_variables(files: &[Source], settings: &str) -> Vec<Finding> {
    let said: BTreeSet<&str> = names(sentence(settings)).collect();
    let taken: BTreeSet<&str> = files
        .iter()
        .filter(|file| file.path.starts_with("deploy/") && file.path.ends_with(".yml"))
        .flat_map(|file| file.text.split("${").skip(1))
        .filter(|rest| rest.starts_with(PREFIX))
        .filter_map(|rest| names(rest).next())
        .collect();
    let found = |name: &str, what: &str| {
        let what = format!("the sentence \"{SENTENCE} …\" {what} `{name}`");
        Finding::new(SETTINGS, 0, what)
    };
    let missing = taken
        .difference(&said)
        .map(|name| found(name, "lacks what deploy/ has:"));
    let untrue = said
        .difference(&taken)
        .map(|name| found(name, "has what no file of deploy/ has:"));
    missing.chain(untrue).collect()
}

/// The sentence, without its full stop; empty where there is none.
fn sentence(settings: &str) -> &str {
    let begin = settings.find(SENTENCE).unwrap_or(settings.len());
    let rest = settings.get(begin..).unwrap_or_default();
    let ends = [". ", ".\n"].map(|end| rest.find(end));
    let end = ends.into_iter().flatten().min().unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

/// Variables of options that no document has; those of hidden options are for tests.
fn undocumented(file: &Source, documented: &BTreeSet<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, _) in file.text.match_indices("#[arg(") {
        let (before, rest) = file.text.split_at(at);
        let argument = rest.split(")]").next().unwrap_or_default();
        let variable = argument.split("env = \"").nth(1);
        let Some(name) = variable.and_then(|rest| names(rest).next()) else {
            continue;
        };
        if argument.contains("hide = true") || documented.contains(name) {
            continue;
        }
        let line = before.matches('\n').count() + 1;
        let what = format!("`{name}` is in none of {}", DOCUMENTS.join(", "));
        findings.push(Finding::new(&file.path, line, what));
    }
    findings
}

/// Names of variables in a text, one after the other.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    text.match_indices(PREFIX).map(move |(at, _)| {
        let rest = text.get(at..).unwrap_or_default();
        let end = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::printed;
    use super::*;

    const STACK: &str =
        "image: ${SWARMLB_IMAGE:-a}\nSWARMLB_DATAPATH: \"${SWARMLB_DATAPATH:-auto}\"\n";
    const SAID: &str = "From the shell, the stack takes `SWARMLB_IMAGE` (router.yml)\nand `SWARMLB_DATAPATH`. Not SWARMLB_PORT.";

    #[test]
    fn the_sentence_names_what_the_stack_takes_from_the_shell_and_nothing_else() {
        let check = |said: &str, stack: &str| {
            printed(findings, &[(SETTINGS, said), ("deploy/a.yml", stack)]).len()
        };
        assert_eq!(check(SAID, STACK), 0);
        assert_eq!(check(SAID, "image: ${SWARMLB_IMAGE:-a}\n"), 1);
        assert_eq!(check(SAID, &format!("{STACK}x: ${{SWARMLB_PORT}}")), 1);
        assert_eq!(check("Nothing of it.", STACK), 2);
    }

    #[test]
    fn each_variable_of_an_option_is_in_a_document() {
        let check = |attribute: &str, document: &str| {
            let option = format!("/// An option\n#[arg({attribute})]\npub option: u32,\n");
            let files = [
                (SETTINGS, ""),
                ("docs/router.md", document),
                ("agent/router/src/cli.rs", option.as_str()),
            ];
            printed(findings, &files)
        };
        let documented = "| `--a` | `SWARMLB_A` |";
        assert!(check("long, env = \"SWARMLB_A\"", documented).is_empty());
        assert!(check("long", "").is_empty());
        assert!(check("env = \"SWARMLB_B\", hide = true", "").is_empty());
        // The name is a whole one.
        let found = check("long, env = \"SWARMLB_A\"", "`SWARMLB_A_B`");
        let message =
            "agent/router/src/cli.rs:2: `SWARMLB_A` is in none of docs/settings.md, docs/router.md";
        assert_eq!(found, [message]);
    }
}
