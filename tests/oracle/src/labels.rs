//! Services whose labels are any bytes. What comes of them keeps to what one service may have,
//! takes nobody's port, and never lets in more clients than a restriction says.

use arbitrary::{Arbitrary, Result, Unstructured};
use lb_abi::limits;
use lb_abi::service::RESTRICTED;
use lb_core::backend::ebpf::{InUse, Lowered, State};
use lb_core::desired::desired;
use lb_core::model::config::Config;
use lb_core::model::ids::{Key, ServiceId};
use lb_core::model::labels::{Labels, NETWORKS, PORTS, PREFIX};
use lb_core::model::node::{Link, Node};
use lb_core::model::snapshot::{Proto, PublishMode, PublishedPort, Service, Snapshot};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Words after the prefix. Others are tried, too.
const WORDS: [&str; 7] = [
    "enable", "policy", "affinity", "local", "return", "allow", "publish",
];
/// Begins and ends of values that mean something: chance finds the rest.
const PIECES: [&str; 14] = [
    "8080:80",
    "53:53/udp",
    "22:80",
    "2377:80",
    "/tcp",
    ":",
    ",",
    "/",
    "10.0.0.0/8",
    "192.0.2.7",
    "2001:db8::/32",
    "false",
    "maglev",
    "direct",
];
/// Longer than any real list, and not yet slow.
const TIMES: usize = 3_000;
/// Largest number of problems that may be reported about one service.
const SENTENCES: usize = 40;
/// Largest size of a problem's message, in bytes.
const BYTES: usize = 1_500;

/// Reads labels, and then serves them.
pub(crate) fn ask(story: &mut Unstructured<'_>) -> Result<()> {
    let mut services = BTreeMap::new();
    for number in 0..story.int_in_range(1..=4)? {
        let service = service(story, number)?;
        alone(&service);
        services.insert(ServiceId::from(format!("service{number}")), service);
    }
    together(&services);
    Ok(())
}

fn service(story: &mut Unstructured<'_>, number: u8) -> Result<Service> {
    let mut labels = BTreeMap::new();
    for _ in 0..story.int_in_range(0..=6)? {
        let word = if story.ratio(7, 8)? {
            (*story.choose(&WORDS)?).to_owned()
        } else {
            String::arbitrary(story)?
        };
        labels.insert(format!("{PREFIX}{word}"), value(story)?);
    }
    let mut ports = Vec::new();
    for _ in 0..story.int_in_range(0..=3)? {
        ports.push(PublishedPort {
            proto: *story.choose(&[Proto::Tcp, Proto::Udp, Proto::Sctp])?,
            published: u16::arbitrary(story)?,
            target: u16::arbitrary(story)?,
            mode: *story.choose(&[PublishMode::Ingress, PublishMode::Host])?,
        });
    }
    Ok(Service {
        name: format!("name{number}"),
        labels: labels.into(),
        ports,
        removed: story.ratio(1, 8)?,
        created: story.int_in_range(0..=2)?,
    })
}

fn value(story: &mut Unstructured<'_>) -> Result<String> {
    let mut value = String::new();
    for _ in 0..story.int_in_range(0..=5)? {
        if story.ratio(2, 3)? {
            value.push_str(story.choose(&PIECES)?);
        } else {
            value.push_str(<&str>::arbitrary(story)?);
        }
    }
    if story.ratio(1, 8)? {
        // Each time another port and another network.
        let all = (1..TIMES).map(|n| format!("{value}{n}:80,10.{}.{}.0/24", n >> 8, n & 0xff));
        value = all.collect::<Vec<_>>().join(",");
    }
    Ok(value)
}

/// Asserts about each service by itself.
fn alone(service: &Service) {
    let (options, refusals) = (service.options(), service.labels.refusals());
    let again = Labels::from(service.labels.as_map().clone());
    assert_eq!((again.options(), again.refusals()), (options, refusals));
    assert!(options.published.len() <= PORTS);
    let allowed = options.allow.iter().flatten().count();
    assert!(allowed <= NETWORKS);
    let restricts = service
        .labels
        .as_map()
        .contains_key(&format!("{PREFIX}allow"));
    assert_eq!(options.allow.is_some(), restricts, "a restriction is lost");
    bounded(refusals);
    // Each network that is let in is one that was asked for, or is made of such.
    let value = service.labels.as_map().get(&format!("{PREFIX}allow"));
    let asked: Vec<ipnet::Ipv4Net> = value.into_iter().flat_map(|value| asked(value)).collect();
    let asked = ipnet::Ipv4Net::aggregate(&asked);
    for network in options.allow.iter().flatten() {
        let within = asked.iter().any(|one| one.contains(network));
        assert!(within, "{network} was not asked for");
    }
}

/// The networks in a value, read in another way: an address alone is a network of one.
fn asked(value: &str) -> impl Iterator<Item = ipnet::Ipv4Net> {
    value.split(',').filter_map(|entry| {
        let entry = entry.trim();
        let address = entry.split('/').next()?;
        let address: Ipv4Addr = address.parse().ok()?;
        let bits = match entry.split_once('/') {
            Some((_, bits)) => bits.parse().ok()?,
            None => 32,
        };
        ipnet::Ipv4Net::new(address, bits).ok()
    })
}

fn bounded(sentences: &[String]) {
    assert!(sentences.len() <= SENTENCES, "{} of them", sentences.len());
    for sentence in sentences {
        let length = sentence.len();
        assert!(length <= BYTES, "{length} bytes: {sentence}");
    }
}

/// Asserts about all services together, on one node.
fn together(services: &BTreeMap<ServiceId, Service>) {
    let snapshot = Snapshot {
        complete: true,
        services: services.clone().into_iter().collect(),
        ..Snapshot::default()
    };
    let link = Link {
        name: "eth0".to_owned(),
        index: 2,
        mtu: 1500,
        mac: [2; 6],
        xdp: true,
    };
    let node = Node {
        address: Some(Ipv4Addr::new(10, 0, 0, 1)),
        uplink: Some(link),
        ..Node::default()
    };
    let config = Config::default();
    let state = serve(&snapshot, &node, &config, &State::default());
    let floor = config
        .label_ports
        .as_ref()
        .map_or(0, |ports| *ports.start());
    for (port, frontend) in &state.frontends {
        let number = port.number.get();
        assert!(
            ![config.port, 2377, 7946, 4789].contains(&number),
            "{number}"
        );
        let mut all = services.iter();
        let (_, service) = all
            .find(|(id, _)| Key::from(*id).0 == frontend.service)
            .unwrap_or_else(|| panic!("port {number} is no service's"));
        let by_swarm = service.ports.iter().any(|port| port.published == number);
        assert!(by_swarm || number >= floor, "a label has port {number}");
        let restricts = service
            .labels
            .as_map()
            .contains_key(&format!("{PREFIX}allow"));
        assert_eq!(frontend.flags & RESTRICTED != 0, restricts, "port {number}");
    }
    let most = (limits::ALLOWED / 4) as usize * services.len();
    assert!(state.allowed.len() <= most, "{}", state.allowed.len());
    // The other way round in time, the same service has each port.
    let again = serve(&snapshot, &node, &config, &state);
    assert_eq!(again.frontends, state.frontends);
}

/// What serves the services where `have` is served now.
fn serve(snapshot: &Snapshot, node: &Node, config: &Config, have: &State) -> State {
    let node = Node {
        serving: InUse::default().of(have).clone(),
        ..node.clone()
    };
    let (wanted, _) = desired(snapshot, &node, config);
    Lowered::default().update(&wanted, have).want
}
