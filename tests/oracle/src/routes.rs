//! Services whose labels declare HTTP routes by any bytes, and requests by any bytes. Which route a request belongs to is
//! what a walk over all routes says, in whatever order services come; and a route behind what keeps strangers out never
//! answers without it.

use arbitrary::{Result, Unstructured};
use lb_routes::labels::{Declared, ROUTES, declared};
use lb_routes::path::NormalPath;
use lb_routes::route::{Filter, Route};
use lb_routes::rule::{Host, Request, Rule};
use lb_routes::table::{Entry, EntryPoint, Table};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Labels that mean something.
const LABELS: [&str; 16] = [
    "com.docker.lb.hosts",
    "com.docker.lb.port",
    "com.docker.lb.context_root",
    "com.docker.lb.redirects",
    "com.docker.lb.default_backend",
    "com.docker.lb.ssl_passthrough",
    "traefik.http.routers.a.rule",
    "traefik.http.routers.b.rule",
    "traefik.http.routers.a.middlewares",
    "traefik.http.routers.a.entrypoints",
    "traefik.http.routers.b.priority",
    "traefik.http.services.a.loadbalancer.server.port",
    "traefik.http.middlewares.m.basicauth.users",
    "traefik.http.middlewares.m.ipallowlist.sourcerange",
    "traefik.http.middlewares.m.headers.customrequestheaders.x",
    "traefik.frontend.rule",
];
/// Pieces of values that mean something: chance finds the rest.
const PIECES: [&str; 24] = [
    "80",
    "true",
    "web",
    "websecure",
    "a.b",
    "*.b",
    "b",
    "m",
    "x@file",
    "ann:$2y$05$x",
    "192.0.2.0/24",
    "Host(`a.b`)",
    "Host(`*.b`)",
    "HostRegexp(`{x:a+}.b`)",
    "PathPrefix(`/x`)",
    "Path(`/%61/..`)",
    "Query(`q`, `1`)",
    "ClientIP(`::1`)",
    " && ",
    " || ",
    "!",
    "(",
    ")",
    ",",
];
const URLS: [(&str, &str); 6] = [
    ("a.b", "/"),
    ("A.b.:80", "/x/%79?q=1"),
    ("c.a.b", "/x"),
    ("b", "/a"),
    ("[::1]:80", "/"),
    ("other", "/x"),
];

/// Declares routes, and then asks for them.
pub(crate) fn ask(story: &mut Unstructured<'_>) -> Result<()> {
    let mut entries = Vec::new();
    for number in 0..story.int_in_range(1..=3)? {
        let labels = labels(story)?;
        let name = format!("service{number}");
        let declared = declared(&name, &labels);
        alone(&labels, &declared);
        let entry = |route| Entry::new(&name, &name, number, route);
        entries.extend(declared.routes.into_iter().map(entry));
    }
    let (table, conflicts) = Table::new(entries.iter().cloned());
    entries.reverse();
    let (other, others) = Table::new(entries.iter().cloned());
    assert!(
        table.entries().eq(other.entries()),
        "the order of services counts"
    );
    assert_eq!(conflicts, others);
    let mut stepwise = Table::default();
    for entry in entries.iter().cloned().map(Arc::new) {
        stepwise.replace(&[], &[entry]);
    }
    assert_eq!(stepwise, table, "routes that come one by one");
    assert_eq!(stepwise.conflicts(), conflicts);
    assert_eq!(table.entries().count() + conflicts.len(), entries.len());
    for (authority, target) in URLS {
        find(&table, authority, target);
    }
    let (authority, target) = (story.arbitrary::<String>()?, story.arbitrary::<String>()?);
    find(&table, &authority, &target);
    Ok(())
}

fn labels(story: &mut Unstructured<'_>) -> Result<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    for _ in 0..story.int_in_range(0..=8)? {
        let label = if story.ratio(7, 8)? {
            (*story.choose(&LABELS)?).to_owned()
        } else {
            let prefix =
                story.choose(&["com.docker.lb.", "traefik.", "traefik.http.middlewares.m."])?;
            format!("{prefix}{}", story.arbitrary::<String>()?)
        };
        let mut value = String::new();
        for _ in 0..story.int_in_range(0..=5)? {
            if story.ratio(7, 8)? {
                value.push_str(story.choose(&PIECES)?);
            } else {
                value.push_str(&story.arbitrary::<String>()?);
            }
        }
        labels.insert(label, value);
    }
    Ok(labels)
}

/// What holds for a service by itself.
fn alone(labels: &BTreeMap<String, String>, declared: &Declared) {
    assert!(declared.routes.len() <= ROUTES);
    for route in &declared.routes {
        let text = route.rule.to_string();
        assert_eq!(text.parse::<Rule>().as_ref(), Ok(&route.rule), "{text}");
        let asked = labels.get(&format!("traefik.http.routers.{}.middlewares", route.name));
        if let Some(names) = asked {
            assert!(is_kept(route, names, labels), "{route:?} of {labels:?}");
        }
    }
}

/// Has a route what keeps strangers out, if it asks for it?
fn is_kept(route: &Route, names: &str, labels: &BTreeMap<String, String>) -> bool {
    let keeps = |filter: &Filter| {
        matches!(
            filter,
            Filter::Closed(_) | Filter::BasicAuth(_) | Filter::AllowClients(_)
        )
    };
    let kept = route.filters.iter().any(keeps);
    let mut names = names
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let keeper = |label: &String| {
        ["basicauth.users", "ipallowlist.sourcerange"]
            .iter()
            .any(|kind| *label == format!("traefik.http.middlewares.m.{kind}"))
    };
    names.all(|name| match name {
        "m" if labels.keys().any(keeper) => kept,
        "m" => true,
        // Nobody declares it.
        _ => kept,
    })
}

fn find(table: &Table, authority: &str, target: &str) {
    let Some(host) = Host::of(authority) else {
        return;
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let Ok(path) = NormalPath::of(path) else {
        return;
    };
    assert_eq!(NormalPath::of(path.as_str()).as_ref(), Ok(&path));
    let request = Request {
        host: &host,
        path: &path,
        query,
        method: &http::Method::GET,
        headers: &http::HeaderMap::new(),
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    for (entry_point, tls) in [(EntryPoint::Http, false), (EntryPoint::Https, true)] {
        let served = |entry: &&Entry| {
            let points = entry.route.entry_points;
            let there = if tls { points.https } else { points.http };
            there && entry.route.rule.matches(&request)
        };
        let walked = table.entries().find(served);
        assert_eq!(
            table.find(entry_point, &request),
            walked,
            "{authority} {target}"
        );
    }
}
