//! Maps that refuse, tables that change between two look-ups, frames that can't grow:
//! what no kernel does on demand.

use std::cell::Cell;

use lb_abi::Be32;
use lb_abi::call::{Call, Called};
use lb_abi::counters::Reason;
use lb_abi::flow::{Caller, Flow, Fragments, Ports, Reply, Tuple};
use lb_abi::service::{Backend, Client, Frontend, Kept, LOCAL, Port, REMOTE, Slot, Source};
use lb_abi::settings::{Settings, Uplink};
use lb_datapath::bridge::bridge;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::packet::Change;
use lb_datapath::uplink::uplink;
use lb_datapath::{Packet, Tables, Verdict};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::nodes::{FRONTEND, HOME, INGRESS, key, pair, serving, task};
use crate::packets::{Body, Transport};

/// Tables with one fault.
#[derive(Default)]
struct Faulty {
    memory: Memory,
    no_turn: bool,
    no_flow: bool,
    no_reply: bool,
    /// So many look-ups of a slot find the old table gone.
    gone: Cell<u32>,
    /// The frontend from its second look-up on.
    then: Option<Option<Frontend>>,
    asked: Cell<bool>,
}

impl Tables for Faulty {
    fn peek(&self, tuple: &Tuple) -> Option<Flow> {
        self.memory.peek(tuple)
    }

    fn now(&self) -> u32 {
        self.memory.now()
    }

    fn leased(&self) -> bool {
        self.memory.leased()
    }

    fn allowed(&self, source: &Source) -> bool {
        self.memory.allowed(source)
    }

    fn kept(&self, client: &Client) -> Option<Kept> {
        self.memory.kept(client)
    }

    fn keep(&self, client: &Client, kept: &Kept) {
        self.memory.keep(client, kept);
    }

    fn load(&self, task: u64) -> u64 {
        self.memory.load(task)
    }

    fn add_load(&self, task: u64) {
        self.memory.add_load(task);
    }

    fn settings(&self) -> Option<&Settings> {
        self.memory.settings()
    }
    fn uplink(&self, link: u32) -> Option<Uplink> {
        self.memory.uplink(link)
    }
    fn fragments(&self, key: &Fragments) -> Option<Ports> {
        self.memory.fragments(key)
    }
    fn remember_fragments(&self, key: &Fragments, ports: &Ports) {
        self.memory.remember_fragments(key, ports);
    }
    fn dropped(&self, reason: Reason) {
        self.memory.dropped(reason);
    }
    fn frontend(&self, port: &Port) -> Option<Frontend> {
        match self.then {
            Some(then) if self.asked.replace(true) => then,
            _ => self.memory.frontend(port),
        }
    }
    fn turn(&self, port: &Port) -> Option<u64> {
        self.memory.turn(port).filter(|_| !self.no_turn)
    }
    fn slot(&self, slot: &Slot) -> Option<u64> {
        if self.gone.get() == 0 {
            return self.memory.slot(slot);
        }
        self.gone.set(self.gone.get() - 1);
        None
    }
    fn backend(&self, task: u64) -> Option<Backend> {
        self.memory.backend(task)
    }
    fn answers(&self, address: Be32) -> bool {
        self.memory.answers(address)
    }
    fn peer(&self, address: Be32) -> bool {
        self.memory.peer(address)
    }
    fn flow(&self, tuple: &Tuple, state: u32) -> Option<Flow> {
        self.memory.flow(tuple, state)
    }
    fn remember(&self, tuple: &Tuple, flow: &Flow) -> bool {
        !self.no_flow && self.memory.remember(tuple, flow)
    }
    fn reply(&self, tuple: &Tuple) -> Option<Reply> {
        self.memory.reply(tuple)
    }
    fn remember_reply(&self, tuple: &Tuple, reply: &Reply) -> bool {
        !self.no_reply && self.memory.remember_reply(tuple, reply)
    }
    fn caller(&self, tuple: &Tuple) -> Option<Caller> {
        self.memory.caller(tuple)
    }
    fn remember_caller(&self, tuple: &Tuple, caller: &Caller) -> bool {
        self.memory.remember_caller(tuple, caller)
    }
    fn call(&self, call: &Call) -> Option<Called> {
        self.memory.call(call)
    }
    fn remember_call(&self, call: &Call, called: &Called) -> bool {
        self.memory.remember_call(call, called)
    }
    fn count_new(&self, task: u64) {
        self.memory.count_new(task);
    }
    fn count_in(&self, task: u64, packets: u64, bytes: u64) {
        self.memory.count_in(task, packets, bytes);
    }
    fn count_out(&self, task: u64, packets: u64, bytes: u64) {
        self.memory.count_out(task, packets, bytes);
    }
}

/// A frame that can't be changed.
struct Stiff<const DELIVERS: bool>(Frame<DELIVERS>);

impl<const DELIVERS: bool> Packet for Stiff<DELIVERS> {
    const DELIVERS: bool = DELIVERS;
    fn length(&self) -> usize {
        self.0.length()
    }
    fn load<T: FromBytes + Copy>(&self, offset: usize) -> Option<T> {
        self.0.load(offset)
    }
    fn store<T: IntoBytes + Immutable>(&mut self, _: usize, _: &T) -> bool {
        false
    }
    fn grow(&mut self, _: bool) -> bool {
        false
    }
    fn shrink(&mut self) -> bool {
        false
    }
    fn quote(&mut self, _: usize) -> bool {
        false
    }
    fn patch_header(&mut self, _: usize, _: [u8; 4], _: [u8; 4]) -> bool {
        false
    }
    fn patch_transport(&mut self, _: usize, _: Change) -> bool {
        false
    }
    fn route(&mut self, source: Be32, destination: Be32) -> bool {
        self.0.route(source, destination)
    }
    fn segment_size(&self) -> u32 {
        0
    }
    fn segments(&self) -> u32 {
        1
    }
    fn link(&self) -> u32 {
        0
    }
    fn tagged(&self) -> bool {
        self.0.tagged()
    }
    fn socket(&self) -> u64 {
        0
    }
}

fn client() -> std::net::SocketAddrV4 {
    "203.0.113.7:40000".parse().unwrap()
}

fn syn() -> Body {
    Body {
        transport: Transport::Tcp(0x02, vec![2, 4, 5, 0xb4], 1),
        tos: 0,
        ip_options: Vec::new(),
        payload: Vec::new(),
    }
}

fn sent(tables: &Faulty) -> Verdict {
    let frame = syn().frame(client(), FRONTEND);
    uplink(&mut Frame::<true>::new(frame), tables)
}

fn of(memory: Memory) -> Faulty {
    Faulty {
        memory,
        ..Faulty::default()
    }
}

fn local() -> Faulty {
    of(serving(INGRESS, LOCAL, 2))
}

#[test]
fn a_table_replaced_between_two_look_ups_is_read_again() {
    let frontend = *local().memory.frontends.values().next().unwrap();
    let with = |gone, then| Faulty {
        gone: Cell::new(gone),
        then: Some(then),
        ..local()
    };
    let tables = with(1, Some(frontend));
    assert_eq!(sent(&tables), Verdict::Bridge);
    let flows = tables.memory.flows.borrow();
    assert_eq!(
        flows.values().next().unwrap().task,
        key(0),
        "its own turn, not another one"
    );
    assert_eq!(tables.memory.turns.borrow().values().sum::<u64>(), 1);
    // Twice is not credible: dropped and counted, the client asks again.
    let twice = with(2, Some(frontend));
    assert_eq!(sent(&twice), Verdict::Drop(Reason::NoSlot));
    // The last task went, or the port: the kernel refuses.
    let empty = Frontend {
        count: 0,
        table: 0,
        ..frontend
    };
    for then in [Some(empty), None] {
        let tables = with(1, then);
        assert_eq!(sent(&tables), Verdict::Pass);
        assert!(tables.memory.flows.borrow().is_empty());
    }
}

#[test]
fn a_slot_of_a_task_that_is_gone_leads_nowhere() {
    let mut tables = local();
    tables.memory.backends.clear();
    assert_eq!(sent(&tables), Verdict::Drop(Reason::NoSlot));
}

#[test]
fn what_cannot_be_remembered_is_dropped_and_counted() {
    let turn = Faulty {
        no_turn: true,
        ..local()
    };
    assert_eq!(sent(&turn), Verdict::Drop(Reason::NoSlot));
    let flow = Faulty {
        no_flow: true,
        ..local()
    };
    assert_eq!(sent(&flow), Verdict::Drop(Reason::FlowTable));
    let reply = Faulty {
        no_reply: true,
        ..local()
    };
    assert_eq!(sent(&reply), Verdict::Drop(Reason::FlowTable));
    let (ingress, home) = pair();
    let mut frame = Frame::<true>::new(syn().frame(client(), FRONTEND));
    uplink(&mut frame, &ingress);
    let home = Faulty {
        no_flow: true,
        ..of(home)
    };
    assert_eq!(uplink(&mut frame, &home), Verdict::Drop(Reason::FlowTable));
}

#[test]
fn a_frame_that_cannot_be_changed_is_dropped_and_counted() {
    let frame = || syn().frame(client(), FRONTEND);
    let no_room = Verdict::Drop(Reason::NoRoom);
    let tc = |bytes: &[u8], memory: &Memory| {
        uplink(&mut Stiff(Frame::<true>::new(bytes.to_vec())), memory)
    };
    assert_eq!(
        tc(&frame(), &serving(INGRESS, LOCAL, 1)),
        no_room,
        "to a local task"
    );
    assert_eq!(
        tc(&frame(), &serving(INGRESS, REMOTE, 1)),
        no_room,
        "into the tunnel"
    );
    let (ingress, home) = pair();
    let mut tunnelled = Frame::<true>::new(frame());
    uplink(&mut tunnelled, &ingress);
    assert_eq!(
        tc(&tunnelled.bytes, &home),
        no_room,
        "out of the tunnel, to a task"
    );
    // The clamp comes first there.
    assert_eq!(
        tc(&syn().frame(client(), FRONTEND), &home),
        no_room,
        "after XDP opened it"
    );
    uplink(&mut tunnelled.clone(), &home);
    let answer = Body {
        transport: Transport::Tcp(0x12, Vec::new(), 1),
        ..syn()
    };
    let answer = answer.frame(task(0), client());
    let stiff = bridge(&mut Stiff(Frame::<true>::new(answer.clone())), &home);
    assert_eq!(stiff, no_room, "a task's answer");
    let mut answer = Frame::<true>::new(answer);
    assert_eq!(bridge(&mut answer, &home), Verdict::Uplink);
    assert_eq!(
        tc(&answer.bytes, &ingress),
        no_room,
        "out of the tunnel, to a client"
    );
    assert_eq!(
        HOME,
        std::net::Ipv4Addr::from(home.settings.unwrap().node.get())
    );
}
