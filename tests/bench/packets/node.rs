//! A node whose programs are measured, and what they find in its maps.

use std::path::PathBuf;
use std::rc::Rc;

use agent::kernel::StatsReader as _;
use agent::kernel::bpf::BpfKernel;
use anyhow::{Context as _, Result, bail};
use aya::maps::{HashMap, Map, MapData};
use aya::programs::{ProgramFd, loaded_programs};
use lb_abi::flow::{ANSWERED, Flow, Tuple};
use lb_abi::{Be16, Be32, TCP, limits};
use lb_core::backend::Prune;
use lb_core::backend::ebpf::plan;
use lb_core::backend::ebpf::{HookKind, State};
use lb_core::kernel::Kernel as _;
use lb_core::table_sizes::SizedBy;

use super::plan::Plan;
use crate::lab::{Lab, Net, node};
use crate::states::{self, Task, here, publish, there};

/// Bytes of a flow.
pub(super) const FLOW: usize = size_of::<Flow>();
/// The published port of tasks on node 2.
pub(crate) const ELSEWHERE: u16 = 8080;
/// The published port of tasks on node 1.
pub(crate) const HERE: u16 = 8081;
/// Nothing is published there.
pub(crate) const NOBODYS: u16 = 8099;
/// Port on which the tasks listen.
pub(crate) const TARGET: u16 = 80;
/// Tasks behind each port.
pub(crate) const TASKS: u8 = 6;

/// Node 1 or 2 of a Swarm with two services, [`TASKS`] tasks each: one on each node.
pub(crate) struct Node {
    pub(crate) kernel: BpfKernel,
    net: Net,
    pins: PathBuf,
    number: u8,
}

/// Entries of a table of flows in which 2^`bits` flows lie without pushing each other out: of an LRU table the kernel gives away
/// some entries while others are free, as each CPU has a list of its own.
pub(super) fn room(bits: u32) -> u32 {
    limits::FLOWS.max((1_u32 << bits) / 8 * 9)
}

impl Node {
    /// Node `number` with its programs loaded, and attached as an agent would.
    pub(crate) fn new(lab: &Lab, number: u8) -> Result<Rc<Self>> {
        Self::with_room(lab, number, 0)
    }

    /// Such a node with [`room`] for 2^`bits` flows.
    pub(crate) fn with_room(lab: &Lab, number: u8, bits: u32) -> Result<Rc<Self>> {
        let net = lab.net(number);
        let mut kernel = BpfKernel::load(&net.bpffs, None, SizedBy::Flows(room(bits)))?;
        let mut want = states::bare(&net, number);
        for (port, home) in [(HERE, 1), (ELSEWHERE, 2)] {
            publish(&mut want, TCP, port, TARGET, &tasks(number, home));
        }
        for op in plan(&want, &State::default(), Prune::Allowed) {
            kernel.apply(&op)?;
        }
        let pins = net.bpffs.join(format!("swarmlb/v{}", lb_abi::VERSION));
        Ok(Rc::new(Self {
            kernel,
            net,
            pins,
            number,
        }))
    }

    /// Makes this node's devices those of the calling thread.
    pub(crate) fn enter(&self) {
        self.net.enter();
    }

    /// The device that a hook is on.
    pub(crate) fn link(&self, kind: HookKind) -> u32 {
        match kind {
            HookKind::BridgeTc => self.net.bridge,
            HookKind::PortTc => self.net.port,
            _ => self.net.uplink,
        }
    }

    /// The program of a hook.
    pub(crate) fn program(&self, kind: HookKind) -> Result<ProgramFd> {
        let id = self.kernel.program_id(kind)?;
        for program in loaded_programs() {
            let program = program?;
            if program.id() == id {
                return Ok(program.fd()?);
            }
        }
        bail!("program {id} is gone")
    }

    /// Remembers the first `count` flows to a port of tasks on node `home`, as flows of
    /// clients who have proved to be there; where `home` is this node, from node `peer`.
    pub(crate) fn remember(&self, port: u16, home: u8, peer: u8, count: u32) -> Result<()> {
        let tasks = tasks(self.number, home);
        let mut flows = self.map::<16, FLOW>("LB_FLOWS")?;
        let peer = match peer {
            0 => Be32::new(0),
            n => Be32::new(node(n).into()),
        };
        for (index, (task, _)) in (0..count).zip(tasks.iter().cycle()) {
            let flow = if home == self.number {
                Flow {
                    state: ANSWERED,
                    ..Flow::new(task.0, peer)
                }
            } else {
                Flow::away(task.0, Be32::new(node(home).into()), ANSWERED)
            };
            let key: [u8; 16] = zerocopy::transmute!(tuple(index, port, self.number, peer));
            let value: [u8; FLOW] = zerocopy::transmute!(flow);
            flows.insert(key, value, 0)?;
        }
        Ok(())
    }

    /// Forgets what the first `count` SYNs to a port left.
    pub(crate) fn forget_opening(&self, port: u16, count: u32) -> Result<()> {
        let mut opening = self.map::<16, FLOW>("LB_EMBRYONIC")?;
        for index in 0..count {
            let key: [u8; 16] = zerocopy::transmute!(tuple(index, port, self.number, Be32::new(0)));
            if opening.get(&key, 0).is_ok() {
                opening.remove(&key).context("forgetting a flow")?;
            }
        }
        Ok(())
    }

    /// Packets from clients that found a task, so far.
    pub(crate) fn taken(&self) -> Result<u64> {
        let tasks = self.kernel.stats_reader()?.read()?.tasks;
        Ok(tasks.values().map(|counters| counters.packets_in).sum())
    }

    fn map<const K: usize, const V: usize>(
        &self,
        name: &str,
    ) -> Result<HashMap<MapData, [u8; K], [u8; V]>> {
        let data = MapData::from_pin(self.pins.join(name))?;
        Ok(HashMap::try_from(Map::LruHashMap(data))?)
    }
}

/// The tasks of node `home`, as node `number` sees them.
pub(super) fn tasks(number: u8, home: u8) -> Vec<Task> {
    let numbers = (1..=TASKS).map(|n| home * 10 + n);
    if number == home {
        numbers.map(here).collect()
    } else {
        numbers.map(|n| there(n, node(home))).collect()
    }
}

/// Tuple `index` of a client who speaks to a port: of the node where the client came in.
pub(super) fn tuple(index: u32, port: u16, number: u8, peer: Be32) -> Tuple {
    let (host, client) = Plan::tuple(index);
    let ingress = if peer.get() == 0 {
        Be32::new(node(number).into())
    } else {
        peer
    };
    Tuple {
        source: Be32::new(super::client(host).into()),
        destination: ingress,
        source_port: Be16::new(client),
        destination_port: Be16::new(port),
        proto: TCP,
        zero: [0; 3],
    }
}
