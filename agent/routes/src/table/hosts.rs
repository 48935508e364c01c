//! Hosts without which a rule matches no request.

use crate::rule::{Host, HostPattern, Matcher, Rule};
use std::collections::BTreeSet;

/// The hosts of the requests that a rule may match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hosts {
    /// One of these, or one below one of those.
    Some {
        /// Hosts.
        exact: BTreeSet<Host>,
        /// Hosts whose children are meant.
        below: BTreeSet<Host>,
    },
    /// Any.
    All,
}

impl Hosts {
    pub(super) fn of(rule: &Rule) -> Self {
        match rule {
            Rule::Matcher(Matcher::Host(HostPattern::Exact(host))) => Self::Some {
                exact: [host.clone()].into(),
                below: BTreeSet::new(),
            },
            Rule::Matcher(Matcher::Host(HostPattern::Below(parent))) => Self::Some {
                exact: BTreeSet::new(),
                below: [parent.clone()].into(),
            },
            // One of the rules is enough to know it.
            Rule::All(rules) => {
                let mut known = rules.iter().map(Self::of);
                known.find(|hosts| *hosts != Self::All).unwrap_or(Self::All)
            }
            Rule::Any(rules) => rules.iter().map(Self::of).fold(Self::none(), Self::or),
            Rule::Matcher(_) | Rule::Not(_) => Self::All,
        }
    }

    fn none() -> Self {
        Self::Some {
            exact: BTreeSet::new(),
            below: BTreeSet::new(),
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (
                Self::Some {
                    mut exact,
                    mut below,
                },
                Self::Some {
                    exact: more,
                    below: further,
                },
            ) => {
                exact.extend(more);
                below.extend(further);
                Self::Some { exact, below }
            }
            _ => Self::All,
        }
    }
}
