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

#[test]
fn a_node_is_found_by_its_name_at_the_address_that_it_has_and_this_one_before_its_namesakes() {
    let named = |text: &str, this: &Node| {
        let asked: FrontendQuery = text.parse().unwrap();
        let client: ClientQuery = "203.0.113.7".parse().unwrap();
        asked.resolve(client, &namesakes(), this).unwrap().frontend
    };
    let at = |last| SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, last), 80);
    // Its own address it knows better than the Swarm.
    let known = Node {
        address: Some(Ipv4Addr::new(192, 0, 2, 77)),
        ..this()
    };
    assert_eq!(named("alpha:80", &known), at(77));
    assert_eq!(named("alpha:80", &this()), at(1));
    assert_eq!(named("beta:80", &known), at(2));
}

/// Another node is called alpha as well, and comes before this one by its id.
fn namesakes() -> Snapshot {
    let mut swarm = swarm();
    let other = crate::testing::member("alpha", Some(Ipv4Addr::new(192, 0, 2, 3)));
    swarm.nodes.insert("a".into(), other);
    swarm
}

#[test]
fn eight_nodes_are_named_and_of_more_the_number() {
    let said = |count: u8| {
        let mut swarm = Snapshot::default();
        for n in 0..count {
            let node = crate::testing::member(&format!("n{n}"), Some([192, 0, 2, n].into()));
            swarm.nodes.insert(format!("n{n}").into(), node);
        }
        let asked: FrontendQuery = "gamma:80".parse().unwrap();
        let client: ClientQuery = "203.0.113.7".parse().unwrap();
        let error = asked.resolve(client, &swarm, &this()).unwrap_err();
        let said = error.to_string();
        let (_, nodes) = said.split_once("is called gamma: ").unwrap();
        nodes.to_owned()
    };
    assert_eq!(said(0), "give an address");
    assert_eq!(said(1), "there are n0");
    let eight = "there are n0, n1, n2, n3, n4, n5, n6, n7";
    assert_eq!(said(8), eight);
    assert_eq!(said(9), format!("{eight} and 1 more"));
}
