//! Whole sets of labels, as guides and installers have them.

use super::{One, labels};
use crate::harness::{Router, Task, ask, service};

/// The proxy's own labels in stacks for Traefik on Swarm: who comes to port 80 is sent to TLS, whatever the host. A port has to
/// be said in Swarm, and nobody listens there.
const CATCH_ALL: &str = "traefik.enable=true
    traefik.http.middlewares.redirect-https.redirectscheme.scheme=https
    traefik.http.middlewares.redirect-https.redirectscheme.permanent=true
    traefik.http.routers.http-catchall.rule=hostregexp(`{host:.+}`)
    traefik.http.routers.http-catchall.entrypoints=web
    traefik.http.routers.http-catchall.middlewares=redirect-https@docker
    traefik.http.routers.http-catchall.priority=1
    traefik.http.services.dummy-svc.loadbalancer.server.port=9999";

/// An application beside it.
const BEHIND: &str = "traefik.enable=true
    traefik.http.routers.app.rule=Host(`a.test`)
    traefik.http.routers.app.entrypoints=websecure
    traefik.http.routers.app.tls.certresolver=letsencryptresolver
    traefik.http.routers.app.service=app
    traefik.http.routers.app.priority=1
    traefik.docker.network=public
    traefik.http.services.app.loadbalancer.server.port=18080
    traefik.http.services.app.loadbalancer.passHostHeader=true
    traefik.http.services.app.loadbalancer.sticky.cookie.httpOnly=true";

#[test]
fn a_catch_all_sends_everybody_to_tls() {
    let one = One::with(BEHIND);
    let answer = one.ask_tls("GET / a.test");
    assert_eq!((answer.status, answer.task()), (200, one.task.key));
    let set = answer.field("set-cookie");
    assert!(set[0].ends_with("; Path=/; HttpOnly"), "{set:?}");
    let task = Task::start();
    let router = Router::start(&[
        service("proxy", &labels(CATCH_ALL), &[]),
        service("app", &labels(BEHIND), &[&task]),
    ]);
    for host in ["a.test", "b.test"] {
        let answer = ask(router.http, host, "/x");
        assert_eq!(answer.status, 301);
        assert_eq!(answer.field("location"), [format!("https://{host}/x")]);
    }
}

/// dockerswarm.rocks: two routers a service, and a label by which Traefik chose its services.
#[test]
fn a_service_has_a_router_for_each_port() {
    let one = One::with(
        "traefik.enable=true
         traefik.docker.network=traefik-public
         traefik.constraint-label=traefik-public
         traefik.http.routers.app-http.rule=Host(`a.test`)
         traefik.http.routers.app-http.entrypoints=http
         traefik.http.routers.app-http.middlewares=https-redirect
         traefik.http.routers.app-https.rule=Host(`a.test`)
         traefik.http.routers.app-https.entrypoints=https
         traefik.http.routers.app-https.tls=true
         traefik.http.routers.app-https.tls.certresolver=le
         traefik.http.middlewares.https-redirect.redirectscheme.scheme=https
         traefik.http.middlewares.https-redirect.redirectscheme.permanent=true
         traefik.http.services.app.loadbalancer.server.port=18080",
    );
    assert_eq!(one.ask("GET / a.test").status, 301);
    assert_eq!(one.ask_tls("GET / a.test").task(), one.task.key);
}

/// An API below a site's host, and its documentation without a password.
#[test]
fn rules_and_middlewares_work_together() {
    let one = One::with(
        "traefik.enable=true
         traefik.http.routers.api.rule=(Host(`a.test`) || Host(`www.a.test`)) && PathPrefix(`/api`)
         traefik.http.routers.api.middlewares=auth,strip,fields
         traefik.http.routers.docs.rule=Host(`a.test`) && PathPrefix(`/api/docs`)
         traefik.http.routers.docs.priority=1000
         traefik.http.routers.docs.middlewares=strip
         traefik.http.middlewares.auth.basicauth.users=me:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=
         traefik.http.middlewares.auth.basicauth.removeheader=true
         traefik.http.middlewares.strip.stripprefix.prefixes=/api
         traefik.http.middlewares.fields.headers.customrequestheaders.X-Script-Name=/api
         traefik.http.middlewares.fields.headers.customresponseheaders.X-Robots-Tag=none
         traefik.http.services.api.loadbalancer.server.port=18080",
    );
    let refused = one.ask("GET /api/x www.a.test");
    assert_eq!(refused.status, 401);
    let answer = one.ask("GET /api/x www.a.test\nAuthorization: Basic bWU6cGFzc3dvcmQ=");
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("\nGET /x HTTP/1.1\n"), "{answer:?}");
    assert_eq!(answer.seen("x-script-name"), ["/api"]);
    assert_eq!(answer.field("x-robots-tag"), ["none"]);
    assert!(answer.seen("authorization").is_empty());
    let docs = one.ask("GET /api/docs/ a.test");
    assert!(docs.body.contains("\nGET /docs/ HTTP/1.1\n"), "{docs:?}");
    one.knows_nothing_of("GET / a.test");
}

/// Interlock and Traefik on one service, for the days of a move.
#[test]
fn both_families_serve_one_service() {
    let one = One::with(
        "com.docker.lb.hosts=a.test
         com.docker.lb.port=18080
         com.docker.lb.network=front
         traefik.enable=true
         traefik.http.routers.a.rule=Host(`b.test`)
         traefik.http.services.a.loadbalancer.server.port=18080",
    );
    one.serves("GET / a.test");
    one.serves("GET / b.test");
}
