//! Schedulers: the task of a new flow.
//!
//! The table has the tasks; what differs between policies is how a flow finds its
//! place in it: by turn, or by a hash that is the same on every node.

use crate::l4_packet::L4Packet;
use crate::packet::Tables;
use lb_abi::counters::Reason;
use lb_abi::flow::{EMBRYONIC, Flow};
use lb_abi::service::{
    ACTIVE, AffinityKey, AffinityValue, Backend, Frontend, Port, SCHED_LC, SCHED_MAGLEV, SCHED_SH,
    Slot,
};
use lb_abi::{Be16, Be32};

/// Where a new flow goes.
pub enum Scheduled {
    /// To this task.
    To(u64, Backend),
    /// Nobody takes it: the kernel refuses it.
    Refused,
    /// It can't be decided.
    Failed(Reason),
}

/// Gives a new flow to a task, and remembers it, with `opening` for its state.
#[inline(always)]
pub fn schedule<T: Tables>(
    tables: &T,
    segment: &L4Packet,
    port: &Port,
    frontend: &Frontend,
    opening: u32,
) -> Scheduled {
    let client = (segment.tuple.source, segment.tuple.source_port);
    let proved = opening & EMBRYONIC == 0;
    let (task, backend) = match next(tables, port, frontend, client, proved) {
        Scheduled::To(task, backend) => (task, backend),
        other => return other,
    };
    let mut flow = Flow::to(task, &backend, opening);
    if !tables.remember(&segment.tuple, &mut flow) {
        return Scheduled::Failed(Reason::FlowTable);
    }
    // By hash, the middle of a connection that another node began finds its task, too.
    if segment.may_begin_flow() {
        tables.count_new(task);
    }
    Scheduled::To(task, backend)
}

/// The task that a flow of `client` (address, port) gets. `proved`: the client is known to be there.
///
/// The turn is one atomic counter per frontend that only new flows touch, so N
/// new connections to N tasks reach N different tasks, on however many CPUs.
#[inline(always)]
pub fn next<T: Tables>(
    tables: &T,
    port: &Port,
    frontend: &Frontend,
    client: (Be32, Be16),
    proved: bool,
) -> Scheduled {
    if frontend.affinity_ticks == 0 {
        return fresh(tables, port, frontend, client);
    }
    let stays = AffinityKey {
        port: *port,
        address: client.0,
    };
    let now = tables.now();
    let kept = tables
        .affinity(&stays)
        .filter(|kept| now.wrapping_sub(kept.since) <= frontend.affinity_ticks)
        .and_then(|kept| Some((kept.task, tables.backend(kept.task)?)))
        .filter(|(_, backend)| backend.flags & ACTIVE != 0 && backend.service == frontend.service);
    let scheduled = match kept {
        Some((task, backend)) => Scheduled::To(task, backend),
        None => fresh(tables, port, frontend, client),
    };
    if let Scheduled::To(task, _) = &scheduled {
        keep(tables, (port, client.0), *task, proved);
    }
    scheduled
}

/// Keeps the client at an address with its task, from now on.
#[inline(always)]
pub(crate) fn keep<T: Tables>(tables: &T, (port, address): (&Port, Be32), task: u64, proved: bool) {
    let client = AffinityKey {
        port: *port,
        address,
    };
    let kept = AffinityValue {
        task,
        since: tables.now(),
        zero: 0,
    };
    tables.set_affinity(&client, &kept, proved);
}

/// The next task for a client that is not kept with one.
#[inline(always)]
fn fresh<T: Tables>(
    tables: &T,
    port: &Port,
    frontend: &Frontend,
    client: (Be32, Be16),
) -> Scheduled {
    if frontend.count == 0 {
        return Scheduled::Refused;
    }
    let Some(turn) = turn(tables, port, frontend, client) else {
        return Scheduled::Failed(Reason::NoSlot);
    };
    if let Some((task, backend)) = place(tables, port, frontend, turn) {
        return Scheduled::To(task, backend);
    }
    // The agent put a new table in place between two look-ups: its number is in
    // the frontend by now.
    match tables.frontend(port) {
        Some(again) if again.count != 0 => match place(tables, port, &again, turn) {
            Some((task, backend)) => Scheduled::To(task, backend),
            None => Scheduled::Failed(Reason::NoSlot),
        },
        _ => Scheduled::Refused,
    }
}

/// A number whose remainder is the place in the table: the turn, or the client's hash.
#[inline(always)]
fn turn<T: Tables>(
    tables: &T,
    port: &Port,
    frontend: &Frontend,
    (address, number): (Be32, Be16),
) -> Option<u64> {
    let address = u64::from(address.get()) << 32;
    match frontend.scheduler {
        SCHED_SH => Some(mixed(address)),
        SCHED_MAGLEV => {
            let ports = u64::from(number.get()) << 16 | u64::from(port.number.get());
            Some(mixed(address | ports))
        }
        _ => tables.rr_counter(port),
    }
}

/// Spreads the bits of `value` over all bits (the finalizer of SplitMix64: Steele et
/// al., OOPSLA 2014). The same on every node and in every version.
#[inline(always)]
#[must_use]
pub const fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The task in the place of a table that `turn` gives; with [`SCHED_LC`] it, or the one
/// in another place that has fewer flows. Two choices are as good as all of them, nearly
/// (Mitzenmacher, IEEE TPDS 2001), and where they are equal the turn decides.
#[inline(always)]
fn place<T: Tables>(
    tables: &T,
    port: &Port,
    frontend: &Frontend,
    turn: u64,
) -> Option<(u64, Backend)> {
    let count = u64::from(frontend.count);
    let first = turn % count;
    let mut task = slot(tables, port, frontend, first)?;
    if frontend.scheduler == SCHED_LC {
        if count > 1 {
            let apart = 1 + mixed(turn) % (count - 1);
            let second = slot(tables, port, frontend, (first + apart) % count)?;
            if tables.conns(second) < tables.conns(task) {
                task = second;
            }
        }
        tables.add_conn(task);
    }
    Some((task, tables.backend(task)?))
}

#[inline(always)]
fn slot<T: Tables>(tables: &T, port: &Port, frontend: &Frontend, index: u64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "smaller than count, which is 32 bits"
    )]
    let index = index as u32;
    tables.slot(&Slot {
        port: *port,
        table: frontend.table,
        index,
    })
}
