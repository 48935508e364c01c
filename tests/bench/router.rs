//! What a request costs in the HTTP router, and in nginx and HAProxy beside it.
//!
//! All serve one host from one task on the loopback network of a namespace of their own, with one thread each, connections
//! to the task kept, and no log. The measure is processor time per request: requests per second would be those of the
//! machine, on which client, proxy and task share two processors.

mod load;
mod ours;
mod process;
mod proxies;

use anyhow::{Context as _, Result};
use harness::netns::Netns;

use crate::effort::Effort;
use crate::figures::{Cell, Row, Spread, Table};
use load::Load;
use process::Process;
use proxies::{Proxy, Site};

/// Measures everything.
pub(crate) fn measure(effort: Effort) -> Result<Vec<Table>> {
    let netns = Netns::create(&format!("lbhttp{}", std::process::id()))?;
    netns.ip("link set lo up")?;
    let site = Site::prepare()?;
    let task = Process::start(&mut site.task(&netns))?;
    task.wait(&netns, site.task_port())?;
    let mut running = Vec::new();
    for proxy in Proxy::ALL {
        running.push(proxy.start(&netns, &site).with_context(|| proxy.name())?);
    }
    let mut rows = Vec::new();
    for load in Load::ALL {
        let mut rounds: [Vec<f64>; Proxy::ALL.len()] = Default::default();
        for round in 0..=effort.traffic_rounds {
            for ((proxy, process), costs) in Proxy::ALL.into_iter().zip(&running).zip(&mut rounds) {
                let what = || format!("{} by {}", load.name(), proxy.name());
                let cost = load.cost(&netns, proxy, process, effort.load);
                let cost = cost.with_context(what)?;
                // The first round warms up.
                if round > 0 {
                    costs.push(cost);
                }
            }
        }
        rows.extend(of_load(load, &rounds));
    }
    let mut memory = Vec::new();
    for (proxy, process) in Proxy::ALL.into_iter().zip(&running) {
        let kib = load::idle_connections(&netns, proxy, process, effort.idle_connections)?;
        memory.push(Row {
            name: proxy.name().to_owned(),
            cells: vec![Cell::Number(kib, 1)],
        });
    }
    Ok(vec![
        Table {
            title: format!("A request in the router ({} rounds)", effort.traffic_rounds),
            columns: vec!["load, proxy", "µs of processor", "of nginx", "of HAProxy"],
            rows,
        },
        Table {
            title: format!("{} idle connections", effort.idle_connections),
            columns: vec!["proxy", "KiB a connection"],
            rows: memory,
        },
    ])
}

/// The rows of a load.
fn of_load(load: Load, rounds: &[Vec<f64>; Proxy::ALL.len()]) -> Vec<Row> {
    let [_, nginx, haproxy] = rounds;
    let ratio = |costs: &[f64], others: &[f64]| {
        let ratios: Vec<f64> = costs.iter().zip(others).map(|(a, b)| a / b).collect();
        Cell::Spread(Spread::of(&ratios), 2)
    };
    let row = |(proxy, costs): (Proxy, &Vec<f64>)| Row {
        name: format!("{}: {}", load.name(), proxy.name()),
        cells: vec![
            Cell::Number(Spread::of(costs).median, 1),
            ratio(costs, nginx),
            ratio(costs, haproxy),
        ],
    };
    Proxy::ALL.into_iter().zip(rounds).map(row).collect()
}
