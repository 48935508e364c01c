//! This host's node and role in the Swarm: `/info`, polled, because no event tells of joining,
//! leaving, or of a worker's promotion.
//!
//! The engine starts other programs to answer (`runc --version`). So it is asked often only
//! while something changes, or while its last answer is in doubt.

use super::convert;
use super::docker::Docker;
use super::model;
use lb_core::model::ids::NodeId;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

/// Poll interval while something changes…
const FAST_INTERVAL: Duration = Duration::from_secs(1);
/// …or longer: answering takes at most 1/DUTY_DIVISOR of the engine's time…
const DUTY_DIVISOR: u32 = 20;
/// …but no longer than this, however slow the engine is. Also the interval while nothing changes.
const IDLE_INTERVAL: Duration = Duration::from_secs(10);
/// A worker that is promoted has its new certificate seconds before it is a manager.
const FAST_FOR: Duration = Duration::from_secs(30);

/// This host's node and role in the Swarm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Id of the node; empty while the host is in no Swarm.
    pub id: NodeId,
    /// Host name.
    pub hostname: String,
    /// Address towards other nodes.
    pub address: Option<Ipv4Addr>,
    /// A member of a Swarm.
    pub member: bool,
    /// A manager, which can be asked.
    pub manager: bool,
    /// Hosts of the other managers: addresses or names.
    pub managers: BTreeMap<NodeId, String>,
    /// Why this host takes no part in a Swarm, and what to do.
    pub message: Option<String>,
}

impl From<model::Info> for Info {
    fn from(json: model::Info) -> Self {
        let swarm = json.swarm;
        let id = NodeId::from(swarm.node_id);
        let message = match swarm.state.as_str() {
            "active" => None,
            "inactive" => Some(
                "this host is a member of no Swarm: run `docker swarm init` or `docker swarm join`"
                    .to_owned(),
            ),
            "locked" => Some(
                "this host's part of the Swarm is locked: run `docker swarm unlock`".to_owned(),
            ),
            "pending" => Some(
                "this host has not finished joining its Swarm: wait, or look at `docker info`"
                    .to_owned(),
            ),
            _ if !swarm.error.is_empty() => Some(format!(
                "this host's part of the Swarm is in error ({}): look at the engine's log",
                swarm.error
            )),
            other => Some(format!(
                "this host's part of the Swarm is in state `{other}`: look at `docker info`"
            )),
        };
        // Pending and error are states of members that lost touch: what they serve stays.
        let member =
            !id.as_str().is_empty() && !matches!(swarm.state.as_str(), "inactive" | "locked");
        Self {
            member,
            manager: member && swarm.control_available,
            managers: swarm
                .remote_managers
                .into_iter()
                .filter(|manager| manager.node_id != id.as_str())
                .map(|manager| {
                    let host = convert::host(&manager.addr).to_owned();
                    (NodeId::from(manager.node_id), host)
                })
                .collect(),
            address: convert::usable(&swarm.node_addr),
            hostname: json.name,
            id,
            message,
        }
    }
}

/// Keeps `out` up to date until all receivers are gone. `recheck` asks for a poll now. While the
/// engine is silent, its last answer stays, with an error message.
pub async fn follow(docker: Docker, recheck: Arc<Notify>, out: watch::Sender<Arc<Info>>) {
    let mut last_activity = Instant::now();
    loop {
        let asked = Instant::now();
        let next = match docker.info().await {
            Ok(json) => Info::from(json),
            Err(error) => Info {
                message: Some(error.to_string()),
                ..Info::clone(&out.borrow())
            },
        };
        let cost = asked.elapsed();
        let waits = next.message.is_some();
        let changed = out.send_if_modified(|current| {
            let changed = **current != next;
            if changed {
                tracing::info!(
                    node = %next.id,
                    hostname = next.hostname,
                    member = next.member,
                    manager = next.manager,
                    problem = next.message,
                    "role in the Swarm"
                );
                *current = Arc::new(next);
            }
            changed
        });
        if changed || waits {
            last_activity = asked;
        }
        tokio::select! {
            () = recheck.notified() => {
                last_activity = Instant::now();
                sleep_until(asked + pause(cost, Duration::ZERO)).await;
            }
            () = sleep_until(asked + pause(cost, last_activity.elapsed())) => {}
            () = out.closed() => return,
        }
    }
}

/// Time from one poll to the next, when an answer took `cost`, and the last change was `idle_for` ago.
fn pause(cost: Duration, idle_for: Duration) -> Duration {
    if idle_for < FAST_FOR {
        (cost * DUTY_DIVISOR).clamp(FAST_INTERVAL, IDLE_INTERVAL)
    } else {
        IDLE_INTERVAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(json: &str) -> Info {
        serde_json::from_str::<model::Info>(json).unwrap().into()
    }

    #[test]
    fn an_engine_is_asked_less_often_when_it_is_slow_to_answer_or_nothing_changes() {
        let (quick, slow) = (Duration::from_millis(30), Duration::from_millis(200));
        assert_eq!(pause(quick, Duration::ZERO), FAST_INTERVAL);
        assert_eq!(pause(slow, Duration::ZERO), 4 * FAST_INTERVAL);
        assert_eq!(
            pause(Duration::from_secs(60), Duration::ZERO),
            IDLE_INTERVAL
        );
        assert_eq!(pause(quick, FAST_FOR), IDLE_INTERVAL);
    }

    #[test]
    fn a_worker_knows_the_managers() {
        let worker = info(
            r#"{"Name":"n2","Swarm":{"NodeID":"w","NodeAddr":"10.77.0.2","LocalNodeState":"active",
            "ControlAvailable":false,"Error":"","RemoteManagers":[{"NodeID":"m","Addr":"10.77.0.1:2377"},
            {"NodeID":"six","Addr":"[fd00::1]:2377"}]}}"#,
        );
        assert!(worker.member && !worker.manager && worker.message.is_none());
        assert_eq!(worker.address, Some(Ipv4Addr::new(10, 77, 0, 2)));
        assert_eq!(worker.managers[&"m".into()], "10.77.0.1");
        assert_eq!(worker.managers[&"six".into()], "fd00::1");
    }

    #[test]
    fn a_manager_does_not_count_itself() {
        let manager = info(
            r#"{"Name":"n1","Swarm":{"NodeID":"m","NodeAddr":"0.0.0.0","LocalNodeState":"active",
            "ControlAvailable":true,"RemoteManagers":[{"NodeID":"m","Addr":"0.0.0.0:2377"}]}}"#,
        );
        assert!(manager.manager && manager.managers.is_empty());
        assert_eq!(manager.address, None);
    }

    #[test]
    fn every_other_state_has_its_sentence() {
        let outside = info(
            r#"{"Name":"n","Swarm":{"NodeID":"","NodeAddr":"","LocalNodeState":"inactive",
            "ControlAvailable":false,"RemoteManagers":null}}"#,
        );
        assert!(!outside.member);
        assert_eq!(
            outside.message.unwrap(),
            "this host is a member of no Swarm: run `docker swarm init` or `docker swarm join`"
        );
        for (state, says) in [
            ("locked", "docker swarm unlock"),
            ("pending", "joining"),
            ("error", "certificate has expired"),
            ("hibernating", "`hibernating`"),
        ] {
            let error = if state == "error" {
                "certificate has expired"
            } else {
                ""
            };
            let info = info(&format!(
                r#"{{"Swarm":{{"NodeID":"x","LocalNodeState":"{state}","Error":"{error}"}}}}"#
            ));
            assert!(info.message.unwrap().contains(says), "{state}");
        }
    }
}
