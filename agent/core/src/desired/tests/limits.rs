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
fn what_1100_ports_come_to_depends_on_who_publishes_them() {
    // By Swarm all are served, also by a policy with large tables: they share one.
    let (served, problems) = of(SwarmService {
        ports: ports(1_100),
        labels: labels(&[("swarmlb.policy", "source-hash")]),
        ..web()
    });
    assert_eq!((served.frontends.len(), problems), (1_100, vec![]));
    // By label 256 are, and one sentence tells of the rest.
    let published: Vec<String> = (0..1_100).map(|n| format!("{}:80", 20_000 + n)).collect();
    let (served, problems) = of(SwarmService {
        ports: Vec::new(),
        labels: labels(&[
            ("swarmlb.policy", "source-hash"),
            ("swarmlb.publish", &published.join(",")),
        ]),
        ..web()
    });
    assert_eq!((served.frontends.len(), problems.len()), (256, 1));
    let says = "a service can have 256 ports by labels; 844 more are left out";
    assert!(problems[0].ends_with(says), "{problems:?}");
}

/// Services `0`, `1` and so on, made in this order: by maglev, and with so many tasks each.
fn crowd(services: u64, tasks: usize) -> Snapshot {
    let mut view = SnapshotBuilder::new().node("there", member("node2", Some(THERE)));
    for n in 0..services {
        let id = n.to_string();
        let service = SwarmService {
            name: format!("service{n}"),
            created: n,
            labels: labels(&[("swarmlb.policy", "maglev")]),
            ports: vec![port(Proto::Tcp, 8_080 + u16::try_from(n).unwrap(), 80)],
            ..web()
        };
        view = view.service(&id, service);
        for task in 0..tasks {
            view = view.task(&format!("{n}-{task}"), crate::testing::task(&id, "there"));
        }
    }
    view.build()
}

/// The services that have ports.
fn open(desired: &Desired, services: u64) -> Vec<u64> {
    let open = |n: &u64| {
        let served = &desired.services[&Key::of(&n.to_string())];
        !served.frontends.is_empty()
    };
    (0..services).filter(open).collect()
}

#[test]
fn tables_of_all_services_fit_in_twice_and_a_new_service_takes_no_room_from_older_ones() {
    // 300 tasks take 65,521 places by maglev: two such services have half of the room.
    let config = Config::default();
    let two = Incremental::full(&crowd(2, 300), &node(), &config);
    assert_eq!(
        (open(&two.desired, 2), two.problems()),
        (vec![0, 1], vec![])
    );
    let (wanted, problems) = desired(&crowd(4, 300), &node(), &config);
    assert_eq!(open(&wanted, 4), [0, 1]);
    let told: Vec<String> = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.object, problem.message))
        .collect();
    assert_eq!(told.len(), 2, "one for each: {told:?}");
    let begins = "service service2: port 8082/tcp is not served: its tasks take 65521 places in the table of its ports, \
                  and older services leave fewer of the 131072";
    assert!(told[0].starts_with(begins), "{told:?}");
    // Those that were there are as they were.
    for n in ["0", "1"].map(Key::of) {
        assert_eq!(wanted.services[&n], two.desired.services[&n]);
    }
    // What is free goes to the next one, step by step as anew.
    let mut view = crowd(4, 300);
    let stepwise = Incremental::full(&view, &node(), &config);
    for task in 0..299 {
        view.tasks
            .remove(&TaskId::from(format!("0-{task}").as_str()));
    }
    let stepwise = stepwise.update(&view, &node(), &config);
    assert_eq!(open(&stepwise.desired, 4), [0, 1]);
    for task in 0..299 {
        view.tasks
            .remove(&TaskId::from(format!("1-{task}").as_str()));
    }
    let stepwise = stepwise.update(&view, &node(), &config);
    assert_eq!(open(&stepwise.desired, 4), [0, 1, 2]);
    let (wanted, problems) = desired(&view, &node(), &config);
    assert_eq!(
        (&stepwise.desired, stepwise.problems()),
        (&wanted, problems)
    );
    // An update of a service that has room changes nobody else.
    view.tasks.remove(&TaskId::from("2-7"));
    let stepwise = stepwise.update(&view, &node(), &config);
    assert_eq!(open(&stepwise.desired, 4), [0, 1, 2]);
}

#[test]
fn a_service_has_as_many_tasks_as_its_table_has_places() {
    for (places, fits) in [(65_536, true), (65_537, false)] {
        let mut view = view(web());
        view.tasks.clear();
        for task in 0..places {
            let task = format!("t{task}");
            let id = TaskId::from(task.as_str());
            view.tasks.insert(id, crate::testing::task("s", "there"));
        }
        let (wanted, problems) = desired(&view, &node(), &Config::default());
        let served = &wanted.services[&Key::of("s")];
        assert_eq!(
            (served.frontends.len(), problems.len()),
            (usize::from(fits), usize::from(!fits))
        );
    }
}

#[test]
fn a_service_has_65536_pairs_of_port_and_task() {
    let mut view = view(SwarmService {
        ports: ports(400),
        labels: labels(&[("swarmlb.policy", "source-hash")]),
        ..web()
    });
    view.tasks.clear();
    for slot in 0..164 {
        let id = format!("t{slot}");
        let task = crate::model::snapshot::Task {
            slot: slot + 1,
            ..crate::testing::task("s", "there")
        };
        view.tasks.insert(id.as_str().into(), task);
    }
    let (wanted, problems) = desired(&view, &node(), &Config::default());
    assert_eq!(wanted.services[&Key::of("s")].frontends.len(), 399);
    let told: Vec<&str> = problems.iter().map(|it| it.message.as_str()).collect();
    assert_eq!(
        told,
        [
            "port 20399/tcp is not served: a service can have 65536 pairs of port and task, and it has 164 tasks; share the ports \
             out among several services"
        ]
    );
}

#[test]
fn all_services_have_16384_ports_and_the_youngest_goes_without() {
    let mut view = view(web());
    for n in 0..5u16 {
        let first = 10_000 + n * 4_096;
        let service = SwarmService {
            name: format!("service{n}"),
            // The last one is the oldest.
            created: u64::from(10 - n),
            ports: (first..first + 4_096)
                .map(|number| port(Proto::Tcp, number, 80))
                .collect(),
            ..web()
        };
        view.services.insert(n.to_string().as_str().into(), service);
    }
    // The oldest of all.
    let (wanted, problems) = desired(&view, &node(), &Config::default());
    let open = |id: &str| wanted.services[&Key::of(id)].frontends.len();
    assert_eq!(["s", "4", "3", "2"].map(open), [1, 4_096, 4_096, 4_096]);
    assert_eq!(["1", "0"].map(open), [4_095, 0]);
    let told: Vec<&str> = problems.iter().map(|it| it.message.as_str()).collect();
    assert_eq!(
        told,
        [
            "ports 10000/tcp, 10001/tcp, 10002/tcp, 10003/tcp, 10004/tcp, 10005/tcp, 10006/tcp, 10007/tcp and 4088 more are not \
             served: all services together can have 16384 ports, and older ones have them; publish fewer ports",
            "port 18191/tcp is not served: all services together can have 16384 ports, and older ones have them; publish \
             fewer ports"
        ]
    );
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
