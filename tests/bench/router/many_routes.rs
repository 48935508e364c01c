//! The router with 10,000 routes: how long it takes until a label that changed is in force, and what requests notice of it.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use harness::beside::beside;
use harness::netns::Netns;
use lb_router_wire::frame::{Decoder, encode};
use lb_router_wire::{Change, ToAgent, ToRouter};

use super::latency;
use super::ours;
use super::site::{HOST, Site};
use crate::effort::Effort;
use crate::figures::{Cell, Row, Spread, Table};

/// Services, each with a route of its own.
const ROUTES: u32 = 10_000;
const PORTS: [u16; 2] = [18_112, 18_113];
/// Part of the rate of the other tables: routes are looked for, and not what a router can answer at most.
const PART_OF_RATE: f64 = 0.5;
/// Pause between two changes.
const PAUSE: Duration = Duration::from_millis(100);
/// A change that is not in force after this time never will be.
const PATIENCE: Duration = Duration::from_secs(10);

/// The agent's end of the router's socket.
struct Agent {
    stream: UnixStream,
    decoder: Decoder<ToAgent>,
    version: u64,
}

impl Agent {
    /// Gives one service another host; the time until the router says that this is in force in all its threads.
    fn change(&mut self) -> Result<Duration> {
        let to = self.version + 1;
        let service = ours::service("s7", &format!("moved-{to}.bench.test"));
        let change = encode(ToRouter::Change(Change {
            from: self.version,
            to,
            services: vec![service],
            removed: Vec::new(),
        }));
        self.version = to;
        let begin = Instant::now();
        self.stream.write_all(&change)?;
        self.applied(to)?;
        Ok(begin.elapsed())
    }

    /// Waits until the router has applied this version.
    fn applied(&mut self, version: u64) -> Result<()> {
        let mut chunk = [0; 4096];
        loop {
            while let Some(message) = self.decoder.next_message()? {
                match message {
                    ToAgent::Applied(applied) if applied == version => return Ok(()),
                    ToAgent::Resend => anyhow::bail!("the router misses a change"),
                    _ => {}
                }
            }
            let read = self.stream.read(&mut chunk).context("the router's word")?;
            ensure!(read > 0, "the router has ended");
            self.decoder.push(chunk.get(..read).unwrap_or_default());
        }
    }
}

/// Measures both.
pub(super) fn measure(netns: &Netns, site: &Site, rate: f64, effort: Effort) -> Result<Table> {
    let mut services = vec![ours::service("bench", HOST)];
    services.extend((1..ROUTES).map(|number| {
        let host = format!("host-{number}.bench.test");
        ours::service(&format!("s{number}"), &host)
    }));
    let (_process, stream) = ours::serving(netns, site, services, PORTS)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut agent = Agent {
        stream,
        decoder: Decoder::default(),
        version: 1,
    };
    agent.applied(1)?;
    let load = |duration| latency::measure(netns, PORTS[0], PART_OF_RATE * rate, duration);
    let (mut quiet, mut changing, mut live) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..effort.warm_ups + effort.traffic_rounds {
        let before = load(effort.load)?;
        let changes = |stop: &AtomicBool| {
            let mut times = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                thread::sleep(PAUSE);
                times.push(agent.change()?.as_secs_f64() * 1e3);
            }
            Ok(times)
        };
        let (during, changes) = beside(changes, || load(effort.load))?;
        if round >= effort.warm_ups {
            live.extend(changes);
            // On a busy machine a rate may not be kept: such a round says nothing of routes.
            if let (Some(before), Some(during)) = (before, during) {
                quiet.push(before.p99);
                changing.push(during.p99);
            }
        }
    }
    let ratios: Vec<f64> = changing.iter().zip(&quiet).map(|(a, b)| a / b).collect();
    let row = |name: &str, cell| Row {
        name: name.to_owned(),
        cells: vec![cell],
    };
    Ok(Table {
        title: format!("{ROUTES} routes, ten changes of a label a second"),
        columns: vec!["what", "figure"],
        rows: vec![
            row(
                "a change is in force after, ms",
                Cell::Spread(Spread::of(&live), 1),
            ),
            row("p99, quiet, µs", measured(&quiet, 0)),
            row("p99 while labels change, of quiet", measured(&ratios, 2)),
        ],
    })
}

/// The rounds, if there is any.
fn measured(rounds: &[f64], digits: usize) -> Cell {
    match rounds {
        [] => Cell::Text("cannot".to_owned()),
        rounds => Cell::Spread(Spread::of(rounds), digits),
    }
}
