//! The label by which replies go to the client past the node that it came to.

use harness::node::Node;
use harness::service::ServiceSpec;
use harness::topology::{CLIENT, switch_netns};
use harness::{pattern, shell, wait};
use lb_core::report::Stats;

use crate::lbctl::json;
use crate::tools::{everywhere, served};
use crate::{TASKS, alone};

#[test]
fn direct_replies_do_not_pass_the_node_that_the_client_came_to() {
    const LENGTH: u64 = 20 << 20;
    let Some(swarm) = alone() else { return };
    let spec = ServiceSpec::named("direct")
        .on_node("node2")
        .publish("8213:80");
    let (service, _) = served(&swarm, &spec, 1);
    let ingress = swarm.node("node1").unwrap();
    let switch = switch_netns(&swarm.description().prefix);
    // Bytes on the cable of the ingress node, both ways.
    let cable = || -> u64 {
        let read = |way| {
            let file = format!("/sys/class/net/node1/statistics/{way}_bytes");
            let script = format!("mount -t sysfs sysfs /sys && cat {file}");
            let mut command = switch.command("unshare");
            let said = shell::stdout(command.args(["--mount", "sh", "-c", &script]));
            said.unwrap().parse::<u64>().unwrap()
        };
        read("rx") + read("tx")
    };
    let fetch = || {
        let before = cable();
        let down = swarm.client.download((ingress.addr, 8213), LENGTH).unwrap();
        assert_eq!(down.sha256, pattern::sha256(LENGTH));
        cable() - before
    };
    let counted = |node: &Node| {
        let stats: Stats = json(node, &["stats", "--node", "--service", "direct"]);
        let total = stats.services.first().unwrap().total;
        (total.packets_in, total.packets_out)
    };
    let by_tunnel = fetch();
    assert!(by_tunnel > 2 * LENGTH, "{by_tunnel}: in and out again");
    let (before, home) = (counted(ingress), swarm.node("node2").unwrap());
    assert!(
        before.0 > 0 && before.1 > 0 && counted(home) == (0, 0),
        "{before:?}"
    );

    service
        .update(&["--label-add", "swarmlb.return=direct"])
        .unwrap();
    wait::until("direct replies", TASKS, || {
        Ok((fetch() < LENGTH).then_some(()))
    })
    .unwrap();
    // The label may have come in the middle of that one.
    let direct = fetch();
    println!(
        "20 MB through another node: {by_tunnel} bytes on its cable by the tunnel, {direct} direct"
    );
    // What is left is the client's acknowledgements, in and out again.
    assert!(direct < LENGTH / 4, "{direct}");
    // Who sends a packet on counts it.
    let after = counted(ingress);
    fetch();
    let then = counted(ingress);
    assert!(then.0 > after.0, "{then:?}");
    assert_eq!(then.1, after.1);
    assert!(counted(home).1 > LENGTH / 1500, "{:?}", counted(home));
    // The client believes that it spoke to whom it asked, and the task saw the client.
    for peer in everywhere(&swarm, 8213) {
        assert_eq!(swarm.client.who(peer).unwrap().peer.ip(), CLIENT, "{peer}");
    }
}
