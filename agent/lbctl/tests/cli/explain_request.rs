//! `explain URL`, where `shop_vote` answers for vote.example and two of its three tasks are ready.

use crate::agent::Agent;
use crate::tables::{json, shows};
use lb_core::report::{
    CertificateBy, RequestExplanation, RequestResult, RouterCertificate, Routes,
};
use lb_core::testing::labels;

fn serving() -> Agent {
    let agent = Agent::start();
    agent.change(|swarm| {
        swarm.routes = Some(Routes::default());
        let vote = swarm.snapshot.services.get_mut(&"s1".into()).unwrap();
        vote.labels = labels(&[
            (
                "traefik.http.routers.vote.rule",
                "Host(`vote.example`) && (Method(`GET`) || Header(`X-Key`, `a & b`))",
            ),
            ("traefik.http.services.vote.loadbalancer.server.port", "80"),
        ]);
    });
    agent
}

#[test]
fn which_route_answers_and_which_tasks_may_get_it() {
    let agent = serving();
    shows(
        &agent.lbctl(&["explain", "http://vote.example/a?b"]),
        0,
        "\
192.0.2.1 asks for GET http://vote.example/a?b on port 80.
No address of the client's was given: 192.0.2.1 is assumed.
route vote of service shop_vote answers: its rule Host(`vote.example`) && (Method(`GET`) || Header(`x-key`, `a & b`)) matches, with priority 67.
One of 2 tasks of shop_vote gets /a: the less loaded of two that are drawn. Which one that is, is the router's choice with each request.
shop_vote.1 on alpha, [fdb4:2e91:7ac3:0:6387:10e0:bb14:f578]:80: ready.
shop_vote.2 on beta, [fdb4:2e91:7ac3:0:9c81:2c83:d2c7:a60d]:80: ready.
shop_vote.3 on gamma, [fdb4:2e91:7ac3:0:b362:2e22:6b70:173c]:80: stopping, no new requests.
",
    );
}

#[test]
fn the_method_the_fields_and_the_client_are_asked_with() {
    let agent = serving();
    let post = ["explain", "http://vote.example/", "--method", "POST"];
    let ran = agent.lbctl(&[&post[..], &["--client", "2001:db8::7"]].concat());
    shows(
        &ran,
        1,
        "\
2001:db8::7 asks for POST http://vote.example/ on port 80.
No route on port 80 is for it: the router answers 404.
Not route vote of service shop_vote (Host(`vote.example`) && (Method(`GET`) || Header(`x-key`, `a & b`)), priority 67): of its rule, Method(`GET`), Header(`x-key`, `a & b`) does not match.
",
    );
    let key = ["--header", "x-key: a & b", "--header", "accept: */*"];
    let told: RequestExplanation = json(&agent, &[&["--json"], &post[..], &key[..]].concat());
    assert_eq!((told.result, told.task), (RequestResult::Task, None));
}

#[test]
fn which_certificate_is_shown_and_what_comes_where_there_is_none() {
    let agent = serving();
    let wildcard = RouterCertificate {
        file: "wild.crt".to_owned(),
        keys: vec!["wild.key".to_owned()],
        names: vec!["*.example".to_owned()],
        // 2027-01-01.
        expires_s: 1_798_761_600,
    };
    agent.change(|swarm| {
        swarm.certificates = Some(vec![wildcard]);
        let vote = swarm.snapshot.services.get_mut(&"s1".into()).unwrap();
        vote.labels = labels(&[
            ("traefik.http.routers.vote.rule", "Host(`vote.example`)"),
            ("traefik.http.routers.vote.tls", "true"),
            ("traefik.http.services.vote.loadbalancer.server.port", "80"),
        ]);
    });
    let ran = agent.lbctl(&["explain", "https://vote.example/"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for line in [
        "The certificate for vote.example is in the file wild.crt of the router, found by that name.\n",
        "It is for *.example, and expires on 2027-01-01 (UTC).\n",
    ] {
        assert!(ran.out.contains(line), "{}", ran.out);
    }
    let url = "https://a.vote.example/";
    let none = agent.lbctl(&["explain", url]);
    assert_eq!(none.code, Some(1), "{none:?}");
    assert!(
        none.out
            .contains("The router has no certificate for a.vote.example: "),
        "{}",
        none.out
    );
    let told: RequestExplanation = json(&agent, &["--json", "explain", "https://vote.example/"]);
    let shown = told.certificate.unwrap();
    assert_eq!(
        (shown.by, shown.expires_s),
        (CertificateBy::Name, Some(1_798_761_600))
    );
}

#[test]
fn what_makes_no_sense_or_is_switched_off_is_said_in_one_sentence() {
    let agent = serving();
    for (arguments, message) in [
        (&["http://a b/"][..], "http://a b/ is no URL of a request"),
        (&["http://a/", "alpha:80"], "a URL says what is called"),
        (&["203.0.113.7"], "say what 203.0.113.7 calls"),
        (
            &["203.0.113.7", "alpha:80", "--method", "GET"],
            "--method, --header and --client are for requests",
        ),
        (&["http://a/", "--header", "x"], "x is no header field"),
    ] {
        let ran = agent.lbctl(&[&["explain"], arguments].concat());
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
        assert!(ran.err.contains(message), "{}", ran.err);
    }
    agent.change(|swarm| swarm.routes = None);
    let ran = agent.lbctl(&["explain", "http://vote.example/"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert!(
        ran.err.contains("the HTTP router is switched off"),
        "{}",
        ran.err
    );
}
