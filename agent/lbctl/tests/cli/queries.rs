//! Looks into the datapath: `drops`, `flows`, `explain`.

use crate::agent::Agent;
use crate::tables::{json, shows};
use lb_abi::counters::Reason;
use lb_abi::flow::{ANSWERED, FIN_IN, Flow, Tuple};
use lb_abi::{Be16, Be32, TCP, UDP};
use lb_core::model::ids::Key;
use lb_core::report::build::FlowFilter;
use lb_core::report::{Drops, Flows};
use std::net::SocketAddrV4;

#[test]
fn drops() {
    let agent = Agent::start();
    shows(&agent.lbctl(&["drops"]), 0, "nothing was dropped\n");
    agent.change(|swarm| {
        swarm.drops = [(Reason::TooBig, 12_345), (Reason::UnknownTask, 7)].into();
    });
    shows(&agent.lbctl(&["drops"]), 0, "\
REASON         PACKETS   MEANING
unknown-task         7   another node sent a flow for a task that does not run here (any more)
too-big          12.3k   a packet was too large to be sent to the task's node: path MTU below the uplinks' MTU
");
    let all = agent.lbctl(&["drops", "--all"]);
    assert_eq!(all.out.lines().count(), 1 + Reason::ALL.len());
    let line = "no-slot              0   a new flow met a table that was being replaced";
    assert!(all.out.lines().any(|shown| shown == line), "{}", all.out);
    let drops: Drops = json(&agent, &["drops", "--json"]);
    agent.change(|swarm| assert_eq!(drops, lb_core::report::build::drops(&swarm.drops)));
    assert!(drops.drops.iter().any(|drop| drop.packets == 12_345));
}

fn tuple(client: &str, frontend: &str, proto: u8) -> Tuple {
    let [client, frontend] = [client, frontend].map(|at| at.parse::<SocketAddrV4>().unwrap());
    Tuple {
        source: Be32::new((*client.ip()).into()),
        destination: Be32::new((*frontend.ip()).into()),
        source_port: Be16::new(client.port()),
        destination_port: Be16::new(frontend.port()),
        proto,
        zero: [0; 3],
    }
}

fn flow(task: &str, seen: u32, state: u32) -> Flow {
    let peer = Be32::new(if task == "t1" { 0xc000_0202 } else { 0 });
    Flow {
        seen,
        state,
        ..Flow::new(Key::of(task).0, peer)
    }
}

/// A client through this node, one through another, a container, and one whose task is gone.
fn busy() -> Agent {
    let agent = Agent::start();
    let called = Flow {
        port: Be16::new(61_022),
        ..flow("t4", 940, ANSWERED | FIN_IN)
    };
    agent.change(|swarm| {
        swarm.flows.now = 1_000;
        swarm.flows.flows = [
            (
                tuple("203.0.113.7:40000", "192.0.2.1:8080", TCP),
                flow("t2", 999, ANSWERED),
            ),
            (
                tuple("203.0.113.8:50000", "192.0.2.2:8080", UDP),
                flow("t1", 900, 0),
            ),
            (tuple("172.18.0.9:33333", "192.0.2.1:30000", TCP), called),
            (
                tuple("203.0.113.7:40001", "192.0.2.1:8080", TCP),
                flow("gone", 0, 0),
            ),
        ]
        .into();
    });
    agent
}

#[test]
fn flows() {
    shows(&Agent::start().lbctl(&["flows"]), 0, "no flows\n");
    let agent = busy();
    shows(&agent.lbctl(&["flows"]), 0, "\
CLIENT                                  FRONTEND              SERVICE     TASK          NODE    STATE            IDLE   THROUGH
203.0.113.7:40000                       192.0.2.1:8080/tcp    shop_vote   shop_vote.2   beta    open              1 s   this node
172.18.0.9:33333 (as 192.0.2.1:61022)   192.0.2.1:30000/tcp   probe       probe.beta    beta    closing     1 min 4 s   this node
203.0.113.8:50000                       192.0.2.2:8080/udp    shop_vote   shop_vote.1   alpha   quiet      1 min 47 s   beta
203.0.113.7:40001                       192.0.2.1:8080/tcp    -           -             -       opening   17 min 53 s   this node
");
    shows(
        &agent.lbctl(&["flows", "--service", "shop_vote", "--limit", "1"]),
        0,
        "\
CLIENT              FRONTEND             SERVICE     TASK          NODE   STATE   IDLE   THROUGH
203.0.113.7:40000   192.0.2.1:8080/tcp   shop_vote   shop_vote.2   beta   open     1 s   this node

1 more, less recently used (see: --limit)
",
    );
    shows(
        &agent.lbctl(&["flows", "-n0"]),
        0,
        "CLIENT   FRONTEND   SERVICE   TASK   NODE   STATE   IDLE   THROUGH\n\n4 more, less recently used (see: --limit)\n",
    );
}

#[test]
fn flows_as_json_and_of_a_service_that_is_not_there() {
    let agent = busy();
    for (arguments, service, limit) in [
        (&["flows", "--json"][..], None, 100),
        (
            &["flows", "--json", "--service", "s2", "-n", "3"],
            Some("s2".into()),
            3,
        ),
    ] {
        let flows: Flows = json(&agent, arguments);
        agent.change(|swarm| assert_eq!(flows, swarm.flows(&FlowFilter { service, limit })));
    }
    let ran = agent.lbctl(&["flows", "--service", "shop_vot"]);
    let message =
        "lbctl: no service with a published port is called shop_vot: did you mean shop_vote?\n";
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), message));
    assert_eq!(agent.lbctl(&["flows", "--limit", "many"]).code, Some(2));
}
