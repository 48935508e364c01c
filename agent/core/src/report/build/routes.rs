//! Builds the report of HTTP routes.

use crate::desired::Declarations;
use crate::model::ids::ServiceId;
use crate::model::snapshot::{Snapshot, TaskState};
use crate::report::{RouteReport, Routes};
use lb_routes::route::{Filter, Redirect, Target};
use lb_routes::table::Entry;
use std::collections::BTreeMap;

/// `GET /v1/routes`. `declarations` are those of `snapshot`.
#[must_use]
pub fn routes(snapshot: &Snapshot, declarations: &Declarations) -> Routes {
    let mut counts: BTreeMap<&ServiceId, Count> = BTreeMap::new();
    for task in snapshot.tasks.values() {
        if task.state != TaskState::Ended {
            let count = counts.entry(&task.service).or_default();
            count.tasks += 1;
            count.ready += usize::from(snapshot.eligible(task));
        }
    }
    let routes = declarations.table().entries().map(|entry| {
        let service = ServiceId::from(entry.service.as_str());
        let count = counts.get(&service).copied().unwrap_or_default();
        route(entry, service, count.ready, count.tasks)
    });
    let mut problems = declarations.problems(snapshot);
    problems.sort();
    Routes {
        routes: routes.collect(),
        problems,
    }
}

/// Tasks of a service.
#[derive(Clone, Copy, Default)]
struct Count {
    ready: usize,
    tasks: usize,
}

/// The report of one route, whose service has so many tasks, and so many that are ready.
pub(crate) fn route(entry: &Entry, service: ServiceId, ready: usize, tasks: usize) -> RouteReport {
    let route = &entry.route;
    let points = route.entry_points;
    let points = [(points.http, "http"), (points.https, "https")];
    let served = points.iter().filter(|(served, _)| *served);
    let (port, redirect) = match &route.target {
        Target::Tasks(target) => (Some(target.port), None),
        Target::Elsewhere(url) => (None, Some(url.clone())),
    };
    RouteReport {
        rule: route.rule.to_string(),
        service,
        service_name: entry.service_name.clone(),
        family: route.family.to_string(),
        name: route.name.clone(),
        entry_points: served.map(|(_, name)| (*name).to_owned()).collect(),
        filters: route
            .filters
            .iter()
            .map(|it| filter(it).to_owned())
            .collect(),
        port,
        redirect,
        ready,
        tasks,
        priority: route.effective_priority(),
    }
}

/// A word for what a filter does. What it is set to may be secret.
pub(crate) fn filter(filter: &Filter) -> &'static str {
    match filter {
        Filter::Closed(_) => "closed",
        Filter::BasicAuth(_) => "basic-auth",
        Filter::Redirect(Redirect { https: true, .. }) => "redirect-https",
        Filter::Redirect(Redirect { https: false, .. }) => "redirect-http",
        Filter::AllowClients(_) => "allow-clients",
        Filter::StripPrefix(_) => "strip-prefix",
        Filter::Request(_) => "request-header",
        Filter::Response(_) => "response-header",
        Filter::Hsts(_) => "hsts",
        Filter::Cors(_) => "cors",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::Incremental;
    use crate::model::config::Config;
    use crate::model::node::Node;
    use crate::model::snapshot::{LocalHealth, Service, Task};
    use crate::testing::{SnapshotBuilder, labels, service, task};

    fn with(name: &str, created: u64, labelled: &[(&str, &str)]) -> Service {
        Service {
            created,
            labels: labels(labelled),
            ..service(name, vec![])
        }
    }

    fn report(snapshot: &Snapshot) -> Routes {
        let config = Config {
            router: true,
            ..Config::default()
        };
        let incremental = Incremental::full(snapshot, &Node::default(), &config);
        routes(snapshot, incremental.declarations())
    }

    #[test]
    fn routes_are_told_in_the_order_in_which_they_are_looked_at_and_no_secret_is() {
        let users = "admin:$apr1$x$y";
        let shop = with(
            "shop",
            1,
            &[
                (
                    "traefik.http.routers.shop.rule",
                    "Host(`a.example`) && PathPrefix(`/shop`)",
                ),
                ("traefik.http.routers.shop.middlewares", "users"),
                ("traefik.http.middlewares.users.basicauth.users", users),
                (
                    "traefik.http.services.shop.loadbalancer.server.port",
                    "8080",
                ),
            ],
        );
        let site = with(
            "site",
            2,
            &[
                ("com.docker.lb.hosts", "a.example"),
                ("com.docker.lb.port", "80"),
                ("com.docker.lb.ssl_only", "true"),
            ],
        );
        let late = with(
            "late",
            3,
            &[
                ("com.docker.lb.hosts", "a.example"),
                ("com.docker.lb.port", "80"),
            ],
        );
        let stopping = Task {
            health: LocalHealth::Stopping,
            ..task("a", "n")
        };
        let snapshot = SnapshotBuilder::new()
            .service("a", shop)
            .service("b", site)
            .service("c", late)
            .tasks("a", [("t1", "n"), ("t2", "n")])
            .task("t3", stopping)
            .build();
        let told = report(&snapshot);
        let rows = told.routes.iter().map(|route| {
            let points = route.entry_points.join(",");
            (
                route.service_name.as_str(),
                points,
                route.filters.join(","),
                route.port,
                route.ready,
                route.tasks,
            )
        });
        let rows: Vec<_> = rows.collect();
        let word = str::to_owned;
        assert_eq!(
            rows,
            [
                ("shop", word("http"), word("basic-auth"), Some(8080), 2, 3),
                (
                    "site",
                    word("http,https"),
                    word("redirect-https"),
                    Some(80),
                    0,
                    0
                ),
            ]
        );
        assert!(told.routes[0].priority > told.routes[1].priority);
        let [problem] = &told.problems[..] else {
            panic!("{:?}", told.problems)
        };
        assert_eq!(problem.object, "service late");
        assert!(!serde_json::to_string(&told).unwrap().contains("apr1"));
    }

    #[test]
    fn a_removed_service_has_no_routes() {
        let mut site = with(
            "site",
            1,
            &[
                ("com.docker.lb.hosts", "a.example"),
                ("com.docker.lb.port", "80"),
            ],
        );
        let view = |site: &Service| SnapshotBuilder::new().service("a", site.clone()).build();
        assert_eq!(report(&view(&site)).routes.len(), 1);
        site.removed = true;
        assert_eq!(report(&view(&site)).routes, []);
    }
}
