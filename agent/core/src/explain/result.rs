//! The result of a simulation, with the Swarm's names.

use super::Question;
use super::sentences::{Context, sentences};
use super::simulate::{Simulation, simulate};
use super::suggest::suggest;
use crate::model::ids::Key;
use crate::model::node::Node;
use crate::model::snapshot::{Service, Snapshot};
use crate::report::build::{flow_state, hostname, idle_ticks, ports, reason_name, task_name};
use crate::report::{Explanation, Rule};
use lb_abi::service::Frontend;
use lb_datapath::model::Memory;
use std::collections::BTreeSet;

/// `GET /v1/explain`. `memory` is what the maps hold, as far as the client and the
/// published port that `question` names are concerned.
#[must_use]
pub fn explain(
    snapshot: &Snapshot,
    this: &Node,
    memory: &Memory,
    question: &Question,
) -> Explanation {
    let mut simulation = simulate(memory, question);
    let publisher = publisher(snapshot, question);
    if simulation.rule == Rule::NoReadyTask && publisher.is_none() {
        simulation.rule = Rule::Withdrawn;
    }
    let task = simulation.task.and_then(|key| snapshot.task_of(Key(key)));
    let service = match task {
        Some(task) => snapshot.services.get(&task.service),
        None => publisher.or_else(|| had(snapshot, &simulation)),
    };
    let mut explanation = Explanation {
        client: simulation.client,
        client_port_assumed: question.client.port.is_none(),
        frontend: question.frontend,
        proto: question.proto,
        rule: simulation.rule,
        verdict: simulation.verdict,
        reason: simulation.reason.map(reason_name),
        flow: simulation.known.map(|flow| {
            let idle = idle_ticks(memory.now, flow.seen);
            flow_state(question.port().proto, &flow, idle)
        }),
        rr_counter: simulation.rr_counter,
        ready: simulation.frontend.map(|frontend| ready(memory, &frontend)),
        service: service.map(|service| service.name.clone()),
        task: task.map(|task| task_name(snapshot, task)),
        node: task.map(|task| hostname(snapshot, &task.node)),
        to: simulation.to,
        suggestions: if simulation.rule == Rule::NotPublished {
            suggest(snapshot, question.frontend.port(), question.proto)
        } else {
            Vec::new()
        },
        sentences: Vec::new(),
    };
    explanation.sentences = sentences(&Context {
        snapshot,
        this,
        memory,
        simulation: &simulation,
        told: &explanation,
    });
    explanation
}

/// How many tasks take new flows: each may have many places in the table.
fn ready(memory: &Memory, frontend: &Frontend) -> u32 {
    let slots = memory.slots.iter();
    let tasks: BTreeSet<u64> = slots
        .filter(|(slot, _)| slot.table == frontend.table)
        .map(|(_, task)| *task)
        .collect();
    u32::try_from(tasks.len()).unwrap_or(u32::MAX)
}

/// The service whose port is withdrawn.
fn had<'a>(snapshot: &'a Snapshot, simulation: &Simulation) -> Option<&'a Service> {
    let frontend = simulation.frontend?;
    let mut services = snapshot.services.iter();
    let had = services.find(|(id, _)| Key::from(*id) == Key(frontend.service));
    had.map(|(_, service)| service)
}

/// The service that publishes what is asked for.
fn publisher<'a>(snapshot: &'a Snapshot, question: &Question) -> Option<&'a Service> {
    snapshot.services.values().find(|service| {
        ports(service)
            .iter()
            .any(|port| port.published == question.frontend.port() && port.proto == question.proto)
    })
}
