//! Paths that rules name.

use super::text::Regex;

/// The paths that a rule names. They are compared with the path of a request in its normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPattern {
    /// This one.
    Exact(String),
    /// Those that begin with this text, whether or not a part of the path ends there.
    Prefix(String),
    /// Those that the expression finds something in.
    Regex(Regex),
}

impl PathPattern {
    /// Is it one of these paths?
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == exact,
            Self::Prefix(prefix) => path.starts_with(prefix.as_str()),
            Self::Regex(regex) => regex.finds(path),
        }
    }
}
