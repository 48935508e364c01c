//! Matches on the flags of TCP.

use super::keys::{Expressions, KEY, TCP_FLAGS};
use super::matches::protocol;
use lb_abi::TCP;
use lb_netlink::nft::{Comparison, Expression};

/// Bits of the flags in a TCP header (RFC 9293, section 3.1).
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// TCP with exactly `set` of the bits of `looked_at`.
fn flags(looked_at: u8, set: u8) -> Expressions {
    compare_flags(looked_at, Comparison::Equal, set)
}

fn compare_flags(looked_at: u8, how: Comparison, bits: u8) -> Expressions {
    let mut expressions = protocol(TCP);
    expressions.extend([
        Expression::Payload(TCP_FLAGS, KEY),
        Expression::Mask(KEY, vec![looked_at]),
        Expression::Compare(KEY, how, vec![bits]),
    ]);
    expressions
}

/// Opens a connection (SYN).
pub(super) fn opens() -> Expressions {
    flags(FIN | SYN | RST | ACK, SYN)
}

/// TCP that opens no connection.
pub(super) fn opens_not() -> Expressions {
    compare_flags(FIN | SYN | RST | ACK, Comparison::Unequal, SYN)
}

/// Ends its sender's half of a connection (FIN or RST).
pub(super) fn ends() -> Expressions {
    compare_flags(FIN | RST, Comparison::Unequal, 0)
}

/// Neither opens nor ends a connection.
pub(super) fn goes_on() -> Expressions {
    flags(FIN | SYN | RST, 0)
}

/// Neither opens nor ends a connection, and pushes data: the last acknowledgement of a connection never does.
pub(super) fn says() -> Expressions {
    flags(FIN | SYN | RST | PSH, PSH)
}

/// Answers a SYN (SYN and ACK).
pub(super) fn answers() -> Expressions {
    flags(SYN | ACK, SYN | ACK)
}
