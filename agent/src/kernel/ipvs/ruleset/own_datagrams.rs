//! Datagrams that this node, or a container on it, sends from a port that a service publishes, and the answers to them.
//!
//! An answer comes to a virtual service, and is no client's: connection tracking knows whose it is. The rules that see it
//! first run ahead of that, so what leaves is noted (`asked`), as connection tracking has it: what IPVS answers is not
//! tracked, and what Swarm's own mesh answers is tracked in the other direction.
//!
//! A task sends such datagrams, too, from the port on which it answers. They need source NAT, and answers must not be
//! tracked. So it is noted what IPVS hands to a task (`delivered`): what the task sends back there is an answer. All else
//! it sends is tracked, like the answers to what was handed over while there was no room to note it; from those IPVS
//! takes that off again.

use super::keys::{CONNECTION, KeyField, REPLY, REPLYING, SERVICE};
use super::line::{Line, line};
use super::matches::{self, in_map, is_in, protocol};
use super::sets::{ANSWERS, ASKED, ASKED_HERE, BRIDGES, CROWDED, DATAGRAMS, DELIVERED, VIPS};
use super::statements::{self, accept, back_to_caller, goto, put, untracked};
use lb_abi::{TCP, UDP};
use lb_core::backend::ipvs::ids::ANSWER_MARK;

/// A chain for all that leaves, after source NAT.
pub(super) fn leaving() -> Vec<Line> {
    vec![
        line([
            protocol(UDP),
            is_in(ANSWERS, &SERVICE),
            matches::not_tracked(),
            put(DELIVERED, &CONNECTION, None),
        ]),
        line([
            protocol(UDP),
            is_in(VIPS, &REPLYING),
            matches::first_sent_here(),
            goto("asks"),
        ]),
    ]
}

/// A chain that notes whose answers are awaited, unless that one is a client. Where there is no room for clients' flows
/// any more, nobody knows who is one.
pub(super) fn asks() -> Vec<Line> {
    vec![
        line([in_map(DATAGRAMS, &REPLY), back_to_caller()]),
        line([is_in(CROWDED, &[KeyField::Transport]), back_to_caller()]),
        line([put(ASKED, &REPLY, None)]),
        // The port may have been a process's before.
        line([
            matches::from_any(BRIDGES),
            statements::take(ASKED_HERE, &REPLY),
        ]),
        line([matches::of_a_process(), put(ASKED_HERE, &REPLY, None)]),
    ]
}

/// An answer to a virtual service.
pub(super) fn answers() -> Line {
    line([protocol(UDP), is_in(ASKED, &CONNECTION), goto("answer")])
}

/// A chain for such an answer. Where it is a process's of this node, it would meet IPVS on its way there. That leaves
/// alone what was broadcast (`ip_vs_in_hook`), and UDP takes it all the same.
pub(super) fn answer() -> Vec<Line> {
    vec![
        line([is_in(ASKED_HERE, &CONNECTION), statements::as_broadcast()]),
        line([accept()]),
    ]
}

/// What a task sends from the port on which it answers.
pub(super) fn of_tasks() -> [Line; 3] {
    let replying = |number| [protocol(number), is_in(ANSWERS, &REPLYING)].concat();
    let answer = || statements::set_mark_to(ANSWER_MARK);
    [
        line([replying(TCP), answer(), untracked(), accept()]),
        line([
            replying(UDP),
            is_in(DELIVERED, &REPLY),
            answer(),
            untracked(),
            accept(),
        ]),
        line([replying(UDP), answer()]),
    ]
}
