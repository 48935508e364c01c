//! Connections, requests and bytes per second through a published port of a real Swarm, and
//! what the agents need meanwhile.
//!
//! Node 3 has no agent and nothing of swarmlb's in its kernel: a client that is routed to a
//! task there measures what the machine gives without it. Equal tasks on node 2 are reached
//! through the published ports of node 2 (task here) and node 1 (task elsewhere).

mod agents;
mod place;
mod tools;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::service::ServiceSpec;
use harness::shared;

use crate::figures::{Cell, Row, Spread, Table};
use place::{Place, Way};
use tools::Load;

/// Takes the laboratory down when this process ends, however it does.
const LAB: &str = env!("CARGO_BIN_EXE_lab");
/// Rounds that count, after one that does not.
const ROUNDS: usize = 5;
/// Tasks that the agents know of while they do nothing.
const TASKS: usize = 12;
/// How long they are watched at that.
const IDLE: Duration = Duration::from_secs(30);

/// Measures everything.
pub(crate) fn measure() -> Result<Vec<Table>> {
    let test = shared::with_agents(Path::new(LAB), "lbbench", 3)?;
    let swarm = &test.swarm;
    let mut agents = Vec::new();
    {
        let spec = ServiceSpec::named("idle")
            .replicas(TASKS)
            .publish("8100:80");
        let service = swarm.service_create(&spec)?;
        service.wait_for_tasks(TASKS, place::PATIENCE)?;
        swarm.wait_until_served(&service.id, TASKS, place::PATIENCE)?;
        agents.extend(agents::watch(swarm, "12 tasks, nothing to do", IDLE)?);
    }
    let place = Place::prepare(swarm)?;
    let mut rows = Vec::new();
    for load in Load::ALL {
        rows.push(row(&place, load).with_context(|| load.name())?);
    }
    agents.extend(agents::watch(swarm, "after that load", IDLE / 2)?);
    Ok(vec![
        Table {
            title: format!("Through a published port: {ROUNDS} rounds, ratios to direct"),
            columns: vec![
                "what",
                "direct",
                "task here",
                "ratio",
                "task elsewhere",
                "ratio",
            ],
            rows,
        },
        Table {
            title: "The agents".to_owned(),
            columns: vec!["when, where", "resident MB", "CPU %", "maps MB (kernel)"],
            rows: agents,
        },
    ])
}

/// One kind of load, by all ways in turn.
fn row(place: &Place<'_>, load: Load) -> Result<Row> {
    let mut rounds: [Vec<f64>; 3] = Default::default();
    for round in 0..=ROUNDS {
        for (way, all) in Way::ALL.into_iter().zip(&mut rounds) {
            let rate = load.run(place, way).with_context(|| format!("{way:?}"))?;
            if round > 0 {
                all.push(rate);
            }
        }
    }
    let [direct, here, elsewhere] = &rounds;
    let ratio = |rates: &[f64]| {
        let each: Vec<f64> = rates.iter().zip(direct).map(|(a, b)| a / b).collect();
        Cell::Spread(Spread::of(&each), 2)
    };
    let rate = |rates: &[f64]| Cell::Number(Spread::of(rates).median, 0);
    Ok(Row {
        name: load.name().to_owned(),
        cells: vec![
            rate(direct),
            rate(here),
            ratio(here),
            rate(elsewhere),
            ratio(elsewhere),
        ],
    })
}
