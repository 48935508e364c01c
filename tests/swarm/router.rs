//! The HTTP router, deployed beside the agents as README says: services share ports 80 and 443 by their labels.

mod changes;
mod kills;
mod loads;
mod protocols;
mod site;
mod streams;
mod swarm;
mod updates;

use std::path::Path;
use std::time::Duration;

use harness::agents::by_ipvs;
use harness::containers::inside;
use harness::netns::Netns;
use harness::wait;
use protocols::curl;
use swarm::Routed;

use crate::{TASKS, privileges};

/// Three services by labels of Interlock and three by those of Traefik; none publishes a port, and no two share a network.
const STACK: &str = "
version: '3.8'
x-who: &who { TASK: '{{.Task.ID}}', NODE: '{{.Node.Hostname}}', VERSION: '{{.Service.Name}}' }
services:
  docs: { image: whoami:1, environment: *who, networks: [n1], deploy: { replicas: 2, labels: {
    com.docker.lb.hosts: docs.test, com.docker.lb.port: '80' } } }
  shop: { image: whoami:1, environment: *who, networks: [n2], deploy: { replicas: 3, labels: {
    com.docker.lb.hosts: 'shop.test,www.shop.test', com.docker.lb.port: '80' } } }
  cart: { image: whoami:1, environment: *who, networks: [n3], deploy: { labels: {
    com.docker.lb.hosts: shop.test, com.docker.lb.port: '80', com.docker.lb.context_root: /cart,
    com.docker.lb.context_root_rewrite: 'true' } } }
  blog: { image: whoami:1, environment: *who, networks: [n4], deploy: { mode: global, labels: {
    traefik.enable: 'true', traefik.http.routers.blog.rule: 'Host(`blog.test`)',
    traefik.http.routers.blog.entrypoints: 'web,websecure',
    traefik.http.services.blog.loadbalancer.server.port: '80' } } }
  wiki: { image: whoami:1, environment: *who, networks: [n5], deploy: { labels: {
    traefik.enable: 'true', traefik.http.routers.wiki.rule: 'HostRegexp(`^wiki[0-9]+\\.test$$`)',
    traefik.http.routers.wiki.entrypoints: 'web,websecure',
    traefik.http.services.wiki.loadbalancer.server.port: '80' } } }
  api: { image: whoami:1, environment: *who, networks: [n6], deploy: { labels: {
    traefik.enable: 'true', traefik.http.routers.api.rule: 'Host(`blog.test`) && PathPrefix(`/api`)',
    traefik.http.routers.api.entrypoints: 'web,websecure',
    traefik.http.routers.api.middlewares: plain, traefik.http.middlewares.plain.stripprefix.prefixes: /api/v1,
    traefik.http.services.api.loadbalancer.server.port: '80' } } }
networks: { n1: {}, n2: {}, n3: {}, n4: {}, n5: {}, n6: {} }
";

/// Host, path, and the service that answers.
const URLS: [(&str, &str, &str); 8] = [
    ("docs.test", "/", "web_docs"),
    ("shop.test", "/", "web_shop"),
    ("www.shop.test", "/", "web_shop"),
    ("shop.test", "/cart", "web_cart"),
    ("blog.test", "/", "web_blog"),
    ("wiki7.test", "/", "web_wiki"),
    ("blog.test", "/api/v1", "web_api"),
    ("wiki42.test", "/", "web_wiki"),
];

#[test]
fn services_without_ports_answer_by_host_through_every_node_from_everywhere() {
    let Some(routed) = Routed::up("lbroute") else {
        return;
    };
    let swarm = &routed.test.swarm;
    let file = swarm.dir().join("web.yml");
    std::fs::write(&file, STACK).unwrap();
    let _guard = swarm.stack_guard("web");
    swarm.stack_deploy(&file, "web").unwrap();
    let counts = [
        ("docs", 2),
        ("shop", 3),
        ("cart", 1),
        ("blog", 3),
        ("wiki", 1),
        ("api", 1),
    ];
    for (service, count) in counts {
        let service = format!("web_{service}");
        swarm.wait_for_tasks(&service, count, TASKS).unwrap();
    }
    let names = URLS.map(|(host, ..)| host);
    let authority = routed.certificates(&names);
    let caller = swarm
        .wait_for_tasks("web_docs", 2, TASKS)
        .unwrap()
        .remove(0);
    let (_netns, container) = inside(swarm, &caller).unwrap();
    for node in &swarm.nodes {
        for (host, path, service) in URLS {
            let address = node.addr.to_string();
            let from = |netns: &Netns, scheme: &str, address: &str| {
                curl(netns, address, (scheme, host, path), &authority)
            };
            // The last task that runs is routed a moment later.
            let what = format!("{host}{path} on {}", node.name);
            let first = || {
                let answer = from(swarm.client.netns(), "http", &address).ok();
                Ok(answer.filter(|answer| answer.contains(service)))
            };
            wait::until(&what, Duration::from_secs(10), first).unwrap();
            let client = swarm.client.netns();
            for (from, answer) in [
                ("outside", from(client, "http", &address)),
                ("outside, by TLS", from(client, "https", &address)),
                ("the node", from(node.client().netns(), "http", "127.0.0.1")),
                (
                    "the node, by TLS",
                    from(node.client().netns(), "https", &address),
                ),
                ("a container", from(container.netns(), "http", &address)),
            ] {
                let answer =
                    answer.unwrap_or_else(|error| panic!("{what}, from {from}: {error:#}"));
                assert!(answer.contains(service), "{what}, from {from}: {answer}");
            }
        }
    }
    routed.assert_unprivileged();
    for node in &swarm.nodes {
        privileges::assert_agents_capabilities(node, privileges::NET_BIND_SERVICE);
    }
    let routes = swarm.nodes[1].lbctl(&["routes"]).unwrap();
    let routes = String::from_utf8(routes.stdout).unwrap();
    for (host, ..) in URLS.iter().filter(|(host, ..)| !host.starts_with("wiki")) {
        assert!(routes.contains(host), "{routes}");
    }
    // By IPVS tasks always have IPv4 addresses.
    if !by_ipvs() {
        answer_without_ipv6(&routed, &authority);
    }
}

/// The agents take their hosts for ones without IPv6: each URL answers through every node, by tasks that have IPv4 addresses
/// there. What such nodes do in updates is asserted in `updates`, which takes longer.
fn answer_without_ipv6(routed: &Routed, authority: &Path) {
    let swarm = &routed.test.swarm;
    let family = "SWARMLB_TASK_ADDRESS_FAMILY=ipv4";
    updates::update_agents(routed, &["--env-add", family]).unwrap();
    swarm.wait_for_agents().unwrap();
    for node in &swarm.nodes {
        wait::until("IPv4 addresses of both tasks", TASKS, || {
            let told = node.lbctl(&["explain", "http://docs.test/"])?;
            let told = String::from_utf8_lossy(&told.stdout).into_owned();
            let by_ipv4 = [", 252.", ", 253."].map(|begin| told.matches(begin).count());
            Ok((by_ipv4.iter().sum::<usize>() == 2).then_some(()))
        })
        .unwrap();
        for (host, path, service) in URLS {
            let address = node.addr.to_string();
            let what = format!("{host}{path} on {}, without IPv6", node.name);
            // The agent knows the addresses a moment before its router does.
            wait::until(&what, Duration::from_secs(10), || {
                let client = swarm.client.netns();
                let answer = curl(client, &address, ("http", host, path), authority).ok();
                Ok(answer.filter(|answer| answer.contains(service)))
            })
            .unwrap();
        }
    }
}
