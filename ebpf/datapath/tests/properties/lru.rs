//! What takes room from what, whatever happens in which order: in tables with few places, a flow that lives is
//! pushed out by such as live, and by nothing that opens, is short or is closed.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::flow::{EMBRYONIC, Flow, Kind, Tuple};
use lb_abi::service::LOCAL;
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::model::{Capacity, Frame, Memory};
use lb_datapath::parse::outer;
use lb_datapath::uplink::uplink;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::nodes::{FRONTEND, INGRESS, serving, task};
use crate::packets::{Body, Transport, segment};

const FIN: u8 = 0x11;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// Places of each table; as many clients of a kind may live at once.
const PLACES: u8 = 4;

/// What one client does. Those of TCP and of UDP are numbered apart.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Opens a connection, with a handshake.
    Opens(u8),
    /// Says something on it, and is answered.
    Talks(u8),
    /// Ends it: both sides, or by a reset of one.
    Closes(u8, u8),
    /// A question of somebody new, and its answer.
    Asks,
    /// Datagrams that go on for more than 2 s.
    Converses(u8),
    /// So many SYNs, each followed by a blind acknowledgement, and as many datagrams that are answered.
    Floods(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let client = 0..PLACES;
    let step = prop_oneof![
        client.clone().prop_map(Step::Opens),
        client.clone().prop_map(Step::Talks),
        (client.clone(), 0u8..4).prop_map(|(client, how)| Step::Closes(client, how)),
        Just(Step::Asks),
        client.prop_map(Step::Converses),
        (1u8..12).prop_map(Step::Floods),
    ];
    vec(step, 1..60)
}

struct Node {
    memory: Memory,
    /// Connections that are open, and conversations that go on.
    live: BTreeMap<Tuple, Kind>,
    /// Others that there were.
    others: u16,
}

fn known(number: u8) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, number), 1000)
}

fn datagram() -> Body {
    Body::bare(Transport::Udp(true))
}

impl Node {
    fn new() -> Self {
        let places = usize::from(PLACES);
        let capacity = Capacity {
            proved: places,
            timed: places,
            embryonic: places,
        };
        Self {
            memory: Memory {
                capacity: Some(capacity),
                ..serving(INGRESS, LOCAL, 1)
            },
            live: BTreeMap::new(),
            others: 0,
        }
    }

    /// A client that was not there before.
    fn somebody(&mut self) -> SocketAddrV4 {
        self.others += 1;
        let [high, low] = self.others.to_be_bytes();
        SocketAddrV4::new(Ipv4Addr::new(192, 0, high, low), 2000)
    }

    fn tuple(&self, body: &Body, from: SocketAddrV4) -> Tuple {
        let frame = Frame::<true>::new(body.frame(from, FRONTEND));
        outer(&frame, &self.memory).unwrap().tuple
    }

    fn says(&self, body: &Body, from: SocketAddrV4) -> Verdict {
        let mut frame = Frame::<true>::new(body.frame(from, FRONTEND));
        uplink(&mut frame, &self.memory)
    }

    fn hears(&self, body: &Body, to: SocketAddrV4) -> Verdict {
        let mut frame = Frame::<true>::new(body.frame(task(0), to));
        bridge(&mut frame, &self.memory)
    }

    fn does(&mut self, step: Step) {
        match step {
            Step::Opens(client) => {
                let from = known(client);
                let tuple = self.tuple(&segment(SYN), from);
                if self.live.contains_key(&tuple) {
                    return;
                }
                self.says(&segment(SYN), from);
                self.hears(&segment(SYN | ACK), from);
                self.says(&segment(ACK), from);
                self.live.insert(tuple, Kind::Proved);
            }
            Step::Talks(client) => {
                let tuple = self.tuple(&segment(ACK), known(client));
                if self.live.contains_key(&tuple) {
                    assert_eq!(self.says(&segment(ACK), known(client)), Verdict::Bridge);
                    assert_eq!(self.hears(&segment(ACK), known(client)), Verdict::Uplink);
                }
            }
            Step::Closes(client, how) => {
                let from = known(client);
                let tuple = self.tuple(&segment(ACK), from);
                if self.live.remove(&tuple).is_none() {
                    return;
                }
                match how {
                    0 => {
                        self.says(&segment(FIN), from);
                        self.hears(&segment(FIN), from);
                        self.says(&segment(ACK), from);
                    }
                    1 => {
                        self.hears(&segment(FIN), from);
                        self.says(&segment(FIN), from);
                        self.hears(&segment(ACK), from);
                    }
                    2 => {
                        self.says(&segment(RST), from);
                    }
                    _ => {
                        self.hears(&segment(RST), from);
                    }
                }
            }
            Step::Asks => {
                let from = self.somebody();
                self.says(&datagram(), from);
                self.hears(&datagram(), from);
            }
            Step::Converses(client) => {
                let tuple = self.tuple(&datagram(), known(client));
                self.says(&datagram(), known(client));
                self.hears(&datagram(), known(client));
                self.memory.now += 3;
                self.says(&datagram(), known(client));
                self.hears(&datagram(), known(client));
                self.live.insert(tuple, Kind::Timed);
            }
            Step::Floods(count) => {
                for _ in 0..count {
                    let from = self.somebody();
                    self.says(&segment(SYN), from);
                    self.hears(&segment(SYN | ACK), from);
                    let blind = Transport::Tcp(ACK, Vec::new(), 0x6000_0000);
                    self.says(&Body::bare(blind), from);
                    self.says(&datagram(), from);
                    self.hears(&datagram(), from);
                    self.says(&datagram(), from);
                }
            }
        }
    }

    /// All that live have their places, each among its kind, and the way back is where the flow is; nothing else
    /// has a place there.
    fn check(&self, step: Step) {
        let flows = self.memory.flows.borrow();
        for (tuple, kind) in &self.live {
            let flow = flows
                .get(tuple)
                .map(|flow| Flow::kind(tuple.proto, flow.state));
            assert_eq!(flow, Some(*kind), "{tuple:?} after {step:?}");
        }
        for (tuple, flow) in flows.iter().filter(|(_, flow)| flow.state & EMBRYONIC == 0) {
            assert!(self.live.contains_key(tuple), "{flow:?} after {step:?}");
        }
        let replies = self.memory.replies.borrow();
        for kind in [Kind::Proved, Kind::Timed] {
            let live = self.live.values().filter(|live| **live == kind).count();
            let back =
                |(tuple, reply): &(&Tuple, &lb_abi::flow::RevNat)| reply.kind(tuple.proto) == kind;
            assert_eq!(replies.iter().filter(back).count(), live, "after {step:?}");
        }
        assert!(self.memory.flows_lru.borrow().shadowed.is_empty());
        assert!(self.memory.replies_lru.borrow().shadowed.is_empty());
    }
}

proptest! {
    #[test]
    fn what_lives_is_pushed_out_by_what_lives_alone(steps in steps()) {
        let mut node = Node::new();
        for step in steps {
            node.does(step);
            node.check(step);
        }
    }
}

/// Were there fewer places than flows that live, those used least recently would go: the model has an end.
#[test]
fn of_more_that_live_than_there_are_places_those_used_least_go() {
    let mut node = Node::new();
    for number in 0..=PLACES {
        node.does(Step::Opens(number));
        node.says(&segment(ACK), known(0));
    }
    let flows = node.memory.flows.borrow();
    let mut clients: Vec<_> = flows
        .keys()
        .map(|tuple| tuple.source.get() & 0xff)
        .collect();
    clients.sort_unstable();
    assert_eq!(clients, [0, 2, 3, 4]);
}
