//! What is wrong with the text of a rule.

use crate::path::PathError;

/// Longest text, in bytes.
pub(super) const LONGEST: usize = 8192;
/// Largest number of parentheses and negations within each other.
pub(super) const DEEPEST: usize = 32;

/// A text is no rule.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("rule, character {at}: {problem}")]
pub struct RuleError {
    /// Where: the first character is 1.
    pub at: usize,
    /// What is wrong there.
    #[source]
    pub problem: RuleProblem,
}

/// What is wrong with a rule, and what to write instead.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RuleProblem {
    /// It is too long.
    #[error("it has more than {LONGEST} bytes: write several routers")]
    Long,
    /// It is too deep.
    #[error("it has more than {DEEPEST} parentheses and negations within each other")]
    Deep,
    /// Something else should be there.
    #[error("{wanted} is expected, and {} is there", .found.map_or("the end".to_owned(), |it| format!("`{it}`")))]
    Expected {
        /// What the grammar has there.
        wanted: &'static str,
        /// What is there; `None`: the end.
        found: Option<char>,
    },
    /// A text has no end.
    #[error("this text has no closing {0}")]
    Open(char),
    /// There is no such matcher.
    #[error("no matcher is called {name}{}", .near.map_or(String::new(), |near| format!(": did you mean {near}?")))]
    UnknownMatcher {
        /// Its name.
        name: String,
        /// The one whose name is like it.
        near: Option<&'static str>,
    },
    /// A matcher has too few or too many texts.
    #[error("{matcher} wants {wanted}")]
    Arguments {
        /// The matcher's name.
        matcher: String,
        /// What it wants.
        wanted: &'static str,
    },
    /// It is no host.
    #[error("{0:?} is no host: write a name such as `example.com` or `*.example.com`")]
    Host(String),
    /// It is no path.
    #[error("{path:?} is no path: {source}")]
    Path {
        /// The text.
        path: String,
        /// Why.
        source: PathError,
    },
    /// It is no method.
    #[error("{0:?} is no method: write one such as `GET`")]
    Method(String),
    /// It is no name of a header field.
    #[error("{0:?} is no name of a header field")]
    Header(String),
    /// It is no network.
    #[error("{0:?} is no address or network: write one such as `192.0.2.0/24`")]
    Network(String),
    /// It is no regular expression.
    #[error("{expression:?} is no regular expression: {source}")]
    Regex {
        /// The expression.
        expression: String,
        /// Why.
        source: Box<regex::Error>,
    },
    /// A `{` is not closed.
    #[error("{0:?} has a {{ without its }}")]
    Template(String),
}
