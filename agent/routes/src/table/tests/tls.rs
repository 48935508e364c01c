//! Which service says how TLS is spoken with the clients of a host.

use super::*;

/// A service of these hosts by labels of Interlock, and more of them.
fn of_hosts(name: &str, created_ns: u64, hosts: &str, more: &str) -> Vec<Entry> {
    let labels = format!(
        "com.docker.lb.hosts={hosts}
         com.docker.lb.port=80
         {more}"
    );
    service(name, created_ns, &labels)
}

/// Labels of a certificate and its key in files of this name.
fn secrets(name: &str) -> String {
    format!(
        "com.docker.lb.ssl_cert={name}.crt
         com.docker.lb.ssl_key={name}.key"
    )
}

const PASSTHROUGH: &str = "com.docker.lb.ssl_passthrough=true";

/// The service that says how TLS is spoken with the clients of a host.
fn says<'a>(table: &'a Table, host: &str) -> Option<&'a str> {
    let entry = table.tls(&Host::of(host).unwrap())?;
    Some(entry.service_name.as_str())
}

#[test]
fn a_host_that_a_service_names_is_not_passed_to_the_service_of_all_hosts_about_it() {
    let table = table([
        of_hosts("all", 1, "*.example.com", PASSTHROUGH),
        of_hosts("shop", 2, "shop.example.com", ""),
        of_hosts("plain", 3, "*.eu.example.com", ""),
        of_hosts("cloud", 4, "cloud.example.com", &secrets("cloud")),
    ]);
    assert_eq!(says(&table, "shop.example.com"), None);
    assert_eq!(says(&table, "blog.example.com"), Some("all"));
    assert_eq!(says(&table, "blog.shop.example.com"), Some("all"));
    assert_eq!(says(&table, "shop.eu.example.com"), None, "the nearest");
    assert_eq!(says(&table, "cloud.example.com"), Some("cloud"));
    assert_eq!(says(&table, "example.com"), None);
}

#[test]
fn a_younger_service_with_a_longer_rule_takes_no_tls_of_a_host() {
    for (owner, expected) in [
        (
            of_hosts("owner", 1, "a.test", &secrets("owner")),
            Some("owner"),
        ),
        (of_hosts("owner", 1, "a.test", ""), None),
        (
            service(
                "owner",
                1,
                "traefik.http.services.x.loadbalancer.server.port=80
                 traefik.http.routers.x.rule=Host(`a.test`)
                 traefik.http.routers.x.tls=true",
            ),
            None,
        ),
        // A part of the host is enough: who was there first with a path has the host's TLS.
        (
            routed("owner", 1, "Host(`a.test`) && PathPrefix(`/x`)", ""),
            None,
        ),
    ] {
        let missing = secrets("no-such-file");
        for more in [PASSTHROUGH, missing.as_str()] {
            let more = format!("com.docker.lb.context_root=/zzz\n{more}");
            let younger = of_hosts("younger", 2, "a.test", &more);
            let table = table([younger, owner.clone()]);
            assert_eq!(says(&table, "a.test"), expected, "{more}");
        }
    }
}

#[test]
fn of_the_routes_of_the_oldest_service_the_first_that_says_anything_decides() {
    let both = format!(
        "traefik.http.services.x.loadbalancer.server.port=80
         traefik.http.routers.x.rule=Host(`a.test`) && PathPrefix(`/longer`)
         traefik.http.routers.x.entrypoints=web,websecure
         com.docker.lb.hosts=a.test
         com.docker.lb.port=80
         {}",
        secrets("older")
    );
    let (table, _) = Table::new(
        [
            of_hosts("younger", 2, "a.test", &secrets("younger")),
            service("older", 1, &both),
            // It has no part in what comes on 443.
            service(
                "plain",
                0,
                "traefik.http.services.x.loadbalancer.server.port=80
                 traefik.http.routers.x.rule=Host(`a.test`) && PathPrefix(`/plain`)",
            ),
        ]
        .into_iter()
        .flatten(),
    );
    let certificate = |host: &str| {
        let entry = table.tls(&Host::of(host).unwrap())?;
        Some(entry.route.tls.secrets.as_ref()?.certificate.as_str())
    };
    assert_eq!(certificate("a.test"), Some("older.crt"));
    assert_eq!(certificate("b.test"), None);
}
