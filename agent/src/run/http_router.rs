//! The HTTP router's half of the agent, where it is switched on: as far as the datapath of this node lets a router reach
//! tasks.

use crate::cli::{self, Switch};
use crate::kernel::NodeKernel as _;
use crate::kernel::bpf::BpfKernel;
use crate::router::{Router, Settings};
use lb_core::desired::Desired;
use lb_core::model::config::ROUTER_PORTS;
use lb_core::report::{HttpStats, Problem, RouterStatus};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// What serves routers, and why they can't reach tasks, if they can't.
#[derive(Debug)]
pub(super) struct HttpRouter {
    /// `None` where no task has an address of its own.
    router: Option<Router>,
    problem: Option<Problem>,
}

impl HttpRouter {
    /// Begins to serve routers on the node `hostname`, whose datapath this is; `None` where `settings` say so.
    pub(super) fn start(settings: &cli::Run, datapath: &str, hostname: &str) -> Option<Self> {
        if settings.router == Switch::Off {
            return None;
        }
        let problem = |message: &str| Problem {
            object: "router".to_owned(),
            message: message.to_owned(),
        };
        if datapath != BpfKernel::NAME {
            let problem = problem(
                "by IPVS tasks have no addresses of their own yet, so HTTP routes are not served on this node; serve by \
                 eBPF (--datapath ebpf, which says what the kernel lacks)",
            );
            return Some(Self {
                router: None,
                problem: Some(problem),
            });
        }
        let no_ipv6 = problem(
            "this host has no IPv6 (ipv6.disable=1), by which processes call tasks by their own addresses, so the HTTP \
             router of this node reaches none; start the host without that parameter",
        );
        Some(Self {
            router: Some(Router::start(Settings {
                socket: settings.router_socket.clone(),
                user: settings.router_user,
                hostname: hostname.to_owned(),
                ports: ROUTER_PORTS,
            })),
            problem: (!has_ipv6()).then_some(no_ipv6),
        })
    }

    /// Tells routers which tasks take no new requests any more, before the datapath follows `wanted`.
    pub(super) fn prepare(&self, wanted: &Desired) {
        if let Some(router) = self.served(wanted) {
            router.prepare(&wanted.routed);
        }
    }

    /// Gives routers what is `wanted`, which the datapath has.
    pub(super) fn publish(&self, wanted: &Desired) {
        if let Some(router) = self.served(wanted) {
            router.publish(&wanted.routed);
        }
    }

    /// While the node has no way out, nothing is desired, and routers keep what they have.
    fn served(&self, wanted: &Desired) -> Option<&Router> {
        self.router.as_ref().filter(|_| wanted.host.is_some())
    }

    /// The routers that are connected.
    pub(super) fn status(&self) -> RouterStatus {
        self.router.as_ref().map(Router::status).unwrap_or_default()
    }

    /// What routers have counted.
    pub(super) fn stats(&self) -> Option<HttpStats> {
        self.router.as_ref().map(Router::stats)
    }

    /// Why routes are not served, or not on all ports.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let served = self.router.as_ref().map(Router::problems);
        let mut problems = served.unwrap_or_default();
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

    #[test]
    fn by_ipvs_no_socket_is_taken_and_the_operator_is_told() {
        assert!(HttpRouter::start(&settings("off"), "ipvs", "node1").is_none());
        let router = HttpRouter::start(&settings("on"), "ipvs", "node1").unwrap();
        assert_eq!(router.status(), RouterStatus::default());
        let [problem] = &router.problems()[..] else {
            panic!("{:?}", router.problems())
        };
        assert!(problem.message.starts_with("by IPVS"), "{problem:?}");
    }
}
