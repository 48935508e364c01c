use super::*;

fn service(labels: &[(&str, &str)]) -> Service {
    Service {
        name: "vote".to_owned(),
        labels: labels
            .iter()
            .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()))
            .collect(),
        ports: vec![port(8080, 80, Proto::Tcp)],
        removed: false,
    }
}

fn port(published: u16, target: u16, proto: Proto) -> PublishedPort {
    PublishedPort {
        proto,
        published,
        target,
        mode: PublishMode::Ingress,
    }
}

fn complaints(labels: &[(&str, &str)]) -> Vec<String> {
    let (_, problems) = read(&service(labels));
    problems
        .into_iter()
        .map(|problem| format!("{}: {}", problem.object, problem.sentence))
        .collect()
}

#[test]
fn a_service_without_labels_is_served_as_ever() {
    let (wishes, problems) = read(&service(&[("com.example.swarmlb.policy", "x")]));
    assert_eq!(problems, vec![]);
    assert_eq!((wishes.enabled, wishes.policy), (true, Policy::RoundRobin));
    assert_eq!(ports(&service(&[])), [port(8080, 80, Proto::Tcp)]);
}

#[test]
fn each_label_is_understood() {
    let (wishes, problems) = read(&service(&[
        ("swarmlb.enable", "false"),
        ("swarmlb.policy", "source-hash"),
        ("swarmlb.local", "only"),
        ("swarmlb.publish", "8081:80, 53:5353/udp,443:8443/tcp"),
        ("swarmlb.return", "direct"),
        ("swarmlb.affinity", "60"),
        (
            "swarmlb.allow",
            "10.0.0.0/9, 10.128.0.0/9,192.0.2.7,2001:db8::/32",
        ),
    ]));
    assert_eq!(problems, vec![]);
    assert_eq!(
        wishes,
        Wishes {
            enabled: false,
            policy: Policy::SourceHash,
            local: Local::Only,
            affinity_s: 60,
            direct: true,
            allow: Some(vec![
                "10.0.0.0/8".parse().unwrap(),
                "192.0.2.7/32".parse().unwrap()
            ]),
            published: vec![
                port(8081, 80, Proto::Tcp),
                port(53, 5353, Proto::Udp),
                port(443, 8443, Proto::Tcp)
            ],
        }
    );
}

#[test]
fn a_bad_label_is_named_and_the_rest_of_the_service_works() {
    assert_eq!(
        complaints(&[("swarmlb.polcy", "maglev")]),
        [
            "service vote: label swarmlb.polcy=maglev: there is no such label; there are enable, policy, affinity, local, return, allow and publish"
        ]
    );
    assert_eq!(
        complaints(&[("swarmlb.policy", "random")]),
        [
            "service vote: label swarmlb.policy=random: it is round-robin, least-conn, source-hash or maglev; round-robin it is until then"
        ]
    );
    let bad = [(
        "swarmlb.publish",
        "81:80,0:80,80,9:9/sctp,70000:1,a:b,8082:80",
    )];
    assert_eq!(
        complaints(&bad),
        [
            "service vote: label swarmlb.publish=81:80,0:80,80,9:9/sctp,70000:1,a:b,8082:80: `0:80`, `80`, `9:9/sctp`, \
          `70000:1`, `a:b` is no PUBLISHED:TARGET[/tcp|/udp] with ports from 1 to 65535; it is left out"
        ]
    );
    let published: Vec<u16> = ports(&service(&bad))
        .iter()
        .map(|port| port.published)
        .collect();
    assert_eq!(published, [8080, 81, 8082]);
    for label in [
        ("swarmlb.enable", "no"),
        ("swarmlb.local", "yes"),
        ("swarmlb.affinity", "0"),
        ("swarmlb.affinity", "604801"),
        ("swarmlb.return", "there"),
    ] {
        assert_eq!(complaints(&[label]).len(), 1, "{label:?}");
        assert_eq!(ports(&service(&[label])).len(), 1, "{label:?}");
    }
}

#[test]
fn a_restriction_that_is_not_understood_is_not_ignored() {
    for (value, allowed, problems) in [
        ("10.0.0.0/8,10.0.0.0/33,all", vec!["10.0.0.0/8"], 1),
        ("none of these", vec![], 1),
        ("", vec![], 1),
        ("2001:db8::/32", vec![], 0),
    ] {
        let labels = [("swarmlb.allow", value)];
        let (wishes, told) = read(&service(&labels));
        let expected: Vec<Ipv4Net> = allowed.iter().map(|net| net.parse().unwrap()).collect();
        assert_eq!(
            (wishes.allow, told.len()),
            (Some(expected), problems),
            "{value}"
        );
        assert_eq!(
            ports(&service(&labels)).len(),
            1,
            "{value}: published, to those"
        );
    }
}

#[test]
fn a_service_that_is_left_to_docker_has_no_ports_of_ours() {
    let labels = [("swarmlb.enable", "false"), ("swarmlb.publish", "81:80")];
    assert_eq!(ports(&service(&labels)), []);
}

#[test]
fn what_swarm_publishes_is_not_published_twice() {
    let same = service(&[("swarmlb.publish", "8080:81,8080:80/udp")]);
    let expected = [port(8080, 80, Proto::Tcp), port(8080, 80, Proto::Udp)];
    assert_eq!(ports(&same), expected);
}
