//! Rules against clients that may not use a restricted port.

use super::keys::{Expressions, KeyField, PORT};
use super::line::{Line, named};
use super::matches::{self, is_in};
use super::sets::{ALLOWED, RESTRICTED};
use super::statements::{counted, drop};
use super::tcp;
use lb_abi::UDP;

/// Containers of this node call in its own name: whether they may is asked before that.
pub(super) fn refused_inside() -> [Line; 2] {
    [tcp::opens(), matches::protocol(UDP)].map(|packets| {
        let called = [matches::to_here(), matches::leased()].concat();
        refused_where(packets, called)
    })
}

/// Drops packets of `protocol` from clients that may not use the port.
pub(super) fn refused(protocol: Expressions) -> Line {
    refused_where(protocol, Vec::new())
}

fn refused_where(packets: Expressions, called: Expressions) -> Line {
    let caller = [
        KeyField::Transport,
        KeyField::DestinationPort,
        KeyField::Source,
    ];
    named(
        "refused",
        [
            packets,
            is_in(RESTRICTED, &PORT),
            called,
            matches::is_not_in(ALLOWED, &caller),
            counted(),
            drop(),
        ],
    )
}
