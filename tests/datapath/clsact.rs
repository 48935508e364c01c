//! Programs as filters of a `clsact`, which is how older kernels have them; every kernel can.

use std::process::Command;

use agent::kernel::bpf::{BpfKernel, Tc};
use lb_core::backend::ebpf::Op;
use lb_core::backend::ebpf::{Hook, HookKind};
use lb_core::kernel::Kernel as _;

use crate::lab::{Lab, Net, lab};

/// The hooks of a node's devices under tc.
fn hooks(net: &Net) -> [Hook; 3] {
    [
        (HookKind::UplinkTc, net.uplink),
        (HookKind::BridgeTc, net.bridge),
        (HookKind::UplinkEgress, net.uplink),
    ]
    .map(|(kind, link)| Hook { kind, link })
}

/// An agent on a node, with its programs attached.
fn agent(net: &Net) -> BpfKernel {
    let mut kernel = BpfKernel::load_by(&net.bpffs, None, Tc::Clsact).unwrap();
    for hook in hooks(net) {
        kernel.apply(&Op::Attach(hook)).unwrap();
    }
    kernel
}

/// Output of a `tc` command, which must succeed; in the calling thread's network namespace.
fn tc(words: &str) -> String {
    let output = Command::new("tc").args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "tc {words}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Somebody else's filter, which lets everything pass.
fn theirs() {
    let output = Command::new("tc")
        .args("filter add dev up0 egress prio 9 bpf da bytecode".split(' '))
        .arg("1,6 0 0 4294967295,")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn has_clsact(device: &str) -> bool {
    tc(&format!("qdisc show dev {device}")).contains("clsact")
}

fn attached(kernel: &mut BpfKernel) -> Vec<Hook> {
    kernel.observe().unwrap().hooks.into_iter().collect()
}

fn with_net(test: impl FnOnce(&Lab, Net) + Send) {
    lab(|lab| {
        let net = lab.net(1);
        test(lab, net);
    });
}

#[test]
fn filters_outlive_the_agent_and_the_next_one_puts_its_programs_in_their_place() {
    with_net(|_, net| {
        let first = agent(&net);
        let old = first.program_id(HookKind::UplinkTc).unwrap();
        drop(first);
        let shown = tc("filter show dev up0 ingress");
        assert!(shown.contains(&format!("id {old} ")), "{shown}");

        let mut second = BpfKernel::load_by(&net.bpffs, None, Tc::Clsact).unwrap();
        assert_eq!(attached(&mut second), hooks(&net));
        let new = second.program_id(HookKind::UplinkTc).unwrap();
        let shown = tc("filter show dev up0 ingress");
        assert!(shown.contains(&format!("id {new} ")), "{shown}");
        assert!(!shown.contains(&format!("id {old} ")), "{shown}");
        // Attached once more, it is there once.
        second.apply(&Op::Attach(hooks(&net)[0])).unwrap();
        let shown = tc("filter show dev up0 ingress");
        assert_eq!(shown.matches("swarmlb-uplink-tc").count(), 1, "{shown}");
    });
}

#[test]
fn what_others_remove_is_seen_and_put_back() {
    with_net(|_, net| {
        let mut kernel = agent(&net);
        tc("qdisc del dev up0 clsact");
        let [_, bridge, _] = hooks(&net);
        assert_eq!(attached(&mut kernel), [bridge]);
        for hook in hooks(&net) {
            kernel.apply(&Op::Attach(hook)).unwrap();
        }
        assert_eq!(attached(&mut kernel), hooks(&net));
    });
}

#[test]
fn the_last_filter_takes_along_the_clsact_that_an_agent_made() {
    with_net(|_, net| {
        let mut kernel = agent(&net);
        let [uplink, bridge, egress] = hooks(&net);
        kernel.apply(&Op::Detach(uplink)).unwrap();
        assert!(has_clsact("up0"));
        assert_eq!(attached(&mut kernel), [bridge, egress]);
        kernel.apply(&Op::Detach(egress)).unwrap();
        assert!(!has_clsact("up0"));
        // A second time there is nothing to do.
        kernel.apply(&Op::Detach(egress)).unwrap();
        assert_eq!(attached(&mut kernel), [bridge]);
        BpfKernel::clean(&net.bpffs).unwrap();
        assert!(!has_clsact("docker_gwbridge"));
    });
}

#[test]
fn a_clsact_that_others_made_or_use_stays_with_their_filters() {
    with_net(|_, net| {
        tc("qdisc add dev up0 clsact");
        drop(agent(&net));
        BpfKernel::clean(&net.bpffs).unwrap();
        assert!(has_clsact("up0"), "theirs");
        tc("qdisc del dev up0 clsact");

        drop(agent(&net));
        theirs();
        BpfKernel::clean(&net.bpffs).unwrap();
        assert!(has_clsact("up0"), "they use it");
        assert_eq!(tc("filter show dev up0 ingress"), "");
        assert!(tc("filter show dev up0 egress").contains("pref 9 bpf"));
    });
}

#[test]
fn a_discipline_of_another_kind_is_named_and_left_alone() {
    with_net(|_, net| {
        tc("qdisc add dev up0 ingress");
        let mut kernel = BpfKernel::load_by(&net.bpffs, None, Tc::Clsact).unwrap();
        let [_, _, egress] = hooks(&net);
        let refused = kernel.apply(&Op::Attach(egress)).unwrap_err();
        let said = agent::error_chain::error_chain(&refused);
        assert!(said.contains("tc qdisc del dev up0 ingress"), "{said}");
        assert_eq!(tc("filter show dev up0 ingress"), "");
        assert!(tc("qdisc show dev up0").contains("ingress"));
    });
}

#[test]
fn a_device_without_a_queue_stays_without_one() {
    with_net(|_, net| {
        let ip = |words: &str| {
            let output = Command::new("ip").args(words.split(' ')).output().unwrap();
            assert!(output.status.success(), "ip {words}: {output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        // As Docker makes bridges and cables.
        ip("link set up0 txqueuelen 0");
        let before = ip("-o link show up0");
        let mut kernel = agent(&net);
        assert!(has_clsact("up0"));
        let queue = |shown: &str| shown.contains(" qlen ");
        assert!(!queue(&before) && !queue(&ip("-o link show up0")));
        for hook in hooks(&net) {
            kernel.apply(&Op::Detach(hook)).unwrap();
        }
        assert!(!has_clsact("up0"));
        assert!(!queue(&ip("-o link show up0")));
    });
}
