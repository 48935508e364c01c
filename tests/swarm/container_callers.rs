//! Containers that call a published port on a node's address, their own node's included.

use std::collections::BTreeSet;

use harness::agents::by_ipvs;
use harness::containers::{gateway, home, inside};
use harness::pattern;
use harness::service::ServiceSpec;
use ipnet::IpNet;
use lb_core::backend::ipvs::ids::HAIRPIN_FROM;

use crate::shared_swarm;
use crate::tools::{ids, served, tally, task};

/// Bytes: many segments, merged ones among them.
const LENGTH: u64 = 20 << 20;

#[test]
fn a_container_reaches_every_task_in_turn_itself_included_through_every_node() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("calls")
        .replicas(6)
        .publish("8110:80")
        .publish("8110:80/udp");
    let (_service, tasks) = served(&swarm, &spec, 6);
    let caller = &tasks[0];
    let (_netns, client) = inside(&swarm, caller).unwrap();
    let names = swarm
        .nodes
        .iter()
        .map(|node| (node.addr, node.name.as_str()));
    let own = (
        gateway(home(&swarm, caller).unwrap()).unwrap(),
        "the bridge that it is on",
    );
    for (address, name) in names.chain([own]) {
        let answers = client.sequential((address, 8110), 12).unwrap();
        let twice = ids(&tasks).into_iter().map(|task| (task, 2)).collect();
        assert_eq!(tally(&answers), twice, "through {name}");
        // Beyond its own node, a container has its node's address anyway.
        let seen: BTreeSet<_> = answers.iter().map(|who| who.peer.ip()).collect();
        let home = home(&swarm, caller).unwrap().addr;
        let here = address == home || address == own.0;
        if here && by_ipvs() {
            let mut seen = seen.iter();
            let (one, more) = (seen.next().unwrap(), seen.next());
            assert!(more.is_none(), "through {name}: {one} and {more:?}");
            assert!(
                IpNet::from(HAIRPIN_FROM).contains(one),
                "through {name}: {one}"
            );
        } else {
            assert_eq!(seen, [home.into()].into(), "through {name}");
        }
        let one = client
            .udp((address, 8110), harness::client::PATIENCE)
            .unwrap();
        assert!(ids(&tasks).contains(&task(&one)));
    }
}

#[test]
fn what_a_container_downloads_from_tasks_here_and_elsewhere_arrives_intact() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("fetch").replicas(3).publish("8111:80");
    let (_service, tasks) = served(&swarm, &spec, 3);
    let (_netns, client) = inside(&swarm, &tasks[0]).unwrap();
    let own = home(&swarm, &tasks[0]).unwrap().addr;
    let expected = pattern::sha256(LENGTH);
    for _ in 0..3 {
        let down = client.download((own, 8111), LENGTH).unwrap();
        assert_eq!((down.bytes, &down.sha256), (LENGTH, &expected));
        let up = client.upload((own, 8111), LENGTH).unwrap();
        assert_eq!((up.bytes, &up.sha256), (LENGTH, &expected));
    }
}
