//! Hosts without which a rule matches no request.

use crate::rule::{Host, HostPattern, Matcher, Rule};

/// The hosts of the requests that a rule may match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hosts {
    /// One of these, or one below one of those.
    Some {
        /// Hosts.
        exact: Vec<Host>,
        /// Hosts whose children are meant.
        below: Vec<Host>,
    },
    /// Any.
    All,
}

impl Hosts {
    pub(super) fn of(rule: &Rule) -> Self {
        match rule {
            Rule::Matcher(Matcher::Host(HostPattern::Exact(host))) => Self::Some {
                exact: vec![host.clone()],
                below: Vec::new(),
            },
            Rule::Matcher(Matcher::Host(HostPattern::Below(parent))) => Self::Some {
                exact: Vec::new(),
                below: vec![parent.clone()],
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
            exact: Vec::new(),
            below: Vec::new(),
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
                exact.extend(
                    more.into_iter()
                        .filter(|host| !exact.contains(host))
                        .collect::<Vec<_>>(),
                );
                below.extend(
                    further
                        .into_iter()
                        .filter(|host| !below.contains(host))
                        .collect::<Vec<_>>(),
                );
                Self::Some { exact, below }
            }
            _ => Self::All,
        }
    }
}
