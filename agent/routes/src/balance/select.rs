//! The ways to one of the candidates that are ready and have not been tried. None of them takes memory.

use super::Candidate;
use super::hash::pair;
use std::cmp::Reverse;

/// The candidates that come into question.
#[derive(Clone, Copy)]
pub(super) struct Eligible<'a> {
    pub(super) candidates: &'a [Candidate],
    /// Keys of tasks that have been tried with this request.
    pub(super) tried: &'a [u64],
}

impl<'a> Eligible<'a> {
    fn iter(self) -> impl Iterator<Item = &'a Candidate> {
        let eligible = move |it: &&Candidate| it.ready && !self.tried.contains(&it.key);
        self.candidates.iter().filter(eligible)
    }

    /// The less loaded of two that are drawn (power of two choices: Mitzenmacher, 2001). Where both have the same load, the
    /// one on this node; where that says nothing either, the one that was drawn first. A task on this node is no better by
    /// itself: one that gets all of its node's requests would be slower than one beyond the wire.
    pub(super) fn least_loaded(self, random: u64) -> Option<&'a Candidate> {
        let count = self.iter().count();
        let first = drawn(random >> 32, count)?;
        let Some(second) = drawn(random & 0xffff_ffff, count - 1) else {
            return self.iter().next();
        };
        // Of those that are left, those from the first one on are one further.
        let second = if second >= first { second + 1 } else { second };
        let (one, other) = (self.iter().nth(first)?, self.iter().nth(second)?);
        let load = |it: &Candidate| (it.load, !it.local);
        Some(if load(other) < load(one) { other } else { one })
    }

    /// One after the other, by a number that counts requests.
    pub(super) fn round_robin(self, count: u64) -> Option<&'a Candidate> {
        let eligible = u64::try_from(self.iter().count()).ok()?;
        let turn = count.checked_rem(eligible)?;
        self.iter().nth(usize::try_from(turn).ok()?)
    }

    /// The one with the highest weight for a hash (rendezvous hashing: Thaler and Ravishankar, 1998). All nodes come to the
    /// same one, and when a task comes or goes, only its own hashes move.
    pub(super) fn highest_weight(self, hash: u64) -> Option<&'a Candidate> {
        self.iter()
            .max_by_key(|it| (pair(hash, it.key), Reverse(it.key)))
    }

    /// The first of which a predicate holds.
    pub(super) fn find(self, wanted: impl Fn(&Candidate) -> bool) -> Option<&'a Candidate> {
        self.iter().find(|it| wanted(it))
    }
}

/// A number below `count`, by 32 random bits; `None` if there is none.
fn drawn(random: u64, count: usize) -> Option<usize> {
    let count = u64::try_from(count).ok().filter(|count| *count > 0)?;
    // Multiply and shift: without the bias and the division of a remainder (Lemire, 2019).
    usize::try_from((random.checked_mul(count)?) >> 32).ok()
}

#[cfg(test)]
mod tests;
