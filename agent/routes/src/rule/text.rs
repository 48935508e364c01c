//! Texts that rules compare with: literally, or by regular expression.

use super::error::RuleProblem;
use regex::RegexBuilder;

/// A compiled expression may take this much memory, in bytes.
const SIZE: usize = 64 * 1024;

/// A regular expression. Its time is linear in the text, whatever the expression.
#[derive(Clone, Debug)]
pub struct Regex(regex::Regex);

impl Regex {
    /// Compiles an expression.
    ///
    /// # Errors
    /// When it is none, or takes too much memory.
    pub fn new(expression: &str) -> Result<Self, RuleProblem> {
        let built = RegexBuilder::new(expression).size_limit(SIZE).build();
        built.map(Self).map_err(|error| RuleProblem::Regex {
            expression: expression.to_owned(),
            source: Box::new(error),
        })
    }

    /// An expression as version 2 of the grammar writes it: a text in which `{name:expression}` stands for what the
    /// expression matches, and `{name}` for any text without `separator`. It has to match from the beginning, and
    /// `whole` to the end.
    pub(super) fn template(text: &str, separator: char, whole: bool) -> Result<Self, RuleProblem> {
        let mut expression = String::from("^");
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once('{') {
            expression.push_str(&regex::escape(literal));
            let end = closing(after).ok_or_else(|| RuleProblem::Template(text.to_owned()))?;
            let (variable, next) = after.split_at(end);
            match variable.split_once(':') {
                Some((_, inner)) => {
                    expression.push_str("(?:");
                    expression.push_str(inner);
                    expression.push(')');
                }
                None => {
                    let separator = regex::escape(&separator.to_string());
                    expression.push_str("[^");
                    expression.push_str(&separator);
                    expression.push_str("]+");
                }
            }
            rest = next.strip_prefix('}').unwrap_or_default();
        }
        expression.push_str(&regex::escape(rest));
        if whole {
            expression.push('$');
        }
        Self::new(&expression)
    }

    /// Is something in the text that the expression matches?
    #[must_use]
    pub fn finds(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// The expression.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Where a `{` that was opened before is closed again: expressions have braces of their own.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Does a text have variables as version 2 writes them? In expressions of version 3, what stands in braces is a number
/// of times.
pub(super) fn is_template(text: &str) -> bool {
    let mut openings = text.split('{').skip(1);
    openings.any(|after| {
        let name: &str = after.split([':', '}']).next().unwrap_or_default();
        let mut letters = name.bytes();
        letters
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
            && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == b'_')
    })
}

/// Two expressions are one if they are written in one way.
impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Regex {}

/// A text that a rule asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextPattern {
    /// This one.
    Exact(String),
    /// One that the expression finds something in.
    Regex(Regex),
}

impl TextPattern {
    /// Is it one of these texts?
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => text == exact,
            Self::Regex(regex) => regex.finds(text),
        }
    }
}
