//! Reports of nodes about their datapaths.

use super::*;
use lb_core::model::token::TokenKey;

#[test]
fn by_what_nodes_serve_is_known_of_those_that_said_so() {
    let mut state = manager_with(&[]);
    let hello = PeerReport {
        datapath: Some("ipvs".into()),
        ..PeerReport::default()
    };
    state.take(Input::Hello("far".into(), hello), NOW);
    state.own_datapath(OwnDatapath::default());
    let ebpf = OwnDatapath {
        datapath: Some("ebpf"),
        token_keys: None,
    };
    let by = |state: &mut State, node: &str| {
        let nodes = &state.view(NOW).unwrap().snapshot.nodes;
        nodes[&node.into()].datapath.clone()
    };
    assert_eq!(by(&mut state, "me"), None);
    state.own_datapath(ebpf);
    assert_eq!(by(&mut state, "me").as_deref(), Some("ebpf"));
    state.own_datapath(ebpf);
    assert!(state.view(NOW).is_none(), "no news");
    state.take(Input::Hello("far".into(), PeerReport::default()), NOW);
    assert!(
        state.view(NOW).is_none(),
        "an agent that does not say keeps what it said"
    );
}

#[test]
fn keys_are_those_that_a_node_said_last_and_go_only_where_it_serves_without() {
    let keys = |byte: u8| {
        Some(TokenKeys {
            epoch: byte.into(),
            current: TokenKey::new([byte; 16]),
            next: TokenKey::new([byte + 1; 16]),
        })
    };
    let mut state = manager_with(&[]);
    let mut told = |datapath: Option<&str>, token_keys| {
        let hello = PeerReport {
            datapath: datapath.map(str::to_owned),
            token_keys,
            ..PeerReport::default()
        };
        state.take(Input::Hello("far".into(), hello), NOW);
        let view = state.view(NOW);
        view.map(|view| view.snapshot.nodes[&"far".into()].token_keys)
    };
    assert_eq!(told(Some("ebpf"), keys(1)), Some(keys(1)));
    assert_eq!(told(Some("ebpf"), keys(1)), None, "no news");
    assert_eq!(told(None, None), None, "an agent that starts again");
    assert_eq!(told(Some("ebpf"), keys(2)), Some(keys(2)));
    assert_eq!(told(Some("ipvs"), None), Some(None));
    state.own_datapath(OwnDatapath {
        datapath: Some("ebpf"),
        token_keys: keys(5),
    });
    let view = state.view(NOW).unwrap();
    assert_eq!(view.snapshot.nodes[&"me".into()].token_keys, keys(5));
}

#[test]
fn a_source_that_has_not_heard_of_a_node_takes_back_nothing_that_it_said() {
    let mut state = manager_with(&[]);
    let ebpf = |byte: u8| PeerReport {
        datapath: Some("ebpf".into()),
        token_keys: Some(TokenKeys {
            epoch: 1,
            current: TokenKey::new([byte; 16]),
            next: TokenKey::new([0; 16]),
        }),
        ..PeerReport::default()
    };
    state.take(Input::Hello("far".into(), ebpf(1)), NOW);
    let known = state.view(NOW).unwrap().snapshot.nodes[&"far".into()].clone();
    // Another manager's agent that has just started is the source now.
    state.info(info("me", false));
    state.follow(Some("m2".into()));
    assert!(
        state
            .view(NOW)
            .is_none_or(|view| view.snapshot.nodes[&"far".into()] == known)
    );
    let version = |revision| SnapshotVersion { epoch: 1, revision };
    let mut next = view(&[("t", "far")]);
    state.take(Input::Upstream("m2".into(), version(1), next.clone()), NOW);
    let seen = state.view(NOW).unwrap().snapshot.nodes[&"far".into()].clone();
    assert_eq!(seen, known);
    // Once it has heard of the node, its word counts.
    let far = next.nodes.get_mut(&"far".into()).unwrap();
    far.datapath = Some("ipvs".into());
    state.take(Input::Upstream("m2".into(), version(2), next), NOW);
    let seen = state.view(NOW).unwrap().snapshot.nodes[&"far".into()].clone();
    assert_eq!(
        (seen.datapath.as_deref(), seen.token_keys),
        (Some("ipvs"), None)
    );
}
