//! Shows what an agent gets to know, without touching any datapath:
//! `cluster_view [DOCKER_SOCKET [CERTIFICATES]]`. One line per change, with the wall clock's milliseconds,
//! to be compared with `docker events`.

#![expect(clippy::print_stdout, reason = "speaks to whoever typed the command")]

use agent::sync::{Settings, start};
use anyhow::Result;
use lb_core::model::config::DEFAULT_PORT;
use lb_core::model::ids::TaskId;
use lb_core::model::snapshot::Snapshot;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let mut args = std::env::args().skip(1);
    let mut path = |default: &str| args.next().unwrap_or_else(|| default.to_owned()).into();
    let settings = Settings {
        docker_socket: path("/run/docker.sock"),
        certificates: path("/var/lib/docker/swarm/certificates"),
        listen: Ipv4Addr::UNSPECIFIED.into(),
        port: DEFAULT_PORT,
    };
    // Without a datapath there are no counters.
    let (_local_stats, no_stats) = watch::channel(None);
    let (mut cluster, _announcer) = start(settings, no_stats).await?;
    let mut seen = BTreeMap::new();
    loop {
        tokio::select! {
            Ok(()) = cluster.snapshot.changed() => {
                let snapshot = cluster.snapshot.borrow_and_update().clone();
                let now = states(&snapshot);
                for (task, state) in &now {
                    if seen.get(task) != Some(state) {
                        say(&format!("task {task} {state}"));
                    }
                }
                for task in seen.keys().filter(|task| !now.contains_key(task)) {
                    say(&format!("task {task} gone"));
                }
                seen = now;
                let ports: usize = snapshot.services.values().map(|s| s.ports.len()).sum();
                say(&format!(
                    "view complete={} services={} ports={ports} tasks={} nodes={}",
                    snapshot.complete,
                    snapshot.services.len(),
                    snapshot.tasks.len(),
                    snapshot.nodes.len()
                ));
            }
            Ok(()) = cluster.local.changed() => say(&format!("local {:?}", cluster.local.borrow_and_update())),
            Ok(()) = cluster.source.changed() => say(&format!("source {:?}", cluster.source.borrow_and_update())),
            Ok(()) = cluster.agents.changed() => say(&format!("agents {:?}", cluster.agents.borrow_and_update())),
            Ok(()) = cluster.problems.changed() => {
                say(&format!("problems {:?}", cluster.problems.borrow_and_update()));
            }
            _ = tokio::signal::ctrl_c() => {
                say(&format!("stats {:?}", cluster.cluster_stats.collect().await));
                return Ok(());
            }
        }
    }
}

fn states(snapshot: &Snapshot) -> BTreeMap<TaskId, String> {
    let state = |(id, task): (&TaskId, &lb_core::model::snapshot::Task)| {
        let eligible = if snapshot.eligible(task) {
            "eligible"
        } else {
            "out"
        };
        let words = format!(
            "{eligible} {:?} {:?} {:?}",
            task.state, task.desired, task.health
        );
        (id.clone(), words)
    };
    snapshot.tasks.iter().map(state).collect()
}

fn say(what: &str) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    println!("{} {what}", now.as_millis());
}
