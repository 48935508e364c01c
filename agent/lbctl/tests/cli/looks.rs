//! Looks into the datapath: `drops`, `flows`, `explain`.

use crate::agent::Agent;
use crate::tables::{json, shows};
use lb_abi::counters::Reason;
use lb_core::report::Drops;

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
    agent.change(|swarm| assert_eq!(drops, lb_core::tell::drops(&swarm.drops)));
    assert!(drops.drops.iter().any(|drop| drop.packets == 12_345));
}
