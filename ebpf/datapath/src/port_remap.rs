//! The port under which a task sees a client.
//!
//! It is the client's own, but for one case: two flows from one port of a client, to two
//! nodes or two published ports, that meet at one task. To the task they would be one
//! connection. The later one is presented under another port then. The kernel at the task
//! remembers a connection for a minute after its end, so for that long its port is not free.

use crate::packet::Tables;
use crate::snat_port;
use lb_abi::counters::Reason;
use lb_abi::flow::{ANSWERED, EMBRYONIC, Flow, RESET, RevNat, Tuple};
use lb_abi::{Be16, TCP};

/// Time that Linux remembers a finished connection: 60 s (`TCP_TIMEWAIT_LEN`), in ticks.
pub(crate) const LINGERS: u32 = 57;
/// After so many ticks without a datagram, a flow of UDP is over: 180 s, as in Linux'
/// connection tracking of streams it is 120 s.
pub(crate) const SILENCE: u32 = 170;

/// Makes sure that what the task answers becomes `reply`, and returns the port under which
/// it sees the client. `back` is the tuple of the answers, if that is the client's own.
///
/// `key` is the tuple under which `flow` is remembered. `begins`: the packet may be the
/// first of its connection, which may be given another port.
#[inline(always)]
pub(crate) fn allocate<T: Tables>(
    tables: &T,
    key: &Tuple,
    flow: &mut Flow,
    begins: bool,
    back: &mut Tuple,
    reply: &RevNat,
) -> Result<Be16, Reason> {
    if flow.remapped_port.get() != 0 {
        back.destination_port = flow.remapped_port;
    }
    let mut mine = *reply;
    if let Some(held) = tables.rev_nat(back) {
        mine.opening &= held.opening;
        if mine.is(held) {
            return Ok(back.destination_port);
        }
        if begins && !mine.is_about(held) && busy(tables, back, &held) {
            return if other(tables, key, flow, back, &mut mine) {
                Ok(back.destination_port)
            } else {
                Err(Reason::NoPort)
            };
        }
    }
    if tables.remember_rev_nat(back, &mine) {
        Ok(back.destination_port)
    } else {
        Err(Reason::FlowTable)
    }
}

/// Finds a port that no flow of the client has at the task, puts it into `back`, and remembers
/// both ways; or there is none, and a later packet may find one. Like [`busy`] a function of
/// its own for the kernel's verifier, which need not walk through what follows for each way
/// through here.
#[inline(never)]
fn other<T: Tables>(
    tables: &T,
    key: &Tuple,
    flow: &mut Flow,
    back: &mut Tuple,
    reply: &mut RevNat,
) -> bool {
    let through = reply.frontend.get() ^ reply.peer.get().rotate_left(8);
    let start = reply.client.get() ^ snat_port::low(through) ^ reply.port.get();
    reply.opening = u8::from(flow.state & EMBRYONIC != 0);
    let mut ports = snat_port::Ports::all(start);
    for _ in 0..snat_port::TRIES {
        back.destination_port = ports.next();
        if tables.rev_nat(back).is_none() {
            // Changed where it lies: the program and what it calls have 512 bytes of stack
            // together, of which older kernels (6.1) count each one's in steps of 32.
            flow.remapped_port = back.destination_port;
            return tables.remember_rev_nat(back, reply) && tables.remember(key, flow);
        }
    }
    false
}

/// Does the task still know a connection by `back`, whose answers become `held`?
#[inline(never)]
fn busy<T: Tables>(tables: &T, back: &Tuple, held: &RevNat) -> bool {
    let mut key = Tuple {
        source: back.destination,
        destination: held.frontend,
        source_port: held.client,
        destination_port: held.port,
        ..*back
    };
    if held.calls != 0 {
        let Some(caller) = tables.hairpin_snat(&key) else {
            return false;
        };
        key.source = caller.address;
        key.source_port = caller.port;
    }
    let Some(flow) = tables.peek(&key) else {
        return false;
    };
    let quiet = tables.now().wrapping_sub(flow.seen);
    if flow.task != held.task || flow.state & RESET != 0 {
        return false;
    }
    if back.proto == TCP {
        let lives = flow.state & ANSWERED != 0 && !Flow::closed(flow.state);
        lives || quiet < LINGERS
    } else {
        quiet < SILENCE
    }
}
