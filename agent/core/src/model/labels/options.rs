//! The options that a service has by its labels.

use super::values::{networks, published};
use super::{NETWORKS, PORTS};
use crate::model::port::PublishedPort;
use ipnet::Ipv4Net;
use std::time::Duration;

/// The longest affinity, in seconds: a week.
const LONGEST_S: u64 = 604_800;

/// Scheduler that selects the task of a new connection (`swarmlb.policy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// One task after the other.
    #[default]
    RoundRobin,
    /// By the client's address: the same task through every node.
    SourceHash,
    /// By the client's address and port: the same task through every node.
    Maglev,
    /// The one of two tasks that has fewer connections through this node.
    LeastConn,
}

impl Policy {
    const ALL: [Self; 4] = [
        Self::RoundRobin,
        Self::LeastConn,
        Self::SourceHash,
        Self::Maglev,
    ];

    /// The word in the label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::SourceHash => "source-hash",
            Self::Maglev => "maglev",
            Self::LeastConn => "least-conn",
        }
    }
}

/// Preference for tasks of the node at which a client's packets arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Local {
    /// All tasks are equal.
    #[default]
    No,
    /// Its tasks are preferred, if there are any.
    Prefer,
    /// Only its tasks serve.
    Only,
}

/// Options of a service, parsed from its labels; an option without a label has its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceOptions {
    /// Every node answers for it.
    pub enabled: bool,
    /// `swarmlb.policy`
    pub policy: Policy,
    /// `swarmlb.local`
    pub local: Local,
    /// `swarmlb.affinity`, whole seconds: for so long after its last connection a client stays
    /// with its task.
    pub affinity: Option<Duration>,
    /// `swarmlb.return=direct`: replies go to the client past the node that it came to.
    pub direct: bool,
    /// `swarmlb.task-address=true`: processes on nodes may call each task by its own address.
    pub task_address: bool,
    /// `swarmlb.allow`: networks whose clients may connect; none given: all.
    pub allow: Option<Vec<Ipv4Net>>,
    /// `swarmlb.publish`: ports that every node answers, besides those that Swarm knows.
    pub published: Vec<PublishedPort>,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            policy: Policy::default(),
            local: Local::default(),
            affinity: None,
            direct: false,
            task_address: false,
            allow: None,
            published: Vec::new(),
        }
    }
}

impl ServiceOptions {
    /// Takes the label `swarmlb.WORD` with `value`, or says why it can't be served.
    pub(super) fn set(&mut self, word: &str, value: &str) -> Result<(), String> {
        match word {
            "enable" => {
                self.enabled = match value {
                    "true" => true,
                    "false" => false,
                    _ => return Err("it is true or false; the service is served".to_owned()),
                };
            }
            "policy" => {
                let mut all = Policy::ALL.into_iter();
                self.policy = all
                    .find(|policy| policy.as_str() == value)
                    .ok_or("it is round-robin, least-conn, source-hash or maglev; round-robin it is until then")?;
            }
            "local" => {
                self.local = match value {
                    "prefer" => Local::Prefer,
                    "only" => Local::Only,
                    _ => {
                        return Err(
                            "it is prefer or only; all tasks are used until then".to_owned()
                        );
                    }
                };
            }
            "publish" => {
                let (ports, rest) = published(value);
                self.published = ports;
                let mut why = Vec::new();
                if let Some(bad) = rest.quoted() {
                    why.push(format!(
                        "{bad} is no PUBLISHED:TARGET[/tcp|/udp] with ports from 1 to 65535; it is left out"
                    ));
                }
                if rest.over > 0 {
                    why.push(format!(
                        "a service can have {PORTS} ports by labels; {} more are left out",
                        rest.over
                    ));
                }
                if !why.is_empty() {
                    return Err(why.join("; "));
                }
            }
            "allow" => {
                let (networks, rest) = networks(value);
                self.allow = Some(networks);
                let mut why = Vec::new();
                if let Some(bad) = rest.quoted() {
                    why.push(format!(
                        "{bad} is no network like 10.0.0.0/8; its clients are not allowed"
                    ));
                }
                if rest.over > 0 {
                    why.push(format!(
                        "a service can allow {NETWORKS} networks; the clients of {} more are not allowed",
                        rest.over
                    ));
                }
                if !why.is_empty() {
                    return Err(why.join("; "));
                }
            }
            "affinity" => {
                let seconds = value.parse().ok();
                let seconds = seconds.filter(|seconds| (1..=LONGEST_S).contains(seconds)).ok_or(
                    "it is a number of seconds from 1 to 604800 (a week); clients change tasks until then",
                )?;
                self.affinity = Some(Duration::from_secs(seconds));
            }
            "return" => {
                self.direct = match value {
                    "tunnel" => false,
                    "direct" => true,
                    _ => return Err("it is tunnel or direct; tunnel it is until then".to_owned()),
                };
            }
            "task-address" => {
                self.task_address = match value {
                    "true" => true,
                    "false" => false,
                    _ => return Err("it is true or false; false it is until then".to_owned()),
                };
            }
            _ => {
                return Err(
                    "there is no such label; there are enable, policy, affinity, local, return, task-address, allow and publish".to_owned(),
                );
            }
        }
        Ok(())
    }
}
