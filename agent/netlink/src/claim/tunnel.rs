//! Rules for the tunnel: what is let in, what it is for, and what goes back through it.

use super::acts::{self, accept, counted, drop, untracked};
use super::alias;
use super::rules::{Line, line, named};
use super::sets::{DIRECT, LEARNED, ORIGINS, PEERS, TAGS};
use super::steps::{self, Part, is_in, value_of};
use super::{Params, RETURN_ID, RETURN_MARK, UNKNOWN_MARK};

/// Tunnel packets: from nodes only. The mark says from which, also inside of the tunnel.
pub(super) fn outer(params: &Params) -> Vec<Line> {
    let ours = [
        steps::protocol(steps::UDP),
        steps::destination_port(params.tunnel_port),
        steps::to_here(),
    ]
    .concat();
    let node = value_of(PEERS, &[Part::Source]);
    vec![
        line([ours.clone(), node, acts::set_mark(), untracked(), accept()]),
        named("stranger", [ours, counted(), drop()]),
    ]
}

/// Connection tracking has no use for the tunnel itself. `nft` does not list a look whose value goes
/// nowhere: only what is for other nodes is meant.
pub(super) fn outer_out(params: &Params) -> Vec<Line> {
    vec![line([
        steps::protocol(steps::UDP),
        steps::destination_port(params.tunnel_port),
        value_of(PEERS, &[Part::Destination]),
        untracked(),
    ])]
}

/// What came out of the tunnel: the mark that says from where becomes the priority; the mark
/// says to whom.
pub(super) fn inner() -> Vec<Line> {
    let task = [Part::TunnelId, Part::Transport, Part::DestinationPort];
    vec![
        line([acts::mark_to_priority(), acts::set_mark_to(UNKNOWN_MARK)]),
        line([
            steps::tunnel_id(RETURN_ID),
            acts::set_mark_to(RETURN_MARK),
            accept(),
        ]),
        line([value_of(TAGS, &task), acts::set_mark()]),
    ]
}

pub(super) fn out_of_tunnel() -> Vec<Line> {
    vec![
        alias::restored(steps::marked(RETURN_MARK)),
        // As the host's own packet: forwarded, it would be Docker's to drop. Its mark would lead
        // it back into the tunnel.
        named(
            "returned",
            [
                steps::marked(RETURN_MARK),
                counted(),
                acts::set_mark_to(0),
                acts::send_copy_on(),
                drop(),
            ],
        ),
        // The caller tries again, and its node has by then heard that the task is gone. To the
        // local stack it would be a call for whatever listens on that port.
        named(
            "unknown task",
            [
                steps::marked(UNKNOWN_MARK),
                steps::opens(),
                counted(),
                drop(),
            ],
        ),
        line([steps::opens_or_ends(), acts::jump("call")]),
        alias::presented(),
        // For an address that is known to be its node's: nothing to learn. The value goes
        // nowhere, but old kernels know no other way to ask whether a map has a key.
        line([
            value_of(ORIGINS, &[Part::Destination]),
            acts::set_priority(),
            acts::no_priority(),
            untracked(),
            accept(),
        ]),
        // Replies from this node's own addresses are its own, whatever others send.
        line([steps::to_elsewhere(), acts::put_priority(LEARNED)]),
        line([acts::no_priority(), untracked(), accept()]),
    ]
}

/// Replies of tasks to clients of other nodes.
pub(super) fn reply(params: &Params) -> Vec<Line> {
    let direct = is_in(DIRECT, &[Part::Transport, Part::SourcePort]);
    let mut all = vec![alias::restored(Vec::new()), line([direct, accept()])];
    for map in [ORIGINS, LEARNED] {
        let foreign = || value_of(map, &[Part::Source]);
        let send = || [counted(), acts::send_copy(), drop()].concat();
        let clamped = [
            steps::answers(),
            foreign(),
            acts::clamp(params.tunnel_mtu),
            send(),
        ];
        all.push(named("sent back", clamped));
        all.push(named("sent back", [foreign(), send()]));
    }
    all
}
