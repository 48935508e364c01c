//! An explanation in words: who sends what, what decides, what becomes of it.

use super::simulate::Simulation;
use crate::model::ids::Key;
use crate::model::node::Node;
use crate::model::snapshot::{Proto, Snapshot};
use crate::report::build::{hostname, node_at, task_name};
use crate::report::{Explanation, FlowState, Rule, Verdict};
use lb_abi::service::SCHED_SH;
use lb_datapath::model::Memory;
use std::net::Ipv4Addr;

/// Addresses named at most.
const FEW: usize = 4;

/// Inputs of the sentences.
pub(super) struct Context<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) this: &'a Node,
    pub(super) memory: &'a Memory,
    pub(super) simulation: &'a Simulation,
    pub(super) told: &'a Explanation,
}

pub(super) fn sentences(context: &Context<'_>) -> Vec<String> {
    let mut all = context.packet();
    all.extend(context.rule());
    all.push(context.verdict());
    all
}

impl Context<'_> {
    fn packet(&self) -> Vec<String> {
        let told = self.told;
        let kind = match told.proto {
            Proto::Udp => "datagram",
            Proto::Tcp | Proto::Sctp => "SYN",
        };
        let mut all = vec![format!(
            "{} sends a {kind} to {}, and it arrives on an uplink of {}.",
            told.client,
            self.frontend(),
            hostname(self.snapshot, &self.this.id)
        )];
        if told.client_port_assumed {
            all.push(format!(
                "No port of the client's was given: {} is assumed, from which it has no flow.",
                told.client.port()
            ));
        }
        let client = *told.client.ip();
        if client.is_loopback() || self.memory.addresses.contains(&client.into()) {
            all.push(format!(
                "{client} is this node itself: what its own processes send does not arrive on an uplink."
            ));
        }
        all
    }

    fn rule(&self) -> Vec<String> {
        match self.told.rule {
            Rule::NotReady => vec![
                "The programs in the kernel have not been told about this node yet (see: lbctl check)."
                    .to_owned(),
            ],
            Rule::NotOurAddress => vec![self.not_ours()],
            Rule::NotPublished => vec![self.not_published()],
            Rule::NoReadyTask => {
                let port = self.port();
                vec![match &self.told.service {
                    Some(service) => format!(
                        "{service} publishes {port}, and no task of it takes new connections."
                    ),
                    None => format!("No task takes new connections to {port}."),
                }]
            }
            Rule::Withdrawn => vec![format!(
                "{} published {} and does not any more: connections that it had go on, and new ones are the host's.",
                self.told.service.as_deref().unwrap_or("A service"),
                self.port()
            )],
            Rule::KnownFlow => self.known(),
            Rule::RoundRobin | Rule::ByHash | Rule::FewestFlows | Rule::Kept => self.turn(),
            Rule::NotAllowed => vec![format!(
                "{} publishes {} to some networks only, by its label swarmlb.allow.",
                self.told.service.as_deref().unwrap_or("A service"),
                self.port()
            )],
            Rule::NoLease => vec![
                "This node's agent has not been heard of for longer than its lease: new connections are left to the kernel (see: lbctl check)."
                    .to_owned(),
            ],
            Rule::Answer => vec![format!(
                "This node itself, or a container on it, sent a datagram from port {} to there, and this answers it.",
                self.told.frontend.port()
            )],
        }
    }

    fn not_ours(&self) -> String {
        let address = *self.told.frontend.ip();
        let name = node_at(self.snapshot, address);
        if name != address.to_string() {
            return format!("{address} is the address of {name}, not of this node: ask there.");
        }
        let own: Vec<String> = self
            .memory
            .addresses
            .iter()
            .take(FEW)
            .map(|own| Ipv4Addr::from(*own).to_string())
            .collect();
        format!(
            "{address} is no address on which this node answers: that is {}.",
            if own.is_empty() {
                "none yet".to_owned()
            } else {
                own.join(", ")
            }
        )
    }

    fn not_published(&self) -> String {
        let port = self.port();
        if let Some(service) = &self.told.service {
            return format!(
                "{service} publishes {port}, but this node does not have it yet (see: lbctl check)."
            );
        }
        let close: Vec<String> = self
            .told
            .suggestions
            .iter()
            .map(|close| {
                let (service, port) = (&close.service, &close.port);
                let proto = port.proto.as_str();
                format!("{}->{}/{proto} ({service})", port.published, port.target)
            })
            .collect();
        if close.is_empty() {
            return format!("No service publishes {port}, or any other port.");
        }
        format!(
            "No service publishes {port}. What comes closest: {}.",
            close.join(", ")
        )
    }

    fn known(&self) -> Vec<String> {
        let state = self.told.flow.map_or("open", FlowState::as_str);
        let mut all = vec![format!(
            "The client has a flow here, which is {state}: it belongs to {}.",
            self.task(self.simulation.known.map(|flow| flow.task))
        )];
        let peer = self.simulation.known.map_or(0, |flow| flow.ingress().get());
        if peer != 0 {
            let peer = node_at(self.snapshot, Ipv4Addr::from(peer));
            all.push(format!("It came here through the tunnel, from {peer}."));
        }
        all
    }

    fn turn(&self) -> Vec<String> {
        let mut all = Vec::new();
        if let Some(known) = self.simulation.known {
            let earlier = self.task(Some(known.task));
            let over = if self.memory.backends.contains_key(&known.task) {
                "is closed"
            } else {
                "has lost its task"
            };
            all.push(format!(
                "The client's flow with {earlier} {over}, so this opens a new one."
            ));
        }
        let ready = self.told.ready.unwrap_or_default();
        let service = self.told.service.as_deref().unwrap_or("A service");
        let tasks = if ready == 1 {
            "task of it takes"
        } else {
            "tasks of it take"
        };
        all.push(format!(
            "{service} publishes {}, and {ready} {tasks} new connections.",
            self.port()
        ));
        if self.told.rule == Rule::Kept {
            let task = self.task(self.simulation.task);
            all.push(format!(
                "The client was with {task} and stays with it (swarmlb.affinity)."
            ));
        }
        if self.told.rule == Rule::FewestFlows && self.simulation.task.is_some() {
            let task = self.task(self.simulation.task);
            all.push(format!(
                "Of two tasks, {task} has fewer connections through this node, or as many and the turn."
            ));
        } else if let (Some(turn), true) = (self.told.rr_counter, self.simulation.task.is_some()) {
            let place = turn.checked_rem(ready.into()).unwrap_or_default() + 1;
            all.push(format!(
                "It is the turn of {} (turn {turn}, place {place} of {ready}).",
                self.task(self.simulation.task)
            ));
        }
        if self.told.rule == Rule::ByHash && self.simulation.task.is_some() {
            let scheduler = self.simulation.frontend.map(|frontend| frontend.scheduler);
            let what = if scheduler == Some(SCHED_SH) {
                "address"
            } else {
                "address and port"
            };
            all.push(format!(
                "By the hash of the client's {what} it goes to {}, on every node.",
                self.task(self.simulation.task)
            ));
        }
        all
    }

    fn verdict(&self) -> String {
        let task = self.task(self.simulation.task);
        let to = self.told.to.map(|to| to.to_string()).unwrap_or_default();
        match self.told.verdict {
            Verdict::Here => {
                let seen = self.simulation.presented.map(|seen| {
                    let client = self.told.client.ip();
                    format!(
                        " {task} sees the client as {seen}: it has a network of its own with the address {client}, and its answer \
                         would stay there."
                    )
                });
                format!(
                    "{task} runs on this node: the packet is addressed to {to} and handed to docker_gwbridge.{}",
                    seen.unwrap_or_default()
                )
            }
            Verdict::Elsewhere => {
                let node = self.told.node.as_deref().unwrap_or("another node");
                format!(
                    "{task} runs on {node}: the packet goes there unchanged, through the tunnel to {to}."
                )
            }
            Verdict::Dropped => {
                let sentence = self
                    .simulation
                    .reason
                    .map_or("", |reason| reason.sentence());
                let name = self.told.reason.as_deref().unwrap_or_default();
                format!("The packet is dropped: {sentence} ({name}).")
            }
            Verdict::Passed if self.simulation.task.is_some() => format!(
                "{task} runs on this node, but docker_gwbridge is not known: the packet is left to the kernel."
            ),
            Verdict::Passed if self.told.rule == Rule::NoReadyTask => {
                "The packet is left to the kernel, which refuses it.".to_owned()
            }
            Verdict::Passed => "The packet is left to the kernel, unchanged.".to_owned(),
        }
    }

    fn task(&self, key: Option<u64>) -> String {
        match key {
            Some(key) => match self.snapshot.task_of(Key(key)) {
                Some(task) => task_name(self.snapshot, task),
                None => format!("a task that the Swarm does not know (key {})", Key(key)),
            },
            None => "the task".to_owned(),
        }
    }

    fn port(&self) -> String {
        let told = self.told;
        format!("{}/{}", told.frontend.port(), told.proto.as_str())
    }

    fn frontend(&self) -> String {
        format!("{}/{}", self.told.frontend, self.told.proto.as_str())
    }
}
