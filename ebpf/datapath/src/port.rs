//! What containers send, each at its own port of a bridge: before the kernel's filter for bridged
//! packets, `br_netfilter`, shows it to Docker's rules, which give calls for published ports to
//! Swarm's own mesh.

use crate::packet::{Packet, Tables};
use crate::parse;
use lb_abi::service::Port;

/// Is a frame that a container sent a call for a published port of its own node? Then it belongs to
/// the bridge as it is, where [`crate::callers`] deals with it, also if it happens to be a reply.
#[inline(always)]
pub fn calls_node<P: Packet, T: Tables>(packet: &P, tables: &T) -> bool {
    if !parse::ipv4(packet) {
        return false;
    }
    let Some(segment) = parse::outer(packet, tables) else {
        return false;
    };
    let to = segment.tuple;
    let port = Port::new(to.destination_port, to.proto);
    tables.answers(to.destination) && tables.frontend(&port).is_some()
}
