//! What a request costs in the HTTP router, and in nginx, HAProxy, Caddy and Traefik beside it.
//!
//! All serve one host from one task on the loopback network of a namespace of their own, with one processor's worth of
//! threads each, connections to the task kept, and no log. The measure is processor time per request: requests per second
//! would be those of the machine, on which client, proxy and task share two processors. At last the tasks are replaced, and what
//! counts is the requests that fail meanwhile (`rolling`).

mod configurations;
mod idle;
mod kept;
mod latency;
mod load;
mod many_routes;
mod ours;
mod process;
mod proxies;
mod rolling;
mod site;
mod tables;

use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::netns::Netns;
use harness::shell;

use crate::effort::Effort;
use crate::figures::Table;
use latency::Latency;
use load::{Load, Measured};
use process::Process;
pub(crate) use proxies::GoProxies;
use proxies::Proxy;
use site::{Site, TASK};
use tables::median;

/// Files that this process and the proxies may open: each connection is one.
const OPEN_FILES: u32 = 4096;
/// Latency is measured at this part of what the slowest of the proxies that always take part answers.
const PART_OF_RATE: f64 = 0.7;

/// A proxy that serves.
struct Running {
    proxy: Proxy,
    process: Process,
}

/// Measures everything.
pub(crate) fn measure(go: &GoProxies, effort: Effort) -> Result<Vec<Table>> {
    let own = std::process::id();
    shell::run(&format!("prlimit --pid {own} --nofile={OPEN_FILES}:"))?;
    let netns = Netns::create(&format!("lbhttp{own}"))?;
    let site = Site::prepare()?;
    let task = Process::start(&mut site.task(&netns))?;
    task.wait(&netns, TASK)?;
    let mut running = Vec::new();
    for proxy in go.participants() {
        let process = proxy.start(&netns, &site, go);
        let process = process.with_context(|| format!("starting {}", proxy.name()))?;
        running.push(Running { proxy, process });
    }
    // Before the loads, whose freed memory would serve the idle connections.
    let memory = memory(&netns, &running, effort)?;
    let mut costs = Vec::new();
    for load in Load::ALL {
        costs.push((load, rounds_of(load, &netns, &running, effort)?));
    }
    let (_, kept) = costs.first().context("no load was measured")?;
    // The first three always take part; the others' rates must not lower theirs.
    let rates = kept.iter().take(Proxy::ALWAYS.len());
    let rates = rates.map(|rounds| median(rounds, |measured| measured.rate));
    let rate = PART_OF_RATE * rates.fold(f64::INFINITY, f64::min);
    let latencies = latencies(&netns, &running, rate, effort)?;
    let proxies: Vec<Proxy> = running.iter().map(|running| running.proxy).collect();
    let rounds = effort.traffic_rounds;
    let mut found = vec![
        tables::costs(&proxies, &costs, rounds)?,
        tables::latencies(&proxies, &latencies, rate, rounds)?,
        tables::memory(&proxies, &memory, effort.idle_connections),
        many_routes::measure(&netns, &site, rate, effort)?,
    ];
    // In updates each proxy runs alone, with tasks of its own.
    drop((running, task));
    let updates = rolling::measure(go, effort)?;
    found.push(tables::updates(&updates, effort.updates));
    Ok(found)
}

/// KiB that an idle connection needs in each proxy.
fn memory(netns: &Netns, running: &[Running], effort: Effort) -> Result<Vec<f64>> {
    let one = |Running { proxy, process }: &Running| {
        let kib = idle::memory(netns, *proxy, process, effort.idle_connections);
        kib.with_context(|| format!("idle connections by {}", proxy.name()))
    };
    running.iter().map(one).collect()
}

/// Runs a load in rounds, in each of them by one proxy after the other; for each proxy its rounds.
fn rounds_of(
    load: Load,
    netns: &Netns,
    running: &[Running],
    effort: Effort,
) -> Result<Vec<Vec<Measured>>> {
    in_rounds(running, effort, |proxy, process, duration| {
        let measured = load.measure(netns, proxy, process, duration);
        measured.with_context(|| format!("{} by {}", load.name(), proxy.name()))
    })
}

/// Latency at a rate, in rounds; for each proxy its rounds, `None` where it did not keep the rate.
fn latencies(
    netns: &Netns,
    running: &[Running],
    rate: f64,
    effort: Effort,
) -> Result<Vec<Vec<Option<Latency>>>> {
    in_rounds(running, effort, |proxy, _, duration| {
        let [port, _] = proxy.ports();
        let latency = latency::measure(netns, port, rate, duration);
        latency.with_context(|| format!("latency by {}", proxy.name()))
    })
}

/// Measures all proxies in turn, round by round.
fn in_rounds<T>(
    running: &[Running],
    effort: Effort,
    mut measure: impl FnMut(Proxy, &Process, Duration) -> Result<T>,
) -> Result<Vec<Vec<T>>> {
    let mut all: Vec<Vec<T>> = running.iter().map(|_| Vec::new()).collect();
    for round in 0..effort.warm_ups + effort.traffic_rounds {
        for (Running { proxy, process }, rounds) in running.iter().zip(&mut all) {
            let measured = measure(*proxy, process, effort.load)?;
            if round >= effort.warm_ups {
                rounds.push(measured);
            }
        }
    }
    Ok(all)
}
