use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use lb_routes::filters::{Chain, Request, Step};
use lb_routes::path::NormalPath;
use lb_routes::route::{BasicAuth, Filter, User};
use lb_routes::rule::Host;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Asks for the password `secret` of ann; a comparison takes milliseconds.
fn auth() -> [Filter; 1] {
    let digest = "$2b$08$abcdefghijklmnopqrstuuKxCcvB7KZ7.BpDoK0bh6qM7Dl1/xiJa";
    let ann = User {
        name: "ann".to_owned(),
        digest: digest.to_owned(),
    };
    [Filter::BasicAuth(BasicAuth {
        users: vec![ann],
        realm: String::new(),
        name_field: None,
        removes_header: false,
    })]
}

/// What ann says with this password.
fn credentials<'r>(filters: &'r [Filter], password: &str) -> Credentials<'r> {
    let said = STANDARD.encode(format!("ann:{password}"));
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Basic {said}").parse().unwrap());
    let mut chain = Chain::new(filters, NormalPath::root(), false, &headers);
    let step = chain.run(&mut Request {
        method: &Method::GET,
        host: &Host::of("a.test").unwrap(),
        query: None,
        headers: &mut headers,
        client: CLIENT,
        request_id: "",
    });
    match step {
        Step::NeedsPassword(credentials) => credentials,
        other => panic!("{other:?}"),
    }
}

/// Goes on with a check as far as it gets now.
fn poll<F: Future>(check: &mut Pin<Box<F>>) -> Poll<F::Output> {
    let mut context = Context::from_waker(Waker::noop());
    check.as_mut().poll(&mut context)
}

#[tokio::test]
async fn so_many_passwords_of_an_address_wait_and_those_of_others_beside_them() {
    let (passwords, filters) = (Passwords::default(), auth());
    let guesses: Vec<_> = (0..9)
        .map(|number| credentials(&filters, &format!("guess{number}")))
        .collect();
    let check = |number: usize, client| Box::pin(passwords.check(&guesses[number], client));
    let mut waiting: Vec<_> = (0..8).map(|number| check(number, CLIENT)).collect();
    for waiting in &mut waiting {
        assert_eq!(poll(waiting), Poll::Pending);
    }
    let refused = Poll::Ready(Err(TooManyWait));
    assert_eq!(poll(&mut check(8, CLIENT)), refused);
    // Who waits already takes no further place, and others have their own.
    assert_eq!(poll(&mut check(7, CLIENT)), Poll::Pending);
    assert_eq!(poll(&mut check(8, OTHER)), Poll::Pending);
    // Who is gone leaves its place.
    drop(waiting.pop());
    assert_eq!(poll(&mut check(8, CLIENT)), Poll::Pending);
    drop(waiting);
    assert!(passwords.guesses.0.borrow().is_empty());
}

#[tokio::test]
async fn all_requests_with_one_password_get_the_outcome_of_one_comparison() {
    let (passwords, filters) = (Passwords::default(), auth());
    let (right, wrong) = (
        credentials(&filters, "secret"),
        credentials(&filters, "guess"),
    );
    let (one, other, refused) = tokio::join!(
        passwords.check(&right, CLIENT),
        passwords.check(&right, CLIENT),
        passwords.check(&wrong, CLIENT),
    );
    assert_eq!((one, other, refused), (Ok(true), Ok(true), Ok(false)));
    assert!(passwords.guesses.0.borrow().is_empty());
    // It is remembered.
    let mut again = Box::pin(passwords.check(&right, OTHER));
    assert_eq!(poll(&mut again), Poll::Ready(Ok(true)));
}
