//! Fragments (RFC 791, section 3.2): only the first fragment of a packet has ports, so those are
//! remembered for the rest. Fragments that come before the first are left to the kernel.

use crate::headers::{Fragment, Ipv4};
use crate::l4_packet::L4Packet;
use crate::packet::Tables;
use lb_abi::flow::{FirstFragment, Fragments, Ports};

/// The ports of a later fragment, if the first one of its packet was ours, and came just now.
#[inline(always)]
pub(crate) fn ports<T: Tables>(tables: &T, ip: &Ipv4) -> Option<Ports> {
    let first = tables.fragments(&packet(ip))?;
    (tables.now().wrapping_sub(first.since) <= FirstFragment::LASTS).then_some(first.ports)
}

/// A first fragment with these ports came. What is remembered of an earlier packet that had the same number
/// is not about this one.
#[inline(always)]
pub(crate) fn first<T: Tables>(tables: &T, ip: &Ipv4, ports: Ports) {
    let key = packet(ip);
    if tables
        .fragments(&key)
        .is_some_and(|first| first.ports != ports)
    {
        tables.forget_fragments(&key);
    }
}

/// Remembers the ports of a first fragment that has turned out to be ours. Without memory for
/// them the rest of the packet is lost, as any packet may be.
#[inline(always)]
pub(crate) fn begin<T: Tables>(tables: &T, segment: &L4Packet) {
    if segment.fragment != Fragment::First {
        return;
    }
    let tuple = &segment.tuple;
    let key = Fragments {
        source: tuple.source,
        destination: tuple.destination,
        id: segment.id,
        proto: tuple.proto,
        zero: 0,
    };
    let first = FirstFragment {
        ports: Ports {
            source: tuple.source_port,
            destination: tuple.destination_port,
        },
        since: tables.now(),
    };
    tables.remember_fragments(&key, &first);
}

/// The key that the fragments of one packet have in common.
#[inline(always)]
const fn packet(ip: &Ipv4) -> Fragments {
    Fragments {
        source: ip.source,
        destination: ip.destination,
        id: ip.id,
        proto: ip.proto,
        zero: 0,
    }
}
