//! The address and port under which a task sees a client.
//!
//! They are the client's own, but for two cases. Two flows from one port of a client, to two
//! nodes or two published ports, may meet at one task. To the task they would be one
//! connection. The later one is presented under another port then. And a client's address may be one of a network that the
//! task reaches by a device of its own, as of an overlay network: there the answer would stay. Such a client is
//! presented under an address of the task's node and a port that no other client has.
//!
//! The kernel at the task remembers a connection for a minute after its end, so for that long its port is not free.

use crate::packet::Tables;
use crate::snat_port;
use lb_abi::counters::Reason;
use lb_abi::flow::{
    ANSWERED, EMBRYONIC, Flow, RESET, RevNat, SILENCE, Tuple, UNDER_GATEWAY, UNDER_NODE,
};
use lb_abi::service::OnLink;
use lb_abi::settings::Settings;
use lb_abi::{Be16, TCP};

/// Time that Linux remembers a finished connection: 60 s (`TCP_TIMEWAIT_LEN`), in ticks.
pub(crate) const LINGERS: u32 = 57;
/// At so many tries, a port is taken whose connection ended just now, or whose client has not proved to be there:
/// better than none.
const LAST: u16 = 5;

/// Makes sure that what the task answers becomes `reply`, and returns the port under which
/// it sees the client. `back` is the tuple of the answers, if those go to the client's own address and port; it
/// becomes that of the answers to whom the task sees. `reply` is as for a flow of its own; it becomes what is remembered.
///
/// `key` is the tuple under which `flow` is remembered. `begins`: the packet may be the
/// first of its connection, which may be given another port, or be presented under another address.
#[inline(always)]
pub(crate) fn allocate<T: Tables>(
    tables: &T,
    settings: &Settings,
    key: &Tuple,
    flow: &mut Flow,
    begins: bool,
    back: &mut Tuple,
    reply: &mut RevNat,
) -> Result<Be16, Reason> {
    if flow.remapped_port.get() != 0 {
        back.destination_port = flow.remapped_port;
    }
    back.destination = flow.shown_address(settings, back.destination);
    let mut held = false;
    let mut covered = false;
    let mut goes_on = false;
    if let Some(known) = tables.rev_nat(back) {
        // What was on its way while its flow settled does not bring the way back among the opening ones again. What
        // is closed, or begins, does.
        let opens = Flow::closed(flow.state) || (begins && back.proto == TCP);
        reply.opening &= known.opening | u8::from(opens);
        covered = reply.opening > known.opening;
        if reply.is(known) {
            return Ok(back.destination_port);
        }
        held = true;
        // A datagram may always be the first of its flow: this one is not, and its flow settles.
        goes_on = back.proto != TCP && reply.is_about(known);
    }
    if begins && !goes_on && on_link(tables, settings, flow, back) {
        return found(other(tables, key, flow, back, reply), back);
    }
    if held && holder(tables, back, reply, false) == BUSY {
        // In the midst of a connection there is no other port for it: it is lost, and not another client's.
        return found(begins && other(tables, key, flow, back, reply), back);
    }
    if !tables.remember_rev_nat(back, reply) {
        return Err(Reason::FlowTable);
    }
    if covered {
        tables.forget_settled_rev_nat(back);
    }
    Ok(back.destination_port)
}

/// The port in `back`, if one was found.
#[inline(always)]
const fn found(found: bool, back: &Tuple) -> Result<Be16, Reason> {
    if found {
        Ok(back.destination_port)
    } else {
        Err(Reason::NoPort)
    }
}

/// Is the client, whose address is `back.destination`, to be presented under another one from now on? Says so in
/// `flow`, and puts that address into `back`. A function of its own: it needs stack for its key, and only for new flows.
#[inline(never)]
fn on_link<T: Tables>(tables: &T, settings: &Settings, flow: &mut Flow, back: &mut Tuple) -> bool {
    if flow.presented() {
        return false;
    }
    let client = OnLink::new(flow.task, back.destination);
    let Some(under) = tables.on_link(&client) else {
        return false;
    };
    flow.state |= under & (UNDER_NODE | UNDER_GATEWAY);
    back.destination = flow.shown_address(settings, back.destination);
    flow.presented()
}

/// Finds a port that no flow has at the task under the address of `back.destination`, puts it into `back`, and remembers
/// both ways; or there is none, and a later packet may find one. Like [`holder`] a function of
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
    let client = reply.client_address.get();
    let through = reply.frontend.get() ^ reply.peer.get().rotate_left(8) ^ client ^ client >> 16;
    let start = reply.client.get() ^ snat_port::low(through) ^ reply.port.get();
    reply.opening = u8::from(flow.state & EMBRYONIC != 0);
    let mut ports = snat_port::Ports::all(start);
    for attempt in 0..snat_port::TRIES {
        back.destination_port = ports.next();
        let at = holder(tables, back, reply, attempt >= LAST);
        if at == BUSY {
            continue;
        }
        let covered = at == SETTLED && reply.opening != 0;
        // Changed where it lies: the program and what it calls have 512 bytes of stack
        // together, of which older kernels (6.1) count each one's in steps of 32.
        flow.remapped_port = back.destination_port;
        if !tables.remember_rev_nat(back, reply) {
            return false;
        }
        // A settled connection that had the port before would get the answers.
        if covered {
            tables.forget_settled_rev_nat(back);
        }
        return tables.remember(key, flow);
    }
    false
}

/// Another client's connection, which the task still knows, has its answers by that way.
const BUSY: u8 = 2;
/// That way is free, and among those of settled flows.
const SETTLED: u8 = 0;
/// That way is free, and not among those.
const FREE: u8 = 1;

/// Whether another client than that of `reply` has its answers by the way `back`: [`BUSY`], [`SETTLED`] or [`FREE`]. The
/// client's own connection begins again there as from its own port. `last`: as for [`in_use`].
///
/// Looks up what the answers become again, and not on the stack of its caller. Of what it went through nothing is left
/// for the kernel's verifier to tell apart, try by try.
#[inline(never)]
fn holder<T: Tables>(tables: &T, back: &Tuple, reply: &RevNat, last: bool) -> u8 {
    match tables.rev_nat(back) {
        Some(held) if !reply.is_about(held) && in_use(tables, back, &held, last) => BUSY,
        Some(held) if held.opening == 0 => SETTLED,
        _ => FREE,
    }
}

/// Does the task still know a connection by `back`, whose answers become `held`? At the `last` tries, one that has
/// ended is not in use any more, and one whose client has not proved to be there has to go.
#[inline(always)]
fn in_use<T: Tables>(tables: &T, back: &Tuple, held: &RevNat, last: bool) -> bool {
    let mut key = Tuple {
        source: held.client_address,
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
    // The client has begun again since, and has another port.
    if flow.presented() && flow.remapped_port != back.destination_port {
        return false;
    }
    if last && flow.state & EMBRYONIC != 0 {
        return false;
    }
    if back.proto == TCP {
        let lives = flow.state & ANSWERED != 0 && !Flow::closed(flow.state);
        lives || (!last && quiet < LINGERS)
    } else {
        quiet < SILENCE
    }
}
