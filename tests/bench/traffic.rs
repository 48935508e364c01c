//! Connections, requests and bytes per second through a published port of a real Swarm, and
//! what the agents need meanwhile.
//!
//! Nodes 3 and 4 have no agent and nothing of swarmlb's in their kernels: a client that is
//! routed to a task there measures what the machine gives without it. Equal tasks on node 2 are
//! reached through the published ports of node 2 and of node 1.

mod agents;
mod testbed;
mod tools;

use std::path::Path;

use anyhow::{Context as _, Result};
use harness::service::ServiceSpec;
use harness::shared;

use crate::effort::Effort;
use crate::figures::{Cell, Row, Spread, Table};
use testbed::{Testbed, Variant};
use tools::Load;

/// Takes the laboratory down when this process ends, however it does.
const LAB: &str = env!("CARGO_BIN_EXE_lab");
/// Tasks that the agents know of while they do nothing.
const TASKS: usize = 12;

/// Measures everything.
pub(crate) fn measure(effort: Effort) -> Result<Vec<Table>> {
    let test = shared::with_agents(Path::new(LAB), "lbbench", 4)?;
    let swarm = &test.swarm;
    let mut agents = Vec::new();
    {
        let spec = ServiceSpec::named("idle")
            .replicas(TASKS)
            .publish("8100:80");
        let service = swarm.service_create(&spec)?;
        service.wait_for_tasks(TASKS, testbed::PATIENCE)?;
        swarm.wait_until_served(&service.id, TASKS, testbed::PATIENCE)?;
        agents.extend(agents::watch(swarm, "12 tasks, nothing to do", effort)?);
    }
    let testbed = Testbed::prepare(swarm)?;
    let mut rows = Vec::new();
    for load in Load::ALL {
        rows.extend(each_variant(&testbed, load, effort).with_context(|| load.name())?);
    }
    agents.extend(agents::watch(swarm, "after that load", effort)?);
    Ok(vec![
        Table {
            title: format!(
                "Through a published port ({} rounds)",
                effort.traffic_rounds
            ),
            columns: vec!["load, variant", "a second", "of direct (least to most)"],
            rows,
        },
        Table {
            title: "The agents".to_owned(),
            columns: agents::COLUMNS.to_vec(),
            rows: agents,
        },
    ])
}

/// One kind of load, by all variants in turn.
fn each_variant(testbed: &Testbed<'_>, load: Load, effort: Effort) -> Result<Vec<Row>> {
    let mut rounds: [Vec<f64>; Variant::ALL.len()] = Default::default();
    for round in 0..=effort.traffic_rounds {
        for (variant, all) in Variant::ALL.into_iter().zip(&mut rounds) {
            let rate = load
                .run(testbed, variant, effort.bytes)
                .with_context(|| variant.name())?;
            if round > 0 {
                all.push(rate);
            }
        }
    }
    let [direct, ..] = &rounds;
    let row = |(variant, rates): (Variant, &Vec<f64>)| {
        let ratios: Vec<f64> = rates.iter().zip(direct).map(|(a, b)| a / b).collect();
        Row {
            name: format!("{}: {}", load.name(), variant.name()),
            cells: vec![
                Cell::Number(Spread::of(rates).median, 0),
                Cell::Spread(Spread::of(&ratios), 2),
            ],
        }
    };
    Ok(Variant::ALL.into_iter().zip(&rounds).map(row).collect())
}
