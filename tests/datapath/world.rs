//! One node, twice: the plain code over tables in memory, and the programs in the
//! kernel over their maps. Whatever happens to one happens to the other, and after
//! every step both must hold and do the same.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use agent::kernel::bpf::{Action, Arrival, BpfKernel};
use lb_abi::counters::{Counters, Reason};
use lb_abi::flow::Flow;
use lb_core::backend::Prune;
use lb_core::backend::ebpf::Op;
use lb_core::backend::ebpf::plan;
use lb_core::backend::ebpf::{HookKind, State};
use lb_core::kernel::Kernel as _;
use lb_core::model::ids::Key;
use lb_core::table_sizes::SizedBy;
use lb_datapath::Verdict;
use lb_datapath::model::Memory;
use lb_datapath::verdict::Outcome;

use crate::hooks::{Sent, action, model, taken};
use crate::lab::{GATEWAY, Lab, Net, mac};
use crate::memory;
use crate::states;

pub(crate) use lb_core::backend::ebpf::HookKind::{
    BridgeTc, PortTc, UplinkEgress, UplinkTc, UplinkXdp,
};

/// One node.
pub(crate) struct World {
    pub(crate) kernel: BpfKernel,
    net: Net,
    pub(crate) memory: Memory,
    drops: BTreeMap<Reason, u64>,
    state: State,
    /// Is there a next hop towards whoever the frames that follow go to?
    pub(crate) routed: bool,
}

impl World {
    /// Node `n` with its programs attached, and nothing published.
    pub(crate) fn new(lab: &Lab, n: u8) -> Self {
        let mut world = Self::blank(lab, n);
        let bare = states::bare(&world.net, n);
        world.change(|state| *state = bare);
        world
    }

    /// Node `n` with programs loaded, and nothing else: no settings, nothing attached.
    pub(crate) fn blank(lab: &Lab, n: u8) -> Self {
        let net = lab.net(n);
        let kernel = BpfKernel::load(&net.bpffs, None, SizedBy::default()).unwrap();
        Self {
            kernel,
            net,
            memory: Memory::default(),
            drops: Reason::ALL.iter().map(|reason| (*reason, 0)).collect(),
            state: State::default(),
            routed: true,
        }
    }

    /// The node's devices.
    pub(crate) fn net(&self) -> &Net {
        &self.net
    }

    /// The kernel's side alone.
    pub(crate) fn kernel(&self) -> &BpfKernel {
        &self.kernel
    }

    /// The id of a program in the kernel.
    pub(crate) fn program_id(&self, kind: HookKind) -> u32 {
        self.kernel.program_id(kind).unwrap()
    }

    /// Instructions that the verifier walked through.
    pub(crate) fn verified_instructions(&self, kind: HookKind) -> Option<u32> {
        self.kernel.verified_instructions(kind).unwrap()
    }

    /// Changes what the node shall hold, by the plan from what it holds.
    pub(crate) fn change(&mut self, edit: impl FnOnce(&mut State)) {
        self.net.enter();
        let before = self.kernel.observe().unwrap();
        assert_eq!(before, self.state, "the kernel holds what it was given");
        edit(&mut self.state);
        for op in plan(&self.state, &before, Prune::Allowed) {
            self.step(&op);
        }
        assert_eq!(self.kernel.observe().unwrap(), self.state);
        self.compare("after the change");
    }

    /// Does one step of a plan: what packets meet that arrive halfway through it.
    pub(crate) fn step(&mut self, op: &Op) {
        self.net.enter();
        self.kernel.apply(op).unwrap();
        self.kernel.finish();
        memory::step(&mut self.memory, op);
    }

    /// Lets so many ticks of the flows' clock pass, on both sides.
    pub(crate) fn pass(&mut self, ticks: u32) {
        std::thread::sleep(Duration::from_nanos(u64::from(ticks) << 30));
        self.memory.now += ticks;
    }

    /// The agent's lease has run out, or has not.
    pub(crate) fn expire(&mut self, expired: bool) {
        let lasts = if expired { Some(Duration::ZERO) } else { None };
        self.kernel.lease(lasts).unwrap();
        self.memory.expired = expired;
    }

    /// Gives task `n` so many flows that nobody sees.
    pub(crate) fn load(&mut self, n: u8, flows: u64) {
        let task = states::key(n);
        self.kernel.set_load(Key(task), flows).unwrap();
        self.memory.loads.get_mut().insert(task, flows);
    }

    /// Says that a step was done that the state asked for does not know of.
    pub(crate) fn settle(&mut self) {
        self.net.enter();
        self.state = self.kernel.observe().unwrap();
    }

    /// A frame at a device, as it comes in there by the way to its sender.
    fn sent<'a>(&self, frame: &'a [u8], link: u32) -> Sent<'a> {
        Sent {
            frame,
            routed: self.routed,
            leads: true,
            segment_size: 0,
            segments: 1,
            link,
            received_on: 0,
        }
    }

    /// Sends a frame through one hook, on both sides.
    #[track_caller]
    pub(crate) fn send(&mut self, kind: HookKind, frame: &[u8]) -> (Verdict, Vec<u8>) {
        let sent = self.sent(frame, self.link(kind));
        self.run(kind, sent)
    }

    /// Sends a frame that came in on another device of the node's, under tc.
    #[track_caller]
    pub(crate) fn send_on(&mut self, link: u32, frame: &[u8]) -> (Verdict, Vec<u8>) {
        let sent = Sent {
            leads: link == self.net.uplink,
            ..self.sent(frame, link)
        };
        self.run(UplinkTc, sent)
    }

    /// Passes a frame on that came in on the bridge: it leaves by the uplink.
    #[track_caller]
    pub(crate) fn forward(&mut self, frame: &[u8]) -> (Verdict, Vec<u8>) {
        let sent = Sent {
            received_on: self.net.bridge,
            ..self.sent(frame, self.net.uplink)
        };
        self.run(UplinkEgress, sent)
    }

    /// Sends a frame that stands for several packets of `size` bytes of payload: tc only.
    #[track_caller]
    pub(crate) fn send_merged(
        &mut self,
        kind: HookKind,
        frame: &[u8],
        segments: u32,
        size: u32,
    ) -> (Verdict, Vec<u8>) {
        let sent = Sent {
            frame,
            routed: self.routed,
            leads: true,
            segment_size: size,
            segments,
            link: self.link(kind),
            received_on: 0,
        };
        self.run(kind, sent)
    }

    /// Runs a frame from the wire through XDP, and then through tc if XDP lets it pass.
    #[track_caller]
    pub(crate) fn receive(&mut self, frame: &[u8]) -> (Verdict, Vec<u8>) {
        let (verdict, frame) = self.send(UplinkXdp, frame);
        if verdict == Verdict::Pass {
            return self.send(UplinkTc, &frame);
        }
        (verdict, frame)
    }

    /// The frame passes both hooks of the uplink unchanged, and leaves no trace.
    #[track_caller]
    pub(crate) fn untouched(&mut self, what: &str, frame: &[u8]) {
        for kind in [UplinkXdp, UplinkTc] {
            let before = self.memory.clone();
            let (verdict, after) = self.send(kind, frame);
            assert_eq!(verdict, Verdict::Pass, "{what}, {}", kind.as_str());
            assert_eq!(after, frame, "{what}, {}", kind.as_str());
            assert!(
                self.memory == before,
                "{what}, {}: left a trace",
                kind.as_str()
            );
        }
    }

    /// The tables in memory: the kernel's are the same.
    pub(crate) fn tables(&self) -> &Memory {
        &self.memory
    }

    /// The task that each flow belongs to, by the client's port.
    pub(crate) fn tasks(&self) -> BTreeMap<u16, u64> {
        let flows = self.memory.flows.borrow();
        let task =
            |(tuple, flow): (&lb_abi::flow::Tuple, &Flow)| (tuple.source_port.get(), flow.task);
        flows.iter().map(task).collect()
    }

    /// The number of the task that a client's port belongs to.
    pub(crate) fn task_of(&self, port: u16, proto: u8) -> u8 {
        let flows = self.memory.flows.borrow();
        let (_, flow) = flows
            .iter()
            .find(|(tuple, _)| tuple.source_port.get() == port && tuple.proto == proto)
            .unwrap();
        u8::try_from(flow.task & 0xff).unwrap()
    }

    /// Counters of task `n`.
    pub(crate) fn counted(&self, n: u8) -> Counters {
        self.memory
            .counters
            .borrow()
            .get(&states::key(n))
            .copied()
            .unwrap()
    }

    /// Number of packets that were dropped for a reason.
    pub(crate) fn dropped(&self, reason: Reason) -> u64 {
        self.all_drops()[&reason]
    }

    /// Packets that did not go on, those that were answered included.
    pub(crate) fn all_drops(&self) -> BTreeMap<Reason, u64> {
        let mut drops = self.drops.clone();
        for (reason, count) in &*self.memory.dropped.borrow() {
            *drops.entry(*reason).or_default() += count;
        }
        drops
    }

    #[track_caller]
    fn run(&mut self, kind: HookKind, sent: Sent<'_>) -> (Verdict, Vec<u8>) {
        let (verdict, mut expected) = match kind {
            UplinkXdp => model::<false>(&self.memory, kind, sent),
            _ => model::<true>(&self.memory, kind, sent),
        };
        if let Outcome::Drop(reason) = verdict.outcome() {
            *self.drops.entry(reason).or_default() += 1;
        }
        if !taken(kind, sent.frame) {
            return (verdict, expected);
        }
        let action = action(kind, verdict);
        if action == Action::Transmit {
            self.next_hop(&mut expected);
        }
        self.net.enter();
        let arrival = Arrival {
            link: sent.link,
            received_on: sent.received_on,
            frame: sent.frame,
            segment_size: sent.segment_size,
            segments: if sent.segment_size == 0 {
                0
            } else {
                sent.segments
            },
        };
        let outcome = self.kernel.test_run(kind, &arrival).unwrap();
        let name = kind.as_str();
        assert_eq!(
            outcome.action, action,
            "{name}: the kernel against {verdict:?}"
        );
        assert_eq!(outcome.frame, expected, "{name}: bytes after {verdict:?}");
        self.compare(name);
        (verdict, outcome.frame)
    }

    /// The device that a hook is on.
    pub(crate) fn link(&self, kind: HookKind) -> u32 {
        match kind {
            BridgeTc => self.net.bridge,
            PortTc => self.net.port,
            _ => self.net.uplink,
        }
    }

    /// Gives the frame the MAC addresses of its way out of the uplink.
    fn next_hop(&self, frame: &mut [u8]) {
        let to = Ipv4Addr::from(<[u8; 4]>::try_from(&frame[30..34]).unwrap());
        let on_link = to.octets()[..3] == GATEWAY.octets()[..3];
        frame[..6].copy_from_slice(&mac(if on_link { to } else { GATEWAY }));
        frame[6..12].copy_from_slice(&self.memory.uplinks[&self.net.uplink].mac);
    }
}
