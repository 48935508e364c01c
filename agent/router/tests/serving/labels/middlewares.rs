//! `traefik.http.middlewares.*` but `headers`: redirects, authentication, prefixes, networks, and their order.

use super::{One, labels};
use crate::harness::{Router, Task, ask, service};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// `a.test` on both ports, by the middlewares `m` and those of `more`.
fn a(middlewares: &str, more: &str) -> One {
    let more = more.replace("M.", "traefik.http.middlewares.");
    One::with(&format!(
        "traefik.http.routers.a.rule=Host(`a.test`)
         traefik.http.routers.a.entrypoints=web,websecure
         traefik.http.routers.a.middlewares={middlewares}
         traefik.http.services.a.loadbalancer.server.port=18080
         {more}"
    ))
}

fn authorization(name: &str, password: &str) -> String {
    let both = STANDARD.encode(format!("{name}:{password}"));
    format!("Authorization: Basic {both}")
}

#[test]
fn redirectscheme() {
    let one = a("m", "M.m.redirectscheme.scheme=https");
    let answer = one.ask("GET /x?y=1 a.test:8080");
    assert_eq!(answer.status, 302);
    assert_eq!(answer.field("location"), ["https://a.test/x?y=1"]);
    assert_eq!(one.ask("POST / a.test\nContent-Length: 0").status, 307);
    assert_eq!(one.ask_tls("GET / a.test").task(), one.task.key);

    let permanent = a(
        "m",
        "M.m.redirectscheme.scheme=https\nM.m.redirectscheme.permanent=true\nM.m.redirectscheme.port=8443",
    );
    let answer = permanent.ask("GET /x a.test");
    assert_eq!(answer.status, 301);
    assert_eq!(answer.field("location"), ["https://a.test:8443/x"]);
    assert_eq!(
        permanent.ask("POST / a.test\nContent-Length: 0").status,
        308
    );

    let back = a("m", "M.m.redirectscheme.scheme=http");
    let answer = back.ask_tls("GET /x a.test");
    assert_eq!(answer.field("location"), ["http://a.test/x"]);
    back.serves("GET / a.test");
}

/// The digests are those that `lb-routes` knows from other programs.
#[test]
fn basicauth_knows_the_digests_of_htpasswd() {
    let one = a(
        "m",
        "M.m.basicauth.users=bcrypt:BCRYPT,apr1:APR1, sha:SHA1"
            .replace("BCRYPT", BCRYPT)
            .replace("APR1", APR1)
            .replace("SHA1", SHA1)
            .as_str(),
    );
    for (name, password) in [
        ("bcrypt", "geheim"),
        ("apr1", "geheim"),
        ("sha", "password"),
    ] {
        // The second time it is remembered.
        for _ in 0..2 {
            one.serves(&format!("GET / a.test\n{}", authorization(name, password)));
        }
        let wrong = one.ask(&format!("GET / a.test\n{}", authorization(name, "other")));
        assert_eq!(wrong.status, 401, "{name}");
    }
    let stranger = one.ask(&format!("GET / a.test\n{}", authorization("x", "password")));
    assert_eq!(stranger.status, 401);
    let nobody = one.ask("GET / a.test");
    assert_eq!(nobody.status, 401);
    assert_eq!(
        nobody.field("www-authenticate"),
        ["Basic realm=\"traefik\""]
    );
    // The task sees who it is, as Traefik has it.
    let answer = one.ask(&format!(
        "GET / a.test\n{}",
        authorization("sha", "password")
    ));
    assert_eq!(answer.seen("authorization").len(), 1);
}

const BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuuVWu8RjbNovPZWAMRdd7iqaaG0mI53Uu";
const APR1: &str = "$apr1$sAlt.8/x$j9MVbStUMEhoAPuY05CSw1";
const SHA1: &str = "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=";

#[test]
fn basicauth_has_a_realm_and_tells_the_task_who_it_is() {
    let one = a(
        "m",
        &format!(
            "M.m.basicauth.users=me:{SHA1}\nM.m.basicauth.realm=the shop\nM.m.basicauth.headerfield=X-User\nM.m.basicauth.removeheader=true"
        ),
    );
    let nobody = one.ask("GET / a.test\nX-User: me");
    assert_eq!(nobody.status, 401);
    assert_eq!(
        nobody.field("www-authenticate"),
        ["Basic realm=\"the shop\""]
    );
    let head = format!(
        "GET / a.test\nX-User: root\n{}",
        authorization("me", "password")
    );
    let answer = one.ask(&head);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.seen("x-user"), ["me"]);
    assert!(answer.seen("authorization").is_empty());
}

#[test]
fn what_should_keep_strangers_out_and_is_not_understood_closes_the_route() {
    for label in [
        "M.m.basicauth.users=me:plain",
        "M.m.basicauth.usersfile=/users",
        "M.m.forwardauth.address=http://auth/",
        "M.m.ipallowlist.sourcerange=here",
        "M.m.plugin.x.y=z",
        "M.other.basicauth.realm=x",
    ] {
        assert_eq!(a("m", label).ask("GET / a.test").status, 403, "{label}");
    }
    assert_eq!(a("auth@file", "").ask("GET / a.test").status, 403);
    // What keeps nobody out does not.
    for label in [
        "M.m.compress=true",
        "M.m.ratelimit.average=1",
        "M.m.retry.attempts=2",
    ] {
        a("m", label).serves("GET / a.test");
    }
}

#[test]
fn middlewares_run_in_the_order_of_the_label() {
    let both = format!("M.to.redirectscheme.scheme=https\nM.auth.basicauth.users=me:{SHA1}");
    assert_eq!(a("to, auth", &both).ask("GET / a.test").status, 302);
    assert_eq!(
        a("auth@docker,to@swarm", &both).ask("GET / a.test").status,
        401
    );
    let head = format!("GET / a.test\n{}", authorization("me", "password"));
    assert_eq!(a("auth,to", &both).ask(&head).status, 302);
}

#[test]
fn a_field_that_one_middleware_sets_is_changed_by_the_next() {
    let both =
        "M.one.headers.customrequestheaders.X-By=one\nM.one.headers.customresponseheaders.X-By=one
        M.two.headers.customrequestheaders.X-By=two\nM.two.headers.customresponseheaders.X-By=two";
    let answer = a("one,two", both).ask("GET / a.test");
    assert_eq!(answer.seen("x-by"), ["two"]);
    // Answers come back the other way.
    assert_eq!(answer.field("x-by"), ["one"]);
}

#[test]
fn stripprefix() {
    let one = a("m", "M.m.stripprefix.prefixes=/api, /old");
    for (asked, got) in [
        ("/api/x?y", "/x?y"),
        ("/old", "/"),
        ("/apix", "/apix"),
        ("/", "/"),
    ] {
        let body = one.ask(&format!("GET {asked} a.test")).body;
        assert!(
            body.contains(&format!("\nGET {got} HTTP/1.1\n")),
            "{asked}: {body}"
        );
    }
    assert_eq!(
        one.ask("GET /api/x a.test").seen("x-forwarded-prefix"),
        ["/api"]
    );
}

#[test]
fn ipallowlist() {
    for name in ["ipallowlist", "ipwhitelist"] {
        a(
            "m",
            &format!("M.m.{name}.sourcerange=192.0.2.1, 127.0.0.0/8"),
        )
        .serves("GET / a.test");
        let other = a("m", &format!("M.m.{name}.sourcerange=192.0.2.0/24"));
        assert_eq!(
            other.ask("GET / a.test\nX-Forwarded-For: 192.0.2.1").status,
            403
        );
    }
}

/// As stacks have it that follow dockerswarm.rocks: the middleware is declared where Traefik itself ran.
#[test]
fn a_middleware_may_be_declared_by_another_service() {
    let proxy = |scheme: &str| {
        let label = format!("traefik.http.middlewares.to-tls.redirectscheme.scheme={scheme}");
        let labels = [("traefik.enable", "true"), label.split_once('=').unwrap()];
        service("proxy", &labels, &[])
    };
    let task = Task::start();
    let text = "traefik.http.routers.a.rule=Host(`a.test`)
         traefik.http.routers.a.middlewares=to-tls
         traefik.http.services.a.loadbalancer.server.port=18080";
    let app = service("a", &labels(text), &[&task]);
    let mut router = Router::start(std::slice::from_ref(&app));
    let status = |router: &Router| ask(router.http, "a.test", "/").status;
    assert_eq!(status(&router), 403, "nobody declares it");
    router.change(&[proxy("https")]);
    assert_eq!(status(&router), 302);
    router.change(&[proxy("http")]);
    assert_eq!(status(&router), 200);
    router.view(&[app]);
    assert_eq!(status(&router), 403, "nobody declares it any more");
}
