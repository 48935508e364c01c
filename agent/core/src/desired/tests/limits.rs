//! What one service may have, to the last port and network, and how it is told what it can't have.

use super::*;

/// TCP ports from 20000 on.
fn ports(count: u16) -> Vec<PublishedPort> {
    let numbers = 20_000..20_000 + count;
    numbers.map(|number| port(Proto::Tcp, number, 80)).collect()
}

fn of(service: SwarmService) -> (Service, Vec<String>) {
    let (wanted, problems) = desired(&view(service), &node(), &Config::default());
    let service = &wanted.services[&Key::of("s")];
    let messages = problems.into_iter().map(|problem| problem.message);
    (Service::clone(service), messages.collect())
}

#[test]
fn a_service_has_all_ports_of_its_share() {
    for (count, told) in [(4_096, 0), (4_097, 1)] {
        let (served, problems) = of(SwarmService {
            ports: ports(count),
            ..web()
        });
        assert_eq!((served.frontends.len(), problems.len()), (4_096, told));
    }
}

#[test]
fn a_service_allows_all_networks_of_its_share() {
    let networks = (0..1_024).map(|n| format!("10.{}.{}.0/25", n / 256, n % 256));
    let networks = networks.collect::<Vec<_>>().join(",");
    for (count, allowed, told) in [(16, 1_024, 0), (17, 963, 1)] {
        let (served, problems) = of(SwarmService {
            ports: ports(count),
            labels: labels(&[("swarmlb.allow", &networks)]),
            ..web()
        });
        let networks = served.allow.unwrap();
        assert_eq!((networks.len(), problems.len()), (allowed, told));
    }
}

#[test]
fn eight_refused_ports_are_named_and_of_more_the_number() {
    let refused = |count: u16| {
        let published: Vec<String> = (1..=count).map(|n| format!("{n}:80")).collect();
        let (_, mut problems) = of(SwarmService {
            labels: labels(&[("swarmlb.publish", &published.join(","))]),
            ..web()
        });
        assert_eq!(problems.len(), 1);
        problems.remove(0)
    };
    for (count, begins) in [
        (1, "port 1/tcp is not served: labels publish"),
        (2, "ports 1/tcp, 2/tcp are not served: labels publish"),
        (
            8,
            "ports 1/tcp, 2/tcp, 3/tcp, 4/tcp, 5/tcp, 6/tcp, 7/tcp, 8/tcp are not served: labels",
        ),
        (
            9,
            "ports 1/tcp, 2/tcp, 3/tcp, 4/tcp, 5/tcp, 6/tcp, 7/tcp, 8/tcp and 1 more are not served: labels",
        ),
    ] {
        let said = refused(count);
        assert!(said.starts_with(begins), "{said}");
    }
}

#[test]
fn sctp_that_swarm_publishes_on_every_node_is_named_where_swarmlb_serves_the_service() {
    let sctp = PublishedPort {
        proto: Proto::Sctp,
        ..port(Proto::Tcp, 9, 9)
    };
    let host = PublishedPort {
        mode: PublishMode::Host,
        ..sctp
    };
    let told = |ports: [PublishedPort; 2], enabled| {
        let service = SwarmService {
            ports: ports.into(),
            labels: labels(&[("swarmlb.enable", enabled)]),
            ..web()
        };
        let (_, problems) = desired(&view(service), &node(), &Config::default());
        problems
            .into_iter()
            .map(|it| it.message)
            .collect::<Vec<_>>()
    };
    let tcp = port(Proto::Tcp, 8080, 80);
    let expected = ["port 9/sctp is not served: SCTP is not supported"];
    assert_eq!(told([tcp, sctp], "true"), expected);
    assert_eq!(
        told([tcp, host], "true"),
        Vec::<String>::new(),
        "Docker's affair"
    );
    assert_eq!(
        told([tcp, sctp], "false"),
        Vec::<String>::new(),
        "left to Docker"
    );
}

#[test]
fn an_operator_lets_processes_call_all_tasks_by_their_own_addresses() {
    let config = Config {
        task_addresses: true,
        ..Config::default()
    };
    let (wanted, _) = desired(&view(web()), &node(), &config);
    assert!(wanted.services[&Key::of("s")].task_address);
    assert!(!served(web()).task_address);
}
