//! Statistics to and from their protobuf form. Of lists that are longer than this version knows, the rest is left out.

use crate::proto;
use crate::stats::{Counts, RouteKey, Stats, Total};

/// Most routes that are read of one message: as many as routers have ever sent.
const ROUTES: usize = 96;

/// The protobuf form.
pub(super) fn proto(stats: Stats) -> proto::Stats {
    proto::Stats {
        instance: stats.instance,
        routes: stats.routes.into_iter().map(route).collect(),
        ended: stats.ended.into_iter().map(Into::into).collect(),
        totals: stats.totals,
    }
}

/// The message.
pub(super) fn message(mut stats: proto::Stats) -> Stats {
    stats.totals.truncate(Total::ALL.len());
    let routes = stats.routes.into_iter().take(ROUTES);
    let ended = stats.ended.into_iter().take(ROUTES);
    Stats {
        instance: stats.instance,
        routes: routes.map(counts).collect(),
        ended: ended.map(Into::into).collect(),
        totals: stats.totals,
    }
}

fn route((key, counts): (RouteKey, Counts)) -> proto::RouteCounts {
    proto::RouteCounts {
        key: Some(key.into()),
        requests: counts.requests.to_vec(),
        broken: counts.broken,
        bytes_in: counts.bytes_in,
        bytes_out: counts.bytes_out,
        latency: counts.latency.to_vec(),
        latency_us: counts.latency_us,
        upstream: counts.upstream.to_vec(),
        upstream_us: counts.upstream_us,
        tries: counts.tries.to_vec(),
        under_way: counts.under_way,
    }
}

fn counts(route: proto::RouteCounts) -> (RouteKey, Counts) {
    let counts = Counts {
        requests: array(&route.requests),
        broken: route.broken,
        bytes_in: route.bytes_in,
        bytes_out: route.bytes_out,
        latency: array(&route.latency),
        latency_us: route.latency_us,
        upstream: array(&route.upstream),
        upstream_us: route.upstream_us,
        tries: array(&route.tries),
        under_way: route.under_way,
    };
    (route.key.unwrap_or_default().into(), counts)
}

fn array<const N: usize>(numbers: &[u64]) -> [u64; N] {
    let mut array = [0; N];
    for (to, from) in array.iter_mut().zip(numbers) {
        *to = *from;
    }
    array
}

impl From<RouteKey> for proto::RouteKey {
    fn from(key: RouteKey) -> Self {
        Self {
            service: key.service,
            family: key.family,
            name: key.name,
        }
    }
}

impl From<proto::RouteKey> for RouteKey {
    fn from(key: proto::RouteKey) -> Self {
        Self {
            service: key.service,
            family: key.family,
            name: key.name,
        }
    }
}
