//! For what the node that sent a tunnel packet may speak: for a flow, or for a task.

use crate::geneve::Opened;
use crate::packet::Tables;
use lb_abi::flow::Flow;
use lb_abi::service::REMOTE;

/// Is the sender the node to which this node sends `flow`, and speaks for its task? The flow says so, but for
/// one that began before its task's node had this address.
#[inline(always)]
pub(crate) fn answers<T: Tables>(tables: &T, flow: &Flow, opened: Opened) -> bool {
    let asked = flow.task == opened.task && flow.came_here();
    asked && (flow.went_to(opened.sender) || has_task(tables, opened))
}

/// Is the sender the node of the task that it speaks for?
#[inline(always)]
pub(crate) fn has_task<T: Tables>(tables: &T, opened: Opened) -> bool {
    tables
        .backend(opened.task)
        .is_some_and(|backend| backend.locality == REMOTE && backend.address == opened.sender)
}
