//! Fragments (RFC 791, section 3.2): only the first piece of a packet has ports, so those are
//! remembered for the rest. Pieces that come before the first are left to the kernel.

use crate::packet::Tables;
use crate::parse::{Ipv4, Piece, Segment};
use lb_abi::flow::{Fragments, Ports};

/// Which piece a header says it is.
#[inline(always)]
pub(crate) const fn piece(ip: &Ipv4) -> Piece {
    let field = ip.fragment.get();
    if field & 0x3fff == 0 {
        Piece::Whole
    } else if field & 0x1fff == 0 {
        Piece::First
    } else {
        Piece::Later
    }
}

/// The ports of a later piece, if the first one of its packet was ours.
#[inline(always)]
pub(crate) fn ports<T: Tables>(tables: &T, ip: &Ipv4) -> Option<Ports> {
    tables.fragments(&Fragments {
        source: ip.source,
        destination: ip.destination,
        id: ip.id,
        proto: ip.proto,
        zero: 0,
    })
}

/// Remembers the ports of a first piece that has turned out to be ours. Without memory for
/// them the rest of the packet is lost, as any packet may be.
#[inline(always)]
pub(crate) fn begin<T: Tables>(tables: &T, segment: &Segment) {
    if segment.piece != Piece::First {
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
    let ports = Ports {
        source: tuple.source_port,
        destination: tuple.destination_port,
    };
    tables.remember_fragments(&key, &ports);
}
