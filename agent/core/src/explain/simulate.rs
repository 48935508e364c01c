//! Simulation: runs the datapath's own code on the client's frame over a copy of the maps, and derives the
//! decision from what changed in the copy.

use super::Question;
use super::frame::frame;
use crate::report::{Rule, Verdict};
use lb_abi::counters::Reason;
use lb_abi::flow::{Flow, Tuple};
use lb_abi::service::{Backend, Frontend, LOCAL, Port, SCHED_LC, SCHED_RR};
use lb_abi::{Be16, Be32, UDP};
use lb_datapath::model::{Frame, Memory};
use lb_datapath::schedule::hashes;
use lb_datapath::verdict::Outcome;
use lb_datapath::{own_flows, parse, uplink::uplink};
use std::net::{Ipv4Addr, SocketAddrV4};

/// Ports that clients' systems give out (RFC 6335, section 6).
const EPHEMERAL: std::ops::RangeInclusive<u16> = 49_152..=65_535;

/// Result of a simulation.
pub(super) struct Simulation {
    pub(super) client: SocketAddrV4,
    pub(super) rule: Rule,
    pub(super) verdict: Verdict,
    pub(super) reason: Option<Reason>,
    /// The frontend of the packet's destination.
    pub(super) frontend: Option<Frontend>,
    /// The flow that existed before.
    pub(super) known: Option<Flow>,
    /// The task that was chosen.
    pub(super) task: Option<u64>,
    /// The value of the round-robin counter that it took.
    pub(super) rr_counter: Option<u64>,
    /// Destination of the packet afterwards.
    pub(super) to: Option<SocketAddrV4>,
    /// Whom a task of this node sees in the client's place, where that is another address.
    pub(super) presented: Option<SocketAddrV4>,
}

/// Lets the packet arrive from the uplink, as tc sees it, on a copy of `before`.
pub(super) fn simulate(before: &Memory, question: &Question) -> Simulation {
    let port = question.port();
    let number = port.proto;
    let client = client(before, question, number);
    let tuple = tuple(client, question.frontend, number);
    let link = before.settings.map_or(0, |settings| settings.uplink);
    let mac = before
        .uplinks
        .get(&link)
        .map_or([0; 6], |uplink| uplink.mac);
    let bytes = frame(mac, client, question.frontend, number);
    let mut packet = Frame::<true>::new(bytes);
    packet.link = link;
    let after = before.clone();
    let verdict = uplink(&mut packet, &after);

    let counter_of = |memory: &Memory| memory.turns.borrow().get(&port).copied();
    let rr_counter =
        counter_of(before).filter(|rr_counter| counter_of(&after) != Some(*rr_counter));
    let known = before.flows.borrow().get(&tuple).copied();
    let (verdict, reason) = match verdict.outcome() {
        Outcome::Pass => (Verdict::Passed, None),
        Outcome::Drop(reason) => (Verdict::Dropped, Some(reason)),
        Outcome::TooBig(_) => (Verdict::Dropped, Some(Reason::TooBig)),
        Outcome::Uplink => (Verdict::Elsewhere, None),
        Outcome::Bridge | Outcome::Container(_) => (Verdict::Here, None),
    };
    let new = new_by(before, &port, known.as_ref(), rr_counter, verdict);
    let rule = match (reason, new) {
        (Some(Reason::NotAllowed), _) => Rule::NotAllowed,
        (_, Some(new)) => new,
        (_, None) if known.is_none() && answers(before, &tuple) => Rule::Answer,
        (_, None) => rule(before, question, &port, known.as_ref(), verdict),
    };
    let undecided = [
        Rule::NotReady,
        Rule::NotOurAddress,
        Rule::NotPublished,
        Rule::NoReadyTask,
        Rule::NotAllowed,
        Rule::NoLease,
        Rule::Answer,
    ];
    let decided = !undecided.contains(&rule);
    let chosen = after.flows.borrow().get(&tuple).map(|flow| flow.task);
    let sent = matches!(verdict, Verdict::Here | Verdict::Elsewhere);
    let ends = parse::outer(&packet, &after).filter(|_| sent);
    let presented = ends
        .filter(|_| verdict == Verdict::Here)
        .map(|segment| destination(&segment.tuple.reversed()))
        .filter(|seen| seen.ip() != client.ip());
    Simulation {
        client,
        rule,
        verdict,
        reason,
        frontend: before.frontends.get(&port).copied(),
        known,
        task: chosen.filter(|_| decided && reason != Some(Reason::NoSlot)),
        rr_counter,
        to: ends.map(|segment| destination(&segment.tuple)),
        presented,
    }
}

/// How the packet's new flow got its task, if it opened one.
fn new_by(
    before: &Memory,
    port: &Port,
    known: Option<&Flow>,
    rr_counter: Option<u64>,
    verdict: Verdict,
) -> Option<Rule> {
    let lives = |flow: &Flow| !Flow::closed(flow.state) && before.backends.contains_key(&flow.task);
    let new = match verdict {
        Verdict::Here | Verdict::Elsewhere => !known.is_some_and(lives),
        // What is dropped without a flow failed to get one.
        Verdict::Dropped => known.is_none() && before.settings.is_some(),
        Verdict::Passed => false,
    };
    let frontend = before.frontends.get(port)?;
    let by_counter = !hashes(frontend);
    if new && by_counter && rr_counter.is_none() && frontend.affinity_ticks != 0 {
        return Some(Rule::Kept);
    }
    let rule = match frontend.scheduler {
        SCHED_RR => Rule::RoundRobin,
        SCHED_LC => Rule::FewestFlows,
        _ => Rule::ByHash,
    };
    (new || (by_counter && rr_counter.is_some())).then_some(rule)
}

/// What decided, where no flow was opened; where nothing was done, what was missing for it.
fn rule(
    before: &Memory,
    question: &Question,
    port: &Port,
    known: Option<&Flow>,
    verdict: Verdict,
) -> Rule {
    let Some(settings) = before.settings else {
        return Rule::NotReady;
    };
    // Without a bridge, a task here is left to the kernel.
    let unreachable = settings.bridge == 0
        && known.is_some_and(|flow| {
            let local = |backend: &Backend| backend.locality == LOCAL;
            before.backends.get(&flow.task).is_some_and(local) && !Flow::closed(flow.state)
        });
    if known.is_some() && (verdict != Verdict::Passed || unreachable) {
        return Rule::KnownFlow;
    }
    let address = u32::from(*question.frontend.ip());
    if !before.addresses.contains(&address) {
        return Rule::NotOurAddress;
    }
    match before.frontends.get(port) {
        None => Rule::NotPublished,
        Some(_) if before.expired => Rule::NoLease,
        Some(_) => Rule::NoReadyTask,
    }
}

/// Does it answer one of this node's own datagrams, on a port that it publishes?
fn answers(before: &Memory, tuple: &Tuple) -> bool {
    let port = Port::new(tuple.destination_port, tuple.proto);
    tuple.proto == UDP
        && before.settings.is_some()
        && before.frontends.contains_key(&port)
        && own_flows::answered(before, tuple)
}

/// The client, with a port from which it has no flow if none was given.
fn client(before: &Memory, question: &Question, proto: u8) -> SocketAddrV4 {
    let at = |port| SocketAddrV4::new(question.client.address, port);
    if let Some(port) = question.client.port {
        return at(port);
    }
    let flows = before.flows.borrow();
    let free = |port: &u16| !flows.contains_key(&tuple(at(*port), question.frontend, proto));
    let port = EPHEMERAL.clone().find(free);
    at(port.unwrap_or(*EPHEMERAL.start()))
}

fn tuple(client: SocketAddrV4, frontend: SocketAddrV4, proto: u8) -> Tuple {
    Tuple {
        source: Be32::new((*client.ip()).into()),
        destination: Be32::new((*frontend.ip()).into()),
        source_port: Be16::new(client.port()),
        destination_port: Be16::new(frontend.port()),
        proto,
        zero: [0; 3],
    }
}

fn destination(tuple: &Tuple) -> SocketAddrV4 {
    let address = Ipv4Addr::from(tuple.destination.get());
    SocketAddrV4::new(address, tuple.destination_port.get())
}
