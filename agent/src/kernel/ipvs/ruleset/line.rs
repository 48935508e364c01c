//! A rule, put together of matches and statements.

use super::keys::Expressions;

/// Expressions of a rule, and its name if it counts packets.
pub(super) type Line = (Expressions, Option<&'static str>);

/// A rule without a name.
pub(super) fn line<const N: usize>(parts: [Expressions; N]) -> Line {
    (parts.into_iter().flatten().collect(), None)
}

/// A rule with a name, under which its packets are counted.
pub(super) fn named<const N: usize>(name: &'static str, parts: [Expressions; N]) -> Line {
    (parts.into_iter().flatten().collect(), Some(name))
}
