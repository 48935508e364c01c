mod told;
mod words;

use super::*;
use crate::model::port::{Proto, PublishMode, PublishedPort};
use crate::model::snapshot::Service;
use ipnet::Ipv4Net;
use std::time::Duration;

fn service(labels: &[(&str, &str)]) -> Service {
    Service {
        name: "vote".to_owned(),
        labels: labels
            .iter()
            .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()))
            .collect(),
        ports: vec![port(8080, 80, Proto::Tcp)],
        ..Service::default()
    }
}

fn port(published: u16, target: u16, proto: Proto) -> PublishedPort {
    PublishedPort {
        proto,
        published,
        target,
        mode: PublishMode::Ingress,
    }
}

fn read(service: &Service) -> (ServiceOptions, Vec<String>) {
    let labels = &service.labels;
    (labels.options().clone(), labels.refusals().to_vec())
}

fn ports(service: &Service) -> Vec<PublishedPort> {
    let claims = service.claims().into_iter();
    claims.map(|claim| claim.port).collect()
}

fn complaints(labels: &[(&str, &str)]) -> Vec<String> {
    let (_, problems) = read(&service(labels));
    let named = |why| format!("service vote: {why}");
    problems.into_iter().map(named).collect()
}

#[test]
fn a_service_without_labels_is_served_as_ever() {
    let (options, problems) = read(&service(&[("com.example.swarmlb.policy", "x")]));
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(
        (options.enabled, options.policy),
        (true, Policy::RoundRobin)
    );
    assert_eq!(ports(&service(&[])), [port(8080, 80, Proto::Tcp)]);
}

#[test]
fn labels_of_routes_are_kept_as_they_are_up_to_64_kib() {
    let others = [
        ("swarmlb.policy", "maglev"),
        ("com.docker.lb", "x"),
        ("traefik", "x"),
    ];
    let routes = [
        ("Traefik.Enable", "true"),
        ("com.docker.lb.hosts", " a.example "),
    ];
    let read = service(&[others.as_slice(), &routes].concat()).labels;
    let kept: Vec<_> = read.route_labels().into_iter().collect();
    assert_eq!(
        kept,
        routes.map(|(label, value)| (label.to_owned(), value.to_owned()))
    );
    assert_eq!(read.route_bytes(), 11 + 19 + 14 + 4);
    let bytes = |value: usize| service(&[("traefik.x", &"x".repeat(value))]).labels;
    assert_eq!(bytes(65_527).route_labels().len(), 1);
    let large = bytes(65_528);
    assert_eq!(
        (large.route_labels().len(), large.route_bytes()),
        (0, 65_537)
    );
    let told = large.as_map().get("traefik.x").map(String::len);
    assert_eq!(told, Some(65_528), "other nodes decide alike");
}

#[test]
fn each_label_is_understood() {
    let (options, problems) = read(&service(&[
        ("swarmlb.enable", "false"),
        ("swarmlb.policy", "source-hash"),
        ("swarmlb.local", "only"),
        ("swarmlb.publish", "8081:80, 53:5353/udp,443:8443/tcp"),
        ("swarmlb.return", "direct"),
        ("swarmlb.affinity", "60"),
        (
            "swarmlb.allow",
            "10.0.0.0/9, 10.128.0.0/9,192.0.2.7,2001:db8::/32",
        ),
    ]));
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(
        options,
        ServiceOptions {
            enabled: false,
            policy: Policy::SourceHash,
            local: Local::Only,
            affinity: Some(Duration::from_secs(60)),
            task_address: false,
            direct: true,
            allow: Some(vec![
                "10.0.0.0/8".parse().unwrap(),
                "192.0.2.7/32".parse().unwrap()
            ]),
            published: vec![
                port(8081, 80, Proto::Tcp),
                port(53, 5353, Proto::Udp),
                port(443, 8443, Proto::Tcp)
            ],
        }
    );
}

#[test]
fn a_bad_label_is_named_and_the_rest_of_the_service_works() {
    assert_eq!(
        complaints(&[("swarmlb.polcy", "maglev")]),
        [
            "service vote: label swarmlb.polcy=maglev: there is no such label; there are enable, policy, affinity, local, return, task-address, allow and publish"
        ]
    );
    assert_eq!(
        complaints(&[("swarmlb.policy", "random")]),
        [
            "service vote: label swarmlb.policy=random: it is round-robin, least-conn, source-hash or maglev; round-robin it is until then"
        ]
    );
    let bad = [(
        "swarmlb.publish",
        "81:80,0:80,80,9:9/sctp,70000:1,a:b,8082:80",
    )];
    assert_eq!(
        complaints(&bad),
        [
            "service vote: label swarmlb.publish=81:80,0:80,80,9:9/sctp,70000:1,a:b,8082:80: `0:80`, `80`, `9:9/sctp`, \
          `70000:1`, `a:b` is no PUBLISHED:TARGET[/tcp|/udp] with ports from 1 to 65535; it is left out"
        ]
    );
    let published: Vec<u16> = ports(&service(&bad))
        .iter()
        .map(|port| port.published)
        .collect();
    assert_eq!(published, [8080, 81, 8082]);
    for label in [
        ("swarmlb.enable", "no"),
        ("swarmlb.local", "yes"),
        ("swarmlb.affinity", "0"),
        ("swarmlb.affinity", "604801"),
        ("swarmlb.return", "there"),
    ] {
        assert_eq!(complaints(&[label]).len(), 1, "{label:?}");
        assert_eq!(ports(&service(&[label])).len(), 1, "{label:?}");
    }
}

#[test]
fn a_restriction_that_is_not_understood_is_not_ignored() {
    for (value, allowed, problems) in [
        ("10.0.0.0/8,10.0.0.0/33,all", vec!["10.0.0.0/8"], 1),
        ("none of these", vec![], 1),
        ("", vec![], 1),
        ("2001:db8::/32", vec![], 0),
    ] {
        let labels = [("swarmlb.allow", value)];
        let (options, told) = read(&service(&labels));
        let expected: Vec<Ipv4Net> = allowed.iter().map(|net| net.parse().unwrap()).collect();
        assert_eq!(
            (options.allow, told.len()),
            (Some(expected), problems),
            "{value}"
        );
        assert_eq!(
            ports(&service(&labels)).len(),
            1,
            "{value}: published, to those"
        );
    }
}

#[test]
fn a_service_that_is_left_to_docker_has_no_ports_of_ours() {
    let labels = [("swarmlb.enable", "false"), ("swarmlb.publish", "81:80")];
    assert_eq!(ports(&service(&labels)), []);
}

#[test]
fn what_swarm_publishes_is_not_published_twice() {
    let same = service(&[("swarmlb.publish", "8080:81,8080:80/udp")]);
    let expected = [port(8080, 80, Proto::Tcp), port(8080, 80, Proto::Udp)];
    assert_eq!(ports(&same), expected);
}

/// A label's value of a megabyte.
fn megabyte(entry: impl Fn(usize) -> String) -> String {
    let mut value = String::new();
    for number in 0.. {
        if value.len() >= 1 << 20 {
            break;
        }
        value.push_str(&entry(number));
        value.push(',');
    }
    value
}

#[test]
fn a_label_of_a_megabyte_costs_and_says_no_more_than_a_long_one() {
    let port = |n: usize| format!("{}:80", n % 65_535 + 1);
    let network = |n: usize| format!("10.{}.{}.0/25", n / 256 % 256, n % 256);
    for (label, value) in [
        ("swarmlb.publish", megabyte(port)),
        ("swarmlb.publish", megabyte(|_| "x".to_owned())),
        ("swarmlb.publish", "1".repeat(1 << 20)),
        ("swarmlb.allow", megabyte(network)),
        ("swarmlb.allow", megabyte(|_| "\u{20ac}".to_owned())),
        ("swarmlb.policy", "\u{20ac}".repeat(350_000)),
        ("swarmlb.affinity", "9".repeat(1 << 20)),
    ] {
        let (options, problems) = read(&service(&[(label, &value)]));
        assert!(options.published.len() <= PORTS, "{label}");
        assert!(
            options.allow.iter().flatten().count() <= NETWORKS,
            "{label}"
        );
        assert_eq!(options.allow.is_some(), label == "swarmlb.allow");
        assert_eq!(problems.len(), 1, "{label}");
        assert!(problems[0].len() < 1_000, "{}", problems[0]);
    }
    let many: Vec<_> = (0..50_000).map(|n| format!("swarmlb.{n}")).collect();
    let many: Vec<_> = many.iter().map(|label| (label.as_str(), "")).collect();
    let (_, problems) = read(&service(&many));
    assert_eq!(problems.len(), NAMED + 1);
    let last = problems.last().unwrap();
    assert_eq!(last, "49984 more of its labels can't be served");
}

#[test]
fn of_what_is_too_much_the_first_is_served_and_the_rest_is_named() {
    let published: Vec<_> = (1..=300).map(|n| format!("{}:80", 2_000 + n)).collect();
    // One port twice is one port.
    let value = format!("2001:81,{}", published.join(","));
    let (options, problems) = read(&service(&[("swarmlb.publish", &value)]));
    let first = options.published.first().map(|port| port.target);
    assert_eq!((options.published.len(), first), (256, Some(81)));
    let says = "a service can have 256 ports by labels; 44 more are left out";
    assert!(problems[0].ends_with(says), "{problems:?}");

    // Every other one, so that none makes a larger one with its neighbour.
    let networks = (0..1_100).map(|n| format!("10.{}.{}.0/24", n / 100, n % 100 * 2));
    let value = networks.collect::<Vec<_>>().join(",");
    let (options, problems) = read(&service(&[("swarmlb.allow", &value)]));
    assert_eq!(options.allow.unwrap().len(), 1_024);
    let says = "a service can allow 1024 networks; the clients of 76 more are not allowed";
    assert!(problems[0].ends_with(says), "{problems:?}");
}

#[test]
fn tasks_have_addresses_for_processes_only_where_that_is_asked_for() {
    let asked = |value: Option<&str>| {
        let labels = value.map(|value| ("swarmlb.task-address".to_owned(), value.to_owned()));
        let service = Service {
            labels: labels.into_iter().collect(),
            ..Service::default()
        };
        let (options, problems) = read(&service);
        (options.task_address, problems.len())
    };
    assert_eq!(asked(None), (false, 0));
    assert_eq!(asked(Some("true")), (true, 0));
    assert_eq!(asked(Some("false")), (false, 0));
    assert_eq!(asked(Some("yes")), (false, 1));
}
