//! The rule for retired words: docs/glossary.md has a table of them under `## Retired words`, with the columns `word`, `term`
//! and `where`. `where` is `everywhere`, or beginnings of paths, separated by commas. A word counts in any case, as a part of a
//! name, and with the `s` or `es` of many.

use super::Finding;
use super::source::Source;

const GLOSSARY: &str = "docs/glossary.md";
const HEADING: &str = "## Retired words";
/// Where retired words may be told of.
const EXEMPT: [&str; 3] = [GLOSSARY, "CHANGELOG.md", "docs/adr/"];
/// Files that people write.
const WRITTEN: [&str; 7] = [".rs", ".md", ".proto", ".yml", ".toml", ".sh", ".service"];

struct Retired {
    word: Vec<String>,
    term: String,
    places: Vec<String>,
}

pub(super) fn findings(files: &[Source]) -> Vec<Finding> {
    let Some(glossary) = files.iter().find(|file| file.path == GLOSSARY) else {
        return Vec::new();
    };
    let (retired, mut all) = table(&glossary.text);
    let checked = files.iter().filter(|file| {
        WRITTEN.iter().any(|end| file.path.ends_with(end))
            && !EXEMPT.iter().any(|place| file.path.starts_with(place))
    });
    for file in checked {
        let here: Vec<&Retired> = retired
            .iter()
            .filter(|word| word.is_for(&file.path))
            .collect();
        for (line, at) in file.text.lines().zip(1..) {
            let words = words(line);
            for found in here.iter().filter(|retired| retired.is_in(&words)) {
                let (word, term) = (found.word.join(" "), &found.term);
                let what = format!("`{word}` is a retired word: say {term}");
                all.push(Finding::new(&file.path, at, what));
            }
        }
    }
    all
}

impl Retired {
    fn is_for(&self, path: &str) -> bool {
        self.places
            .iter()
            .any(|place| place == "everywhere" || path.starts_with(place.as_str()))
    }

    fn is_in(&self, words: &[String]) -> bool {
        let same = |(said, word): (&String, &String)| {
            said.strip_prefix(word.as_str())
                .is_some_and(|rest| ["", "s", "es"].contains(&rest))
        };
        words
            .windows(self.word.len())
            .any(|said| said.iter().zip(&self.word).all(same))
    }
}

/// The rows of the table, and what is wrong with it.
fn table(text: &str) -> (Vec<Retired>, Vec<Finding>) {
    let wrong = |line, what: &str| Finding::new(GLOSSARY, line, what.to_owned());
    let (mut rows, mut findings, mut inside, mut heading) = (Vec::new(), Vec::new(), false, false);
    for (line, at) in text.lines().zip(1..) {
        if line.starts_with('#') {
            inside = line.trim_end() == HEADING;
            heading |= inside;
        }
        if !inside || !line.starts_with('|') {
            continue;
        }
        let cells: Vec<String> = line
            .trim()
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().replace('`', ""))
            .collect();
        let [word, term, places] = cells.as_slice() else {
            findings.push(wrong(at, "a row has three cells: word, term, where"));
            continue;
        };
        if word == "word" || word.starts_with("--") || word.starts_with(":-") {
            continue;
        }
        let places: Vec<String> = places
            .split([',', ' '])
            .filter(|place| !place.is_empty())
            .map(str::to_owned)
            .collect();
        let word = words(word);
        if word.is_empty() || places.is_empty() {
            findings.push(wrong(at, "a row names a word, and where it is retired"));
            continue;
        }
        rows.push(Retired {
            word,
            term: term.clone(),
            places,
        });
    }
    if !heading {
        findings.push(wrong(
            0,
            "has no heading `## Retired words` with a table below it",
        ));
    } else if rows.is_empty() && findings.is_empty() {
        findings.push(wrong(0, "the table of retired words is empty"));
    }
    (rows, findings)
}

/// The words of a line, in small letters: names are split at `_`, and where a capital follows a small letter.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in line.chars() {
        let begins = !c.is_alphanumeric() || c.is_uppercase() && before.is_lowercase();
        if begins {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(last) = words.last_mut()
        {
            last.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::super::testing::printed;
    use super::*;

    fn check(glossary: &str, path: &str, text: &str) -> usize {
        printed(findings, &[(GLOSSARY, glossary), (path, text)]).len()
    }

    const TABLE: &str = "## Retired words\n\n| word | term | where |\n|---|---|---|\n\
        | `kettle` | boiler | everywhere |\n| pot_lid | cover | agent/src, lbctl |\n";

    #[test]
    fn a_retired_word_is_refused_in_every_form() {
        for text in [
            "kettle",
            "Kettles",
            "kettle_over()",
            "// a kettle",
            "LB_KETTLES",
            "MyKettleOf",
        ] {
            assert_eq!(check(TABLE, "a.rs", text), 1, "{text}");
        }
        assert_eq!(check(TABLE, "kettledrum.md", "kettledrum, unkettle"), 0);
    }

    #[test]
    fn a_word_is_retired_where_the_table_says() {
        assert_eq!(check(TABLE, "agent/src/a.rs", "PotLid"), 1);
        assert_eq!(check(TABLE, "ebpf/a.rs", "pot_lid"), 0);
        for exempt in ["CHANGELOG.md", "docs/adr/0001-a.md", "Cargo.lock"] {
            assert_eq!(check(TABLE, exempt, "kettle"), 0, "{exempt}");
        }
    }

    #[test]
    fn a_glossary_without_its_table_is_refused() {
        assert!(findings(&[]).is_empty());
        assert_eq!(check("# Glossary\n", "a.rs", "kettle"), 1);
        assert_eq!(check("## Retired words\n", "a.rs", "kettle"), 1);
        assert_eq!(check("## Retired words\n| a | b |\n", "a.rs", ""), 1);
    }
}
