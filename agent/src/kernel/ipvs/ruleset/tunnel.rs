//! Rules for what comes out of the tunnel: what it is for, and what goes back through it.

use super::Params;
use super::access;
use super::keys::{KeyField, REPLYING};
use super::line::{Line, line, named};
use super::matches::{self, is_in, value_of};
use super::sets::{ANSWERS, ORIGINS, OWN_ANSWERS, TAGS, TRACKED};
use super::statements::{self, accept, counted, drop, goto, untracked};
use super::{flows, own_datagrams, own_ports, port_remap, tcp};
use lb_abi::{TCP, UDP};
use lb_core::backend::ipvs::ids::{
    ANSWER_MARK, HAIRPIN_FROM, PEERS_BEGIN, RETURN_ID, RETURN_MARK, UNKNOWN_MARK,
};

/// What came out of the tunnel: the mark that says from where becomes the priority; the mark
/// says to whom. What was not seen to come from a node, on its way in by IPv4, never gets further.
pub(super) fn inner() -> Vec<Line> {
    let task = [
        KeyField::TunnelId,
        KeyField::Transport,
        KeyField::DestinationPort,
    ];
    vec![
        named(
            "stranger",
            [matches::not_marked_with(PEERS_BEGIN), counted(), drop()],
        ),
        line([
            statements::mark_to_priority(),
            statements::set_mark_to(UNKNOWN_MARK),
        ]),
        line([
            matches::tunnel_id(RETURN_ID),
            statements::set_mark_to(RETURN_MARK),
            accept(),
        ]),
        line([value_of(TAGS, &task), statements::set_mark(), accept()]),
        own_ports::arriving(),
    ]
}

/// Packets out of the tunnel for tasks of this node.
pub(super) fn arrived() -> Vec<Line> {
    let mut all = vec![
        line([matches::marked(RETURN_MARK), goto("returned")]),
        line([matches::marked(UNKNOWN_MARK), goto("unknown")]),
        // For an address that is known to be a node's, there is nothing to remember. The value goes
        // nowhere.
        line([
            value_of(ORIGINS, &[KeyField::Destination]),
            statements::set_priority(),
            statements::no_priority(),
        ]),
        // Replies from this node's own addresses are its own, whatever others send.
        line([matches::to_here(), statements::no_priority()]),
        line([tcp::opens(), goto("opens")]),
    ];
    all.extend(flows::goes_on());
    all.push(port_remap::presented());
    all.push(line([matches::protocol(UDP), statements::jump("datagram")]));
    all.push(line([statements::no_priority(), untracked(), accept()]));
    all
}

/// What names no task that is here. To the local stack it would be for whatever listens on that port, from
/// whomever it says. Its caller tries again, and that one's node has by then heard that the task is gone.
pub(super) fn unknown() -> Vec<Line> {
    let mut all = Vec::from(flows::complaints("told"));
    all.push(named("unknown task", [counted(), drop()]));
    all
}

/// ICMP errors about what tasks sent: IPVS knows whose.
pub(super) fn told() -> Vec<Line> {
    vec![line([statements::no_priority(), untracked(), accept()])]
}

/// A reply for a client that came in here, and nothing else.
pub(super) fn returned() -> Vec<Line> {
    let unasked = |which| named("unasked", [which, counted(), drop()]);
    let mut all = vec![
        own_ports::returned(),
        unasked(matches::of_elsewhere()),
        unasked(matches::to_no_other()),
        port_remap::restored(),
    ];
    all.extend(flows::replies("deliver"));
    all.push(named("unasked", [counted(), drop()]));
    all
}

/// As the host's own packet: forwarded, it would be Docker's to drop. Its mark would lead it back into the
/// tunnel.
pub(super) fn deliver() -> Vec<Line> {
    vec![named(
        "returned",
        [
            counted(),
            statements::set_mark_to(0),
            statements::send_copy_on(),
            drop(),
        ],
    )]
}

/// What containers send. Their calls are tracked, for NAT to lead them through the hairpin; answers of tasks are
/// marked, as only they go back through the tunnel, and not tracked.
pub(super) fn of_containers() -> Vec<Line> {
    let answer = || statements::set_mark_to(ANSWER_MARK);
    let mut all = Vec::from(own_datagrams::of_tasks());
    all.extend([
        line([is_in(TRACKED, &REPLYING), answer()]),
        line([matches::destination_in(HAIRPIN_FROM), untracked(), accept()]),
    ]);
    all.extend(own_ports::answers());
    let about = [
        KeyField::Source,
        KeyField::AboutTransport,
        KeyField::AboutDestinationPort,
    ];
    for number in [TCP, UDP] {
        for set in [ANSWERS, OWN_ANSWERS, TRACKED] {
            all.push(line([matches::about(number), is_in(set, &about), answer()]));
        }
    }
    all.extend(access::refused_inside());
    all
}

/// Replies of tasks to clients of other nodes.
pub(super) fn reply(params: &Params) -> Vec<Line> {
    use super::sets::DIRECT;
    let direct = is_in(DIRECT, &[KeyField::Transport, KeyField::SourcePort]);
    let mut all = vec![
        port_remap::restored(),
        own_ports::goes_back(),
        line([direct, accept()]),
    ];
    all.extend(flows::answered());
    let origin = value_of(ORIGINS, &[KeyField::Source]);
    all.extend(flows::sent_back(params, origin));
    all.push(line([matches::of_here(), accept()]));
    let [tcp, others @ ..] = flows::from_elsewhere();
    all.extend(flows::sent_back(params, tcp));
    all.extend(others.map(|foreign| named("sent back", [foreign, flows::send_back()])));
    all
}
