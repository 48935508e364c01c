//! Schedulers: the task of a new flow.
//!
//! The table has the tasks; what differs between policies is how a flow finds its
//! place in it: by turn, or by a hash that is the same on every node.

use crate::l4_packet::L4Packet;
use crate::packet::Tables;
use crate::verdict::Verdict;
use lb_abi::counters::Reason;
use lb_abi::flow::{EMBRYONIC, Flow};
use lb_abi::service::{
    ACTIVE, AffinityKey, AffinityValue, Backend, Frontend, LOCAL, Port, SCHED_LC, SCHED_MAGLEV,
    SCHED_SH, Slot, TARGETS, TargetKey,
};
use lb_abi::settings::Settings;
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

/// Key of no task.
pub const NOBODY: u64 = 0;

/// Gives a new flow to a task, and remembers it, with `opening` for its state. Where there are others, it is not the
/// task `avoid`. Returns the task, with the flow in `flow`; or what becomes of the packet, where there is none.
#[inline(always)]
pub(crate) fn schedule<T: Tables>(
    tables: &T,
    segment: &L4Packet,
    (port, frontend): (&Port, &Frontend),
    opening: u32,
    avoid: u64,
    flow: &mut Flow,
) -> Result<Backend, Verdict> {
    let client = (segment.tuple.source, segment.tuple.source_port);
    let proved = opening & EMBRYONIC == 0;
    let (task, backend) = match next(tables, port, frontend, client, proved, avoid) {
        Scheduled::To(task, backend) => (task, backend),
        Scheduled::Refused => return Err(Verdict::Pass),
        Scheduled::Failed(reason) => return Err(Verdict::Drop(reason)),
    };
    *flow = Flow::to(task, &backend, opening | Flow::timed(frontend, &backend));
    if backend.locality == LOCAL {
        flow.target = target(tables, port, frontend, task);
    }
    if !tables.remember(&segment.tuple, flow) {
        return Err(Verdict::Drop(Reason::FlowTable));
    }
    // By hash, the middle of a connection that another node began finds its task, too.
    if segment.may_begin_flow() {
        tables.count_new(task);
    }
    Ok(backend)
}

/// The port at which `task` serves a new flow to `port`.
#[inline(always)]
pub(crate) fn target<T: Tables>(tables: &T, port: &Port, frontend: &Frontend, task: u64) -> Be16 {
    if frontend.flags & TARGETS == 0 {
        return frontend.target;
    }
    let own = tables.target(&TargetKey::new(*port, task));
    own.unwrap_or(frontend.target)
}

/// The task that a flow of `client` (address, port) gets. `proved`: the client is known to be there. Where there are
/// others, it is not the task `avoid`.
///
/// With affinity it is the task of the client's last flow to any port of the service.
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
    avoid: u64,
) -> Scheduled {
    if frontend.affinity_ticks == 0 {
        return fresh(tables, port, frontend, client, avoid);
    }
    let stays = AffinityKey::new(frontend.service, client.0);
    let kept = tables
        .affinity(&stays)
        // The clock is read after the entry, which is then not of a later tick.
        .filter(|kept| tables.now().wrapping_sub(kept.since) <= frontend.affinity_ticks)
        .filter(|kept| kept.task != avoid)
        .and_then(|kept| Some((kept.task, tables.backend(kept.task)?)))
        .filter(|(_, backend)| backend.flags & ACTIVE != 0 && backend.service == frontend.service);
    let scheduled = match kept {
        Some((task, backend)) => Scheduled::To(task, backend),
        None => fresh(tables, port, frontend, client, avoid),
    };
    if let Scheduled::To(task, _) = &scheduled {
        keep(tables, (frontend.service, client.0), *task, proved);
    }
    scheduled
}

/// Keeps a client of a service (key, address) with its task, from now on, for all of the service's ports.
#[inline(always)]
pub(crate) fn keep<T: Tables>(
    tables: &T,
    (service, address): (u64, Be32),
    task: u64,
    proved: bool,
) {
    let client = AffinityKey::new(service, address);
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
    avoid: u64,
) -> Scheduled {
    if frontend.count == 0 {
        return Scheduled::Refused;
    }
    let Some(turn) = turn(tables, port, frontend, client) else {
        return Scheduled::Failed(Reason::NoSlot);
    };
    if let Some((task, backend)) = place(tables, frontend, turn, avoid) {
        return Scheduled::To(task, backend);
    }
    // The agent put a new table in place between two look-ups: its number is in
    // the frontend by now.
    match tables.frontend(port) {
        Some(again) if again.count != 0 => match place(tables, &again, turn, avoid) {
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

/// Does a client's hash say which task it gets, so that every node finds the same one?
#[inline(always)]
#[must_use]
pub const fn hashes(frontend: &Frontend) -> bool {
    matches!(frontend.scheduler, SCHED_SH | SCHED_MAGLEV)
}

/// Does the middle of a connection of which no flow is known find its task, at the port `number` of this node? A packet to a
/// port that the kernel gives to the node's own connections is more likely an answer to one of those.
#[inline(always)]
#[must_use]
pub fn takes_over<T: Tables>(tables: &T, frontend: &Frontend, number: Be16) -> bool {
    let own = |settings: &Settings| settings.ephemeral.contains(number);
    hashes(frontend) && !tables.settings().is_some_and(own)
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
/// (Mitzenmacher, IEEE TPDS 2001), and where they are equal the turn decides. In place of the task `avoid` it is
/// that of another place: of the next one, or of the second of the two.
///
/// None where the place is not there, or has no task of the frontend's service: the table is gone, and its
/// number may be another service's by now.
#[inline(always)]
fn place<T: Tables>(
    tables: &T,
    frontend: &Frontend,
    turn: u64,
    avoid: u64,
) -> Option<(u64, Backend)> {
    let count = u64::from(frontend.count);
    let first = turn % count;
    let mut task = slot(tables, frontend.table, first)?;
    if frontend.scheduler == SCHED_LC {
        if count > 1 {
            let apart = 1 + mixed(turn) % (count - 1);
            let second = slot(tables, frontend.table, (first + apart) % count)?;
            let fewer = second != avoid && tables.conns(second) < tables.conns(task);
            if task == avoid || fewer {
                task = second;
            }
        }
    } else if task == avoid {
        task = tables.another(frontend.table, frontend.count, first, avoid);
    }
    let backend = tables.backend(task)?;
    if backend.service != frontend.service {
        return None;
    }
    if frontend.scheduler == SCHED_LC {
        tables.add_conn(task);
    }
    Some((task, backend))
}

/// Places that are tried for another task than one to avoid: with Maglev's tables a task has many.
const OTHERS: u64 = 16;

/// The task in the first of the places after `from`, in a table of `count` places, that is not `avoid`; `avoid` where
/// none of [`OTHERS`] has another. What [`Tables::another`] does.
#[inline(always)]
pub fn another<T: Tables>(tables: &T, table: u32, count: u32, from: u64, avoid: u64) -> u64 {
    let count = u64::from(count);
    if count == 0 {
        return avoid;
    }
    for step in 1..=OTHERS {
        match slot(tables, table, (from + step) % count) {
            Some(task) if task != avoid => return task,
            _ => {}
        }
    }
    avoid
}

#[inline(always)]
fn slot<T: Tables>(tables: &T, table: u32, index: u64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "smaller than count, which is 32 bits"
    )]
    let index = index as u32;
    tables.slot(&Slot { table, index })
}
