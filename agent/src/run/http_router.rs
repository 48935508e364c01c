//! The HTTP router's half of the agent, where it is switched on: as far as the datapath of this node lets a router reach
//! tasks.

use crate::cli::{self, Switch};
use crate::kernel::NodeKernel as _;
use crate::kernel::bpf::BpfKernel;
use crate::router::{Router, Settings};
use lb_core::backend::TaskAddresses;
use lb_core::desired::Desired;
use lb_core::model::config::ROUTER_PORTS;
use lb_core::report::{HttpStats, Problem, RouterStatus};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// What serves routers, and why they can't reach tasks, if they can't.
#[derive(Debug)]
pub(super) struct HttpRouter {
    router: Router,
    problem: Option<Problem>,
}

impl HttpRouter {
    /// Begins to serve routers on the node `hostname`, whose datapath this is; `None` where `settings` say so.
    pub(super) fn start(settings: &cli::Run, datapath: &str, hostname: &str) -> Option<Self> {
        if settings.router == Switch::Off {
            return None;
        }
        // By IPVS tasks have addresses of IPv4.
        let no_ipv6 = (datapath == BpfKernel::NAME && !has_ipv6()).then(|| Problem {
            object: "router".to_owned(),
            message: "this host has no IPv6 (ipv6.disable=1), by which processes call tasks by their own addresses, so the \
                      HTTP router of this node reaches none; start the host without that parameter, or let all nodes \
                      serve by IPVS (--datapath ipvs)"
                .to_owned(),
        });
        let router = Router::start(Settings {
            socket: settings.router_socket.clone(),
            user: settings.router_user,
            hostname: hostname.to_owned(),
            ports: ROUTER_PORTS,
        });
        Some(Self {
            router,
            problem: no_ipv6,
        })
    }

    /// Tells routers which tasks take no new requests any more, before the datapath follows `wanted`.
    pub(super) fn prepare(&self, wanted: &Desired) {
        if let Some(router) = self.served(wanted) {
            router.prepare(&wanted.routed);
        }
    }

    /// Gives routers what is `wanted`, which the datapath has.
    pub(super) fn publish(&self, wanted: &Desired, addresses: &TaskAddresses) {
        if let Some(router) = self.served(wanted) {
            router.publish(&wanted.routed, addresses);
        }
    }

    /// The agent is about to end.
    pub(super) fn shut_down(&self) {
        self.router.shut_down();
    }

    /// While the node has no way out, nothing is desired, and routers keep what they have.
    fn served(&self, wanted: &Desired) -> Option<&Router> {
        wanted.host.is_some().then_some(&self.router)
    }

    /// The routers that are connected.
    pub(super) fn status(&self) -> RouterStatus {
        self.router.status()
    }

    /// What routers have counted.
    pub(super) fn stats(&self) -> HttpStats {
        self.router.stats()
    }

    /// Why routes are not served, or not on all ports.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = self.router.problems();
        problems.extend(self.problem.clone());
        problems
    }
}

fn has_ipv6() -> bool {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Inet6, SockType::Stream, flags, None);
    !matches!(socket, Err(Errno::EAFNOSUPPORT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Verb};
    use clap::Parser as _;

    fn settings(router: &str) -> cli::Run {
        let line = ["swarmlb", "run", "--router", router];
        match Cli::try_parse_from(line).unwrap().verb {
            Verb::Run(run) => *run,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_router_is_served_by_either_datapath_where_it_is_switched_on() {
        assert!(HttpRouter::start(&settings("off"), "ipvs", "node1").is_none());
        let router = HttpRouter::start(&settings("on"), "ipvs", "node1").unwrap();
        assert_eq!(router.status(), RouterStatus::default());
        let lacks = |problem: &Problem| problem.message.contains("IPv6");
        assert!(
            !router.problems().iter().any(lacks),
            "{:?}",
            router.problems()
        );
    }
}
