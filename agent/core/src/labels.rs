//! Service options, parsed from a service's labels.
//!
//! A label that can't be served is told as a problem and is as good as absent; the rest of
//! the service works. The one exception is a label that restricts who may call: of that, what
//! can't be understood allows nobody.
//!
//! Who writes labels is not who operates the Swarm: what one service can have by them is
//! bounded, and so is what is said of them ([`values`]).

mod values;

use crate::report::Problem;
use crate::snapshot::{Proto, PublishMode, PublishedPort, Service};
use ipnet::Ipv4Net;
use std::collections::BTreeSet;
use values::{networks, published, short};

/// All labels that swarmlb reads begin so.
pub const PREFIX: &str = "swarmlb.";

/// Ports that the label of one service can publish.
pub const PORTS: usize = 256;
/// Networks that the label of one service can allow.
pub const NETWORKS: usize = 1_024;
/// Labels of one service that are named as problems, one by one.
const NAMED: usize = 16;

/// The longest affinity, in seconds: a week.
const LONGEST_S: u32 = 604_800;

/// How a new connection finds its task.
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
    /// `swarmlb.affinity`: for so many seconds after its last connection a client stays with
    /// its task; 0: not at all.
    pub affinity_s: u32,
    /// `swarmlb.return=direct`: replies go to the client past the node that it came to.
    pub direct: bool,
    /// `swarmlb.task-address=true`: processes on nodes may call each task by its own address.
    pub task_address: bool,
    /// `swarmlb.allow`: networks whose clients may connect; none given: all.
    pub allow: Option<Vec<Ipv4Net>>,
    /// `swarmlb.publish`: ports that every node answers, besides those that Swarm knows.
    pub published: Vec<PublishedPort>,
}

/// Reads the labels of `service`, and says what in them can't be served.
#[must_use]
pub fn read(service: &Service) -> (ServiceOptions, Vec<Problem>) {
    let mut options = ServiceOptions {
        enabled: true,
        policy: Policy::default(),
        local: Local::default(),
        affinity_s: 0,
        direct: false,
        task_address: false,
        allow: None,
        published: Vec::new(),
    };
    let mut problems = Vec::new();
    let mut more = 0_usize;
    for (label, value) in &service.labels {
        let Some(word) = label.strip_prefix(PREFIX) else {
            continue;
        };
        let Err(why) = option(&mut options, word, value.trim()) else {
            continue;
        };
        if problems.len() == NAMED {
            more += 1;
            continue;
        }
        let (label, value) = (short(label, 60), short(value, 80));
        problems.push(format!("label {label}={value}: {why}"));
    }
    if more > 0 {
        problems.push(format!("{more} more of its labels can't be served"));
    }
    let problems = problems.into_iter().map(|message| Problem {
        object: format!("service {}", service.name),
        message,
    });
    (options, problems.collect())
}

/// A port that a service wants every node to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The port.
    pub port: PublishedPort,
    /// A label asks for it, and Swarm knows nothing of it.
    pub by_label: bool,
}

/// The ports that `service`, whose labels say `options`, wants every node to answer, TCP and UDP;
/// each once, those that Swarm publishes first.
#[must_use]
pub fn claims(service: &Service, options: &ServiceOptions) -> Vec<Claim> {
    if !options.enabled {
        return Vec::new();
    }
    let swarm = service.ports.iter().filter(|port| {
        // Docker itself answers mode=host ports, on the task's node.
        port.mode == PublishMode::Ingress && port.published != 0 && port.proto != Proto::Sctp
    });
    let swarm = swarm.map(|port| (*port, false));
    let labels = options.published.iter().map(|port| (*port, true));
    let mut seen = BTreeSet::new();
    swarm
        .chain(labels)
        .filter(|(port, _)| seen.insert((port.published, port.proto)))
        .map(|(port, by_label)| Claim { port, by_label })
        .collect()
}

/// The ports that `service` wants every node to answer, TCP and UDP.
#[must_use]
pub fn ports(service: &Service) -> Vec<PublishedPort> {
    let (options, _) = read(service);
    let claims = claims(service, &options);
    claims.into_iter().map(|claim| claim.port).collect()
}

fn option(options: &mut ServiceOptions, word: &str, value: &str) -> Result<(), String> {
    match word {
        "enable" => {
            options.enabled = match value {
                "true" => true,
                "false" => false,
                _ => return Err("it is true or false; the service is served".to_owned()),
            };
        }
        "policy" => {
            let mut all = Policy::ALL.into_iter();
            options.policy = all
                .find(|policy| policy.as_str() == value)
                .ok_or("it is round-robin, least-conn, source-hash or maglev; round-robin it is until then")?;
        }
        "local" => {
            options.local = match value {
                "prefer" => Local::Prefer,
                "only" => Local::Only,
                _ => return Err("it is prefer or only; all tasks are used until then".to_owned()),
            };
        }
        "publish" => {
            let (ports, rest) = published(value);
            options.published = ports;
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
            options.allow = Some(networks);
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
            options.affinity_s = seconds.filter(|seconds| (1..=LONGEST_S).contains(seconds)).ok_or(
                "it is a number of seconds from 1 to 604800 (a week); clients change tasks until then",
            )?;
        }
        "return" => {
            options.direct = match value {
                "tunnel" => false,
                "direct" => true,
                _ => return Err("it is tunnel or direct; tunnel it is until then".to_owned()),
            };
        }
        "task-address" => {
            options.task_address = match value {
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

#[cfg(test)]
mod tests;
