//! What an explanation says of header fields, of certificates and of the choice of a task.

use super::*;

/// What is said of a GET for `url` with this header field, of a service with two tasks and these labels besides host and port.
fn said(labelled: &[(&str, &str)], url: &str, header: &str) -> String {
    let labelled = [&SITE[..2], labelled].concat();
    let snapshot = SnapshotBuilder::new()
        .service("b", with("site", 1, &labelled))
        .tasks("b", [("t4", "n1"), ("t5", "n2")])
        .node("n1", member("alpha", Some(Ipv4Addr::new(10, 0, 0, 1))))
        .node("n2", member("beta", Some(Ipv4Addr::new(10, 0, 0, 2))))
        .build();
    let query = RequestQuery::new(url, None, [header], Some("203.0.113.7")).unwrap();
    explain(&snapshot, &query).sentences.join("\n")
}

#[test]
fn a_client_that_says_for_whom_it_asks_is_not_believed() {
    for (header, believed) in [
        ("X-Forwarded-For: 192.0.2.9", false),
        ("X-Forwarded-Proto: https", false),
        ("Forwarded: for=192.0.2.9", false),
        ("Accept: text/html", true),
        ("Forwarded-By: nobody", true),
    ] {
        let said = said(&[], "http://shop.example/", header);
        let doubted = said.contains("assumed to be no proxy that the router trusts");
        assert_eq!(doubted, !believed, "{header}: {said}");
    }
}

#[test]
fn a_connection_for_one_host_and_a_request_for_another_need_one_certificate() {
    let own = [("com.docker.lb.ssl_passthrough", "true")];
    let url = "https://shop.example/";
    for (labelled, header, misdirected) in [
        (&[][..], "Host: other.example", true),
        (&[], "Host: shop.example", false),
        (&[], "Accept: text/html", false),
        // The router sees no request of a connection that it passes through.
        (&own, "Host: other.example", false),
    ] {
        let said = said(labelled, url, header);
        let told = said.contains(
            "The connection is made for shop.example and the request for other.example: the router answers 421",
        );
        assert_eq!(told, misdirected, "{header}: {said}");
        assert_eq!(said.contains("421"), misdirected, "{header}: {said}");
    }
}

#[test]
fn a_host_that_a_service_names_is_not_passed_to_the_service_of_all_hosts_about_it() {
    let all = [
        ("com.docker.lb.hosts", "*.example"),
        SITE[1],
        ("com.docker.lb.ssl_passthrough", "true"),
    ];
    let snapshot = SnapshotBuilder::new()
        .service("a", with("all", 1, &all))
        .service("b", with("site", 2, &SITE))
        .tasks("a", [("t1", "n1")])
        .tasks("b", [("t4", "n1")])
        .build();
    let by = |url| {
        let told = explain(&snapshot, &query(url));
        (told.certificate.unwrap().by, told.task)
    };
    let (certificate, task) = by("https://shop.example/");
    assert_eq!(certificate, CertificateBy::Name);
    assert_eq!(task.as_deref(), Some("site.1"));
    let (certificate, task) = by("https://blog.example/");
    assert_eq!(certificate, CertificateBy::Task);
    assert_eq!(task.as_deref(), Some("all.1"));
}

#[test]
fn it_is_said_how_one_of_several_tasks_is_chosen() {
    let drawn = "the less loaded of two that are drawn";
    for (labelled, how) in [
        (&[][..], drawn.to_owned()),
        (
            &[("com.docker.lb.sticky_session_cookie", "SID")],
            format!("{drawn}, until the client has the application's cookie"),
        ),
    ] {
        let said = said(labelled, "http://shop.example/", "Accept: text/html");
        let expected = format!("One of 2 tasks of site gets /: {how}. Which");
        assert!(said.contains(&expected), "{said}");
    }
    for (setting, value, how) in [
        ("strategy", "wrr", "one after the other".to_owned()),
        ("strategy", "p2c", drawn.to_owned()),
        (
            "sticky.cookie",
            "true",
            format!("{drawn}, to which the client comes back by a cookie"),
        ),
    ] {
        let setting = format!("traefik.http.services.x.loadbalancer.{setting}");
        let labelled = [
            ("traefik.http.routers.x.rule", "Host(`x.example`)"),
            ("traefik.http.services.x.loadbalancer.server.port", "80"),
            (setting.as_str(), value),
        ];
        let said = said(&labelled, "http://x.example/", "Accept: text/html");
        let expected = format!("One of 2 tasks of site gets /: {how}. Which");
        assert!(said.contains(&expected), "{said}");
    }
}

#[test]
fn the_task_that_is_named_is_one_that_takes_new_requests() {
    for (stopping, left) in [("t4", "site.2"), ("t5", "site.1")] {
        let mut snapshot = swarm();
        let task = snapshot.tasks.get_mut(&stopping.into()).unwrap();
        task.health = LocalHealth::Stopping;
        let told = explain(&snapshot, &query("http://shop.example/"));
        assert_eq!(told.task.as_deref(), Some(left));
    }
}
