//! Port owners: the service that answers each port.

use super::refusal::{refused, refused_if_any, refused_labels, taken_if_any};
use super::routes::{Declaration, ports_of_router};
use super::{Number, share};
use crate::model::config::Config;
use crate::model::ids::{Key, ServiceId};
use crate::model::node::Node;
use crate::model::port::{Proto, PublishMode, PublishedPort};
use crate::model::snapshot::{Service, Snapshot};
use crate::report::Problem;
use ipnet::Ipv4Net;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Ports on which every manager or every node of a Swarm listens, and for what.
const SWARM: [(u16, &str); 3] = [
    (2377, "it is the port of the Swarm's managers"),
    (7946, "the Swarm's nodes talk to each other on it"),
    (4789, "it is the port of the Swarm's overlay networks"),
];

/// What one service asks for, and what of it is served on any node.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Ports that it may have, each once, unless another service has them.
    pub(super) ports: Vec<PublishedPort>,
    /// Networks whose clients it lets in; none given: all.
    pub(super) allow: Option<Arc<[Ipv4Net]>>,
    /// Processes of any user on nodes may call its tasks by their own addresses.
    pub(super) task_address: bool,
    /// It declares HTTP routes: its tasks are served without a port, too, and routers call them by their own addresses.
    pub(super) routed: bool,
    /// Ports of its tasks to which these routes lead.
    pub(super) routed_ports: BTreeSet<u16>,
    /// What it can't have.
    pub(super) problems: Vec<Problem>,
}

impl Asked {
    /// What `service`, whose labels declare these routes, asks for, and may have as `config` says.
    pub(super) fn of(
        service: &Service,
        declaration: Option<&Declaration>,
        config: &Config,
    ) -> Self {
        let mut problems: Vec<Problem> = refused_labels(service).collect();
        problems.extend(declaration.into_iter().flat_map(|it| it.problems(service)));
        if config.router {
            let why = "it is the HTTP router's (--router), which gets no request through it now; publish another one, and \
                       say by labels which hosts the service answers";
            problems.extend(taken_if_any(service, &ports_of_router(service), why));
        }
        let mut ports = Vec::new();
        let mut reserved: BTreeMap<&str, Vec<PublishedPort>> = BTreeMap::new();
        let mut outside = Vec::new();
        for claim in service.claims() {
            let number = claim.port.published;
            let labelled = |ports: &std::ops::RangeInclusive<u16>| ports.contains(&number);
            if let Some(why) = whose(number, config) {
                reserved.entry(why).or_default().push(claim.port);
            } else if claim.by_label && !config.label_ports.as_ref().is_some_and(labelled) {
                outside.push(claim.port);
            } else {
                ports.push(claim.port);
            }
        }
        for (why, ports) in reserved {
            let why = format!("{why}; choose another one");
            problems.push(refused(service, &ports, &why));
        }
        problems.extend(refused_if_any(service, &outside, &by_labels(config)));
        problems.extend(refused_if_any(
            service,
            &sctp(service),
            "SCTP is not supported",
        ));
        if ports.len() > share::PORTS {
            // The same ones on all nodes.
            ports.sort_unstable_by_key(|port| (port.published, port.proto));
            let over = ports.split_off(share::PORTS);
            let why = format!(
                "a service can have {} of them; share them out among several services",
                share::PORTS
            );
            problems.push(refused(service, &over, &why));
        }
        let options = service.options();
        let routed = declaration.is_some_and(Declaration::has_routes);
        let allow = options.allow.as_ref().map(|networks| {
            let most = share::networks(ports.len());
            if networks.len() > most {
                problems.push(Problem {
                    object: format!("service {}", service.name),
                    message: format!(
                        "of {} networks that it allows, clients of the first {most} are let in: it has {} ports; allow fewer networks or publish fewer ports",
                        networks.len(),
                        ports.len()
                    ),
                });
            }
            networks.iter().take(most).copied().collect()
        });
        Self {
            ports,
            allow,
            task_address: options.task_address || config.task_addresses,
            routed,
            routed_ports: declaration.map(Declaration::task_ports).unwrap_or_default(),
            problems,
        }
    }
}

/// The reason, as a sentence, why no service can have port `number` on any node; none if one can. It
/// holds for TCP and UDP: nobody can tell by a number alone which one a firewall or a person means.
fn whose(number: u16, config: &Config) -> Option<&'static str> {
    if number == config.port {
        return Some("it is the port of the agents and of the tunnel between nodes");
    }
    let swarm = SWARM.iter().find(|(port, _)| *port == number);
    swarm.map(|(_, why)| *why)
}

/// Why a label can't publish a port, and what to do.
fn by_labels(config: &Config) -> String {
    match &config.label_ports {
        None => "labels publish no ports on this node (--labels-publish); \
                 let Swarm publish it"
            .to_owned(),
        Some(ports) => format!(
            "labels publish ports from {} to {} on this node (--labels-publish); \
             choose another one, or let Swarm publish it",
            ports.start(),
            ports.end()
        ),
    }
}

fn sctp(service: &Service) -> Vec<PublishedPort> {
    let sctp = service.ports.iter().filter(|port| {
        service.options().enabled && port.proto == Proto::Sctp && port.mode == PublishMode::Ingress
    });
    sctp.copied().collect()
}

/// What of a service decides which ports all others have, and what they are told of it: as long as it stays the same,
/// nothing else of the service matters to them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PortClaims<'a> {
    ports: &'a [PublishedPort],
    /// Those that Swarm publishes on every node.
    by_swarm: Vec<Number>,
    removed: bool,
    created: u64,
    name: &'a str,
}

impl<'a> PortClaims<'a> {
    /// Those of a service that asks for this; `None` where it has nothing to do with ports, as where there is no service.
    pub(super) fn of(service: Option<(&'a Service, &'a Asked)>) -> Option<Self> {
        let (service, asked) = service?;
        let by_swarm: Vec<Number> = published_by_swarm(service).collect();
        (!asked.ports.is_empty() || !by_swarm.is_empty()).then(|| Self {
            ports: &asked.ports,
            by_swarm,
            removed: service.removed,
            created: service.created,
            name: &service.name,
        })
    }
}

/// The service that owns each port. A port in use on this node stays with its service; otherwise the older
/// service owns it, whether Swarm or a label publishes it, so that all nodes agree. A removed service
/// keeps a port that no other service publishes, for its connections. When as many are given away as there can
/// be, the rest have no owner.
pub(super) fn port_owners(
    snapshot: &Snapshot,
    node: &Node,
    asked: &BTreeMap<ServiceId, Asked>,
) -> BTreeMap<Number, ServiceId> {
    let order = by_age(snapshot);
    let mut port_owners = BTreeMap::new();
    for in_use in [true, false] {
        for (id, service) in &order {
            let key = Key::from(*id);
            for port in asked.get(*id).into_iter().flat_map(|asked| &asked.ports) {
                let number = (port.published, port.proto);
                let serving = node.serving.get(&number);
                let has = serving.is_some_and(|serving| serving.service == key);
                let there = port_owners.len() < share::ALL_PORTS;
                if there && (!in_use || (has && !service.removed)) {
                    port_owners.entry(number).or_insert_with(|| (*id).clone());
                }
            }
        }
    }
    port_owners
}

/// The services in the order in which they get what is not enough for all: older ones first, and those that are removed last.
fn by_age(snapshot: &Snapshot) -> Vec<(&ServiceId, &Service)> {
    let mut order: Vec<(&ServiceId, &Service)> = snapshot.services.iter().collect();
    order.sort_by_key(|(id, service)| (service.removed, service.created, *id));
    order
}

/// The TCP ports that this node serves and no service asks for any more, by the service that had them, as far as they may have
/// connections. Datagrams have no connection to lose: a port of UDP is the host's at once. So is one that no service can have.
///
/// They take the room that published ports leave, of those of their service and of those of all services. Where that is too
/// little, the older service has it.
pub(super) fn withdrawn(
    snapshot: &Snapshot,
    node: &Node,
    asked: &BTreeMap<ServiceId, Asked>,
    port_owners: &BTreeMap<Number, ServiceId>,
    config: &Config,
) -> BTreeMap<Key, Vec<Number>> {
    let mut had: BTreeMap<Key, Vec<Number>> = BTreeMap::new();
    for (number, serving) in &node.serving {
        let (port, proto) = *number;
        let kept = proto == Proto::Tcp && !node.drained.contains(number);
        if kept && !port_owners.contains_key(number) && whose(port, config).is_none() {
            had.entry(serving.service).or_default().push(*number);
        }
    }
    let mut withdrawn = BTreeMap::new();
    if had.is_empty() {
        return withdrawn;
    }
    let mut room = share::ALL_PORTS.saturating_sub(port_owners.len());
    for (id, _) in by_age(snapshot) {
        let key = Key::from(id);
        if let Some(mut numbers) = had.remove(&key) {
            let published = asked.get(id).map_or(0, |asked| asked.ports.len());
            numbers.truncate(share::PORTS.saturating_sub(published).min(room));
            room -= numbers.len();
            withdrawn.insert(key, numbers);
        }
    }
    withdrawn
}

/// The ports that Swarm publishes on every node: its engine listens on them.
pub(super) fn by_swarm(snapshot: &Snapshot) -> BTreeSet<Number> {
    let services = snapshot.services.values();
    services.flat_map(published_by_swarm).collect()
}

fn published_by_swarm(service: &Service) -> impl Iterator<Item = Number> {
    let ports = service.ports.iter();
    let ports = ports.filter(|port| port.mode == PublishMode::Ingress);
    ports.map(|port| (port.published, port.proto))
}
