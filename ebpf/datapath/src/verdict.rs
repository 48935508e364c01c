//! The decision about a packet.

use lb_abi::counters::Reason;

/// The outcome of a decision, in one register: a code, and below it an operand. The packet already has
/// the form it is sent in.
///
/// No enum: in that, the operand of an outcome without one is no value at all, and the kernel's verifier
/// refuses programs in which LLVM copies such a thing about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Verdict(u64);

/// A [`Verdict`] by its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// [`Verdict::Pass`]
    Pass,
    /// [`Verdict::TooBig`]
    TooBig(u32),
    /// [`Verdict::Drop`]
    Drop(Reason),
    /// [`Verdict::Uplink`]
    Uplink,
    /// [`Verdict::Bridge`]
    Bridge,
    /// [`Verdict::Container`]
    Container(u32),
}

/// Codes of verdicts.
pub mod code {
    /// [`super::Verdict::Pass`]
    pub const PASS: u32 = 0;
    /// [`super::Verdict::Uplink`]
    pub const UPLINK: u32 = 1;
    /// [`super::Verdict::Bridge`]
    pub const BRIDGE: u32 = 2;
    /// [`super::Verdict::Container`]; the operand is the index.
    pub const CONTAINER: u32 = 3;
    /// [`super::Verdict::TooBig`]; the operand is the address.
    pub const TOO_BIG: u32 = 4;
    /// [`super::Verdict::Drop`]; the operand is the reason.
    pub const DROP: u32 = 5;
    /// [`super::Verdict::Deliver`]
    pub const DELIVER: u32 = 6;
    /// [`super::Verdict::TunnelError`]
    pub const TUNNEL_ERROR: u32 = 7;
}

#[expect(
    non_upper_case_globals,
    non_snake_case,
    reason = "they read as the variants of an enum, which they stand for"
)]
impl Verdict {
    /// Not ours, or nothing this hook can do: the kernel goes on with it.
    pub const Pass: Self = Self::new(code::PASS, 0);
    /// To the IPv4 destination it now bears, out of whichever device leads there.
    pub const Uplink: Self = Self::new(code::UPLINK, 0);
    /// To the task on `docker_gwbridge` that it is now addressed to.
    pub const Bridge: Self = Self::new(code::BRIDGE, 0);

    /// To a task of this node, by [`crate::deliver::deliver`], which decides on from the [`crate::deliver::Delivery`] that
    /// has been filled in. No outcome: who decides goes on at once.
    pub(crate) const Deliver: Self = Self::new(code::DELIVER, 0);

    /// An ICMP error about a packet that this node has sent through the tunnel: the kernel goes on with it, once
    /// [`crate::path_mtu::learn`] has looked at it. As an outcome it is [`Outcome::Pass`]. Never under XDP.
    pub const TunnelError: Self = Self::new(code::TUNNEL_ERROR, 0);

    /// To the container on another bridge, with this index, that it is now addressed to: one
    /// that called, or a task that is not on `docker_gwbridge`.
    #[inline(always)]
    #[must_use]
    pub const fn Container(link: u32) -> Self {
        Self::new(code::CONTAINER, link)
    }

    /// It would not fit the tunnel: its sender is to be told so from this address, by
    /// [`crate::pmtu::answer`]. XDP leaves that to tc.
    #[inline(always)]
    #[must_use]
    pub const fn TooBig(own: u32) -> Self {
        Self::new(code::TOO_BIG, own)
    }

    /// Away with it, and count why.
    #[inline(always)]
    #[must_use]
    pub const fn Drop(reason: Reason) -> Self {
        Self::new(code::DROP, reason as u32)
    }
}

impl Verdict {
    #[inline(always)]
    const fn new(code: u32, operand: u32) -> Self {
        Self((code as u64) << 32 | operand as u64)
    }

    /// The verdict with these bits.
    #[inline(always)]
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// All of it.
    #[inline(always)]
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// One of [`code`].
    #[inline(always)]
    #[must_use]
    pub const fn code(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The decoded verdict.
    #[inline(always)]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    pub const fn operand(self) -> u32 {
        self.0 as u32
    }

    /// By its parts.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        let operand = self.operand();
        match self.code() {
            code::UPLINK => Outcome::Uplink,
            code::BRIDGE => Outcome::Bridge,
            code::CONTAINER => Outcome::Container(operand),
            code::TOO_BIG => Outcome::TooBig(operand),
            code::DROP => {
                let mut all = Reason::ALL.iter();
                let reason = all.find(|reason| **reason as u32 == operand);
                reason.map_or(Outcome::Pass, |reason| Outcome::Drop(*reason))
            }
            _ => Outcome::Pass,
        }
    }
}

impl core::fmt::Debug for Verdict {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.outcome().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_read_as_it_was_decided_also_from_its_bits() {
        for (verdict, parts, outcome) in [
            (Verdict::Pass, (code::PASS, 0), Outcome::Pass),
            (Verdict::Uplink, (code::UPLINK, 0), Outcome::Uplink),
            (Verdict::Bridge, (code::BRIDGE, 0), Outcome::Bridge),
            (Verdict::TunnelError, (code::TUNNEL_ERROR, 0), Outcome::Pass),
            (
                Verdict::Container(44),
                (code::CONTAINER, 44),
                Outcome::Container(44),
            ),
            (
                Verdict::TooBig(0xc0a8_0001),
                (code::TOO_BIG, 0xc0a8_0001),
                Outcome::TooBig(0xc0a8_0001),
            ),
            (
                Verdict::Drop(Reason::NoRoom),
                (code::DROP, Reason::NoRoom as u32),
                Outcome::Drop(Reason::NoRoom),
            ),
        ] {
            assert_eq!((verdict.code(), verdict.operand()), parts);
            assert_eq!(verdict.outcome(), outcome);
            assert_eq!(Verdict::from_bits(verdict.bits()), verdict);
            assert_eq!(format!("{verdict:?}"), format!("{outcome:?}"));
        }
        for reason in Reason::ALL {
            let drop = Verdict::Drop(*reason);
            assert_eq!(drop.outcome(), Outcome::Drop(*reason));
        }
        // What no decision says is left to the kernel.
        for bits in [8 << 32, u64::from(code::DROP) << 32 | 0xffff] {
            assert_eq!(Verdict::from_bits(bits).outcome(), Outcome::Pass);
        }
    }
}
