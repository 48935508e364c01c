//! What this node, or a container on it, begins from a port that a service publishes: datagrams, and TCP connections
//! where the port's tasks are found by hash.
//!
//! A resolver, SIP or NTP asks from the port on which it is asked, and source NAT leaves a container its port where
//! that is free. The answer then comes to a published port of the node. It is no client's datagram: it belongs to
//! the socket that asked, and the kernel knows which one that is, by its connection tracking. So what leaves is
//! remembered, by the tuple that the answer will bear.
//!
//! An answer to a connection opens none, so a port whose tasks have turns leaves it to the kernel by itself. By hash the
//! middle of a connection finds a task on every node, and there answers would, too. Such a connection may be silent for
//! hours: it is remembered until others take its room, and a SYN to its ports is a client's all the same. But it may be older
//! than the service, or its entry may have been pushed out: so at the ports that the kernel gives to the node's own connections,
//! the middle of a connection finds no task by hash.
//!
//! Only what leaves makes entries, so that no outsider can keep a port's datagrams from its tasks. A container can do it
//! for the one address and port to which it has itself sent from a port of the node's, which source NAT gives it where
//! no other of the node's connections has it. What that far end sends there would be the container's by connection
//! tracking alone, too, as it is with Swarm's own mesh.
//!
//! A client that was there first stays one: its datagrams are its flow's, whatever this node sends to it from that port,
//! until the flow has been silent for 180 s.

use crate::l4_packet::L4Packet;
use crate::packet::{Packet, Tables};
use crate::schedule::takes_over;
use crate::settle::{counts, over};
use lb_abi::UDP;
use lb_abi::flow::Tuple;
use lb_abi::service::Port;

/// An answer is awaited for so many ticks, 180 s, after the node last sent. Only what the node sends begins that time
/// again, not what it gets (RFC 4787, section 4.3): somebody outside cannot hold on to a port. Linux' connection tracking
/// keeps a stream of datagrams for 120 s (`nf_conntrack_udp_timeout_stream`).
pub const AWAITED: u32 = 168;

/// A datagram, or a SYN, leaves by an uplink, after source NAT: its answer is remembered as this node's own, where it would
/// be taken for a client's.
///
/// Without a lease the answers of Swarm's own mesh leave here, under the same addresses and ports. Their clients must not
/// be left to that mesh when the lease begins again.
#[inline(always)]
pub(crate) fn sent<P: Packet, T: Tables>(packet: &P, tables: &T, segment: &L4Packet) {
    // A task's reply to its client: that one has a flow.
    if !packet.redirected() {
        begun(tables, segment);
    }
}

/// Remembers the answer to `segment`, if that is one to remember. A function of its own: the kernel's verifier need not
/// walk through what follows for each way through here.
#[inline(never)]
fn begun<T: Tables>(tables: &T, segment: &L4Packet) {
    let answer = segment.tuple.reversed();
    let port = Port::new(answer.destination_port, answer.proto);
    let Some(frontend) = tables.frontend(&port) else {
        return;
    };
    if answer.proto != UDP && !takes_over(tables, &frontend, answer.destination_port) {
        return;
    }
    if !tables.is_vip(answer.destination) || !tables.leased() {
        return;
    }
    // What the kernel got once is no client's any more.
    if let Some(flow) = tables.peek(&answer) {
        if counts(&flow) && !over(tables, &flow, segment) {
            return;
        }
        tables.forget_flow(&answer);
    }
    tables.remember_own_flow(&answer);
}

/// Is a packet with `tuple`, of which no flow is known, an answer to one of this node's own? It is no SYN.
#[inline(always)]
#[must_use]
pub fn answered<T: Tables>(tables: &T, tuple: &Tuple) -> bool {
    match tables.own_flow(tuple) {
        Some(sent) => awaited(tuple.proto, sent, tables.now()),
        None => false,
    }
}

/// Is an answer over IP protocol `proto` awaited at the tick `now`, to what the node last sent at the tick `sent`?
#[inline(always)]
#[must_use]
pub const fn awaited(proto: u8, sent: u32, now: u32) -> bool {
    proto != UDP || now.wrapping_sub(sent) < AWAITED
}
