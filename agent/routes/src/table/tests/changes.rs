//! Tables that change step by step.

use super::*;
use proptest::collection::vec;
use std::cmp::Reverse;

/// What the labels of a service declare.
#[derive(Clone, Debug)]
struct Declares {
    /// Routers of Traefik: rule, entry points, priority.
    routers: Vec<(&'static str, &'static str, u8)>,
    /// Labels of Interlock for the host `a.b`.
    interlock: &'static str,
}

fn declares() -> impl Strategy<Value = Declares> {
    let rule = prop_oneof![
        Just("Host(`a.b`)"),
        Just("Host(`b`)"),
        Just("Host(`*.b`)"),
        Just("Host(`a.b`) && Path(`/x`)"),
        Just("Host(`a.b`) && Path(`/y`)"),
        Just("Host(`b`) || Host(`*.b`)"),
        Just("HostRegexp(`^a`)"),
        Just("PathPrefix(`/`)"),
    ];
    let points = prop_oneof![Just("web"), Just("websecure"), Just("web,websecure")];
    let interlock = prop_oneof![
        4 => Just(""),
        1 => Just("com.docker.lb.hosts=a.b"),
        1 => Just("com.docker.lb.hosts=a.b\ncom.docker.lb.ssl_passthrough=true"),
        1 => Just("com.docker.lb.hosts=a.b\ncom.docker.lb.ssl_cert=c\ncom.docker.lb.ssl_key=k"),
    ];
    (vec((rule, points, 0_u8..3), 0..4), interlock)
        .prop_map(|(routers, interlock)| Declares { routers, interlock })
}

/// The routes of a service that declares this.
fn entries(number: u8, created_ns: u64, declares: &Declares) -> Vec<Arc<Entry>> {
    let mut labels = declares.interlock.to_owned();
    if !labels.is_empty() {
        labels.push_str("\ncom.docker.lb.port=80");
    }
    if !declares.routers.is_empty() {
        labels.push_str("\ntraefik.http.services.x.loadbalancer.server.port=80");
    }
    for (name, (rule, points, priority)) in declares.routers.iter().enumerate() {
        labels.push_str(&format!(
            "\ntraefik.http.routers.r{name}.rule={rule}
             traefik.http.routers.r{name}.entrypoints={points}
             traefik.http.routers.r{name}.priority={priority}"
        ));
    }
    let entries = service(&number.to_string(), created_ns, &labels);
    entries.into_iter().map(Arc::new).collect()
}

/// The routes that are served, by rank, and the conflicts: by a walk over all routes.
fn walk(mut entries: Vec<Arc<Entry>>) -> (Vec<Arc<Entry>>, Vec<Conflict>) {
    entries.sort_by(|one, other| one.age().cmp(&other.age()));
    let mut owners: BTreeMap<(Arc<str>, bool), Arc<Entry>> = BTreeMap::new();
    let (mut served, mut conflicts) = (Vec::new(), Vec::new());
    for entry in entries {
        let points = entry.route.entry_points;
        let points = [(points.http, false), (points.https, true)];
        let points = points.into_iter().filter(|(is_on, _)| *is_on);
        let keys: Vec<_> = points.map(|(_, tls)| (entry.rule.clone(), tls)).collect();
        if let Some(older) = keys.iter().find_map(|key| owners.get(key)) {
            conflicts.push(Conflict {
                older: older.clone(),
                younger: entry,
            });
            continue;
        }
        owners.extend(keys.into_iter().map(|key| (key, entry.clone())));
        served.push(entry);
    }
    // Equal ranks stay in the order of age.
    served.sort_by_key(|entry| Reverse(Rank::of(&entry.route)));
    (served, conflicts)
}

/// Asks for a URL.
fn ask<T>(url: &str, answer: impl FnOnce(&Request<'_>) -> T) -> T {
    let (host, path) = url.split_at(url.find('/').unwrap());
    answer(&Request {
        host: &Host::of(host).unwrap(),
        path: &NormalPath::of(path).unwrap(),
        query: "",
        method: &Method::GET,
        headers: &HeaderMap::new(),
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
    })
}

/// Does a table say what follows from a walk over its routes?
fn check(table: &Table, served: &[Arc<Entry>], conflicts: &[Conflict]) {
    assert!(table.entries().eq(served.iter().map(|it| &**it)));
    assert_eq!(table.conflicts(), conflicts);
    for entry in served {
        assert!(table.serves(entry));
    }
    for conflict in conflicts {
        assert!(!table.serves(&conflict.younger));
    }
    let passes = |entry: &Arc<Entry>| entry.route.tls.passthrough;
    assert_eq!(table.passes_tls(), served.iter().any(passes));
    for url in ["a.b/", "a.b/x", "b/x", "c.a.b/", "c.b/y", "ab/x", "d/"] {
        ask(url, |request| {
            for at in [EntryPoint::Http, EntryPoint::Https] {
                let mut on_it = served.iter().filter(|it| it.route.entry_points.has(at));
                let walked = on_it.find(|it| it.route.rule.matches(request));
                assert_eq!(table.find(at, request), walked.map(|it| &**it), "{url}");
            }
        });
    }
}

proptest! {
    #[test]
    fn whatever_changes_a_table_is_what_a_walk_over_its_routes_finds(
        steps in vec(vec((0_u8..5, 0_u64..3, declares()), 1..4), 1..10),
    ) {
        let mut services: BTreeMap<u8, Vec<Arc<Entry>>> = BTreeMap::new();
        let (mut table, mut conflicts): (_, Vec<Conflict>) = (Table::default(), Vec::new());
        let mut last = walk(Vec::new());
        for step in steps {
            let copy = table.clone();
            // Of two changes of one service at once, the second one is its change.
            let step = step.iter().map(|(number, created_ns, it)| (*number, (*created_ns, it)));
            let step: BTreeMap<_, _> = step.collect();
            let (mut before, mut now) = (Vec::new(), Vec::new());
            for (number, (created_ns, it)) in step {
                let entries = entries(number, created_ns, it);
                now.extend(entries.iter().cloned());
                before.extend(services.insert(number, entries).unwrap_or_default());
            }
            let changes = table.replace(&before, &now);
            for gone in &changes.gone {
                let at = conflicts.iter().position(|it| it == gone);
                conflicts.remove(at.unwrap());
            }
            conflicts.extend(changes.new);
            conflicts.sort_by(|one, other| one.younger.age().cmp(&other.younger.age()));
            let all: Vec<Arc<Entry>> = services.values().flatten().cloned().collect();
            let (served, expected) = walk(all.clone());
            check(&table, &served, &expected);
            prop_assert_eq!(&conflicts, &expected);
            let (at_once, of_all) = Table::new(all);
            prop_assert_eq!(&of_all, &expected);
            prop_assert_eq!(&at_once, &table);
            for host in ["a.b", "b", "c.a.b", "c.b", "ab"].map(|host| Host::of(host).unwrap()) {
                prop_assert_eq!(table.has_host(&host), at_once.has_host(&host));
                prop_assert_eq!(table.tls(&host), at_once.tls(&host));
            }
            // Who has a copy is served by it.
            check(&copy, &last.0, &last.1);
            last = (served, expected);
        }
    }
}

#[test]
fn a_route_that_was_kept_out_is_served_once_the_older_service_has_another_rule() {
    let declared = |rule, points| Declares {
        routers: vec![(rule, points, 1)],
        interlock: "",
    };
    let first = entries(1, 1, &declared("Host(`a.b`)", "web"));
    let second = entries(2, 2, &declared("Host(`a.b`)", "web,websecure"));
    let third = entries(3, 3, &declared("Host(`a.b`)", "websecure"));
    let (mut table, conflicts) = Table::new([&first[..], &second, &third].concat());
    let younger = |conflicts: &[Conflict]| -> Vec<String> {
        let younger = conflicts.iter().map(|it| &it.younger);
        younger.map(|it| it.service_name.clone()).collect()
    };
    assert_eq!(younger(&conflicts), ["2"]);
    let https = |table: &Table| answers(table, EntryPoint::Https, "a.b/").map(str::to_owned);
    assert_eq!(https(&table).as_deref(), Some("3"));
    let moved = entries(1, 1, &declared("Host(`c.b`)", "web"));
    let changes = table.replace(&first, &moved);
    assert_eq!(younger(&changes.gone), ["2"]);
    assert_eq!(younger(&changes.new), ["3"]);
    assert_eq!(https(&table).as_deref(), Some("2"));
    assert_eq!(answers(&table, EntryPoint::Http, "c.b/"), Some("1"));
}

#[test]
fn a_change_among_many_routes_touches_few_of_them() {
    let of = |host: &str| {
        let rule = format!("Host(`{host}.test`)");
        let entries = routed(host, 1, &rule, "");
        entries.into_iter().map(Arc::new).collect::<Vec<_>>()
    };
    let all: Vec<Arc<Entry>> = (0..2_000).flat_map(|n| of(&format!("h{n}"))).collect();
    let (mut table, _) = Table::new(all.iter().cloned());
    let _copy = table.clone();
    let held: Vec<usize> = all.iter().map(Arc::strong_count).collect();
    table.replace(&all[7..8], &of("another"));
    let now = all.iter().map(Arc::strong_count);
    let touched = now.zip(held).filter(|(now, before)| now != before).count();
    assert!((1..400).contains(&touched), "{touched} of 2,000");
}
