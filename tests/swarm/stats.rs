//! `lbctl stats` on any node: the sum of what clients did, counted once.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::agents::by_ipvs;
use harness::client::PATIENCE;
use harness::node::Node;
use harness::service::ServiceSpec;
use harness::swarm::Swarm;
use harness::topology::CLIENT;
use harness::traffic::http::Connection;
use harness::traffic::udp::Flow;
use harness::wait;
use lb_core::report::{Counters, ServiceStats, Stats};

use crate::lbctl::json;
use crate::shared_swarm;
use crate::tools::{everywhere, served, task};

const TCP: u16 = 8200;
const UDP: u16 = 8201;
const HALF_A_SECOND: Duration = Duration::from_millis(500);
/// IPVS adds up what its CPUs counted every two seconds (kernel: net/netfilter/ipvs/ip_vs_est.c).
const ADDED_UP: Duration = Duration::from_millis(2500);

#[test]
fn every_agent_tells_the_sum_of_what_clients_did() {
    let Some(shared) = shared_swarm() else { return };
    let swarm: &Swarm = &shared;
    let spec = ServiceSpec::named("counted")
        .replicas(6)
        .publish(&format!("{TCP}:80/tcp"))
        .publish(&format!("{UDP}:80/udp"));
    let (_service, tasks) = served(swarm, &spec, 6);
    let counters = WireCounters::watch(swarm);
    let (tcp, udp) = (everywhere(swarm, TCP), everywhere(swarm, UDP));
    // Each connection from a port of its own: by IPVS, answers to one that has to be told apart from
    // another one at the same port are not all counted.
    let clients = async move {
        let mut opened: BTreeMap<String, u64> = BTreeMap::new();
        for (round, peer) in tcp.iter().cycle().take(30).enumerate() {
            // A different number through each node.
            for _ in 0..round % 3 {
                let mut connection = Connection::open_from(CLIENT, *peer, PATIENCE).await?;
                *opened.entry(task(&connection.who().await?)).or_default() += 1;
            }
        }
        for peer in &udp {
            for _ in 0..4 {
                let flow = Flow::open(*peer).await?;
                let first = task(&flow.ask(PATIENCE).await?);
                assert_eq!(task(&flow.ask(PATIENCE).await?), first);
                *opened.entry(first).or_default() += 1;
            }
        }
        let mut kept = Vec::new();
        for peer in tcp.iter().chain(&tcp) {
            let mut connection = Connection::open_from(CLIENT, *peer, PATIENCE).await?;
            let who = connection.who().await?;
            *opened.entry(task(&who)).or_default() += 1;
            kept.push(connection);
        }
        // The rest is looked at while those are open.
        tokio::time::sleep(if by_ipvs() { ADDED_UP } else { HALF_A_SECOND }).await;
        Ok((opened, looked(swarm), counters.seen(), kept.len() as u64))
    };
    let (opened, told, seen, kept) = swarm.client.block_on(clients).unwrap();
    let [first, others @ ..] = told.as_slice() else {
        panic!("nobody told anything")
    };
    for other in others {
        assert_eq!(other, first, "all agents tell the same");
    }
    let by_task: BTreeMap<_, _> = first
        .tasks
        .iter()
        .map(|task| (task.id.to_string(), task.counters.new))
        .collect();
    assert_eq!(by_task, opened, "{:#?}", by_node(swarm));
    assert_eq!(first.tasks.len(), tasks.len());
    let total = &first.total;
    assert_eq!(total.new, opened.values().sum::<u64>());
    // UDP flows count as open for a minute.
    assert_eq!(total.active, kept + 12);
    assert_eq!(
        [
            total.packets_in,
            total.bytes_in,
            total.packets_out,
            total.bytes_out
        ],
        seen,
        "packets and bytes in, then out, as the client's own kernel counts them"
    );
    let mut sum = Counters::default();
    first.tasks.iter().for_each(|task| sum.add(&task.counters));
    assert_eq!(sum, *total);

    // What each node counted for itself is the whole, and nothing twice. By now all
    // connections are closed, and what that took is counted.
    wait::until("the sum of all nodes to be the whole", PATIENCE, || {
        let mut sum = Counters::default();
        for node in &swarm.nodes {
            let own = counted(json::<Stats>(node, &["stats", "--node"]));
            assert!(own.total.new > 0, "{}", node.name);
            sum.add(&own.total);
        }
        let whole = counted(json::<Stats>(&swarm.nodes[0], &["stats"])).total;
        Ok((sum == whole && whole.active == 12).then_some(()))
    })
    .unwrap();
}

/// The service's counters, from the host and from inside of each agent's container.
fn looked(swarm: &Swarm) -> Vec<ServiceStats> {
    let mut told = Vec::new();
    for node in &swarm.nodes {
        let stats: Stats = json(node, &["stats"]);
        assert_eq!(stats.missing, Vec::<String>::new());
        told.push(counted(stats));
        let inside = node.lbctl_inside(&["stats", "--json"]).unwrap();
        told.push(counted(serde_json::from_slice(&inside.stdout).unwrap()));
    }
    for service in &mut told {
        // Addresses are those on the node that was asked.
        service
            .tasks
            .iter_mut()
            .for_each(|task| task.address = None);
    }
    told
}

/// Counters of each node for each task, for messages of failed tests.
fn by_node(swarm: &Swarm) -> Vec<String> {
    let of = |node: &Node| {
        let own = counted(json::<Stats>(node, &["stats", "--node"]));
        let tasks = own
            .tasks
            .iter()
            .map(|task| format!("{}@{} {:?}", task.id, task.node, task.counters));
        format!("{}: {:#?}", node.name, tasks.collect::<Vec<_>>())
    };
    swarm.nodes.iter().map(of).collect()
}

fn counted(stats: Stats) -> ServiceStats {
    let mut services = stats.services.into_iter();
    services.find(|service| service.name == "counted").unwrap()
}

#[test]
fn a_download_is_counted_with_its_headers() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("bytes")
        .on_node("node3")
        .publish("8202:80");
    let (_service, _) = served(&swarm, &spec, 1);
    let len = 20_000_000;
    for name in ["node3", "node1"] {
        let node = swarm.node(name).unwrap();
        swarm.client.download((node.addr, 8202), len).unwrap();
        if by_ipvs() {
            std::thread::sleep(ADDED_UP);
        }
        let stats: Stats = json(node, &["stats", "--node", "--service", "bytes"]);
        let out = stats.services.first().unwrap().total;
        // 1500 bytes a packet at most, 52 of them headers; a few are sent again.
        let whole = len + len / 1448 * 52;
        // To IPVS, what the kernel cuts into packets later is one packet, of 64 KiB at most.
        let (bytes, packets) = if by_ipvs() {
            (len, len / 65_536)
        } else {
            (whole, len / 1448)
        };
        assert!(
            (bytes..whole + len / 20).contains(&out.bytes_out),
            "{name}: {out:?}"
        );
        assert!(
            (packets..len / 1300).contains(&out.packets_out),
            "{name}: {out:?}"
        );
    }
}

/// Counters of the client's own kernel for the two ports: rules that only count.
struct WireCounters<'a>(&'a Swarm);

/// Packets and bytes sent, packets and bytes received.
type Traffic = [u64; 4];

const RULES: [(&str, &str, &str, u16); 4] = [
    ("OUTPUT", "tcp", "--dport", TCP),
    ("OUTPUT", "udp", "--dport", UDP),
    ("INPUT", "tcp", "--sport", TCP),
    ("INPUT", "udp", "--sport", UDP),
];

impl<'a> WireCounters<'a> {
    fn watch(swarm: &'a Swarm) -> Self {
        let counters = Self(swarm);
        counters.rules("-A");
        counters
    }

    fn seen(&self) -> Traffic {
        let mut traffic = [0; 4];
        for (chain, at) in [("OUTPUT", 0), ("INPUT", 2)] {
            let listed = self.0.client_exec("iptables", &["-nvxL", chain]).unwrap();
            for line in listed.lines().filter(|line| line.contains("pt:820")) {
                let mut numbers = line
                    .split_whitespace()
                    .map_while(|word| word.parse::<u64>().ok());
                traffic[at] += numbers.next().unwrap();
                traffic[at + 1] += numbers.next().unwrap();
            }
        }
        traffic
    }

    fn rules(&self, verb: &str) {
        for (chain, proto, side, port) in RULES {
            let port = port.to_string();
            let rule = [verb, chain, "-p", proto, side, &port];
            let _ = self.0.client_exec("iptables", &rule);
        }
    }
}

impl Drop for WireCounters<'_> {
    fn drop(&mut self) {
        self.rules("-D");
    }
}
