//! The tasks that may get a request, and the one that does if nothing but the request decides.

use super::Routed;
use crate::desired::RoutedTask;
use crate::report::build::{state, task_name};
use crate::report::{RequestExplanation, RequestResult, RequestTask};
use http::HeaderMap;
use lb_routes::balance::{Candidate, Lookup};
use lb_routes::route::{Balance, Target};
use lb_routes::table::Entry;
use std::net::{IpAddr, SocketAddr};

impl Routed<'_> {
    /// Tells the tasks to which a request with these header fields may go by this route.
    pub(super) fn tasks(
        &self,
        entry: &Entry,
        headers: &HeaderMap,
        client: IpAddr,
        told: &mut RequestExplanation,
    ) {
        told.route = Some(self.route(entry));
        let Target::Tasks(target) = &entry.route.target else {
            return;
        };
        let service = self.services.get(&entry.service.as_str().into());
        let tasks = service.map_or(&[][..], |service| &service.tasks);
        told.balance = Some(word(&target.balance).to_owned());
        told.tasks = tasks
            .iter()
            .map(|task| self.task(task, target.port))
            .collect();
        if !tasks.iter().any(|task| task.active) {
            told.result = RequestResult::NoReadyTask;
            // A connection that is passed through gets no answer of the router's.
            told.status = (!entry.route.tls.passthrough).then_some(503);
            return;
        }
        let only = only(entry, tasks, headers, client);
        let only = tasks.iter().find(|task| Some(task.key.0) == only);
        told.task = only.map(|task| self.task(task, target.port).name);
    }

    fn task(&self, task: &RoutedTask, port: u16) -> RequestTask {
        let known = self.snapshot.tasks.get(&task.id);
        RequestTask {
            id: task.id.clone(),
            name: known.map_or_else(
                || task.id.to_string(),
                |known| task_name(self.snapshot, known),
            ),
            node: task.node.clone(),
            local: task.local,
            address: self
                .addresses
                .get(task.key)
                .map(|address| SocketAddr::new(address, port)),
            ready: task.active,
            state: known
                .map_or("unknown", |known| state(self.snapshot, known))
                .to_owned(),
        }
    }
}

/// The task to which nothing but the request leads: the choice is the same whatever the load, the turn and the dice are.
fn only(entry: &Entry, tasks: &[RoutedTask], headers: &HeaderMap, client: IpAddr) -> Option<u64> {
    let choose = |busy: Option<u64>, count| {
        let candidate = |task: &RoutedTask| Candidate {
            key: task.key.0,
            load: if busy == Some(task.key.0) { 1000 } else { 0 },
            local: task.local,
            ready: task.active,
        };
        let mut candidates: Vec<Candidate> = tasks.iter().map(candidate).collect();
        // In the router's order.
        candidates.sort_by_key(|candidate| candidate.key);
        let lookup = Lookup {
            headers,
            client,
            tried: &[],
            random: 0,
            count,
        };
        let chosen = entry.balancer.choose(&candidates, &lookup)?;
        Some(chosen.key)
    };
    let first = choose(None, 0)?;
    (choose(Some(first), 1) == Some(first)).then_some(first)
}

fn word(balance: &Balance) -> &'static str {
    match balance {
        Balance::LeastLoaded => "least-loaded",
        Balance::RoundRobin => "round-robin",
        Balance::ClientAddress => "client-address",
        Balance::Sticky(_) => "cookie",
        Balance::AppCookie(_) => "app-cookie",
    }
}
