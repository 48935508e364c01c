//! Which task a new flow goes to.

use crate::packet::Tables;
use crate::parse::Segment;
use lb_abi::Be32;
use lb_abi::counters::Reason;
use lb_abi::flow::Flow;
use lb_abi::service::{Backend, Frontend, Port, Slot};

/// Where a new flow goes.
pub enum Scheduled {
    /// To this task.
    To(u64, Backend),
    /// Nobody takes it: the kernel refuses it.
    Refused,
    /// It can't be decided.
    Failed(Reason),
}

/// Gives a new flow to the next task in turn, and remembers it.
#[inline(always)]
pub fn schedule<T: Tables>(
    tables: &T,
    segment: &Segment,
    port: &Port,
    frontend: &Frontend,
) -> Scheduled {
    let (task, backend) = match next(tables, port, frontend) {
        Scheduled::To(task, backend) => (task, backend),
        other => return other,
    };
    let flow = Flow::new(task, Be32::new(0));
    if !tables.remember(&segment.tuple, &flow) {
        return Scheduled::Failed(Reason::FlowTable);
    }
    tables.count_new(task);
    Scheduled::To(task, backend)
}

/// The next task in turn, which is taken.
///
/// The turn is one atomic counter per frontend that only new flows touch, so N
/// new connections to N tasks reach N different tasks, on however many CPUs.
#[inline(always)]
pub fn next<T: Tables>(tables: &T, port: &Port, frontend: &Frontend) -> Scheduled {
    if frontend.count == 0 {
        return Scheduled::Refused;
    }
    let Some(turn) = tables.turn(port) else {
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

#[inline(always)]
fn place<T: Tables>(
    tables: &T,
    port: &Port,
    frontend: &Frontend,
    turn: u64,
) -> Option<(u64, Backend)> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "smaller than count, which is 32 bits"
    )]
    let index = (turn % u64::from(frontend.count)) as u32;
    let task = tables.slot(&Slot {
        port: *port,
        table: frontend.table,
        index,
    })?;
    Some((task, tables.backend(task)?))
}
