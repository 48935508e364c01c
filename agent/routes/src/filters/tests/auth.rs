//! Names and passwords.

use super::*;
use crate::route::{BasicAuth, User};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderName;

/// `me` with the password `geheim` by bcrypt, `you` with `password` by SHA-1.
const USERS: &str = "me:$2y$05$abcdefghijklmnopqrstuuVWu8RjbNovPZWAMRdd7iqaaG0mI53Uu,\
                     you:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=";

fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

/// The status that a client gets with these `Authorization` fields; 0: the request goes on.
fn status(fields_sent: &[&str]) -> u16 {
    let filters = filters(&format!("basicauth.users={USERS}"));
    let list: Vec<(&str, &str)> = fields_sent
        .iter()
        .map(|it| ("authorization", *it))
        .collect();
    let headers = fields(&list);
    let answer = Sent {
        headers,
        ..Sent::default()
    }
    .answer(&filters);
    answer.map_or(0, |answer| {
        assert_eq!(
            field(&answer.headers, "www-authenticate"),
            Some("Basic realm=\"traefik\"")
        );
        answer.status.as_u16()
    })
}

#[test]
fn who_is_known_comes_in_and_nobody_else() {
    for good in ["me:geheim", "you:password"] {
        assert_eq!(status(&[&basic(good)]), 0, "{good}");
        assert_eq!(
            status(&[&basic(good).replace("Basic", "bAsIC")]),
            0,
            "{good}"
        );
    }
    for bad in [
        "me:password",
        "you:geheim",
        "he:geheim",
        "me:",
        ":geheim",
        "me",
        "",
        "Me:geheim",
    ] {
        assert_eq!(status(&[&basic(bad)]), 401, "{bad}");
    }
    let good = basic("me:geheim");
    assert_eq!(status(&[]), 401);
    assert_eq!(status(&[&good, &good]), 401);
    assert_eq!(status(&[&good.replace("Basic", "Bearer")]), 401);
    assert_eq!(status(&["Basic"]), 401);
    assert_eq!(status(&["Basic %%%"]), 401);
}

#[test]
fn a_name_that_is_not_known_takes_as_long_as_one_that_is() {
    let filters = filters(&format!("basicauth.users={USERS}"));
    let headers = fields(&[("authorization", &basic("he:geheim"))]);
    let mut sent = Sent {
        headers,
        ..Sent::default()
    };
    let mut chain = sent.chain(&filters);
    let mut request = Request {
        method: &Method::GET,
        host: &Host::of("a").unwrap(),
        query: None,
        headers: &mut sent.headers,
        client: "192.0.2.1".parse().unwrap(),
        request_id: "1",
    };
    let Step::NeedsPassword(credentials) = chain.run(&mut request) else {
        panic!("no password is compared")
    };
    assert!(credentials.digest().starts_with("$2y$"));
    assert_eq!(credentials.password(), b"geheim");
    assert!(verify(credentials.digest(), credentials.password()));
    assert_eq!(credentials.user(), None);
    assert!(!credentials.verify());
    let shown = format!("{credentials:?}");
    assert!(
        !shown.contains("geheim") && !shown.contains("2y"),
        "{shown}"
    );
}

#[test]
fn the_task_is_told_who_it_is_and_not_by_the_client() {
    let filters = filters(&format!(
        "basicauth.users={USERS}
        +basicauth.headerfield=X-User
        +basicauth.removeheader=true
        ipallowlist.sourcerange=192.0.2.0/24"
    ));
    let authorization = basic("me:geheim");
    let headers = fields(&[
        ("authorization", &authorization),
        ("x-user", "root"),
        ("x-user", "r"),
    ]);
    let mut sent = Sent {
        headers,
        ..Sent::default()
    };
    assert_eq!(sent.answer(&filters), None);
    assert_eq!(sent.headers, fields(&[("x-user", "me")]));
    // Filters behind the password are done, too.
    let headers = fields(&[("authorization", &authorization)]);
    let mut other = Sent {
        headers,
        client: "10.0.0.1",
        ..Sent::default()
    };
    assert_eq!(other.answer(&filters).unwrap().status.as_u16(), 403);
}

#[test]
fn a_name_that_is_no_text_of_a_field_leaves_the_field_out() {
    let user = User {
        name: "m\u{7f}".to_owned(),
        digest: "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=".to_owned(),
    };
    let auth = BasicAuth {
        users: vec![user],
        realm: "r".to_owned(),
        name_field: Some(HeaderName::from_static("x-user")),
        removes_header: true,
    };
    let authorization = basic("m\u{7f}:password");
    let headers = fields(&[("authorization", &authorization), ("x-user", "root")]);
    let mut sent = Sent {
        headers,
        ..Sent::default()
    };
    assert_eq!(sent.answer(&[Filter::BasicAuth(auth)]), None);
    assert_eq!(sent.headers, HeaderMap::new());
}
