//! Rolling updates under load.

use std::collections::BTreeSet;
use std::time::Duration;

use harness::guards::Service;
use harness::image::WHOAMI_NEXT;
use harness::service::ServiceSpec;
use harness::swarm::Swarm;
use harness::wait;

use crate::clients::Clients;
use crate::tools::{answered, ids, served};
use crate::{TASKS, alone};

const UPDATE: Duration = Duration::from_secs(60);

#[test]
fn a_stop_first_update_under_load_fails_no_request() {
    rolls("stop-first", 8140);
}

#[test]
fn a_start_first_update_under_load_fails_no_request() {
    rolls("start-first", 8141);
}

fn rolls(order: &str, port: u16) {
    let Some(swarm) = alone() else { return };
    let spec = ServiceSpec::named(order)
        .replicas(6)
        .option("--update-parallelism", "2")
        .option("--update-delay", "1s")
        .option("--update-monitor", "1s")
        .option("--update-order", order)
        .publish(&format!("{port}:80"));
    let (service, old) = served(&swarm, &spec, 6);
    let update = || {
        service.update(&["--image", WHOAMI_NEXT])?;
        complete(&swarm, &service);
        let new = service.wait_for_tasks(6, TASKS)?;
        swarm.wait_until_served(&service.id, 6, TASKS)?;
        std::thread::sleep(Duration::from_millis(500));
        Ok(new)
    };
    let clients = Clients::of(&swarm, port);
    let (new, report) = clients.unharmed(&format!("{order} update of 6 tasks"), update);
    let both: BTreeSet<_> = ids(&old).union(&ids(&new)).cloned().collect();
    assert_eq!(both.len(), 12, "no task is of both versions");
    assert_eq!(answered(&report), both);
    for node in &swarm.nodes {
        let answers = swarm.client.sequential((node.addr, port), 6).unwrap();
        assert!(
            answers
                .iter()
                .all(|who| who.version.as_deref() == Some("2"))
        );
    }
}

/// Waits until the Swarm calls the update complete.
pub(crate) fn complete(swarm: &Swarm, service: &Service<'_>) {
    wait::until("the update's end", UPDATE, || {
        let service = swarm.manager()?.api(&format!("/services/{}", service.id))?;
        let state = service.pointer("/UpdateStatus/State");
        Ok(state.filter(|state| *state == "completed").map(|_| ()))
    })
    .unwrap();
}
