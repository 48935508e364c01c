//! Settings of IPVS that this network namespace needs, and the limits where they cannot be set.

use super::sysctl;
use lb_core::report::Problem;
use lb_netlink::ipvs::{Ipvs, Timeouts};

/// What the kernel begins with, in seconds: idle TCP connections are forgotten after a quarter of an hour.
const USUAL_TCP_S: u32 = 900;
/// A day. Whoever holds a connection open without a word for longer has keep-alive.
const TCP_S: u32 = 86_400;

/// Makes them so; returns what is not.
pub(super) fn prepare(ipvs: &mut Ipvs) -> Vec<Problem> {
    let mut problems = sysctl::turn_on();
    // Somebody else's choice stays.
    let lengthened = ipvs
        .timeouts()
        .and_then(|now| match now.tcp {
            USUAL_TCP_S => ipvs.set_timeouts(only_tcp(TCP_S)).map(|()| TCP_S),
            other => Ok(other),
        })
        .unwrap_or(USUAL_TCP_S);
    if lengthened < TCP_S {
        problems.push(Problem {
            object: "IPVS timeout of TCP".to_owned(),
            message: format!(
                "it is {lengthened} s: connections that are idle for longer are forgotten; `ipvsadm --set {TCP_S} 0 0` sets it for all virtual services of this node"
            ),
        });
    }
    problems
}

/// Puts back what [`prepare`] changed, where it still is as that left it.
pub(super) fn restore(ipvs: &mut Ipvs) {
    let ours = ipvs.timeouts().is_ok_and(|now| now.tcp == TCP_S);
    if ours && ipvs.set_timeouts(only_tcp(USUAL_TCP_S)).is_err() {
        tracing::warn!("the IPVS timeout of TCP could not be put back");
    }
}

/// 0 leaves the others as they are.
fn only_tcp(tcp: u32) -> Timeouts {
    Timeouts {
        tcp,
        tcp_fin: 0,
        udp: 0,
    }
}
