//! The HTTP router's half of the agent, where it is switched on.

use crate::cli::{self, Switch};
use crate::router::{Router, Settings};
use lb_core::backend::TaskAddresses;
use lb_core::desired::Desired;
use lb_core::model::config::ROUTER_PORTS;
use lb_core::report::{HttpStats, Problem, RouterCertificate, RouterStatus};
use std::sync::Arc;

/// What serves routers.
#[derive(Debug)]
pub(super) struct HttpRouter(Router);

impl HttpRouter {
    /// Begins to serve routers on the node `hostname`; `None` where `settings` say so.
    pub(super) fn start(settings: &cli::Run, hostname: &str) -> Option<Self> {
        if settings.router == Switch::Off {
            return None;
        }
        let router = Router::start(Settings {
            socket: settings.router_socket.clone(),
            user: settings.router_user,
            hostname: hostname.to_owned(),
            ports: ROUTER_PORTS,
        });
        Some(Self(router))
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
        self.0.shut_down();
    }

    /// While the node has no way out, nothing is desired, and routers keep what they have.
    fn served(&self, wanted: &Desired) -> Option<&Router> {
        wanted.host.is_some().then_some(&self.0)
    }

    /// The routers that are connected.
    pub(super) fn status(&self) -> RouterStatus {
        self.0.status()
    }

    /// What routers have counted.
    pub(super) fn stats(&self) -> HttpStats {
        self.0.stats()
    }

    /// The certificates that the router of this node can show; `None` where no router has said it.
    pub(super) fn certificates(&self) -> Option<Arc<[RouterCertificate]>> {
        self.0.certificates()
    }

    /// Why routes are not served, or not on all ports, and which certificates end.
    pub(super) fn problems(&self) -> Vec<Problem> {
        self.0.problems()
    }
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
    async fn a_router_is_served_where_it_is_switched_on() {
        assert!(HttpRouter::start(&settings("off"), "node1").is_none());
        let router = HttpRouter::start(&settings("on"), "node1").unwrap();
        assert_eq!(router.status(), RouterStatus::default());
    }
}
