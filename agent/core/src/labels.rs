//! What a service asks of this load balancer by its labels.
//!
//! A label that can't be served is told as a problem and is as good as absent; the rest of
//! the service works. The one exception is a label that restricts who may call: of that, what
//! can't be understood allows nobody.

use crate::report::Problem;
use crate::snapshot::{Proto, PublishMode, PublishedPort, Service};
use ipnet::{IpNet, Ipv4Net};
use std::net::IpAddr;

/// All labels of ours begin so.
pub const PREFIX: &str = "swarmlb.";

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

/// Whether tasks of the node that a client came to are preferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Local {
    /// All tasks are equal.
    #[default]
    No,
    /// They get it, if there are any.
    Prefer,
    /// Nobody else gets it.
    Only,
}

/// What the labels of a service say, its other words left at their defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wishes {
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
    /// `swarmlb.allow`: networks whose clients may connect; none given: all.
    pub allow: Option<Vec<Ipv4Net>>,
    /// `swarmlb.publish`: ports that every node answers, besides those that Swarm knows.
    pub published: Vec<PublishedPort>,
}

/// Reads the labels of `service`, and says what in them can't be served.
#[must_use]
pub fn read(service: &Service) -> (Wishes, Vec<Problem>) {
    let mut wishes = Wishes {
        enabled: true,
        policy: Policy::default(),
        local: Local::default(),
        affinity_s: 0,
        direct: false,
        allow: None,
        published: Vec::new(),
    };
    let mut problems = Vec::new();
    for (label, value) in &service.labels {
        let Some(word) = label.strip_prefix(PREFIX) else {
            continue;
        };
        if let Err(why) = wish(&mut wishes, word, value.trim()) {
            problems.push(Problem {
                object: format!("service {}", service.name),
                sentence: format!("label {label}={value}: {why}"),
            });
        }
    }
    (wishes, problems)
}

/// The ports of `service` that every node answers, TCP and UDP.
#[must_use]
pub fn ports(service: &Service) -> Vec<PublishedPort> {
    let (wishes, _) = read(service);
    if !wishes.enabled {
        return Vec::new();
    }
    let swarm = service.ports.iter().copied().filter(|port| {
        // Docker itself answers mode=host ports, on the task's node.
        port.mode == PublishMode::Ingress && port.published != 0 && port.proto != Proto::Sctp
    });
    let mut ports: Vec<PublishedPort> = swarm.collect();
    for port in wishes.published {
        let same =
            |known: &PublishedPort| (known.published, known.proto) == (port.published, port.proto);
        if !ports.iter().any(same) {
            ports.push(port);
        }
    }
    ports
}

fn wish(wishes: &mut Wishes, word: &str, value: &str) -> Result<(), String> {
    match word {
        "enable" => {
            wishes.enabled = match value {
                "true" => true,
                "false" => false,
                _ => return Err("it is true or false; the service is served".to_owned()),
            };
        }
        "policy" => {
            let mut all = Policy::ALL.into_iter();
            wishes.policy = all
                .find(|policy| policy.as_str() == value)
                .ok_or("it is round-robin, least-conn, source-hash or maglev; round-robin it is until then")?;
        }
        "local" => {
            wishes.local = match value {
                "prefer" => Local::Prefer,
                "only" => Local::Only,
                _ => return Err("it is prefer or only; all tasks are used until then".to_owned()),
            };
        }
        "publish" => {
            let mut bad = Vec::new();
            for entry in value.split(',').map(str::trim) {
                match published(entry) {
                    Some(port) => wishes.published.push(port),
                    None => bad.push(entry),
                }
            }
            if !bad.is_empty() {
                return Err(format!(
                    "`{}` is no PUBLISHED:TARGET[/tcp|/udp] with ports from 1 to 65535; it is left out",
                    bad.join("`, `")
                ));
            }
        }
        "allow" => {
            let (networks, bad) = networks(value);
            wishes.allow = Some(networks);
            if !bad.is_empty() {
                return Err(format!(
                    "`{}` is no network like 10.0.0.0/8; its clients are not allowed",
                    bad.join("`, `")
                ));
            }
        }
        "affinity" => {
            let seconds = value.parse().ok();
            wishes.affinity_s = seconds.filter(|seconds| (1..=LONGEST_S).contains(seconds)).ok_or(
                "it is a number of seconds from 1 to 604800 (a week); clients change tasks until then",
            )?;
        }
        "return" => {
            wishes.direct = match value {
                "tunnel" => false,
                "direct" => true,
                _ => return Err("it is tunnel or direct; tunnel it is until then".to_owned()),
            };
        }
        _ => {
            return Err(
                "there is no such label; there are enable, policy, affinity, local, return, allow and publish".to_owned(),
            );
        }
    }
    Ok(())
}

/// `10.0.0.0/8, 192.0.2.7`: the IPv4 networks, and what is no network at all. IPv6 ones are
/// nobody's: nothing is served over IPv6.
fn networks(value: &str) -> (Vec<Ipv4Net>, Vec<&str>) {
    let (mut networks, mut bad) = (Vec::new(), Vec::new());
    for entry in value.split(',').map(str::trim) {
        let network: Option<IpNet> = match entry.parse() {
            Ok(network) => Some(network),
            Err(_) => entry.parse::<IpAddr>().ok().map(IpNet::from),
        };
        match network {
            Some(IpNet::V4(network)) => networks.push(network.trunc()),
            Some(IpNet::V6(_)) => {}
            None => bad.push(entry),
        }
    }
    (Ipv4Net::aggregate(&networks), bad)
}

/// `8080:80`, `53:5353/udp`.
fn published(entry: &str) -> Option<PublishedPort> {
    let (ports, proto) = match entry.split_once('/') {
        None | Some((_, "tcp")) => (entry.split('/').next()?, Proto::Tcp),
        Some((ports, "udp")) => (ports, Proto::Udp),
        Some(_) => return None,
    };
    let (published, target) = ports.split_once(':')?;
    let port = |word: &str| word.trim().parse().ok().filter(|port: &u16| *port != 0);
    Some(PublishedPort {
        proto,
        published: port(published)?,
        target: port(target)?,
        mode: PublishMode::Ingress,
    })
}

#[cfg(test)]
mod tests;
