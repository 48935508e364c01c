//! Room for ports that are withdrawn and may have connections: what published ports leave.

use super::*;
use std::ops::Range;

/// So many services, `0` the oldest, each with one task; these of them publish these TCP ports.
fn services(count: u64, published: &[(u64, Range<u16>)]) -> Snapshot {
    let mut view = SnapshotBuilder::new().node("there", member("node2", Some(THERE)));
    for n in 0..count {
        let id = n.to_string();
        let own = published.iter().filter(|(service, _)| *service == n);
        let service = SwarmService {
            name: format!("service{n}"),
            created: n,
            ports: own
                .flat_map(|(_, numbers)| numbers.clone())
                .map(|number| port(Proto::Tcp, number, 80))
                .collect(),
            ..web()
        };
        let task = crate::testing::task(&id, "there");
        view = view.service(&id, service).task(&format!("t{n}"), task);
    }
    view.build()
}

/// The node, where services have had these TCP ports until now.
fn had(ports: &[(u64, Range<u16>)]) -> Node {
    let serving = ports.iter().flat_map(|(service, numbers)| {
        let serving = Serving {
            service: Key::of(&service.to_string()),
            target: 80,
            has_tasks: true,
        };
        let numbers = numbers.clone();
        numbers.map(move |number| ((number, Proto::Tcp), serving))
    });
    Node {
        serving: serving.collect(),
        ..node()
    }
}

/// Numbers of published and of withdrawn ports of each service, in the order of services.
fn shares(wanted: &Desired, count: u64) -> Vec<(usize, usize)> {
    let share = |n: u64| {
        let service = wanted.services.get(&Key::of(&n.to_string()));
        service.map_or((0, 0), |it| (it.frontends.len(), it.withdrawn.len()))
    };
    (0..count).map(share).collect()
}

#[test]
fn withdrawn_ports_take_the_room_that_published_ones_leave_and_the_youngest_go_first() {
    let config = Config::default();
    let full = 4_096u16;
    let published: Vec<(u64, Range<u16>)> = (0..3u16)
        .map(|n| (n.into(), 10_000 + n * full..10_000 + (n + 1) * full))
        .collect();
    let (older, younger) = ((3, 30_000..34_000), (4, 40_000..40_200));
    let mut node = had(&[older.clone(), younger]);
    let view = services(5, &published);
    let (wanted, problems) = desired(&view, &node, &config);
    assert_eq!(problems, vec![]);
    let all = (4_096, 0);
    let kept = shares(&wanted, 5);
    assert_eq!(kept, [all, all, all, (0, 4_000), (0, 96)]);
    let total: usize = kept.iter().map(|(has, keeps)| has + keeps).sum();
    assert_eq!(total, share::ALL_PORTS);
    // What is kept stays, as it is all that is served next.
    node.serving = wanted.serving();
    let (again, _) = desired(&view, &node, &config);
    assert_eq!(shares(&again, 5), kept);
    // A port that is published next has the room of one of the youngest's.
    let mut more = published.clone();
    more.push((4, 50_000..50_001));
    let (wanted, problems) = desired(&services(5, &more), &node, &config);
    assert_eq!(problems, vec![]);
    assert_eq!(shares(&wanted, 5)[3..], [(0, 4_000), (1, 95)]);
    // Ports without connections take no room.
    let mut node = had(&[older.clone(), (4, 40_000..40_200)]);
    node.drained = older.1.map(|number| (number, Proto::Tcp)).collect();
    let (wanted, _) = desired(&view, &node, &config);
    assert_eq!(shares(&wanted, 5)[3..], [(0, 0), (0, 200)]);
}

#[test]
fn withdrawn_ports_of_a_service_count_among_those_that_it_can_have() {
    let node = had(&[(0, 30_000..34_000)]);
    let (wanted, problems) = desired(
        &services(1, &[(0, 10_000..10_100)]),
        &node,
        &Config::default(),
    );
    assert_eq!(problems, vec![]);
    assert_eq!(shares(&wanted, 1), [(100, 3_996)]);
}

#[test]
fn a_service_with_nothing_but_withdrawn_ports_needs_no_place_in_a_table() {
    let mut view = services(2, &[(1, 8_081..8_082)]);
    for (_, service) in &mut view.services {
        service.labels = labels(&[("swarmlb.policy", "maglev")]);
    }
    let node = had(&[(0, 8_080..8_081)]);
    let wanted = Incremental::full(&view, &node, &Config::default());
    assert_eq!(wanted.problems(), vec![]);
    assert_eq!(shares(&wanted.desired, 2), [(0, 1), (1, 0)]);
    let left = &wanted.desired.services[&Key::of("0")];
    assert_eq!((left.active().count(), left.backends.len()), (0, 1));
    let kept = wanted.withdrawn();
    let ports = [((8_080, Proto::Tcp), 80)].into();
    assert_eq!(kept, [(Key::of("0"), ports)].into());
}
