use super::*;
use crate::report::build::tests::{swarm, this};

#[test]
fn questions_that_make_no_sense_get_one_sentence() {
    let client = |text: &str| text.parse::<ClientQuery>().unwrap_err().to_string();
    assert!(client("").starts_with(" is no client: give its IPv4 address"));
    assert!(client("beta").starts_with("beta is no client"));
    assert!(client("203.0.113.7:0").starts_with("0 is no port"));
    assert!(client("203.0.113.7:70000").starts_with("70000 is no port"));
    assert!(client("[2001:db8::1]:80").contains("IPv6 address, which is not served"));
    assert!(client("2001:db8::1").contains("IPv6 address, which is not served"));
    let frontend = |text: &str| text.parse::<FrontendQuery>().unwrap_err().to_string();
    for text in ["8080", "192.0.2.1", ":8080", "192.0.2:8080", "a:b:80", ""] {
        assert!(
            frontend(text).contains("no published port of a node"),
            "{text}"
        );
    }
    assert!(frontend("alpha:http").starts_with("http is no port"));
    assert!(frontend("alpha:80/sctp").starts_with("sctp is not served"));
    assert!(frontend("[::1]:80").contains("IPv6 address"));
    let asked: FrontendQuery = "gamma:80".parse().unwrap();
    let client: ClientQuery = "203.0.113.7".parse().unwrap();
    assert_eq!(
        asked
            .resolve(client, &swarm(), &this())
            .unwrap_err()
            .to_string(),
        "no node of the Swarm with a known address is called gamma: there are alpha, beta"
    );
}

#[test]
fn a_question_is_said_again_as_it_was_understood() {
    for text in ["203.0.113.7", "203.0.113.7:40000"] {
        assert_eq!(text.parse::<ClientQuery>().unwrap().to_string(), text);
    }
    for text in ["alpha:8080/udp", "192.0.2.1:53/tcp"] {
        assert_eq!(text.parse::<FrontendQuery>().unwrap().to_string(), text);
    }
}
