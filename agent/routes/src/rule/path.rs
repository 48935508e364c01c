//! Paths that rules name.

use super::text::Regex;
use crate::path::NormalPath;

/// The paths that a rule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPattern {
    /// This one.
    Exact(NormalPath),
    /// Those that begin with this text, whether or not a part of the path ends there.
    Prefix(NormalPath),
    /// Those that the expression finds something in.
    Regex(Regex),
}

impl PathPattern {
    /// Is it one of these paths?
    #[must_use]
    pub fn matches(&self, path: &NormalPath) -> bool {
        match self {
            Self::Exact(exact) => path == exact,
            Self::Prefix(prefix) => path.as_str().starts_with(prefix.as_str()),
            Self::Regex(regex) => regex.finds(path.as_str()),
        }
    }
}
