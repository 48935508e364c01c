//! Rules: which requests a route is for. The grammar is that of Traefik's router rules, version 3, with the lists of
//! version 2 (<https://doc.traefik.io/traefik/reference/routing-configuration/http/routing/rules-and-priority/>).
//!
//! ```text
//! rule    = and *( "||" and )
//! and     = not *( "&&" not )
//! not     = "!" not | "(" rule ")" | matcher
//! matcher = name "(" text *( "," text ) ")"
//! text    = "`" any but "`" "`" | '"' with \" and \\ '"'
//! ```

mod error;
mod host;
mod matcher;
mod parse;
mod path;
mod request;
mod text;
mod unmatched;

pub use error::{RuleError, RuleProblem};
pub use host::{Host, HostPattern};
pub use matcher::Matcher;
pub use path::PathPattern;
pub use request::Request;
pub use text::{Regex, TextPattern};

use std::fmt;
use std::str::FromStr;

/// Which requests a route is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// What one matcher says.
    Matcher(Matcher),
    /// All of these rules.
    All(Vec<Rule>),
    /// Any of these rules.
    Any(Vec<Rule>),
    /// Not this rule.
    Not(Box<Rule>),
}

impl Rule {
    /// Is the request one of the route's?
    #[must_use]
    pub fn matches(&self, request: &Request<'_>) -> bool {
        match self {
            Self::Matcher(matcher) => matcher.matches(request),
            Self::All(rules) => rules.iter().all(|rule| rule.matches(request)),
            Self::Any(rules) => rules.iter().any(|rule| rule.matches(request)),
            Self::Not(rule) => !rule.matches(request),
        }
    }

    /// All matchers, as they are written.
    pub fn matchers(&self) -> Box<dyn Iterator<Item = &Matcher> + '_> {
        match self {
            Self::Matcher(matcher) => Box::new(std::iter::once(matcher)),
            Self::All(rules) | Self::Any(rules) => Box::new(rules.iter().flat_map(Self::matchers)),
            Self::Not(rule) => rule.matchers(),
        }
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        parse::parse(text)
    }
}

/// As it is written in version 3, with as few parentheses as possible.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, rules: &[Self], operator: &str| {
            for (number, rule) in rules.iter().enumerate() {
                if number > 0 {
                    f.write_str(operator)?;
                }
                // `||` binds less than `&&`, and a list in a list of its own kind is one that was written so.
                if matches!(rule, Self::Any(_) | Self::All(_)) {
                    write!(f, "({rule})")?;
                } else {
                    write!(f, "{rule}")?;
                }
            }
            Ok(())
        };
        match self {
            Self::Matcher(matcher) => write!(f, "{matcher}"),
            Self::All(rules) => list(f, rules, " && "),
            Self::Any(rules) => list(f, rules, " || "),
            Self::Not(rule) => match **rule {
                Self::Matcher(_) | Self::Not(_) => write!(f, "!{rule}"),
                Self::All(_) | Self::Any(_) => write!(f, "!({rule})"),
            },
        }
    }
}

#[cfg(test)]
mod tests;
