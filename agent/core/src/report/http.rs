//! What the HTTP routers have counted, as operators see it.

use crate::model::ids::ServiceId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Name of the numbers that say when certificates end, in seconds since 1970 ([`RouterNumber::name`]).
pub(super) const CERTIFICATE_EXPIRES: &str = "certificate_expires_seconds";

/// Requests by route, and the routers as a whole, since they started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpStats {
    /// Upper bounds of the buckets of [`HttpCounts::latency`] and [`HttpCounts::upstream`], in microseconds; a last bucket has
    /// what took longer.
    pub bounds_us: Vec<u64>,
    /// By service and route.
    pub routes: Vec<HttpRouteStats>,
    /// Numbers of the routers as a whole.
    pub routers: Vec<RouterNumber>,
}

/// What is counted of a route. Without names: routes that are gone, together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRouteStats {
    /// Id of its service.
    pub service: ServiceId,
    /// Name of its service.
    pub service_name: String,
    /// The labels that declare it: `com.docker.lb` or `traefik`.
    pub family: String,
    /// Its name among the routes of its service and family.
    pub name: String,
    /// What is counted.
    pub counts: HttpCounts,
}

/// What is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpCounts {
    /// Requests by class of their status: `1xx` to `5xx`; `none`: the client went before there was an answer.
    pub requests: BTreeMap<String, u64>,
    /// Answers that broke off, by the task or by the client.
    pub broken: u64,
    /// Bytes of requests' bodies.
    pub bytes_in: u64,
    /// Bytes of answers' bodies.
    pub bytes_out: u64,
    /// Exchanges by the time that they took, to the end of the answer; without WebSockets.
    pub latency: Vec<u64>,
    /// These times together, in microseconds.
    pub latency_us: u64,
    /// Answers of tasks by the time from the beginning of the try to the answer's head.
    #[serde(default)]
    pub upstream: Vec<u64>,
    /// These times together, in microseconds.
    #[serde(default)]
    pub upstream_us: u64,
    /// Tries to get an answer of a task, by how they ended: `ok`, `refused`, `reset`, `timeout`, `undelivered`.
    pub tries: BTreeMap<String, u64>,
    /// Exchanges under way now.
    pub under_way: u64,
}

/// A number of the routers as a whole: name and labels are those of Prometheus, without `swarmlb_router_`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RouterNumber {
    /// Its name, such as `connections`, `unrouted_total`.
    pub name: String,
    /// Its labels, such as `reason`.
    pub labels: BTreeMap<String, String>,
    /// The number.
    pub value: u64,
}

impl HttpCounts {
    /// Adds `other`, saturating. Times in other buckets are left out.
    pub fn add(&mut self, other: &Self) {
        add_each(&mut self.requests, &other.requests);
        add_each(&mut self.tries, &other.tries);
        add_buckets(&mut self.latency, &other.latency);
        add_buckets(&mut self.upstream, &other.upstream);
        self.broken = self.broken.saturating_add(other.broken);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.latency_us = self.latency_us.saturating_add(other.latency_us);
        self.upstream_us = self.upstream_us.saturating_add(other.upstream_us);
        self.under_way = self.under_way.saturating_add(other.under_way);
    }
}

fn add_each(to: &mut BTreeMap<String, u64>, other: &BTreeMap<String, u64>) {
    for (name, number) in other {
        let to = to.entry(name.clone()).or_default();
        *to = to.saturating_add(*number);
    }
}

fn add_buckets(to: &mut Vec<u64>, other: &[u64]) {
    if to.is_empty() {
        to.extend_from_slice(other);
    } else if to.len() == other.len() {
        for (to, other) in to.iter_mut().zip(other) {
            *to = to.saturating_add(*other);
        }
    }
}

impl HttpStats {
    /// Adds `other`, which another node has counted.
    pub fn add(&mut self, other: Self) {
        let mut routes: BTreeMap<_, HttpRouteStats> = std::mem::take(&mut self.routes)
            .into_iter()
            .map(|route| (route.key(), route))
            .collect();
        if self.bounds_us.is_empty() {
            self.bounds_us = other.bounds_us.clone();
        }
        let same = self.bounds_us == other.bounds_us;
        for mut route in other.routes {
            if !same {
                route.counts.latency.clear();
                route.counts.upstream.clear();
            }
            match routes.get_mut(&route.key()) {
                Some(ours) => ours.counts.add(&route.counts),
                None => drop(routes.insert(route.key(), route)),
            }
        }
        self.routes = routes.into_values().collect();
        self.sort();
        let mut numbers: BTreeMap<(String, BTreeMap<String, String>), u64> = BTreeMap::new();
        for RouterNumber {
            name,
            labels,
            value,
        } in std::mem::take(&mut self.routers)
            .into_iter()
            .chain(other.routers)
        {
            match numbers.entry((name, labels)) {
                Entry::Vacant(free) => {
                    free.insert(value);
                }
                // Of a certificate that nodes have in different editions: the end that comes first.
                Entry::Occupied(mut known) if known.key().0 == CERTIFICATE_EXPIRES => {
                    *known.get_mut() = value.min(*known.get());
                }
                Entry::Occupied(mut known) => {
                    *known.get_mut() = value.saturating_add(*known.get());
                }
            }
        }
        let numbers = numbers.into_iter();
        let numbers = numbers.map(|((name, labels), value)| RouterNumber {
            name,
            labels,
            value,
        });
        self.routers = numbers.collect();
    }

    /// Brings the routes into their order: by name, those that are gone last.
    pub fn sort(&mut self) {
        let order = |it: &HttpRouteStats| {
            let gone = it.service_name.is_empty();
            (gone, it.service_name.clone(), it.key())
        };
        self.routes.sort_by_cached_key(order);
    }
}

impl HttpRouteStats {
    fn key(&self) -> (ServiceId, String, String) {
        (self.service.clone(), self.family.clone(), self.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(service: &str, requests: u64, bounds: &[u64]) -> HttpStats {
        let counts = HttpCounts {
            requests: [("2xx".to_owned(), requests)].into(),
            latency: vec![requests, 0],
            upstream: vec![0, requests],
            upstream_us: requests,
            bytes_in: requests,
            ..HttpCounts::default()
        };
        HttpStats {
            bounds_us: bounds.to_vec(),
            routes: vec![HttpRouteStats {
                service: service.into(),
                service_name: service.into(),
                counts,
                ..HttpRouteStats::default()
            }],
            routers: vec![RouterNumber {
                name: "connections".into(),
                value: requests,
                ..RouterNumber::default()
            }],
        }
    }

    #[test]
    fn numbers_of_nodes_are_added_by_route() {
        let mut sum = HttpStats::default();
        for (service, requests) in [("b", 1), ("a", 2), ("b", 3)] {
            sum.add(stats(service, requests, &[500]));
        }
        let numbers = sum.routes.iter();
        let numbers: Vec<_> = numbers
            .map(|it| {
                (
                    it.service_name.as_str(),
                    it.counts.requests["2xx"],
                    it.counts.latency[0],
                )
            })
            .collect();
        assert_eq!(numbers, [("a", 2, 2), ("b", 4, 4)]);
        assert_eq!(sum.routers[0].value, 6);
        // A node of another version, which has other buckets.
        sum.add(stats("b", 5, &[700]));
        assert_eq!(sum.routes[1].counts.requests["2xx"], 9);
        assert_eq!(sum.routes[1].counts.latency, [4, 0]);
        assert_eq!(sum.routes[1].counts.upstream, [0, 4]);
        assert_eq!(sum.routes[1].counts.upstream_us, 9);
    }

    #[test]
    fn routes_are_in_the_order_of_names_and_those_that_are_gone_come_last() {
        let route = |service: &str, name: &str| HttpRouteStats {
            service: service.into(),
            service_name: name.to_owned(),
            ..HttpRouteStats::default()
        };
        let mut sum = HttpStats::default();
        sum.add(HttpStats {
            routes: vec![route("", ""), route("1", "shop"), route("2", "blog")],
            ..HttpStats::default()
        });
        let names: Vec<_> = sum.routes.iter().map(|it| &it.service_name).collect();
        assert_eq!(names, ["blog", "shop", ""]);
    }

    #[test]
    fn numbers_of_routers_are_added_by_name_and_labels() {
        let number = |name: &str, reason: &str, value| RouterNumber {
            name: name.to_owned(),
            labels: [("reason".to_owned(), reason.to_owned())].into(),
            value,
        };
        let told = |values: [u64; 3]| HttpStats {
            routers: vec![
                number("refused_total", "late", values[0]),
                number("refused_total", "full", values[1]),
                number("closed_total", "late", values[2]),
            ],
            ..HttpStats::default()
        };
        let mut sum = told([1, 2, 3]);
        sum.add(told([10, 20, 30]));
        let expected = [
            number("closed_total", "late", 33),
            number("refused_total", "full", 22),
            number("refused_total", "late", 11),
        ];
        assert_eq!(sum.routers, expected);
    }

    #[test]
    fn of_ends_of_certificates_the_first_one_is_told() {
        let told = |value| HttpStats {
            routers: vec![RouterNumber {
                name: "certificate_expires_seconds".to_owned(),
                value,
                ..RouterNumber::default()
            }],
            ..HttpStats::default()
        };
        let mut sum = told(7);
        sum.add(told(5));
        sum.add(told(6));
        assert_eq!(sum.routers, told(5).routers);
    }
}
