//! A node is drained and made active again under load through all nodes.

use std::time::Duration;

use harness::service::ServiceSpec;
use harness::wait;

use crate::clients::Clients;
use crate::tools::{assert_unharmed, ids, served};
use crate::{TASKS, alone};

#[test]
fn draining_a_node_and_activating_it_under_load_fails_no_request() {
    let Some(swarm) = alone() else { return };
    let manager = swarm.manager().unwrap();
    let _active = Active(&swarm);
    let spec = ServiceSpec::named("drain").replicas(6).publish("8150:80");
    let (service, before) = served(&swarm, &spec, 6);
    assert!(before.iter().any(|task| task.node == "node2"));

    let drained = || {
        manager.docker(&["node", "update", "--availability", "drain", "node2"])?;
        let moved = wait::until("tasks to move", TASKS, || {
            let tasks = service.wait_for_tasks(6, TASKS)?;
            let moved = tasks.iter().all(|task| task.node != "node2");
            Ok(moved.then_some(tasks))
        })?;
        std::thread::sleep(Duration::from_secs(1));
        Ok(moved)
    };
    let clients = Clients::of(&swarm, 8150);
    let (moved, report, lost) = clients.during("drain of node2", drained);
    // Before the judgement: through the drained node, every task of the others is reached.
    let through = swarm
        .client
        .sequential((swarm.node("node2").unwrap().addr, 8150), 6);
    println!("tasks now: {:?}", ids(&moved));
    assert_unharmed("drain of node2", &report, lost);
    assert_eq!(crate::tools::tally(&through.unwrap()).len(), 6);

    let node2 = swarm.node("node2").unwrap();
    let leaving = node2.agent_pid().unwrap();
    let activated = || {
        manager.docker(&["node", "update", "--availability", "active", "node2"])?;
        // The old agent goes, the Swarm starts another one.
        wait::until("another agent", TASKS, || {
            let another = node2
                .agent_pid()
                .is_ok_and(|pid| pid != leaving && pid != 0);
            let serves = another && node2.lbctl(&["status", "--quiet"])?.status.success();
            Ok(serves.then_some(()))
        })?;
        std::thread::sleep(Duration::from_secs(1));
        Ok(())
    };
    clients.unharmed("activation of node2", activated);
    service.update(&["--replicas", "9"]).unwrap();
    let nine = crate::tools::settled(&swarm, &service, 9);
    assert!(nine.iter().any(|task| task.node == "node2"), "{nine:?}");
}

struct Active<'a>(&'a harness::swarm::Swarm);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        let active = ["node", "update", "--availability", "active", "node2"];
        let _ = self.0.manager().and_then(|node| node.docker(&active));
        let _ = self.0.wait_for_agents();
    }
}
