//! Rules for what comes out of the tunnel: what it is for, and what goes back through it.

use super::acts::{self, accept, counted, drop, goto, untracked};
use super::rules::{ANSWER, Line, line, named};
use super::sets::{ANSWERS, ORIGINS, TAGS, TRACKED};
use super::steps::{self, Part, is_in, value_of};
use super::{ANSWER_MARK, OUT, PEERS_BEGIN, Params, RETURN_ID, RETURN_MARK, UNKNOWN_MARK};
use super::{alias, flows};

/// What came out of the tunnel: the mark that says from where becomes the priority; the mark
/// says to whom. What was not seen to come from a node, on its way in by IPv4, never gets further.
pub(super) fn inner() -> Vec<Line> {
    let task = [Part::TunnelId, Part::Transport, Part::DestinationPort];
    vec![
        named(
            "stranger",
            [steps::not_marked_with(PEERS_BEGIN), counted(), drop()],
        ),
        line([acts::mark_to_priority(), acts::set_mark_to(UNKNOWN_MARK)]),
        line([
            steps::tunnel_id(RETURN_ID),
            acts::set_mark_to(RETURN_MARK),
            accept(),
        ]),
        line([value_of(TAGS, &task), acts::set_mark()]),
    ]
}

/// For a task of this node, but for the following.
pub(super) fn arrived() -> Vec<Line> {
    let mut all = vec![
        line([steps::marked(RETURN_MARK), goto("returned")]),
        line([steps::marked(UNKNOWN_MARK), goto("unknown")]),
        // For an address that is known to be a node's, there is nothing to remember. The value goes
        // nowhere.
        line([
            value_of(ORIGINS, &[Part::Destination]),
            acts::set_priority(),
            acts::no_priority(),
        ]),
        // Replies from this node's own addresses are its own, whatever others send.
        line([steps::to_here(), acts::no_priority()]),
        line([steps::opens(), goto("opens")]),
    ];
    all.extend(flows::goes_on());
    all.push(alias::presented());
    all.push(line([steps::protocol(steps::UDP), acts::jump("datagram")]));
    all.push(line([acts::no_priority(), untracked(), accept()]));
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
    vec![line([acts::no_priority(), untracked(), accept()])]
}

/// A reply for a client that came in here, and nothing else.
pub(super) fn returned() -> Vec<Line> {
    let unasked = |which| named("unasked", [which, counted(), drop()]);
    let mut all = vec![
        unasked(steps::of_elsewhere()),
        unasked(steps::to_no_other()),
        alias::restored(),
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
            acts::set_mark_to(0),
            acts::send_copy_on(),
            drop(),
        ],
    )]
}

/// What containers send. Their calls are tracked, for NAT to lead them through the loop; answers of tasks are
/// marked, as only they go back through the tunnel, and not tracked.
pub(super) fn of_containers() -> Vec<Line> {
    let answer = || acts::set_mark_to(ANSWER_MARK);
    let mut all = vec![
        line([is_in(ANSWERS, &ANSWER), answer(), untracked(), accept()]),
        line([is_in(TRACKED, &ANSWER), answer()]),
        line([steps::destination(OUT), untracked(), accept()]),
    ];
    let about = [
        Part::Source,
        Part::AboutTransport,
        Part::AboutDestinationPort,
    ];
    for number in [steps::TCP, steps::UDP] {
        for set in [ANSWERS, TRACKED] {
            all.push(line([steps::about(number), is_in(set, &about), answer()]));
        }
    }
    all.extend(super::rules::refused_inside());
    all
}

/// Replies of tasks to clients of other nodes.
pub(super) fn reply(params: &Params) -> Vec<Line> {
    use super::sets::DIRECT;
    let direct = is_in(DIRECT, &[Part::Transport, Part::SourcePort]);
    let send = || [counted(), acts::send_copy(), drop()].concat();
    let clamped = |foreign| {
        let clamp = acts::clamp(params.tunnel_mtu);
        named("sent back", [steps::answers(), foreign, clamp, send()])
    };
    let origin = || value_of(ORIGINS, &[Part::Source]);
    let mut all = vec![alias::restored(), line([direct, accept()])];
    all.extend(flows::answered());
    all.extend([
        clamped(origin()),
        named("sent back", [origin(), send()]),
        line([steps::of_here(), accept()]),
    ]);
    let [tcp, others @ ..] = flows::from_elsewhere();
    all.push(clamped(tcp.clone()));
    all.push(named("sent back", [tcp, send()]));
    all.extend(others.map(|foreign| named("sent back", [foreign, send()])));
    all
}
